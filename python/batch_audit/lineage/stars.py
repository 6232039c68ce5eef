"""`*`, `t.*` with EXCEPT, REPLACE, RENAME and ILIKE, and DuckDB's COLUMNS(…)."""

import re

from sqlglot import exp
from sqlglot.errors import ParseError

from batch_audit.lineage.expressions import flows_of
from batch_audit.lineage.flows import Gap
from batch_audit.lineage.paths import column_of
from batch_audit.lineage.relations import Column, Open, Relation
from batch_audit.lineage.schema import split_name
from batch_audit.lineage.scope import Scope, Source
from batch_audit.lineage.tree import arg


def is_star(node: exp.Expr) -> bool:
    """Whether a projection stands for several columns."""
    if isinstance(node, exp.ILike):  # older versions of sqlglot take `* ILIKE 'x'` for a comparison
        return isinstance(node.this, exp.Star)
    if isinstance(node, exp.Dot):  # (s).*
        return isinstance(node.expression, exp.Star)
    return isinstance(node, (exp.Star, exp.Columns)) or (
        isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
    )


def expand(node: exp.Expr, scope: Scope) -> list[Column]:
    """The columns that a star stands for, in order; an `Open` one for each table that is not known."""
    if isinstance(node, exp.Columns):
        return _columns_function(node, scope)
    if isinstance(node, exp.ILike):
        return _modified(_of_all(scope), exp.Star(ilike=node.expression), scope)
    if isinstance(node, exp.Dot):
        return _fields(column_of(node.this, scope), node, scope)
    qualified = isinstance(node, exp.Column)
    columns = _of_qualifier(node, scope) if isinstance(node, exp.Column) else _of_all(scope)
    star = node.this if qualified else node
    return _modified(columns, star, scope) if any(star.args.values()) else columns


def sole_outputs(scope: Scope) -> list[Column] | None:
    """The very list of the only relation, for a bare `*`: thousands of arms over a wide table share it."""
    sources = scope.visible()
    if len(sources) != 1 or scope.merged:
        return None
    sources[0].relation.columns()
    return sources[0].relation.outputs


def _of_all(scope: Scope) -> list[Column]:
    shared = sole_outputs(scope)
    if shared is not None:
        return shared
    visible = scope.visible()
    if not visible and scope.parent is not None and not scope.sources:
        return _of_all(scope.parent)
    in_place = scope.reader.dialect_name == "duckdb"
    columns: list[Column] = [] if in_place else list(scope.merged.values())
    placed = set() if in_place else set(scope.merged)
    for source in visible:
        for column in source.relation.columns():
            key = column.name.lower()
            if key not in scope.merged or isinstance(column, Open):
                columns.append(_without_merged(column, scope) if isinstance(column, Open) else column)
            elif key not in placed:
                placed.add(key)
                columns.append(scope.merged[key])
    if in_place:
        columns += [column for key, column in scope.merged.items() if key not in placed]
    return columns


def _without_merged(column: Open, scope: Scope) -> Open:
    if not scope.merged:
        return column
    hidden = column.hidden | frozenset(scope.merged)
    return Open(column.relation, column.flows, column.node, hidden, column.renamed)


def _of_qualifier(node: exp.Column, scope: Scope) -> list[Column]:
    parts = [part.name for part in node.parts[:-1]]
    source: Source | None = scope.source(tuple(part.lower() for part in parts))
    if source is not None:
        return list(source.relation.columns())
    names = [exp.to_identifier(part) for part in parts]
    return _fields(scope.column(exp.column(*reversed(names))), node, scope)


def _fields(struct: Column, node: exp.Expr, scope: Scope) -> list[Column]:
    text = node.this.sql() if isinstance(node, exp.Dot) else struct.name
    gap = Gap(f"the fields of {text} are not known", node)
    return fields_of(struct, scope) or [Open(Relation([]), struct.flows | {gap}, node)]


def fields_of(struct: Column, scope: Scope) -> list[Column]:
    """The fields of a struct: as it was built in sight, else as its type declares them; none when neither is known."""
    if struct.fields:
        return [column.named(name) for name, column in struct.fields.items()]
    return [struct.field(name) for name in _declared_fields(struct, scope)]


def _declared_fields(struct: Column, scope: Scope) -> list[str]:
    """The fields that the schema's type of a table's own struct declares."""
    flow = next(iter(struct.flows), None) if len(struct.flows) == 1 and struct.paths else None
    if flow is None or isinstance(flow, Gap):
        return []
    known = scope.reader.schema.columns(split_name(flow[0]))
    top, *path = flow[1].split(".")
    text = known[1].get(top) if known else None
    try:
        kind = text and exp.DataType.build(text, dialect=scope.reader.dialect_name)
    except (ParseError, ValueError):
        return []
    for name in path:
        kind = next(
            (part.args.get("kind") for part in _fields_of(kind) if part.name.lower() == name.lower()), None
        )
    return [part.name for part in _fields_of(kind)]


def _fields_of(kind: object) -> list[exp.ColumnDef]:
    fields = kind.expressions if isinstance(kind, exp.DataType) else []
    return [part for part in fields if isinstance(part, exp.ColumnDef)]


def _modified(columns: list[Column], star: exp.Expr, scope: Scope) -> list[Column]:
    hidden = frozenset(part.name.lower() for part in arg(star, "except") or ())
    replaced = {part.alias.lower(): part for part in star.args.get("replace") or ()}
    renamed = {part.this.name.lower(): part.alias for part in star.args.get("rename") or ()}
    pattern = star.args.get("ilike")
    result: list[Column] = []
    for column in columns:
        key = column.name.lower()
        if isinstance(column, Open):
            result.append(_open_modified(column, hidden | replaced.keys(), renamed, pattern))
        elif key in hidden or (pattern is not None and not _like(column.name, pattern.name)):
            continue
        elif key in replaced:
            result.append(_replacement(replaced.pop(key), scope))
        else:
            result.append(column.named(renamed[key]) if key in renamed else column)
    return result + [_replacement(part, scope) for part in replaced.values()]


def _replacement(part: exp.Expr, scope: Scope) -> Column:
    return Column(part.alias, flows_of(part.this, scope), part.this)


def _open_modified(
    column: Open, hidden: frozenset[str], renamed: dict[str, str], pattern: exp.Expr | None
) -> Open:
    flows = column.flows
    if pattern is not None:
        flows |= {Gap(f"only the columns like {pattern.name} of a * that is not known", pattern)}
    back = {new.lower(): old for old, new in renamed.items()}
    return Open(
        column.relation, flows, column.node, column.hidden | hidden | renamed.keys(), column.renamed | back
    )


def _like(name: str, pattern: str) -> bool:
    parts = [".*" if char == "%" else "." if char == "_" else re.escape(char) for char in pattern]
    return re.fullmatch("".join(parts), name, re.IGNORECASE) is not None


def _columns_function(node: exp.Columns, scope: Scope) -> list[Column]:
    if scope.chosen is not None:
        return [scope.chosen]
    scope.columns_function = node
    wanted = node.this
    if isinstance(wanted, exp.Star) or is_star(wanted):
        return expand(wanted, scope)
    everything = _of_all(scope)
    if isinstance(wanted, exp.Literal):
        return [
            column for column in everything if isinstance(column, Open) or _matches(column.name, wanted.name)
        ]
    if isinstance(wanted, exp.Array) and all(isinstance(part, exp.Literal) for part in wanted.expressions):
        names = {part.name.lower() for part in wanted.expressions}
        return [column for column in everything if isinstance(column, Open) or column.name.lower() in names]
    gap = Gap("which columns COLUMNS(…) picks was not worked out: all are taken", node)
    return [Column(column.name, column.flows | {gap}, column.node) for column in everything]


def _matches(name: str, pattern: str) -> bool:
    try:
        return re.search(pattern, name, re.IGNORECASE) is not None
    except re.error:
        return True
