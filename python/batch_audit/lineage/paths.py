"""Struct fields: `a.b.c`, `(a).b`, `a['b']` and structs that are built in sight."""

from typing import Any

from sqlglot import exp

from batch_audit.lineage.flows import TRANSFORMATION, direct_at_least
from batch_audit.lineage.relations import Column
from batch_audit.lineage.scope import Scope


def is_path(node: exp.Expr) -> bool:
    """Whether this reads a part of a value: a field by its name, an element by its position."""
    if isinstance(node, exp.Dot):
        return isinstance(node.expression, exp.Identifier)
    return (
        isinstance(node, exp.Bracket)
        and len(node.expressions) == 1
        and isinstance(node.expressions[0], exp.Literal)
    )


def column_of(node: exp.Expr, scope: Scope) -> Column:
    """The expression as a column, with its fields where it is a struct."""
    from batch_audit.lineage.expressions import flows_of

    steps: list[exp.Expr] = []
    inner = node
    while isinstance(inner, (exp.Paren, exp.Alias)) or is_path(inner):
        if is_path(inner):
            steps.append(inner)
        inner = inner.this
    if isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star):
        column = scope.column(inner)
    elif isinstance(inner, exp.Subquery) or not steps:
        column = _built(inner, scope)
    else:
        column = Column("", flows_of(inner, scope), inner, _fields(inner, scope))
    for step in reversed(steps):
        column = _step(column, step, scope)
    return column


def _built(node: exp.Expr, scope: Scope) -> Column:
    from batch_audit.lineage.expressions import flows_of

    return Column("", flows_of(node, scope), node, _fields(node, scope))


def _step(column: Column, step: exp.Expr, scope: Scope) -> Column:
    if isinstance(step, exp.Dot):
        return column.field(step.expression.name)
    key = step.expressions[0]
    if key.is_string and scope.reader.dialect_name != "snowflake":
        return column.field(key.name)
    return column.read(direct_at_least(0, TRANSFORMATION))


def _fields(node: exp.Expr, scope: Scope) -> dict[str, Column] | None:
    """The fields of a struct literal, each with its own flows."""
    if isinstance(node, exp.Struct):
        pairs: list[tuple[str, Any]] = []
        for part in node.expressions:
            if isinstance(part, (exp.PropertyEQ, exp.Kwarg, exp.EQ)):
                pairs.append((part.this.name, part.expression))
            else:
                pairs.append((part.alias_or_name, part))
        return {name.lower(): column_of(value, scope) for name, value in pairs if name}
    return None
