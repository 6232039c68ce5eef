"""The status of a batch is the same wherever it is told."""

import re
from itertools import product
from pathlib import Path

from batch_audit.runner.read_store import summed
from batch_audit.statuses import BY_SEVERITY, worst

VIEW = Path(__file__).resolve().parents[2] / "models" / "core" / "fct_audit_batches.sql"


def test_the_runner_and_the_status_command_agree_on_every_pair() -> None:
    for pair in product(BY_SEVERITY, repeat=2):
        assert summed([{"status": status} for status in pair])["status"] == worst(pair)


def test_the_view_weighs_in_the_same_order() -> None:
    weights = dict(re.findall(r"when '(\w+)'\s+then (\d+)", VIEW.read_text(encoding="utf-8")))

    assert sorted(BY_SEVERITY, key=lambda status: int(weights[status])) == list(BY_SEVERITY)
    assert weights["running"] == "1"


def test_a_batch_without_an_end_is_running() -> None:
    assert worst([]) == "running"
