"""GROUP BY and aggregates: a group comes from every row of it."""

from itertools import combinations
from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records import frames, opening
from batch_audit.lineage.records.core import Core, named_ids, named_prov
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nodes import is_aggregate, output_names, sources, within
from batch_audit.lineage.records.rows import (
    Carried,
    Prov,
    Rows,
    again,
    alias,
    column,
    derived,
    left_join_same,
    select,
)
from batch_audit.lineage.records.subqueries import Asked, read_asked

if TYPE_CHECKING:
    from batch_audit.lineage.records.rewriter import Rewriter


def rewrite(rewriter: "Rewriter", query: exp.Select, core: Core, late: list[Asked]) -> Rows:
    """Both forms of a grouped SELECT; `late` are the traced subqueries that are asked for every group."""
    names = output_names(query)
    keys, sets = grouping(query)
    identity = keys + [exp.Grouping(expressions=[key.copy()]) for key in keys] if sets else keys
    ids, extra = named_ids(identity, query)
    plain = again(core.plain, expressions=[*core.plain.expressions, *extra])
    rows = Rows(names, ids, [""] * len(ids), plain, plain, [], True, core.fine)
    if frames.asked(rewriter, query):
        return frames.of_groups(rewriter, query, rows, grouped_source(core, keys, sets), identity)
    prov, _ = named_prov(core.prov)
    if not prov and not late:
        return rows
    return _joined(rewriter, query, rows, (core, keys, sets), late)


def _joined(
    rewriter: "Rewriter",
    query: exp.Select,
    rows: Rows,
    parts: tuple[Core, list[exp.Expr], list[frozenset[int]]],
    late: list[Asked],
) -> Rows:
    core, keys, sets = parts
    base = rewriter.name("b") if late else "__b"
    asked, hidden = _for_groups(query, late, base)
    asking = again(rows.plain, expressions=[*rows.plain.expressions, *hidden]) if hidden else rows.plain
    carried: Carried = []
    traced = select([], derived(asking, base, shared=True))
    if core.prov:
        found, prov = grouped_source(core, keys, sets)
        pairs = [(column(mine, base), column(f"__m{n}", "__t")) for n, mine in enumerate(rows.ids)]
        left_join_same(traced, derived(found, "__t"), pairs, rewriter.dialect)
        carried += [(one.mark, [column(name, "__t") for name in one.columns], one.types) for one in prov]
    for test in asked:
        carried += opening.open_beside(rewriter, traced, test)
    rows.prov, columns = named_prov(carried)
    traced.set("expressions", [alias(column(name, base), name) for name in rows.carried] + columns)
    rows.traced = traced
    return rows


def grouped_source(
    core: Core, keys: list[exp.Expr], sets: list[frozenset[int]]
) -> tuple[exp.Select, list[Prov]]:
    """What every group was made of: its identity as `__m…`, and the keys of a row."""
    prov, carried = named_prov(core.prov)
    source = again(core.traced)
    if sets:
        source.append("joins", exp.Join(this=_sets_table(len(keys), sets), kind="CROSS"))
        values: list[exp.Expr] = [
            exp.Case(
                ifs=[exp.If(this=exp.EQ(this=_bit(n), expression=exp.Literal.number(0)), true=key.copy())]
            )
            for n, key in enumerate(keys)
        ] + [_bit(n) for n in range(len(keys))]
    else:
        values = [key.copy() for key in keys]
    source.set("expressions", [alias(value, f"__m{n}") for n, value in enumerate(values)] + carried)
    if not core.fine:
        source.set("distinct", exp.Distinct())
    return source, prov


def _bit(number: int) -> exp.Column:
    return exp.column(f"b{number}", "__sets")


def _sets_table(width: int, sets: list[frozenset[int]]) -> exp.Values:
    rows = [
        exp.Tuple(expressions=[exp.Literal.number(0 if n in one else 1) for n in range(width)])
        for one in dict.fromkeys(sets)
    ]
    columns = [exp.to_identifier(f"b{n}") for n in range(width)]
    return exp.Values(
        expressions=rows, alias=exp.TableAlias(this=exp.to_identifier("__sets"), columns=columns)
    )


def grouping(query: exp.Select) -> tuple[list[exp.Expr], list[frozenset[int]]]:
    """The expressions that a SELECT groups by, and its grouping sets as places in them (none: a plain GROUP BY)."""
    group = query.args.get("group")
    if group is None:
        return [], []
    parts = [*group.expressions]
    for name in ("rollup", "cube", "grouping_sets"):
        parts += group.args.get(name) or []
    keys: list[exp.Expr] = []
    choices = [_choices(part, keys) for part in parts]
    if all(len(choice) == 1 for choice in choices) and not any(isinstance(p, _SETS) for p in parts):
        return keys, []
    sets: list[frozenset[int]] = [frozenset()]
    for choice in choices:
        sets = [one | more for one in sets for more in choice]
    if not keys:
        raise Untraceable("GROUPING SETS without a column are not traced")
    return keys, sets


_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def _choices(part: exp.Expr, keys: list[exp.Expr]) -> list[frozenset[int]]:
    if isinstance(part, exp.Rollup):
        units = [_unit(one, keys) for one in part.expressions]
        return [frozenset().union(*units[:size]) for size in range(len(units), -1, -1)]
    if isinstance(part, exp.Cube):
        units = [_unit(one, keys) for one in part.expressions]
        return [
            frozenset().union(*chosen)
            for size in range(len(units), -1, -1)
            for chosen in combinations(units, size)
        ]
    if isinstance(part, exp.GroupingSets):
        return [choice for one in part.expressions for choice in _choices(one, keys)]
    return [_unit(part, keys)]


def _unit(part: exp.Expr, keys: list[exp.Expr]) -> frozenset[int]:
    members = part.expressions if isinstance(part, exp.Tuple) else [part.unnest()]
    places = set()
    for member in members:
        if member not in keys:
            keys.append(member)
        places.add(keys.index(member))
    return frozenset(places)


def _for_groups(query: exp.Select, tests: list[Asked], base: str) -> tuple[list[Asked], list[exp.Expr]]:
    """The tests with every value of the group read from the untouched query, and the columns that it needs for that."""
    own = {source.alias_or_name for source in sources(query)}
    hidden: dict[str, exp.Expr] = {}

    def lifted(value: exp.Expr) -> exp.Column:
        text = value.sql()
        if text not in hidden:
            hidden[text] = alias(value.copy(), f"__x{len(hidden)}")
        return column(hidden[text].alias, base)

    asked = []
    for test in tests:
        node = test.node.copy()
        holder = exp.Paren(this=node)
        for found in list(within(node)):
            if is_aggregate(found) and found.parent is not None:
                found.replace(lifted(found))
        for found in list(holder.find_all(exp.Column)):
            if found.table in own and _is_outer(found, holder):
                found.replace(lifted(found))
        asked.append(_again(test, holder.this))
    return asked, list(hidden.values())


def _is_outer(found: exp.Column, holder: exp.Expr) -> bool:
    """Whether no query between the column and the test has this alias itself."""
    node = found.parent
    while node is not None and node is not holder:
        if isinstance(node, exp.Select) and found.table in {one.alias_or_name for one in sources(node)}:
            return False
        node = node.parent
    return True


def _again(test: Asked, node: exp.Expr) -> Asked:
    found = read_asked(node)
    if found is None:
        raise Untraceable("a subquery over a group could not be read again")
    return Asked(test.kind, node, found[1], test.positive)
