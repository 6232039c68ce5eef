"""The report on one batch: read it, render it, write it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from batch_audit.errors import ConfigurationError
from batch_audit.reports.find import find_batch
from batch_audit.reports.read import BatchReport, read_batch
from batch_audit.reports.render import render_html, render_json
from batch_audit.warehouses.base import Warehouse

__all__ = [
    "BatchReport", "find_batch", "read_batch", "render_html", "render_json", "report_name", "write_batch_report",
    "write_report",
]  # fmt: skip


def write_batch_report(warehouse: Warehouse, batch_id: str, out_dir: Path) -> Path:
    """Write the page of one batch into a folder, and return the file.

    Raises StoreMissingError if the store, its views or the batch are missing, ConfigurationError if the file cannot be
    written.
    """
    report = read_batch(warehouse, batch_id)
    return write_report(out_dir / report_name(report, "html"), render_html(report))


def report_name(report: BatchReport, suffix: str) -> str:
    """The file name of a report: when the batch began and its id, so that a folder of reports sorts by time."""
    began = report.batch["started_at"]
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", str(report.batch["batch_id"]))[:80]
    return f"batch-{began:%Y%m%dT%H%M%SZ}-{safe}.{suffix}"


def write_report(path: Path, content: str) -> Path:
    """Write a report so that a reader never sees half of it. Only its owner may read it: it holds records.

    Raises ConfigurationError if it cannot be written.
    """
    half = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(half, "w", encoding="utf-8", newline="\n", opener=_private) as file:
            file.write(content)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise ConfigurationError(
            f"The report cannot be written to {path}: {error}.\n  Give another --out."
        ) from error
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
