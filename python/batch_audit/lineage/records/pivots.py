"""PIVOT and UNPIVOT as what they stand for: GROUP BY with an aggregate for each value; each row with each column."""

from sqlglot import exp

from batch_audit.lineage.records.errors import Untraceable


def spread(pivot: exp.Pivot, source: exp.Expr, columns: list[str]) -> exp.Select:
    """The SELECT that a PIVOT or UNPIVOT of this source, which has these columns, stands for."""
    if pivot.args.get("unpivot"):
        return _gathered(pivot, source, columns)
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


def _gathered(pivot: exp.Pivot, source: exp.Expr, columns: list[str]) -> exp.Select:
    """Each row of the source once for each column that is gathered, where that is not NULL."""
    into = pivot.args.get("into")
    fields = pivot.args.get("fields") or []
    if fields:
        name, values, parts = fields[0].this, pivot.expressions, fields[0].expressions
    else:
        name, values = (into.this, into.expressions) if into else (exp.column("name"), [exp.column("value")])
        parts = pivot.expressions
    if len(fields) > 1 or len(values) != 1 or pivot.args.get("value_columns_first"):
        raise Untraceable("an UNPIVOT into several columns is not traced")
    listed = _listed(parts, columns)
    label = exp.column("__name", "__names", quoted=True)
    value = exp.Case(
        ifs=[
            exp.If(this=exp.EQ(this=label.copy(), expression=exp.Literal.string(text)), true=one.copy())
            for one, text in listed
        ]
    )
    taken = {one.name.lower() for one, _ in listed}
    rest: list[exp.Expr] = [exp.column(one, quoted=True) for one in columns if one.lower() not in taken]
    outputs = [
        *rest,
        exp.alias_(label, name.name.lower(), quoted=True),
        exp.alias_(value, values[0].name.lower(), quoted=True),
    ]
    names = exp.Values(
        expressions=[exp.Tuple(expressions=[exp.Literal.string(text)]) for _, text in listed],
        alias=exp.TableAlias(
            this=exp.to_identifier("__names"), columns=[exp.to_identifier("__name", quoted=True)]
        ),
    )
    made = exp.Select(
        expressions=outputs, from_=exp.From(this=source), joins=[exp.Join(this=names, kind="CROSS")]
    )
    if pivot.args.get("include_nulls"):
        return made
    return made.where(exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())), copy=False)


def _listed(parts: list[exp.Expr], columns: list[str]) -> list[tuple[exp.Column, str]]:
    """The columns that an UNPIVOT gathers, each with its name in the result."""
    spelled = {column.lower(): column for column in columns}
    listed: list[tuple[exp.Column, str]] = []
    for part in parts:
        star = part.this if isinstance(part, exp.Columns) else part
        one = part.this if isinstance(part, (exp.PivotAlias, exp.Alias)) else part
        if isinstance(star, exp.Star) and not (star.args.get("replace") or star.args.get("rename")):
            left_out = {found.name.lower() for found in star.args.get("except_") or ()}
            listed += [
                (exp.column(name, quoted=True), name) for name in columns if name.lower() not in left_out
            ]
        elif isinstance(one, exp.Column) and one.name.lower() in spelled:
            name = spelled[one.name.lower()]
            text = part.args["alias"].name if one is not part else name
            listed.append((exp.column(name, quoted=True), text))
        else:
            raise Untraceable(f"an UNPIVOT of {part.sql()[:60]} is not traced")
    return listed


def _name(value: exp.Expr, function: exp.Expr, functions: int) -> str:
    shown = value.alias or value.name
    if functions == 1 and not function.alias:
        return shown
    return f"{shown}_{function.alias or function.sql().lower()}"
