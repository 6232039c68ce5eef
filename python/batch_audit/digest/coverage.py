"""What a check of digests came to: how much was checked, and by whom it is vouched for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from batch_audit.ledger.damage import Damage


@dataclass(frozen=True)
class DigestCoverage:
    """`signed` digests carry a valid signature of a trusted key; `vouched` ones are older, and a signed one holds the
    hash of the chain that ends with them; `unsigned` ones nobody vouches for.

    `first` and `newest` are numbers of digests, `newest_block` the block up to which a digest or the witness vouches,
    `blocks_after` the blocks behind it. `batches_without` are batches since the first digest that no digest names.
    `moves` says where the store changed its identity, `restores` what restores the digests state; `lost_digests` are
    those whose head such a restore took away. `timestamps` says of each token when it was made, or why it is not
    checked.
    """

    digests: int
    signed: int
    vouched: int
    unsigned: int
    first: int | None
    newest: int | None
    newest_block: int | None
    blocks_after: int
    witness_lines: int | None
    batches_without: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    restores: tuple[str, ...] = ()
    lost_digests: tuple[int, ...] = ()
    timestamps: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The coverage as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class DigestResult:
    """The coverage and the damages, of which there may be none."""

    coverage: DigestCoverage
    damages: Sequence[Damage] = field(default=())
