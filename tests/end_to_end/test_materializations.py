"""Capture on every materialization: after each build the table must be what the build before plus the events gives."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.history.as_of import write_as_of
from tests.support.forked import Forks
from tests.support.project import CHECKOUT, DISPATCH, HOOK, Project, write_project
from tests.support.trail import database

pytestmark = pytest.mark.slow

CONFIG = {
    "dispatch": DISPATCH,
    "models": {"+post-hook": HOOK, "+pre-hook": "{{ batch_audit.copy_previous() }}"},
    "seeds": {"shop": {"+column_types": {"id": "integer", "note": "varchar(20)"}}},
}
COLUMNS = ("id", "day", "ts", "status", "amount")
CAPTURED = "meta={'audit_capture': 'changes', 'audit_baseline': 'records', 'audit_key': %s}"
ALL = "select id, day, ts, status, amount from raw.feed"
NEW = "select id, day, ts, status, amount from raw.incoming"
UNSEEN = NEW + "{% if is_incremental() %} where id not in (select id from {{ this }}){% endif %}"

# With the variable, the last row cannot be computed.
FAILS = (
    "{% if var('fail', false) %} union all select cast('x' || max(id) as integer), max(day), max(ts), max(status),"
    " max(amount) from raw.feed{% endif %}"
)
DOCUMENTED = CHECKOUT / "docs" / "reference" / "materializations.md"


@dataclass(frozen=True)
class Case:
    """One model or snapshot: its configuration, its select and the columns that identify its records."""

    config: str
    sql: str = NEW
    key: tuple[str, ...] = ("id",)
    snapshot: bool = False
    engines: tuple[str, ...] = ("duckdb", "postgres")
    copied: bool = False

    def text(self, name: str) -> str:
        """The file that defines it."""
        meta = CAPTURED % list(self.key)
        meta = meta.replace("{", "{'audit_previous': 'copy', ", 1) if self.copied else meta
        body = f"{{{{ config({self.config}, {meta}) }}}}\n{self.sql}{FAILS}"
        return f"{{% snapshot {name} %}}\n{body}\n{{% endsnapshot %}}" if self.snapshot else body


INCREMENTAL = "materialized='incremental', "
SNAPSHOT = "unique_key='id', "
CHECK = SNAPSHOT + "strategy='check', check_cols='all'"
CASES = {
    "as_table": Case("materialized='table'", ALL),
    "as_copied_table": Case("materialized='table'", ALL, copied=True),
    "appended": Case(INCREMENTAL + "incremental_strategy='append'", UNSEEN),
    "without_key": Case(INCREMENTAL + "on_schema_change='append_new_columns'", UNSEEN),
    "by_default": Case(INCREMENTAL + "unique_key='id'"),
    "by_default_copied": Case(INCREMENTAL + "unique_key='id'", copied=True),
    "deleted_and_inserted": Case(INCREMENTAL + "unique_key='id', incremental_strategy='delete+insert'"),
    "by_day": Case(INCREMENTAL + "unique_key='day', incremental_strategy='delete+insert'"),
    "by_two": Case(
        INCREMENTAL + "unique_key=['id', 'day'], incremental_strategy='delete+insert'", key=("day", "id")
    ),
    "predicated": Case(
        INCREMENTAL
        + "unique_key='id', incremental_strategy='delete+insert', incremental_predicates=[\"id > 0\"]"
    ),
    "merged": Case(INCREMENTAL + "unique_key='id', incremental_strategy='merge'"),
    "merged_by_two": Case(
        INCREMENTAL + "unique_key=['id', 'day'], incremental_strategy='merge'", key=("id", "day")
    ),
    "merged_in_part": Case(
        INCREMENTAL + "unique_key='id', incremental_strategy='merge', merge_update_columns=['status']"
    ),
    "merged_by_source": Case(
        INCREMENTAL + "unique_key='id', incremental_strategy='merge', merge_clauses={'when_matched':"
        " [{'action': 'update', 'mode': 'star'}], 'when_not_matched': [{'action': 'insert', 'mode': 'by_name'},"
        " {'by': 'source', 'action': 'delete'}]}",
        engines=("duckdb",),
    ),
    "wiped": Case(INCREMENTAL + "incremental_strategy='wipe'"),
    "in_windows": Case(
        INCREMENTAL
        + "incremental_strategy='microbatch', event_time='ts', begin='2026-01-01', batch_size='day',"
        " lookback=3",
        ALL,
        engines=("duckdb",),
    ),
    "in_copied_windows": Case(
        INCREMENTAL
        + "incremental_strategy='microbatch', event_time='ts', begin='2026-01-01', batch_size='day',"
        " lookback=3",
        ALL,
        engines=("duckdb",),
        copied=True,
    ),
    "in_merged_windows": Case(
        INCREMENTAL
        + "incremental_strategy='microbatch', event_time='ts', begin='2026-01-01', batch_size='day',"
        " lookback=3, unique_key='id'",
        ALL,
        engines=("postgres",),
    ),
    "checked": Case(CHECK, ALL, snapshot=True),
    "checked_and_ended": Case(CHECK + ", hard_deletes='invalidate'", ALL, snapshot=True),
    "checked_and_marked": Case(CHECK + ", hard_deletes='new_record'", ALL, snapshot=True),
    "timed": Case(
        SNAPSHOT + "strategy='timestamp', updated_at='ts', hard_deletes='invalidate',"
        " dbt_valid_to_current=\"cast('9999-12-31' as timestamp)\"",
        ALL,
        snapshot=True,
    ),
    "renamed": Case(
        "unique_key=['id', 'day'], strategy='check', check_cols=['status', 'amount'], hard_deletes='invalidate',"
        " snapshot_meta_column_names={'dbt_valid_to': 'until', 'dbt_valid_from': 'since', 'dbt_scd_id': 'version'}",
        ALL,
        key=("id", "day"),
        snapshot=True,
    ),
}
WIPE = """
{% macro get_incremental_wipe_sql(arg_dict) %}
  delete from {{ arg_dict['target_relation'] }} where id % 2 = 0
    or id in (select id from {{ arg_dict['temp_relation'] }});
  insert into {{ arg_dict['target_relation'] }} select * from {{ arg_dict['temp_relation'] }}
{% endmacro %}
"""
# Each step: the rows that come in (id, day, status, amount) and those that leave the feed.
STEPS: dict[str, tuple[list[tuple[int, int, str | None, str | None]], list[int]]] = {
    "first build": (
        [(1, 1, "new", "10.5"), (2, 1, "new", "20"), (3, 2, "paid", None), (4, 3, "it's", "1")],
        [],
    ),
    "no change": ([(1, 1, "new", "10.5")], []),
    "insert": ([(5, 3, "new", "7"), (6, 4, None, "8")], []),
    "update": ([(2, 1, "paid", "20"), (3, 2, "paid", "3.25")], []),
    "delete": ([(4, 3, "late", "1")], [1, 5]),
    "key change": ([(7, 2, "paid", "3.25")], [3]),
    "failing model": ([(2, 1, "lost", "20"), (9, 1, "lost", "9")], []),
    "full refresh": ([(2, 1, "sent", "20"), (8, 1, "new", "9")], [9]),
}
SEED = {
    "first build": "id,note\n1,one\n2,two\n",
    "update": "id,note\n1,one\n2,TWO\n",
    "delete": "id,note\n2,TWO\n3,three\n",
    "failing model": "id,note\nx,lost\n",
    "full refresh": "id,note\n2,two\n3,three\n",
}


@dataclass
class Built:
    """A project after all steps: the records of each relation and the events of each step."""

    engine: str
    project: Project
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def cases(self) -> list[str]:
        return [*(name for name, case in CASES.items() if self.engine in case.engines), "from_file"]


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Built]:
    """One project with every case, built once per step."""
    folder = tmp_path_factory.mktemp("materializations")
    with database(request.param, folder) as target:
        files = {
            "macros/wipe.sql": WIPE,
            "models/looked_at.sql": f"{{{{ config({CAPTURED % ['id']}) }}}}\n{ALL}",
        }
        for name, case in CASES.items():
            if request.param in case.engines:
                files[f"{'snapshots' if case.snapshot else 'models'}/{name}.sql"] = case.text(name)
        files["seeds/from_file.yml"] = json.dumps(
            {"seeds": [{"name": "from_file", "config": {"meta": {"audit_capture": "changes", "audit_key": "id",
             "audit_baseline": "records"}}}]}
        )  # fmt: skip
        project = write_project(folder / "project", target, files=files, config=CONFIG)
        made = Built(request.param, project)
        project.query("create schema raw")
        for table in ("feed", "incoming"):
            project.query(
                f"create table raw.{table} (id integer, day date, ts timestamp, status varchar(10),"
                " amount numeric(8, 2))"
            )
        for step, (rows, gone) in STEPS.items():
            _load(project, rows, gone)
            if step in SEED:
                project.write("seeds/from_file.csv", SEED[step])
            # Three of the days: what a microbatch of these looks back on.
            window = ["--event-time-start", "2026-01-01", "--event-time-end", "2026-01-06"]
            full = ["--full-refresh"] if step == "full refresh" else []
            fails = ["--vars", "{fail: true}"] if step == "failing model" else []
            forks.dbt(project, "build", "--threads", "2", *window, *full, *fails, expect=int(bool(fails)))
            made.records[step] = {name: _records(made, name) for name in made.cases()}
            made.events[step] = _events(project, made)
        yield made


def _load(project: Project, rows: list[tuple[int, int, str | None, str | None]], gone: list[int]) -> None:
    literal = ", ".join(
        "({}, date '2026-01-0{}', timestamp '2026-01-0{} 12:00:00', {}, {})".format(
            number,
            day,
            day,
            "null" if status is None else "'" + status.replace("'", "''") + "'",
            amount or "null",
        )
        for number, day, status, amount in rows
    )
    ids = ", ".join(str(number) for number in [*gone, *(row[0] for row in rows)])
    project.query(f"delete from raw.feed where id in ({ids})")
    project.query("delete from raw.incoming")
    for table in ("feed", "incoming"):
        project.query(f"insert into raw.{table} values {literal}")


def _records(built: Built, name: str, relation: str | None = None) -> dict[str, dict[str, Any]]:
    """The records of a case's relation by record id, values as text; of a snapshot those that are valid."""
    columns = ("id", "note") if name == "from_file" else COLUMNS
    case = CASES.get(name)
    where = ""
    if case and case.snapshot:
        ends = "until" if name == "renamed" else "dbt_valid_to"
        where = f" where ({ends} is null or {ends} > timestamp '9000-01-01')"
        where += " and dbt_is_deleted = 'False'" if name == "checked_and_marked" else ""
    schema = built.project.target.schema
    texts = {"amount": "trim_scale(amount)"} if built.engine == "postgres" else {}
    found = built.project.query(
        "select "
        + ", ".join(f"cast({texts.get(column, column)} as varchar) as {column}" for column in columns)
        + f' from "{schema}".{relation or name}{where}'
    )
    return {_record_id(row, case.key if case else ("id",)): _canonical(row) for row in found}


def _record_id(row: dict[str, Any], key: tuple[str, ...]) -> str:
    return "|".join(row[column] for column in key)


def _canonical(row: dict[str, Any]) -> dict[str, Any]:
    values = dict(row)
    if "ts" in values:
        values["ts"] = values["ts"].replace(" ", "T") + ".000000"
        if values["amount"] and "." in values["amount"]:
            values["amount"] = values["amount"].rstrip("0").rstrip(".")
    return values


def _events(project: Project, built: Built) -> list[dict[str, Any]]:
    known = {event["event_id"] for events in built.events.values() for event in events}
    rows = project.audit(
        "select e.*, p.old_value, p.new_value from {audit}.audit_event e left join {audit}.audit_payload p"
        " on p.event_id = e.event_id where e.event_type in ('record_write', 'not_captured', 'checkpoint')"
        " order by e.occurred_at, e.part, e.seq"
    )
    return [row for row in rows if row["event_id"] not in known]


def _compared(value: str | None, columns: tuple[str, ...]) -> dict[str, Any] | None:
    return {name: json.loads(value).get(name) for name in columns} if value else None


@pytest.mark.parametrize("step", STEPS)
def test_the_events_of_each_build_lead_from_one_table_to_the_next(built: Built, step: str) -> None:
    before = list(STEPS)[: list(STEPS).index(step)]
    for name in built.cases():
        columns = ("id", "note") if name == "from_file" else COLUMNS
        state = dict(built.records[before[-1]][name]) if before else {}
        writes = [
            event
            for event in built.events[step]
            if event["event_type"] == "record_write" and event["target"].split(".")[2] == name
        ]
        writes.sort(key=lambda event: event["change_type"] != "delete")
        for event in writes:
            old, new = _compared(event["old_value"], columns), _compared(event["new_value"], columns)
            assert state.get(event["record_id"]) == old, (name, event)
            if new is None:
                del state[event["record_id"]]
            else:
                assert old != new, (name, event)
                state[event["record_id"]] = new
        assert state == built.records[step][name], name


def test_a_view_says_why_it_is_not_captured(built: Built) -> None:
    reasons = [
        json.loads(event["metadata"])["reason"]
        for event in built.events["insert"]
        if event["event_type"] == "not_captured"
    ]
    assert len(reasons) == 1 and reasons[0].endswith("this one is materialized as view")


def test_captures_are_numbered_without_a_gap_and_count_the_rows(built: Built) -> None:
    captures: dict[str, list[dict[str, Any]]] = {}
    for events in built.events.values():
        for event in events:
            metadata = json.loads(event["metadata"] or "{}")
            if event["event_type"] == "checkpoint" and metadata["kind"] == "capture":
                captures.setdefault(event["target"].split(".")[2], []).append(metadata)
    assert set(captures) == set(built.cases())
    for name, found in captures.items():
        if "windows" not in name:
            assert [item["capture_no"] for item in found] == list(range(1, len(found) + 1)), name
            assert found[-1]["rows_after"] == len(built.records["full refresh"][name]), name
        assert {item["scope"] for item in found} <= {"all rows", "touched rows"}


@pytest.mark.parametrize("from_baseline", [False, True], ids=["undone", "from_baseline"])
def test_each_table_can_be_made_again_as_it_stood(built: Built, from_baseline: bool) -> None:
    with closing(built.project.warehouse()) as warehouse:
        for name in built.cases():
            snapshot = name in CASES and CASES[name].snapshot
            into = f"{built.project.target.schema}.then"
            for step in STEPS:
                batch = built.events[step][0]["batch_id"]
                try:
                    write_as_of(warehouse, name, batch, into, from_baseline=from_baseline, replace=True)
                except ConfigurationError as refused:
                    assert snapshot and not from_baseline, (name, step, str(refused))
                    continue
                assert _records(built, name, "then") == built.records[step][name], (name, step)


def test_a_build_that_fails_records_nothing(built: Built) -> None:
    kinds = Counter(event["event_type"] for event in built.events["failing model"])
    # The view that nothing is wrong with says again that it is not captured.
    assert kinds == {"checkpoint": len(built.cases()) + 1, "not_captured": 1}
    assert built.records["failing model"] == built.records["key change"]


def test_the_documented_matrix_is_what_was_recorded(built: Built) -> None:
    """BATCH_AUDIT_WRITE_DOCS=1 writes it anew."""
    begin, end = f"<!-- {built.engine} -->\n", f"<!-- end of {built.engine} -->\n"
    text = DOCUMENTED.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    written = before + begin + "\n".join(_matrix(built)) + "\n" + end + after
    if os.environ.get("BATCH_AUDIT_WRITE_DOCS"):
        DOCUMENTED.write_text(written, encoding="utf-8")
    assert written == DOCUMENTED.read_text(encoding="utf-8")


def _matrix(built: Built) -> Iterator[str]:
    """A table of inserts, updates and deletes by case and step."""
    yield "| case | " + " | ".join(STEPS) + " |"
    yield "|---" * (len(STEPS) + 1) + "|"
    for name in built.cases():
        cells = []
        for step in STEPS:
            kinds = Counter(
                event["change_type"]
                for event in built.events[step]
                if event["event_type"] == "record_write" and event["target"].split(".")[2] == name
            )
            told = [f"{kinds[kind]} {kind[0]}" for kind in ("insert", "update", "delete") if kinds[kind]]
            cells.append(" ".join(told) or "0")
        yield f"| {name} | " + " | ".join(cells) + " |"
