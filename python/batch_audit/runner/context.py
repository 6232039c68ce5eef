"""Who runs a batch, on which code, and where: from the environment, from git, from the operating system."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from batch_audit.runner.dbt_options import DbtCall
from batch_audit.setup.dbt_command import ADAPTERS

ActorSource = Literal["ci", "os", "given"]

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Actor:
    """A name and how it was learned; both None when nobody could say."""

    name: str | None
    source: ActorSource | None


@dataclass(frozen=True)
class CiRun:
    """What a CI provider says of the run; what it does not say is None."""

    provider: str
    actor: str | None
    commit: str | None
    branch: str | None
    run_url: str | None


@dataclass(frozen=True)
class Git:
    """The state of the project's folder; None is unknown (no git, no repository, too slow)."""

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class _Provider:
    """The variables of one CI provider: it runs there if `sign` is set; the first variable that is set counts.

    `run_url` is a template over variables; it is unknown when one of them is missing.
    """

    name: str
    sign: str
    actor: tuple[str, ...]
    commit: tuple[str, ...]
    branch: tuple[str, ...]
    run_url: str


# Each provider's documentation of its predefined variables. A re-run's author differs from the first run's on
# GitHub only, where GITHUB_TRIGGERING_ACTOR names who started it again.
_PROVIDERS = (
    _Provider(
        "github", "GITHUB_ACTIONS", ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"), ("GITHUB_SHA",),
        ("GITHUB_HEAD_REF", "GITHUB_REF_NAME"),
        "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
    ),
    _Provider(
        "gitlab", "GITLAB_CI", ("GITLAB_USER_LOGIN", "GITLAB_USER_EMAIL"), ("CI_COMMIT_SHA",),
        ("CI_COMMIT_REF_NAME",), "{CI_JOB_URL}",
    ),
    _Provider(
        "azure", "TF_BUILD", ("BUILD_REQUESTEDFOREMAIL", "BUILD_REQUESTEDFOR"), ("BUILD_SOURCEVERSION",),
        ("BUILD_SOURCEBRANCHNAME",),
        "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
    ),
    _Provider(
        "buildkite", "BUILDKITE", ("BUILDKITE_BUILD_CREATOR_EMAIL", "BUILDKITE_BUILD_CREATOR"),
        ("BUILDKITE_COMMIT",), ("BUILDKITE_BRANCH",), "{BUILDKITE_BUILD_URL}",
    ),
    _Provider(
        "bitbucket", "BITBUCKET_BUILD_NUMBER", ("BITBUCKET_STEP_TRIGGERER_UUID",), ("BITBUCKET_COMMIT",),
        ("BITBUCKET_BRANCH",), "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
    ),
    _Provider(
        "circleci", "CIRCLECI", ("CIRCLE_USERNAME",), ("CIRCLE_SHA1",), ("CIRCLE_BRANCH",),
        "{CIRCLE_BUILD_URL}",
    ),
    _Provider(
        "jenkins", "JENKINS_URL", ("BUILD_USER_ID", "BUILD_USER_EMAIL"), ("GIT_COMMIT",),
        ("BRANCH_NAME", "GIT_BRANCH"), "{BUILD_URL}",
    ),
)  # fmt: skip


def ci_of(environment: Environment) -> CiRun | None:
    """What the CI provider says that this environment belongs to; None outside the known providers."""
    for provider in _PROVIDERS:
        if environment.get(provider.sign):
            return CiRun(
                provider.name,
                _first(environment, provider.actor),
                _first(environment, provider.commit),
                _first(environment, provider.branch),
                _filled(provider.run_url, environment),
            )
    return None


def actor_of(given: str | None, ci: CiRun | None, os_user: str | None) -> Actor:
    """The actor: as given, else as CI says, else the operating system's user."""
    if given:
        return Actor(given, "given")
    if ci is not None and ci.actor:
        return Actor(ci.actor, "ci")
    return Actor(os_user, "os") if os_user else Actor(None, None)


def os_user() -> str | None:
    """The user that owns this process; its number where it has no name (containers)."""
    try:
        import pwd
    except ImportError:  # not a POSIX system
        return os.environ.get("USERNAME")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid:{os.getuid()}"


def git_of(folder: Path, timeout: float = 3.0) -> Git:
    """Commit, branch and uncommitted changes of `folder`, by one git call of at most `timeout` seconds.

    Untracked files count as changes: dbt would build a model that nobody committed.
    """
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--", "."]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command; git is found on the user's own PATH)
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
            text=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return Git()
    return git_status(done.stdout) if done.returncode == 0 else Git()


def git_status(output: str) -> Git:
    """Reads `git status --porcelain=v2 --branch` (git's manual, Porcelain Format Version 2)."""
    headers = dict(line[2:].split(" ", 1) for line in output.splitlines() if line.startswith("# branch."))
    commit, branch = headers.get("branch.oid"), headers.get("branch.head")
    changed = any(line and not line.startswith("#") for line in output.splitlines())
    return Git(
        None if commit in (None, "(initial)") else commit,
        None if branch in (None, "(detached)") else branch,
        changed,
    )


def code_of(git: Git, ci: CiRun | None) -> Git:
    """git's own answer, completed by CI's: a CI checkout is on no branch."""
    if ci is None:
        return git
    return Git(git.commit or ci.commit, git.branch or ci.branch, git.dirty)


def _first(environment: Environment, names: tuple[str, ...]) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _filled(template: str, environment: Environment) -> str | None:
    try:
        return template.format_map(environment)
    except KeyError:
        return None


def adapter_versions_of(call: DbtCall | None) -> dict[str, str]:
    """Adapter type to version of the dbt that a command starts, which dbt itself tells its log alone.

    Known where that dbt lives beside this Python, else empty: another environment may have other versions.
    """
    # `dbt` or `python -m dbt`; any other launcher chooses an environment of its own.
    words = call.launcher if call else ()
    program = shutil.which(words[0]) if len(words) == 1 or words[1:2] == ("-m",) else None
    if program is None or Path(program).parent != Path(sys.executable).parent:
        return {}
    versions = {}
    for name in ADAPTERS:
        with suppress(PackageNotFoundError):
            versions[name] = version(f"dbt-{name}")
    return versions
