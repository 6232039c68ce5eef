"""What dbt says and leaves when the audit cannot start: the run does not start, and the remedy is the one named."""

import hashlib
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import recompute
from tests.support.forked import Forks
from tests.support.project import Project, write_project
from tests.support.target import Target
from tests.support.trail import Trail, database

pytestmark = pytest.mark.slow

FILES = {
    "models/orders.sql": "{{ config(materialized='table') }} select 1 as order_id",
    "models/orders.yml": """
models:
  - name: orders
    config: {meta: {audit_capture: changes, audit_key: order_id}}
    columns:
      - {name: order_id, data_tests: [not_null]}
""",
}
TABLES = sorted(set(recompute.COLUMNS))
CONTEXT = "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_CONTEXT"
MONTH = "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_MONTH"


@contextmanager
def ordinary_user(target: Target) -> Iterator[str]:
    """A login that owns the models' schema, and nothing else of the database."""
    name = f"Clerk {uuid.uuid4().hex[:8]}"
    target.query(f"create role \"{name}\" login password 'unused'")
    try:
        target.query(f'create schema "{target.schema}" authorization "{name}"')
        yield name
    finally:
        owner = target.connection["user"]
        target.query(f'reassign owned by "{name}" to "{owner}"')
        target.query(f'drop owned by "{name}"; drop role "{name}"')


class Refused:
    """A run that did not start: what it lacked, and the statements that it named as the remedy."""

    def __init__(self, output: str) -> None:
        text = " ".join(output.split())
        assert "A run that cannot be audited does not start" in text
        assert "START sql" not in text, "a model was built"
        self.text = text
        lacking = re.search(
            r"the user (.*?) lacks (.*?)\. The owner or a superuser can give it: (.*?;) A run", text
        )
        self.user, self.lacks, self.remedy = lacking.groups() if lacking else ("", "", "")


def refuse(forks: Forks, project: Project, **env: str) -> Refused:
    """A run that must be refused, and must leave models and store as they were."""
    before = contents(project)
    refused = Refused(forks.dbt(project, "run", env=env, expect=2).output)
    assert contents(project) == before
    return refused


def contents(project: Project) -> list[tuple[str, int]]:
    """Every table of the database outside the catalogue, and its number of rows."""
    tables = project.query(
        "select table_schema as s, table_name as t from information_schema.tables"
        " where table_schema not in ('pg_catalog', 'information_schema') order by 1, 2"
    )
    counted = [
        project.query(f'select count(*) as n from "{row["s"]}"."{row["t"]}"')[0]["n"] for row in tables
    ]
    return [(f"{row['s']}.{row['t']}", n) for row, n in zip(tables, counted, strict=True)]


def test_each_missing_privilege_is_named_and_the_grants_named_are_enough(
    tmp_path: Path, forks: Forks
) -> None:
    """One login, from nothing to all that it needs; each refusal's own remedy is what leads on."""
    with database("postgres", tmp_path) as target, ordinary_user(target) as user:
        project = write_project(tmp_path / "project", target, files=FILES)
        project.write("profiles.yml", target.profile_yaml("shop", user=user))
        name, schema = target.database, target.audit_schema

        refused = refuse(forks, project)
        assert f"cannot create its tables in the audit schema {schema} of database {name}: " in refused.text
        assert refused.user == user
        assert refused.lacks == f"CREATE on database {name}"
        assert refused.remedy == f'grant create on database {name} to "{user}";'

        target.query(f"create schema {schema}")
        refused = refuse(forks, project)
        assert refused.lacks == f"CREATE on schema {schema}, USAGE on schema {schema}"
        target.query(refused.remedy)

        target.query(f'alter role "{user}" set default_transaction_read_only = on')
        assert "the session is read-only (default_transaction_read_only). " in refuse(forks, project).text
        target.query(f'alter role "{user}" reset default_transaction_read_only')

        forks.dbt(project, "run")
        owner = target.connection["user"]
        for table in TABLES:
            target.query(f'alter table {schema}.{table} owner to "{owner}"')
        target.query(f'grant select on all tables in schema {schema} to "{user}"')
        refused = refuse(forks, project)
        assert f"cannot write to the audit schema {schema} of database {name}: " in refused.text
        assert refused.lacks == ", ".join(f"INSERT on table {table}" for table in TABLES)
        target.query(refused.remedy)

        target.query(f'revoke select on {schema}.audit_block, {schema}.audit_event from "{user}"')
        refused = refuse(forks, project)
        assert refused.lacks == "SELECT on table audit_block, SELECT on table audit_event"
        target.query(refused.remedy)

        target.query(
            f'revoke usage on schema {schema} from "{user}"; revoke temporary on database {name} from public'
        )
        refused = refuse(forks, project)
        assert refused.lacks == f"TEMPORARY on database {name}, USAGE on schema {schema}"
        target.query(refused.remedy)

        forks.dbt(project, "run")
        refused = refuse(forks, project, **{MONTH: "2031-05"})
        assert refused.lacks == "ownership of table audit_column_edge, to which a month is added"
        assert refused.remedy == f'grant {owner} to "{user}";'
        target.query(refused.remedy)

        forks.dbt(project, "run", env={MONTH: "2031-05"})
        ends = Trail(project).events(event_type="batch_end")
        assert [end["metadata"]["status"] for end in ends] == ["success"] * 3
        assert ends[-1]["batch_month"] == "2031-05"
        starts = Trail(project).events(event_type="batch_start")
        assert [start["metadata"]["session_user"] for start in starts] == [user] * 3
        assert recompute.problems(project) == []
        forks.batch_audit(project, "verify")


def test_a_read_only_file_and_a_context_that_is_none_are_refused(tmp_path: Path, forks: Forks) -> None:
    """`dbt test`: for models dbt itself fails earlier, when it creates their schema."""
    with database("duckdb", tmp_path) as target:
        target.query(f"create schema {target.schema}")
        target.query(f"create table {target.schema}.orders as select 1 as order_id")
        project = write_project(tmp_path / "project", target, files=FILES)
        project.write(
            "profiles.yml", target.profile_yaml("shop", config_options={"access_mode": "READ_ONLY"})
        )
        assert target.path
        before = hashlib.sha256(target.path.read_bytes()).hexdigest()

        said = " ".join(forks.dbt(project, "test", expect=2).output.split())
        assert (
            "cannot create its tables in the audit schema shop_audit of database warehouse: the database is attached"
            " read-only. Attach it for writing in profiles.yml. A run that cannot be audited does not start"
            in said
        )
        for variable, value, problem in [
            (CONTEXT, "{nope", f"{CONTEXT} must be a JSON object and is: {{nope"),
            (CONTEXT, '["ann"]', f'{CONTEXT} must be a JSON object and is: ["ann"]'),
            (MONTH, "2026-13", f"{MONTH} must look like 2026-11 and is: 2026-13"),
        ]:
            said = " ".join(forks.dbt(project, "test", env={variable: value}, expect=2).output.split())
            assert f"batch_audit does not know which batch this is: {problem} " in said
            assert "unset it for a run of its own" in said
            assert "START test" not in said

        assert hashlib.sha256(target.path.read_bytes()).hexdigest() == before
