"""The spool survives what the runner does not."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.runner import spool
from batch_audit.runner.facts import Invocation, Node, Outcome, Start

START = Start(
    "b1", "2026-11", False, 1_000, "ann", "given", None, "dbt run", "shop", "/p", None, None, None, None, None, "h", 1,
    "0.1",
)  # fmt: skip
NODE = Node("model.shop.a", "success", "log", "model", "a")
OUTCOME = Outcome(1, 2_000, None, (), (Invocation("i1", nodes=(NODE,)),), ("said",))


def test_a_living_runs_record_is_left_alone_and_a_dead_ones_is_taken_over(tmp_path: Path) -> None:
    record = spool.begin(tmp_path, START, {}, None)
    record.outcome = OUTCOME
    record.save()
    assert spool.left_over(tmp_path) == ([], [])
    record.release()
    (found,), rejected = spool.left_over(tmp_path)
    assert (found.start, found.outcome, rejected) == (START, OUTCOME, [])
    found.remove()
    assert list(tmp_path.iterdir()) == []


def test_records_come_oldest_first_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    for batch_id, started_at in (("late", 2), ("early", 1)):
        spool.begin(tmp_path, replace(START, batch_id=batch_id, started_at=started_at), {}, None).release()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    records, _ = spool.left_over(tmp_path)
    assert [record.start.batch_id for record in records] == ["early", "late"]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version": 2}', json.dumps({"version": 1, "start": {}})]
)
def test_a_record_that_cannot_be_read_is_set_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / "torn.json").write_text(content, encoding="utf-8")
    records, (rejected,) = spool.left_over(tmp_path)
    assert records == []
    assert rejected.path == tmp_path / "rejected" / "torn.json"
    assert rejected.path.read_text(encoding="utf-8") == content
    assert spool.left_over(tmp_path) == ([], [])


def test_without_a_start_record_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Nothing was run"):
        spool.begin(tmp_path / "missing", START, {}, None)
