"""`batch-audit lineage` on a project: from the store and from the manifest, which must agree."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.project import Project
from tests.support.runs import run

# Valid on its engine, and not understood by the parser.
UNREADABLE = {"duckdb": "cast(n as int)!", "postgres": "operator(pg_catalog.-) n"}
FILES = {
    "seeds/people.csv": "id,email,region,changed_at\n1,a@x.o,7,2026-01-01 00:00:00\n2,b@x.o,8,2026-01-01 00:00:01\n",
    "models/stg.sql": (
        "{{ config(materialized='ephemeral') }}\nselect id, lower(email) as mail, region from {{ ref('people') }}"
    ),
    "models/mart.sql": (
        "{{ config(materialized='table') }}\nselect mail, md5(mail) as hidden, count(*) as n from {{ ref('stg') }}"
        " where region > 0 group by 1, 2"
    ),
    "models/show.sql": "{{ config(materialized='view') }}\nselect * from {{ ref('mart') }}",
    "models/star.sql": "select m.mail, o.* from {{ ref('mart') }} as m cross join raw.elsewhere as o",
    "models/odd.sql": 'select "The Id" as id from {{ source(\'raw\', \'odd\') }}',
    "models/schema.yml": """
version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: odd
        identifier: "Odd Name"
        quoting: {identifier: true}
exposures:
  - name: board
    type: dashboard
    owner: {name: ana, email: ana@x.org}
    depends_on: [ref('show')]
""",
    "snapshots/kept.yml": """
snapshots:
  - name: kept
    relation: ref('people')
    config: {strategy: timestamp, unique_key: id, updated_at: changed_at}
""",
}  # fmt: skip
PYTHON_MODEL = "def model(dbt, session):\n    return dbt.ref('mart')\n"


@pytest.fixture
def project(make_project: Callable[..., Project], engine: str) -> Project:
    files = {**FILES, "models/unreadable.sql": f"select {UNREADABLE[engine]} as x from {{{{ ref('mart') }}}}"}
    if engine == "duckdb":
        files["models/py.py"] = PYTHON_MODEL
    made = make_project(files=files)
    made.query("create schema raw")
    made.query('create table raw."Odd Name" ("The Id" int)')
    made.query("create table raw.elsewhere (other int)")
    return made


def lineage(project: Project, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.batch_audit("lineage", *args, "--format", "json").stdout)
    return found


def edges(found: dict[str, Any]) -> set[tuple[Any, ...]]:
    return {tuple(sorted((k, v) for k, v in edge.items() if v is not None)) for edge in found["edges"]}


def nodes(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What a slice says of its nodes; only the warehouse itself makes their columns certain."""
    return [
        (node["id"], node["name"], node["kind"], node["relation"], node["columns"]) for node in found["nodes"]
    ]


def gaps(found: dict[str, Any]) -> set[tuple[str, str | None, str]]:
    return {(gap["node"], gap["column"], gap["reason"]) for gap in found["unknown"]}


def test_store_and_manifest_give_the_same_answers(project: Project, engine: str) -> None:
    status, summary = run(project, "dbt", "build")
    assert (status, summary["notes"]) == (0, [])
    asked = (
        "people",
        "people.email",
        "mart",
        "mart.hidden",
        "show.n",
        "star",
        "kept",
        "raw.odd",
        "board",
        "unreadable",
    )
    for name in asked:
        stored, read = lineage(project, name), lineage(project, name, "--manifest")
        assert (stored["from"]["kind"], read["from"]["kind"]) == ("store", "manifest")
        assert stored["from"]["batch_id"] == summary["batch_id"]
        assert edges(stored) == edges(read)
        assert gaps(stored) == gaps(read)
        assert nodes(stored) == nodes(read)
    below = lineage(project, "people.email", "--downstream")
    reached = {(edge["target"], edge["target_column"]) for edge in below["edges"]}
    assert reached >= {
        ("model.shop.stg", "mail"), ("model.shop.mart", "hidden"), ("model.shop.show", "mail"),
        ("snapshot.shop.kept", "email"), ("exposure.shop.board", "*"),
    }  # fmt: skip
    unknown = {gap["node"] for gap in below["unknown"]}
    python = {"model.shop.py"} if engine == "duckdb" else set()
    assert unknown == {"model.shop.star", "model.shop.unreadable", "exposure.shop.board"} | python
