"""Checks of dbt itself: its version, its adapter, its parse of the project, its connection."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator

from batch_audit.setup.context import Context
from batch_audit.setup.dbt_command import ADAPTERS
from batch_audit.setup.findings import Finding

# dbt-core 1.10 does not read the `arguments` of a test, as the package's YAML writes them, unless a flag asks for it.
LOWEST, BELOW = (1, 11), (2, 0)


def parses(context: Context) -> Iterator[Finding]:
    """dbt can parse the project."""
    if problem := context.problems.get("manifest"):
        remedy = "Correct what dbt says. If it misses a package, run `dbt deps` first."
        yield Finding("fail", "project", f"dbt cannot parse it:\n{problem}", remedy)
    else:
        yield Finding("ok", "project", "dbt parses it")


def version(context: Context) -> Iterator[Finding]:
    """dbt-core is one of the versions that the package works with."""
    found = context.manifest.dbt_version if context.manifest else importlib.metadata.version("dbt-core")
    numbers = tuple(int(number) for number in re.findall(r"\d+", found)[:2])
    if LOWEST <= numbers < BELOW:
        yield Finding("ok", "dbt-core", found)
    else:
        why = f"{found} is outside the supported range >=1.11,<2"
        yield Finding("fail", "dbt-core", why, "Install a supported one: pip install 'dbt-core>=1.11,<2'.")


def adapter(context: Context) -> Iterator[Finding]:
    """The target's adapter is one that the package has SQL for."""
    found = context.parsed.adapter
    if found in ADAPTERS:
        yield Finding("ok", found, "supported adapter")
    else:
        why = f"is not supported ({', '.join(ADAPTERS)} are): every audited run would stop at its start"
        yield Finding(
            "fail", found, why, "Use another target, or set the var batch_audit_enabled: false for this one."
        )


def connection(context: Context) -> Iterator[Finding]:
    """The profile loads and its target can be reached."""
    if context.warehouse is not None:
        yield Finding("ok", context.warehouse.database, f"connected ({context.warehouse.engine})")
    elif context.new_database:
        why = "the DuckDB file does not exist yet; the first build creates it"
        yield Finding("warn", "database", why, "Run `batch-audit init`.")
    else:
        why = context.problems.get("warehouse", "no connection was tried")
        yield Finding("fail", "profile", why, "Correct the profile until `dbt debug` succeeds.")
