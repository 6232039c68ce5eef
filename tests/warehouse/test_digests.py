"""Digests of stores on both engines: written, held against the store, and against what an administrator can do."""

import json
import re
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from batch_audit.digest.given import evidence_of
from batch_audit.digest.keys import new_key
from batch_audit.digest.publish import Request, publish
from batch_audit.errors import BatchAuditError, ConfigurationError, EvidenceIncomplete, VerificationFailed
from batch_audit.ledger.verify import verify_store
from batch_audit.proof.check import check
from batch_audit.proof.proof import problems, read_proof
from batch_audit.proof.prove import prove
from batch_audit.warehouses.incarnation import identity_of
from tests.support.attacks import ROW_17
from tests.support.copies import copied
from tests.support.kept import Kept, cut_back, new_genesis, reseal
from tests.support.open_store import OpenStore
from tests.support.project import Project
from tests.support.synthetic_store import ORDERS, SyntheticStore, create_tables, ordinary_store
from tests.support.target import Target


@pytest.fixture
def kept(open_store: Callable[[SyntheticStore], OpenStore], tmp_path: Path) -> Kept:
    """A store with a digest of its blocks 1 to 12, and one of the batch after them, whose blocks are 13 to 16."""
    made = Kept(open_store(ordinary_store()), tmp_path)
    made.publish()
    made.write_third()
    made.publish()
    return made


def test_digests_follow_each_other_and_the_store(kept: Kept) -> None:
    files = sorted(kept.digests.glob("*.json"))

    assert [file.name for file in files] == ["digest-00000001.json", "digest-00000002.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in [*files, kept.witness]} == {0o600}
    assert sorted(child.name for child in kept.digests.iterdir()) == [
        ".batch-audit.lock",
        *(f.name for f in files),
    ]
    result = kept.verify()
    assert result.ok and result.digests is not None
    found = result.digests
    assert (found.digests, found.signed, found.newest_block, found.witness_lines) == (2, 2, 16, 2)
    assert (found.moves, found.batches_without) == ((), ())
    counts = kept.publish().signed.digest.sealed_rows
    assert counts == {
        name: kept.store.warehouse.query(f"select count(*) as n from {kept.store.warehouse.table(name)}")[0][
            "n"
        ]
        for name in ("audit_segment", "audit_event", "audit_record_edge", "audit_column_edge")
    }


STORE_ATTACKS = {
    "the tail is cut off with its rows": (cut_back, "tail_truncated", 16),
    "the tail is rewritten and sealed anew": (reseal, "chain_rewritten", 16),
    "everything is sealed anew": (new_genesis, "digest_of_another_store", 12),
}


@pytest.mark.parametrize("name", STORE_ATTACKS)
def test_what_the_store_alone_cannot_show_digests_do(kept: Kept, name: str) -> None:
    attack, kind, block_no = STORE_ATTACKS[name]
    attack(kept)

    assert kept.store.verify().ok
    assert kept.first() == (kind, block_no)
    before = sorted(kept.digests.iterdir()), kept.witness.read_bytes()
    with pytest.raises(VerificationFailed, match="vouches for block 16"):
        kept.publish()
    assert (sorted(kept.digests.iterdir()), kept.witness.read_bytes()) == before


def test_an_older_set_of_digests_over_a_truncated_store_needs_the_witness(kept: Kept) -> None:
    cut_back(kept)
    (kept.digests / "digest-00000002.json").unlink()

    assert kept.verify(witness=False).ok
    assert kept.first() == ("digest_replayed", 16)
    with pytest.raises(VerificationFailed, match="digest 2 vouches for block 16"):
        kept.publish()


def test_a_digest_that_is_removed_forged_or_put_in_by_somebody_without_the_key_is_named(kept: Kept) -> None:
    kept.publish()
    path = kept.digests / "digest-00000002.json"
    original = path.read_bytes()
    path.unlink()
    assert kept.first(witness=False) == ("digest_missing", 12)

    path.write_bytes(original.replace(b'"keyid":"', b'"keyid":"0'))
    assert kept.first(witness=False)[0] == "digest_unreadable"

    envelope = json.loads(original)
    envelope["signatures"][0]["sig"] = json.loads((kept.digests / "digest-00000001.json").read_bytes())[
        "signatures"
    ][0]["sig"]
    path.write_bytes(json.dumps(envelope, separators=(",", ":"), sort_keys=True).encode() + b"\n")
    assert kept.first() == ("digest_forged", 16)


def test_nothing_follows_a_newest_digest_that_cannot_be_read_or_is_not_the_witnesss(kept: Kept) -> None:
    path = kept.digests / "digest-00000002.json"
    original = path.read_bytes()
    path.write_bytes(original[:-1])
    with pytest.raises(VerificationFailed, match="is no digest: it does not end with a line break"):
        kept.publish()
    path.write_bytes(original)
    kept.witness.write_bytes(kept.witness.read_bytes().splitlines(keepends=True)[0])
    (kept.digests / "digest-00000001.json").unlink()
    kept.publish()
    (kept.digests / "digest-00000003.json").rename(kept.digests / "named.json")
    assert kept.publish().signed.digest.sequence == 4
    path.write_bytes(original)
    assert len(kept.witness.read_bytes().splitlines()) == 4


def test_a_key_is_missed_and_another_one_is_not_taken(kept: Kept) -> None:
    new_key(kept.folder / "other.pem", None)

    assert kept.first(key=None) == ("key_missing", None)
    assert kept.first(key="other")[0] == "digest_untrusted"
    with pytest.raises(ConfigurationError, match=r"after digest 2 key \w+ signs, and the key given is"):
        kept.publish("other")
    with pytest.raises(ConfigurationError, match="no key was given"):
        kept.publish(None)


def test_a_key_is_changed_by_the_old_one(kept: Kept) -> None:
    new_key(kept.folder / "new.pem", None)
    kept.publish(next_key=(kept.folder / "new.pem.pub").read_text())
    with pytest.raises(ConfigurationError, match="after digest 3"):
        kept.publish()
    kept.publish("new")

    for key, signed in (("key", 4), ("new", 1)):
        result = kept.verify(key=key)
        assert result.ok and result.digests is not None
        assert (result.digests.signed, result.digests.vouched) == (signed, 4 - signed)


def test_a_folder_that_is_lost_is_continued_from_the_witness(kept: Kept) -> None:
    for file in kept.digests.glob("*.json"):
        file.unlink()

    published = kept.publish()

    assert published.signed.digest.sequence == 3
    result = kept.verify()
    assert result.ok and result.digests is not None and result.digests.first == 3
    with pytest.raises(ConfigurationError, match="no key was given"):
        kept.publish(None)


def test_a_witness_that_a_killed_run_left_behind_is_caught_up(kept: Kept) -> None:
    lines = kept.witness.read_bytes().splitlines(keepends=True)
    kept.witness.write_bytes(lines[0])
    assert kept.first() == ("witness_cut", 12)

    kept.publish()

    assert kept.witness.read_bytes().splitlines(keepends=True)[:2] == lines
    assert kept.verify().ok


def test_nothing_sealed_and_nowhere_to_write_is_evidence_that_misses(
    open_store: Callable[[SyntheticStore], OpenStore], tmp_path: Path
) -> None:
    store = SyntheticStore()
    store.open_segment("s-open")
    empty = Kept(open_store(store), tmp_path)
    with pytest.raises(EvidenceIncomplete, match="has no block yet"):
        empty.publish()
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceIncomplete, match="could not be written"):
        publish(empty.store.warehouse, Request(out=tmp_path / "file" / "digests"))


@pytest.mark.parametrize("engine", ["postgres"])
def test_digests_that_are_written_at_once_follow_each_other(
    kept: Kept, make_project: Callable[..., Project], engine: str
) -> None:
    others = [
        Kept(OpenStore(make_project(f"p{n}", installed=False, hook=False).warehouse()), kept.folder)
        for n in range(4)
    ]
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda other: [other.publish() for _ in range(5)], others))
    for other in others:
        other.store.warehouse.close()

    numbers = sorted(published.signed.digest.sequence for each in written for published in each)
    assert numbers == list(range(3, 23))
    result = kept.verify()
    assert result.ok and result.digests is not None and result.digests.witness_lines == 22


@pytest.mark.parametrize("engine", ["postgres"])
def test_a_postgres_store_is_known_by_cluster_database_and_table(kept: Kept, engine: str) -> None:
    identity = identity_of(kept.store.warehouse)

    assert identity is not None and re.fullmatch(r"cluster \d+ timeline 1, database \d+, table \d+", identity)
    kept.store.warehouse.execute(
        "create role reader login; grant usage on schema shop_audit to reader; set role reader"
    )
    assert identity_of(kept.store.warehouse) == identity
    kept.store.warehouse.execute("reset role; drop owned by reader; drop role reader")


def test_a_digest_without_its_timestamp_is_written_and_says_so(kept: Kept) -> None:
    published = kept.publish(timestamp_url="http://127.0.0.1:9/")

    assert published.missing is not None and "gave no timestamp" in published.missing
    assert published.path is not None and published.path.exists()
    assert kept.verify().ok


def test_a_part_of_the_store_is_checked_and_the_rest_is_said_not_to_be(kept: Kept) -> None:
    """Segment s-first has 316 rows in blocks 1 to 4."""
    kept.store.attack(f"update {{audit_event}} set actor = 'eve' where {ROW_17}")
    warehouse = kept.store.warehouse
    for local in (False, True):
        late = verify_store(warehouse, since=4, local=local)
        assert late.ok
        assert (late.coverage.unread_segments, late.coverage.blocks) == (1, 16)
        assert late.coverage.unread_rows == late_rows(kept)
        early = verify_store(warehouse, since=3, local=local)
        assert early.kinds == {"event_edited": 1, "rows_altered": 1}
        sampled = [verify_store(warehouse, sample=1, local=local) for _ in range(12)]
        assert {result.coverage.unread_segments for result in sampled} == {3}
        everything = verify_store(warehouse, sample=100, local=local)
        assert everything.kinds == {"event_edited": 1, "rows_altered": 1}
        assert verify_store(warehouse, since=16, local=local).kinds == {"nothing_checked": 1}
    kept.store.attack("update {audit_block} set sealed_at = 1 where block_no = 2")
    assert "block_edited" in verify_store(warehouse, since=4).kinds


def late_rows(kept: Kept) -> int:
    count = "select count(*) as n from {{{}}} where segment = 's-first'"
    found = [
        kept.store.warehouse.query(kept.store.sql(count.format(name)))
        for name in ("audit_segment", "audit_event")
    ]
    return sum(rows[0]["n"] for rows in found)


def test_every_event_of_a_store_can_be_proven_and_a_damaged_one_cannot(kept: Kept) -> None:
    warehouse = kept.store.warehouse
    given = evidence_of([kept.digests], None, [kept.folder / "key.pem.pub"], [])
    assert given is not None and given.digests is not None
    digests = [found.signed for found in given.digests if found.signed]
    events = warehouse.query(
        kept.store.sql("select event_id, part, seq, payload_commitment from {audit_event}")
    )
    largest = 0
    for event in [*events[::40], *(event for event in events if event["seq"] in (1, 255, 256, 257, 300))]:
        proof = read_proof(prove(warehouse, event["event_id"], digests).file())
        largest = max(largest, len(proof.file()))
        assert list(problems(proof)) == []
        assert proof.event["seq"] == str(event["seq"]) and proof.event["part"] == event["part"]
        assert proof.payload is None and proof.digest is not None
        assert "signed by key" in check(proof, given.keys, [])
    assert largest < 40_000
    change = next(event for event in events if event["part"] == ORDERS and event["seq"] == 17)["event_id"]
    payload = prove(warehouse, change, digests, with_payload=True).payload
    assert payload is not None and payload["new_value"] == '{"note":"None"}'
    with pytest.raises(BatchAuditError, match="has no payload"):
        prove(
            warehouse,
            next(e["event_id"] for e in events if e["payload_commitment"] is None),
            with_payload=True,
        )
    with pytest.raises(BatchAuditError, match="There is no event 'x'"):
        prove(warehouse, "x")
    kept.store.attack(f"update {{audit_event}} set actor = 'eve' where {ROW_17.replace('17', '18')}")
    with pytest.raises(VerificationFailed, match="cannot be proven"):
        prove(warehouse, change, digests)


def test_an_event_that_is_not_sealed_cannot_be_proven(
    open_store: Callable[[SyntheticStore], OpenStore],
) -> None:
    store = ordinary_store(changes=3)
    opened = open_store(store)
    (event,) = opened.warehouse.query(
        opened.sql("select event_id from {audit_event} where segment = 's-third'")
    )

    with pytest.raises(BatchAuditError, match="is not sealed yet"):
        prove(opened.warehouse, event["event_id"])


def test_a_restored_backup_is_named_and_goes_on_once_it_is_stated(
    make_project: Callable[..., Project], warehouse_target: Target, tmp_path: Path
) -> None:
    project = make_project(installed=False, hook=False)
    create_tables(warehouse_target)
    first = project.warehouse()
    ordinary_store(changes=3).write(first)
    kept = Kept(OpenStore(first), tmp_path)
    kept.publish()
    first.close()
    restore = copied(warehouse_target)
    kept.store.warehouse = project.warehouse()
    kept.write_third()
    kept.publish()
    kept.store.warehouse.close()
    restore()

    kept.store.warehouse = project.warehouse()
    result = kept.verify()
    assert [(damage.kind, damage.block_no) for damage in result.damages] == [("store_restored", 16)]
    assert result.digests is not None and "between digest 2 and now: " in result.digests.moves[0]
    with pytest.raises(VerificationFailed, match="If you restored a backup yourself"):
        kept.publish()
    kept.publish(restored="the disk failed")
    kept.write_third(now_us=1_800_000_000_000_001)
    kept.publish()
    stated = kept.verify()
    assert stated.ok and stated.digests is not None
    # Block 16 is there again and is another one.
    assert (stated.digests.lost_digests, stated.digests.restores) == ((2,), ("digest 3: the disk failed",))
    kept.store.warehouse.close()
