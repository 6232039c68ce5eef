"""PIVOT with listed values as what it stands for: GROUP BY, with an aggregate for each value (as DuckDB runs it)."""

from sqlglot import exp

from batch_audit.lineage.records.errors import Untraceable


def spread(pivot: exp.Pivot, source: exp.Expr, columns: list[str]) -> exp.Select:
    """The SELECT that a PIVOT of this source, which has these columns, stands for."""
    used = pivot.args.get("using") or pivot.expressions
    fields = pivot.args.get("fields") or (pivot.expressions if pivot.args.get("using") else [])
    if len(fields) != 1 or not isinstance(fields[0], exp.In) or not used:
        raise Untraceable("a PIVOT whose values are not listed, or of several columns, is not traced")
    by, values = fields[0].this, fields[0].expressions
    if not values or not all(isinstance(value.unalias(), exp.Literal) for value in values):
        raise Untraceable("a PIVOT whose values are not listed is not traced")
    read = {column.name.lower() for part in [*used, by] for column in part.find_all(exp.Column)}
    group = pivot.args.get("group")
    keys: list[exp.Expr] = (
        [key.copy() for key in group.expressions]
        if group is not None
        else [exp.column(name, quoted=True) for name in columns if name.lower() not in read]
    )
    if not keys:
        raise Untraceable("a PIVOT into a single row is not traced")
    given = pivot.args.get("columns") or []
    outputs: list[exp.Expr] = []
    for value in values:
        for function in used:
            name = given[len(outputs)].name if given else _name(value, function, len(used))
            test = exp.Where(this=exp.EQ(this=by.copy(), expression=value.unalias().copy()))
            picked = exp.Filter(this=function.unalias().copy(), expression=test)
            outputs.append(exp.alias_(picked, name.lower(), quoted=True))
    grouped = exp.Group(expressions=[key.copy() for key in keys])
    return exp.Select(expressions=[*keys, *outputs], from_=exp.From(this=source), group=grouped)


def _name(value: exp.Expr, function: exp.Expr, functions: int) -> str:
    shown = value.alias or value.name
    if functions == 1 and not function.alias:
        return shown
    return f"{shown}_{function.alias or function.sql().lower()}"
