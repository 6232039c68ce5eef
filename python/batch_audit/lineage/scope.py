"""Names: which relation, and which column of it, a reference means."""

from enum import Enum, auto
from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.flows import IDENTITY, NOTHING, Gap
from batch_audit.lineage.relations import Column, Relation, ambiguous

if TYPE_CHECKING:
    from batch_audit.lineage.reader import Reader

Env = dict[str, Relation]  # names of CTEs, and of what a script has made, in lower case

# Words that some dialects write without parentheses, and the parser takes for a column.
_NILADIC = (
    "current_date current_time current_timestamp current_user session_user system_user user "
    "sysdate systimestamp rownum level localtime localtimestamp current_catalog "
    "current_schema current_role"
)
NILADIC = frozenset(_NILADIC.split())
# Engines that let an expression name an earlier one of the same SELECT.
LATERAL_ALIASES = frozenset(
    {"snowflake", "redshift", "duckdb", "databricks", "spark", "clickhouse", "teradata"}
)


class AliasRule(Enum):
    """When an output's alias is meant: after columns in a SELECT, WHERE, GROUP BY …, before them in ORDER BY."""

    LATERAL = auto()
    AFTER = auto()
    FIRST = auto()


class Source:
    """A relation in FROM under its name; `parts` are lower case, an alias is one part."""

    __slots__ = ("parts", "real", "relation", "visible")

    def __init__(self, parts: tuple[str, ...], relation: Relation, real: tuple[str, ...] = ()) -> None:
        self.parts, self.relation, self.real, self.visible = parts, relation, real, True

    def called(self, wanted: tuple[str, ...]) -> bool:
        """Whether this qualifier means this relation."""
        return self.parts[-len(wanted) :] == wanted


class Scope:
    """The names of one SELECT, and of those around it (`parent`)."""

    def __init__(self, reader: "Reader", env: Env, parent: "Scope | None" = None) -> None:
        self.reader, self.env, self.parent = reader, env, parent
        self.sources: list[Source] = []
        self.merged: dict[str, Column] = {}  # columns that USING or NATURAL joined into one
        self.aliases: dict[str, Column] = {}
        self.windows: dict[str, exp.Expr] = {}
        self.rule = AliasRule.LATERAL
        self.columns_function: exp.Expr | None = None  # a COLUMNS(…) that a projection holds
        self.chosen: Column | None = None  # the one of its columns that is being read
        self.row_makers: list[exp.Expr] = []  # UNNEST and the like among the projections

    def visible(self) -> list[Source]:
        """The relations whose columns a `*` or a bare name can mean: not the right side of a semi-join."""
        return [source for source in self.sources if source.visible]

    def source(self, wanted: tuple[str, ...]) -> Source | None:
        """The relation that a qualifier means, here or further out; an alias goes before the table's own name."""
        scope: Scope | None = self
        while scope is not None:
            for source in scope.sources:
                if source.called(wanted):
                    return source
            for source in scope.sources:
                if source.real and source.real[-len(wanted) :] == wanted:
                    return source
            scope = scope.parent
        return None

    def column(self, node: exp.Column) -> Column:
        """The column that this reference reads."""
        args = node.args
        if args.get("table") is None:
            return self.bare(node.name, node)
        parts = [f"${part.name}" if isinstance(part, exp.Parameter) else part.name for part in node.parts]
        for cut in range(len(parts) - 1, 0, -1):
            source = self.source(tuple(part.lower() for part in parts[:cut]))
            if source is not None:
                return _path(source.relation.named_or_imagined(parts[cut], node), parts[cut + 1 :])
        found = self._lookup(parts[0], node)
        if found is not None:
            return _path(found, parts[1:])
        qualifier = ".".join(parts[:-1])
        return Column(parts[-1], frozenset([Gap(f"no relation here is called {qualifier}", node)]), node)

    def bare(self, name: str, node: exp.Expr) -> Column:
        """The column that an unqualified name means; a gap when no relation has it."""
        found = self._lookup(name, node)
        if found is not None:
            return found
        if name.lower() in NILADIC:
            return Column(name, NOTHING, node)
        return Column(name, frozenset([Gap(f"no relation here has a column {name}", node)]), node)

    def _lookup(self, name: str, node: exp.Expr) -> Column | None:
        if self.rule is AliasRule.FIRST and name.lower() in self.aliases:
            return self.aliases[name.lower()]
        scope: Scope | None = self
        while scope is not None:
            found = scope._local(name, node)
            if found is not None:
                return found
            scope = scope.parent
        return None

    def _local(self, name: str, node: exp.Expr) -> Column | None:
        key = name.lower()
        if key in self.merged:
            return self.merged[key]
        known = [(source, column) for source in self.visible() if (column := source.relation.find(name))]
        if len(known) == 1:
            return known[0][1]
        if known:
            return ambiguous(name, [source.relation for source, _ in known], node)
        possible = [source.relation for source in self.visible() if source.relation.may_have(key)]
        possible = [relation for relation in possible if not relation.weak] or possible
        if key in self.aliases and (not possible or self._alias_likely()):
            return self._alias(name, possible, node)
        if len(possible) == 1:
            if key in NILADIC:
                return None
            return self._inner_or_outer(name, possible[0], node)
        if possible:
            return ambiguous(name, possible, node)
        whole = next((source for source in self.visible() if source.parts[-1:] == (key,)), None)
        return self._whole_row(name, whole.relation, node) if whole else None

    def _alias_likely(self) -> bool:
        return self.rule is not AliasRule.LATERAL or self.reader.dialect_name in LATERAL_ALIASES

    def _alias(self, name: str, possible: list[Relation], node: exp.Expr) -> Column:
        alias = self.aliases[name.lower()]
        if not possible or _names_itself(alias, name):
            return alias
        labels = ", ".join(relation.label or "a subquery" for relation in possible)
        gap = Gap(f"{name} is taken for the alias; it may be a column of {labels}", node)
        return Column(name, alias.flows | {gap}, alias.node, alias.fields, alias.paths)

    def _inner_or_outer(self, name: str, inner: Relation, node: exp.Expr) -> Column:
        """The innermost relation goes first; when one further out is known to have it, say so."""
        column = inner.imagine(name, node)
        scope = self.parent
        while scope is not None:
            for source in scope.visible():
                if source.relation.find(name):
                    gap = Gap(
                        f"{name} is taken from {inner.label}; {source.relation.label} has one, too", node
                    )
                    return Column(name, column.flows | {gap}, node, None, column.paths)
            scope = scope.parent
        return column

    def _whole_row(self, name: str, relation: Relation, node: exp.Expr) -> Column:
        """A relation's name as a value: the whole row, as a struct."""
        columns = list(relation.columns())
        flows = frozenset().union(*(column.flows for column in columns)) if columns else NOTHING
        fields = {column.name.lower(): column for column in columns if column.name != "*"}
        return Column(name, flows, node, fields or None, False)


def _path(column: Column, path: list[str]) -> Column:
    for name in path:
        column = column.field(name)
    return column


def _names_itself(alias: Column, name: str) -> bool:
    """`select t.day as day … group by day`: column and alias are the same."""
    return all(
        not isinstance(flow, Gap) and flow[1].lower() == name.lower() and flow[2] == IDENTITY
        for flow in alias.flows
    )
