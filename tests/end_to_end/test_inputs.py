"""What captured models read of their inputs and left out, held against the tables themselves."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import Project, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

SOURCES = """
version: 2
sources:
  - name: raw
    schema: raw
    tables: [{name: orders}, {name: lines}, {name: regions}]
"""
ORDERS = "{{ source('raw', 'orders') }}"
LINES = "{{ source('raw', 'lines') }}"
REGIONS = "{{ source('raw', 'regions') }}"
# Name -> (materialization, key, further meta, SQL).
MODELS: dict[str, tuple[str, Any, dict[str, Any], str]] = {
    "plain": ("table", "id", {}, f"select id, region, note from {ORDERS} where region <> 'nowhere'"),
    "whole": ("table", "code", {}, f"select code, name from {REGIONS}"),
    "filtered": (
        "table", "id", {},
        f"with o as (select * from {ORDERS}) -- where 1 = 0\n"
        "select o.id, note from o\nwhere note <> 'where; it''s  out'\n  and id is not null /* ; */ order by note",
    ),
    "joined": (
        "table", "id", {"audit_inputs": {"raw.orders": "id", "regions": None}},
        f"select o.id, r.name from {ORDERS} as o join {REGIONS} as r on r.code = o.region where o.id is not null",
    ),
    "renamed": (
        "table", "order_id", {"audit_inputs": {"source.shop.raw.orders": ["id"]}},
        f"select cast(o.id as bigint) as order_id, note from {ORDERS} as o where o.region = 'north'",
    ),
    "as_text": (
        "table", "order_id", {"audit_inputs": {"orders": "id"}},
        f"select cast(id as varchar(20)) as order_id from {ORDERS} where region = 'north'",
    ),
    "distinct_ids": (
        "table", "id", {},
        f"select distinct id from {ORDERS} where id is not null and id <> 40",
    ),
    "renumbered": (
        "table", "id", {},
        f"select row_number() over (order by id) as id from {ORDERS} where id < 20 and region <> 'nowhere'",
    ),
    "composite": ("table", ["id", "line"], {}, f"select line, id, note from {LINES} where note <> 'x|~'"),
    "limited": (
        "table", "id", {"audit_max_skips": 3, "audit_inputs": "raw.orders"},
        f"select id from {ORDERS} where id % 2 = 0",
    ),
    "counted": (
        "table", "id", {"audit_max_skips": 0, "audit_inputs": ["orders"]},
        f"select id from {ORDERS} where id % 2 = 0",
    ),
    "listed": (
        "table", "id", {"audit_reads": "records", "audit_max_reads": 30, "audit_max_skips": 4},
        f"select id from {ORDERS} where id > 10",
    ),
    "of_a_view": ("table", "id", {}, "select id from {{ ref('a_view') }} where note is not null"),
    "of_an_ephemeral": ("table", "id", {}, "select id from {{ ref('an_ephemeral') }}"),
    "undeclared": (
        "table", "id", {},
        f"select o.id from {ORDERS} as o, {REGIONS} as r where r.code = o.region and id > 0",
    ),
    "without_key": ("table", "n", {}, f"select count(*) as n from {ORDERS}"),
    "switched_off": ("table", "id", {"audit_inputs": False}, f"select id from {ORDERS} where id > 7"),
    "grown": (
        "incremental", "id", {"audit_inputs": "orders"},
        f"select id, note from {ORDERS} where region <> 'nowhere' and id % 5 <> 0"
        "{% if is_incremental() %} and id > 20{% endif %}",
    ),
    "grown_undeclared": ("incremental", "id", {}, f"select id, note from {ORDERS} where id > 7"),
}  # fmt: skip
A_VIEW = f"{{{{ config(materialized='view') }}}} select id, note from {ORDERS} where id > 7"
AN_EPHEMERAL = f"{{{{ config(materialized='ephemeral') }}}} select id, note from {ORDERS} where id > 7"


def model(name: str) -> str:
    """The file of a model of MODELS."""
    materialized, key, meta, sql = MODELS[name]
    said = {"audit_capture": "changes", "audit_key": key} | meta
    unique = f", unique_key={key!r}" if materialized == "incremental" else ""
    return f"{{{{ config(materialized='{materialized}', meta={said!r}{unique}) }}}}\n{sql}\n"


def fill(project: Project) -> None:
    """40 orders with ids 1 to 40; besides, rows without a key, ids that come twice, and texts with separators."""
    project.query("create schema raw")
    project.query(
        "create table raw.orders as select cast(i as integer) as id,"
        " case when i % 4 = 0 then 'north' when i % 7 = 0 then 'nowhere' else 'south' end as region,"
        " case when i % 3 = 0 then 'where; it''s  out' when i % 11 = 0 then null else 'b' end as note"
        " from generate_series(1, 40) as t(i)"
    )
    project.query("insert into raw.orders values (null, 'north', 'b'), (null, null, null)")
    project.query("insert into raw.orders values (3, 'nowhere', 'where; it''s  out'), (7, 'nowhere', null)")
    project.query("delete from raw.orders where region = 'north' and id is null")
    project.query(
        "create table raw.lines as select cast(i / 3 as integer) as id, 'l|' || (i % 3) as line,"
        " case when i % 5 = 0 then 'x|~' else 'b' end as note from generate_series(1, 30) as t(i)"
    )
    project.query(
        "create table raw.regions as select 'north' as code, 'North' as name union all select 'south', 'S'"
    )


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Trail]:
    """Two builds; between them ten orders come in."""
    folder = tmp_path_factory.mktemp("inputs")
    with database(request.param, folder) as target:
        files = {f"models/{name}.sql": model(name) for name in MODELS} | {
            "models/sources.yml": SOURCES, "models/a_view.sql": A_VIEW, "models/an_ephemeral.sql": AN_EPHEMERAL,
        }  # fmt: skip
        project = write_project(folder / "project", target, files=files, config={"dispatch": DISPATCH})
        fill(project)
        forks.dbt(project, "run")
        project.query(
            "insert into raw.orders select cast(i as integer), 'north', 'new' from generate_series(41, 50) as t(i)"
        )
        forks.dbt(project, "run")
        yield Trail(project)


DISPATCH = [{"macro_namespace": "dbt", "search_order": ["shop", "batch_audit", "dbt"]}]


def reads(trail: Trail, name: str, build: int = 1) -> dict[str, dict[str, Any]]:
    """What a build of a model says of each input, by the input's name."""
    invocation = trail.invocations()[build]
    events = trail.events(event_type="record_read", target=trail.node(name), invocation_id=invocation)
    return {
        event["source"].split(".")[-1]: event["metadata"] for event in events if event["record_id"] is None
    }


def records(trail: Trail, name: str, kind: str, build: int = 1) -> list[dict[str, Any]]:
    """The events of single records of a build, in the order of the ledger."""
    invocation = trail.invocations()[build]
    events = trail.events(event_type=kind, target=trail.node(name), invocation_id=invocation)
    return [event for event in events if event["record_id"] is not None]


def keys(trail: Trail, relation: str, columns: list[str]) -> list[str | None]:
    """The record ids of a relation's rows; None where a part of the key is NULL."""

    def field(value: Any) -> str:
        return str(value).replace("~", "~0").replace("|", "~1")

    rows = trail.project.query(f"select {', '.join(columns)} from {relation}")
    return [
        None if None in row.values() else "|".join(field(value) for value in row.values()) for row in rows
    ]


def by_value(record_id: str) -> list[tuple[int, str]]:
    """Numbers by value, texts as they are: the order in which records are stored."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in record_id.split("|")]


COMPARED = [
    ("plain", "orders", "raw.orders", ["id"]),
    ("filtered", "orders", "raw.orders", ["id"]),
    ("joined", "orders", "raw.orders", ["id"]),
    ("renamed", "orders", "raw.orders", ["id"]),
    ("as_text", "orders", "raw.orders", ["id"]),
    ("distinct_ids", "orders", "raw.orders", ["id"]),
    ("renumbered", "orders", "raw.orders", ["id"]),
    ("composite", "lines", "raw.lines", ["id", "line"]),
    ("limited", "orders", "raw.orders", ["id"]),
    ("counted", "orders", "raw.orders", ["id"]),
    ("listed", "orders", "raw.orders", ["id"]),
    ("of_a_view", "a_view", "shop.a_view", ["id"]),
    ("grown", "orders", "raw.orders", ["id"]),
]


@pytest.mark.parametrize(("name", "source", "relation", "columns"), COMPARED)
def test_counts_and_records_are_those_of_the_tables(
    trail: Trail, name: str, source: str, relation: str, columns: list[str]
) -> None:
    key = MODELS[name][1]
    there = keys(trail, relation, columns)
    written = set(keys(trail, f"shop.{name}", [key] if isinstance(key, str) else key))
    skipped = Counter(record for record in there if record is not None and record not in written)
    said = reads(trail, name)[source]

    assert said["rows_read"] == len(there)
    assert said["rows_null_key"] == there.count(None)
    assert said["rows_skipped"] == skipped.total()
    assert said["records_skipped"] == len(skipped) > 0
    assert said["rows_written"] == sum(record in written for record in there)
    assert said["records_written"] == len(written & set(there))
    assert said["records_without_input"] == len(written - set(there)) == 0
    most = MODELS[name][2].get("audit_max_skips", 1000)
    stored = [event["record_id"] for event in records(trail, name, "record_skip")]
    assert stored == sorted(skipped, key=None if said["compared_by"] == "text" else by_value)[:most]
    assert said["skips_not_stored"] == len(skipped) - len(stored)


NOT_TOLD = "unknown: "


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("plain", "orders", "filter: region <> 'nowhere'"),
        ("distinct_ids", "orders", NOT_TOLD + "its SQL has DISTINCT"),
        ("renumbered", "orders", NOT_TOLD + "its SQL makes id itself"),
        ("filtered", "orders", "filter: note <> 'where; it''s  out' and id is not null"),
        ("joined", "orders", NOT_TOLD + "the model reads several inputs"),
        ("renamed", "orders", "filter: o.region = 'north'"),
        ("as_text", "orders", "filter: region = 'north'"),
        ("composite", "lines", "filter: note <> 'x|~'"),
        ("of_a_view", "a_view", "filter: note is not null"),
        ("grown", "orders", "filter: region <> 'nowhere' and id % 5 <> 0 and id > 20"),
    ],
)
def test_the_reason_is_the_filter_where_it_can_be_told(
    trail: Trail, name: str, source: str, reason: str | None
) -> None:
    assert reads(trail, name)[source]["reason"] == reason
    assert {event["metadata"]["reason"] for event in records(trail, name, "record_skip")} <= {reason}


def test_a_skip_names_the_input_and_the_model(trail: Trail) -> None:
    (sources, targets) = zip(
        *((event["source"], event["target"]) for event in records(trail, "of_a_view", "record_skip")),
        strict=True,
    )
    assert (set(sources), set(targets)) == ({"model.shop.a_view"}, {"model.shop.of_a_view"})


def test_a_model_that_leaves_nothing_out_is_only_counted(trail: Trail) -> None:
    said = reads(trail, "whole")["regions"]
    assert (said["compared_by"], said["rows_read"], said["rows_written"], said["rows_skipped"]) == (
        "count",
        2,
        2,
        0,
    )


def test_an_input_without_a_key_is_only_counted(trail: Trail) -> None:
    said = reads(trail, "joined")["regions"]
    assert (said["rows_read"], said.get("rows_skipped"), said["note"]) == (
        2,
        None,
        "audit_inputs gives no key for it",
    )


@pytest.mark.parametrize(
    ("name", "build", "note"),
    [
        ("undeclared", 1, "audit_inputs names no input, and the model reads 2 inputs"),
        ("switched_off", 1, "audit_inputs is off"),
        ("of_an_ephemeral", 1, "an_ephemeral, which is ephemeral and has no rows of its own"),
        ("without_key", 1, "raw.orders, which has no column n"),
        ("grown_undeclared", 0, None),
        ("grown_undeclared", 1, "audit_inputs names no input, and the model was changed in place"),
    ],
)
def test_what_is_not_compared_says_why(trail: Trail, name: str, build: int, note: str | None) -> None:
    assert trail.capture(name, trail.invocations()[build])["inputs_note"] == note
    assert (reads(trail, name, build) == {}) == (note is not None)


def test_the_digest_is_that_of_the_skips_that_were_left_out(trail: Trail) -> None:
    written = set(keys(trail, "shop.limited", ["id"]))
    there = {key for key in keys(trail, "raw.orders", ["id"]) if key}
    skipped = sorted(there - written, key=by_value)
    for name, stored in (("limited", 3), ("counted", 0)):
        # Of an input that nobody named no digest is made: it costs more than many a model.
        assert reads(trail, "listed")["orders"]["skips_not_stored_digest"] is None
        digests = sorted(hashlib.sha256(key.encode()).hexdigest() for key in skipped[stored:])
        groups: dict[str, list[str]] = {}
        for digest in digests:
            groups.setdefault(digest[:2], []).append(digest)
        of_groups = sorted(hashlib.sha256("".join(group).encode()).hexdigest() for group in groups.values())
        expected = hashlib.sha256("".join(of_groups).encode()).hexdigest()
        assert reads(trail, name)["orders"]["skips_not_stored_digest"] == expected


def test_records_that_were_read_are_listed_on_request(trail: Trail) -> None:
    there = sorted({key for key in keys(trail, "raw.orders", ["id"]) if key}, key=by_value)
    assert [event["record_id"] for event in records(trail, "listed", "record_read")] == there[:30]
    assert reads(trail, "listed")["orders"]["reads_not_stored"] == len(there) - 30
    assert records(trail, "filtered", "record_read") == []


def test_the_store_proves_itself(trail: Trail) -> None:
    assert recompute.problems(trail.project) == []
    assert trail.project.batch_audit("verify").returncode == 0
