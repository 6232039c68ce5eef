"""A project as a graph of columns: from a manifest, through processes that may die, with a cache."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_audit.lineage.project import (
    Cache,
    NodeLineage,
    Pool,
    ProjectEdge,
    ProjectGraph,
    RunValues,
    read_lineage,
    read_project,
)
from batch_audit.lineage.project.ephemeral import without_ephemerals
from batch_audit.lineage.project.task import Task


def model(name: str, code: str | None, *inputs: str, **more: Any) -> dict[str, Any]:
    return {
        "resource_type": "model", "database": "db", "schema": "Shop", "alias": name, "compiled_code": code,
        "depends_on": {"nodes": list(inputs)}, "config": {"materialized": "table"}, **more,
    }  # fmt: skip


MANIFEST = {
    "metadata": {"adapter_type": "duckdb", "project_name": "shop"},
    "sources": {
        "source.shop.raw.people": {
            "resource_type": "source", "database": "db", "schema": "raw", "identifier": "People Of",
            "columns": {"email": {"name": "email", "meta": {"audit_pii": True}}, "id": {"name": "id"}},
        },
    },
    "nodes": {
        "model.shop.eph": model(
            "eph", 'select id, lower(email) as mail from "db"."raw"."People Of"', "source.shop.raw.people",
            config={"materialized": "ephemeral"},
        ),
        "model.shop.mart": model(
            "mart",
            'with __dbt__cte__eph as (\nselect id, lower(email) as mail from "db"."raw"."People Of"\n), x as'
            " (select * from __dbt__cte__eph where id > 0) select mail, md5(mail) as hidden from x",
            "model.shop.eph",
            config={
                "materialized": "table",
                "post-hook": [
                    {"sql": "insert into {{ ref('log') }} select mail from {{ this }}"},
                    {"sql": "update {{ target.schema }}.log set mail = null"},
                    {"sql": "grant select on {{ this }} to everybody"},
                ],
            },
        ) | {"depends_on": {"nodes": ["model.shop.eph", "model.shop.log"]}},
        "model.shop.log": model("log", "select cast(null as text) as mail"),
        "model.shop.py": model("py", "def model(dbt, session): ...", "model.shop.mart", language="python"),
        "model.shop.star": model("star", 'select * from DB."shop".MART', "model.shop.mart"),
        "model.shop.bad": model("bad", "select from where", "model.shop.mart"),
        "model.shop.none": model("none", None, "model.shop.mart"),
    },
    "exposures": {"exposure.shop.board": {"depends_on": {"nodes": ["model.shop.star"]}}},
}  # fmt: skip


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as started:
        yield started


@pytest.fixture(scope="module")
def lineages(pool: Pool) -> dict[str, NodeLineage]:
    return read_lineage(read_project(MANIFEST), {}, pool, Cache(None))


def pairs(lineage: NodeLineage) -> set[tuple[str, str, str, str | None, str]]:
    return {(e.source, e.source_column, e.target, e.target_column, e.subtype) for e in lineage.edges}


def test_an_ephemeral_stands_between_its_readers_and_its_inputs(lineages: dict[str, NodeLineage]) -> None:
    assert pairs(lineages["model.shop.eph"]) >= {
        ("source.shop.raw.people", "email", "model.shop.eph", "mail", "TRANSFORMATION"),
        ("source.shop.raw.people", "id", "model.shop.eph", "id", "IDENTITY"),
    }
    mart = {edge for edge in pairs(lineages["model.shop.mart"]) if edge[2] == "model.shop.mart"}
    assert mart == {
        ("model.shop.eph", "mail", "model.shop.mart", "mail", "IDENTITY"),
        ("model.shop.eph", "mail", "model.shop.mart", "hidden", "TRANSFORMATION"),
        ("model.shop.eph", "id", "model.shop.mart", None, "FILTER"),
    }
    assert [e.masking for e in lineages["model.shop.mart"].edges if e.target_column == "hidden"] == [True]


def test_a_relation_is_matched_whatever_its_case_and_quotes(lineages: dict[str, NodeLineage]) -> None:
    assert pairs(lineages["model.shop.star"]) == {
        ("model.shop.mart", name, "model.shop.star", name, "IDENTITY") for name in ("mail", "hidden")
    }
    assert lineages["model.shop.star"].columns == ("mail", "hidden")
    assert lineages["model.shop.star"].columns_from == "inferred"


def test_a_hook_that_writes_has_edges_into_what_it_writes(lineages: dict[str, NodeLineage]) -> None:
    hooks = [edge for edge in lineages["model.shop.mart"].edges if edge.note]
    assert [(e.owner, e.source, e.source_column, e.target, e.target_column) for e in hooks] == [
        ("model.shop.mart", "model.shop.mart", "mail", "model.shop.log", "mail")
    ]
    [reason] = [reason for _, reason, _ in lineages["model.shop.mart"].unknown]
    assert "post-hook writes" in reason
    assert "target.schema" in reason


def test_what_cannot_be_read_is_unknown_with_its_reason(lineages: dict[str, NodeLineage]) -> None:
    reasons = {name: [reason for _, reason, _ in found.unknown] for name, found in lineages.items()}
    assert "could not be parsed" in reasons["model.shop.bad"][0]
    assert "has not compiled" in reasons["model.shop.none"][0]
    assert "Python model" in reasons["model.shop.py"][0]
    assert pairs(lineages["model.shop.py"]) == {
        ("model.shop.mart", "*", "model.shop.py", "*", "TRANSFORMATION")
    }
    assert reasons["model.shop.star"] == []


def test_a_walk_follows_columns_to_an_exposure(lineages: dict[str, NodeLineage]) -> None:
    graph = ProjectGraph(lineages)
    below = graph.downstream("source.shop.raw.people", "email")
    reached = {(step.depth, step.edge.target, step.edge.target_column) for step in below}
    assert (1, "model.shop.eph", "mail") in reached
    assert (3, "model.shop.star", "mail") in reached
    assert (4, "exposure.shop.board", "*") in reached
    assert {step.edge.source for step in graph.upstream("model.shop.star", "mail", depth=1)} == {
        "model.shop.mart"
    }
    order = graph.order()
    assert (
        order.index("source.shop.raw.people") < order.index("model.shop.eph") < order.index("model.shop.mart")
    )


def test_a_walk_ends_in_a_cycle() -> None:
    edges = [
        ProjectEdge("a", "b", "x", "a", "x", "DIRECT", "IDENTITY", False, ""),
        ProjectEdge("b", "a", "x", "b", "x", "DIRECT", "IDENTITY", False, ""),
    ]
    graph = ProjectGraph(
        {n: NodeLineage(n, (e,), (), ("x",), "warehouse") for n, e in zip("ab", edges, strict=True)}
    )
    assert [step.depth for step in graph.upstream("a", "x")] == [1, 2]
    assert graph.order() == ["a", "b"]


def test_an_empty_manifest_is_an_empty_project(pool: Pool) -> None:
    for manifest in (
        {},
        {"nodes": None},
        {"nodes": {"model.a.b": None}},
        {"metadata": 1, "sources": {"source.a.b.c": {}}},
    ):
        project = read_project(manifest)
        found = read_lineage(project, {}, pool, Cache(None))
        assert set(found) == set(project.nodes)


def test_columns_of_the_warehouse_are_those_that_count(pool: Pool) -> None:
    found = read_lineage(
        read_project(MANIFEST), {"db.shop.mart": ["mail", "hidden", "extra"]}, pool, Cache(None)
    )
    assert found["model.shop.star"].columns == ("mail", "hidden", "extra")
    assert found["model.shop.mart"].columns_from == "warehouse"


def test_a_process_that_hangs_or_dies_costs_its_own_model_alone() -> None:
    fine = Task("select 1 as a", "duckdb", "t", {})
    endless = Task("select " + " + ".join(["a"] * 400_000) + " as b from t", "duckdb", "t", {})
    with Pool(1, seconds=0.5) as pool:
        answers = pool.read([fine, endless, fine])
    assert [answer.columns for answer in answers] == [("a",), (), ("a",)]
    [(_, reason, _)] = answers[1].unknown
    assert "CPU time" in reason or "died" in reason or "deeply" in reason


@pytest.mark.parametrize("depth", [60, 300, 20_000])
def test_deep_sql_is_read_or_unknown(pool: Pool, depth: int) -> None:
    sql = "select " + "case when a > 0 then " * depth + "a" + " end" * depth + " as b from t"
    [answer] = pool.read([Task(sql, "duckdb", "m", {"t": ["a"]})])
    if depth <= 300:
        assert ("a", "b") in {(e.source_column, e.target_column) for e in answer.edges}
    else:
        assert answer.edges or answer.unknown


def test_an_unchanged_project_starts_no_process(tmp_path: Path, pool: Pool) -> None:
    cache = Cache(tmp_path)
    first = read_lineage(read_project(MANIFEST), {}, pool, cache)
    with Pool(0) as nobody:
        assert read_lineage(read_project(MANIFEST), {}, nobody, cache) == first


def test_a_cache_that_is_cut_short_is_made_anew(tmp_path: Path, pool: Pool) -> None:
    cache = Cache(tmp_path)
    first = read_lineage(read_project(MANIFEST), {}, pool, cache)
    file = tmp_path / "batch_audit_lineage.sqlite"
    file.write_bytes(b"SQLite format 3\0 and then nothing of use" * 200)
    assert read_lineage(read_project(MANIFEST), {}, pool, cache) == first
    with sqlite3.connect(file) as database:
        assert database.execute("select count(*) from answer").fetchone()[0] > 0
    database.close()


def test_an_input_that_gains_a_column_is_read_again(tmp_path: Path, pool: Pool) -> None:
    cache = Cache(tmp_path)
    for columns in (["mail"], ["mail", "phone"]):
        found = read_lineage(read_project(MANIFEST), {"db.shop.mart": columns}, pool, cache)
        assert found["model.shop.star"].columns == tuple(columns)


def test_what_belongs_to_the_run_does_not_change_the_code() -> None:
    at = 1_767_322_800_000_000  # 2026-01-02 03:00:00 UTC
    values = RunValues(("0b51-batch",), "2026-01", at, at + 60_000_000)
    code = "select '0b51-batch', '2026-01' as m, timestamp '2026-01-02 03:00:01.5+00:00', 1767322800000001"
    replaced = values.replaced(code)
    assert "0b51" not in replaced
    assert "2026-01" not in replaced
    assert "1767322800000001" not in replaced
    kept = "select '2025-01-02 03:00:01' as t, '2026-013' as m, 1767322700000001 as u"
    assert values.replaced(kept) == kept


@pytest.mark.parametrize(
    ("code", "rest"),
    [
        (
            "with __dbt__cte__a as (select ')' as x) select * from __dbt__cte__a",
            "select * from __dbt__cte__a",
        ),
        (
            "-- note\nwith __dbt__cte__a as (select 1), __dbt__cte__b as (select (2)), c as (select 3) select * from c",
            "-- note\nwith c as (select 3) select * from c",
        ),
        ("select '__dbt__cte__a' as x", "select '__dbt__cte__a' as x"),
        ("with __dbt__cte__a as (select 1", "with __dbt__cte__a as (select 1"),
    ],
)
def test_ctes_of_ephemerals_are_taken_out(code: str, rest: str) -> None:
    assert without_ephemerals(code, "duckdb") == rest


def test_an_answer_survives_its_way_as_text(pool: Pool) -> None:
    from batch_audit.lineage.project.task import Answer

    [answer] = pool.read([Task('select "a\'\u00e9\n" as x, sum(b) as y from t where c', "duckdb", "m", {})])
    assert Answer.from_json(answer.as_json()) == answer
    assert json.loads(answer.as_json())[0]
