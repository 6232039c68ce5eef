select
    customer_id,
    full_name,
    lower(email) as email,
    city,
    country,
    case marketing_consent when 'yes' then true when 'no' then false end as marketing_consent,
    cast(signed_up_on as date) as signed_up_on,
    cast(drop_date as date) as drop_date
from {{ source("raw", "customers") }}
