select
    customer_id,
    cast(date_trunc('month', ordered_at) as date) as order_month,
    count(*) as order_count,
    cast(sum(amount) as numeric(12, 2)) as revenue,
    cast(sum(amount - paid_amount) as numeric(12, 2)) as open_balance
from {{ ref("orders") }}
where status not in ('cancelled', 'returned')
group by customer_id, cast(date_trunc('month', ordered_at) as date)
