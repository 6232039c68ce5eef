"""The replay oracle over a built project: a model's SQL over only the rows that a record was traced to."""

from dataclasses import replace

from batch_audit.lineage.hop import quoted_relation
from batch_audit.trace.reader import Reader
from batch_audit.trace.sql import made_sql
from batch_audit.trace.step import Ask, planned, prepare, read_hop


def replay_every_record(reader: Reader, node: str) -> tuple[int, list[str]]:
    """How many records a node has, and those that are not traced exactly or do not come out again.

    Value occurrences are cut to the traced rows, filter occurrences are left whole.
    """
    warehouse, identity = reader.warehouse, reader.identity(node)
    relation = quoted_relation(reader.codes[node])
    found = warehouse.query(f"select {identity.id_sql(warehouse.values, 't')} as id from {relation} as t")
    ids = tuple(sorted(str(row["id"]) for row in found))
    ready = prepare(reader, node, None)
    with warehouse.sound_traces():
        hop = read_hop(reader, ready, Ask(ids, limit=10_000))
    if hop.label != "exact" or hop.left_out:
        return len(ids), [f"{hop.label}: {hop.reasons}"]
    reader.records(node, ids)
    query = planned(reader, ready, {}).query
    names = [column.name for column in identity.columns]
    wrong = []
    for record in ids:
        for occurrence, source in query.sources.items():
            kept = {
                edge.source for edge in hop.edges if edge.target == record and edge.occurrence == occurrence
            }
            own = next(one for one, code in reader.codes.items() if quoted_relation(code) == source.relation)
            listed = ", ".join(map(warehouse.literal, sorted(kept))) or "null"
            only = f" where {reader.identity(own).id_sql(warehouse.values, 't')} in ({listed})"
            warehouse.execute(f'drop view if exists "{source.slot}"')
            warehouse.execute(
                f'create temporary view "{source.slot}" as select t.* from {source.relation} as t'
                + (only if source.role == "value" else "")
            )
        rows = warehouse.query(made_sql(warehouse, replace(query, sources={}), names, identity, [record]))
        if [row["check_hash"] for row in rows] != [reader.checks[node, record]]:
            wrong.append(record)
    return len(ids), wrong
