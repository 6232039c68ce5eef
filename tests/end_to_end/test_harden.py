"""`batch-audit harden`: what each role can do with the store on a real server, every forbidden statement tried."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from batch_audit.warehouses.postgres_roles import TABLES
from tests.support.project import Project
from tests.support.runs import FILES, run

pytestmark = [pytest.mark.prepared, pytest.mark.parametrize("engine", ["postgres"])]
VALUES = ("stg_audit_payloads", "fct_record_changes", "rpt_record_changes", "fct_field_changes")


@contextmanager
def session(project: Project, user: str | None = None) -> Iterator[Any]:
    """A cursor in autocommit; as `user`, who logs in by that name."""
    given = project.target.connection | ({"user": user} if user else {})
    connection = psycopg2.connect(**given)
    try:
        connection.autocommit = True
        yield connection.cursor()
    finally:
        connection.close()


def refused(cursor: Any, sql: str) -> str:
    """What the server says when it refuses a statement."""
    with pytest.raises(psycopg2.Error) as caught:
        cursor.execute(sql)
    return str(caught.value)


@pytest.fixture
def users(make_project: Callable[..., Project]) -> Iterator[tuple[Project, dict[str, str]]]:
    """A project whose store was made by the administrator and hardened, and a login of each kind."""
    project = make_project(files=FILES)
    status, _ = run(project, "dbt", "run")
    assert status == 0
    project.write("models/orders.sql", "select 1 as order_id, 'sent' as status")
    status, _ = run(project, "dbt", "run")
    assert status == 0
    suffix = project.target.database[-6:]
    names = {kind: f"{kind}_{suffix}" for kind in ("writer", "reader", "privacy", "stranger")}
    with session(project) as cursor:
        for name in names.values():
            cursor.execute(f"create role {name} login")
        cursor.execute(f"grant create on database {project.target.database} to {names['writer']}")
        # dbt's user owns what it builds.
        cursor.execute(f"grant usage, create on schema {project.target.schema} to {names['writer']}")
        cursor.execute(f"alter table {project.target.schema}.orders owner to {names['writer']}")
        cursor.execute(f"alter view {project.target.schema}.revenue owner to {names['writer']}")
    options = [part for kind in ("writer", "reader", "privacy") for part in (f"--{kind}", names[kind])]
    project.batch_audit("harden", *options)
    yield project, names
    with session(project) as cursor:
        cursor.execute(
            f'drop event trigger if exists "{project.target.database}_{project.target.audit_schema}_guard"'
        )
        roles = [
            f'"{project.target.database}_{project.target.audit_schema}_{k}"'
            for k in ("owner", "writer", "reader", "privacy")
        ]
        cursor.execute(f"drop owned by {', '.join([*names.values(), *roles])} cascade")
        cursor.execute(f"drop role {', '.join([*names.values(), *roles])}")


def test_each_role_can_do_its_own_and_nothing_else(users: tuple[Project, dict[str, str]]) -> None:
    project, names = users
    nothing_is_changed(project, names)
    readers_see_no_values(project, names)
    it_is_shown_first_and_can_be_run_again(project, names)
    values_are_erased_and_the_trail_says_so(project, names)


def nothing_is_changed(project: Project, names: dict[str, str]) -> None:
    audit = project.target.audit_schema
    month = project.audit("select batch_month from {audit}.audit_event limit 1")[0]["batch_month"].replace(
        "-", "_"
    )
    tables = [*TABLES, f"audit_event_{month}", f"audit_payload_{month}"]
    with session(project, names["writer"]) as cursor:
        for table in tables:
            for sql in (
                f"update {audit}.{table} set segment = 'x'",
                f"delete from {audit}.{table}",
                f"truncate {audit}.{table}",
                f"drop table {audit}.{table}",
                f"alter table {audit}.{table} disable trigger all",
                f"alter table {audit}.{table} owner to {names['writer']}",
            ):
                assert "permission denied" in (said := refused(cursor, sql)) or "must be" in said, sql
        for sql in (
            f"drop schema {audit} cascade",
            f"select {audit}.audit_erase(array['x'], 'because')",
            f'set role "{project.target.database}_{audit}_owner"',
            f"create or replace function {audit}.audit_refuse() returns trigger language sql as 'select null'",
            f"drop function {audit}.audit_refuse() cascade",
        ):
            assert "permission denied" in (said := refused(cursor, sql)) or "must be" in said, sql
        cursor.execute(f"select count(*) from {audit}.audit_event")
    with session(project) as cursor:  # the administrator, a superuser
        for table in tables:
            for sql in (
                f"update {audit}.{table} set segment = segment",
                f"delete from {audit}.{table}",
                f"truncate {audit}.{table}",
                f"drop table {audit}.{table} cascade",
            ):
                cursor.execute(f"select count(*) from {audit}.{table}")
                if cursor.fetchone()[0] or not sql.startswith(
                    ("update", "delete")
                ):  # row triggers need a row
                    assert "the audit store only grows" in refused(cursor, sql), sql
        assert "only grows" in refused(cursor, f"drop schema {audit} cascade")
        assert "only grows" in refused(cursor, f"drop trigger audit_refuse_change on {audit}.audit_block")
        assert "only grows" in refused(cursor, f"drop function {audit}.audit_erase(text[], text)")


def readers_see_no_values(project: Project, names: dict[str, str]) -> None:
    audit = project.target.audit_schema
    views = [
        row["viewname"]
        for row in project.query(f"select viewname from pg_views where schemaname = '{audit}'")
    ]
    showing = {view for view in views if view in VALUES}
    assert showing == set(VALUES)
    with session(project, names["reader"]) as cursor:
        for view in views:
            sql = f"select count(*) from {audit}.{view}"
            columns = {
                row["column_name"]
                for row in project.query(
                    f"select column_name from information_schema.columns where table_name = '{view}'"
                )
            }
            if columns & {"old_values", "new_values", "old_value", "new_value"}:
                assert "permission denied" in refused(cursor, sql), view
        cursor.execute(f"select count(*) from {audit}.rpt_batch_summary")
        assert cursor.fetchone()[0] == 2
        for table in TABLES:
            assert "permission denied" in refused(cursor, f"select * from {audit}.{table}")
    with session(project, names["stranger"]) as cursor:
        assert "permission denied" in refused(cursor, f"select * from {audit}.rpt_batch_summary")


def values_are_erased_and_the_trail_says_so(project: Project, names: dict[str, str]) -> None:
    audit = project.target.audit_schema
    [event] = project.audit("select event_id from {audit}.audit_payload")
    with session(project, names["privacy"]) as cursor:
        assert "give a reason" in refused(
            cursor, f"select {audit}.audit_erase(array['{event['event_id']}'], ' ')"
        )
        assert "none of these events" in refused(
            cursor, f"select {audit}.audit_erase(array['x'], 'request 7')"
        )
        assert "permission denied" in refused(cursor, f"delete from {audit}.audit_payload")
        cursor.execute(f"select {audit}.audit_erase(array['{event['event_id']}'], 'request 7')")
        assert cursor.fetchone()[0] == 1
    assert project.audit("select * from {audit}.audit_payload") == []
    [said] = project.audit("select * from {audit}.audit_event where event_type = 'erasure'")
    assert (said["source"], said["actor"], json.loads(said["metadata"])["reason"]) == (
        event["event_id"], names["privacy"], "request 7",
    )  # fmt: skip
    project.batch_audit("seal", "--all")
    found = json.loads(project.batch_audit("verify", "--format", "json").stdout)
    assert found["coverage"]["erased_payloads"] == 1


def test_batches_go_on_as_the_writer_and_a_new_month_is_added(users: tuple[Project, dict[str, str]]) -> None:
    project, names = users
    own = project.target.connection | {"user": names["writer"]}
    project.write(
        "profiles.yml",
        project.read("profiles.yml").replace(
            f"user: {project.target.connection['user']}", f"user: {names['writer']}"
        ),
    )
    project.write("models/orders.sql", "select 1 as order_id, 'back' as status")
    audit = project.target.audit_schema
    with session(project, names["writer"]) as cursor:  # as after an upgrade: the views are built anew
        cursor.execute(f"drop view {audit}.rpt_package; drop view {audit}.rpt_batch_summary")
    status, told = run(project, "dbt", "run")
    assert (status, told["notes"]) == (0, [])
    project.batch_audit("verify")
    findings = json.loads(project.batch_audit("doctor", "--format", "json", check=False).stdout)["findings"]
    assert [one["why"] for one in findings if one["check"] == "protection"] == [
        "the user who runs batches may only add to the store"
    ]
    with session(project, names["reader"]) as cursor:
        cursor.execute(f"select count(*) from {audit}.rpt_batch_summary")
        assert cursor.fetchone()[0] == 3
    connection = psycopg2.connect(**own)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"select {audit}.audit_add_month('2031-02')")
        assert "is not a month" in refused(cursor, f"select {audit}.audit_add_month('2031-02; drop')")
    connection.close()
    with session(project) as cursor:
        assert "only grows" in refused(cursor, f"truncate {audit}.audit_event_2031_02")


def it_is_shown_first_and_can_be_run_again(project: Project, names: dict[str, str]) -> None:
    project.batch_audit("harden", "--writer", names["writer"])
    shown = project.batch_audit("harden", "--dry-run").stdout
    assert "create role" not in shown  # they are there
    assert "before update or delete" in shown
    before = project.query("select count(*) as n from pg_trigger where tgname like 'audit_refuse%'")
    project.batch_audit("harden", "--dry-run")
    assert project.query("select count(*) as n from pg_trigger where tgname like 'audit_refuse%'") == before
