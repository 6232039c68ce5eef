"""backfill: snapshots that were built before the audit, replayed to every moment that they tell of."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.history.as_of import write_as_of
from batch_audit.history.net_change import read_net_change
from tests.support.forked import Forks
from tests.support.project import DISPATCH, HOOK, Project, write_project
from tests.support.recompute import record_hash
from tests.support.trail import Trail, database

# Its fixture builds many snapshots several times, which a busy machine takes minutes for.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

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
META = "meta={'audit_capture': 'changes', 'audit_ignore': ['seen', 'ts']}"
NOT_ASKING = "not_asking"
UNFIT = {
    "returning": (
        f"unique_key='id', {TIMED}, hard_deletes='invalidate'",
        FEED.replace("raw.feed", "raw.returning"),
    ),
    "keyless": ("unique_key=\"id || '-' || day\", " + CHECK, FEED),
    "unbuilt": (SNAPSHOTS["ending"], FEED),
    "from_start": (f"{SNAPSHOTS['ending']}, {META}", FEED),
}
# What happens to the feed before each run, and what follows under the audit. 1 changes thrice, 2 goes and comes back, 3
# goes for good, 4 comes late, 5 changes in what is ignored alone, 6 never changes, 7 has awkward text.
BEFORE = (
    "insert into raw.feed values (1, date '2026-01-01', timestamp '2026-01-01', 'new', 10.50, 1),"
    " (2, date '2026-01-01', timestamp '2026-01-01 01:02:03.000004', 'new', 20, 1),"
    " (3, date '2026-01-02', timestamp '2026-01-02', null, 1, 1), (5, date '2026-01-02', timestamp"
    " '2026-01-02', 'x', 5, 1),"
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
# 1 goes away and comes back as it was.
RETURNING = (
    "insert into raw.returning values (1, null, timestamp '2026-01-01', 'here', 1, 1), (2, null, timestamp"
    " '2026-01-01',"
    " 'here', 2, 1)",
    "delete from raw.returning where id = 1",
    "insert into raw.returning values (1, null, timestamp '2026-01-01', 'here', 1, 1)",
    "update raw.returning set status = 'there', ts = timestamp '2026-01-02' where id = 2",
)
AUDITED = (
    "update raw.feed set amount = 12, ts = timestamp '2026-01-06' where id = 1; delete from raw.feed where id = 6;"
    " insert into raw.feed values (8, date '2026-01-06', timestamp '2026-01-06', 'new', 8, 1),"
    " (3, date '2026-01-02', timestamp '2027-03-03', 'back', 3, 1)",
    "update raw.feed set status = 'sent', ts = timestamp '2027-04-04' where id = 2; delete from raw.feed where id = 4",
    "insert into raw.feed values (9, date '2026-01-09', timestamp '2026-01-09', 'new', 9, 1);"
    " update raw.feed set status = 'late', ts = timestamp '2026-01-09' where id = 1",
)


@dataclass(frozen=True)
class Shop(Trail):
    """A project whose snapshots were built before the audit. `then` has each one's rows when the audit came,
    `told` what backfill said."""

    forks: Forks = field(kw_only=True)
    then: dict[str, list[dict[str, Any]]] = field(default_factory=dict, kw_only=True)
    told: dict[str, Any] = field(default_factory=dict, kw_only=True)

    def snapshot(self, feed: str, *args: str, audited: bool = True) -> None:
        """Change the feed and build the snapshots."""
        for statement in feed.split("; "):
            self.project.query(statement)
        off = [] if audited else ["--vars", "{batch_audit_enabled: false}"]
        self.forks.dbt(self.project, "snapshot", "--threads", "2", *args, *off)

    def keep(self) -> None:
        """Keep the rows as they are."""
        self.then.update({name: self.rows(name) for name in SNAPSHOTS})

    def rows(self, name: str, table: str | None = None) -> list[dict[str, Any]]:
        """The rows of a snapshot's table, or of another of its shape: texts of its data, and since, until (None:
        valid) and gone.
        """
        since, until, gone = OWN.get(name, ("dbt_valid_from", "dbt_valid_to", "dbt_is_deleted"))
        amount = "trim_scale(amount)" if self.project.target.engine == "postgres" else "amount"
        marks = "marking" in name or name in ("renamed", NOT_ASKING)
        return self.project.query(
            "select cast(id as varchar) as id, cast(day as varchar) as day, status,"
            f" cast({amount} as varchar) as amount, {since} as since,"
            f" case when {until} < timestamp '9000-01-01' then {until} end as until,"
            f" {f'{gone}' if marks else chr(39) + 'False' + chr(39)} = 'True' as gone"
            f" from {self.project.target.schema}.{table or name} as t"
        )

    def backfill(self, *names: str, expect: int = 0, text: bool = False) -> Any:
        """What backfill says to machines, or to people in one line: with `text`, or where it fails."""
        form = () if text or expect else ("--format", "json")
        done = self.forks.batch_audit(self.project, "backfill", *names, *form, expect=expect)
        return json.loads(done.stdout) if form else " ".join(done.stderr.split())

    def json(self, *args: str) -> Any:
        """What a command says to machines."""
        return json.loads(self.forks.batch_audit(self.project, *args, "--format", "json").stdout)

    def said(self, *args: str, expect: int = 0) -> str:
        """What a command says to people, in one line."""
        return " ".join(self.forks.batch_audit(self.project, *args, expect=expect).stderr.split())

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
    """Four runs without the audit and two with it; then everything is backfilled twice, and a third audited run
    follows.

    NOT_ASKING is backfilled, built without capture and backfilled again, so that it has two backfills and no capture.
    """
    folder = tmp_path_factory.mktemp("backfill")
    files = {
        f"snapshots/{name}.sql": f"{{% snapshot {name} %}} {{{{ config({config}) }}}} {feed} {{% endsnapshot %}}"
        for name, (config, feed) in {
            **{name: (f"{config}, {META}", FEED) for name, config in SNAPSHOTS.items()},
            **UNFIT,
            NOT_ASKING: (SNAPSHOTS["marking"], FEED),
        }.items()
    }
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files=files, config=config)
        made = Shop(project, forks=forks)
        project.query("create schema raw")
        for table in ("feed", "returning"):
            project.query(
                f"create table raw.{table} (id integer, day date, ts timestamp, status varchar(20),"
                " amount numeric(8, 2), seen integer)"
            )
        for feed, returning in zip(BEFORE, RETURNING, strict=True):
            made.snapshot(f"{feed}; {returning}", "--exclude", "unbuilt", "from_start", audited=False)
        made.keep()
        made.told["without_store"] = made.backfill(expect=2)
        made.snapshot(AUDITED[0], "--exclude", "unbuilt")
        made.snapshot(AUDITED[1], "--exclude", "unbuilt")
        made.told["all"] = made.backfill()
        made.told["one"] = made.backfill(NOT_ASKING)
        made.snapshot(AUDITED[2], "--exclude", "unbuilt")
        made.told["two"] = made.backfill(NOT_ASKING)
        made.told["events"] = _count(project)
        made.told["again"] = made.backfill(*SNAPSHOTS, NOT_ASKING, text=True)
        made.told["events_again"] = _count(project)
        yield made


def _count(project: Project) -> int:
    return int(project.audit("select count(*) as n from {audit}.audit_event")[0]["n"])


def _of(told: dict[str, Any], name: str) -> dict[str, Any]:
    """What was said of one snapshot."""
    (found,) = [item for item in told["snapshots"] if item["node"] == f"snapshot.shop.{name}"]
    return dict(found)


def _backfilled(shop: Shop, name: str) -> list[dict[str, Any]]:
    return [event for event in shop.written(name) if event["capture"]["metadata"]["mode"] == "backfill"]


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_at_every_moment_the_changes_give_what_the_versions_say(shop: Shop, name: str) -> None:
    events = _backfilled(shop, name)
    assert {event["change_type"] for event in events} == {"insert", "update", "delete"} - (
        {"delete"} if name == "ignoring" else set()
    )
    times = [event["occurred_at"] for event in events]
    assert times == sorted(times)
    for moment in {*times, times[0] - 1, *(time - 1 for time in times), times[-1] + 1}:
        state = _replay([event for event in events if event["occurred_at"] <= moment])
        assert state == _valid(name, shop.then[name], moment), moment


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_captures_go_on_where_the_backfill_ends(shop: Shop, name: str) -> None:
    assert _replay(shop.written(name)) == _valid(name, shop.rows(name), 2**62)
    told = _of(shop.told["all"], name)
    assert (told["valid"], told["left_out"], told["later"]) == (told["found"], 0, 0)
    captures = [event["capture"]["metadata"] for event in shop.written(name)]
    assert sorted({capture["capture_no"] for capture in captures}) == [0, 1, 2, 3]


def test_the_changes_say_where_they_come_from_and_not_who_made_them(shop: Shop) -> None:
    events = _backfilled(shop, "timed")
    assert {(event["actor"], event["invocation_id"]) for event in events} == {(None, None)}
    first = [event for event in events if event["record_id"] == "1"]
    assert [event["metadata"] for event in first[:2]] == [
        {"kind": "backfill", "version": "2026-01-01T00:00:00.000000"},
        {
            "kind": "backfill",
            "previous": "2026-01-01T00:00:00.000000",
            "version": "2026-01-03T00:00:00.000000",
        },
    ]
    assert [event["changed_fields"] for event in first] == [None, ["status"], ["status"], ["amount"]]
    (gone,) = [e for e in events if e["record_id"] == "3" and e["change_type"] == "delete"]
    assert gone["metadata"] == {"kind": "backfill", "previous": "2026-01-02T00:00:00.000000"}
    # While a version was valid, its end was the one that the snapshot gives to valid versions.
    assert {event[side]["dbt_valid_to"] for event in events for side in ("old_value", "new_value") if event[side]} == {
        "9999-12-31T00:00:00.000000"
    }  # fmt: skip
    capture = events[0]["capture"]
    assert capture["metadata"]["note"].endswith("nobody saw these changes happen")
    assert capture["metadata"]["zone"] == "UTC"


def test_a_change_of_what_is_ignored_is_no_change(shop: Shop) -> None:
    for name in SNAPSHOTS:
        key = "5|2026-01-02" if name == "renamed" else "5"
        kinds = [event["change_type"] for event in _backfilled(shop, name) if event["record_id"] == key]
        assert kinds == ["insert"], name


def test_a_second_time_writes_nothing_and_says_so(shop: Shop) -> None:
    assert shop.told["all"]["batch_id"]
    assert shop.told["events_again"] == shop.told["events"]
    known = "there is nothing to write that the store does not know: an earlier backfill wrote them"
    for name in (*SNAPSHOTS, NOT_ASKING):
        assert f" {name}: {known}" in shop.told["again"]
    assert " Nothing was written." in shop.told["again"]


def test_one_call_is_one_sealed_batch(shop: Shop) -> None:
    batch = shop.told["all"]["batch_id"]
    segments = shop.project.audit(
        "select s.writer, s.invocation_id, count(b.block_no) as blocks from {audit}.audit_segment as s left join"
        f" {{audit}}.audit_block as b on b.segment = s.segment where s.batch_id = '{batch}' group by 1, 2"
    )
    assert segments == [{"writer": "runner", "invocation_id": None, "blocks": 4}]
    (start,) = shop.events(event_type="batch_start", batch_id=batch)
    assert (start["metadata"]["job"], start["metadata"]["command"]) == ("backfill", "batch-audit backfill")
    assert start["actor"] is not None
    (end,) = shop.events(event_type="batch_end", batch_id=batch)
    written = shop.events(event_type="record_write", batch_id=batch)
    assert (end["metadata"]["status"], end["metadata"]["inserts"]) == (
        "success",
        sum(event["change_type"] == "insert" for event in written),
    )
    shop.forks.batch_audit(shop.project, "verify")


def test_a_later_backfill_goes_on_where_the_one_before_ended(shop: Shop) -> None:
    one, two = _of(shop.told["one"], NOT_ASKING), _of(shop.told["two"], NOT_ASKING)
    assert (one["found"], two["inserts"], two["updates"], two["deletes"]) == (None, 1, 1, 0)
    events = shop.written(NOT_ASKING)
    for moment in {event["occurred_at"] for event in events}:
        state = _replay([event for event in events if event["occurred_at"] <= moment])
        assert state == _valid(NOT_ASKING, shop.rows(NOT_ASKING), moment)
    # The build in between asked for no capture, and its changes are known all the same.
    told = shop.json("history", NOT_ASKING, "9")
    assert told["not_captured"] == []
    assert [version["capture_no"] for version in shop.json("history", NOT_ASKING, "1")["versions"]] == [
        -1
    ] * 5 + [0]


def test_what_an_unaudited_run_left_out_is_refused_by_name(shop: Shop) -> None:
    assert "There is no audit store in schema shop_audit" in shop.told["without_store"]
    before = _count(shop.project)

    said = shop.backfill("returning", "unbuilt", "ending", expect=2)
    assert "1 record has versions that overlap: one begins before the one before it ends." in said
    assert "makes them, and so do two snapshots into one table (1)." in said
    assert "unbuilt: there is no table" in said and "so it has not been built here" in said

    said = shop.backfill("keyless", "nonsense", expect=2)
    assert "keyless has no record key, so its versions cannot be told apart." in said
    assert "The project has no snapshot 'nonsense'. It has: ending, from_start, ignoring, keyless," in said
    assert _count(shop.project) == before


def test_a_snapshot_that_a_captured_run_built_has_nothing_before(shop: Shop) -> None:
    told = _of(shop.told["all"], "from_start")
    assert told["inserts"] == 0
    assert told["reason"].startswith("its table was built by a captured run (capture 1, batch ")


@pytest.mark.parametrize("name", ["marking", "timed", "renamed"])
def test_the_snapshot_can_be_made_again_as_it_stood_at_every_moment(shop: Shop, name: str) -> None:
    into = f"{shop.project.target.schema}.then"
    events = _backfilled(shop, name)
    # From its first capture on, a relation is what the captures left.
    captured = min(
        e["occurred_at"] for e in shop.written(name) if e["capture"]["metadata"]["capture_no"] == 1
    )
    moments = sorted({event["occurred_at"] for event in events if event["occurred_at"] < captured})
    with closing(shop.project.warehouse()) as warehouse:
        for moment in moments:
            text = datetime.fromtimestamp(moment / 1e6, UTC).isoformat(timespec="microseconds")
            write_as_of(warehouse, name, text, into, from_baseline=False, replace=True)
            found = {_key(name, row): _text(row) for row in shop.rows(name, "then")}
            assert found == _valid(name, shop.then[name], moment), text
        for batch in dict.fromkeys(event["batch_id"] for event in shop.written(name)):
            write_as_of(warehouse, name, batch, into, from_baseline=False, replace=True)
        found = {_key(name, row): _text(row) for row in shop.rows(name, "then")}
        assert found == _valid(name, shop.rows(name), 2**62)
        early = datetime.fromtimestamp(moments[0] / 1e6 - 1, UTC).isoformat()
        with pytest.raises(ConfigurationError, match="the first version in the snapshot's table begins at"):
            write_as_of(warehouse, name, early, into, from_baseline=False, replace=True)


def test_a_diff_reaches_over_the_backfill(shop: Shop) -> None:
    times = sorted({event["occurred_at"] for event in _backfilled(shop, "marking")})
    last = shop.written("marking")[-1]["batch_id"]
    with closing(shop.project.warehouse()) as warehouse:
        for low, high in [*combinations(times, 2), *((time, None) for time in times)]:
            ends = [
                None if t is None else datetime.fromtimestamp(t / 1e6, UTC).isoformat() for t in (low, high)
            ]
            found = read_net_change(warehouse, "marking", ends[0], ends[1] or last)
            before = _valid("marking", shop.then["marking"], low)
            rows = shop.rows("marking") if high is None else shop.then["marking"]
            after = _valid("marking", rows, 2**62 if high is None else high)
            assert found.kinds == {
                "insert": len(after.keys() - before.keys()),
                "delete": len(before.keys() - after.keys()),
                "update": sum(before[key] != after[key] for key in before.keys() & after.keys()),
            }, ends


def test_the_views_tell_what_was_backfilled_from_what_was_seen(shop: Shop) -> None:
    names = "{batch_audit_models: true, batch_audit_enabled: false}"
    shop.forks.dbt(shop.project, "build", "--select", "package:batch_audit", "--vars", names)
    batch = shop.told["all"]["batch_id"]
    (summary,) = shop.project.audit(f"select * from {{audit}}.rpt_batch_summary where batch_id = '{batch}'")
    assert (summary["job"], summary["status"], summary["sealed"]) == ("backfill", "success", True)
    changes = shop.project.audit(
        "select batch_id, is_backfilled, actor, git_commit, change_type from {audit}.rpt_record_changes"
    )
    of_batch = [change for change in changes if change["batch_id"] == batch]
    inserted = sum(change["change_type"] == "insert" for change in of_batch)
    assert summary["records_inserted"] == inserted == sum(i["inserts"] for i in shop.told["all"]["snapshots"])
    assert {(c["is_backfilled"], c["actor"], c["git_commit"]) for c in of_batch} == {(True, None, None)}
    batches = {batch, shop.told["one"]["batch_id"], shop.told["two"]["batch_id"]}
    assert {c["batch_id"] for c in changes if c["is_backfilled"]} == batches


def test_history_goes_back_to_the_first_version(shop: Shop) -> None:
    told = shop.json("history", "timed", "1")
    assert [(v["capture_no"], v["change_type"], v["backfilled"]) for v in told["versions"]] == [
        (0, "insert", True), (0, "update", True), (0, "update", True), (0, "update", True), (1, "update", False),
        (3, "update", False),
    ]  # fmt: skip
    assert told["versions"][0]["changed_at"] == "2026-01-01 00:00:00 UTC"
    assert told["versions"][0]["git_commit"] is None and told["versions"][0]["actor"] is None
    said = shop.said("history", "timed", "1")
    assert (
        "insert 2026-01-01 00:00:00 UTC backfilled from the snapshot: by whom and by which commit is unknown"
        in said
    )
    assert "History of timed goes back to 2026-01-01 00:00:00 UTC, its snapshot's first version" in said


def test_a_past_that_was_rewritten_is_refused(shop: Shop) -> None:
    table = f"{shop.project.target.schema}.ignoring"
    shop.project.query(f"create table raw.forged as select * from {table} where id = 6")
    shop.project.query(
        "update raw.forged set dbt_valid_from = timestamp '2020-01-01', dbt_valid_to = timestamp '2021-01-01'"
    )
    shop.project.query(f"insert into {table} select * from raw.forged")
    said = shop.backfill("ignoring", expect=2)
    assert (
        "ignoring: 1 record has another past in" in said
        and "than an earlier backfill found there (6)" in said
    )
