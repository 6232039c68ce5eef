"""The compiled code that a batch ran, from dbt's artifacts: the store keeps only its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from batch_audit.openlineage.described import Described
from batch_audit.runner.artifacts import read_run_results


def compiled_code(
    hashes: Mapping[str, str], run_results: Path, described: Mapping[str, Described], given: Mapping[str, str]
) -> dict[str, str]:
    """Unique_id to compiled code, for those whose code has the SHA-256 that the store names; `hashes` has these."""
    found: dict[str, str] = {}
    for unique_id, text in _candidates(run_results, described, given):
        if unique_id in hashes and unique_id not in found and _sha256(text) == hashes[unique_id]:
            found[unique_id] = text
    return found


def _candidates(
    run_results: Path, described: Mapping[str, Described], given: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    yield from given.items()
    yield from ((unique_id, item.code) for unique_id, item in described.items() if item.code)
    try:
        artifact = read_run_results(run_results.read_bytes())
    except OSError:
        return
    for result in artifact.results if artifact else ():
        if isinstance(result.get("compiled_code"), str):
            yield str(result.get("unique_id")), result["compiled_code"]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
