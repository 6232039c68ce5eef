"""Checks of the warehouse: permissions, the store, the package's views; and of what a crash left behind."""

from __future__ import annotations

from collections.abc import Iterator

from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding, some
from batch_audit.setup.views import built_version, this_version
from batch_audit.warehouses.base import Warehouse, quote_identifier

INIT = "Run `batch-audit init`."
SEAL = "Run `batch-audit seal` when nothing is running."


def permissions(context: Context) -> Iterator[Finding]:
    """The session's user may create and fill the store's tables; only the catalogue is read."""
    warehouse = context.connected
    schema = warehouse.audit_schema
    if warehouse.engine == "duckdb":
        name = warehouse.literal(warehouse.database)
        rows = warehouse.query(f"select readonly from duckdb_databases() where database_name = {name}")
        if rows and rows[0]["readonly"]:
            why = "the database is attached read-only, so no run can be audited"
            yield Finding("fail", warehouse.database, why, "Attach it for writing in profiles.yml.")
        else:
            yield Finding("ok", schema, "can be written")
        return
    missing = [name for name, held in warehouse.query(_privileges_sql(warehouse))[0].items() if held is False]
    if missing:
        user = quote_identifier(str(warehouse.query("select current_user as name")[0]["name"]))
        place = quote_identifier(schema)
        remedy = (
            f"As the owner: create schema if not exists {place};"
            f" grant usage, create on schema {place} to {user};"
            f" grant select, insert on all tables in schema {place} to {user};"
        )
        yield Finding("fail", schema, f"the user {user} lacks: {', '.join(missing)}", remedy)
    else:
        yield Finding("ok", schema, "can be created and written")


def store(context: Context) -> Iterator[Finding]:
    """The store exists, and every registered segment is sealed."""
    warehouse = context.connected
    if not warehouse.store_exists():
        yield Finding(
            "warn", warehouse.audit_schema, "holds no audit store yet; the first run creates it", INIT
        )
        return
    rows = warehouse.query(
        f"select s.batch_id as batch_id from {warehouse.table('audit_segment')} as s where not exists"
        f" (select 1 from {warehouse.table('audit_block')} as b where b.segment = s.segment)"
    )
    if rows:
        count = f"{len(rows)} unsealed segment{'s' if len(rows) != 1 else ''}"
        why = (
            f"{count}: a run is going on, or ended unsealed ({some([str(row['batch_id']) for row in rows])})"
        )
        yield Finding("warn", warehouse.audit_schema, why, SEAL)
    else:
        yield Finding("ok", warehouse.audit_schema, "the store exists and every segment is sealed")


def protection(context: Context) -> Iterator[Finding]:
    """What keeps others, and the user who runs batches, from changing what is stored."""
    warehouse = context.connected
    if warehouse.engine == "duckdb":
        why = "DuckDB has no roles: whoever can write the file can change the store, and only digests would tell"
        yield Finding("ok", warehouse.database, why, "Keep digests elsewhere: batch-audit run --digest-dir.")
        return
    [held] = warehouse.query(
        "select coalesce(bool_or(pg_has_role(c.relowner, 'USAGE') or has_table_privilege(c.oid, 'UPDATE') or"
        " has_table_privilege(c.oid, 'DELETE')), false) as changing, count(*) as tables from pg_class as c join"
        f" pg_namespace as n on n.oid = c.relnamespace where n.nspname = {warehouse.literal(warehouse.audit_schema)}"
        " and c.relname in ('audit_event', 'audit_block')"
    )
    if held["tables"] and held["changing"]:
        why = "the user who runs batches may change and delete what is stored, and only digests would tell"
        remedy = "Let an administrator run `batch-audit harden`; keep digests elsewhere: batch-audit run --digest-dir."
        yield Finding("ok", warehouse.audit_schema, why, remedy)
    elif held["tables"]:
        yield Finding("ok", warehouse.audit_schema, "the user who runs batches may only add to the store")


def package_views(context: Context) -> Iterator[Finding]:
    """The package's views are built, by this version."""
    found, wanted = built_version(context.connected), this_version()
    if found is None:
        yield Finding(
            "warn", "rpt_package", "the package's views are not built, so reports have nothing to read", INIT
        )
    elif found != wanted:
        yield Finding(
            "warn", "rpt_package", f"the views are of version {found}, this command of {wanted}", INIT
        )
    else:
        yield Finding("ok", "rpt_package", f"the package's views are built, version {found}")


def spool(context: Context) -> Iterator[Finding]:
    """No run left its start record behind."""
    folder = context.settings.state_dir / "spool"
    left = (
        [path.name for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    )
    if left:
        why = f"a run is going on, or ended before its record was written to the store: {some(left)}"
        yield Finding("warn", str(folder), why, SEAL)
    else:
        yield Finding("ok", "spool", "nothing is left from an earlier run")


def _privileges_sql(warehouse: Warehouse) -> str:
    """One row: each privilege that the store needs, true, false, or null when it does not apply (yet)."""
    schema = warehouse.literal(warehouse.audit_schema)
    here = f"from pg_namespace where nspname = {schema}"
    tables = (
        "from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        f" where n.nspname = {schema} and c.relkind in ('r', 'p') and c.relname like 'audit\\_%'"
    )
    return (
        "select not current_setting('transaction_read_only')::boolean as \"a writable session\","
        f" case when not exists (select 1 {here})"
        " then has_database_privilege(current_database(), 'CREATE') end"
        ' as "create schema in the database",'
        f" (select has_schema_privilege(oid, 'USAGE') {here}) as \"usage of the schema\","
        f" (select has_schema_privilege(oid, 'CREATE') {here}) as \"create in the schema\","
        f" (select bool_and(has_table_privilege(c.oid, 'INSERT')) {tables}) as \"insert into its tables\","
        f" (select bool_and(has_table_privilege(c.oid, 'SELECT')) {tables}) as \"select from its tables\""
    )
