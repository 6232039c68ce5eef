"""Flows: from which column something comes, and how. The unit that every part of the walk passes on."""

from collections.abc import Iterable

from sqlglot import exp

# Ordered, so that `max` of two subtypes along a path is the rule: the larger direct one wins, and an indirect
# flow that a direct expression reads stays indirect.
IDENTITY, TRANSFORMATION, AGGREGATION, CONDITIONAL, WINDOW, JOIN, FILTER, GROUP_BY, SORT = range(9)


class Gap:
    """Something that could not be told; it travels like a flow to every column that reads it."""

    __slots__ = ("node", "reason")

    def __init__(self, reason: str, node: exp.Expr | None) -> None:
        self.reason, self.node = reason, node


# (table, column, subtype, masked); a table is its name as written, a column its dotted path.
Flow = tuple[str, str, int, bool]
Flows = frozenset[Flow | Gap]
NOTHING: Flows = frozenset()


def read(flows: Iterable[Flow | Gap], subtype: int, masked: bool = False) -> Flows:
    """These flows as an expression of this subtype reads them: the outermost indirect one wins."""
    if subtype == IDENTITY and not masked and isinstance(flows, frozenset):
        return flows
    return frozenset(
        flow
        if isinstance(flow, Gap)
        else (
            flow[0],
            flow[1],
            subtype if subtype > AGGREGATION else max(flow[2], subtype),
            flow[3] or masked,
        )
        for flow in flows
    )


def direct_at_least(subtype: int, least: int) -> int:
    """The context inside a node that is at least this much of a change; an indirect context stays."""
    return subtype if subtype > least else least


def under(outer: int, indirect: int) -> int:
    """The context of an indirect part inside `outer`: the outermost indirect context wins."""
    return outer if outer > AGGREGATION else indirect
