"""Errors reach a person as one message and an exit status."""

import sys
from collections.abc import Callable

import click
import pytest

import batch_audit
from batch_audit.__main__ import main
from batch_audit.cli import cli
from batch_audit.errors import BatchAuditError


def run_main(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, doing: Callable[[], None] = lambda: None
) -> int:
    """The exit status of `batch-audit go …`, where the command `go` does what is given."""

    @click.command()
    def go() -> None:
        doing()

    monkeypatch.setattr(cli, "get_command", lambda ctx, command: go)
    monkeypatch.setattr(sys, "argv", ["batch-audit", "go", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("BatchAuditError", 2),
        ("ConfigurationError", 2),
        ("WarehouseError", 2),
        ("StoreMissingError", 2),
        ("VerificationFailed", 1),
        ("EvidenceIncomplete", 4),
    ],
)
def test_an_error_is_printed_and_gives_its_status(
    name: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error: type[BatchAuditError] = getattr(batch_audit, name)

    def fail() -> None:
        raise error("orders: no key. Set audit_key.")

    assert run_main(monkeypatch, doing=fail) == status
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "batch-audit: orders: no key. Set audit_key.\n")


def test_success_is_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_main(monkeypatch) == 0


def test_a_command_chooses_its_own_status(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_main(monkeypatch, doing=lambda: click.get_current_context().exit(4)) == 4


def test_a_usage_error_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(monkeypatch, "--no-such-option") == 2
    assert "No such option" in capsys.readouterr().err


def test_an_interrupt_is_not_taken_for_a_failed_verification(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    assert run_main(monkeypatch, doing=interrupt) == 130
    assert capsys.readouterr().err.strip() == "batch-audit: interrupted."


def test_the_public_names_are_the_declared_ones() -> None:
    assert all(hasattr(batch_audit, name) for name in batch_audit.__all__)
