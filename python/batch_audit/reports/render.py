"""Renders a report as one self-contained HTML page, or as JSON."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import json
from datetime import datetime
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any

from batch_audit.reports import text
from batch_audit.reports.page import build_page
from batch_audit.reports.read import CHANGES_PER_NODE, BatchReport
from batch_audit.reports.records import stored_values

if TYPE_CHECKING:
    from jinja2 import Environment

_FILTERS = (
    "visible",
    "shortened",
    "count",
    "counted",
    "day",
    "clock",
    "utc",
    "iso",
    "duration",
    "record_key",
)


def render_html(report: BatchReport) -> str:
    """The page: no script, no network, nothing but itself. The same report gives the same bytes."""
    from markupsafe import Markup

    css = _stylesheet()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return _environment().get_template("batch.html.j2").render(
        r=report,
        batch=report.batch,
        page=build_page(report),
        css=Markup(css),  # noqa: S704  our own file, which holds no data
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        changes_per_node=CHANGES_PER_NODE,
    )  # fmt: skip


def render_json(report: BatchReport) -> str:
    """The report's rows as JSON: times in ISO 8601 UTC, seconds as numbers."""
    return json.dumps(dataclasses.asdict(report), ensure_ascii=False, indent=1, default=_as_json) + "\n"


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return text.iso(value)
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} has no JSON form in a report")


@functools.cache
def _stylesheet() -> str:
    return (resources.files(__package__) / "templates" / "report.css").read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("batch_audit.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update({name: getattr(text, name) for name in _FILTERS})
    environment.filters["stored_record"] = lambda values: stored_values(values).items()
    return environment
