"""WITH: names that shadow tables, and recursion to a fixpoint."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.flows import Gap
from batch_audit.lineage.relations import Relation
from batch_audit.lineage.scope import Env, Scope
from batch_audit.lineage.tree import alias_names, arg, reads_table

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader

# Engines where a CTE may read itself without the word RECURSIVE.
IMPLICIT = frozenset({"tsql", "fabric", "snowflake", "oracle", "teradata"})
# Flows only grow and are finite; this only stops what is not understood.
MOST_TURNS = 50


def bind(reader: "Reader", node: exp.Expr, env: Env, parent: Scope | None) -> Env:
    """The names that are visible inside, with those of this statement's WITH."""
    clause = arg(node, "with")
    if clause is None:
        return env
    env = dict(env)
    recursive = bool(clause.args.get("recursive"))
    for cte in clause.expressions:
        name, columns = alias_names(cte)
        if (recursive or reader.dialect_name in IMPLICIT) and _reads_itself(cte.this, name.lower()):
            env[name.lower()] = _fixpoint(reader, cte.this, (name, columns), env, parent)
        else:
            env[name.lower()] = reader.query(cte.this, env, parent).renamed(columns, name)
    return env


def _reads_itself(query: exp.Expr, name: str) -> bool:
    """A set operation whose first arm stands alone, and a later one reads the name that is being defined."""
    arms = []
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        if isinstance(query, exp.SetOperation):
            arms.append(query.expression)
        query = query.this
    return bool(arms) and any(reads_table(arm, name) for arm in arms) and not reads_table(query, name)


def _fixpoint(
    reader: "Reader", query: exp.Expr, alias: tuple[str, list[str]], env: Env, parent: Scope | None
) -> Relation:
    """Read the query with what it gave before, until nothing is added."""
    name, columns = alias
    first = query
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    with_names = env
    clause = arg(query, "with")
    if clause is not None:
        with_names = bind(reader, query, env, parent)
    current = reader.query(first, with_names, parent).renamed(columns, name)
    for _ in range(MOST_TURNS):
        turn = reader.query(query, env | {name.lower(): current}, parent).renamed(columns, name)
        if _facts(turn) == _facts(current):
            return turn
        current = turn
    current.dataset[Gap(f"{name} did not settle after {MOST_TURNS} turns of its recursion", query)] = query
    return current


def _facts(relation: Relation) -> tuple[object, ...]:
    """What is known, without gaps, which are new objects in every turn."""
    per_column = tuple(
        (column.name, frozenset(flow for flow in column.flows if not isinstance(flow, Gap)))
        for column in relation.columns()
    )
    return per_column, frozenset(flow for flow in relation.dataset if not isinstance(flow, Gap))
