"""UNION, INTERSECT and EXCEPT, by position and by name: one pass over a chain of any length."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage import ctes
from batch_audit.lineage.flows import FILTER, GROUP_BY, Flow, Flows, Gap, read
from batch_audit.lineage.relations import Column, Open, Relation, add_dataset
from batch_audit.lineage.scope import Env, Scope
from batch_audit.lineage.tree import arg

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader


class _Arms:
    """The columns of the arms so far: sets that grow, because copies of them would be quadratic in the arms."""

    def __init__(self, first: Relation) -> None:
        self.columns = list(first.columns())
        self.flows: list[set[Flow | Gap]] = [set(column.flows) for column in self.columns]
        self.dataset = dict(first.dataset)
        self.open_arms = [first] if first.opens else []
        self._merged = {id(first.outputs)}
        self._kept = [first.outputs]  # so that no id is used twice

    def add_by_position(self, right: Relation, node: exp.Expr) -> None:
        """Each column of the arm goes to the one at its position."""
        columns = list(right.columns())
        if id(right.outputs) in self._merged:
            return
        self._merged.add(id(right.outputs))
        self._kept.append(right.outputs)
        if right.opens or self.open_arms:
            self._add_open(right)
            return
        if len(columns) != len(self.columns):
            counts = f"{len(self.columns)} and {len(columns)}"
            self.dataset[Gap(f"the arms of a set operation have {counts} columns", node)] = node
        for flows, column in zip(self.flows, columns, strict=False):
            flows |= column.flows

    def _add_open(self, right: Relation) -> None:
        """Positions are certain only before the first star; the rest is matched when a name is asked for."""
        self.open_arms = self.open_arms or [Relation(self.columns)]
        self.open_arms.append(right)
        for position, (left, column) in enumerate(zip(self.columns, right.columns(), strict=False)):
            if isinstance(left, Open) or isinstance(column, Open):
                break
            self.flows[position] |= column.flows
        first_star = next(
            (
                flows
                for column, flows in zip(self.columns, self.flows, strict=True)
                if isinstance(column, Open)
            ),
            None,
        )
        for column in right.columns():
            if isinstance(column, Open) and first_star is not None:
                first_star |= column.flows
            elif isinstance(column, Open):
                self.columns.append(Open(_Union([right]), column.flows, column.node))
                self.flows.append(set(column.flows))

    def add_by_name(self, right: Relation) -> None:
        """Columns of the same name meet; the others are added at the end."""
        at = {column.name.lower(): place for place, column in enumerate(self.columns)}
        for column in right.columns():
            place = at.get(column.name.lower())
            if place is None or isinstance(column, Open):
                self.columns.append(column)
                self.flows.append(set(column.flows))
            else:
                self.flows[place] |= column.flows
        self._merged.clear()

    def all_flows(self) -> Flows:
        """Everything that feeds or influences a column of these arms."""
        return frozenset().union(*self.flows)

    def relation(self) -> Relation:
        """The combined relation."""
        outputs: list[Column] = []
        for column, flows in zip(self.columns, self.flows, strict=True):
            if isinstance(column, Open) and len(self.open_arms) > 1:
                outputs.append(Open(_Union(self.open_arms), frozenset(flows), column.node))
            elif isinstance(column, Open):
                outputs.append(column)
            else:
                paths = column.paths and len(flows) == len(column.flows)
                outputs.append(Column(column.name, frozenset(flows), column.node, None, paths))
        return Relation(outputs, self.dataset)


class _Union(Relation):
    """Arms whose columns are not all known: a name is looked for in each, and marked, since positions decide."""

    def __init__(self, arms: list[Relation]) -> None:
        super().__init__([])
        self.arms, self.label = list(arms), "a union"

    def find(self, name: str) -> Column | None:
        """Never certain."""
        return None

    def imagine(self, name: str, node: exp.Expr | None) -> Column:
        """The columns of this name in every arm."""
        found = [arm.named_or_imagined(name, node) for arm in self.arms]
        gap = Gap(
            f"{name} is matched by name in the arms of a set operation: their columns are not known", node
        )
        flows = frozenset([gap]).union(*(column.flows for column in found))
        return Column(name, flows, node, None, all(column.paths for column in found))


def combine(reader: "Reader", node: exp.SetOperation, env: Env, parent: Scope | None) -> Relation:
    """The relation of a chain of set operations, from the left."""
    env = ctes.bind(reader, node, env, parent)
    chain: list[exp.Expr] = [node]
    while isinstance(chain[-1].this, exp.SetOperation) and not _stands_alone(chain[-1].this):
        chain.append(chain[-1].this)
    arms = _Arms(reader.query(chain[-1].this, env, parent))
    for operation in reversed(chain):
        right = reader.query(operation.expression, env, parent)
        _add(arms, operation, right)
    return arms.relation()


def _stands_alone(node: exp.Expr) -> bool:
    return bool(arg(node, "with") or node.args.get("order") or node.args.get("limit"))


def _add(arms: _Arms, operation: exp.Expr, right: Relation) -> None:
    for flow, clause in right.dataset.items():
        arms.dataset.setdefault(flow, clause)
    filters = not isinstance(operation, exp.Union)
    if filters:
        both = arms.all_flows().union(*(column.flows for column in right.columns()))
        add_dataset(arms.dataset, read(both, FILTER), operation)
    if isinstance(operation, exp.Except):
        return
    if operation.args.get("by_name"):
        arms.add_by_name(right)
    else:
        arms.add_by_position(right, operation)
    if not filters and operation.args.get("distinct"):
        add_dataset(arms.dataset, read(arms.all_flows(), GROUP_BY), operation)
