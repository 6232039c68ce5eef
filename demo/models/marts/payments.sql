select payment_id, order_id, method, amount, paid_on from {{ ref("stg_payments") }}
