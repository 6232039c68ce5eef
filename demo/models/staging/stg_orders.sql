with
    typed as (
        select
            cast(order_id as integer) as order_id,
            customer_id,
            cast(ordered_at as timestamp) as ordered_at,
            status,
            cast(amount as numeric(12, 2)) as amount,
            currency,
            note
        from {{ source("raw", "orders") }}
    )
select
    typed.*,
    case
        when typed.amount < 0
        then 'negative amount'
        when typed.customer_id is null
        then 'no customer'
        when customers.customer_id is null
        then 'unknown customer'
    end as reject_reason
from typed
left join {{ ref("stg_customers") }} as customers on typed.customer_id = customers.customer_id
