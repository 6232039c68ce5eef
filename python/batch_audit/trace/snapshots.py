"""A snapshot's relation holds versions: `dbt_scd_id` tells them apart, and the record is known by its key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.hop import quoted_relation
from batch_audit.trace.reader import Reader
from batch_audit.trace.sql import current_sql, wanted_sql

VERSION = "dbt_scd_id"


def by_version(reader: Reader, codes: Mapping[str, NodeCode]) -> dict[str, NodeCode]:
    """The codes, with versions as the records of snapshots that are read."""
    return {
        name: replace(code, key=(VERSION,)) if has_versions(reader, name) else code
        for name, code in codes.items()
    }  # fmt: skip


def has_versions(reader: Reader, node: str) -> bool:
    """Whether a node is a snapshot whose versions have an id."""
    code = reader.codes.get(node)
    return (
        code is not None and code.kind == "snapshot" and VERSION in {one.name for one in reader.columns(node)}
    )


def current_versions(reader: Reader, node: str, ids: Iterable[str]) -> dict[str, str]:
    """Record ids to the ids of their current versions."""
    rows = _read(reader, node, ids, "t.batch_audit_id", only_current=True)
    return {row["record_id"]: row["version"] for row in rows}


def records_of(reader: Reader, node: str, versions: Iterable[str]) -> dict[str, tuple[str, bool]]:
    """Ids of versions to the record id, and whether it is the current version."""
    rows = _read(reader, node, versions, "t.batch_audit_version", only_current=False)
    return {row["version"]: (row["record_id"], bool(row["is_current"])) for row in rows}


def _read(
    reader: Reader, node: str, wanted: Iterable[str], by: str, *, only_current: bool
) -> list[dict[str, str]]:  # fmt: skip
    listed = sorted(set(wanted))
    if not listed:
        return []
    identity = reader.identity(node)
    current = current_sql("t", reader.columns(node))
    where = f" where {current}" if only_current else ""
    return reader.warehouse.query(
        f"with {wanted_sql(listed, reader.warehouse.literal)}, there as (select"
        f" {identity.id_sql(reader.warehouse.values, 't')} as batch_audit_id,"
        f" cast(t.{VERSION} as text) as batch_audit_version, {current} as batch_audit_current"
        f" from {quoted_relation(reader.codes[node])} as t{where}) select t.batch_audit_id as record_id,"
        f" t.batch_audit_version as version, t.batch_audit_current as is_current from there as t join wanted"
        f" on wanted.record_id = {by} order by 1, 2"
    )
