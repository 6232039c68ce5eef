"""Statements that write: each gives the target and the relation that goes into it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage import ctes, sources
from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import FILTER
from batch_audit.lineage.relations import Column, Relation, add_dataset
from batch_audit.lineage.scope import Env, Scope, Source
from batch_audit.lineage.tree import table_parts

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader

# Statements that move no values between relations.
SILENT = (
    exp.Drop,
    exp.Set,
    exp.Use,
    exp.Transaction,
    exp.Commit,
    exp.Rollback,
    exp.Grant,
    exp.Comment,
    exp.Analyze,
    exp.Describe,
    exp.Pragma,
    exp.TruncateTable,
    exp.Declare,
    exp.Attach,
    exp.Detach,
    exp.Cache,
    exp.Uncache,
    exp.Refresh,
    exp.Semicolon,
)


@dataclass
class Written:
    """What a statement writes. `replaces`: all rows of the target are those; `positional`: names do not matter.

    `assigns`: each output is named after the target's column that it goes into, in each branch anew.
    """

    target: tuple[str, ...]
    relation: Relation
    replaces: bool = False
    names: list[str] = field(default_factory=list)
    positional: bool = False
    assigns: bool = False


def read_statement(reader: "Reader", node: exp.Expr, env: Env) -> Iterator[Written]:
    """What this statement writes; a bare query writes a target without a name."""
    if isinstance(node, exp.Create):
        yield from _create(reader, node, env)
    elif isinstance(node, exp.Insert):
        yield from _insert(reader, node, env)
    elif isinstance(node, exp.Merge):
        from batch_audit.lineage import merges

        yield merges.merge(reader, node, env)
    elif isinstance(node, exp.Update):
        yield _update(reader, node, env)
    elif isinstance(node, exp.Delete):
        yield _delete(reader, node, env)
    elif isinstance(node, exp.MultitableInserts):
        yield from _multitable(reader, node, env)
    elif isinstance(node, exp.Cache) and node.expression:
        yield Written(target_of(reader, node.this)[0], reader.query(node.expression, env, None), True)
    elif not isinstance(node, SILENT):
        relation = reader.query(node, env, None)
        into = node.args.get("into") if isinstance(node, exp.Select) else None
        parts = table_parts(into.this, reader.dialect_name) if into is not None else ()
        yield Written(parts, relation, bool(into))


def target_of(reader: "Reader", node: exp.Expr) -> tuple[tuple[str, ...], list[str]]:
    """A target's name and its column list."""
    columns: list[str] = []
    if isinstance(node, exp.Schema):
        columns = [
            part.name
            for part in node.expressions
            if isinstance(part, (exp.Identifier, exp.Column, exp.ColumnDef))
        ]
        node = node.this
    return (table_parts(node, reader.dialect_name) if isinstance(node, exp.Table) else (node.name,)), columns


def _create(reader: "Reader", node: exp.Create, env: Env) -> Iterator[Written]:
    kind = str(node.args.get("kind") or "").upper()
    if kind not in ("TABLE", "VIEW") or not isinstance(node.this, (exp.Schema, exp.Table)):
        return
    target, columns = target_of(reader, node.this)
    query, clone = node.args.get("expression"), node.args.get("clone")
    if clone is not None:
        source = Scope(reader, env)
        relation = Relation([])
        sources.add_source(clone.this, source, relation.dataset)
        relation.outputs = reader.star(exp.Star(), source)
    elif query is not None:
        relation = reader.query(query, ctes.bind(reader, node, env, None), None)
    else:
        if columns:
            reader.declare(target, columns)
        return
    yield Written(target, relation, True, columns, bool(columns))


def _insert(reader: "Reader", node: exp.Insert, env: Env) -> Iterator[Written]:
    if not isinstance(node.this, (exp.Schema, exp.Table)):
        return
    target, columns = target_of(reader, node.this)
    env = ctes.bind(reader, node, env, None)
    query = node.args.get("expression")
    if query is None and node.args.get("source") is not None:
        query = node.args["source"]
    if query is None:
        return
    relation = reader.query(query, env, None)
    names = columns or _without_partition(reader, node, target)
    by_name = bool(node.args.get("by_name")) and not columns
    overwrites = bool(node.args.get("overwrite")) and node.args.get("partition") in (None, False)
    yield Written(target, relation, overwrites, [] if by_name else names, not by_name)
    conflict = node.args.get("conflict")
    if conflict is not None and conflict.expressions:
        yield _conflict(reader, node, conflict, (target, names), relation)


def _without_partition(reader: "Reader", node: exp.Insert, target: tuple[str, ...]) -> list[str]:
    """The target's columns in order, without those that PARTITION (day = …) gives."""
    known = reader.schema.columns(target)
    if known is None:
        return []
    table = node.this.this if isinstance(node.this, exp.Schema) else node.this
    partition = table.args.get("partition") or node.args.get("partition")
    fixed = set()
    if isinstance(partition, exp.Partition):
        fixed = {part.this.name.lower() for part in partition.expressions if isinstance(part, exp.EQ)}
    return [name for name in known[0] if name.lower() not in fixed]


def _conflict(
    reader: "Reader",
    node: exp.Insert,
    conflict: exp.Expr,
    to: tuple[tuple[str, ...], list[str]],
    rows: Relation,
) -> Written:
    """ON CONFLICT … DO UPDATE SET: `excluded` is the row that was to be inserted."""
    target, names = to
    scope = Scope(reader, {})
    table = node.this.this if isinstance(node.this, exp.Schema) else node.this
    result = Relation([])
    sources.add_source(table, scope, result.dataset)
    scope.sources.append(Source(("excluded",), rows.renamed(names, "excluded")))
    scope.sources[-1].visible = False
    where = conflict.args.get("where")
    if where is not None:
        add_dataset(result.dataset, flows_of(where, scope, FILTER), where)
    result.outputs = assignments(conflict.expressions, scope)
    return Written(target, result)


def assignments(expressions: list[exp.Expr], scope: Scope) -> list[Column]:
    """SET a = …, (b, c) = (SELECT …): the columns that are written."""
    columns: list[Column] = []
    for part in expressions:
        if not isinstance(part, exp.EQ):
            continue
        left, right = part.this, part.expression
        if isinstance(left, (exp.Tuple, exp.Paren)):
            names = [name.name for name in (left.expressions or [left.this])]
            columns += _several(names, right, scope)
        else:
            name = left.parts[-1].name if isinstance(left, (exp.Column, exp.Dot)) else left.name
            columns.append(Column(name, flows_of(right, scope), right))
    return columns


def _several(names: list[str], right: exp.Expr, scope: Scope) -> list[Column]:
    if isinstance(right, exp.Tuple):
        return [
            Column(name, flows_of(part, scope), part)
            for name, part in zip(names, right.expressions, strict=False)
        ]
    if not isinstance(right, exp.Query):
        return [Column(name, flows_of(right, scope), right) for name in names]
    relation = scope.reader.query(right, scope.env, scope)
    rows = frozenset(relation.dataset)
    return [
        Column(name, column.flows | rows, right)
        for name, column in zip(names, relation.columns(), strict=False)
    ]


def _update(reader: "Reader", node: exp.Update, env: Env) -> Written:
    scope = Scope(reader, ctes.bind(reader, node, env, None))
    result = Relation([])
    target, _ = target_of(reader, node.this)
    sources.read_from(node, scope, result.dataset)
    named = scope.source(tuple(part.lower() for part in target))
    if named is not None and named.real and named.parts != named.real:
        target = _spelled(node, named.real, reader)
    elif named is None:
        sources.add_source(node.this, scope, result.dataset)
    where = node.args.get("where")
    if where is not None:
        add_dataset(result.dataset, flows_of(where, scope, FILTER), where)
    result.outputs = assignments(node.expressions, scope)
    return Written(target, result, assigns=True)


def _spelled(node: exp.Expr, real: tuple[str, ...], reader: "Reader") -> tuple[str, ...]:
    """T-SQL's `UPDATE t … FROM table t`: the alias stands for the table."""
    for table in node.find_all(exp.Table):
        parts = table_parts(table, reader.dialect_name)
        if tuple(part.lower() for part in parts) == real:
            return parts
    return real


def _delete(reader: "Reader", node: exp.Delete, env: Env) -> Written:
    """A DELETE writes no column; what it asks decides which rows stay."""
    scope = Scope(reader, ctes.bind(reader, node, env, None))
    result = Relation([])
    target, _ = target_of(reader, node.this)
    sources.add_source(node.this, scope, result.dataset)
    using = node.args.get("using") or []
    for part in using if isinstance(using, list) else [using]:
        sources.add_source(part, scope, result.dataset)
    where = node.args.get("where")
    if where is not None:
        add_dataset(result.dataset, flows_of(where, scope, FILTER), where)
    return Written(target, result)


def _multitable(reader: "Reader", node: exp.Expr, env: Env) -> Iterator[Written]:
    """Snowflake's INSERT ALL: each branch reads the one query."""
    env = ctes.bind(reader, node, env, None)
    rows = reader.query(node.args["source"], env, None)
    for branch in node.expressions:
        insert = branch.this if isinstance(branch, exp.ConditionalInsert) else branch
        scope = Scope(reader, env)
        scope.sources.append(Source(("",), rows))
        result = Relation(list(rows.columns()), dict(rows.dataset))
        condition = branch.args.get("expression") if isinstance(branch, exp.ConditionalInsert) else None
        if condition is not None:
            add_dataset(result.dataset, flows_of(condition, scope, FILTER), condition)
        target, names = target_of(reader, insert.this)
        given = insert.args.get("expression")
        if given is not None:
            values = given.expressions[0] if isinstance(given, exp.Values) else given
            result.outputs = [Column("", flows_of(part, scope), part) for part in values.expressions]
        yield Written(target, result, False, names, True)
