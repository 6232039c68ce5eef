"""`batch-audit lineage` on a project: from the store and from the manifest, which must agree."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError, StoreMissingError
from batch_audit.lineage.explore.from_manifest import read_artifacts, read_known
from batch_audit.lineage.explore.from_store import read_store
from batch_audit.lineage.explore.known import Known
from tests.support.project import Project
from tests.support.runs import run

pytestmark = pytest.mark.prepared

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


def stored(project: Project, as_of: str | None = None) -> Known:
    """What the store tells, read without a process of its own: that takes seconds."""
    warehouse = project.warehouse()
    try:
        return read_store(warehouse, as_of)
    finally:
        warehouse.close()


def test_store_and_manifest_give_the_same_lineage(project: Project, engine: str) -> None:
    status, summary = run(project, "dbt", "build")
    assert (status, summary["notes"]) == (0, [])
    artifacts = read_artifacts(project.root / "target", project.root)
    read = read_known(artifacts, list(artifacts.project.nodes))
    on_record = stored(project)
    assert on_record.origin.batch_id == summary["batch_id"]
    for name, lineage_of in on_record.lineages.items():
        assert set(lineage_of.edges) == set(read.lineages[name].edges)
        assert lineage_of.unknown == read.lineages[name].unknown
    # What has neither edges nor gaps needs no record.
    silent = read.lineages.keys() - on_record.lineages.keys()
    assert [name for name in silent if read.lineages[name].edges or read.lineages[name].unknown] == []
    python = {"model.shop.py"} if engine == "duckdb" else set()
    unknown = {name for name, lineage_of in on_record.lineages.items() if lineage_of.unknown}
    assert unknown == {"model.shop.star", "model.shop.unreadable", "exposure.shop.board"} | python

    told = lineage(project, "people.email", "--downstream")
    assert told == lineage(project, "people.email", "--downstream", "--manifest") | {
        "from": told["from"],
        "nodes": told["nodes"],
    }
    assert (told["from"]["kind"], told["from"]["batch_id"]) == ("store", summary["batch_id"])
    assert {gap["node"] for gap in told["unknown"]} == unknown
    assert {(edge["target"], edge["target_column"]) for edge in told["edges"]} >= {
        ("model.shop.stg", "mail"), ("model.shop.mart", "hidden"), ("model.shop.show", "mail"),
        ("snapshot.shop.kept", "email"), ("exposure.shop.board", "*"),
    }  # fmt: skip


def test_a_fresh_project_is_read_from_what_dbt_has_compiled(project: Project) -> None:
    done = project.batch_audit("lineage", "mart", check=False)
    assert done.returncode == 2
    assert "neither lineage on record nor a manifest" in done.stderr
    assert "dbt compile" in done.stderr

    project.dbt("compile")
    done = project.batch_audit("lineage", "mart.hidden", "--upstream")
    assert "from dbt's manifest" in done.stderr
    assert "note: the audit store does not say: " in done.stderr
    assert done.stdout.splitlines() == [
        "mart.hidden  model",
        "upstream",
        "├── stg.mail  transformation  masked  MD5(mail)",
        "│   └── people.email  transformation  LOWER(email)",
        "└── every column",
        "    ├── stg.mail  influences (group by)  GROUP BY 1, 2  (see above)",
        "    └── stg.region  influences (filter)  WHERE region > 0",
        "        └── people.region  identity",
    ]


@pytest.mark.parametrize("engine", ["duckdb"])
def test_only_code_that_no_batch_has_run_is_called_newer_than_the_record(project: Project) -> None:
    run(project, "dbt", "build")
    run(project, "dbt", "build")  # changes no lineage, so the record stays as it is
    assert "note:" not in project.batch_audit("lineage", "mart").stderr
    project.dbt("compile")
    assert "note: dbt's manifest is newer than this record" in project.batch_audit("lineage", "mart").stderr


def test_an_earlier_batch_is_told_as_it_was(project: Project) -> None:
    _, first = run(project, "dbt", "build")
    project.write("models/mart.sql", "select mail, 1 as n from {{ ref('stg') }}")
    _, second = run(project, "dbt", "build")
    (project.root / "models" / "odd.sql").unlink()
    run(project, "dbt", "build")

    def into_show(as_of: str | None = None) -> set[str | None]:
        return {edge.target_column for edge in stored(project, as_of).lineages["model.shop.show"].edges}

    assert into_show(first["batch_id"][:13]) == {"mail", "hidden", "n"}
    assert into_show(second["batch_id"]) == {"mail", "n"} == into_show()
    assert "model.shop.odd" in stored(project, second["batch_id"]).lineages
    assert "model.shop.odd" not in stored(project).lineages
    told = lineage(project, "show", "--upstream", "--depth", "1", "--as-of", first["batch_id"])
    assert {edge["target_column"] for edge in told["edges"]} == {"mail", "hidden", "n"}
    assert told["from"]["batch_id"] == first["batch_id"]
    with pytest.raises(StoreMissingError, match="no column lineage as of 1999-01-01"):
        stored(project, "1999-01-01")
    with pytest.raises(ConfigurationError, match="neither a batch nor a time"):
        stored(project, "no-batch")


def test_a_change_of_code_is_compared_with_the_state_of_production(project: Project) -> None:
    project.dbt("compile")
    (project.root / "target").rename(project.root / "production")
    project.write("models/stg.sql", FILES["models/stg.sql"].replace("lower(email)", "upper(email)"))
    project.write(
        "models/mart.sql",
        "select mail, n from (select mail, count(*) as n from {{ ref('stg') }} group by 1) as x",
    )
    project.write("profiles.yml", project.read("profiles.yml").replace("schema: shop", "schema: development"))
    project.dbt("compile")
    told = json.loads(
        project.batch_audit("lineage", "impact", "--state", "production", "--format", "json").stdout
    )
    changes = {change["name"]: change for change in told["changes"]}
    assert {name: [(c["column"], c["change"]) for c in item["columns"]] for name, item in changes.items()} == {
        "stg": [("mail", "changed")], "mart": [("hidden", "removed")], "show": [("hidden", "removed")],
    }  # fmt: skip
    assert changes["mart"]["rows"]["before"] == [
        "stg.mail (group by): GROUP BY 1, 2", "stg.mail (group by, masked): GROUP BY 1, 2",
        "stg.region (filter): WHERE region > 0",
    ]  # fmt: skip
    touched = {one["name"]: one for one in told["touched"]}
    assert touched.keys() >= {"mart", "show", "star", "board", "unreadable"}
    assert touched["board"]["owner"] == "ana <ana@x.org>"
    page = project.batch_audit("lineage", "impact", "--state", "production", "--format", "markdown").stdout
    assert "| stg | mail | expression: - people.email (transformation): LOWER(email); + people.email" in page
    failed = project.batch_audit(
        "lineage", "impact", "--state", "production", "--fail-on", "removed", check=False
    )
    assert failed.returncode == 1
    passed = project.batch_audit("lineage", "impact", "--state", "production", "--fail-on", "broken")
    assert passed.returncode == 0
