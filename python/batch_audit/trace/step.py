"""One hop for some records of one node: which code, on which states of its inputs, and what it gives."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlglot
from sqlglot import exp

from batch_audit.errors import BatchAuditError, WarehouseError
from batch_audit.history.moments import folded
from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.hop import Hop as Plan
from batch_audit.lineage.hop import plan_hop, quoted_relation, read_by, with_key_alone
from batch_audit.runner.secrets import hide_known, secret_values
from batch_audit.trace.incremental import reads_itself, without_self
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Edge, Hop, Label, Role, weakest
from batch_audit.trace.snapshots import by_version, current_versions, has_versions, records_of
from batch_audit.trace.sql import EdgeQuery, Identity, looked_up, parameters

_SELF = "input changed since: the condition on the model itself is left out, so that rows of other batches are listed"


@dataclass(frozen=True)
class Ask:
    """Which edges are wanted: those of records of the node, or (`occurrences_of`) of records of an input of it."""

    ids: tuple[str, ...]
    limit: int
    only: Collection[str] | None = None
    occurrences_of: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A node's SQL ready to be traced: on these codes and states. `doubts` say which inputs are not as they were."""

    code: NodeCode
    codes: Mapping[str, NodeCode]
    columns: Mapping[str, Sequence[Any]]
    instead: Mapping[str, str]
    doubts: tuple[str, ...] = ()
    partial: str | None = None
    sound: bool = True
    batch_id: str | None = None


def prepare(reader: Reader, node: str, batch: str | None, *, every: bool = False) -> Prepared:
    """What made the records of a node that `batch` wrote; None: those of its last build.

    `every`: of an incremental model, what made the records of all its batches.
    """
    code, codes = reader.codes[node], reader.codes
    # A view is made when it is read.
    built = None if code.kind == "view" else reader.built(node)
    if batch is not None and built is not None and batch != built[0]:
        codes = reader.codes_of(batch)
        code = codes.get(node, code)
        moment: tuple[int, str] | None = reader.end_of(batch), batch
    else:
        moment = reader.until if built is None else (built[1], built[0])
        batch = None if built is None else built[0]
    own = reader.place(node, reader.until)
    doubts = [own.doubt] if own.doubt else []
    columns, instead = {}, {}
    for one in read_by(code, codes):
        if one.node == node:
            columns[node] = own.columns
            continue
        place = reader.place(one.node, moment)
        columns[one.node] = place.columns
        if place.instead:
            instead[one.node] = place.instead
        if place.doubt:
            doubts.append(place.doubt)
    ready = Prepared(
        code, by_version(reader, codes), columns, instead, tuple(doubts), batch_id=code.batch_id or batch
    )  # fmt: skip
    return _of_increment(reader, ready, None if every else batch) if code.sql and code.dialect else ready


def _of_increment(reader: Reader, ready: Prepared, batch: str | None) -> Prepared:
    """The SQL of one increment reads the model as it was before, or else does without what reads it."""
    code = ready.code
    if code.microbatch:
        reason = "the code on record is that of one of its microbatches"
        return replace(ready, doubts=(*ready.doubts, reason))
    if not reads_itself(code.sql or "", code.relation, code.dialect or ""):
        return ready
    if batch is not None and not ready.doubts and reader.trail(code.node).captures:
        place = reader.before(code.node, batch)
        if place.instead:
            return replace(ready, instead={**ready.instead, code.node: place.instead})
    cut = without_self(code.sql or "", code.relation, code.dialect or "")
    if cut.sql is None:
        reason = "input changed since: it reads itself, and what it was before is not on record"
        return replace(ready, code=replace(code, sql=None), partial=reason, sound=False)
    return replace(ready, code=replace(code, sql=cut.sql), partial=_SELF, sound=cut.sound)


def read_hop(reader: Reader, ready: Prepared, ask: Ask) -> Hop:
    """The edges of a hop, and how far they can be relied on. `doubts` of single records are not in it yet."""
    if ready.code.sql is None and ready.partial:
        reasons = (ready.partial,)
        return Hop(
            ready.code.node, batch_id=ready.batch_id, label="unknown", reasons=reasons, records=ask.ids
        )
    target = reader.identity(ready.code.node, ready.columns[ready.code.node])
    refused: WarehouseError | None = None
    hop = Hop(ready.code.node)
    for one, listed in _attempts(reader, ready, ask, target):
        plan = planned(reader, one, parameters(target.key) if listed else {})
        hop = _described(ready, plan, ask) if refused is None else hop
        if plan.query.edges_sql is None:
            return hop
        try:
            return _with_edges(reader, plan, hop, target, ask, listed)
        except WarehouseError as error:
            refused = refused or error
    # env_var may have put secrets into the code that dbt compiled.
    said = hide_known(str(refused).splitlines()[0], secret_values(os.environ))
    why = f"the warehouse refused the query of its trace: {said}"
    return replace(hop, label="unknown", reasons=(*hop.reasons, why))


def _attempts(
    reader: Reader, ready: Prepared, ask: Ask, target: Identity
) -> Iterator[tuple[Prepared, Mapping[str, str]]]:  # fmt: skip
    """The ways to trace a hop, the best one first, with the values of the key that are looked up."""
    upstream = ask.occurrences_of is None
    listed = target.listed(reader.warehouse, ask.ids) if upstream and ready.code.sql else {}
    if listed:
        yield ready, listed
    # A key column of the query may be of another type than that of the relation.
    yield ready, {}
    only = with_key_alone(ready.code, target.key)
    if only is not None:
        yield replace(ready, code=only), listed


def planned(reader: Reader, ready: Prepared, where: Mapping[str, str]) -> Plan:
    """The rewritten SQL, for the records that `where` asks for (see `plan_hop`)."""

    def text(node: str, column: str, expression: str) -> str:
        types = {one.name: one.type for one in ready.columns.get(node, ())}
        kind = types.get(column)
        return f"cast({expression} as text)" if kind is None else values.canonical_text(expression, kind)

    values = reader.warehouse.values
    try:
        return plan_hop(
            ready.code, ready.codes, ready.columns, where=where, instead=ready.instead, key_text=text
        )  # fmt: skip
    except BatchAuditError:
        if not where:
            raise
        return plan_hop(ready.code, ready.codes, ready.columns, instead=ready.instead, key_text=text)


def _described(ready: Prepared, plan: Plan, ask: Ask) -> Hop:
    query = plan.query
    label: Label = query.label
    reasons = [*(_named(reason, ready) for reason in query.reasons), *ready.doubts]
    if ready.doubts:
        label = weakest((label, "superset"))
    if ready.partial:
        label = weakest((label, "superset" if ready.sound else "unknown"))
        reasons.append(ready.partial)
    return Hop(
        ready.code.node, plan.step, tuple(dict.fromkeys(plan.views)), ready.batch_id, label,
        tuple(dict.fromkeys(reasons)), weakest(one.label for one in query.filters),
        tuple(dict.fromkeys(reason for one in query.filters for reason in one.reasons)), records=ask.ids,
    )  # fmt: skip


def _named(reason: str, ready: Prepared) -> str:
    """A reason of the engine with the names that people use, and what to do about a key that is not known."""
    for node in read_by(ready.code, ready.codes):
        reason = reason.replace(quoted_relation(node), node.name)
    remedy = ": rows that are equal cannot be told apart"
    if reason.endswith(" has no key" + remedy):
        reason += ". Declare it: meta: {audit_key: [...]}, or unique and not_null tests on its column"
    return reason


def _with_edges(
    reader: Reader, plan: Plan, hop: Hop, target: Identity, ask: Ask, listed: Mapping[str, str]
) -> Hop:  # fmt: skip
    edges_sql = plan.query.edges_sql or ""
    outputs = _outputs(edges_sql, plan.code.dialect or "", target, reader)
    missing = [name for name in target.told_apart_by if name not in outputs]
    if missing:
        reason = f"its query gives no column {missing[0]}, which tells its records apart"
        return replace(hop, label="unknown", reasons=(*hop.reasons, reason))
    nodes = plan.nodes
    occurrences = tuple(
        name for name, node in nodes.items()
        if (ask.only is None or node in ask.only) and ask.occurrences_of in (None, node)
    )  # fmt: skip
    sql = looked_up(edges_sql, target.key, listed) if listed else edges_sql
    asked_for = ask.ids
    if ask.occurrences_of is not None and has_versions(reader, ask.occurrences_of):
        asked_for = tuple(current_versions(reader, ask.occurrences_of, ask.ids).values())
    query = EdgeQuery(sql, outputs, target, asked_for, occurrences, ask.occurrences_of is None, ask.limit)
    edges: list[Edge] = []
    left_out: dict[tuple[str | None, str, Role], int] = {}
    for row in reader.warehouse.query(query.sql(reader.warehouse)) if asked_for else ():
        role: Role = "value" if row["role"] == "value" else "filter"
        node = nodes[row["occurrence"]]
        edges.append(Edge(row["target"], node, row["source"], role, row["occurrence"]))
        asked = row["target"] if query.upstream else row["source"]
        left_out[asked, row["occurrence"] + "\0" + node, role] = int(row["total"])
        if row["check_hash"] is not None and row["target"] is not None:
            reader.made.setdefault((hop.node, row["target"]), set()).add(row["check_hash"])
    more = _left_out(edges, left_out, query.upstream)
    return _of_records(reader, replace(hop, edges=tuple(edges), left_out=more))


def _of_records(reader: Reader, hop: Hop) -> Hop:
    """The hop with the records of snapshots in the place of their versions."""
    edges, older = list(hop.edges), 0
    for node in {edge.source_node for edge in edges if has_versions(reader, edge.source_node)}:
        known = records_of(reader, node, [edge.source for edge in edges if edge.source_node == node])
        older += sum(not current for _, current in known.values())
        edges = [
            replace(edge, source=known[edge.source][0])
            if edge.source_node == node and edge.source in known
            else edge
            for edge in edges
        ]
    if not older:
        return replace(hop, edges=tuple(edges))
    reason = f"{older} of the snapshot's rows that it came from are older versions of their records"
    return replace(
        hop, edges=tuple(edges), label=weakest((hop.label, "superset")), reasons=(*hop.reasons, reason)
    )


def _left_out(
    edges: Sequence[Edge], totals: Mapping[tuple[str | None, str, Role], int], upstream: bool
) -> dict[tuple[str | None, str, Role], int]:
    """How many edges were not read, by record, node at the other end and role."""
    read: dict[tuple[str | None, str, Role], int] = {}
    for edge in edges:
        asked = edge.target if upstream else edge.source
        key = asked, edge.occurrence + "\0" + edge.source_node, edge.role
        read[key] = read.get(key, 0) + 1
    found: dict[tuple[str | None, str, Role], int] = {}
    for (asked, where, role), total in totals.items():
        more = total - read.get((asked, where, role), 0)
        if more > 0:
            own = asked, where.split("\0", 1)[1], role
            found[own] = found.get(own, 0) + more
    return found


def _outputs(edges_sql: str, dialect: str, target: Identity, reader: Reader) -> tuple[str, ...]:
    """The output columns of a traced query, as the relation spells them."""
    try:
        parsed = sqlglot.parse_one(edges_sql, read=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return tuple(column.name for column in target.columns)
    names = parsed.named_selects[:-3] if isinstance(parsed, exp.Query) else []
    fold = reader.warehouse.values.fold
    own = {folded(fold, column.name): column.name for column in target.columns}
    return tuple(own.get(folded(fold, name), name) for name in names)
