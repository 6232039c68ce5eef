"""PostgreSQL: what the catalogue says about the audit store and who may do what with it."""

from __future__ import annotations

from batch_audit.warehouses.base import Warehouse
from batch_audit.warehouses.postgres_roles import TABLES, Facts, Roles

# Views over views over payloads are found through their rules (PostgreSQL manual, pg_depend and pg_rewrite).
_VIEWS_WITHOUT_VALUES = """
with recursive reads(viewed, relation) as (
    select distinct r.ev_class, d.refobjid from pg_rewrite as r join pg_depend as d on d.objid = r.oid
    where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
), showing(oid) as (
    select c.oid from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {schema} and c.relname = 'audit_payload'
    union
    select reads.viewed from reads join showing on showing.oid = reads.relation
)
select c.relname as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = {schema} and c.relkind = 'v' and c.oid not in (select oid from showing) order by c.relname
"""
_TABLES = """
select c.relname as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where n.nspname = {schema} and c.relkind in ('r', 'p')
    and regexp_replace(c.relname, '_[0-9]{{4}}_[0-9]{{2}}$', '') in ({tables})
order by c.relkind <> 'p', c.relname
"""
_VIEWS = """
select viewname::text as name from pg_views where schemaname = {schema} order by viewname
"""
_GRANTEES = """
select distinct pg_get_userbyid(a.grantee)::text as name from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace, aclexplode(c.relacl) as a
where n.nspname = {schema} and c.relkind in ('r', 'p') and a.grantee <> 0 and a.grantee <> c.relowner
"""


def views_without_values(warehouse: Warehouse) -> tuple[str, ...]:
    """The views of the audit schema that read no before and after values, however many views lie between."""
    schema = warehouse.literal(warehouse.audit_schema)
    return tuple(row["name"] for row in warehouse.query(_VIEWS_WITHOUT_VALUES.format(schema=schema)))


def reader_roles(warehouse: Warehouse) -> tuple[str, ...]:
    """The reader roles that `harden` let into the audit schema."""
    rows = warehouse.query(
        "select pg_get_userbyid(a.grantee)::text as name from pg_namespace as n, aclexplode(n.nspacl) as a"
        f" where n.nspname = {warehouse.literal(warehouse.audit_schema)} and a.privilege_type = 'USAGE'"
        " and a.grantee <> 0 and pg_get_userbyid(a.grantee)::text like '%\\_reader'"
    )
    return tuple(row["name"] for row in rows)


def read_facts(warehouse: Warehouse, roles: Roles) -> Facts:
    """What `harden_steps` has to know. Raises WarehouseError."""
    schema = warehouse.literal(warehouse.audit_schema)
    tables = ", ".join(map(warehouse.literal, TABLES))
    [user] = warehouse.query(
        "select current_user::text as name, rolsuper from pg_roles where rolname = current_user"
    )
    wanted = ", ".join(map(warehouse.literal, (roles.owner, roles.writer, roles.reader, roles.privacy)))
    existing = warehouse.query(f"select rolname::text as name from pg_roles where rolname in ({wanted})")
    return Facts(
        warehouse.database, warehouse.audit_schema, user["name"], bool(user["rolsuper"]),
        tuple(row["name"] for row in warehouse.query(_TABLES.format(schema=schema, tables=tables))),
        tuple(row["name"] for row in warehouse.query(_VIEWS.format(schema=schema))),
        views_without_values(warehouse),
        frozenset(row["name"] for row in existing),
        frozenset(row["name"] for row in warehouse.query("select evtname::text as name from pg_event_trigger")),
        frozenset(row["name"] for row in warehouse.query(_GRANTEES.format(schema=schema))),
    )  # fmt: skip
