"""A store, what is kept of it outside, and what its administrator may do to both."""

from dataclasses import dataclass
from pathlib import Path

from batch_audit.digest.given import evidence_of
from batch_audit.digest.keys import new_key, signer
from batch_audit.digest.publish import Published, Request, publish
from batch_audit.ledger.judge import VerifyResult
from batch_audit.ledger.seal import seal_segments
from batch_audit.ledger.verify import verify_store
from tests.support.open_store import OpenStore


@dataclass
class Kept:
    """A store, and what is kept of it outside: digests, witness, a key pair."""

    store: OpenStore
    folder: Path

    @property
    def digests(self) -> Path:
        return self.folder / "digests"

    @property
    def witness(self) -> Path:
        return self.folder / "witness.jsonl"

    def publish(self, key: str | None = "key", **said: object) -> Published:
        key_file = self.folder / f"{key}.pem"
        if key and not key_file.exists():
            new_key(key_file, None)
        request = Request(
            self.digests, self.witness, signer(str(key_file), {}) if key else None, **said  # type: ignore[arg-type]
        )  # fmt: skip
        return publish(self.store.warehouse, request)

    def verify(self, *, witness: bool = True, key: str | None = "key") -> VerifyResult:
        """The same by SQL and in Python alone."""
        evidence = evidence_of(
            [self.digests],
            self.witness if witness else None,
            [self.folder / f"{key}.pem.pub"] if key else [],
            [],
        )
        found = [
            verify_store(self.store.warehouse, evidence=evidence, local=local) for local in (False, True)
        ]
        assert found[0].as_json() == found[1].as_json()
        return found[0]

    def first(self, **options: bool) -> tuple[str, int | None]:
        """The first damage and its block."""
        damage = self.verify(**options).damages[0]  # type: ignore[arg-type]
        return damage.kind, damage.block_no

    def write_third(self, now_us: int = 1_800_000_000_000_000) -> None:
        """Finish and seal the batch that is open."""
        with self.store.warehouse.transaction():
            seal_segments(self.store.warehouse, ["s-third"], now_us=now_us)


def cut_back(kept: Kept) -> None:
    kept.store.attack(
        "delete from {audit_block} where block_no > 12",
        *(f"delete from {{{table}}} where segment = 's-third'" for table in ("audit_event", "audit_segment")),
    )


def reseal(kept: Kept) -> None:
    """Change an event of the last batch, with its id, and seal the batch anew."""
    kept.store.attack("delete from {audit_block} where block_no > 12")
    kept.store.attack("delete from {audit_event} where segment = 's-third'")
    kept.write_third()


def new_genesis(kept: Kept) -> None:
    kept.store.attack("delete from {audit_block} where segment <> 's-third'", "delete from {audit_block}")
    with kept.store.warehouse.transaction():
        seal_segments(kept.store.warehouse, ["a-lineage", "s-first", "s-second", "s-third"], now_us=1)
