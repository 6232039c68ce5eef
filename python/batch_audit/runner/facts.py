"""What is known about a run from outside the store: plain values, so that they can be spooled and planned with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

AUDITED_COMMANDS = ("run", "build", "seed", "snapshot", "test", "retry")
"""dbt commands that change or test data; the hooks write about these alone."""

BUILDING_COMMANDS = ("run", "build", "seed", "snapshot", "retry")
"""dbt commands that build relations."""


@dataclass(frozen=True)
class Start:
    """What the runner knew before the command began; times in microseconds since 1970-01-01 UTC."""

    batch_id: str
    batch_month: str
    joined: bool
    started_at: int
    actor: str | None
    actor_source: str | None
    job: str | None
    command: str
    project: str | None
    project_dir: str
    git_commit: str | None
    git_branch: str | None
    git_dirty: bool | None
    ci_provider: str | None
    run_url: str | None
    host: str
    pid: int
    package_version: str
    adapter_versions: Mapping[str, str] = field(default_factory=dict)

    def context(self) -> dict[str, Any]:
        """The JSON object that dbt's hooks read from the environment."""
        names = (
            "actor", "actor_source", "job", "git_commit", "git_branch", "git_dirty", "ci_provider", "run_url", "host",
            "command", "adapter_versions",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Node:
    """One node or test of an invocation, as far as dbt's artifacts and log tell."""

    unique_id: str
    status: str
    known_from: Literal["run_results", "log"]
    resource_type: str
    name: str
    started_at: int | None = None
    completed_at: int | None = None
    execution_us: int | None = None
    thread_id: str | None = None
    message: str | None = None
    rows_affected: int | None = None
    failures: int | None = None
    relation: str | None = None
    materialized: str | None = None
    raw_checksum: str | None = None
    compiled_checksum: str | None = None
    tested: str | None = None
    column_name: str | None = None
    severity: str | None = None
    asks_capture: bool = False

    @property
    def is_test(self) -> bool:
        """Data tests and unit tests are validations, not checkpoints."""
        return self.resource_type in ("test", "unit_test")

    @property
    def has_failing_rows(self) -> bool:
        """Whether on-run-end would have kept the rows that this test found."""
        return self.is_test and self.status in ("fail", "warn")


@dataclass(frozen=True)
class Invocation:
    """One dbt process of the batch. None is unknown; `ended` is True when dbt itself said how it ended."""

    invocation_id: str
    command: str | None = None
    started_at: int | None = None
    ended_at: int | None = None
    ended: bool = False
    succeeded: bool | None = None
    interrupted: bool = False
    nothing_selected: bool = False
    hook_error: str | None = None
    error: str | None = None
    dbt_version: str | None = None
    adapter: str | None = None
    selected: int | None = None
    nodes: tuple[Node, ...] = ()

    @property
    def audited(self) -> bool:
        """Whether the hooks should have written about it: a command of data, or one that is not known but built."""
        return self.command in AUDITED_COMMANDS or (
            self.command is None and bool(self.nodes or self.selected)
        )


@dataclass(frozen=True)
class Outcome:
    """How the command ended and what its dbt processes did, as far as it could be seen.

    `status` is None when the runner itself did not live to see the end.
    """

    status: int | None
    ended_at: int
    signal: str | None = None
    late: tuple[int, ...] = ()
    invocations: tuple[Invocation, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


def as_json(value: Start | Outcome) -> dict[str, Any]:
    """Facts as plain values for the spool."""
    return asdict(value)


def outcome_from_json(value: Mapping[str, Any]) -> Outcome:
    """The inverse of `as_json`. Raises KeyError, TypeError or ValueError for anything else."""
    invocations = tuple(
        Invocation(**{**item, "nodes": tuple(Node(**node) for node in item["nodes"])})
        for item in value["invocations"]
    )
    return Outcome(
        **{**value, "invocations": invocations, "late": tuple(value["late"]), "notes": tuple(value["notes"])}
    )
