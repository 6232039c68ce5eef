"""The lineage of a project's nodes, in the project's own names; inputs come first, for their columns."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from importlib.metadata import version
from typing import Literal

from batch_audit import __version__
from batch_audit.lineage.project.cache import Cache
from batch_audit.lineage.project.manifest import Node, Project
from batch_audit.lineage.project.pool import Pool
from batch_audit.lineage.project.run_values import RunValues
from batch_audit.lineage.project.task import Answer, Task, TextEdge

ColumnsFrom = Literal["warehouse", "documentation", "inferred", "unknown"]
_SNAPSHOT_TIMES = ("dbt_updated_at", "dbt_valid_from", "dbt_valid_to")
_PYTHON = "a Python model: which of its inputs' columns its columns come from is not known"
_EXPOSURE = "an exposure names the models that it reads, not their columns"


@dataclass(frozen=True, slots=True)
class ProjectEdge:
    """An edge between nodes by unique_id (a relation that is none of the project's: by its name, as written).

    `owner` is the node whose code it is in; `note` says what is special about it.
    """

    owner: str
    source: str
    source_column: str
    target: str
    target_column: str | None
    kind: str
    subtype: str
    masking: bool
    expression: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class NodeLineage:
    """What is known of one node. `sql_hash` is that of its code without the run's own values."""

    unique_id: str
    edges: tuple[ProjectEdge, ...]
    unknown: tuple[tuple[str | None, str, str], ...]
    columns: tuple[str, ...]
    columns_from: ColumnsFrom
    personal: tuple[str, ...] = ()
    sql_hash: str | None = None

    def hidden(self, hide: Callable[[str], str]) -> NodeLineage:
        """The same with every text that is made of SQL passed through `hide`, which removes secrets."""
        return replace(
            self,
            edges=tuple(replace(edge, expression=hide(edge.expression)) for edge in self.edges),
            unknown=tuple((column, hide(reason), hide(sql)) for column, reason, sql in self.unknown),
        )


def read_lineage(
    project: Project, warehouse_columns: Mapping[str, Sequence[str]], pool: Pool, cache: Cache,
    only: Collection[str] | None = None, values: RunValues | None = None,
) -> dict[str, NodeLineage]:  # fmt: skip
    """The lineage of the project's nodes by unique_id, inputs first; `only` those, and the ephemerals that they read.

    `warehouse_columns`: relation name (database.schema.alias, lower case) to its columns, which are authoritative.
    Where they miss, columns are those of the documentation, else what the node's own SQL gives (inferred).
    """
    reader = _Reader(project, warehouse_columns, values or RunValues())
    wanted = _with_ephemerals(project, only)
    done: dict[str, NodeLineage] = {}
    versions = __version__, version("sqlglot")
    for level in _levels(project, wanted):
        tasks = [(node, *reader.tasks(node, done)) for node in level]
        keys = {node.unique_id: [task.key(*versions) for task in asked] for node, asked, _ in tasks}
        keyed = {
            key: task
            for node, asked, _ in tasks
            for key, task in zip(keys[node.unique_id], asked, strict=True)
        }
        known = cache.find(list(keyed))
        missing = [key for key in keyed if key not in known]
        fresh = dict(zip(missing, pool.read([keyed[key] for key in missing]), strict=True))
        cache.keep({key: answer for key, answer in fresh.items() if not _gave_up(answer)})
        answers = known | fresh
        for node, _, refused in tasks:
            found = [answers[key] for key in keys[node.unique_id]]
            done[node.unique_id] = reader.lineage(node, found, refused)
    return done


def _gave_up(answer: Answer) -> bool:
    """A process that died may have better luck the next time: such an answer is not kept."""
    return not answer.edges and any(
        "process" in reason or "CPU time" in reason for _, reason, _ in answer.unknown
    )


def _with_ephemerals(project: Project, only: Collection[str] | None) -> set[str]:
    if only is None:
        return set(project.nodes)
    wanted, waiting = set[str](), list(only)
    while waiting:
        unique_id = waiting.pop()
        if unique_id in project.nodes and unique_id not in wanted:
            wanted.add(unique_id)
            inputs = project.nodes[unique_id].inputs
            waiting += [i for i in inputs if i in project.nodes and project.nodes[i].ephemeral]
    return wanted


def _levels(project: Project, wanted: set[str]) -> Iterator[list[Node]]:
    """Nodes whose inputs are all in earlier levels; a cycle, which dbt itself refuses, is one level."""
    sorter = TopologicalSorter(
        {name: [i for i in project.nodes[name].inputs if i in wanted] for name in wanted}
    )
    try:
        sorter.prepare()
    except CycleError:
        yield [project.nodes[name] for name in sorted(wanted)]
        return
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield [project.nodes[name] for name in ready]
        sorter.done(*ready)


def _is_sql(node: Node) -> bool:
    return node.language == "sql" and node.kind in ("model", "snapshot")


def _has_code(node: Node) -> bool:
    """Whether SQL of its own makes the node, and is known."""
    return _is_sql(node) and bool(node.code and node.code.strip())


class _Reader:
    """What stays the same from node to node: names, columns, the values of the run."""

    def __init__(self, project: Project, columns: Mapping[str, Sequence[str]], values: RunValues) -> None:
        self._project, self._columns, self._values = project, columns, values
        self._named = project.named()
        self._by_alias: dict[str, list[Node]] = {}
        for node in project.nodes.values():
            if node.name:
                self._by_alias.setdefault(node.relation.lower().rpartition(".")[2], []).append(node)

    def tasks(self, node: Node, done: Mapping[str, NodeLineage]) -> tuple[list[Task], list[str]]:
        """The SQL of a node to read, hooks after its own; and what cannot be read, with the reason."""
        refused = []
        statements = []
        if _has_code(node):
            statements.append(node.code or "")
        elif _is_sql(node):
            refused.append("its compiled code is not known: dbt has not compiled it")
        for hook in node.hooks:
            if hook.sql is None:
                refused.append(
                    f"a {hook.when} writes, and its template cannot be rendered here: {hook.text[:200]}"
                )
            else:
                statements.append(hook.sql)
        tasks = []
        for statement in statements:
            sql = self._values.replaced(statement, node.microbatch)
            tasks.append(Task(sql, self._project.dialect, node.relation, self._schema(node, sql, done)))
        return tasks, refused

    def _schema(self, node: Node, sql: str, done: Mapping[str, NodeLineage]) -> dict[str, Sequence[str]]:
        """The columns of what the SQL may read: its inputs, itself, and relations whose name is in its text."""
        words = set(re.findall(r"\w+", sql.lower()))
        found = [self._project.nodes[name] for name in node.inputs if name in self._project.nodes]
        found += [node, *(other for word in words for other in self._by_alias.get(word, ()))]
        schema = {}
        for other in found:
            columns, _ = self._columns_of(other, done.get(other.unique_id))
            if other.relation and columns:
                schema[other.relation] = list(columns)
        return dict(sorted(schema.items()))

    def _columns_of(self, node: Node, known: NodeLineage | None) -> tuple[tuple[str, ...], ColumnsFrom]:
        built = self._columns.get(node.relation.lower())
        if built:
            return tuple(built), "warehouse"
        if known is not None:
            return known.columns, known.columns_from
        return (node.documented, "documentation") if node.documented else ((), "unknown")

    def lineage(self, node: Node, answers: Sequence[Answer], refused: Sequence[str]) -> NodeLineage:
        """The answers about a node in the project's names."""
        own = _has_code(node)
        unknown: list[tuple[str | None, str, str]] = [(None, reason, "") for reason in refused]
        edges: list[ProjectEdge] = []
        inferred: tuple[str, ...] = ()
        columns, columns_from = self._columns_of(node, None)
        for number, answer in enumerate(answers):
            if own and number == 0:
                inferred = tuple(name for name in answer.columns if name and name != "*")
                whole = len(inferred) == len(answer.columns)
                if columns_from != "warehouse" and inferred and whole:
                    columns, columns_from = inferred, "inferred"
                edges += [self._edge(node, edge, columns, None) for edge in answer.edges]
                edges += _snapshot_edges(node, edges)
            else:
                edges += [
                    self._edge(node, edge, (), "written by a hook of the node") for edge in answer.edges
                ]
            unknown += answer.unknown
        edges += _opaque(node)
        if node.language == "python":
            unknown.append((None, _PYTHON, ""))
        if node.kind == "exposure" and node.inputs:
            unknown.append((None, _EXPOSURE, ""))
        code = self._values.replaced(node.code, node.microbatch) if node.code else None
        return NodeLineage(
            node.unique_id, tuple(dict.fromkeys(edges)), tuple(dict.fromkeys(unknown)), tuple(map(sys.intern, columns)),
            columns_from, node.personal, code and hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest(),
        )  # fmt: skip

    def _edge(self, node: Node, edge: TextEdge, columns: Sequence[str], note: str | None) -> ProjectEdge:
        target = node.unique_id if note is None else self._node_id(edge.target)
        spelt = {name.lower(): name for name in columns}
        column = edge.target_column and spelt.get(edge.target_column.lower(), edge.target_column)
        return ProjectEdge(
            node.unique_id, self._node_id(edge.source), sys.intern(edge.source_column), target,
            column and sys.intern(column), edge.kind, edge.subtype, edge.masking, edge.expression, note,
        )  # fmt: skip

    def _node_id(self, relation: str) -> str:
        """The node of a relation as the SQL names it: by all parts, else by the last ones if one node alone fits."""
        name = relation.lower()
        if name in self._named:
            return self._named[name]
        fitting = [
            other.unique_id
            for other in self._by_alias.get(name.rpartition(".")[2], ())
            if other.relation.lower().endswith("." + name)
        ]
        return fitting[0] if len(fitting) == 1 else sys.intern(relation)


def _opaque(node: Node) -> list[ProjectEdge]:
    """Edges between whole relations, where there is no SQL that could say more."""
    if node.kind != "exposure" and node.language != "python":
        return []
    note = _EXPOSURE if node.kind == "exposure" else _PYTHON
    subtype = "IDENTITY" if node.kind == "exposure" else "TRANSFORMATION"
    return [
        ProjectEdge(node.unique_id, name, "*", node.unique_id, "*", "DIRECT", subtype, False, "", note)
        for name in node.inputs
    ]


def _snapshot_edges(node: Node, edges: Sequence[ProjectEdge]) -> list[ProjectEdge]:
    """Where the columns come from that dbt adds to a snapshot of the strategy `timestamp` (dbt's snapshot macros).

    Its id is a hash of the key and the time of change; the times are the time of change itself.
    """
    if node.snapshot.get("strategy") != "timestamp":
        return []
    names = node.snapshot.get("snapshot_meta_column_names") or {}
    given = node.snapshot.get("unique_key") or ()
    key = [given] if isinstance(given, str) else list(given)
    changed = str(node.snapshot.get("updated_at") or "").lower()
    found = []
    for edge in edges:
        column = (edge.target_column or "").lower()
        if edge.kind != "DIRECT":
            continue
        note = "added by dbt's snapshot"
        if column == changed:
            found += [
                replace(edge, target_column=names.get(added) or added, note=note) for added in _SNAPSHOT_TIMES
            ]
        if column == changed or column in [str(name).lower() for name in key]:
            found.append(
                replace(edge, target_column=names.get("dbt_scd_id") or "dbt_scd_id", subtype="TRANSFORMATION",
                        masking=True, note=note)
            )  # fmt: skip
    return found
