"""TPC-H's 22 and TPC-DS's 99 queries, replayed from the rows that theirs came from."""

import json
import os
import subprocess

import psycopg2
import pytest
import sqlglot

from batch_audit.lineage.records import provenance_query
from tests.lineage_oracle.records_tpc import load
from tests.lineage_oracle.replays import STRICT, Postgres, Replay, Replayed
from tests.lineage_oracle.test_tpc import ROOT, python
from tests.support.postgres import fresh_database

__all__ = ["python"]


def run(made, *arguments):
    path = os.pathsep.join([str(ROOT), str(ROOT / "python")])
    done = subprocess.run(
        [made, "-m", "tests.lineage_oracle.records_tpc", *arguments],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    print({key: value for key, value in found.items() if key not in ("labels", "schema", "queries")})  # noqa: T201 (the figures are the result)
    return found


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_traced_row_of_tpc_h_comes_out_again(python):
    found = run(python, "h", "120", "3")
    assert found["queries"] == 22
    assert found["unknown"] == found["failed"] == found["wrong"] == {}
    assert found["slow"] == []
    assert found["records"] >= 40
    assert found["over"] <= 0.03 * found["removed"]


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_tpc_ds_is_answered_and_what_is_exact_comes_out_again(python):
    found = run(python, "ds", "15", "1")
    assert found["queries"] == 99
    assert len(found["unknown"]) <= 4
    assert found["failed"] == found["wrong"] == {}
    assert (
        len(found["slow"]) <= 8
    )  # several aggregates side by side: the combinations of their rows are too many
    assert found["records"] >= 50


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_traced_row_of_tpc_h_comes_out_again_on_postgres(python, postgres_url, tmp_path):
    data = run(python, "dump", "h", str(tmp_path))
    with fresh_database(postgres_url) as parameters:
        connection = psycopg2.connect(**parameters)
        postgres = Postgres(connection)
        load(postgres.cursor, data, tmp_path)
        seen = Replayed()
        for number, sql in data["queries"]:
            query = sqlglot.transpile(sql, read="duckdb", write="postgres")[0]
            found = provenance_query(query, dialect="postgres", schema=data["schema"], keys=data["keys"])
            assert found.label != "unknown", (number, found.reasons)
            Replay(postgres, query, found).check(seen, 1, ways=STRICT)
            assert (seen.wrong_rows, seen.failed) == ("", []), number
        connection.close()
    assert seen.records >= 18
