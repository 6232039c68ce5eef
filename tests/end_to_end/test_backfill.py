"""backfill: snapshots that were built before the audit, replayed to every moment that they tell of."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, Project, write_project
from tests.support.recompute import record_hash
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

COLUMNS = ("id", "day", "status", "amount")
FEED = "select id, day, ts, status, amount, seen from raw.feed"
CHECK = "strategy='check', check_cols=['status', 'amount', 'seen']"
TIMED = "strategy='timestamp', updated_at='ts'"
RENAMED = (
    "snapshot_meta_column_names={'dbt_valid_from': 'since', 'dbt_valid_to': 'until', 'dbt_scd_id': 'version',"
    " 'dbt_updated_at': 'at', 'dbt_is_deleted': 'gone'}"
)
FOREVER = "dbt_valid_to_current=\"cast('9999-12-31' as timestamp)\""
SNAPSHOTS = {
    "ignoring": f"unique_key='id', {CHECK}",
    "ending": f"unique_key='id', {CHECK}, hard_deletes='invalidate'",
    "marking": f"unique_key='id', {CHECK}, hard_deletes='new_record'",
    "timed": f"unique_key='id', {TIMED}, hard_deletes='invalidate', {FOREVER}",
    "timed_marking": f"unique_key='id', {TIMED}, hard_deletes='new_record'",
    "renamed": f"unique_key=['id', 'day'], {CHECK}, hard_deletes='new_record', {FOREVER}, {RENAMED}",
}
# Keys and times of the renamed one are named otherwise.
OWN = {"renamed": ("since", "until", "gone")}
META = "meta={'audit_capture': 'changes', 'audit_ignore': 'seen'}"
NOT_ASKING = "not_asking"
# What happens to the feed before each run, and what follows under the audit. 1 changes thrice, 2 goes and comes back, 3
# goes for good, 4 comes late, 5 changes in what is ignored alone, 6 never changes, 7 has awkward text.
BEFORE = (
    "insert into raw.feed values (1, date '2026-01-01', timestamp '2026-01-01', 'new', 10.50, 1),"
    " (2, date '2026-01-01', timestamp '2026-01-01 01:02:03.000004', 'new', 20, 1),"
    " (3, date '2026-01-02', timestamp '2026-01-02', null, 1, 1), (5, date '2026-01-02', timestamp '2026-01-02', 'x', 5, 1),"
    " (6, date '2026-01-02', timestamp '2026-01-02', 'same', 6, 1),"
    " (7, date '2026-01-02', timestamp '2026-01-02', 'it''s \"a\\b\" ~|ü', 7, 1)",
    "update raw.feed set status = 'paid', ts = timestamp '2026-01-03' where id = 1;"
    " update raw.feed set seen = 2, ts = timestamp '2026-01-03' where id = 5; delete from raw.feed where id in (2, 3);"
    " update raw.feed set status = null, ts = timestamp '2026-01-03' where id = 7",
    "insert into raw.feed values (2, date '2026-01-01', timestamp '2027-02-02', 'back', 21, 1),"
    " (4, date '2026-01-01', timestamp '2026-01-04', 'new', null, 1);"
    " update raw.feed set status = 'new', ts = timestamp '2026-01-04' where id = 1",
    "update raw.feed set amount = 11, ts = timestamp '2026-01-05' where id = 1;"
    " update raw.feed set seen = 3, ts = timestamp '2026-01-05' where id = 5",
)
AUDITED = (
    "update raw.feed set amount = 12, ts = timestamp '2026-01-06' where id = 1; delete from raw.feed where id = 6;"
    " insert into raw.feed values (8, date '2026-01-06', timestamp '2026-01-06', 'new', 8, 1),"
    " (3, date '2026-01-02', timestamp '2027-03-03', 'back', 3, 1)",
    "update raw.feed set status = 'sent', ts = timestamp '2027-04-04' where id = 2; delete from raw.feed where id = 4",
)


@dataclass(frozen=True)
class Shop(Trail):
    """A project whose snapshots were built before the audit. `then` has each one's rows when the audit came."""

    forks: Forks = field(kw_only=True)
    then: dict[str, list[dict[str, Any]]] = field(default_factory=dict, kw_only=True)

    def snapshot(self, feed: str = "", *, audited: bool = True) -> None:
        """Change the feed and build the snapshots."""
        for statement in feed.split("; ") if feed else ():
            self.project.query(statement)
        off = [] if audited else ["--vars", "{batch_audit_enabled: false}"]
        self.forks.dbt(self.project, "snapshot", "--threads", "2", *off)

    def keep(self) -> None:
        """Keep the rows as they are."""
        self.then.update({name: self.rows(name) for name in SNAPSHOTS})

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a snapshot's table: texts of its data, and since, until (None: valid) and gone."""
        since, until, gone = OWN.get(name, ("dbt_valid_from", "dbt_valid_to", "dbt_is_deleted"))
        amount = "trim_scale(amount)" if self.project.target.engine == "postgres" else "amount"
        marks = "marking" in name or name == "renamed"
        return self.project.query(
            "select cast(id as varchar) as id, cast(day as varchar) as day, status,"
            f" cast({amount} as varchar) as amount, {since} as since,"
            f" case when {until} < timestamp '9000-01-01' then {until} end as until,"
            f" {f'{gone}' if marks else chr(39) + 'False' + chr(39)} = 'True' as gone"
            f" from {self.project.target.schema}.{name} as t"
        )

    def backfill(self, *names: str, expect: int = 0) -> Any:
        """What backfill says to machines."""
        done = self.forks.batch_audit(self.project, "backfill", *names, "--format", "json", expect=expect)
        return json.loads(done.stdout) if not expect else " ".join(done.stderr.split())

    def written(self, name: str) -> list[dict[str, Any]]:
        """The record changes of a snapshot in the order of their captures, with the capture that each belongs to."""
        node = f"snapshot.shop.{name}"
        captures = {
            (event["segment"], event["part"]): event
            for event in self.events(event_type="checkpoint", target=node)
            if event["metadata"]["kind"] == "capture"
        }
        found = self.events(event_type="record_write", target=node)
        for event in found:
            event["capture"] = captures[event["segment"], event["part"]]
            _check_hashes(node, event)
        return sorted(
            found,
            key=lambda e: (e["capture"]["metadata"]["capture_no"], e["capture"]["occurred_at"], e["seq"]),
        )


def _check_hashes(node: str, event: dict[str, Any]) -> None:
    ignored = event["capture"]["metadata"]["ignored"]
    for values, stored in (
        (event["old_value"], event["old_hash"]),
        (event["new_value"], event["record_hash"]),
    ):
        compared = {name: text for name, text in (values or {}).items() if name not in ignored}
        assert stored == (None if values is None else record_hash(node, compared)), event


def _microseconds(moment: Any) -> int:
    since = moment.replace(tzinfo=None) - type(moment)(1970, 1, 1)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + int(since.microseconds)


def _text(row: dict[str, Any]) -> dict[str, Any]:
    amount = row["amount"]
    return {
        **{name: row[name] for name in COLUMNS},
        "amount": amount.rstrip("0").rstrip(".") if amount and "." in amount else amount,
    }


def _key(name: str, row: dict[str, Any]) -> str:
    return f"{row['id']}|{row['day']}" if name == "renamed" else str(row["id"])


def _valid(name: str, rows: list[dict[str, Any]], moment: int) -> dict[str, dict[str, Any]]:
    """The records that the table says were valid at a moment, by record id."""
    found = [
        row
        for row in rows
        if not row["gone"]
        and _microseconds(row["since"]) <= moment
        and (row["until"] is None or _microseconds(row["until"]) > moment)
    ]
    records = {_key(name, row): _text(row) for row in found}
    assert len(records) == len(found)
    return records


def _replay(events: list[dict[str, Any]], state: dict[str, Any] | None = None) -> dict[str, Any]:
    """The records after some changes, each of which must begin with what the one before left."""
    records = dict(state or {})
    for event in events:
        before, after = (
            {column: event[side][column] for column in COLUMNS} if event[side] else None
            for side in ("old_value", "new_value")
        )
        assert records.get(event["record_id"]) == before, event
        assert (before is None, after is None) == {
            "insert": (True, False), "update": (False, False), "delete": (False, True)
        }[event["change_type"]]  # fmt: skip
        if after is None:
            del records[event["record_id"]]
        else:
            records[event["record_id"]] = after
    return records


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Shop]:
    """Four runs without the audit, two with it, then the backfill."""
    folder = tmp_path_factory.mktemp("backfill")
    files = {
        f"snapshots/{name}.sql": f"{{% snapshot {name} %}} {{{{ config({config}, {META}) }}}} {FEED} {{% endsnapshot %}}"
        for name, config in SNAPSHOTS.items()
    }
    files[f"snapshots/{NOT_ASKING}.sql"] = (
        f"{{% snapshot {NOT_ASKING} %}} {{{{ config({SNAPSHOTS['ending']}) }}}} {FEED} {{% endsnapshot %}}"
    )
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files=files, config=config)
        made = Shop(project, forks=forks)
        project.query("create schema raw")
        project.query(
            "create table raw.feed (id integer, day date, ts timestamp, status varchar(20), amount numeric(8, 2),"
            " seen integer)"
        )
        for feed in BEFORE:
            made.snapshot(feed, audited=False)
        made.keep()
        yield made


def test_without_a_store_it_says_so(shop: Shop) -> None:
    said = shop.backfill(expect=2)
    assert "There is no audit store" in said


def test_all(shop: Shop) -> None:
    for feed in AUDITED:
        shop.snapshot(feed)
    told = shop.backfill()
    print(json.dumps(told, indent=1))
    for name in SNAPSHOTS:
        events = [event for event in shop.written(name) if event["capture"]["metadata"]["capture_no"] == 0]
        times = sorted({event["occurred_at"] for event in events})
        for moment in times:
            state = _replay([event for event in events if event["occurred_at"] <= moment])
            assert state == _valid(name, shop.then[name], moment), (name, moment)
        everything = _replay(shop.written(name))
        assert everything == _valid(name, shop.rows(name), 2**62), name
    again = shop.backfill()
    assert again["batch_id"] is None
    shop.forks.batch_audit(shop.project, "verify")
