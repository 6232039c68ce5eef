"""Runs the user's command as if nobody stood between: its console, its exit status, its signals."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

_TERMINAL_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
_OTHER_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126


@dataclass
class Signals:
    """The signals that reached the runner, passed on to the command that runs."""

    received: list[int] = field(default_factory=list)
    _child: subprocess.Popen[bytes] | None = None
    _patience: int | None = None

    def watch(self, child: subprocess.Popen[bytes]) -> None:
        """Pass signals on to `child`, those that came before it existed included."""
        self._child = child
        for number in self.received:
            self._pass_on(number)

    def finish(self) -> None:
        """The command has ended: the first signal from now on is ignored, the second one stops the runner."""
        self._child = None
        self._patience = 1

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The handler of all of them."""
        if self._patience is None:
            self.received.append(number)
            self._pass_on(number)
        elif self._patience == 0:
            raise KeyboardInterrupt
        else:
            self._patience -= 1

    def _pass_on(self, number: int) -> None:
        # The terminal sends its signals to the whole foreground group, so the command has them already.
        from_terminal = number in _TERMINAL_SIGNALS and _in_foreground()
        if self._child is not None and not from_terminal and self._child.poll() is None:
            self._child.send_signal(number)


@contextmanager
def caught_signals() -> Iterator[Signals]:
    """Keep the runner alive through signals. One that was ignored at the start (nohup) stays ignored.

    Without effect outside the main thread, where Python allows no handlers.
    """
    signals = Signals()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (*_TERMINAL_SIGNALS, *_OTHER_SIGNALS):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)


def run_command(
    command: Sequence[str], environment: Mapping[str, str], signals: Signals
) -> tuple[int, str | None]:
    """Run the command with this process's own stdin, stdout and stderr and wait for its end.

    Returns its exit status as a shell gives it (128 + n when signal n killed it, 127 not found, 126 not
    executable) and what the operating system said if it could not be started.
    """
    try:
        child = subprocess.Popen(list(command), env=dict(environment))  # noqa: S603 (the user's own command)
    except FileNotFoundError as error:
        return _NOT_FOUND, f"{error.strerror}: {command[0]}"
    except OSError as error:
        return _NOT_EXECUTABLE, f"{error.strerror}: {command[0]}"
    signals.watch(child)
    status = child.wait()
    return (status if status >= 0 else 128 - status), None


def signal_name(status: int) -> str | None:
    """The name of the signal that an exit status above 128 stands for."""
    try:
        return signal.Signals(status - 128).name if status > 128 else None
    except ValueError:
        return None


def late_processes(batch_id: str, patience: float = 2.0) -> tuple[int, ...]:
    """Processes of the batch that still live after up to `patience` seconds.

    A killed dbt leaves helpers of its own behind (Python's resource tracker) that end by themselves at once and
    write nothing; what lives longer may still write.
    """
    deadline = time.monotonic() + patience
    found = processes_of(batch_id)
    while found and time.monotonic() < deadline:
        time.sleep(0.05)
        found = processes_of(batch_id)
    return found


def processes_of(batch_id: str, proc: Path = Path("/proc")) -> tuple[int, ...]:
    """Living processes that carry this batch's id in their environment, without this one and those above it.

    Only Linux can be asked, and only about the user's own processes; elsewhere the answer is empty.
    """
    from batch_audit.runner.environment import BATCH_ID

    mark = f"{BATCH_ID}={batch_id}".encode()
    ours = _ancestors(proc)
    found = []
    for entry in proc.glob("[0-9]*") if proc.is_dir() else ():
        try:
            carries = int(entry.name) not in ours and mark in (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if carries and not _is_zombie(entry):
            found.append(int(entry.name))
    return tuple(sorted(found))


def _in_foreground() -> bool:
    """Whether this process is in the foreground group of a terminal."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _ancestors(proc: Path) -> set[int]:
    pid, found = os.getpid(), set[int]()
    while pid > 0 and pid not in found:
        found.add(pid)
        fields = _stat(proc / str(pid))
        pid = int(fields[1]) if fields else 0
    return found


def _is_zombie(entry: Path) -> bool:
    fields = _stat(entry)
    return not fields or fields[0] == "Z"


def _stat(entry: Path) -> list[str]:
    """State and parent of a process: the fields after its name, which may hold spaces (proc(5))."""
    try:
        return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
