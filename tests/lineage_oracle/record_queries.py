"""Random queries over keyed tables for record lineage: short, ordered by keys, each feature alone and inside others."""

import random

TABLES = {"r": ["id", "a", "b"], "s": ["id", "a", "c"], "w": ["id", "b", "c"]}

Draw = random.Random


def _table(draw: Draw) -> tuple[str, list[str]]:
    name = draw.choice(sorted(TABLES))
    return name, TABLES[name]


def _condition(draw: Draw, columns: list[str]) -> str:
    column, other = draw.choice(columns), draw.choice(columns)
    return draw.choice(
        [
            f"{column} > {draw.randint(0, 2)}", f"{column} is null", f"{column} = {other}", f"{column} <> {other}",
            f"{column} is not null", f"coalesce({column}, 1) < {draw.randint(1, 3)}",
            f"({column} = {draw.randint(0, 2)} or {other} is null)",
        ]
    )  # fmt: skip


def _predicate(draw: Draw, columns: list[str]) -> str:
    """A predicate subquery, correlated or not."""
    name, inner = _table(draw)
    mine, theirs, value = draw.choice(columns), f"z.{draw.choice(inner)}", f"z.{draw.choice(inner)}"
    where = draw.choice(
        ["", f" where {theirs} = {mine}", f" where {theirs} = {mine} and z.id > 1", " where z.a > 0"]
    )
    where = where.replace("z.a", f"z.{inner[1]}")
    source = draw.choice([name, name, f"(select distinct * from {name})"])
    tests = [
        f"exists (select 1 from {source} z{where})", f"not exists (select 1 from {source} z{where})",
        f"{mine} in (select {value} from {source} z{where})", f"{mine} not in (select {value} from {source} z{where})",
        f"{mine} > (select min({value}) from {source} z{where})",
        f"{mine} <= (select count(*) from {source} z{where})",
        f"{mine} >= all (select {value} from {source} z{where})",
        f"{mine} = any (select {value} from {source} z{where})",
        f"{mine} in (select count(*) from {source} z{where} group by {value})",
    ]  # fmt: skip
    return draw.choice(tests)


def _source(draw: Draw, depth: int) -> tuple[str, list[str]]:
    if depth and draw.randint(0, 1):
        sql, names = query(draw, depth - 1)
        return f"({sql})", names
    if draw.randint(0, 15) == 0:
        return "(select * from (values (0, 1), (1, 2), (2, null)) k(id, a))", ["id", "a"]
    return _table(draw)


_KINDS = ["join", "left join", "left join", "right join", "full join", "cross join"]


def _join(draw: Draw, left: list[str], kind: str, other: str, right: list[str]) -> str:
    on = f"{draw.choice(left)} = {draw.choice(right)}"
    if draw.randint(0, 3) == 0:
        on += f" and {_condition(draw, left + right)}"
    return f" {kind} {other}" + ("" if kind == "cross join" else f" on {on}")


def _lateral(draw: Draw, columns: list[str]) -> tuple[str, list[str]]:
    """A query for each row of what stands before it: an aggregate, or the first row."""
    name, inner = _table(draw)
    where = f"from {name} q where q.{draw.choice(inner)} {draw.choice(['=', '>='])} {draw.choice(columns)}"
    if draw.randint(0, 1):
        return f" cross join lateral (select max(q.id) m, count(*) n {where}) l", ["l.m", "l.n"]
    return f" left join lateral (select q.id m {where} order by q.id limit 1) l on true", ["l.m"]


def _from(draw: Draw, depth: int) -> tuple[str, list[str]]:
    first, names = _source(draw, depth)
    text, columns = f"{first} x", [f"x.{name}" for name in names]
    aliases = ["y", "v"][: draw.choice([0, 0, 1, 1, 2])]
    if len(aliases) == 2 and draw.randint(0, 3) == 0:  # in parentheses
        (one, mine), (other, theirs) = _source(draw, 0), _table(draw)
        left, right = [f"y.{name}" for name in mine], [f"v.{name}" for name in theirs]
        inner = f"({one} y{_join(draw, left, draw.choice(_KINDS), f'{other} v', right)})"
        return text + _join(draw, columns, draw.choice(_KINDS), inner, left + right), columns + left + right
    for alias in aliases:
        other, more = _source(draw, depth - 1 if depth else 0)
        theirs = [f"{alias}.{name}" for name in more]
        text += _join(draw, columns, draw.choice(_KINDS), f"{other} {alias}", theirs)
        columns = columns + theirs
    if draw.randint(0, 11) == 0:
        lateral, more = _lateral(draw, columns)
        return text + lateral, columns + more
    return text, columns


def _value(draw: Draw, columns: list[str]) -> str:
    kind = draw.randint(0, 9)
    if kind < 7:
        return draw.choice(columns)
    if kind == 7:
        return f"coalesce({draw.choice(columns)}, {draw.choice(columns)})"
    name, inner = _table(draw)
    on = f"q.{draw.choice(inner)} = {draw.choice(columns)}"
    return f"(select {draw.choice(['max', 'count', 'sum'])}(q.{draw.choice(inner)}) from {name} q where {on})"


def _grouped(draw: Draw, source: str, columns: list[str], where: str) -> tuple[str, list[str]]:
    keys = [draw.choice(columns) for _ in range(draw.choice([0, 1, 1, 2]))]
    outputs = [
        draw.choice(["sum({})", "count({})", "count(*)", "min({})", "max({})", "count(distinct {})"]).format(
            draw.choice(columns)
        )
        for _ in range(draw.randint(1, 2))
    ]
    having = draw.choice(
        ["", "", f" having count(*) > {draw.randint(0, 2)}", f" having sum({draw.choice(columns)}) > 2"]
    )
    if keys and draw.randint(0, 9) == 0:
        having = f" having max({draw.choice(columns)}) in (select a from r where a > 0)"
    group = (
        f" group by {draw.choice(['rollup', 'cube'])} ({', '.join(keys)})"
        if keys and draw.randint(0, 7) == 0
        else ""
    )
    group = group or (f" group by {', '.join(keys)}" if keys else "")
    return _named(outputs + keys, f" from {source}{where}{group}{having}")


def _named(outputs: list[str], rest: str, word: str = "select") -> tuple[str, list[str]]:
    names = [f"c{place}" for place in range(len(outputs))]
    items = ", ".join(f"{value} as {name}" for value, name in zip(outputs, names, strict=True))
    return f"{word} {items}{rest}", names


def _window(draw: Draw, columns: list[str]) -> str:
    order = ", ".join(columns)
    part = draw.choice(["", f"partition by {draw.choice(columns)} "])
    function = draw.choice(
        ["row_number()", "rank()", "sum({})", "count({})", "lag({})", "max({})", "first_value({})"]
    ).format(draw.choice(columns))
    frame = draw.choice(["", "", " rows between 1 preceding and current row"]) if "(" in function else ""
    return f"{function} over ({part}order by {order}{frame})"


def select(draw: Draw, depth: int) -> tuple[str, list[str]]:
    """One SELECT with the names of its outputs."""
    source, columns = _from(draw, depth)
    parts = [_condition(draw, columns)] if draw.randint(0, 2) == 0 else []
    parts += [_predicate(draw, columns)] if draw.randint(0, 2) == 0 else []
    where = f" where {draw.choice([' and ', ' and ', ' or ']).join(parts)}" if parts else ""
    kind = draw.randint(0, 9)
    if kind < 3:
        return _grouped(draw, source, columns, where)
    outputs = [_value(draw, columns) for _ in range(draw.randint(1, 3))]
    rest = f" from {source}{where}"
    if kind == 3:
        return _named(outputs, rest, "select distinct")
    if kind == 4:
        return _named([*outputs, _window(draw, columns)], rest)
    if kind == 5:
        part = draw.choice(["", f"partition by {draw.choice(columns)} "])
        return _named(
            outputs,
            f"{rest} qualify row_number() over ({part}order by {', '.join(columns)}) <= {draw.randint(1, 2)}",
        )
    if kind == 6:
        skip = draw.choice(["", "", " offset 1"])
        return _named(outputs, f"{rest} order by {', '.join(columns)} limit {draw.randint(1, 4)}{skip}")
    if kind == 7 and draw.randint(0, 1):
        key = draw.choice(columns)
        return _named(outputs, f"{rest} order by {key}, {', '.join(columns)}", f"select distinct on ({key})")
    return _named(outputs, rest)


def query(draw: Draw, depth: int = 1) -> tuple[str, list[str]]:
    """A SELECT, a set operation, or a CTE that is read twice."""
    sql, names = select(draw, depth)
    kind = draw.randint(0, 9)
    if kind < 2:
        other, more = select(draw, depth)
        width = min(len(names), len(more))
        word = draw.choice(["union all", "union", "except", "intersect"])
        columns = ", ".join(names[:width])
        return f"select {columns} from ({sql}) {word} select {columns} from ({other})", names[:width]
    if kind == 2:
        on = f"m.{draw.choice(names)} = n.{draw.choice(names)}"
        outputs = [f"m.{draw.choice(names)}", f"n.{draw.choice(names)}"]
        made, shown = _named(outputs, f" from q m {draw.choice(['join', 'left join'])} q n on {on}")
        return f"with q as ({sql}) {made}", shown
    return sql, names
