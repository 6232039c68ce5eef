select order_id, customer_id, ordered_at, status, amount, reject_reason
from {{ ref("stg_orders") }}
where reject_reason is not null
