"""Random queries over three small tables: every part of SELECT that the engine reads, in any nesting."""

import random

TABLES = {"t": ["a", "b", "c"], "u": ["a", "d", "e"], "v": ["k", "b", "f"]}

Draw = random.Random


def _column(draw: Draw, names: list[str]) -> str:
    return draw.choice(names)


def _expression(draw: Draw, names: list[str], depth: int = 2) -> str:
    kind = draw.randint(0, 12) if depth else 0
    one = lambda: _expression(draw, names, depth - 1)  # noqa: E731
    if kind <= 3:
        return _column(draw, names)
    if kind == 4:
        return f"({one()} + {one()})"
    if kind == 5:
        return f"case when {one()} > {one()} then {one()} else {one()} end"
    if kind == 6:
        return f"coalesce({one()}, {one()})"
    if kind == 7:
        return f"nullif({one()}, {one()})"
    if kind == 8:
        return f"greatest({one()}, {draw.randint(-3, 3)})"
    if kind == 9:
        table = draw.choice(sorted(TABLES))
        inner = [f"s.{name}" for name in TABLES[table]]
        value, left, right = (_column(draw, inner), _column(draw, inner), _column(draw, names))
        return f"(select max({value}) from {table} s where {left} = {right})"
    if kind == 10:
        table = draw.choice(sorted(TABLES))
        inner = TABLES[table]
        test = draw.choice(["in", "not in"])
        return f"({one()} {test} (select {_column(draw, inner)} from {table} where {_column(draw, inner)} > 0))::int"
    if kind == 11:
        return f"struct_extract({{'p': {one()}, 'q': {one()}}}, 'p')"
    return f"{{'p': {one()}, 'q': {one()}}}.q"


def _window(draw: Draw, names: list[str]) -> str:
    function = draw.choice(
        ["sum({})", "lag({})", "first_value({})", "rank()", "count({})", "max({}) filter (where {} > 0)"]
    )
    filled = function
    while "{}" in filled:
        filled = filled.replace("{}", _column(draw, names), 1)
    order = ", ".join(names)  # a total order: equal rows are the same row
    return f"{filled} over (partition by {_column(draw, names)} order by {_column(draw, names)}, {order})"


def _aggregate(draw: Draw, names: list[str]) -> str:
    function = draw.choice(
        [
            "sum({})",
            "count({})",
            "count(*)",
            "max({})",
            "count(distinct {})",
            "sum({}) filter (where {} > 0)",
            "list({} order by {}, {})::varchar",
            "arg_max({}, {})",
            "quantile_cont({}, 0.5)",
        ]
    )
    while "{}" in function:
        function = function.replace("{}", _expression(draw, names, 1), 1)
    return function


def relation(draw: Draw, depth: int) -> tuple[str, list[str]]:
    """A source in FROM with its columns: a table, or a subquery of numbers."""
    if depth and draw.randint(0, 2):
        sql, width = query(draw, depth - 1)
        return f"({sql})", [f"c{place}" for place in range(width)]
    table = draw.choice(sorted(TABLES))
    return table, TABLES[table]


def _from(draw: Draw, depth: int) -> tuple[str, list[str]]:
    first, names = relation(draw, depth)
    text, visible = f"{first} as x", [f"x.{name}" for name in names]
    if not draw.randint(0, 1):
        return text, visible
    second, others = relation(draw, depth)
    kind = draw.choice(["join", "left join", "full join", "semi join", "anti join", "using", "cross join"])
    right = [f"y.{name}" for name in others]
    if kind == "cross join":
        return f"{text}, {second} as y", visible + right
    shared = sorted(set(names) & set(others))
    if kind == "using" and shared:
        name = draw.choice(shared)
        rest = [column for column in visible + right if not column.endswith(f".{name}")]
        return f"{text} left join {second} as y using ({name})", [*rest, name]
    kind = "join" if kind == "using" else kind
    condition = f"{_column(draw, visible)} = {_column(draw, right)}"
    seen = visible if kind.startswith(("semi", "anti")) else visible + right
    return f"{text} {kind} {second} as y on {condition}", seen


def select(draw: Draw, depth: int) -> tuple[str, int]:
    """One SELECT; its outputs are numbers called c0, c1, …"""
    source, names = _from(draw, depth)
    width = draw.randint(1, 3)
    where = (
        f" where {_expression(draw, names, 1)} > {_expression(draw, names, 1)}" if draw.randint(0, 1) else ""
    )
    if draw.randint(0, 2) == 0:
        keys = [_column(draw, names) for _ in range(draw.randint(0, 2))]
        outputs = [f"({_aggregate(draw, names)})" for _ in range(width)] + keys
        outputs = [f"length({item})" if "varchar" in item else item for item in outputs]
        items = ", ".join(f"{item} as c{place}" for place, item in enumerate(outputs))
        group = f" group by {', '.join(keys)}" if keys else ""
        having = f" having count({_column(draw, names)}) > 1" if draw.randint(0, 1) else ""
        return f"select {items} from {source}{where}{group}{having}", len(outputs)
    outputs = [
        _window(draw, names) if draw.randint(0, 3) == 0 else _expression(draw, names) for _ in range(width)
    ]
    distinct = "distinct " if draw.randint(0, 4) == 0 else ""
    items = ", ".join(f"{item} as c{place}" for place, item in enumerate(outputs))
    qualify = ""
    if draw.randint(0, 4) == 0 and not distinct:
        qualify = f" qualify row_number() over (partition by {_column(draw, names)} order by {', '.join(names)}) = 1"
    return f"select {distinct}{items} from {source}{where}{qualify}", width


def query(draw: Draw, depth: int = 2) -> tuple[str, int]:
    """A SELECT, a set operation, a CTE or a pivot."""
    sql, width = select(draw, depth)
    kind = draw.randint(0, 7)
    if kind == 0:
        other, other_width = select(draw, depth)
        width = min(width, other_width)
        columns = ", ".join(f"c{place}" for place in range(width))
        word = draw.choice(["union all", "union", "except", "intersect", "union all by name"])
        return f"select {columns} from ({sql}) {word} select {columns} from ({other})", width
    if kind == 1:
        shadow = draw.choice(["t", "q"])
        return f"with {shadow} as ({sql}) select {shadow}.* from {shadow}", width
    if kind == 2 and width > 1:
        return f"select n.c0 as c0, n.c1 as c1 from (select c0 as c1, c1 as c0 from ({sql})) as n", 2
    return sql, width
