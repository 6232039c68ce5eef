"""What a query does to its rows, in one word."""

from sqlglot import exp

STEPS = (
    "aggregate", "distinct", "union", "intersect", "except", "window", "join", "filter", "limit", "map",
)  # fmt: skip


def step_of(tree: exp.Expr) -> str:
    """The step that changes most which rows come out: the first of STEPS in the query, subqueries in values and
    predicates left out.
    """
    found = set()
    for node in tree.walk(prune=_is_apart):
        if isinstance(node, exp.Window):
            found.add("window")
        elif isinstance(node, exp.Group) or (
            isinstance(node, exp.AggFunc) and node.find_ancestor(exp.Window) is None
        ):
            found.add("aggregate")
        elif isinstance(node, exp.Distinct):
            found.add("distinct")
        elif isinstance(node, exp.SetOperation):
            found.add(node.key)
        elif isinstance(node, exp.Join):
            found.add("join")
        elif isinstance(node, (exp.Where, exp.Having, exp.Qualify)):
            found.add("filter")
        elif isinstance(node, (exp.Limit, exp.Offset)):
            found.add("limit")
    return next((step for step in STEPS if step in found), "map")


def _is_apart(node: exp.Expr) -> bool:
    """Whether what lies in a node does not make rows of the query."""
    in_value = isinstance(node, exp.Subquery) and not isinstance(
        node.parent, (exp.From, exp.Join, exp.CTE, exp.Subquery, exp.SetOperation, exp.Lateral, type(None))
    )
    return in_value or isinstance(node, (exp.Where, exp.Having, exp.Qualify))
