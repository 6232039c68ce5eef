"""A wide table in two versions that differ in 2 % of the rows, behind a view that shows the one or the other."""

from tests.support.target import Target

# Of so many rows 16 are updated, 2 deleted, and 2 are new: 2 %.
PERIOD = 1000

COLUMNS = """
    i as order_id,
    'customer ' || i % 20011 as customer,
    'street ' || i % 7919 || ', ' || i % 97 as address,
    {status} as status,
    cast(i * 37 % 1000003 as numeric(12, 2)) / 100 as amount,
    date '2020-01-01' + cast(i % 2000 as integer) as ordered_on,
    timestamp '2020-01-01' + i % 2000003 * interval '1 minute' as updated_at,
    cast(i as double precision) / 7 as weight,
    i % 3 = 0 as paid,
    md5('' || i) as reference
"""


def load(target: Target, rows: int, period: int = PERIOD) -> None:
    """Create raw.orders_1 and raw.orders_2 of `rows` rows and 10 columns, and the view raw.orders over the first.

    The versions differ in 20 of `period` rows, so that `rows` and `period` that grow alike keep the number of changes.
    """
    first = COLUMNS.format(status="'open'")
    second = COLUMNS.format(status=f"case when i % {period} < 16 then 'closed' else 'open' end")
    with target.connected() as connection:
        cursor = connection.cursor()
        cursor.execute("create schema raw")
        cursor.execute(f"create table raw.orders_1 as select {first} from generate_series(1, {rows}) as t(i)")
        cursor.execute(
            f"create table raw.orders_2 as select {second} from generate_series(1, {rows + 2 * rows // period}) as t(i)"
            f" where i % {period} not in (16, 17)"
        )
    show(target, 1)


def show(target: Target, version: int) -> None:
    """Let raw.orders show version 1 or 2."""
    with target.connected() as connection:
        connection.cursor().execute(
            f"create or replace view raw.orders as select * from raw.orders_{version}"
        )
