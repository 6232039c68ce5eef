with
    paid as (
        select
            order_id,
            count(*) as payment_count,
            sum(amount) as paid_amount,
            string_agg(distinct method, ', ' order by method) as payment_methods
        from {{ ref("stg_payments") }}
        group by order_id
    ),

    accepted as (
        select
            orders.order_id,
            orders.customer_id,
            orders.ordered_at,
            orders.status,
            orders.amount,
            cast(coalesce(paid.paid_amount, 0) as numeric(12, 2)) as paid_amount,
            coalesce(paid.payment_count, 0) as payment_count,
            paid.payment_methods,
            orders.note
        from {{ ref("stg_orders") }} as orders
        left join paid on orders.order_id = paid.order_id
        where orders.reject_reason is null
    )

select *, {{ batch_audit.audit_columns(["order_id", "status", "amount", "paid_amount"]) }}
from accepted
