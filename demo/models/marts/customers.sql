select customer_id, full_name, email, city, country, marketing_consent, signed_up_on, drop_date
from {{ ref("stg_customers") }}
