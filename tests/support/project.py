"""A dbt project in a temporary folder, run by the real dbt and batch-audit in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from batch_audit.package import package_dir
from tests.support.target import Target

if TYPE_CHECKING:
    from batch_audit.settings import Settings
    from batch_audit.warehouses import Warehouse

HOOK = "{{ batch_audit.capture() }}"
DISPATCH = [{"macro_namespace": "dbt", "search_order": ["shop", "batch_audit", "dbt"]}]
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass
class Project:
    """A dbt project at `root`, on `target`; `env` is added to the environment of every command."""

    root: Path
    target: Target
    name: str = "shop"
    env: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project, with the folders above it."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def read(self, path: str) -> str:
        """The text of a file of the project."""
        return (self.root / path).read_text(encoding="utf-8")

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a command: no variables of ours or dbt's, no telemetry, no colours."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("DBT_", "BATCH_AUDIT_"))
        }
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        fixed = {
            "PATH": path,
            "PYTHONPATH": str(CHECKOUT / "python"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_USE_COLORS": "false",
            "NO_COLOR": "1",
        }
        return kept | fixed | self.env | dict(env or {})

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        check: bool = True,
        timeout: int = 240,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the project's folder; with `check` a status other than 0 fails with all output."""
        done = subprocess.run(
            list(command), cwd=self.root, env=self.environment(env), stdin=subprocess.DEVNULL,
            timeout=timeout, capture_output=True, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(
                f"{' '.join(command)} exited with {done.returncode}\n"
                f"--- stdout\n{done.stdout}\n--- stderr\n{done.stderr}"
            )
        return done

    def dbt(self, *args: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run dbt, for example `dbt("build", "--select", "orders")`. Options are those of `run`."""
        return self.run([str(Path(sys.executable).parent / "dbt"), "--no-version-check", *args], **options)

    def batch_audit(self, *args: str, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Run batch-audit, for example `batch_audit("status", "--format", "json")`. Options as for `run`."""
        return self.run([sys.executable, "-m", "batch_audit", *args], **options)

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a query on the target, by column name."""
        return self.target.query(sql)

    def audit(self, sql: str) -> list[dict[str, Any]]:
        """Like `query`, with `{audit}` for the audit schema: `select * from {audit}.audit_event`."""
        return self.query(sql.replace("{audit}", f'"{self.target.audit_schema}"'))

    def settings(self, **options: Any) -> "Settings":
        """Settings for this project, as the command line would make them."""
        from batch_audit.settings import Settings

        return Settings.from_options(**({"project_dir": self.root, "profiles_dir": self.root} | options))

    def warehouse(self, **options: Any) -> "Warehouse":
        """An open warehouse on the target; the caller closes it."""
        from batch_audit.warehouses import open_warehouse

        return open_warehouse(self.settings(**options), create=True)


def write_project(
    root: Path,
    target: Target,
    *,
    name: str = "shop",
    files: Mapping[str, str] | None = None,
    variables: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    installed: bool = True,
    hook: bool = True,
) -> Project:
    """Write a project that runs: dbt_project.yml, profiles.yml and `files` (path to text).

    `config` is merged into dbt_project.yml; `installed` links the batch_audit package as `dbt deps` would
    (which takes seconds); `hook` adds the capture hook to all models.
    """
    project = Project(root, target, name)
    described: dict[str, Any] = {
        "name": name, "version": "1.0.0", "config-version": 2, "profile": name, "model-paths": ["models"],
        "seed-paths": ["seeds"], "snapshot-paths": ["snapshots"], "macro-paths": ["macros"],
        "test-paths": ["tests"],
    }  # fmt: skip
    if hook:
        described["models"] = {"+post-hook": HOOK}
    if variables:
        described["vars"] = dict(variables)
    project.write("dbt_project.yml", yaml.safe_dump(described | dict(config or {}), sort_keys=False))
    project.write("profiles.yml", target.profile_yaml(name))
    if installed:
        project.write("packages.yml", yaml.safe_dump({"packages": [{"local": str(package_dir())}]}))
        (root / "dbt_packages").mkdir(exist_ok=True)
        (root / "dbt_packages" / "batch_audit").symlink_to(package_dir(), target_is_directory=True)
    for path, text in (files or {}).items():
        project.write(path, text)
    return project
