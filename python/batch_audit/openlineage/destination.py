"""Where events go: a file, an HTTP endpoint, or wherever the OpenLineage client is configured to send them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from batch_audit.errors import ConfigurationError

CLIENT = "client"
"""The word for "as the OpenLineage client is configured"."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@dataclass(frozen=True)
class Destination:
    """`address` is a path, a URL, or empty for the client's own configuration."""

    kind: Literal["file", "url", "client"]
    address: str = ""

    @property
    def shown(self) -> str:
        """The destination for people: a URL without user, password, path and query, any of which may be secret."""
        if self.kind == "client":
            return "where the OpenLineage client is configured to send"
        if self.kind == "file":
            return self.address
        url = urlsplit(self.address)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"


def destination(text: str) -> Destination:
    """What somebody means by a file, an http(s) URL or the word `client`.

    Raises ConfigurationError for what cannot be written to, before anything is run or read.
    """
    if text == "-":
        raise ConfigurationError(
            "OpenLineage events cannot go to stdout, which is the command's: name a file."
        )
    if text == CLIENT:
        return _with_client(Destination("client"))
    if _SCHEME.match(text):
        return _with_client(url_destination(text))
    return file_destination(text)


def url_destination(text: str) -> Destination:
    """An http(s) endpoint. Raises ConfigurationError for another scheme, or a URL without a host."""
    try:
        url = urlsplit(text)
        complete = url.scheme in ("http", "https") and bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        complete = False
    if not complete:
        raise ConfigurationError(
            f"OpenLineage events cannot be sent to that address: give http://host:port or https://host, a file,"
            f" or `{CLIENT}` for what openlineage.yml or OPENLINEAGE_… variables say (Kafka and others)."
        )
    return _with_client(Destination("url", text))


def file_destination(text: str) -> Destination:
    """A file to append to. Raises ConfigurationError if its folder is not there, or a folder has its name."""
    path = Path(text).expanduser().absolute()
    if path.is_dir() or not path.parent.is_dir():
        why = "it is a folder" if path.is_dir() else f"there is no folder {path.parent}"
        raise ConfigurationError(f"OpenLineage events cannot be written to {path}: {why}. Name another file.")
    return Destination("file", str(path))


def _with_client(found: Destination) -> Destination:
    if find_spec("openlineage") is None or find_spec("openlineage.client") is None:
        raise ConfigurationError(
            "Sending OpenLineage events needs the package openlineage-python, which is not installed.\n"
            "  Install it: pip install 'dbt-batch-audit[openlineage]'. A file needs no package."
        )
    return found
