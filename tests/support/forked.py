"""Commands in processes of their own that start at once: they are forked from one that has imported dbt already.

A fork is the real command in every respect (arguments, environment, folder, exit status, output); what it saves is the
second and a half of imports, which a test of many short invocations would pay again and again.
"""

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import IO, Any, NoReturn

from tests.support.project import CHECKOUT, Project


@dataclass(frozen=True)
class Done:
    """What a command ended with."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """All that it printed."""
        return self.stdout + self.stderr


@dataclass
class Running:
    """A command that was started."""

    forks: "Forks"
    pid: int
    printed: Path

    def wait(self) -> Done:
        """Wait for its end."""
        status = self.forks.ask(wait=self.pid)
        printed = [self.printed.with_suffix(end) for end in (".out", ".err")]
        return Done(status, *(file.read_text(encoding="utf-8", errors="replace") for file in printed))


@dataclass
class Forks:
    """Starts dbt and batch-audit in a project; one at a time may use it."""

    process: "subprocess.Popen[str]"
    folder: Path
    started: list[Running] = field(default_factory=list)

    def ask(self, **request: Any) -> int:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def start(
        self, project: Project, *args: str, program: str = "dbt", env: Mapping[str, str] | None = None
    ) -> Running:
        """Start a command in the project's folder and return at once."""
        printed = self.folder / f"{len(self.started)}"
        pid = self.ask(
            program=program, args=args, folder=str(project.root), env=project.environment(env), printed=str(printed)
        )  # fmt: skip
        self.started.append(Running(self, pid, printed))
        return self.started[-1]

    def dbt(
        self, project: Project, *args: str, env: Mapping[str, str] | None = None, expect: int | None = 0
    ) -> Done:
        """Run dbt to its end; an exit status other than `expect` (None: any) fails with all output."""
        return self._ended(self.start(project, "--no-version-check", *args, env=env), args, expect)

    def batch_audit(self, project: Project, *args: str, expect: int | None = 0) -> Done:
        """Run batch-audit to its end, like `dbt`."""
        return self._ended(self.start(project, *args, program="batch_audit"), args, expect)

    def _ended(self, running: Running, args: tuple[str, ...], expect: int | None) -> Done:
        done = running.wait()
        if expect is not None and done.status != expect:
            raise AssertionError(f"{' '.join(args)} exited with {done.status}\n{done.output}")
        return done


@contextmanager
def forks() -> Iterator[Forks]:
    """A process that has imported dbt and both adapters, and waits for commands."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.forked"], cwd=CHECKOUT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUTF8": "1"},
        )  # fmt: skip
        try:
            yield Forks(process, Path(folder))
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Fork a process for each request that names a program; answer with its pid, later with its exit status."""
    for module in ("cli.main", "task.run", "adapters.duckdb", "adapters.postgres"):
        import_module(f"dbt.{module}")
    gc.freeze()  # what is imported by now is nobody's garbage
    for line in requests:
        request = json.loads(line)
        if "wait" in request:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["wait"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                _become(request)
        answers.write(f"{answer}\n")
        answers.flush()


def _become(request: dict[str, Any]) -> NoReturn:
    """Be the command until its end, which is this process's ordinary end."""
    from dbt.cli.main import cli as dbt

    from batch_audit.__main__ import main as batch_audit

    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, end in ((1, ".out"), (2, ".err")):
        os.dup2(os.open(request["printed"] + end, os.O_CREAT | os.O_WRONLY), number)
    sys.argv = [request["program"], *request["args"]]
    (dbt if request["program"] == "dbt" else batch_audit)()
    sys.exit(0)


if __name__ == "__main__":
    # Forked processes print to their own file; nothing but answers may reach the pipe.
    serve(sys.stdin, os.fdopen(os.dup(1), "w"))
