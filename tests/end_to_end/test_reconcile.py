"""reconcile: relations left alone, edited behind dbt's back in every way, and those about which the log is silent."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.forked import Forks
from tests.support.golden import golden
from tests.support.project import DISPATCH, HOOK, write_project
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

META = "'audit_capture': 'changes', 'audit_key': ['id'], 'audit_ignore': 'seen'"
FEED = "select id, note, amount, 'x' as seen from raw.feed"
TABLE = f"{{{{ config(materialized='table', meta={{{META}}}) }}}} {FEED}"
WHOLE = TABLE.replace("'audit_ignore'", "'audit_baseline': 'records', 'audit_ignore'")
PAIRS = WHOLE.replace("['id']", "['id', 'note']")
INCREMENTAL = TABLE.replace("'table'", "'incremental', unique_key='id'")
NEWER = " {% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}"
SWITCHED_OFF = TABLE.replace(f"{{{META}}}", f"({{{META}}} if var('build') < 3 else {{}})")
# 1 changes in the second build, 4 goes; 5 comes in the third; 2 and 3 are always the same.
FEEDS = (
    "insert into raw.feed values (1, 'one', 1.5), (2, 'two', null), (3, 'three', 3.5), (4, 'four', 4)",
    "update raw.feed set note = 'ONE' where id = 1; delete from raw.feed where id = 4",
    "insert into raw.feed values (5, 'fi|ve', 5)",
)
EDITS = {
    "whole_missing": "delete from {} where id in (1, 2)",
    "whole_there_again": "insert into {} values (4, 'four', 4, 'x')",
    "whole_added": "insert into {} values (99, 'forged', 1, 'x'), (null, 'keyless', 1, 'x')",
    "whole_repeated": "insert into {0} select * from {0} where id = 3",
    "whole_edited": "update {} set note = 'forged', amount = null where id in (1, 3)",
    "whole_swapped": "update {} set note = case id when 2 then 'three' else 'two' end where id in (2, 3)",
    "whole_erased": "update {} set note = 'forged' where id in (1, 3)",
    "edited_where_logged": "update {} set amount = 7.25 where id = 1",
    "edited_where_silent": "update {} set amount = 7.25 where id = 2",
    "edited_where_ignored": "update {} set seen = 'forged'",
    "empty": "insert into {} values (1, 'forged', 1, 'x')",
    "retyped": "alter table {} add column extra integer",
    "dropped": "drop table {}",
    "planted": "update {} set note = 'forged' where id = 1",
    "pairs": "update {} set amount = 0 where id = 5",
}
FILES = {
    "models/kept.sql": TABLE,
    "models/grown.sql": INCREMENTAL + NEWER,
    "models/grown_edited.sql": INCREMENTAL + NEWER,
    "models/switched_off.sql": SWITCHED_OFF,
    "models/engine.sql": TABLE,
    "models/unprinted.sql": TABLE,
    "models/looked_at.sql": TABLE.replace("'table'", "'view'"),
    "models/pairs.sql": PAIRS,
    "models/empty.sql": TABLE + " where false",
    **{
        f"models/{name}.sql": WHOLE if name.startswith("whole_") else TABLE
        for name in EDITS
        if name not in ("planted", "pairs", "empty")
    },
    "seeds/kept_seed.csv": "id,note\n1,one\n2,two\n",
    "seeds/planted.csv": "id,note\n1,one\n2,two\n",
    "seeds/seeds.yml": "seeds: [{name: kept_seed, config: &c {meta: {audit_capture: changes, audit_key: id}}},"
    " {name: planted, config: *c}]",
    "snapshots/snapped.sql": "{% snapshot snapped %} {{ config(unique_key='id', strategy='check', check_cols='all',"
    " target_schema=target.schema, meta={'audit_capture': 'changes', 'audit_key': 'id'}) }} " + FEED
    + " {% endsnapshot %}",
}  # fmt: skip


@dataclass(frozen=True)
class Shop(Trail):
    """The project after its builds and the edits."""

    forks: Forks

    def json(self, name: str, *args: str, expect: int) -> dict[str, Any]:
        """What reconcile says to machines; it ends with the status `expect`."""
        done = self.forks.batch_audit(
            self.project, "reconcile", name, *args, "--format", "json", expect=expect
        )
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def said(self, name: str, *args: str, expect: int) -> str:
        """What it says to people, in one line."""
        done = self.forks.batch_audit(self.project, "reconcile", name, *args, expect=expect)
        assert done.stdout == ""
        return " ".join(done.stderr.split())

    def edited(self, name: str) -> list[tuple[str | None, str, dict[str, Any]]]:
        """Record id, kind and fields (as logged, as found) of the records that it names."""
        told = self.json(name, expect=1)
        assert told["verdict"] == "changed"
        named = [
            (one["record_id"], one["kind"], {k: (v["logged"], v["found"]) for k, v in one["fields"].items()})
            for one in told["samples"]
        ]
        assert Counter(kind for _, kind, _ in named) == Counter(told["records"])
        return named


def nasty(engine: str, config: str) -> str:
    """A model with a column for each golden value, one row of them and one of NULLs, and texts that end in spaces."""
    values = [vector[engine]["sql"] for vector in golden("values") if engine in vector]
    row = ", ".join(f"{sql} as c{place}" for place, sql in enumerate(values))
    nulls = ", ".join("null" for _ in values)
    sql = f"select 1 as id, 'a ' as note, {row} union all select 2, ' ~|A', {nulls}"
    meta = META.rpartition(",")[0]
    return f"{{{{ config({config}, meta={{{meta}}}) }}}} " + "{% raw %}" + sql + "{% endraw %}"


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, forks: Forks
) -> Iterator[Shop]:
    """Three builds, then the edits."""
    folder = tmp_path_factory.mktemp("reconcile")
    config = {"dispatch": DISPATCH, "models": {"+post-hook": HOOK}}
    kinds = {
        "models/nasty.sql": nasty(request.param, "materialized='table'"),
        "models/nasty_grown.sql": nasty(request.param, "materialized='incremental', unique_key='id'"),
    }
    with database(request.param, folder) as target:
        project = write_project(folder / "project", target, files=FILES | kinds, config=config)
        project.query("create schema raw")
        project.query("create table raw.feed (id integer, note text, amount decimal(10, 2))")
        for build, feed in enumerate(FEEDS, 1):
            for statement in feed.split("; "):
                project.query(statement)
            forks.dbt(project, "build", "--threads", "2", "--vars", f"{{build: {build}}}")
        for name, edit in EDITS.items():
            project.query(edit.format(f'"{target.schema}"."{name}"'))
        project.query(f"update \"{target.schema}\".grown_edited set note = 'forged' where id = 5")
        yield Shop(project, forks)


@pytest.mark.parametrize(
    "name", ["kept", "grown", "kept_seed", "nasty", "nasty_grown", "edited_where_ignored"]
)
def test_what_is_as_it_was_left_is_unchanged(shop: Shop, name: str) -> None:
    told = shop.json(name, expect=0)

    assert (told["verdict"], told["reason"], told["capture"]["capture_no"]) == ("unchanged", None, 3)
    assert told["found"] == {key: told["capture"][key] for key in ("rows", "fingerprint")}
    assert told["found"]["fingerprint"] not in (None, "0")
    assert "samples" not in told


def test_people_read_the_verdict_and_what_was_left_out(shop: Shop) -> None:
    said = shop.said("edited_where_ignored", expect=0)

    assert "edited_where_ignored: unchanged last capture 3," in said
    assert "left 4 rows" in said and "ignored seen" in said


def test_the_fingerprint_of_python_is_that_of_the_capture_whatever_the_types(shop: Shop) -> None:
    warehouse = shop.project.warehouse()
    try:
        for name in ("nasty", "nasty_grown"):
            capture = shop.capture(name)
            columns = [column["name"] for column in capture["columns"]]
            found = warehouse.fingerprint(shop.project.target.schema, name, columns)
            assert (found.rows, found.total) == (capture["rows_after"], capture["fingerprint"])
            assert warehouse.fingerprint_engine() == capture["fingerprint_engine"]
            without_note = [column for column in columns if column != "note"]
            fewer = warehouse.fingerprint(shop.project.target.schema, name, without_note)
            assert fewer.total != found.total
    finally:
        warehouse.close()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "whole_missing",
            [
                ("1", "missing", {"id": ("1", None), "note": ("ONE", None), "amount": ("1.5", None)}),
                ("2", "missing", {"id": ("2", None), "note": ("two", None)}),
            ],
        ),
        (
            "whole_there_again",
            [("4", "there_again", {"id": (None, "4"), "note": (None, "four"), "amount": (None, "4")})],
        ),
        (
            "whole_added",
            [
                ("99", "added", {"id": (None, "99"), "note": (None, "forged"), "amount": (None, "1")}),
                (None, "added", {"note": (None, "keyless"), "amount": (None, "1")}),
            ],
        ),
        ("whole_repeated", [("3", "repeated", {})]),
        (
            "whole_edited",
            [
                ("1", "edited", {"note": ("ONE", "forged"), "amount": ("1.5", None)}),
                ("3", "edited", {"note": ("three", "forged"), "amount": ("3.5", None)}),
            ],
        ),
        (
            "whole_swapped",
            [("2", "edited", {"note": ("two", "three")}), ("3", "edited", {"note": ("three", "two")})],
        ),
        ("empty", [("1", "added", {"id": (None, "1"), "note": (None, "forged"), "amount": (None, "1")})]),
        ("edited_where_logged", [("1", "edited", {"amount": ("1.5", "7.25")})]),
        ("grown_edited", [("5", "edited", {"note": ("fi|ve", "forged")})]),
        ("pairs", [("5|fi~1ve", "edited", {"amount": ("5", "0")})]),
    ],
)
def test_an_edit_is_found_and_its_records_are_named(shop: Shop, name: str, expected: Any) -> None:
    assert shop.edited(name) == expected


@pytest.mark.parametrize(("name", "known", "rows"), [("edited_where_silent", 2, 4), ("planted", 0, 2)])
def test_an_edit_of_records_that_the_log_does_not_know_is_found_all_the_same(
    shop: Shop, name: str, known: int, rows: int
) -> None:
    told = shop.json(name, expect=1)
    said = shop.said(name, expect=1)

    assert (told["verdict"], told["samples"]) == ("changed", [])
    assert told["found"]["rows"] == told["capture"]["rows"] == rows
    assert told["found"]["fingerprint"] != told["capture"]["fingerprint"]
    assert told["log_knows"] == {"known": known, "erased": 0, "of": rows}
    assert f"knows the values of {known} of {rows} records" in said and "does not know the others" in said


def test_as_many_records_are_shown_as_asked_for_and_all_are_counted(shop: Shop) -> None:
    told = shop.json("whole_edited", "--limit", "1", expect=1)
    said = shop.said("whole_edited", "--limit", "1", expect=1)

    assert [one["record_id"] for one in told["samples"]] == ["1"]
    assert told["records"]["edited"] == 2
    assert told["log_knows"] == {"known": 4, "erased": 0, "of": 4}
    assert "2 records with other values" in said and "ONE" in said and "three" not in said
    assert shop.json("whole_edited", "--limit", "0", expect=1)["samples"] == []


def test_records_whose_values_were_erased_are_counted_apart(shop: Shop) -> None:
    node = shop.node("whole_erased")
    shop.project.audit(
        "delete from {audit}.audit_payload where event_id in (select event_id from {audit}.audit_event"
        f" where target = '{node}' and record_id = '1')"
    )

    told = shop.json("whole_erased", expect=1)

    assert [one["record_id"] for one in told["samples"]] == ["3"]
    assert told["log_knows"] == {"known": 3, "erased": 1, "of": 4}


def test_a_relation_that_is_gone_has_changed(shop: Shop) -> None:
    told = shop.json("dropped", expect=1)

    assert (told["verdict"], told["found"]) == ("changed", None)
    assert "is not there any more" in told["reason"] and "dropped" in told["reason"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("retyped", "no longer has the columns that capture 3 saw"),
        ("switched_off", "was not captured: it did not ask for it"),
        ("looked_at", "none of its builds was captured (record changes are captured for tables"),
    ],
)
def test_what_the_log_does_not_say_is_not_evaluated(shop: Shop, name: str, reason: str) -> None:
    told = shop.json(name, expect=4)

    assert (told["verdict"], told["found"]) == ("not evaluated", None)
    assert reason in told["reason"]
    assert f"{name}: not evaluated: " in shop.said(name, expect=4)


@pytest.mark.parametrize(
    ("name", "member", "reason"),
    [
        ("engine", "fingerprint_engine", "another version may hash the same row otherwise"),
        ("unprinted", "fingerprint", "stored no fingerprint"),
    ],
)
def test_fingerprints_that_cannot_be_compared_are_not(
    shop: Shop, name: str, member: str, reason: str
) -> None:
    stored = shop.capture(name)
    assert stored[member]
    stored[member] = "duckdb v0.1" if member == "fingerprint_engine" else None
    text = json.dumps(stored).replace("'", "''")
    shop.project.audit(
        f"update {{audit}}.audit_event set metadata = '{text}' where target = '{shop.node(name)}'"
        f" and event_type = 'checkpoint' and part = target and invocation_id = '{shop.invocations()[-1]}'"
    )

    told = shop.json(name, expect=4)

    assert told["verdict"] == "not evaluated" and reason in told["reason"]


def test_a_snapshot_is_refused(shop: Shop) -> None:
    assert "is a snapshot" in shop.said("snapped", expect=2)


def test_reconcile_writes_nothing_to_the_store(shop: Shop) -> None:
    tables = ("segment", "event", "payload", "record_edge", "column_edge", "block")

    def stored() -> list[Any]:
        return [
            shop.project.audit(f"select count(*) as n from {{audit}}.audit_{name}")[0]["n"] for name in tables
        ]

    before = stored()
    shop.json("whole_edited", expect=1)
    shop.json("kept", expect=0)
    assert stored() == before and before[1] > 0
