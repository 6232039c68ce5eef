"""A generated dbt project of 200 models and 200 tests over little data, so that dbt itself is what takes the time."""

from collections.abc import Iterator

import yaml

from tests.support.target import Target

DOMAINS = (
    "billing", "catalog", "delivery", "events", "fleet", "growth", "hiring", "insurance", "journeys", "kitchen",
)  # fmt: skip
ENTITIES = ("customers", "orders", "payments", "products", "refunds", "visits")
ROWS = 300

_RAW = """
create table raw.{name} as
select
    i as id, 1 + (i * 7) % {rows} as parent_id, case when i % 3 = 0 then 'open' else 'closed' end as status,
    cast(i * 13 % 1000 as numeric(12, 2)) / 4 as amount, i % 9 + 1 as quantity, 'note ' || i as note,
    timestamp '2026-01-01' + i * interval '1 hour' as created_at
from generate_series(1, {rows}) as t(i);
"""

_STAGING = """
with source as (select * from {{{{ source('raw', '{domain}_{entity}') }}}}),

renamed as (
    select
        id as {one}_id,
        parent_id as parent_id,
        lower(status) as status,
        cast(amount as numeric(12, 2)) as amount,
        quantity,
        trim(note) as note,
        created_at
    from source
)

select * from renamed
"""

_MODELS = {
    "intermediate/int_{d}__orders_joined": """
with orders as (select * from {{{{ ref('stg_{d}__orders') }}}}),

customers as (select * from {{{{ ref('stg_{d}__customers') }}}})

select o.order_id, o.status, o.amount, o.quantity, o.created_at, c.customer_id, c.note as customer_note
from orders as o
left join customers as c on c.customer_id = o.parent_id
""",
    "intermediate/int_{d}__payments_by_order": """
select parent_id as order_id, sum(amount) as paid, count(*) as payments
from {{{{ ref('stg_{d}__payments') }}}}
where status = 'closed'
group by parent_id
""",
    "intermediate/int_{d}__refunds_by_order": """
select parent_id as order_id, sum(amount) as refunded
from {{{{ ref('stg_{d}__refunds') }}}}
group by parent_id
""",
    "intermediate/int_{d}__visits_by_customer": """
select parent_id as customer_id, count(*) as visits, max(created_at) as last_visit_at
from {{{{ ref('stg_{d}__visits') }}}}
group by parent_id
""",
    "tables/{d}_orders": """
select j.*, coalesce(p.paid, 0) as paid, coalesce(r.refunded, 0) as refunded
from {{{{ ref('int_{d}__orders_joined') }}}} as j
left join {{{{ ref('int_{d}__payments_by_order') }}}} as p on p.order_id = j.order_id
left join {{{{ ref('int_{d}__refunds_by_order') }}}} as r on r.order_id = j.order_id
""",
    "tables/{d}_customers": """
select c.customer_id, c.status, c.note, v.visits, v.last_visit_at
from {{{{ ref('stg_{d}__customers') }}}} as c
left join {{{{ ref('int_{d}__visits_by_customer') }}}} as v on v.customer_id = c.customer_id
""",
    "tables/{d}_products": "select * from {{{{ ref('stg_{d}__products') }}}}",
    "tables/{d}_payments": "select * from {{{{ ref('stg_{d}__payments') }}}}",
    "tables/{d}_refunds": "select * from {{{{ ref('stg_{d}__refunds') }}}}",
    "tables/{d}_visits": "select * from {{{{ ref('stg_{d}__visits') }}}}",
    "marts/{d}_revenue_by_month": """
select date_trunc('month', created_at) as month, status, sum(paid - refunded) as revenue, count(*) as orders
from {{{{ ref('{d}_orders') }}}}
group by 1, 2
""",
    "marts/{d}_customer_value": """
select c.customer_id, c.visits, sum(o.paid - o.refunded) as value, count(o.order_id) as orders
from {{{{ ref('{d}_customers') }}}} as c
left join {{{{ ref('{d}_orders') }}}} as o on o.customer_id = c.customer_id
group by c.customer_id, c.visits
""",
    "marts/{d}_product_performance": """
select p.product_id, p.status, p.amount, rank() over (order by p.amount desc, p.product_id) as place
from {{{{ ref('{d}_products') }}}} as p
""",
    "marts/{d}_overview": """
select
    (select count(*) from {{{{ ref('{d}_orders') }}}}) as orders,
    (select sum(value) from {{{{ ref('{d}_customer_value') }}}}) as value,
    (select sum(revenue) from {{{{ ref('{d}_revenue_by_month') }}}}) as revenue,
    (select count(*) from {{{{ ref('{d}_product_performance') }}}}) as products
""",
}

CONFIG = {
    "shop": {
        "staging": {"+materialized": "view"},
        "intermediate": {"+materialized": "view"},
        "tables": {"+materialized": "table"},
        "marts": {"+materialized": "table"},
    }
}


def load_raw(target: Target) -> None:
    """Create the sources in the schema `raw`."""
    with target.connected() as connection:
        cursor = connection.cursor()
        cursor.execute("create schema raw")
        for domain in DOMAINS:
            for entity in ENTITIES:
                cursor.execute(_RAW.format(name=f"{domain}_{entity}", rows=ROWS))


def files(captured: int = 0) -> dict[str, str]:
    """Path to text of every file; the first `captured` of the tables `…_orders` ask for record capture."""
    made = {}
    for number, domain in enumerate(DOMAINS):
        for entity in ENTITIES:
            path = f"models/staging/stg_{domain}__{entity}.sql"
            made[path] = _STAGING.format(domain=domain, entity=entity, one=entity[:-1])
        for path, sql in _MODELS.items():
            made[f"models/{path.format(d=domain)}.sql"] = sql.format(d=domain)
        models = {"models": list(_properties(domain, captured=number < captured))}
        made[f"models/{domain}.yml"] = yaml.safe_dump(models, sort_keys=False)
    made["models/sources.yml"] = yaml.safe_dump(
        {"sources": [{"name": "raw", "schema": "raw", "tables": _source_tables()}]}, sort_keys=False
    )
    return made


def _source_tables() -> list[dict[str, str]]:
    return [{"name": f"{domain}_{entity}"} for domain in DOMAINS for entity in ENTITIES]


def _properties(domain: str, *, captured: bool) -> Iterator[dict[str, object]]:
    """The YAML entries of one domain's models, with its 20 tests."""
    for entity in ENTITIES:
        key = f"{entity[:-1]}_id"
        yield _model(f"stg_{domain}__{entity}", key, ["not_null"])
        tests: list[object] = ["unique"] + (["not_null"] if entity not in ("refunds", "visits") else [])
        columns: list[dict[str, object]] = []
        if entity in ("orders", "customers"):
            allowed = {"accepted_values": {"arguments": {"values": ["open", "closed"]}}}
            columns.append({"name": "status", "data_tests": [allowed]})
        if entity in ("payments", "refunds"):
            to = {"to": f"ref('{domain}_orders')", "field": "order_id"}
            columns.append({"name": "parent_id", "data_tests": [{"relationships": {"arguments": to}}]})
        entry = _model(f"{domain}_{entity}", key, tests, columns)
        if captured and entity == "orders":
            entry["config"] = {"meta": {"audit_capture": "changes"}}
        yield entry


def _model(
    name: str, key: str, tests: list[object] | list[str], columns: list[dict[str, object]] | None = None
) -> dict[str, object]:
    described = {"name": key, "description": f"Identifies a row of {name}.", "data_tests": tests}
    return {
        "name": name,
        "description": f"{name}, one row per {key}.",
        "columns": [described, *(columns or [])],
    }
