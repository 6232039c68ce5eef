"""Renders reports as self-contained HTML pages, or as JSON."""

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

from batch_audit.history.versions import RecordHistory
from batch_audit.reports import text, values
from batch_audit.reports.earlier import VALUE_LISTED
from batch_audit.reports.page import build_page
from batch_audit.reports.read import CHANGES_PER_NODE, BatchReport
from batch_audit.reports.record_page import build_record_page
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
    """The page of a batch: no script, no network, nothing but itself. The same report gives the same bytes."""
    return render(
        "batch.html.j2", ["report.css"],
        r=report, batch=report.batch, page=build_page(report), changes_per_node=CHANGES_PER_NODE,
    )  # fmt: skip


def render_record(history: RecordHistory, store: str) -> str:
    """The page of a record, like that of a batch. `store` is where the history was read from.

    Raises ConfigurationError for a relation without captures.
    """
    return render(
        "record.html.j2", ["report.css", "record.css"],
        history=history, page=build_record_page(history), store=store,
    )  # fmt: skip


def render(template: str, styles: list[str], **context: Any) -> str:
    """A page with its styles in it, and a policy that lets it load nothing."""
    from markupsafe import Markup

    css = "".join(map(_stylesheet, styles))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    # The styles are our own files, which hold no data.
    return (
        _environment().get_template(template).render(css=Markup(css), policy=policy, **context)  # noqa: S704
    )


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
def _stylesheet(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")


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
    environment.filters |= {"pieces": values.pieces, "shown": values.shown}
    environment.globals |= {"shown_pair": values.shown_pair, "earlier_value": VALUE_LISTED}
    environment.filters["stored_record"] = lambda values: stored_values(values).items()
    return environment
