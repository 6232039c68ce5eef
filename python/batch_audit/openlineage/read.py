"""Makes the facts of a batch from the store and dbt's artifacts; what neither of them knows is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from batch_audit.openlineage.code import compiled_code
from batch_audit.openlineage.column_lineage import ColumnEdge, Dataset, read_through
from batch_audit.openlineage.described import Described, Manifest, read_manifest
from batch_audit.openlineage.facts import (
    BatchRun,
    Field,
    NodeRun,
    Output,
    Relation,
    Repository,
    Test,
    Written,
)
from batch_audit.openlineage.stored import Stored
from batch_audit.reports.reader import Row

_NODE = re.compile(r"(model|seed|snapshot|source|analysis|operation)\.")
_PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')
_REBUILT = ("table", "seed")


@dataclass(frozen=True)
class Artifacts:
    """Where dbt's artifacts are, compiled code that is at hand already, and what removes secrets from text."""

    target: Path
    given_code: Mapping[str, str] = field(default_factory=dict)
    hide: Callable[[str], str] = str


def batch_run(
    stored: Stored, location: str, engine: str, artifacts: Artifacts,
    repository: tuple[Repository | None, str] = (None, ""), parent: Mapping[str, Any] | None = None,
) -> tuple[BatchRun, list[str]]:  # fmt: skip
    """The facts of a batch, and what had to be left out of them, for people. `location` is the datasets' namespace.

    The manifest counts only if it was made by a dbt call of this batch, code only if its hash is on record.
    """
    ids = {str(row["invocation_id"]) for row in stored.invocations}
    manifest = read_manifest(artifacts.target)
    own = manifest if manifest.invocation_id in ids else Manifest()
    code = _code(stored, manifest, artifacts)
    reader = _Reader(stored, location, own.nodes, code, artifacts.hide, repository[1])
    batch = stored.batch
    run = BatchRun(
        str(batch["batch_id"]), str(batch["status"]), batch["started_at"], batch["ended_at"], batch["project"],
        batch["job"], _hidden(artifacts.hide, batch["error_message"] or batch["status_reason"]), batch["dbt_version"],
        engine, repository[0], parent, tuple(reader.runs()),
    )  # fmt: skip
    return run, list(_notes(own.invocation_id is None, reader.nameless(), run))


def _notes(no_manifest: bool, nameless: Sequence[str], run: BatchRun) -> Iterable[str]:
    if no_manifest:
        yield (
            "dbt's manifest is not there or not of this batch: descriptions, owners, files and inputs without"
            " column lineage are left out"
        )
    if nameless:
        shown = ", ".join(nameless[:5]) + (f" and {len(nameless) - 5} more" if len(nameless) > 5 else "")
        yield f"relations whose full names are not known are left out ({len(nameless)}): {shown}"
    if run.ended is None:
        yield "the batch still runs, so its run has no end yet: send it again when it has ended"


def _code(stored: Stored, manifest: Manifest, artifacts: Artifacts) -> dict[str, str]:
    rows = [("node_id", row) for row in stored.nodes] + [("test_id", row) for row in stored.tests]
    hashes = {str(row[key]): str(row["compiled_checksum"]) for key, row in rows if row["compiled_checksum"]}
    results = artifacts.target / "run_results.json"
    return compiled_code(hashes, results, manifest.nodes, artifacts.given_code)


class _Reader:
    """What stays the same from node to node: names, columns, code."""

    def __init__(
        self, stored: Stored, location: str, described: Mapping[str, Described], code: Mapping[str, str],
        hide: Callable[[str], str], prefix: str,
    ):  # fmt: skip
        self._stored, self._location, self._described = stored, location, described
        self._code, self._hide, self._prefix = code, hide, prefix
        self._datasets = self._named()
        self._columns = _columns(stored)
        # A model whose code was read and that has no relation; a source without a name has no code.
        ephemeral = {name for name in stored.records if name.startswith("model.")}
        self._inner: dict[str, Sequence[ColumnEdge]] = {
            name: [edge for target, edge in edges if target == name]
            for name, edges in stored.edges.items()
            if name not in self._datasets and (edges or name in ephemeral)
        }
        self._invocations = {row["invocation_id"]: row for row in stored.invocations}

    def _named(self) -> dict[str, Dataset]:
        """Unique_id to dataset. The store's relations count before the manifest's."""
        names = {name: item.relation for name, item in self._described.items() if item.relation}
        names |= {name: _parts(text) for name, text in self._stored.relations.items()}
        edges = (item for found in self._stored.edges.values() for item in found)
        for name in {name for target, edge in edges for name in (target, edge.source)}:
            parts = tuple(name.split("."))
            if name not in names and len(parts) == 3 and not _NODE.match(name):
                names[name] = parts
        return {name: Dataset(self._location, ".".join(parts)) for name, parts in names.items()}

    def nameless(self) -> list[str]:
        """The sources and targets of edges that are neither a dataset nor read through."""
        found = (item for row in self._stored.nodes for item in self._edges(str(row["node_id"])).items())
        names = {name for target, edges in found for name in (target, *(edge.source for edge in edges))}
        return sorted(name for name in names if name not in self._datasets)

    def runs(self) -> Iterable[NodeRun]:
        yield from (self._node(row) for row in self._stored.nodes)
        yield from (self._test(row) for row in self._stored.tests)

    def _node(self, row: Row) -> NodeRun:
        unique_id = str(row["node_id"])
        edges = self._edges(unique_id)
        reads = self._described[unique_id].inputs if unique_id in self._described else ()
        read = sorted({edge.source for into in edges.values() for edge in into})
        outputs = [
            Output(relation, into, _written(row) if target == unique_id else Written())
            for target, into in ({unique_id: ()} | edges).items()
            if (relation := self._relation(target))
        ]
        return self._run(
            row, unique_id, str(row["resource_type"] or unique_id.split(".")[0]),
            [relation for name in dict.fromkeys([*reads, *read]) if (relation := self._relation(name))],
            outputs,
        )  # fmt: skip

    def _test(self, row: Row) -> NodeRun:
        unique_id = str(row["test_id"])
        unit = unique_id.startswith("unit_test.")
        item = self._described.get(unique_id, Described())
        tested = self._relation(str(row["node_id"])) if row["node_id"] and not unit else None
        others = () if unit else item.inputs
        inputs = [tested, *(self._relation(name) for name in others if name != row["node_id"])]
        test = Test(
            str(row["test_name"]), item.kind or ("unit_test" if unit else None), row["column_name"], row["severity"],
            row["failures"], tested,
        )  # fmt: skip
        return self._run(row, unique_id, "test", [item for item in inputs if item], test=test)

    def _run(
        self, row: Row, unique_id: str, kind: str, inputs: Sequence[Relation], outputs: Sequence[Output] = (),
        test: Test | None = None,
    ) -> NodeRun:  # fmt: skip
        item = self._described.get(unique_id, Described())
        invocation = self._invocations.get(row["invocation_id"], {})
        began, ended = self._times(row, invocation)
        sources = {edge.source for output in outputs for edge in output.edges}
        return NodeRun(
            str(row["event_id"]), unique_id, kind, str(row["status"]), began, ended,
            _hidden(self._hide, row["message"]), invocation.get("dbt_version"),
            _hidden(self._hide, self._code.get(unique_id)), item.path and self._prefix + item.path, item.description,
            tuple(inputs), tuple(outputs),
            {name: self._datasets[name] for name in sources if name in self._datasets}, test,
        )  # fmt: skip

    def _times(self, row: Row, invocation: Row) -> tuple[datetime, datetime]:
        """When it began and ended; where dbt says nothing, by its duration, else the bounds of its dbt call."""
        batch = self._stored.batch
        took = timedelta(seconds=float(row["duration_s"] or 0))
        last = invocation.get("ended_at") or batch["ended_at"] or batch["started_at"]
        began, ended = row["started_at"], row["ended_at"]
        if began is None:
            began = ended - took if ended else invocation.get("started_at") or batch["started_at"]
        if ended is None:
            ended = began + took if took else max(began, last)
        return began, ended

    def _relation(self, unique_id: str) -> Relation | None:
        dataset = self._datasets.get(unique_id)
        if dataset is None:
            return None
        item = self._described.get(unique_id, Described())
        said = {name.lower(): text for name, text in item.columns.items()}
        columns = self._columns.get(unique_id, ())
        fields = tuple(Field(name, kind, said.get(name.lower())) for name, kind in columns)
        return Relation(dataset, fields, item.description, item.owners)

    def _edges(self, unique_id: str) -> dict[str, tuple[ColumnEdge, ...]]:
        """The edges of a node's code by what they lead into, read through what is no relation."""
        found: dict[str, list[ColumnEdge]] = {}
        for target, edge in self._stored.edges.get(unique_id, ()):
            found.setdefault(target, []).append(replace(edge, expression=self._hide(edge.expression)))
        return {target: read_through(edges, self._inner) for target, edges in found.items()}


def _columns(stored: Stored) -> dict[str, list[tuple[str, str | None]]]:
    """Unique_id to its columns with types, as a capture saw them, else the warehouse's columns, of unknown type."""
    found: dict[str, list[tuple[str, str | None]]] = {
        name: [(str(column), None) for column in json.loads(row["column_names"] or "[]")]
        for name, row in stored.records.items()
        if row["columns_from"] == "warehouse"
    }
    for row in stored.captures:
        columns = json.loads(row["captured_columns"] or "[]")
        if columns:
            found[str(row["node_id"])] = [(str(item["name"]), item.get("type")) for item in columns]
    return found


def _written(row: Row) -> Written:
    """Rows that the node's statement wrote, as the warehouse counted, else those of a relation built anew."""
    rows = row["rows_affected"]
    if rows is None or rows < 0:
        rows = row["row_count"] if row["materialized"] in _REBUILT else None
    changes = {
        name: int(row[f"records_{name}"] or 0)
        for name in ("inserted", "updated", "deleted")
        if row["capture_mode"] == "changes"
    }
    return Written(rows, row["row_count"], changes)


def _parts(relation: str) -> tuple[str, ...]:
    """The parts of a relation as dbt writes it: quoted names with dots between them."""
    return tuple(quoted.replace('""', '"') if quoted else bare for quoted, bare in _PART.findall(relation))


def _hidden(hide: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else hide(text)
