"""Answers about lineage: names, slices, trees and the formats that they are written in."""

import csv
import io
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from batch_audit.errors import ConfigurationError
from batch_audit.lineage.explore.branches import Branch, branches
from batch_audit.lineage.explore.facet import as_openlineage
from batch_audit.lineage.explore.from_sql import check_dialect, parse_schema, read_sql
from batch_audit.lineage.explore.known import Dataset, Known, Origin, known
from batch_audit.lineage.explore.machine import UNKNOWN, as_csv, as_json, table
from batch_audit.lineage.explore.mermaid import as_mermaid, escaped
from batch_audit.lineage.explore.names import Reading, choose, readings
from batch_audit.lineage.explore.paint import painted
from batch_audit.lineage.explore.slices import DIRECTIONS, Direction, Slice, far_end, take, take_all
from batch_audit.lineage.project import NodeLineage, ProjectEdge
from tests.support.openlineage_schemas import dataset_facet_problems

ORIGIN = Origin("manifest", "target/manifest.json", 1_767_322_800_000_000)


def edge(source: str, target: str, subtype: str = "IDENTITY", **more: Any) -> ProjectEdge:
    """An edge of `model.column` to `model.column`; a target without a column stands for every one of it."""
    node, _, column = source.partition(".")
    to, _, into = target.partition(".")
    kind = "DIRECT" if subtype in ("IDENTITY", "TRANSFORMATION", "AGGREGATION") else "INDIRECT"
    values = {"masking": False, "expression": "", "note": None} | more
    owner = f"model.shop.{to}"
    return ProjectEdge(owner, f"model.shop.{node}", column, owner, into or None, kind, subtype, **values)


def project(
    *edges: ProjectEdge, unknown: dict[str, list[tuple[str | None, str, str]]] | None = None
) -> Known:
    """What these edges tell of their models; each model's columns are those of its edges."""
    gaps = unknown or {}
    names = dict.fromkeys(
        [*(end for e in edges for end in (e.source, e.target)), *(f"model.shop.{n}" for n in gaps)]
    )
    lineages = {}
    for name in names:
        mine = tuple(e for e in edges if e.owner == name)
        columns = [e.target_column for e in mine] + [e.source_column for e in edges if e.source == name]
        told = tuple(dict.fromkeys(c for c in columns if c and c != "*"))
        lineages[name] = NodeLineage(name, mine, tuple(gaps.get(name.split(".")[-1], ())), told, "inferred")
    relations = {name: Dataset(name, "model", f"db.shop.{name.split('.')[-1]}") for name in names}
    return known(lineages, relations, ORIGIN)


SHOP = project(
    edge("people.email", "stg.mail", "TRANSFORMATION", expression="lower(email)"),
    edge("people.region", "stg.region"),
    edge("stg.mail", "mart.mail"),
    edge("stg.mail", "mart.hidden", "TRANSFORMATION", masking=True, expression="md5(mail)"),
    edge("stg.region", "mart", "FILTER", expression="WHERE region > 0"),
    edge("mart.mail", "show.mail"),
    edge("mart.hidden", "show.hidden"),
    unknown={"show": [("other", "no relation here has a column other", "other")]},
)


def lines(found: Slice, direction: Direction) -> list[Branch]:
    return [line for root in branches(found, direction) for line in root.lines()]


def shown(found: Slice, width: int = 200) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, color_system=None)
    for part in painted(found):
        console.print(part)
    return text.getvalue()


def test_a_column_shows_where_its_values_come_from_and_what_influences_it() -> None:
    found = take(SHOP, "model.shop.mart", "hidden", ["upstream"])
    assert shown(found).splitlines() == [
        "mart.hidden  model",
        "upstream",
        "├── stg.mail  transformation  masked  md5(mail)",
        "│   └── people.email  transformation  lower(email)",
        "└── every column",
        "    └── stg.region  influences (filter)  WHERE region > 0",
        "        └── people.region  identity",
    ]


def test_influences_on_all_columns_are_told_once_for_a_model() -> None:
    found = take(SHOP, "model.shop.show", None, ["upstream"])
    groups = [line for line in lines(found, "upstream") if line.kind == "influences"]
    told = [
        (group.node, [child.column for child in group.children if child.kind == "column"]) for group in groups
    ]
    assert [one for one in told if one[1]] == [("model.shop.mart", ["region"])]


def test_values_alone_can_be_followed() -> None:
    found = take(SHOP, "model.shop.people", "region", ["downstream"], direct=True)
    assert [step.edge.target for step in found.all_steps()] == ["model.shop.stg"]


def test_what_is_cut_off_is_counted() -> None:
    found = take(SHOP, "model.shop.people", "email", ["downstream"], depth=1)
    assert found.cut("downstream") == 4
    assert "… 2 more downstream" in shown(found)
    assert as_json(found)["cut"] == {"downstream": 4}


def test_a_column_that_two_ways_lead_to_stands_in_full_once() -> None:
    diamond = project(
        edge("a.x", "b.x"), edge("a.x", "c.x"), edge("b.x", "d.x"), edge("c.x", "d.x"), edge("d.x", "e.x")
    )
    found = take(diamond, "model.shop.a", "x", ["downstream"])
    assert shown(found).count("e.x") == 1
    assert shown(found).count("d.x") == 2
    assert "d.x  identity  (see above)" in shown(found)


def test_a_cycle_is_printed_once() -> None:
    found = take(project(edge("a.x", "b.x"), edge("b.x", "a.x")), "model.shop.a", "x", ["upstream"])
    assert shown(found).splitlines()[1:] == [
        "upstream",
        "└── b.x  identity",
        "    └── a.x  identity  (a cycle)",
    ]


def test_a_reader_that_nobody_can_read_is_shown_below_what_it_reads() -> None:
    gap: tuple[str | None, str, str] = (None, "the SQL could not be parsed", "select")
    base = project(edge("a.x", "b.x"), unknown={"bad": [gap]})
    readers = {
        **base.datasets,
        "model.shop.bad": Dataset("model.shop.bad", "model", inputs=("model.shop.b",)),
    }
    found = take(known(base.lineages, readers, ORIGIN), "model.shop.a", "x", ["downstream"])
    assert [gap.unique_id for gap in found.gaps] == ["model.shop.bad"]
    assert "? bad: the SQL could not be parsed" in shown(found)


@pytest.mark.parametrize(
    ("seconds", "old"), [(30, "less than a minute"), (60, "1 minute"), (7200, "2 hours"), (86_400, "1 day")]
)
def test_a_manifest_says_how_old_it_is(seconds: int, old: str) -> None:
    now = datetime.fromtimestamp((ORIGIN.moment or 0) / 1e6 + seconds, UTC)
    assert (
        ORIGIN.sentence(now)
        == f"from dbt's manifest target/manifest.json, 2026-01-02 03:00:00 UTC ({old} old)"
    )


def test_a_very_long_way_is_shown_to_its_end() -> None:
    chain = project(*(edge(f"m{number}.x", f"m{number + 1}.x") for number in range(1500)))
    found = take(chain, "model.shop.m0", "x", ["downstream"])
    assert [line.node for line in lines(found, "downstream")][-1] == "model.shop.m1500"
    assert "m1500.x  identity" in shown(found, 10_000)


def test_a_narrow_terminal_loses_nothing() -> None:
    found = take(SHOP, "model.shop.mart")
    narrow = "".join(character for character in shown(found, 40) if character.isalnum())
    for word in ("transformation", "masked", "WHEREregion0", "peopleemail", "influencesfilter"):
        assert word in narrow


# ---- properties over any graph -------------------------------------------------------------------------

_ENDS = st.tuples(st.sampled_from("abcde"), st.sampled_from(["x", "y", "*", "s.f"])).map(".".join)
_TARGETS = st.one_of(_ENDS, st.sampled_from("abcde"))
_SUBTYPES = st.sampled_from(["IDENTITY", "TRANSFORMATION", "FILTER", "CONDITIONAL", "JOIN"])
_EDGES = st.lists(
    st.builds(edge, _ENDS, _TARGETS, _SUBTYPES, masking=st.booleans(), expression=st.text(max_size=5)), min_size=1,
    max_size=14,
)  # fmt: skip
_GAPS = st.dictionaries(
    st.sampled_from("abcde"),
    st.lists(st.tuples(st.sampled_from([None, "x", "y", "z", "*"]), st.text(max_size=9), st.just("sql")), max_size=2),
    max_size=3,
)  # fmt: skip
_ASKED = st.tuples(st.sampled_from([None, "x", "y"]), st.sampled_from([None, 1, 2, 3]))


@settings(max_examples=150, deadline=None)
@given(_EDGES, _GAPS, _ASKED)
def test_a_tree_has_every_column_in_full_once_and_every_edge_and_gap(
    edges: list[ProjectEdge], gaps: dict[str, Any], asked: tuple[str | None, int | None]
) -> None:
    found = take(project(*edges, unknown=gaps), edges[0].source, asked[0], depth=asked[1])
    for direction in DIRECTIONS:
        told = lines(found, direction)
        reached = {far_end(step.edge, direction) for step in found.steps[direction]}
        full = Counter((line.node, line.column and line.column.lower()) for line in told
                       if line.kind == "column" and line.edges and not line.shown)  # fmt: skip
        assert set(full.values()) <= {1}
        assert reached - full.keys() <= {
            (line.node, line.column and line.column.lower()) for line in told if line.shown
        }
        assert {e for line in told for e in line.edges} == {step.edge for step in found.steps[direction]}
    written = {(line.node, line.column) for d in DIRECTIONS for line in lines(found, d) if line.kind == "gap"}
    assert written == {(gap.unique_id, gap.column) for gap in found.gaps}


@settings(max_examples=100, deadline=None)
@given(_EDGES, _GAPS, _ASKED)
def test_csv_and_json_have_the_same_edges_and_gaps(
    edges: list[ProjectEdge], gaps: dict[str, Any], asked: tuple[str | None, int | None]
) -> None:
    found = take(project(*edges, unknown=gaps), edges[0].source, asked[0], depth=asked[1])
    document = json.loads(json.dumps(as_json(found)))
    rows = list(csv.DictReader(io.StringIO(as_csv(found), newline="")))
    keys = ("direction", "source", "source_column", "target", "target_column", "kind", "subtype")
    assert [tuple(row[key] for key in keys) for row in rows if row["kind"] != UNKNOWN] == [
        tuple(item[key] or "" for key in keys) for item in document["edges"]
    ]
    assert sum(row["kind"] == UNKNOWN for row in rows) == len(document["unknown"])
    named = {node["id"] for node in document["nodes"]}
    assert named >= {item[end] for item in document["edges"] for end in ("source", "target")}


@settings(max_examples=100, deadline=None)
@given(_EDGES, _GAPS)
def test_every_facet_is_valid_and_loses_no_edge(edges: list[ProjectEdge], gaps: dict[str, Any]) -> None:
    found = take_all(project(*edges, unknown=gaps))
    ways = 0
    for dataset in json.loads(json.dumps(as_openlineage(found, "duckdb"))):
        facet = dataset["facets"]["columnLineage"]
        # A facet may have properties of its own (OpenLineage, BaseFacet); the derived schemas are stricter.
        standard = {name: value for name, value in facet.items() if name != "unknown"}
        assert dataset_facet_problems("columnLineage", standard) == []
        inputs = [
            *facet.get("dataset", ()),
            *(one for item in facet["fields"].values() for one in item["inputFields"]),
        ]
        ways += sum(len(one["transformations"]) for one in inputs) + len(facet.get("unknown", ()))
    told = {replace(step.edge, note=None, owner="") for step in found.all_steps() if step.edge.source}
    sure = {one for one in told if "*" not in (one.source_column, one.target_column)}
    unsure = {step.edge for step in found.all_steps()} - {
        step.edge for step in found.all_steps() if replace(step.edge, note=None, owner="") in sure
    }
    assert ways == len(sure) + len(unsure) + len(found.gaps)


# ---- names ---------------------------------------------------------------------------------------------

NAMED = {
    "model.shop.mart": Dataset("model.shop.mart", "model", "db.main.mart"),
    "model.shop.dim.v2": Dataset("model.shop.dim.v2", "model", "db.main.dim_v2"),
    "model.other.twin": Dataset("model.other.twin", "model", "db.main.twin"),
    "model.shop.twin": Dataset("model.shop.twin", "model", "db.own.twin"),
    "source.shop.raw.people": Dataset("source.shop.raw.people", "source", 'db.raw."People Of"'),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mart", [("model.shop.mart", None)]),
        ("MART.Mail", [("model.shop.mart", "Mail")]),
        ("model.shop.mart.mail", [("model.shop.mart", "mail")]),
        ("db.main.mart.a.b", [("model.shop.mart", "a.b")]),
        ("dim.v2.id", [("model.shop.dim.v2", "id")]),
        ("raw.people.id", [("source.shop.raw.people", "id")]),
        ('raw."People Of".id', [("source.shop.raw.people", "id")]),
        ("twin", [("model.other.twin", None), ("model.shop.twin", None)]),
        ("own.twin", [("model.shop.twin", None)]),
    ],
)
def test_a_dataset_is_found_by_each_of_its_names(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert readings(text, NAMED) == [Reading(*one) for one in expected]


def test_a_name_that_is_not_there_gets_those_that_are_near() -> None:
    with pytest.raises(ConfigurationError, match=r"'marts'.*\n.*Did you mean mart\?"):
        readings("marts", NAMED)
    with pytest.raises(ConfigurationError, match="dbt compile"):
        readings("marts", {})


def test_a_column_that_is_not_there_gets_those_that_are_near() -> None:
    with pytest.raises(ConfigurationError, match=r"no column 'hiden'.*\n.*Did you mean hidden\?"):
        choose("mart.hiden", [Reading("model.shop.mart", "hiden")], SHOP)


def test_a_name_of_two_things_is_refused_with_both() -> None:
    twins = [Reading("model.shop.mart"), Reading("model.shop.stg")]
    with pytest.raises(ConfigurationError, match=r"model\.shop\.mart or model\.shop\.stg"):
        choose("twin", twins, SHOP)


# ---- text that could be taken for more -------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1"])
def test_a_spreadsheet_gets_no_formula(text: str) -> None:
    [_, row] = csv.reader(io.StringIO(table(["a"], [[text]]), newline=""))
    assert row == ["'" + text]


@given(st.text())
def test_a_label_of_mermaid_has_no_character_with_a_meaning(text: str) -> None:
    assert not set(escaped(text)) & set('"<>[]{}&%`\n\\') and escaped(text)


def test_a_flowchart_tells_values_from_influences() -> None:
    chart = as_mermaid(take(SHOP, "model.shop.mart", "hidden", ["upstream"]))
    assert '-->|"transformation, masked"|' in chart
    assert '-.->|"filter"|' in chart
    assert '["mart (model)"]' in chart


# ---- SQL alone -------------------------------------------------------------------------------------------


def test_each_relation_that_a_script_fills_is_told_and_temporary_ones_are_read_through() -> None:
    script = (
        "create table t as select a from s; insert into y (c) select a from t; create view z as select 1 as k"
    )
    told, targets = read_sql(script, "duckdb", {}, "result", "stdin")
    assert targets == ["y", "z"]
    [flow] = as_json(take_all(told))["edges"]
    assert (flow["source"], flow["source_column"], flow["target"], flow["target_column"]) == (
        "s",
        "a",
        "y",
        "c",
    )
    assert "k: reads no column" in shown(take(told, "z", directions=["upstream"]))


def test_sql_that_nobody_can_read_is_one_unknown() -> None:
    told, targets = read_sql("select from where", "duckdb", {}, "result", "stdin")
    assert targets == ["result"]
    [gap] = take_all(told).gaps
    assert "could not be parsed" in gap.reason


def test_deep_sql_is_read() -> None:
    sql = "select " + "case when a > 0 then " * 300 + "a" + " end" * 300 + " as b from t"
    told, _ = read_sql(sql, "duckdb", {"t": ["a"]}, "result", "stdin")
    assert {step.edge.source_column for step in take_all(told).all_steps()} == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        "t: [id, no, 1]\nu: {on: int}",
        '{"t": ["id", "no", 1], "u": {"on": "int"}}',
        '{\n\t"t": ["id", "no", "1"],\n\t"u": {"on": "int"}}',
    ],
)
def test_a_schema_is_yaml_or_json_and_its_names_are_texts(text: str) -> None:
    assert parse_schema(text, "f") == {"t": ["id", "no", "1"], "u": {"on": "int"}}


@pytest.mark.parametrize("text", ["", "[1]", "t: id", "t: [[a]]", "t: {a: {b: c}}", "t: [a", "\x00"])
def test_a_schema_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"schema\.yml"):
        parse_schema(text, "schema.yml")


def test_a_dialect_that_is_not_there_gets_those_that_are_near() -> None:
    assert check_dialect("DuckDB") == "duckdb"
    with pytest.raises(ConfigurationError, match="postgres"):
        check_dialect("postgress")
