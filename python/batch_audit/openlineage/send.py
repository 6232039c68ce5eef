"""Delivers events: appended to a file, or sent by the OpenLineage client within a time limit."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from batch_audit.errors import ConfigurationError, DeliveryError
from batch_audit.openlineage.destination import Destination
from batch_audit.openlineage.events import Event
from batch_audit.runner.secrets import hide_known, secret_values

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient

_SWITCHED_OFF = "OPENLINEAGE_DISABLED"
_RETRIED = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Limits:
    """Seconds for one answer and for all events; how often one event is tried again after an error of the server."""

    answer: float = 10.0
    all: float = 60.0
    retries: int = 2
    wait: float = 0.3


def as_lines(events: Sequence[Event]) -> str:
    """The events as NDJSON, one object per line, in ASCII: so that any text in them can be written anywhere."""
    return "".join(json.dumps(event) + "\n" for event in events)


def deliver(events: Sequence[Event], destination: Destination, limits: Limits | None = None) -> str:
    """Append or send all events, and say what was done.

    Raises DeliveryError if they did not all arrive: what arrived may be sent again, it is the same run.
    """
    if destination.kind == "file":
        _append(destination.address, as_lines(events))
        return f"{len(events)} events appended to {destination.address}"
    if os.environ.get(_SWITCHED_OFF, "").strip().lower() == "true":
        return f"no events were sent: {_SWITCHED_OFF} is true"
    with _silent("urllib3", "openlineage"):
        _send(events, destination, limits or Limits())
    return f"{len(events)} events sent to {destination.shown}"


@contextmanager
def _silent(*names: str) -> Iterator[None]:
    """Without the log of these libraries: it shows the path of an address, and what went wrong is said by us."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _append(path: str, lines: str) -> None:
    """Append all lines, after one that a crash cut short; only the owner may read a new file."""
    try:
        with open(path, "ab+", buffering=0, opener=_private) as file:
            end = file.seek(0, os.SEEK_END)
            cut = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            rest = (("\n" if cut else "") + lines).encode("ascii")
            while rest:
                rest = rest[file.write(rest) or 0 :]
    except OSError as error:
        raise DeliveryError(f"OpenLineage events cannot be written to {path}: {error.strerror}.") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _send(events: Sequence[Event], destination: Destination, limits: Limits) -> None:
    deadline = time.monotonic() + limits.all
    client = _client(destination, limits)
    sent = 0
    try:
        for event in events:
            if time.monotonic() > deadline:
                raise TimeoutError(f"it took longer than {limits.all:g} s")
            client.emit(_as_client_event(event))
            sent += 1
        if not client.close(timeout=max(0.0, deadline - time.monotonic())):
            raise TimeoutError("the client did not finish in time")
    except Exception as error:  # every transport has errors of its own
        raise DeliveryError(
            f"{sent} of {len(events)} OpenLineage events were sent to {destination.shown}: {_why(error, limits)}."
            " Send all of them again later; it is the same run."
        ) from error


def _client(destination: Destination, limits: Limits) -> OpenLineageClient:
    """The client, for the URL or as it is configured. Raises ConfigurationError where nothing configures it."""
    from openlineage.client import OpenLineageClient

    transport = _http(destination.address, limits) if destination.kind == "url" else None
    try:
        client = OpenLineageClient(transport=transport)
        # The client would add the commit that is checked out now, which need not be the one that ran.
        client.config.facets.source_code_location.disabled = True
    except Exception as error:  # a configuration of the wrong shape fails in the client's own ways
        raise ConfigurationError(
            f"The OpenLineage client cannot be set up: {_text(error)}.\n  Check openlineage.yml and OPENLINEAGE_… ."
        ) from error
    if client.transport.kind == "console":
        raise ConfigurationError(
            "Nothing tells the OpenLineage client where to send: set OPENLINEAGE_URL, or write an openlineage.yml."
        )
    return client


def _http(url: str, limits: Limits) -> Any:
    """The client's HTTP transport. Redirects are errors: a POST that is redirected may arrive as an empty GET."""
    import requests
    from openlineage.client.transport.http import (
        ApiKeyTokenProvider,
        HttpConfig,
        HttpTransport,
        TokenProvider,
    )

    key = os.environ.get("OPENLINEAGE_API_KEY")
    session = requests.Session()
    session.max_redirects = 0
    # Without the slash the client puts the endpoint in place of the path's last part, and tries nothing again there.
    parts = urlsplit(url)
    url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + "/", query="", fragment=""))
    retry = {
        "total": limits.retries, "backoff_factor": limits.wait, "status_forcelist": _RETRIED,
        "allowed_methods": ["POST"], "raise_on_status": False, "respect_retry_after_header": False,
    }  # fmt: skip
    config = HttpConfig(
        url, endpoint=os.environ.get("OPENLINEAGE_ENDPOINT") or "api/v1/lineage", timeout=limits.answer,
        auth=ApiKeyTokenProvider({"api_key": key}) if key else TokenProvider({}), session=session, retry=retry,
    )  # fmt: skip
    return HttpTransport(config)


def _as_client_event(event: Event) -> Any:
    """The event as the client's own class, so that its filters and tags apply. Other facets stay plain."""
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.facet_v2 import tags_run

    facets = dict(event["run"].get("facets", {}))
    if "tags" in facets:
        # The client adds its own tags to these, as objects.
        tags = [tags_run.TagsRunFacetFields(**tag) for tag in facets["tags"]["tags"]]
        facets["tags"] = tags_run.TagsRunFacet(tags=tags, producer=event["producer"])
    return RunEvent(
        eventType=RunState(event["eventType"]), eventTime=event["eventTime"], producer=event["producer"],
        run=Run(event["run"]["runId"], facets), job=Job(**event["job"]),
        inputs=[InputDataset(**item) for item in event["inputs"]],
        outputs=[OutputDataset(**item) for item in event["outputs"]],
    )  # fmt: skip


def _why(error: Exception, limits: Limits) -> str:
    """What went wrong, without the URL, which may hold a password or a token."""
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError) and error.response is not None:
        status = error.response.status_code
        hint = ", check OPENLINEAGE_API_KEY" if status in (401, 403) else ""
        return f"the server answered {status} {error.response.reason or ''}".rstrip() + hint
    if isinstance(error, exceptions.TooManyRedirects):
        return "the server redirects: give the address that it redirects to"
    if isinstance(error, exceptions.Timeout):
        return f"no answer within {limits.answer:g} s"
    if isinstance(error, exceptions.ConnectionError):
        slow = "timed out" in str(error).lower()
        return f"no answer within {limits.answer:g} s" if slow else "no connection to the server"
    return _text(error)


def _text(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return hide_known(lines[0], secret_values(os.environ))
