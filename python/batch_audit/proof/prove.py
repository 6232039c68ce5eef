"""Making a proof from the store: the event's row, the hashes beside it in its tree, and the blocks to a digest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from batch_audit.digest.envelope import Signed
from batch_audit.errors import BatchAuditError, StoreMissingError, VerificationFailed
from batch_audit.ledger import store_sql
from batch_audit.ledger.block import Block
from batch_audit.ledger.merkle import FAN_OUT, node_hash
from batch_audit.ledger.tables import BLOCK, COMMITTED, EVENT, PAYLOAD
from batch_audit.ledger.text import row_text
from batch_audit.proof.proof import Proof, Step, problems
from batch_audit.warehouses.base import Warehouse


def prove(
    warehouse: Warehouse, event_id: str, digests: Sequence[Signed] = (), *, with_payload: bool = False
) -> Proof:
    """The proof that an event is in the store, up to the first of the digests that vouches for its block.

    Without such a digest it ends with the event's own block.

    Raises StoreMissingError without a store, BatchAuditError for an event that is not there, not sealed, or whose
    payload is gone, VerificationFailed if the proof does not hold: the store is damaged.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema}: nothing can be proven."
        )
    with warehouse.snapshot():
        row = _event(warehouse, event_id)
        segment, part, seq = (row[name] for name in ("segment", "part", "seq"))
        block = _block(warehouse, event_id, segment)
        head = min(
            (signed for signed in digests if signed.digest.head.block_no >= block),
            key=lambda signed: (signed.digest.head.block_no, signed.digest.sequence),
            default=None,
        )
        last = head.digest.head.block_no if head else block
        proof = Proof(
            row_text(EVENT.name, tuple(row[name] for name in EVENT.hashed)),
            _path(warehouse, segment, part, seq),
            _blocks(warehouse, block, last),
            head,
            _payload(warehouse, event_id) if with_payload else None,
        )
    if wrong := next(problems(proof), None):
        raise VerificationFailed(
            f"Event {event_id} cannot be proven: {wrong}. See what `batch-audit verify` says."
        )
    return proof


def _event(warehouse: Warehouse, event_id: str) -> dict[str, str | int | None]:
    found = warehouse.find(EVENT.name, EVENT.columns, f"event_id = {warehouse.literal(event_id)}")
    if len(found) != 1:
        raise BatchAuditError(
            f"There {'is no event' if not found else f'are {len(found)} events'} {event_id[:80]!r} in the store."
            " Its id is the 64 digits in audit_event.event_id; `batch-audit history --format json` shows them."
        )
    return found[0]


def _block(warehouse: Warehouse, event_id: str, segment: str | int | None) -> int:
    found = warehouse.query(
        f"select block_no from {warehouse.table(BLOCK.name)} where segment = {warehouse.literal(str(segment))}"
        f" and table_name = {warehouse.literal(EVENT.name)}"
    )
    if len(found) != 1:
        raise BatchAuditError(
            f"Event {event_id} is not sealed yet: its segment {segment} has no block, so nothing can prove it."
            " `batch-audit seal` seals what a batch left open."
        )
    return int(found[0]["block_no"])


def _blocks(warehouse: Warehouse, first: int, last: int) -> list[Block]:
    columns = ", ".join(BLOCK.columns)
    rows = warehouse.query(
        f"select {columns} from {warehouse.table(BLOCK.name)} where block_no between {first} and {last}"
        " order by block_no"
    )
    return [Block(**row) for row in rows]


def _path(warehouse: Warehouse, segment: object, part: object, seq: object) -> list[Step]:
    """The nodes over the event: the leaves beside it are read, and of the rest of the segment the level 1 nodes."""
    where = f"segment = {warehouse.literal(str(segment))}"
    counts = warehouse.query(
        f"select part, count(*) as n from {warehouse.table(EVENT.name)} where {where} group by part"
    )
    sizes = {str(row["part"]): int(row["n"]) for row in counts}
    parts = sorted(sizes)
    starts = dict(zip(parts, accumulate((sizes[name] for name in parts), initial=0), strict=False))
    place = starts[str(part)] + int(str(seq)) - 1
    beside = list(_ranges(sizes, starts, place - place % FAN_OUT))
    any_of = " or ".join(
        f"(part = {warehouse.literal(name)} and seq between {low} and {high})" for name, low, high in beside
    )
    rows = warehouse.stream(store_sql.leaves_sql(warehouse, EVENT, f"{where} and ({any_of})"))
    leaves = [leaf for _, _, _, leaf in sorted(tuple(row) for batch in rows for row in batch)]
    nodes = [node["hash"] for node in warehouse.query(store_sql.nodes_sql(warehouse, EVENT, where))]
    return list(_steps(leaves, nodes, place))


def _ranges(sizes: dict[str, int], starts: dict[str, int], first: int) -> Iterator[tuple[str, int, int]]:
    """The parts of the tree's node that begins at a place, each with its first and last number."""
    for name, start in starts.items():
        low, high = max(first, start), min(first + FAN_OUT, start + sizes[name])
        if low < high:
            yield name, low - start + 1, high - start


def _steps(leaves: Sequence[str], nodes: Sequence[str], place: int) -> Iterator[Step]:
    """From the leaves beside ours up to the root; `nodes` are those of level 1, `place` is ours among all leaves."""
    children: Sequence[str] = leaves
    own, level = place % FAN_OUT, 1
    while True:
        yield Step(level, len(children), "".join(children[:own]), "".join(children[own + 1 :]))
        if len(nodes) <= 1:
            return
        place //= FAN_OUT
        own, level = place % FAN_OUT, level + 1
        children = nodes[place - own : place - own + FAN_OUT]
        nodes = [node_hash(level, nodes[at : at + FAN_OUT]) for at in range(0, len(nodes), FAN_OUT)]


def _payload(warehouse: Warehouse, event_id: str) -> dict[str, str | None]:
    found = warehouse.find(PAYLOAD.name, COMMITTED, f"event_id = {warehouse.literal(event_id)}")
    if not found:
        raise BatchAuditError(
            f"Event {event_id} has no payload, or it was erased: prove it without --with-payload."
        )
    return found[0]
