"""The user's command runs as if nobody stood between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batch_audit.runner.process import Signals, processes_of, run_command, signal_name

RUN = """
import os, sys
from batch_audit.runner.process import caught_signals, run_command, signal_name
with caught_signals() as signals:
    status, _ = run_command(["sh", "-c", sys.argv[1]], os.environ, signals)
    signals.finish()
print(status, signal_name(status))
"""


def test_the_status_is_the_commands_own(tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("no program", encoding="utf-8")
    environment = dict(os.environ)
    assert run_command(["sh", "-c", "exit 7"], environment, Signals()) == (7, None)
    assert run_command(["no-such-command"], environment, Signals()) == (
        127, "No such file or directory: no-such-command",
    )  # fmt: skip
    assert run_command([str(plain)], environment, Signals()) == (126, f"Permission denied: {plain}")
    assert run_command([str(tmp_path)], environment, Signals()) == (126, f"Permission denied: {tmp_path}")
    plain.chmod(0o755)
    assert run_command([str(plain)], environment, Signals()) == (126, f"Exec format error: {plain}")
    assert run_command(["sh", "-c", "kill -9 $$"], environment, Signals()) == (137, None)
    assert [signal_name(status) for status in (0, 2, 128, 137, 143, 255)] == [
        None, None, None, "SIGKILL", "SIGTERM", None,
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("trap", ["", "trap 'exit 9' TERM HUP INT; "])
def test_a_signal_reaches_the_command_and_not_the_runner(number: signal.Signals, trap: str) -> None:
    command = [sys.executable, "-c", RUN, trap + "echo ready; while :; do sleep 0.05; done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
        runner.send_signal(number)
        said = runner.stdout.readline()
    assert runner.returncode == 0
    assert said == ("9 None\n" if trap else f"{128 + number} {number.name}\n")


def test_a_process_of_the_batch_is_found_until_it_ends() -> None:
    mark = {**os.environ, "DBT_ENV_CUSTOM_ENV_BATCH_AUDIT_BATCH_ID": "batch-of-this-test"}
    with subprocess.Popen(["sh", "-c", "echo up; exec sleep 30"], env=mark, stdout=subprocess.PIPE) as late:
        assert late.stdout is not None
        late.stdout.readline()
        assert processes_of("batch-of-this-test") == (late.pid,)
        assert processes_of("batch-of-this") == ()
        late.kill()
    assert processes_of("batch-of-this-test") == ()
