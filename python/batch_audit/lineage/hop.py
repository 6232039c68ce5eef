"""One hop of a record's lineage: a node's SQL rewritten to carry the keys of the records that it reads.

Views have no records of their own: their SQL takes their place. Nothing is read from the warehouse here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp

from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.records import ProvenanceQuery, provenance_query
from batch_audit.lineage.records.provenance import unknown
from batch_audit.lineage.steps import step_of
from batch_audit.lineage.tree import arg, table_parts
from batch_audit.warehouses.base import Column, quote_identifier

_MOST_VIEWS = 100


@dataclass(frozen=True)
class Hop:
    """How the records of `code` are traced one hop up.

    `nodes` maps each occurrence of `query.sources` to the unique_id of its node (a relation that is none of the
    project's: to its name as the SQL has it). `key` are the output columns that make the record id of the node, empty
    when its key is not known or not among them. `step` is what the SQL does to its rows, `views` are those that it was
    passed through.
    """

    code: NodeCode
    query: ProvenanceQuery
    nodes: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    step: str = "unknown"
    views: tuple[str, ...] = ()


def read_by(code: NodeCode, codes: Mapping[str, NodeCode]) -> list[NodeCode]:
    """The nodes whose relations the hop reads or names: its inputs, through views, and itself."""
    found: dict[str, NodeCode] = {}
    waiting = [code.node]
    while waiting:
        name = waiting.pop()
        if name in found or name not in codes:
            continue
        found[name] = codes[name]
        if name == code.node or codes[name].kind == "view":
            waiting += reversed(codes[name].inputs)
    return list(found.values())


def plan_hop(
    code: NodeCode, codes: Mapping[str, NodeCode], columns: Mapping[str, Sequence[Column]], *,
    where: Mapping[str, str] | None = None, instead: Mapping[str, str] | None = None,
    key_text: Callable[[str, str, str], str] | None = None,
) -> Hop:  # fmt: skip
    """Rewrite the SQL of a node. What cannot be traced is a Hop whose query is `unknown`, with the reason.

    `columns`: the present columns of each node of `read_by`, by unique_id. `where` is that of `provenance_query`, on
    the node's output columns. `instead`: a quoted relation to read in the place of a node's own, with the same columns
    (the node as it was before, say). `key_text`: as in `provenance_query`, with the node (or relation) first.
    """
    if code.sql is None:
        return Hop(code, unknown("", _why_no_sql(code)))
    if code.hidden:
        return Hop(code, unknown("", "a secret was cut out of its recorded SQL, so that it does not run"))
    try:
        composed = _Composition(code, codes, instead or {})
    except _CannotCompose as reason:
        return Hop(code, unknown(code.sql, str(reason)))
    schema, keys = {}, {}
    names: dict[str, str] = {}
    for node in read_by(code, codes):
        told = columns.get(node.node) or ()
        name = (instead or {}).get(node.node) or quoted_relation(node)
        names[name] = node.node
        schema[name] = {column.name: column.type for column in told}
        own = spelled(node.key, [column.name for column in told])
        if own:
            keys[name] = own

    def text(relation: str, column: str, expression: str) -> str:
        return (key_text or _as_it_is)(names.get(relation, relation), column, expression)

    query = provenance_query(
        composed.sql, dialect=code.dialect or "", schema={n: c for n, c in schema.items() if c}, keys=keys,
        where=where, key_text=text if key_text else None,
    )  # fmt: skip
    return Hop(
        code, query, {name: names.get(source.relation, source.relation) for name, source in query.sources.items()},
        spelled(code.key, [column.name for column in columns.get(code.node) or ()]), step_of(composed.tree),
        tuple(composed.views),
    )  # fmt: skip


def with_key_alone(code: NodeCode, key: Sequence[str]) -> NodeCode | None:
    """The node with its key as the only output: other columns may have no equality, such as json on PostgreSQL.

    None where its SQL cannot be read, or there is no key.
    """
    if not key or code.sql is None:
        return None
    try:
        parsed = sqlglot.parse_one(code.sql, read=code.dialect)
    except (sqlglot.errors.SqlglotError, RecursionError):
        return None
    if not isinstance(parsed, exp.Query):
        return None
    columns = [exp.column(exp.to_identifier(name, quoted=True)) for name in key]
    return replace(
        code, sql=exp.select(*columns).from_(parsed.subquery("batch_audit_whole")).sql(code.dialect)
    )


def quoted_relation(code: NodeCode) -> str:
    """The relation's qualified name, as SQL reads it."""
    return ".".join(map(quote_identifier, code.relation))


def spelled(key: Collection[str], columns: Collection[str]) -> tuple[str, ...]:
    """The key in the spelling of the relation's own columns; empty when one is not among them."""
    exact = set(columns)
    folded = {name.lower(): name for name in columns}
    bare = [name[1:-1] if name[:1] in '"`' and name not in exact else name for name in key]
    found = [name if name in exact else folded.get(name.lower()) for name in bare]
    return tuple(name for name in found if name is not None) if None not in found else ()


def _as_it_is(relation: str, column: str, expression: str) -> str:
    return expression


def _why_no_sql(code: NodeCode) -> str:
    if code.language != "sql":
        return f"a {code.language.capitalize()} model: which of its inputs' records its records come from is not known"
    if code.leaf:
        return f"a {code.kind}: its records come from outside the project"
    return "its compiled SQL is not on record"


class _CannotCompose(Exception):
    """Why views could not be written out."""


class _Composition:
    """The SQL of a node with its views written out; `tree` is the same, parsed, and `views` those that were met."""

    def __init__(self, code: NodeCode, codes: Mapping[str, NodeCode], instead: Mapping[str, str]) -> None:
        self._codes, self._instead, self._dialect = codes, instead, code.dialect
        self._named = _Names(read_by(code, codes))
        self.views: list[str] = []
        self.tree = self._parsed(code)
        self._write_out(self.tree, (code.node,))
        changed = self.views or instead
        self.sql = self.tree.sql(self._dialect) if changed else code.sql or ""

    def _parsed(self, code: NodeCode) -> exp.Expr:
        try:
            found = sqlglot.parse_one(code.sql or "", read=self._dialect)
        except sqlglot.errors.SqlglotError as error:
            line = str(error).splitlines()[0]
            raise _CannotCompose(f"the SQL of {code.name} could not be parsed: {line}") from error
        except RecursionError as error:
            raise _CannotCompose(f"the SQL of {code.name} is nested too deeply to be read") from error
        return found

    def _write_out(self, tree: exp.Expr, path: tuple[str, ...]) -> None:
        for table in list(tree.find_all(exp.Table)):
            node = self._node(table)
            if node is None:
                continue
            if node.node in self._instead:
                self._read_instead(table, self._instead[node.node])
            elif node.kind == "view" and node.node not in path and node.sql and not node.hidden:
                self._write_view(tree, table, node, path)

    def _node(self, table: exp.Table) -> NodeCode | None:
        parts = table_parts(table, self._dialect or "")
        if not parts or (len(parts) == 1 and parts[0].lower() in set(_cte_names(table))):
            return None
        return self._named.find(parts)

    def _read_instead(self, table: exp.Table, relation: str) -> None:
        alias = table.args.get("alias") or exp.TableAlias(this=table.this.copy())
        other = exp.to_table(relation, dialect=self._dialect)
        table.set("this", other.this)
        table.set("db", other.args.get("db"))
        table.set("catalog", other.args.get("catalog"))
        table.set("alias", alias)

    def _write_view(self, tree: exp.Expr, table: exp.Table, node: NodeCode, path: tuple[str, ...]) -> None:
        if any(
            table.args.get(name) for name in ("joins", "pivots", "sample", "laterals", "version", "hints")
        ):
            raise _CannotCompose(
                f"the view {node.name} is read in a way that is not followed (a sample, a pivot)"
            )
        if len(self.views) >= _MOST_VIEWS:
            raise _CannotCompose(f"more than {_MOST_VIEWS} reads of views")
        self.views.append(node.node)
        query = self._parsed(node)
        outer = set(_cte_names(table))
        hidden = sorted(
            part for part in (one.name.lower() for one in query.find_all(exp.Table) if not one.args.get("db"))
            if part in outer and part not in _own_ctes(query)
        )  # fmt: skip
        if hidden:
            raise _CannotCompose(
                f"the view {node.name} reads {hidden[0]}, which is a CTE of what reads the view"
            )
        self._write_out(query, (*path, node.node))
        if not isinstance(query, exp.Query):
            raise _CannotCompose(f"the view {node.name} is not a query")
        alias = table.args.get("alias") or exp.TableAlias(this=table.this.copy())
        table.replace(exp.Subquery(this=query, alias=alias))


class _Names:
    """Finds a node by the parts of its relation that SQL writes: all of them, or the last where only one fits."""

    def __init__(self, nodes: Sequence[NodeCode]) -> None:
        self._nodes = {tuple(part.lower() for part in node.relation): node for node in nodes}

    def find(self, parts: Sequence[str]) -> NodeCode | None:
        wanted = tuple(part.lower() for part in parts)
        if wanted in self._nodes:
            return self._nodes[wanted]
        fitting = [node for name, node in self._nodes.items() if name[-len(wanted) :] == wanted]
        return fitting[0] if len(fitting) == 1 else None


def _cte_names(node: exp.Expr) -> Iterator[str]:
    """The names of the CTEs that a place in a query may read."""
    above = node.parent
    while above is not None:
        clause = arg(above, "with")
        for cte in clause.expressions if clause is not None else ():
            yield cte.alias.lower()
        above = above.parent


def _own_ctes(query: exp.Expr) -> set[str]:
    return {cte.alias.lower() for cte in query.find_all(exp.CTE)}
