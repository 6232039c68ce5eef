"""What somebody with all rights on the warehouse, and on what is kept outside, may do: each with what verifying says.

The verdicts are those of the store alone, with its digests, and with the witness as well: the first damage's kind, or
None where nothing is found. docs/trust.md has this table (`make docs`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, dataclass

from batch_audit.digest.keys import new_key
from batch_audit.ledger.block import Block, Tree, next_block
from batch_audit.ledger.rows import Row, row_hash
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.tables import BLOCK, EVENT
from tests.support.attacks import FIRST_CHECKPOINT, ROW_17
from tests.support.kept import Kept, cut_back, new_genesis, reseal
from tests.support.synthetic_store import START_US

SEALED_AT_US, THIRD_SEALED_AT_US = START_US + 10**9, 1_800_000_000_000_000
SEGMENTS = {
    "s-first": SEALED_AT_US,
    "a-lineage": SEALED_AT_US,
    "s-second": SEALED_AT_US,
    "s-third": THIRD_SEALED_AT_US,
}


@dataclass(frozen=True)
class Attack:
    """One attack, and what is found of it at each level; `remark` says what else there is to know."""

    name: str
    do: Callable[[Kept], object]
    alone: str | None
    digests: str | None
    witness: str | None
    remark: str = ""


def sql(*statements: str) -> Callable[[Kept], None]:
    """An attack by statements."""
    return lambda kept: kept.store.attack(*statements)


def found_alone(name: str, kind: str, *statements: str, remark: str = "") -> Attack:
    """An attack by statements that the store itself shows at every level."""
    return Attack(name, sql(*statements), kind, kind, kind, remark)


def forge_event(kept: Kept) -> None:
    """Change an event of the first batch together with its id, as its hash."""
    warehouse = kept.store.warehouse
    [found] = warehouse.query(kept.store.sql(f"select * from {{audit_event}} where {FIRST_CHECKPOINT}"))
    changed: Row = tuple("eve" if name == "actor" else found[name] for name in EVENT.columns)
    values = {"actor": "eve", "event_id": row_hash(EVENT, changed)}
    told = ", ".join(f"{name} = {warehouse.literal(value)}" for name, value in values.items())
    kept.store.attack(f"update {{audit_event}} set {told} where {FIRST_CHECKPOINT}")


def add_sealed_row(kept: Kept) -> None:
    """Add an event, with the id that it should have, to a segment that is sealed."""
    warehouse = kept.store.warehouse
    [found] = warehouse.query(kept.store.sql(f"select * from {{audit_event}} where {FIRST_CHECKPOINT}"))
    values = {**found, "part": "added", "actor": "eve"}
    row: Row = tuple(values[name] for name in EVENT.columns)
    whole = tuple(
        row_hash(EVENT, row) if n == "event_id" else v for n, v in zip(EVENT.columns, row, strict=True)
    )
    warehouse.insert(EVENT.name, EVENT.columns, [whole])


def remove_segment_and_relink(kept: Kept) -> None:
    """Remove a batch with its rows, and write the chain anew as if it had never been."""
    rows = kept.store.warehouse.query(kept.store.sql("select * from {audit_block} order by block_no"))
    chain: list[Block] = []
    for row in rows:
        if row["segment"] != "a-lineage":
            tree = Tree(row["leaf_count"], row["merkle_root"])
            newest = chain[-1] if chain else None
            chain.append(next_block(newest, row["segment"], row["table_name"], tree, row["sealed_at"]))
    tables = ("segment", "event", "record_edge", "column_edge")
    kept.store.attack(
        "delete from {audit_block}",
        *(f"delete from {{audit_{name}}} where segment = 'a-lineage'" for name in tables),
    )
    kept.store.warehouse.insert(BLOCK.name, BLOCK.columns, [astuple(block) for block in chain])


def rewrite_everything(kept: Kept) -> None:
    """Change an event of the first batch and seal everything anew, at the old times."""
    forge_event(kept)
    kept.store.attack("delete from {audit_block}")
    for segment, moment in SEGMENTS.items():
        with kept.store.warehouse.transaction():
            seal_segments(kept.store.warehouse, [segment], now_us=moment)


def fork_chain(kept: Kept) -> None:
    """Put a second block after one that has a follower."""
    rows = kept.store.warehouse.query(kept.store.sql("select * from {audit_block} order by block_no"))
    blocks = [Block(**{name: row[name] for name in BLOCK.columns}) for row in rows]
    other = next_block(blocks[11], "s-third", "audit_segment", Tree(1, "0" * 64), THIRD_SEALED_AT_US)
    kept.store.warehouse.insert(BLOCK.name, BLOCK.columns, [astuple(other)])


def truncate_and_replay(kept: Kept) -> None:
    """Cut the tail off, and take the digest that vouched for it away."""
    cut_back(kept)
    (kept.digests / "digest-00000002.json").unlink()


def replay_digest(kept: Kept) -> None:
    """Put an older digest in the place of the newest."""
    (kept.digests / "digest-00000002.json").write_bytes((kept.digests / "digest-00000001.json").read_bytes())


def remove_digest(kept: Kept) -> None:
    """Remove a digest from between two others."""
    kept.publish()
    (kept.digests / "digest-00000002.json").unlink()


def forge_digest(kept: Kept) -> None:
    """Put another digest's signature under a digest."""
    first, second = (kept.digests / f"digest-0000000{number}.json" for number in (1, 2))
    envelope = json.loads(second.read_bytes())
    envelope["signatures"][0]["sig"] = json.loads(first.read_bytes())["signatures"][0]["sig"]
    second.write_bytes(json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode() + b"\n")


def foreign_key(kept: Kept) -> None:
    """Go on with a key that the old one has not named: digests of somebody else, in the place of the newest."""
    (kept.digests / "digest-00000002.json").unlink()
    lines = kept.witness.read_bytes().splitlines(keepends=True)
    kept.witness.unlink()
    own = Kept(kept.store, kept.folder / "own")
    own.folder.mkdir()
    new_key(own.folder / "key.pem", None)
    own.publish()
    own.publish()
    (own.digests / "digest-00000002.json").rename(kept.digests / "digest-00000002.json")
    kept.witness.write_bytes(b"".join(lines))


def remove_open_batch(kept: Kept) -> None:
    """A batch has begun, and is removed before it is sealed."""
    kept.store.attack(
        "insert into {audit_segment} select 's-open', part, seq, 'b', batch_month, 'i', writer, opened_at from"
        " {audit_segment} where segment = 's-first'",
        "delete from {audit_segment} where segment = 's-open'",
    )


def turn_clock_back(kept: Kept) -> None:
    """Seal a batch at a time before the ones that are sealed."""
    kept.store.attack("delete from {audit_block} where block_no > 12")
    kept.write_third(now_us=1)


EVENT_17 = f"{{audit_event}} where {ROW_17}"
FIRST_END = "segment = 's-first' and part = 'end' and seq < 3"
ATTACKS = (
    found_alone("edit an event", "event_edited", f"update {{audit_event}} set actor = 'eve' where {ROW_17}"),
    found_alone(
        "turn NULL into the empty text", "event_edited", f"update {{audit_event}} set error_message = '' where {ROW_17}"
    ),
    found_alone("back-date an event", "event_edited", f"update {{audit_event}} set occurred_at = 1 where {ROW_17}"),
    Attack("edit an event and its id", forge_event, "rows_altered", "rows_altered", "rows_altered"),
    found_alone("delete an event", "seq_gap", f"delete from {EVENT_17}"),
    found_alone(
        "insert a copy of an event", "seq_duplicate",
        f"insert into {{audit_event}} select * from {{audit_event}} where {FIRST_CHECKPOINT}",
    ),
    Attack("add a row to a sealed batch", add_sealed_row, "rows_added", "rows_added", "rows_added"),
    found_alone("swap two events", "event_edited", f"update {{audit_event}} set seq = 3 - seq where {FIRST_END}"),
    found_alone(
        "edit before and after values", "payload_edited", f"update {{audit_payload}} set new_value = 'x' where {ROW_17}"
    ),
    found_alone(
        "delete values without an erasure event", "payload_missing", f"delete from {{audit_payload}} where {ROW_17}"
    ),
    found_alone(
        "drop a month of events (a partition)", "rows_missing",
        "delete from {audit_event} where batch_month = '2026-01'",
    ),
    found_alone("edit a block", "block_edited", "update {audit_block} set merkle_root = 'x' where block_no = 6"),
    found_alone("delete a block", "block_missing", "delete from {audit_block} where block_no = 6"),
    Attack("fork the chain", fork_chain, "block_misnumbered", "block_misnumbered", "block_misnumbered"),
    Attack(
        "delete a batch and relink the chain", remove_segment_and_relink, None, "chain_rewritten", "chain_rewritten"
    ),
    Attack("cut the tail off", cut_back, None, "tail_truncated", "tail_truncated"),
    Attack("rewrite the tail and seal it anew", reseal, None, "chain_rewritten", "chain_rewritten"),
    Attack("turn the clock back and seal anew", turn_clock_back, None, "chain_rewritten", "chain_rewritten"),
    Attack("rewrite everything and seal it anew", rewrite_everything, None, "chain_rewritten", "chain_rewritten"),
    Attack("begin a new chain", new_genesis, None, "digest_of_another_store", "digest_of_another_store"),
    Attack("put an older digest in the place of the newest", replay_digest, None, None, "digest_replayed"),
    Attack("remove a digest", remove_digest, None, "digest_missing", "digest_missing"),
    Attack("forge a digest", forge_digest, None, "digest_forged", "digest_forged"),
    Attack("go on with a key of one's own", foreign_key, None, "digest_untrusted", "digest_untrusted"),
    Attack("cut the tail off and remove its digest", truncate_and_replay, None, None, "digest_replayed"),
    Attack(
        "add a column to a table", sql("alter table {audit_event} add column more text"), None, None, None,
        "nothing that was recorded is changed, and what is in it belongs to nothing",
    ),
    Attack(
        "remove a batch that is not sealed yet", remove_open_batch, None, None, None,
        "`batch-audit run` keeps a start record outside the warehouse: `batch-audit seal` records it as incomplete",
    ),
)  # fmt: skip
