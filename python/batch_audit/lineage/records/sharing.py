"""What several parts of a rewritten query compute alike is written once, in a WITH.

It is not only faster: a sum of floating-point numbers may come out differently when it is computed again.
"""

from sqlglot import exp

from batch_audit.lineage.records.nodes import free_tables, is_grouped, windows


def share(query: exp.Query, inline: bool = False) -> exp.Query:
    """The query with its repeated parts in a WITH; `inline`: the engine may push a predicate into each use."""
    holder = exp.Paren(this=query)
    named: list[exp.CTE] = []
    by_depth: dict[int, list[exp.Subquery]] = {}
    for node in _candidates(holder):
        by_depth.setdefault(_nesting(node), []).append(node)
    for nesting in sorted(by_depth):  # the innermost first: what they stand in becomes short, and comparable
        alike: dict[str, list[exp.Subquery]] = {}
        for node in by_depth[nesting]:
            alike.setdefault(node.this.sql(), []).append(node)
        for nodes in alike.values():
            if len(nodes) > 1:
                name = f"__shared{len(named) + 1}"
                named.append(_cte(name, nodes[0].this.copy(), inline))
                for place in nodes:
                    alias = place.args["alias"].copy()
                    place.replace(exp.Table(this=exp.to_identifier(name, quoted=True), alias=alias))
    shared = holder.this
    if named:
        shared.set("with_", exp.With(expressions=named))
    return shared  # type: ignore[no-any-return]


def _nesting(node: exp.Expr) -> int:
    """How many candidates are nested in this one, at most."""
    inner = [_nesting(found) for found in _outermost(node.this)]
    return 1 + max(inner, default=0)


def _outermost(node: exp.Expr) -> list[exp.Subquery]:
    if isinstance(node, exp.Subquery) and node.meta.get("shared"):
        return [node]
    return [found for child in node.iter_expressions() for found in _outermost(child)]


def _cte(name: str, query: exp.Query, inline: bool) -> exp.CTE:
    made = exp.CTE(this=query, alias=exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
    if inline:
        made.set("materialized", False)
    return made


def _candidates(node: exp.Expr) -> list[exp.Subquery]:
    return [
        found
        for found in node.find_all(exp.Subquery)
        if found.meta.get("shared") and _computes(found.this) and not free_tables(found.this)
    ]


def _computes(query: exp.Expr) -> bool:
    """Whether a query is more than a scan and a filter, which are as cheap to repeat."""
    return any(
        isinstance(found, exp.SetOperation)
        or (isinstance(found, exp.Select) and (is_grouped(found) or windows(found) or _cuts(found)))
        for found in query.walk()
    )


def _cuts(select: exp.Select) -> bool:
    return any(select.args.get(name) for name in ("distinct", "limit", "offset", "qualify"))
