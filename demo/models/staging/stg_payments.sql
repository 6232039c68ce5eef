select
    payment_id,
    cast(order_id as integer) as order_id,
    lower(trim(method)) as method,
    cast(amount as numeric(12, 2)) as amount,
    cast(paid_on as date) as paid_on
from {{ source("raw", "payments") }}
