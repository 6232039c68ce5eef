"""The report on a batch and the state of the store, from a real run on both engines."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.page import faults, parsed
from tests.support.project import Project

HOSTILE = "<script>alert(1)</script>{{ 7*7 }}<style>*{display:none}</style>"
YML = """
models:
  - name: notes
    config: {meta: {audit_capture: changes}}
    columns:
      - name: id
        data_tests: [unique]
      - name: body
        data_tests:
          - accepted_values: {arguments: {values: [fine]}}
"""


def notes(rows: str) -> str:
    """A table model over literal rows (id, body)."""
    return f"{{{{ config(materialized='table') }}}} select * from (values {rows}) as v(id, body)"


def bytes_of(project: Project, table: str) -> int:
    """What the table and its partitions take on Postgres, by name."""
    rows = project.query(
        "select cast(sum(pg_total_relation_size(format('%I.%I', schemaname, tablename)::regclass)) as bigint) as n"
        f" from pg_tables where schemaname = '{project.target.audit_schema}'"
        f" and tablename ~ '^{table}(_[0-9]{{4}}_[0-9]{{2}})?$'"
    )
    size: int = rows[0]["n"]
    return size


def assert_found_by_index(project: Project, condition: str, index: str) -> None:
    """Postgres finds a few events among a month of record changes by an index."""
    plan = project.query(
        f'begin; set local enable_seqscan = off; explain select * from "{project.target.audit_schema}".audit_event'
        f" where {condition}"
    )
    assert any(index in line["QUERY PLAN"] for line in plan), plan


@pytest.mark.slow
def test_a_batch_is_reported_as_a_page_and_as_json(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(
        files={"models/notes.yml": YML, "models/notes.sql": notes("(1, 'fine'), (2, 'fine')")}
    )
    refused = project.batch_audit("report", "batch", check=False)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    project.dbt("build")
    raw = HOSTILE.replace("{{", "{{ '{{' }}")
    project.write("models/notes.sql", notes("(1, 'fine'), (2, 'fine'), (3, 'earlier')"))
    project.dbt("run")
    project.write("models/notes.sql", notes("(1, 'fine'), (2, 'fine')"))
    project.dbt("run")
    project.write("models/notes.sql", notes(f"(1, 'fine'), (3, '{raw}')"))
    assert project.dbt("build", check=False).returncode == 1
    unbuilt = project.batch_audit("report", "batch", check=False)
    assert unbuilt.returncode == 2 and "batch-audit init" in unbuilt.stderr
    variables = json.dumps({"batch_audit_models": True, "batch_audit_enabled": False})
    project.dbt(
        "run", "--select", "package:batch_audit", "--vars", variables, "--target-path", "target/batch_audit"
    )

    told = json.loads(project.batch_audit("report", "batch", "--format", "json").stdout)
    assert told["batch"]["status"] == "error" and told["batch"]["sealed"] is True
    assert [(row["record_id"], row["change_type"]) for row in told["changes"]] == [
        ("2", "delete"),
        ("3", "insert"),
    ]
    assert json.loads(told["changes"][1]["new_values"])["body"] == HOSTILE
    assert [(row["record_id"], row["change_type"], row["versions"]) for row in told["earlier"]] == [
        ("3", "delete", 2),
        ("3", "insert", 2),
    ]
    assert json.loads(told["earlier"][1]["new_values"]) == {"body": "earlier", "id": "3"}
    assert [(row["test_name"], row["failures"]) for row in told["tests"] if not row["passed"]] == [
        ("accepted_values_notes_body__fine", 1)
    ]

    page = project.batch_audit("report", "batch", "--out", str(tmp_path / "page.html"))
    assert str(tmp_path / "page.html") in page.stderr
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert (tmp_path / "page.html").stat().st_mode & 0o077 == 0
    records = parsed(html).one("section", id="records")
    assert "2 earlier versions" in records.one("details", class_="earlier").one("summary").words
    assert "1 of the 2 records shown has earlier versions" in records.words
    assert faults(parsed(html)) == []
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "http://" not in html and "https://" not in html and "compliant" not in html.lower()
    again = project.batch_audit("report", "batch", "--out", str(tmp_path / "again.html"))
    assert again.returncode == 0
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()

    unknown = project.batch_audit("report", "batch", "nope", check=False)
    assert unknown.returncode == 2 and "'nope'" in unknown.stderr

    status = json.loads(project.batch_audit("status", "--format", "json").stdout)
    assert [row["status"] for row in status["batches"]] == ["error", "success", "success", "success"]
    assert status["unsealed_segments"] == 0 and status["rows"]["audit_payload"] == 5
    assert list(status["bytes"]) == list(status["rows"])
    assert status["database_bytes"] > sum(size or 0 for size in status["bytes"].values())
    if project.target.engine == "duckdb":
        assert set(status["bytes"].values()) == {None}
    else:
        assert status["bytes"] == {table: bytes_of(project, table) for table in status["rows"]}
        assert_found_by_index(
            project, "batch_id = 'b' and event_type in ('batch_start', 'batch_end')", "batch_id_idx"
        )
        assert_found_by_index(project, "target = 'm' and event_type = 'checkpoint'", "target_idx")
