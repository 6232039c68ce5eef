"""The SQL that writes the record edges of one build of a node. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from batch_audit.history.replay import record_id_sql
from batch_audit.lineage.hop import Hop
from batch_audit.warehouses.base import Column, Values, quote_identifier

TRACED = "batch_audit_traced"
"""The temporary table of the edges, before the hashes of their sources are known."""
KEY_IS_NOT_UNIQUE = "its key is not unique"


@dataclass(frozen=True)
class Origin:
    """One source of edges: what stands in the edge for it. `role` is `value`, `filter` or `filter_all`."""

    occurrence: str
    role: str
    source: str
    step: str
    label: str
    reason: str | None


def origins(hop: Hop) -> list[Origin]:
    """The sources of a hop by occurrence and role; a filter's step is its kind (`exists`, `window` …)."""
    query = hop.query
    why = "; ".join(query.reasons) or None
    found = [
        Origin(name, "value", hop.nodes[name], hop.step, query.label, why)
        for name, source in query.sources.items()
        if source.role == "value"
    ]
    for decision in query.filters:
        role = "filter" if decision.scope == "row" else "filter_all"
        found += [
            Origin(
                name,
                role,
                hop.nodes[name],
                decision.kind,
                decision.label,
                "; ".join(decision.reasons) or None,
            )
            for name in decision.sources
        ]
    return list({(one.occurrence, one.role): one for one in reversed(found)}.values())[::-1]


def traced_sql(hop: Hop, columns: Sequence[Column], changed: str, values: Values) -> str:
    """Rows of (seq, target_record_id, target_hash, occurrence, role, source_record_id), seq from 1.

    `columns` are those of the node's relation, `changed` a select of (record_id, record_hash). Rows that decided about
    every record alike are left out: they would be as many as records times rows.
    """
    types = {column.name: column.type for column in columns}
    cast = ", ".join(
        f"cast(e.{quote_identifier(name)} as {types[name]}) as {quote_identifier(name)}" for name in hop.key
    )
    target = record_id_sql(values, hop.key, [Column(name, types[name]) for name in hop.key], "k")
    # The names of these are none that the node's own SQL may read.
    return (
        f"with batch_audit_changed as ({changed}), batch_audit_edges as ({hop.query.edges_sql}), batch_audit_keyed as"
        f" (select {cast}, e.__occurrence, e.__source_key, e.__role from batch_audit_edges as e"
        f" where e.__role <> 'filter_all'), batch_audit_named as (select {target} as target_record_id, k.__occurrence,"
        " k.__source_key, k.__role from batch_audit_keyed as k)"
        " select row_number() over () as seq, n.target_record_id, c.record_hash as target_hash, n.__occurrence as"
        " occurrence, n.__role as role, n.__source_key as source_record_id from batch_audit_named as n"
        " join batch_audit_changed as c on c.record_id = n.target_record_id"
    )


def insert_sql(
    into: str, part: Mapping[str, str | None], source: str, of_source: Sequence[Origin], hashes: str | None,
    literal: Callable[[str], str],
) -> str:  # fmt: skip
    """The statement that writes the traced edges of one source node into the table `into`.

    `part`: the columns that all edges share. `hashes`: a select of (id, hash, number) over the records of the source,
    where `number` of them have this id; None where it cannot be read.
    """

    def text(value: str | None) -> str:
        return "cast(null as text)" if value is None else literal(value)

    told = ", ".join(
        f"({literal(one.occurrence)}, {literal(one.role)}, {text(one.step)}, {text(one.label)}, {text(one.reason)})"
        for one in of_source
    )
    shared = ", ".join(text(value) for value in part.values())
    repeated = "coalesce(h.number, 1) > 1 and o.label = 'exact'"
    read = hashes or "select cast(null as text) as id, cast(null as text) as hash, 0 as number where false"
    return (
        f"insert into {into} ({', '.join(part)}, seq, target_record_id, target_hash, source, source_record_id,"
        f" source_hash, step, role, label, reason) with told(occurrence, role, step, label, reason) as (values {told}),"
        f" hashes as ({read}) select {shared}, t.seq, t.target_record_id, t.target_hash, {literal(source)},"
        f" t.source_record_id, h.hash, o.step, o.role,"
        f" case when {repeated} then 'superset' else o.label end,"
        f" case when {repeated} then {literal(KEY_IS_NOT_UNIQUE)} else o.reason end"
        f" from {TRACED} as t join told as o on o.occurrence = t.occurrence and o.role = t.role"
        " left join hashes as h on h.id = t.source_record_id"
    )


def hashes_sql(
    relation: str, record_id: str, record_hash: str, occurrences: Sequence[str], literal: Callable[[str], str]
) -> str:
    """Rows of (id, hash, number) of the records of `relation` (alias s) that traced edges come from."""
    wanted = ", ".join(literal(name) for name in occurrences)
    return (
        f"select s.batch_audit_id as id, min({record_hash}) as hash, count(*) as number from (select s.*,"
        f" {record_id} as batch_audit_id from {relation} as s) as s where s.batch_audit_id in (select source_record_id"
        f" from {TRACED} where occurrence in ({wanted})) group by s.batch_audit_id"
    )
