"""Writing the next digest: read the chain's head, state it, sign it, keep it outside the warehouse."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from batch_audit.digest.digest import Digest, Head, Store
from batch_audit.digest.envelope import Signed, sign
from batch_audit.digest.folder import file_name, locked_folder, newest_of, write_digest
from batch_audit.digest.follow import Previous, follow
from batch_audit.digest.witness import lines_for
from batch_audit.digest.witness_file import OpenWitness, opened_witness
from batch_audit.errors import ConfigurationError, EvidenceIncomplete, StoreMissingError, VerificationFailed
from batch_audit.ledger.tables import BLOCK, SEALED, SEGMENT
from batch_audit.warehouses.base import Warehouse
from batch_audit.warehouses.incarnation import identity_of

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

_SKEW_US: Final = 300_000_000
"""How far clocks of the machines that write digests may differ."""


@dataclass(frozen=True)
class Request:
    """What to write and where.

    `out` is a folder, or a .json file in one: the digests beside it come before it. Without it only the witness says
    which digest comes before. `next_key` is the PEM of the key that signs from the next digest on; `restored` says
    why the store is an older copy than the digest before vouches for. `timestamp_url` is an RFC 3161 authority.
    """

    out: Path | None = None
    witness: Path | None = None
    signer: CryptoSigner | None = None
    batch_id: str | None = None
    next_key: str | None = None
    restored: str | None = None
    timestamp_url: str | None = None


@dataclass(frozen=True)
class Published:
    """The digest, its file (None: nowhere), and what it lacks of what was asked for."""

    signed: Signed
    path: Path | None
    missing: str | None = None


def publish(warehouse: Warehouse, request: Request) -> Published:
    """Write the next digest of the store, and let the witness remember it.

    Raises StoreMissingError without a store, EvidenceIncomplete if nothing is sealed or a file cannot be written,
    VerificationFailed if the store does not hold what the digest before vouches for, or the files do not fit
    together, ConfigurationError for a key that is not the next one.
    """
    if not warehouse.store_exists():
        raise StoreMissingError(
            f"There is no audit store in schema {warehouse.audit_schema} of database {warehouse.database}:"
            " there is nothing to write a digest of. Run a batch first, or name the schema with --audit-schema."
        )
    identity = identity_of(warehouse)
    folder, path = _place(request.out)
    with _open_for_writing(folder, request.witness) as witness:
        found = newest_of(folder, _down_to(witness)) if folder else []
        if wrong := next((given for given in found if given.problem), None):
            raise VerificationFailed(
                f"No digest was written: {folder}/{wrong.name} is no digest: {wrong.problem}."
            )
        digests = [given.signed for given in found if given.signed]
        after = follow(digests, witness.tail if witness else None, witnessed=witness is not None)
        _check_key(after.previous, request)
        with warehouse.snapshot():
            state = _read(warehouse, after.previous)
        signed = sign(_digest(warehouse, state, identity, after.previous, request), request.signer)
        signed, missing = _timestamped(signed, request.timestamp_url)
        if folder is not None:
            path = path or folder / file_name(signed.digest.sequence)
            write_digest(path, signed)
        if witness is not None:
            witness.append(list(lines_for(witness.tail, (*after.to_remember, signed))))
    return Published(signed, path, missing)


def _place(out: Path | None) -> tuple[Path | None, Path | None]:
    """The folder, and the file if one was named."""
    if out is None:
        return None, None
    return (out.parent, out) if out.suffix == ".json" and not out.is_dir() else (out, None)


def _down_to(witness: OpenWitness | None) -> int | None:
    """The number of the oldest digest that is needed: the one that the witness remembers last."""
    if witness is None:
        return None
    return witness.tail.sequence if witness.tail else 1


@contextmanager
def _open_for_writing(folder: Path | None, witness: Path | None) -> Iterator[OpenWitness | None]:
    try:
        with ExitStack() as stack:
            opened = stack.enter_context(opened_witness(witness)) if witness else None
            if folder is not None:
                stack.enter_context(locked_folder(folder))
            yield opened
    except OSError as error:
        raise EvidenceIncomplete(f"The digest could not be written: {error}.") from error


@dataclass(frozen=True)
class _State:
    head: Head
    genesis: str
    sealed_rows: dict[str, int]
    block_of_previous: str | None
    batches: tuple[str, ...]


def _read(warehouse: Warehouse, previous: Previous | None) -> _State:
    blocks = warehouse.table(BLOCK.name)
    newest = warehouse.query(
        f"select block_no, block_hash, sealed_at from {blocks} where block_no is not null"
        " order by block_no desc limit 1"
    )
    if not newest:
        raise EvidenceIncomplete(
            f"No digest was written: the store in {warehouse.audit_schema} has no block yet, nothing is sealed."
        )
    after = previous.block_no if previous else 0
    wanted = warehouse.query(f"select block_no, block_hash from {blocks} where block_no in (1, {int(after)})")
    hashes = {row["block_no"]: row["block_hash"] for row in wanted}
    counted = warehouse.query(f"select table_name, sum(leaf_count) as n from {blocks} group by table_name")
    counts = {row["table_name"]: int(row["n"]) for row in counted}
    batches = warehouse.query(
        f"select distinct s.batch_id from {warehouse.table(SEGMENT.name)} as s join {blocks} as b"
        f" on b.segment = s.segment where b.block_no > {int(after)} and s.batch_id is not null limit 2"
    )
    return _State(
        Head(**newest[0]),
        hashes.get(1) or "",
        {table.name: counts.get(table.name, 0) for table in SEALED},
        hashes.get(after),
        tuple(row["batch_id"] for row in batches),
    )


def _digest(
    warehouse: Warehouse, state: _State, identity: str | None, previous: Previous | None, request: Request
) -> Digest:
    _check_chain(state, previous, request.restored)
    if not state.genesis:
        raise VerificationFailed(
            "No digest was written: block 1 is not on record. See what `batch-audit verify` says."
        )
    now_us = time.time_ns() // 1000
    if previous and now_us < previous.made_at - _SKEW_US:
        raise VerificationFailed(
            f"No digest was written: the clock of this machine is {(previous.made_at - now_us) / 60e6:.0f} minutes"
            f" behind the time of digest {previous.sequence}. One of the clocks is wrong."
        )
    incarnation = (previous.incarnation if previous else 1) + (request.restored is not None)
    store = Store(
        warehouse.engine, warehouse.database, warehouse.audit_schema, state.genesis, incarnation, identity
    )
    # One batch since the last digest: it is that batch's own. Of several, the others have waited without one.
    only = state.batches[0] if len(state.batches) == 1 else None
    return Digest(
        sequence=previous.sequence + 1 if previous else 1,
        previous_digest=previous.digest if previous else None,
        made_at=max(now_us, previous.made_at) if previous else now_us,
        store=store,
        head=state.head,
        sealed_rows=state.sealed_rows,
        batch_id=request.batch_id or only,
        signed_by=request.signer.public_key.keyid if request.signer else None,
        next_key=request.next_key,
        restored=request.restored,
    )


def _check_chain(state: _State, previous: Previous | None, restored: str | None) -> None:
    """The store still holds the block that the digest before vouches for."""
    if restored is not None and previous is None:
        raise ConfigurationError(
            "--restored continues earlier digests, and there is none: give their folder with --out, or the witness."
        )
    if previous is None or restored is not None or state.block_of_previous == previous.block_hash:
        return
    found = "is gone" if state.block_of_previous is None else f"is now {state.block_of_previous}"
    raise VerificationFailed(
        f"No digest was written: digest {previous.sequence} vouches for block {previous.block_no},"
        f" {previous.block_hash}, and that block {found}; the store ends with block {state.head.block_no}.\n"
        "  Blocks were removed or rewritten, or an older copy of the store was put back. See what `batch-audit verify"
        " --digest` says.\n"
        "  If you restored a backup yourself, say so: batch-audit digest --restored 'why' …"
    )


def _check_key(previous: Previous | None, request: Request) -> None:
    """Whoever trusts the digest before can check this one."""
    given = request.signer.public_key.keyid if request.signer else None
    if previous is None or previous.next_signer in (None, given):
        return
    said = f"the key given is {given}" if given else "no key was given"
    raise ConfigurationError(
        f"No digest was written: after digest {previous.sequence} key {previous.next_signer} signs, and {said}.\n"
        "  Give that key with --key. To change it, write one digest with the old key and --next-key NEW.pub."
    )


def _timestamped(signed: Signed, url: str | None) -> tuple[Signed, str | None]:
    if url is None:
        return signed, None
    from batch_audit.digest.timestamp import token_from

    try:
        return replace(signed, timestamps=(token_from(url, signed.authenticated),)), None
    except EvidenceIncomplete as error:  # a digest without a timestamp is worth more than none
        return signed, str(error)


def as_json(published: Published) -> dict[str, Any]:
    """What was published, as plain values for machines."""
    digest = published.signed.digest
    return {
        "digest": published.signed.hash,
        "sequence": digest.sequence,
        "block_no": digest.head.block_no,
        "block_hash": digest.head.block_hash,
        "signed_by": digest.signed_by,
        "batch_id": digest.batch_id,
        "file": None if published.path is None else str(published.path),
        "missing": published.missing,
    }
