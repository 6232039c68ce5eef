"""Load one dated drop of CSV files into the schema `raw`: the part of a pipeline that lands files.

    python load_drop.py 2026-01-01
    python load_drop.py 2026-01-02 --postgres "host=localhost dbname=shop"

Everything arrives as text; the staging models give it types. A drop is complete: it replaces the one before.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
TABLES = ("customers", "orders", "payments")


def columns_of(file: Path) -> list[str]:
    """The header of a CSV file."""
    with file.open(encoding="utf-8", newline="") as lines:
        return next(csv.reader(lines))


def before_copy(table: str, columns: list[str]) -> str:
    """Statements that leave an empty raw table; it is never dropped, because views stand on it."""
    declared = ", ".join(f"{column} text" for column in [*columns, "drop_date"])
    return f"create table if not exists raw.{table} ({declared}); delete from raw.{table};"


def load_duckdb(drop: Path) -> None:
    """Load a drop into warehouse.duckdb beside this file."""
    import duckdb

    with duckdb.connect(str(PROJECT / "warehouse.duckdb")) as connection:
        connection.execute("begin; create schema if not exists raw;")
        for table in TABLES:
            file = drop / f"{table}.csv"
            columns = columns_of(file)
            connection.execute(before_copy(table, columns))
            connection.execute(
                f"insert into raw.{table} select {', '.join(columns)}, ?"
                " from read_csv(?, header = true, all_varchar = true)",
                [drop.name, str(file)],
            )
        connection.execute("commit")


def load_postgres(drop: Path, dsn: str) -> None:
    """Load a drop into the PostgreSQL database that a connection string names."""
    import psycopg2

    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute("create schema if not exists raw")
        for table in TABLES:
            file = drop / f"{table}.csv"
            columns = columns_of(file)
            cursor.execute(before_copy(table, columns))
            with file.open(encoding="utf-8") as lines:
                cursor.copy_expert(
                    f"copy raw.{table} ({', '.join(columns)}) from stdin (format csv, header)", lines
                )
            cursor.execute(f"update raw.{table} set drop_date = %s", (drop.name,))
    connection.close()


def main() -> None:
    drops = PROJECT / "drops"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "drop", choices=sorted(folder.name for folder in drops.iterdir()), help="a folder of drops/"
    )
    parser.add_argument("--postgres", metavar="DSN", help="load into PostgreSQL instead of warehouse.duckdb")
    options = parser.parse_args()
    if options.postgres:
        load_postgres(drops / options.drop, options.postgres)
    else:
        load_duckdb(drops / options.drop)


if __name__ == "__main__":
    main()
