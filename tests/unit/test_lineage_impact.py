"""What a change of code touches: from two manifests, in folders as dbt leaves them."""

import csv
import io
import json
import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from batch_audit.lineage.explore import impact_machine, impact_text
from batch_audit.lineage.explore.changes import plain
from batch_audit.lineage.explore.from_manifest import read_artifacts
from batch_audit.lineage.explore.states import compare
from batch_audit.lineage.explore.touched import Impact
from batch_audit.lineage.project import ProjectGraph, read_project

Manifest = dict[str, Any]
Compare = Callable[[Manifest, Manifest], Impact]
PEOPLE = "source.shop.raw.people"
STG, MART, SHOW, BAD, BOARD = (
    f"{kind}.shop.{name}"
    for kind, name in (("model", "stg"), ("model", "mart"), ("model", "show"), ("model", "bad"), ("exposure", "board"))
)  # fmt: skip
CODE = {
    STG: ('select id, lower(email) as mail, region from "db"."raw"."people"', [PEOPLE]),
    MART: ('select mail, count(*) as n from "db"."{schema}"."stg" where region > 0 group by mail', [STG]),
    SHOW: ('select * from "db"."{schema}"."mart"', [MART]),
    BAD: ('select from "db"."{schema}"."mart" where', [MART]),
}


def manifest(schema: str = "dev", leave: str = "", **code: str | None) -> Manifest:
    """A manifest of the models in CODE, with other code for some of them; None: not compiled."""
    nodes = {}
    for unique_id, (text, inputs) in CODE.items():
        name = unique_id.split(".")[-1]
        if name == leave:
            continue
        compiled = code.get(name, text)
        nodes[unique_id] = {
            "resource_type": "model", "database": "db", "schema": schema, "alias": name, "name": name,
            "compiled_code": compiled and compiled.replace("{schema}", schema), "depends_on": {"nodes": inputs},
            "config": {"materialized": "table"}, "checksum": {"checksum": str(code.get(name, text))},
        }  # fmt: skip
    people = {
        "resource_type": "source", "database": "db", "schema": "raw", "identifier": "people",
        "columns": {column: {"name": column} for column in ("id", "email", "region")},
    }  # fmt: skip
    board = {
        "depends_on": {"nodes": [SHOW]},
        "owner": {"name": "ana", "email": "ana@x.org"},
    }
    return {
        "metadata": {
            "adapter_type": "duckdb",
            "project_name": "shop",
            "generated_at": "2026-01-02T03:00:00Z",
        },
        "nodes": nodes, "sources": {PEOPLE: people}, "exposures": {BOARD: board},
    }  # fmt: skip


@pytest.fixture
def compared(tmp_path: Path) -> Compare:
    def run(before: Manifest, after: Manifest) -> Impact:
        folders = []
        for name, content in (("before", before), ("after", after)):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
            folders.append(read_artifacts(folder))
        return compare(*folders)

    return run


def columns(impact: Impact, node: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    found = [change for change in impact.changes if change.unique_id == node]
    return {column.column: (column.change, column.what) for change in found for column in change.columns}


def reached(impact: Impact) -> dict[str, set[str | None]]:
    return {one.unique_id: set(one.columns) for one in impact.touched}


def test_another_schema_is_no_difference(compared: Compare) -> None:
    impact = compared(manifest("prod"), manifest("dev"))
    assert (impact.changes, impact.touched) == ((), ())
    assert impact_text.summary(impact) == "no difference in any model or column"
    assert not impact.fails("any")


def test_layout_and_comments_are_no_difference(compared: Compare) -> None:
    text = '-- what it is\nSELECT id,\n  LOWER(email) AS mail, /* where */ region\nFROM "db"."raw"."people"'
    assert compared(manifest(), manifest(stg=text)).changes == ()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "select id, upper(email) as mail, region from db.raw.people",
            {"mail": ("changed", ("expression",))},
        ),
        (
            "select id, email as mail, region from db.raw.people",
            {"mail": ("changed", ("kind", "expression"))},
        ),
        (
            "select id, lower(region) as mail, region from db.raw.people",
            {"mail": ("changed", ("sources", "expression"))},
        ),
        (
            "select id, lower(email) as mail, region, 1 as one from db.raw.people",
            {"one": ("added", ())},
        ),
    ],
)
def test_a_column_that_is_made_otherwise_says_in_which_way(
    compared: Compare, code: str, expected: dict[str, Any]
) -> None:
    impact = compared(manifest(), manifest(stg=code))
    assert columns(impact, STG) == expected


def test_everything_below_is_touched_with_its_first_step_and_owner(compared: Compare) -> None:
    impact = compared(manifest(), manifest(stg="select id, upper(email) as mail, region from db.raw.people"))
    assert reached(impact) == {MART: {"mail", None}, SHOW: {"mail", "n"}, BOARD: {"*"}, BAD: set()}
    board = next(one for one in impact.touched if one.unique_id == BOARD)
    assert (board.distance, impact_machine.first_step(impact, board)) == (3, "stg.mail → mart.mail")
    assert impact.after.owners[BOARD] == "ana <ana@x.org>"
    mart = next(one for one in impact.touched if one.unique_id == MART)
    assert mart.columns == {"mail": True, None: False}


def test_a_reader_that_nobody_can_read_may_be_touched(compared: Compare) -> None:
    impact = compared(manifest(), manifest(mart='select mail from "db"."dev"."stg"'))
    [bad] = [one for one in impact.touched if one.unique_id == BAD]
    assert "could not be parsed" in bad.unknown


def test_another_filter_touches_every_column(compared: Compare) -> None:
    impact = compared(
        manifest(),
        manifest(mart='select mail, count(*) as n from "db"."dev"."stg" where region > 1 group by mail'),
    )
    [change] = [change for change in impact.changes if change.unique_id == MART]
    assert (change.columns, change.rows_before[-1], change.rows_after[-1]) == (
        (), "stg.region (filter): WHERE region > 0", "stg.region (filter): WHERE region > 1",
    )  # fmt: skip
    assert reached(impact)[SHOW] == {"mail", "n"}


def test_code_that_differs_without_a_column_to_show_for_it_is_told(compared: Compare) -> None:
    impact = compared(manifest(), manifest(show='select * from "db"."dev"."mart" limit 3'))
    [change] = impact.changes
    assert (change.unique_id, change.columns) == (SHOW, ())
    assert "no column shows" in change.elsewhere
    assert set(reached(impact)) == {BOARD}


def test_a_removed_column_that_is_still_read_breaks_its_reader(compared: Compare) -> None:
    gone = "select id, lower(email) as mail from db.raw.people"
    impact = compared(manifest(), manifest(stg=gone))
    assert columns(impact, STG) == {"region": ("removed", ())}
    [mart] = [one for one in impact.touched if one.unique_id == MART]
    assert list(mart.broken) == ["region"]
    assert "1 node still reading what is gone" in impact_text.summary(impact)
    assert [impact.fails(level) for level in ("never", "broken", "removed", "changed", "any")] == [
        False, True, True, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "levels"),
    [
        ("select id, lower(email) as mail, region, 1 as one from db.raw.people", ["any"]),
        ("select id, upper(email) as mail, region from db.raw.people", ["changed", "any"]),
        ("select lower(email) as mail, region from db.raw.people", ["removed", "changed", "any"]),
    ],
)
def test_each_level_of_failing_includes_what_is_worse(
    compared: Compare, code: str, levels: list[str]
) -> None:
    impact = compared(manifest(), manifest(stg=code))
    every: tuple[Any, ...] = ("never", "broken", "removed", "changed", "any")
    assert [level for level in every if impact.fails(level)] == levels


def test_a_model_that_is_gone_and_one_that_is_new(compared: Compare) -> None:
    impact = compared(manifest(leave="bad"), manifest(leave="show"))
    assert {change.unique_id: change.change for change in impact.changes} == {SHOW: "removed", BAD: "added"}
    assert set(reached(impact)) == {BOARD}


def test_code_that_is_not_compiled_is_not_compared(compared: Compare) -> None:
    impact = compared(manifest(stg=None), manifest())
    [change] = [change for change in impact.changes if change.unique_id == STG]
    assert change.unknown == (
        "its compiled code is not known in the earlier manifest, so its columns cannot be compared",
    )
    assert impact.before.known.origin.notes == (
        "1 node have no compiled code here; `dbt compile` gives it to all",
    )


@pytest.mark.parametrize("changed", [STG, MART, SHOW])
def test_all_that_a_walk_reaches_is_touched(compared: Compare, changed: str) -> None:
    name = changed.split(".")[-1]
    after = manifest(**{name: CODE[changed][0].replace("select", "select 7 as seven,")})
    impact = compared(after, manifest())
    graph = ProjectGraph(impact.before.known.lineages)
    walked = {(step.edge.target, step.edge.target_column) for step in graph.downstream(changed, "seven")}
    assert walked <= {(one.unique_id, column) for one in impact.touched for column in one.columns}


def test_json_and_csv_tell_the_same(compared: Compare) -> None:
    impact = compared(manifest(), manifest(stg="select id, upper(email) as mail from db.raw.people"))
    document = json.loads(json.dumps(impact_machine.as_json(impact)))
    rows = list(csv.DictReader(io.StringIO(impact_machine.as_csv(impact), newline="")))
    assert {(r["node"], r["column"], r["change"]) for r in rows if r["part"] == "change" and r["column"]} == {
        (c["node"], column["column"], column["change"]) for c in document["changes"] for column in c["columns"]
    }  # fmt: skip
    assert {(r["node"], r["column"]) for r in rows if r["reached"] in ("value", "influence")} == {
        (t["node"], column["column"] or "") for t in document["touched"] for column in t["columns"]
    }


def test_markdown_cannot_be_broken_out_of(compared: Compare) -> None:
    name = '"a|b`<img src=x>@ana [x](http://y)\n#1 *"'
    hostile = f"select id, lower(email) as mail, region, 1 as {name} from db.raw.people"
    text = impact_text.as_markdown(compared(manifest(), manifest(stg=hostile)))
    assert all(word not in text for word in ("<img", "@ana", "[x](", "#1 ", "http://"))
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables} <= {4, 5}


@given(st.text(max_size=50))
def test_a_cell_of_markdown_stays_one_cell(text: str) -> None:
    cell = impact_text._escaped(text)
    assert not set(cell) & set("|<>\n\r`@")


def test_a_long_list_is_cut_and_says_so(compared: Compare) -> None:
    many = ", ".join(f"{number} as c{number}" for number in range(300))
    impact = compared(
        manifest(), manifest(stg=f"select id, lower(email) as mail, region, {many} from db.raw.people")
    )
    text = impact_text.as_markdown(impact)
    assert "… 200 more rows" in text
    assert len(text) < 65_536


def test_the_tree_names_every_change_and_everything_touched(compared: Compare) -> None:
    impact = compared(manifest(), manifest(stg="select id, upper(email) as mail from db.raw.people"))
    text = io.StringIO()
    console = Console(file=text, width=200, color_system=None)
    for part in impact_text.painted(impact):
        console.print(part)
    for line in ("~ stg", "- region", "~ mail  expression", "board  ana <ana@x.org>", "! still reads region"):
        assert line in text.getvalue()


@pytest.mark.parametrize(
    "name", ['"db"."dev"."stg"', "db.dev.stg", "DEV.STG", "`db`.`dev`.`stg`", '"dev".stg']
)
def test_names_of_relations_are_those_of_nodes_whatever_their_quotes(name: str) -> None:
    project = read_project(manifest())
    assert plain(f"select x.stg from {name} as x", project, MART) == f"select x.stg from {STG} as x"


def test_the_earlier_folder_is_left_as_it_is(compared: Compare, tmp_path: Path) -> None:
    compared(deepcopy(manifest()), manifest(stg="select id, upper(email) as mail, region from db.raw.people"))
    assert [path.name for path in (tmp_path / "before").iterdir()] == ["manifest.json"]
    assert re.search("sqlite", " ".join(path.name for path in (tmp_path / "after").iterdir()))
