"""PostgreSQL: who may do what with the audit store, as statements. Nothing is read or run here.

The store belongs to a role that nobody logs in as. Writers add rows, readers see reports without values, privacy
officers erase values through one function, and triggers refuse everything else, whoever asks (PostgreSQL manual:
Privileges, Event Triggers, CREATE TRIGGER).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from batch_audit.errors import ConfigurationError
from batch_audit.ledger.store_sql import row_text_sql
from batch_audit.ledger.tables import BLOCK, COLUMN_EDGE, EVENT, PAYLOAD, RECORD_EDGE, SEGMENT
from batch_audit.warehouses.base import quote_identifier as quoted

MONTHLY = (EVENT.name, PAYLOAD.name, RECORD_EDGE.name, COLUMN_EDGE.name)
TABLES = (SEGMENT.name, *MONTHLY, BLOCK.name)
_LONGEST_NAME = 63
_REFUSED = "errcode = 'insufficient_privilege'"


@dataclass(frozen=True)
class Roles:
    """The names of the store's roles in the cluster; `prefix` is the database and the audit schema by default."""

    prefix: str

    def __post_init__(self) -> None:
        if len(self.privacy.encode()) > _LONGEST_NAME:
            raise ConfigurationError(
                f"{self.privacy!r} is longer than a name of PostgreSQL may be ({_LONGEST_NAME} bytes).\n"
                "  Give a shorter --role-prefix."
            )

    @property
    def owner(self) -> str:
        """Owns the schema and the tables; nobody logs in as it."""
        return f"{self.prefix}_owner"

    @property
    def writer(self) -> str:
        """Adds rows, and reads them: dbt's user and the runner's."""
        return f"{self.prefix}_writer"

    @property
    def reader(self) -> str:
        """Reads the reports that show no values."""
        return f"{self.prefix}_reader"

    @property
    def privacy(self) -> str:
        """Reads what readers read, and erases values through audit_erase()."""
        return f"{self.prefix}_privacy"


@dataclass(frozen=True)
class Facts:
    """What the catalogue says: `tables` of the store with their partitions, its `views`, those of them that are
    `shown` to readers because they have no values, the roles and event triggers that exist, and whether the user is a
    superuser.
    """

    database: str
    schema: str
    user: str
    superuser: bool
    tables: tuple[str, ...]
    views: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    existing_roles: frozenset[str] = frozenset()
    event_triggers: frozenset[str] = frozenset()
    grantees: frozenset[str] = frozenset()
    """Roles that have been given privileges on the tables, beside their owner."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w$ -]+", self.schema):
            raise ConfigurationError(
                f"The audit schema {self.schema!r} has a character in its name that functions cannot be written for.\n"
                "  Letters, digits, `_`, `-`, `$` and spaces are fine."
            )


@dataclass(frozen=True)
class Members:
    """Login roles that are to be writers, readers and privacy officers."""

    writer: Sequence[str] = ()
    reader: Sequence[str] = ()
    privacy: Sequence[str] = ()


@dataclass(frozen=True)
class Step:
    """Statements that belong together, and what they are for."""

    why: str
    statements: tuple[str, ...] = field(default=())


def harden_steps(facts: Facts, roles: Roles, members: Members) -> list[Step]:
    """All that makes the store append-only for everybody, in order, for one transaction. Running it again is fine."""
    at = quoted(facts.schema)
    steps = [
        Step("Roles: nobody logs in as any of them", tuple(_create_roles(facts, roles))),
        Step("The schema and the store's tables belong to the owner role", tuple(_take_over(facts, roles))),
        Step("A month is added by a function", (_add_month(facts.schema), *_months_for(at, roles))),
        Step("Rows are only added: triggers refuse the rest", tuple(_triggers(facts, roles))),
        Step("Values are erased by a function, which says so in the trail", tuple(_erase(facts, roles))),
        Step("Privileges", tuple(_privileges(facts, roles))),
        Step("Members", tuple(_members(roles, members))),
    ]  # fmt: skip
    if facts.superuser:
        steps.append(Step("Dropping a table of the store is refused", tuple(_drop_guard(facts, roles))))
    else:
        steps.append(Step("The role is given back", tuple(_give_back(facts, roles))))
    return [step for step in steps if step.statements]


def reader_grants(schema: str, views: Collection[str], reader: str) -> Iterator[str]:
    """Let readers see these views; building views anew takes their grants away."""
    for view in views:
        yield f"grant select on {quoted(schema)}.{quoted(view)} to {quoted(reader)}"


def _create_roles(facts: Facts, roles: Roles) -> Iterator[str]:
    for name in (roles.owner, roles.writer, roles.reader, roles.privacy):
        if name not in facts.existing_roles:
            yield f"create role {quoted(name)} nologin"
    yield f"grant {quoted(roles.reader)} to {quoted(roles.privacy)}"
    if not facts.superuser:
        yield f"grant {quoted(roles.owner)}, {quoted(roles.writer)} to {quoted(facts.user)}"
        yield f"grant create on database {quoted(facts.database)} to {quoted(roles.owner)}"


def _take_over(facts: Facts, roles: Roles) -> Iterator[str]:
    at = quoted(facts.schema)
    yield f"grant usage, create on schema {at} to {quoted(roles.owner)}"
    for table in facts.tables:
        yield f"alter table {at}.{quoted(table)} owner to {quoted(roles.owner)}"
    yield f"grant usage, create on schema {at} to {quoted(roles.writer)}"
    for view in facts.views:
        yield f"alter view {at}.{quoted(view)} owner to {quoted(roles.writer)}"  # it builds them anew
    yield f"alter schema {at} owner to {quoted(roles.owner)}"


def _months_for(at: str, roles: Roles) -> Iterator[str]:
    yield from _only_for(at, "audit_add_month(text)", roles.writer)


def _only_for(at: str, function: str, *roles: str) -> Iterator[str]:
    yield f"revoke all on function {at}.{function} from public"
    for role in roles:
        yield f"grant execute on function {at}.{function} to {quoted(role)}"


def _function(schema: str, signature: str, returns: str, body: str, *, definer: bool) -> str:
    at = quoted(schema)
    rights = f" security definer set search_path = pg_catalog, {at}, pg_temp" if definer else ""
    return (
        f"create or replace function {at}.{signature} returns {returns} language plpgsql{rights} as $batch_audit$\n"
        f"{body}\n$batch_audit$"
    )


def _add_month(schema: str) -> str:
    at = quoted(schema)
    names = ", ".join(f"'{name}'" for name in MONTHLY)
    body = f"""declare parent text; child text;
begin
    if month !~ '^[0-9]{{4}}-[0-9]{{2}}$' then
        raise exception 'batch_audit: % is not a month (YYYY-MM)', month;
    end if;
    foreach parent in array array[{names}] loop
        child := parent || '_' || replace(month, '-', '_');
        if to_regclass({_literal(at + ".")} || quote_ident(child)) is null then
            execute format('create table {at}.%I (like {at}.%I)', child, parent);
            execute format('alter table {at}.%I attach partition {at}.%I for values in (%L)', parent, child, month);
            execute format('create trigger audit_refuse_truncate before truncate on {at}.%I for each statement'
                ' execute function {at}.audit_refuse()', child);
        end if;
    end loop;
end"""
    return _function(schema, "audit_add_month(month text)", "void", body, definer=True)


def _triggers(facts: Facts, roles: Roles) -> Iterator[str]:
    at = quoted(facts.schema)
    body = f"""begin
    -- Values that an erasure event names may go, by audit_erase() alone.
    if tg_op = 'DELETE' and tg_table_name like 'audit\\_payload%' and current_user = {_literal(roles.owner)} then
        if exists (select 1 from {at}.audit_event where event_type = 'erasure' and source = old.event_id) then
            return old;
        end if;
    end if;
    raise exception 'batch_audit: % of %.% is refused: the audit store only grows', tg_op, tg_table_schema,
        tg_table_name using {_REFUSED};
end"""
    yield _function(facts.schema, "audit_refuse()", "trigger", body, definer=False)
    partitions = {table for table in facts.tables if table not in TABLES}
    for table in facts.tables:
        name = f"{at}.{quoted(table)}"
        if table not in partitions:
            yield (
                f"create or replace trigger audit_refuse_change before update or delete on {name} for each row"
                f" execute function {at}.audit_refuse()"
            )
        yield (
            f"create or replace trigger audit_refuse_truncate before truncate on {name} for each statement"
            f" execute function {at}.audit_refuse()"
        )


def _erase(facts: Facts, roles: Roles) -> Iterator[str]:
    at = quoted(facts.schema)
    yield f"create index if not exists audit_event_by_erased on {at}.audit_event (source) where event_type = 'erasure'"
    erase = "audit_erase(event_ids text[], reason text)"
    yield _function(facts.schema, erase, "bigint", _erase_body(at), definer=True)
    yield from _only_for(at, "audit_erase(text[], text)", roles.privacy)
    for function in ("audit_add_month(text)", "audit_refuse()", "audit_erase(text[], text)"):
        yield f"alter function {at}.{function} owner to {quoted(roles.owner)}"


def _erase_body(at: str) -> str:
    """Adds one erasure event for each event whose values go, with its id as the ledger computes it."""
    columns = ", ".join(EVENT.hashed)
    told = {
        "segment": "own", "part": "'erasure'", "seq": "row_number() over (order by e.event_id)", "batch_id": "own",
        "batch_month": "month", "event_type": "'erasure'", "occurred_at": "moment", "actor": "session_user::text",
        "source": "e.event_id", "target": "e.target", "record_id": "e.record_id",
        "metadata": "jsonb_build_object('reason', reason, 'by', 'audit_erase')::text",
    }  # fmt: skip
    values = ", ".join(f"{told.get(name, 'null::text')} as {name}" for name in EVENT.hashed)
    return f"""declare
    own text := gen_random_uuid()::text;
    moment bigint := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
    month text := to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM');
    erased bigint;
begin
    if coalesce(btrim(reason), '') = '' then
        raise exception 'batch_audit: give a reason for the erasure';
    end if;
    perform {at}.audit_add_month(month);
    insert into {at}.audit_segment (segment, part, seq, batch_id, batch_month, invocation_id, writer, opened_at)
    values (own, 'segment', 1, own, month, null, 'erase', moment);
    insert into {at}.audit_event (event_id, {columns})
    select encode(sha256(convert_to({row_text_sql(EVENT, EVENT.hashed)}, 'UTF8')), 'hex'), {columns}
    from (
        select {values}
        from {at}.audit_event as e
        where e.event_id = any(event_ids)
            and exists (select 1 from {at}.audit_payload as p where p.event_id = e.event_id)
    ) as r;
    get diagnostics erased = row_count;
    if erased = 0 then
        raise exception 'batch_audit: none of these events has values that could be erased';
    end if;
    delete from {at}.audit_payload as p where p.event_id = any(event_ids);
    return erased;
end"""


def _privileges(facts: Facts, roles: Roles) -> Iterator[str]:
    at, writer = quoted(facts.schema), quoted(roles.writer)
    yield f"revoke all on schema {at} from public"
    yield f"grant usage on schema {at} to {quoted(roles.reader)}"
    yield f"grant temporary on database {quoted(facts.database)} to {writer}"
    for table in facts.tables:
        name = f"{at}.{quoted(table)}"
        others = sorted(facts.grantees - {roles.writer, roles.owner})
        yield f"revoke all on {name} from {', '.join(['public', *map(quoted, others)])}"
        if table in TABLES:
            yield f"grant select, insert on {name} to {writer}"
    yield from reader_grants(facts.schema, facts.shown, roles.reader)


def _members(roles: Roles, members: Members) -> Iterator[str]:
    for role, users in (
        (roles.writer, members.writer), (roles.reader, members.reader), (roles.privacy, members.privacy),
    ):  # fmt: skip
        for user in users:
            yield f"grant {quoted(role)} to {quoted(user)}"


def _drop_guard(facts: Facts, roles: Roles) -> Iterator[str]:
    """Event triggers fire for superusers, too, who then have to remove this first.

    Its function lies in a schema of its own: a trigger that goes with what is dropped does not fire.
    """
    guard, name = f"{facts.schema}_guard", quoted(f"{roles.prefix}_guard")
    yield f"create schema if not exists {quoted(guard)}"
    schema = _literal(facts.schema)
    tables = _literal(f"^({'|'.join(TABLES)})(_[0-9]{{4}}_[0-9]{{2}})?$")
    body = f"""declare gone record;
begin
    for gone in select * from pg_event_trigger_dropped_objects() loop
        if (gone.object_type = 'schema' and gone.object_name = {schema})
            or (gone.object_type = 'table' and gone.schema_name = {schema} and gone.object_name ~ {tables})
            or (gone.object_type = 'function' and gone.schema_name = {schema}
                and gone.object_identity like '%.audit\\_%')
            or (gone.object_type = 'trigger' and gone.object_identity like 'audit\\_refuse%'
                and strpos(gone.object_identity, ' on ' || quote_ident({schema}) || '.') > 0)
        then
            raise exception 'batch_audit: dropping % is refused: the audit store only grows', gone.object_identity
                using {_REFUSED};
        end if;
    end loop;
end"""
    yield _function(guard, "audit_refuse_drop()", "event_trigger", body, definer=False)
    if f"{roles.prefix}_guard" not in facts.event_triggers:
        yield f"create event trigger {name} on sql_drop execute function {quoted(guard)}.audit_refuse_drop()"


def _give_back(facts: Facts, roles: Roles) -> Iterator[str]:
    yield f"revoke create on database {quoted(facts.database)} from {quoted(roles.owner)}"
    yield f"revoke {quoted(roles.owner)}, {quoted(roles.writer)} from {quoted(facts.user)}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
