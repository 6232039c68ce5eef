"""Digests as CI meets them: one line more in `batch-audit run`, and what `verify` says of it later."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.copies import copied
from tests.support.project import Project
from tests.support.runs import FILES, run

pytestmark = [pytest.mark.slow, pytest.mark.prepared]
PASSPHRASE = "correct horse battery"  # noqa: S105


def environment(project: Project, folder: Path, **added: str) -> dict[str, str]:
    """What CI sets for every run."""
    if not (folder / "key.pem").exists():
        project.batch_audit(
            "keys", "new", "--out", str(folder / "key.pem"), env={"BATCH_AUDIT_KEY_PASSPHRASE": PASSPHRASE}
        )
    return {
        "BATCH_AUDIT_DIGEST_DIR": str(folder / "digests"),
        "BATCH_AUDIT_WITNESS": str(folder / "witness.jsonl"),
        "BATCH_AUDIT_KEY": (folder / "key.pem").read_text(encoding="utf-8"),
        "BATCH_AUDIT_KEY_PASSPHRASE": PASSPHRASE,
        **added,
    }


def verified(project: Project, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit status and answer of verifying with all that is kept in a folder."""
    done = project.batch_audit(
        "verify", "--format", "json", "--digest", str(folder / "digests"), "--public-key",
        str(folder / "key.pem.pub"), *options, check=False,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_each_batch_gets_a_digest_and_whatever_happens_to_store_or_digests_is_named(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    project = make_project(
        files=FILES | {"models/leak.sql": "select '{{ env_var('BATCH_AUDIT_KEY', 'none') }}' as key"}
    )
    folder = tmp_path / "outside"
    folder.mkdir()
    env = environment(project, folder)
    witness = ("--witness", str(folder / "witness.jsonl"))

    status, first = run(project, "dbt", "build", env=env)
    assert (status, first["status"]) == (0, "success"), first
    assert first["digest"]["sequence"] == 1 and first["digest"]["batch_id"] == first["batch_id"]
    assert stat.S_IMODE(Path(first["digest"]["file"]).stat().st_mode) == 0o600
    assert project.query(f"select key from {project.target.schema}.leak") == [{"key": "none"}]
    restore = copied(project.target)
    project.write("models/orders.sql", "select 2 as order_id, 'open' as status")
    status, second = run(project, "dbt", "build", env=env)
    assert (status, second["digest"]["sequence"]) == (0, 2)
    head = second["digest"]["block_no"]

    status, answer = verified(project, folder, *witness)
    assert (status, answer["verdict"]) == (0, "ok")
    found = answer["digests"]
    assert (found["digests"], found["signed"], found["newest_block"], found["blocks_after"]) == (
        2,
        2,
        head,
        0,
    )
    assert (found["batches_without"], found["witness_lines"], found["moves"]) == ([], 2, [])

    _prove(project, folder)
    _attack_digests(project, folder, witness)

    restore()
    status, answer = verified(project, folder, *witness)
    assert (status, answer["damages"][0]["kind"]) == (1, "store_restored")
    assert answer["damages"][0]["block_no"] == head
    status, third = run(project, "dbt", "build", env=env)
    assert (status, third["status"], third["digest"]) == (4, "incomplete", None)
    assert f"digest 2 vouches for block {head}" in " ".join(third["left_open"])
    status, answer = verified(project, folder, *witness)
    assert (status, answer["damages"][0]["kind"]) == (1, "chain_rewritten")
    _no_secret_is_left(project, folder)


def _prove(project: Project, folder: Path) -> None:
    (change,) = project.audit(
        "select event_id from {audit}.audit_event where event_type = 'record_write' and change_type = 'insert'"
    )
    proof = folder / "proof.json"
    project.batch_audit(
        "prove",
        change["event_id"],
        "--out",
        str(proof),
        "--digest",
        str(folder / "digests"),
        "--with-payload",
    )
    # Elsewhere, without a project or a warehouse.
    check = ("verify-proof", str(proof), "--format", "json")
    done = project.batch_audit(*check, "--public-key", str(folder / "key.pem.pub"))
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["event"]["change_type"]) == ("proven", "insert")
    assert json.loads(answer["payload"]["new_value"]) == {"order_id": "2", "status": "open"}
    alone = project.batch_audit(*check, check=False)
    assert (alone.returncode, alone.stdout) == (1, "")
    assert "Without a public key nobody knows" in alone.stderr
    proof.write_bytes(proof.read_bytes().replace(b"|insert|", b"|update|"))
    changed = project.batch_audit(*check, "--public-key", str(folder / "key.pem.pub"), check=False)
    assert (changed.returncode, "The proof does not hold" in changed.stderr) == (1, True)


def _attack_digests(project: Project, folder: Path, witness: tuple[str, ...]) -> None:
    newest = folder / "digests" / "digest-00000002.json"
    kept = newest.read_bytes()
    newest.unlink()
    status, answer = verified(project, folder, *witness)
    assert (status, answer["damages"][0]["kind"]) == (1, "digest_replayed")
    status, answer = verified(project, folder)
    assert (status, len(answer["digests"]["batches_without"])) == (0, 1)
    newest.write_bytes(kept.replace(b'"sig":"', b'"sig":"A'))
    assert verified(project, folder)[1]["damages"][0]["kind"] == "digest_unreadable"
    newest.write_bytes(kept)
    missing_key = project.batch_audit("verify", "--digest", str(folder / "digests"), check=False)
    assert missing_key.returncode == 1
    assert (
        "not proven" in missing_key.stderr and "give the public key with --public-key" in missing_key.stderr
    )
    nothing = folder / "empty"
    nothing.mkdir()
    empty = project.batch_audit("verify", "--digest", str(nothing), check=False)
    assert (empty.returncode, "no_digest" in empty.stderr) == (1, True)
    gone = project.batch_audit("verify", "--digest", str(folder / "nowhere"), check=False)
    assert (gone.returncode, "There is no file or folder" in gone.stderr) == (1, True)


def _no_secret_is_left(project: Project, folder: Path) -> None:
    secret = (folder / "key.pem").read_text(encoding="utf-8").splitlines()[1].encode()
    files = [*project.root.rglob("*"), *(folder / "digests").rglob("*"), folder / "witness.jsonl"]
    for file in files:
        if file.is_file() and not file.is_symlink():
            content = file.read_bytes()
            assert secret not in content and PASSPHRASE.encode() not in content, file


@pytest.mark.parametrize("engine", ["duckdb"])
def test_a_digest_that_cannot_be_written_is_said_and_a_bad_key_stops_the_run_before_it_begins(
    make_project: Callable[..., Project], tmp_path: Path, engine: str
) -> None:
    project = make_project(files=FILES)
    (tmp_path / "file").write_text("in the way")
    status, summary = run(
        project, "dbt", "build", before=["--digest-dir", str(tmp_path / "file" / "digests")]
    )
    assert (status, summary["status"], summary["command_status"]) == (4, "incomplete", 0)
    assert any("the batch has no digest" in reason for reason in summary["left_open"])
    assert project.batch_audit("verify").returncode == 0

    for options, said in (
        (["--digest-dir", str(tmp_path / "d"), "--key", str(tmp_path / "file")], "no private key in PEM"),
        (["--key", str(tmp_path / "file")], "no place for the digests"),
    ):
        refused = project.batch_audit("run", *options, "--", "touch", "ran", check=False)
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr
    assert not (project.root / "ran").exists()

    unsigned = project.batch_audit("digest", "--out", str(tmp_path / "d" / "mine.json"))
    assert "NOT SIGNED: anybody could have written it" in unsigned.stderr
    checked = project.batch_audit("verify", "--digest", str(tmp_path / "d" / "mine.json"))
    assert "NOT SIGNED by a key that you gave" in checked.stderr
    printed = project.batch_audit("digest")
    assert json.loads(printed.stdout)["payloadType"] == "application/vnd.in-toto+json"
