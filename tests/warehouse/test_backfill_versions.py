"""backfill on tables of versions as hypothesis makes them, and on awkward names and values, without dbt."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batch_audit.backfill.snapshots import Snapshot
from batch_audit.backfill.write import Backfilled, write_backfill
from batch_audit.errors import ConfigurationError
from batch_audit.history.captures import read_node_trail
from batch_audit.history.moments import at_time, break_between
from batch_audit.ledger.rows import Segment, event_row
from batch_audit.ledger.tables import EVENT, PAYLOAD, SEGMENT
from batch_audit.ledger.text import values_json
from batch_audit.ledger.verify import verify_store
from batch_audit.runner.facts import Start
from batch_audit.warehouses import Warehouse
from tests.support.golden import golden
from tests.support.project import Project
from tests.support.recompute import record_hash
from tests.support.synthetic_store import create_tables
from tests.support.target import Target

NODE = "snapshot.shop.s"
OWN = {
    name: name
    for name in ("dbt_valid_from", "dbt_valid_to", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted")
}
NUMBERS = count(1)
VALUES = (None, "", "a", "A", "~|", 'it\'s "q"')


@dataclass(frozen=True)
class Version:
    """A row of the snapshot's table; times are hours. `gone` marks a deletion."""

    key: int
    start: int
    end: int | None
    value: str | None = None
    ignored: int = 0
    gone: bool = False

    def seen_at(self, hour: int) -> "Version | None":
        """The row as the table had it at an hour."""
        if self.start > hour:
            return None
        end = self.end if self.end is not None and self.end <= hour else None
        return Version(self.key, self.start, end, self.value, self.ignored, self.gone)

    def sql(self) -> str:
        times = [
            "null" if hour is None else f"timestamp '2026-01-01' + interval '{hour} hours'"
            for hour in (self.start, self.end)
        ]
        value = "null" if self.value is None else "'" + self.value.replace("'", "''") + "'"
        return f"({self.key}, {value}, {self.ignored}, {times[0]}, {times[1]}, '{self.gone}')"


@st.composite
def lives(draw: st.DrawFn) -> list[Version]:
    """The versions of a few records: each goes and comes back, or changes; some deletions are marked by a row."""
    found: list[Version] = []
    marked = draw(st.booleans())
    for key in range(draw(st.integers(1, 3))):
        hour = draw(st.integers(0, 3))
        spells = draw(
            st.lists(
                st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(VALUES), st.integers(0, 1)),
                min_size=1,
                max_size=5,
            )
        )
        last: int | None = None
        for gap, length, value, ignored in spells:
            if gap and marked and last is not None:
                found.append(Version(key, last, last + gap, "gone", 0, True))
            hour += gap
            found.append(Version(key, hour, hour + length, value, ignored))
            last = hour = hour + length
        end = draw(st.sampled_from(["open", "ended"]))
        if end == "open":
            newest = found.pop()
            found.append(Version(key, newest.start, None, newest.value, newest.ignored))
        elif marked:
            found.append(Version(key, hour, None, "gone", 0, True))
    return found


@pytest.fixture
def store(make_project: Callable[..., Project], warehouse_target: Target) -> Iterator[Warehouse]:
    """An empty store, and an empty snapshot."""
    create_tables(warehouse_target)
    warehouse_target.query('create schema "shop"')
    warehouse_target.query(
        "create table shop.s (id integer, v text, x integer, dbt_valid_from timestamp, dbt_valid_to timestamp,"
        " dbt_is_deleted text)"
    )
    with closing(make_project(installed=False, hook=False).warehouse()) as warehouse:
        yield warehouse


def _snapshot(warehouse: Warehouse, table: str = "s", **fields: Any) -> Snapshot:
    described = {
        "unique_id": NODE, "database": warehouse.database, "schema": "shop", "table": table,
        "relation": f'"shop"."{table}"', "key": ("id",), "key_rule": "audit_key", "own": OWN, "forever": None,
        "ignored": ("x",), "local": False, "captured": True,
    }  # fmt: skip
    return Snapshot(**(described | fields))


def _backfill(warehouse: Warehouse, **fields: Any) -> Backfilled:
    number = next(NUMBERS)
    start = Start(
        f"b-{number}", "2026-11", False, 1_790_000_000_000_000 + number, "anna", "os", "backfill", "backfill", "shop",
        "/", None, None, None, None, None, "host", 1, "0.1.0",
    )  # fmt: skip
    (done,) = write_backfill(warehouse, [_snapshot(warehouse, **fields)], start)
    return done


def _fill(warehouse: Warehouse, versions: list[Version]) -> None:
    warehouse.execute("delete from shop.s")
    if versions:
        warehouse.execute(f"insert into shop.s values {', '.join(version.sql() for version in versions)}")


def _events(warehouse: Warehouse) -> list[dict[str, Any]]:
    return warehouse.query(
        "select e.*, p.old_value, p.new_value, p.old_hash, p.record_hash from"
        f" {warehouse.table('audit_event')} as e join {warehouse.table('audit_payload')} as p"
        f" on p.event_id = e.event_id join {warehouse.table('audit_segment')} as s on s.segment = e.segment"
        " where e.event_type = 'record_write' order by s.opened_at, e.seq"
    )


def _hour(event: dict[str, Any]) -> int:
    return int((event["occurred_at"] - 1_767_225_600_000_000) / 3_600_000_000)


def _replay(events: list[dict[str, Any]]) -> dict[str, str | None]:
    """The value by record id after the events, each of which must begin where the one before ended."""
    state: dict[str, str | None] = {}
    for event in events:
        before, after = (json.loads(event[side] or "null") for side in ("old_value", "new_value"))
        assert (event["record_id"] in state) == (before is not None), event
        assert before is None or state[event["record_id"]] == before["v"], event
        if after is None:
            del state[event["record_id"]]
        else:
            assert event["change_type"] == "insert" or after["v"] != before["v"], event
            state[event["record_id"]] = after["v"]
    return state


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(versions=lives(), hour=st.integers(0, 20))
def test_however_often_it_is_backfilled_each_moment_is_what_the_versions_say(
    store: Warehouse, versions: list[Version], hour: int
) -> None:
    for table in ("segment", "event", "payload", "block"):
        store.execute(f"delete from {store.table(f'audit_{table}')}")
    _fill(store, [seen for version in versions if (seen := version.seen_at(hour))])
    first = _backfill(store)
    _fill(store, versions)
    second = _backfill(store)
    again = _backfill(store)

    assert again.changes == 0 and again.reason is not None
    events = _events(store)
    assert len(events) == first.changes + second.changes
    for moment in range(25):
        valid = {
            str(v.key): v.value
            for v in versions
            if not v.gone and v.start <= moment and (v.end is None or v.end > moment)
        }
        assert _replay([event for event in events if _hour(event) <= moment]) == valid, moment
    assert second.valid == len(_replay(events))
    if events:
        assert verify_store(store).ok


def _values(version: Version) -> str:
    """A record's values as a capture stores them."""
    start = datetime(2026, 1, 1) + timedelta(hours=version.start)
    return values_json(
        {
            "id": str(version.key),
            "v": version.value,
            "x": str(version.ignored),
            "dbt_valid_to": None,
            "dbt_valid_from": f"{start:%Y-%m-%dT%H:%M:%S.%f}",
            "dbt_is_deleted": "False",
        }
    )


def _capture(warehouse: Warehouse, before: list[Version], after: list[Version], hour: int) -> None:
    """Store what capture 1 sees of a run at an hour that leads from some valid versions to others."""
    at = 1_767_225_600_000_000 + hour * 3_600_000_000
    segment = Segment("captured", "captured", "2026-11", "captured", "hooks", at - 1)
    told = {
        "kind": "capture", "mode": "changes", "capture_no": 1, "relation": '"shop"."s"', "key": ["id"],
        "ignored": ["dbt_valid_from", "dbt_valid_to", "dbt_is_deleted", "x"], "rows_before": len(before),
        "rows_after": len(after), "columns": [],
    }  # fmt: skip
    events = [event_row(segment, NODE, 1, "checkpoint", occurred_at=at + 1, target=NODE, metadata=told)]
    payloads = []
    old, new = ({version.key: version for version in side} for side in (before, after))
    for key in sorted(old.keys() | new.keys()):
        was, now = old.get(key), new.get(key)
        if was and now and was.value == now.value:
            continue
        kind = "update" if was and now else "insert" if now else "delete"
        event = event_row(
            segment, NODE, len(events) + 1, "record_write", occurred_at=at + 1, target=NODE, record_id=str(key),
            change_type=kind,
        )  # fmt: skip
        sides = (was and _values(was), now and _values(now))
        payloads.append((*event[:4], "2026-11", None, "salt", "-", "-", *sides))
        events.append(event)
    warehouse.insert(SEGMENT.name, SEGMENT.columns, [segment.row()])
    warehouse.insert(EVENT.name, EVENT.columns, events)
    if payloads:
        warehouse.insert(PAYLOAD.name, PAYLOAD.columns, payloads)


def _valid(versions: list[Version], hour: int) -> list[Version]:
    return [v for v in versions if not v.gone and v.start <= hour and (v.end is None or v.end > hour)]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(versions=lives(), hour=st.integers(0, 15))
def test_it_ends_where_the_first_capture_begins(store: Warehouse, versions: list[Version], hour: int) -> None:
    for table in ("segment", "event", "payload", "block"):
        store.execute(f"delete from {store.table(f'audit_{table}')}")
    _fill(store, [seen for version in versions if (seen := version.seen_at(hour + 1))])
    _capture(store, _valid(versions, hour), _valid(versions, hour + 1), hour + 1)
    done = _backfill(store)

    events = [event for event in _events(store) if event["segment"] != "captured"]
    assert len(events) == done.changes
    for moment in range(hour + 1):
        valid = {str(v.key): v.value for v in _valid(versions, moment)}
        assert _replay([event for event in events if _hour(event) <= moment]) == valid, moment
    assert all(_hour(event) <= hour for event in events)
    assert (done.left_out, done.later) == (0, 0)
    assert (done.valid, done.found) == (len(_valid(versions, hour)),) * 2


def test_what_cannot_be_placed_is_left_out_and_counted(store: Warehouse) -> None:
    versions = [
        Version(1, 0, 5, "a"),
        Version(1, 5, None, "b"),
        Version(2, 0, None, "c"),
        Version(3, 9, None, "d"),
    ]
    _fill(store, versions)
    _capture(store, _valid(versions, 4), _valid(versions, 5), 5)
    store.execute(f"delete from {store.table('audit_payload')}")
    done = _backfill(store)

    trail = read_node_trail(store, NODE)
    part = at_time(trail, 1_767_225_600_000_000, "x")
    assert "left 1 records out" in (break_between(trail, part, trail.newest) or "")
    # 1 was changed by the capture, and its values are gone; 3 came after it, and no capture saw it.
    assert [event["record_id"] for event in _events(store)] == ["2"]
    assert (done.left_out, done.later, done.inserts) == (1, 1, 1)
    (told,) = store.query(
        f"select metadata from {store.table('audit_event')} where part = '{NODE}' and event_type = 'checkpoint'"
        " and segment <> 'captured'"
    )
    assert (json.loads(told["metadata"])["not_stored"], json.loads(told["metadata"])["later"]) == (1, 1)


def test_versions_that_somebody_removed_are_missed_where_the_captures_begin(store: Warehouse) -> None:
    versions = [Version(1, 0, 5, "a"), Version(1, 5, None, "b"), Version(2, 0, None, "c")]
    _capture(store, _valid(versions, 4), _valid(versions, 5), 5)
    _fill(store, versions[:2])
    done = _backfill(store)

    assert (done.valid, done.found) == (1, 2)
    trail = read_node_trail(store, NODE)
    assert [capture.number for capture in trail.captures] == [0, 1]
    assert "found 2 valid records where the snapshot's versions tell of 1: versions have been removed" in (
        break_between(trail, *trail.captures) or ""
    )


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([Version(1, 0, None), Version(1, 2, None)], "1 record has versions that overlap"),
        ([Version(1, 0, 3), Version(1, 2, 4), Version(2, 0, 1)], "1 record has versions that overlap"),
        ([Version(1, 0, 2), Version(1, 0, 2)], "1 record has versions that overlap"),
        ([Version(1, 0, None, gone=True), Version(1, 3, None)], "1 record has versions that overlap"),
        ([Version(1, 3, 2), Version(2, 3, 1)], "2 records have an end before the start"),
    ],
)
def test_versions_that_do_not_follow_each_other_are_refused(
    store: Warehouse, versions: list[Version], said: str
) -> None:
    _fill(store, versions)
    with pytest.raises(ConfigurationError, match=said) as raised:
        _backfill(store)
    assert "(1" in str(raised.value)
    assert store.query(f"select count(*) as n from {store.table('audit_event')}")[0]["n"] == 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("update shop.s set id = null", "1 record has NULL in the key"),
        (
            "update shop.s set dbt_valid_from = null",
            "1 record has a start or an end that is no moment in time",
        ),
        (
            "update shop.s set dbt_valid_to = 'infinity'",
            "1 record has a start or an end that is no moment in time",
        ),
        ("alter table shop.s drop column dbt_valid_to", "has no column dbt_valid_to"),
        (
            "alter table shop.s alter column dbt_valid_from type text",
            "has the type .*, and no time can be read",
        ),
        ("alter table shop.s drop column id", "has no column id .its key, from audit_key.. It has: v, x,"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(store: Warehouse, statement: str, said: str) -> None:
    _fill(store, [Version(1, 0, None)])
    store.execute(statement)
    with pytest.raises(ConfigurationError, match=said):
        _backfill(store)


def test_a_version_without_length_is_an_insert_and_a_delete(store: Warehouse) -> None:
    _fill(store, [Version(1, 2, 2, "a"), Version(1, 2, 4, "b"), Version(2, 2, 2, "c")])
    _backfill(store)
    kinds = [(event["record_id"], event["change_type"]) for event in _events(store)]
    assert kinds == [("1", "insert"), ("1", "update"), ("2", "insert"), ("2", "delete"), ("1", "delete")]
    assert _replay(_events(store)) == {}


NAMES = ("A b", "it's", 'q"q', "a/b~c~0", "back\\slash", "naïve 🙂", "a=b", "100%", "c|d", ",")


def test_awkward_names_and_every_type_of_value_are_kept_as_a_capture_keeps_them(
    engine: str, store: Warehouse
) -> None:
    vectors = [vector for vector in golden("values") if engine in vector]
    texts = [v["text"][engine] if isinstance(v["text"], dict) else v["text"] for v in vectors]
    named = [*(f"c{place:03}" for place in range(len(vectors) - len(NAMES))), *NAMES][: len(vectors)]
    quoted = ['"' + name.replace('"', '""') + '"' for name in named]
    values = ", ".join(
        f"cast({v[engine]['sql']} as {v[engine]['type']}) as {name}"
        for v, name in zip(vectors, quoted, strict=True)
    )
    nulls = ", ".join("null" for _ in quoted)
    time = "timestamp '2026-01-01', timestamp '2026-01-02'"
    store.execute(f"create table shop.wide as select 1 as id, {values}, {time.replace(',', ' as dbt_valid_from,')}"
                  " as dbt_valid_to")  # fmt: skip
    store.execute(f"insert into shop.wide select 1, {nulls}, timestamp '2026-01-02', cast(null as timestamp)")
    _backfill(store, table="wide", ignored=())
    first, second = _events(store)
    stored = json.loads(first["new_value"])
    assert {name: stored[name] for name in named} == dict(zip(named, texts, strict=True))
    assert json.loads(second["old_value"]) == stored
    assert set(json.loads(second["changed_fields"])) == {
        n for n, t in zip(named, texts, strict=True) if t is not None
    }
    own = ("dbt_valid_from", "dbt_valid_to")
    compared = {name: text for name, text in stored.items() if name not in own}
    assert first["record_hash"] == second["old_hash"] == record_hash(NODE, compared)
    assert second["record_hash"] == record_hash(NODE, {"id": "1"})
