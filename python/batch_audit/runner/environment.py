"""The environment that dbt gets from the runner, and what a nested runner finds in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batch_audit.errors import ConfigurationError
from batch_audit.runner.facts import Start
from batch_audit.settings import Settings, nearest_project_dir

# dbt copies variables with this prefix into its artifacts' metadata, which is how an artifact proves its batch.
PREFIX = "DBT_ENV_CUSTOM_ENV_"
BATCH_ID = f"{PREFIX}BATCH_AUDIT_BATCH_ID"
BATCH_MONTH = f"{PREFIX}BATCH_AUDIT_BATCH_MONTH"
CONTEXT = f"{PREFIX}BATCH_AUDIT_CONTEXT"
_OURS = (
    "BATCH_AUDIT_KEY",
    "BATCH_AUDIT_KEY_PASSPHRASE",
    "BATCH_AUDIT_DIGEST_DIR",
    "BATCH_AUDIT_WITNESS",
    "BATCH_AUDIT_TIMESTAMP_URL",
)


@dataclass(frozen=True)
class Identity:
    """Which batch a run belongs to; `month` is None when a batch is joined whose month is not known yet."""

    batch_id: str
    month: str | None
    joined: bool


def identity(given: str | None, environment: Mapping[str, str]) -> Identity | None:
    """The batch to join, by `--batch-id` or by the environment of a surrounding run; None for a new batch.

    Raises ConfigurationError for an id or a month that cannot be one.
    """
    around = environment.get(BATCH_ID) or None
    batch_id = given or around
    if batch_id is None:
        return None
    if len(batch_id) > 200 or not batch_id.isprintable() or batch_id != batch_id.strip():
        raise ConfigurationError(
            f"The batch id {batch_id[:60]!r} cannot be used: it must be printable, without blanks around it,"
            " and at most 200 characters long."
        )
    month = environment.get(BATCH_MONTH) or None if batch_id == around else None
    if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise ConfigurationError(f"{BATCH_MONTH} is {month!r}; it must be a month such as 2026-11.")
    return Identity(batch_id, month, True)


def for_dbt(start: Start, settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The command's environment: the user's own, the batch, and batch-audit's options under dbt's names.

    Options are passed on so that dbt and the runner use the same project and profile. The key and what belongs to
    digests is not: a macro could read it, and one digest is written for the batch, by the outermost run.
    """
    added = {
        BATCH_ID: start.batch_id,
        BATCH_MONTH: start.batch_month,
        CONTEXT: json.dumps(start.context(), ensure_ascii=False),
    }
    here = nearest_project_dir(Path.cwd())
    options = {
        "PROJECT_DIR": None if settings.project_dir == here else settings.project_dir,
        "PROFILES_DIR": settings.profiles_dir,
        "PROFILE": settings.profile,
        "TARGET": settings.target,
    }
    for name, value in options.items():
        if value is not None:
            # dbt 1.11 prefers the new name where both are set.
            new, old = f"DBT_ENGINE_{name}", f"DBT_{name}"
            added[new if new in environment else old] = str(value)
    return {**{name: value for name, value in environment.items() if name not in _OURS}, **added}
