"""Run in an environment of its own (duckdb 1.5.5, TPC extensions): `python -m tests.lineage_oracle.records_tpc h 40 3`.

Traces every query, replays records of it, and prints JSON. Nothing of the queries or data is kept.
"""

import json
import sys
import threading
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb

from batch_audit.lineage.records import provenance_query
from tests.lineage_oracle.replays import STRICT, Replay, Replayed

SCALE = {"h": 0.02, "ds": 0.01}  # with less, query 8 adds up no line of its nation
# What identifies a row, as the specifications say it.
KEYS = {
    "region": ["r_regionkey"], "nation": ["n_nationkey"], "part": ["p_partkey"], "supplier": ["s_suppkey"],
    "partsupp": ["ps_partkey", "ps_suppkey"], "customer": ["c_custkey"], "orders": ["o_orderkey"],
    "lineitem": ["l_orderkey", "l_linenumber"],
    "store_sales": ["ss_item_sk", "ss_ticket_number"], "store_returns": ["sr_item_sk", "sr_ticket_number"],
    "catalog_sales": ["cs_item_sk", "cs_order_number"], "catalog_returns": ["cr_item_sk", "cr_order_number"],
    "web_sales": ["ws_item_sk", "ws_order_number"], "web_returns": ["wr_item_sk", "wr_order_number"],
    "inventory": ["inv_date_sk", "inv_item_sk", "inv_warehouse_sk"],
    "store": ["s_store_sk"], "call_center": ["cc_call_center_sk"], "catalog_page": ["cp_catalog_page_sk"],
    "web_site": ["web_site_sk"], "web_page": ["wp_web_page_sk"], "warehouse": ["w_warehouse_sk"],
    "customer_address": ["ca_address_sk"], "customer_demographics": ["cd_demo_sk"], "date_dim": ["d_date_sk"],
    "household_demographics": ["hd_demo_sk"], "item": ["i_item_sk"], "income_band": ["ib_income_band_sk"],
    "promotion": ["p_promo_sk"], "reason": ["r_reason_sk"], "ship_mode": ["sm_ship_mode_sk"], "time_dim": ["t_time_sk"],
}  # fmt: skip


def connect(kind: str, scale: float) -> tuple[Any, dict[str, dict[str, str]], dict[str, list[str]]]:
    """A database with the tables of a benchmark, their columns with types, and their keys."""
    connection = duckdb.connect(config={"threads": 1, "memory_limit": "6GB"})
    extension = (
        files(f"duckdb_extension_tpc{kind}")
        / "extensions"
        / f"v{duckdb.__version__}"
        / f"tpc{kind}.duckdb_extension"
    )
    connection.execute(f"load '{extension}'")
    connection.execute(f"call {'dbgen' if kind == 'h' else 'dsdgen'}(sf={scale})")
    schema: dict[str, dict[str, str]] = {}
    for table, column, form in connection.execute(
        "select table_name, column_name, data_type from information_schema.columns"
        " order by table_name, ordinal_position"
    ).fetchall():
        schema.setdefault(table, {})[column] = form
    keys = dict(KEYS, customer=["c_customer_sk"]) if kind == "ds" else KEYS
    return connection, schema, {table: keys[table] for table in schema}


def count(result: dict[str, Any], number: int, seen: Replayed) -> None:
    """Add up what was seen of a query."""
    for part in ("records", "removed", "over", "removed_alike", "over_alike"):
        result[part] += getattr(seen, part)
    if seen.over:
        result["overs"][number] = [seen.over, seen.removed]
    if seen.wrong_rows:
        result["wrong"][number] = seen.wrong_rows
    failed = [failure for failure in seen.failed if "Interrupted" not in failure]
    if failed:
        result["failed"][number] = [seen.label, len(failed), failed[0][:150]]
    elif seen.failed and number not in result["slow"]:
        result["slow"].append(number)


def main(kind: str, seconds: float, most: int, numbers: list[int]) -> dict[str, Any]:
    """Trace and replay, within a time for each query."""
    connection, schema, keys = connect(kind, SCALE[kind])
    result: dict[str, Any] = {
        "queries": 0,
        "records": 0,
        "removed": 0,
        "over": 0,
        "removed_alike": 0,
        "over_alike": 0,
        "overs": {},
        "labels": {},
        "unknown": {},
    }
    result |= {"failed": {}, "wrong": {}, "slow": []}
    for number, sql in connection.execute(f"select query_nr, query from tpc{kind}_queries()").fetchall():
        if numbers and number not in numbers:
            continue
        result["queries"] += 1
        found = provenance_query(sql, dialect="duckdb", schema=schema, keys=keys)
        result["labels"].setdefault(found.label, []).append(number)
        if found.label == "unknown" or found.sql is None:
            result["unknown"][number] = found.reasons
            continue
        seen = Replayed(found.label)
        watch = threading.Timer(seconds, connection.interrupt)
        watch.start()
        start = time.monotonic()
        try:
            Replay(connection, sql, found).check(seen, most, 3, STRICT)
        except duckdb.Error as error:
            if "Interrupted" in str(error):
                result["slow"].append(number)
            else:
                result["wrong"][number] = str(error)[:300]
        watch.cancel()
        if numbers:
            sys.stderr.write(f"{number} {time.monotonic() - start:.1f} s {found.reasons}\n")
        count(result, number, seen)
    return result


def dump(kind: str, folder: str, scale: float) -> dict[str, Any]:
    """Write the tables as CSV, and give what is needed to load and query them elsewhere."""
    connection, schema, keys = connect(kind, scale)
    for table in schema:
        connection.execute(f"copy {table} to '{folder}/{table}.csv' (header false)")
    queries = connection.execute(f"select query_nr, query from tpc{kind}_queries()").fetchall()
    return {"schema": schema, "keys": keys, "queries": queries}


def load(cursor: Any, data: dict[str, Any], folder: Path) -> None:
    """Load dumped tables into PostgreSQL, with their primary keys."""
    for table, columns in data["schema"].items():
        types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        cursor.execute(f"create table {table} ({types}, primary key ({', '.join(data['keys'][table])}))")
        with (folder / f"{table}.csv").open() as file:
            cursor.copy_expert(f"copy {table} from stdin (format csv)", file)
    cursor.execute("analyze")


if __name__ == "__main__" and sys.argv[1] == "dump":
    size = float(sys.argv[4]) if len(sys.argv) > 4 else SCALE[sys.argv[2]]
    sys.stdout.write(json.dumps(dump(sys.argv[2], sys.argv[3], size)))
elif __name__ == "__main__":
    wanted = [int(number) for number in sys.argv[4:]]
    sys.stdout.write(json.dumps(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), wanted)))
