"""Relations as the walk sees them: output columns in order, and what decides which rows there are."""

from collections.abc import Iterable, Sequence

from sqlglot import exp

from batch_audit.lineage.flows import IDENTITY, NOTHING, Flow, Flows, Gap, read

# A path through a recursive structure could grow with each turn of a recursive CTE.
DEEPEST_PATH = 12


class Column:
    """One output column. `fields`: the parts of a struct that is built in sight; `paths`: it is a source's own
    value, so a field of it is named by its dotted path."""

    __slots__ = ("fields", "flows", "name", "node", "paths")

    def __init__(
        self,
        name: str,
        flows: Flows,
        node: exp.Expr | None = None,
        fields: "dict[str, Column] | None" = None,
        paths: bool = False,
    ) -> None:
        self.name, self.flows, self.node, self.fields, self.paths = name, flows, node, fields, paths

    def named(self, name: str, node: exp.Expr | None = None) -> "Column":
        """The same content under another name."""
        return Column(name, self.flows, node or self.node, self.fields, self.paths)

    def read(self, subtype: int, masked: bool = False) -> "Column":
        """The same column, changed at least this much."""
        return Column(self.name, read(self.flows, subtype, masked), self.node, None, self.paths)

    def field(self, name: str) -> "Column":
        """A field of this struct: only what feeds that field, where the struct is built in sight."""
        if self.fields is not None and (known := self.fields.get(name.lower())):
            return known
        if not self.paths:
            return self
        return Column(name, frozenset(_deeper(flow, name) for flow in self.flows), self.node, None, True)


def _deeper(flow: Flow | Gap, name: str) -> Flow | Gap:
    if isinstance(flow, Gap) or flow[2] > 1 or flow[1] == "*" or flow[1].count(".") >= DEEPEST_PATH:
        return flow
    return (flow[0], f"{flow[1]}.{name}", flow[2], flow[3])


class Open(Column):
    """A `*` whose columns are not known: it may hold any name that is not hidden (EXCEPT) or renamed."""

    __slots__ = ("hidden", "relation", "renamed")

    def __init__(
        self,
        relation: "Relation",
        flows: Flows,
        node: exp.Expr | None,
        hidden: frozenset[str] = frozenset(),
        renamed: "dict[str, str] | None" = None,
    ) -> None:
        super().__init__("*", flows, node)
        self.relation, self.hidden, self.renamed = relation, hidden, renamed or {}

    def may_have(self, name: str) -> bool:
        """Whether a column of this name can be among those of the star."""
        return name in self.renamed or name not in self.hidden

    def imagine(self, name: str, node: exp.Expr | None) -> Column:
        """The column of this name, supposed to be there."""
        return self.relation.named_or_imagined(self.renamed.get(name.lower(), name), node)


class Relation:
    """What a query, a CTE or a table gives. `dataset`: flow to the SQL that every row depends on.

    A `weak` relation (the elements of an array) is asked for unknown names only when no other may have them.
    """

    weak = False

    def __init__(
        self,
        outputs: Sequence[Column],
        dataset: "dict[Flow | Gap, exp.Expr | None] | None" = None,
        label: str = "",
    ) -> None:
        self.outputs: list[Column] = list(outputs)
        self.dataset = dataset if dataset is not None else {}
        self.label = label
        self._index: dict[str, Column] | None = None
        self._exact: dict[str, Column] = {}
        self._opens: list[Open] | None = None

    def columns(self) -> Iterable[Column]:
        """The output columns, in order."""
        return self.outputs

    @property
    def opens(self) -> list[Open]:
        """The stars that could not be expanded."""
        if self._opens is None:
            self._opens = [column for column in self.outputs if isinstance(column, Open)]
        return self._opens

    def find(self, name: str) -> Column | None:
        """The column that certainly has this name; the exact spelling goes before the same letters."""
        if self._index is None:
            self._build_index()
        index = self._index or {}
        return self._exact.get(name) or index.get(name.lower())

    def _build_index(self) -> None:
        index: dict[str, Column] = {}
        for column in self.columns():
            if isinstance(column, Open):
                continue
            first = index.setdefault(column.name.lower(), column)
            if first is not column and first.name != column.name:
                self._exact.setdefault(first.name, first)
                self._exact.setdefault(column.name, column)
        index.pop("", None)
        self._index = index

    def may_have(self, name: str) -> bool:
        """Whether it could have such a column without our knowing."""
        return any(star.may_have(name.lower()) for star in self.opens)

    def imagine(self, name: str, node: exp.Expr | None) -> Column:
        """What a reference to a column reads that is not known to be there."""
        stars = [star for star in self.opens if star.may_have(name.lower())]
        if len(stars) == 1:
            return stars[0].imagine(name, node)
        if stars:
            return ambiguous(name, [star.relation for star in stars], node)
        return Column(
            name, frozenset([Gap(f"{self.label or 'the subquery'} has no column {name}", node)]), node
        )

    def named_or_imagined(self, name: str, node: exp.Expr | None) -> Column:
        """The column of this name, known or supposed."""
        return self.find(name) or self.imagine(name, node)

    def renamed(self, names: Sequence[str], label: str) -> "Relation":
        """The same rows under column aliases; the alias list may be shorter than the columns."""
        outputs = list(self.columns())
        if not names:
            relation = Relation(outputs, self.dataset, label)
            relation._index, relation._exact = self._index, self._exact
            return relation
        if any(isinstance(column, Open) for column in outputs):
            return _renamed_open(self, outputs, names, label)
        named = [column.named(name) for column, name in zip(outputs, names, strict=False)]
        return Relation(named + outputs[len(named) :], self.dataset, label)


def _renamed_open(relation: Relation, outputs: list[Column], names: Sequence[str], label: str) -> Relation:
    """Aliases over columns that are not known: certain up to the first star."""
    columns: list[Column] = []
    stars: Flows = NOTHING
    for position, name in enumerate(names):
        before = outputs[: position + 1]
        if len(before) > position and not any(isinstance(column, Open) for column in before):
            columns.append(outputs[position].named(name))
            continue
        stars = stars or frozenset().union(*(column.flows for column in outputs[len(columns) :]))
        gap = Gap(f"{name} is column {position + 1} of a * whose columns are not known", None)
        columns.append(Column(name, stars | {gap}))
    return Relation(columns, relation.dataset, label)


class Base(Relation):
    """A table of the warehouse. `known`: its columns from the schema, None when the schema does not have it."""

    def __init__(self, name: str, known: Sequence[str] | None, types: "dict[str, str] | None" = None) -> None:
        super().__init__((), None, name)
        self.name, self.known, self.types = name, known, types or {}
        self._spelled = {column.lower(): column for column in reversed(known)} if known is not None else {}
        self._letters = set(known or ())
        self._made: dict[str, Column] = {}
        if known is None:
            gap = Gap(f"the columns of {name} are not known", None)
            self.outputs = [Open(self, frozenset([(name, "*", IDENTITY, False), gap]), None)]

    def _make(self, spelled: str) -> Column:
        column = self._made.get(spelled)
        if column is None:
            column = self._made[spelled] = Column(
                spelled,
                frozenset([(self.name, spelled, IDENTITY, False)]),
                paths=_may_have_fields(self.types.get(spelled)),
            )
        return column

    def columns(self) -> Iterable[Column]:
        """All columns that the schema knows; made once, shared by every reader."""
        if self.known is not None and not self.outputs:
            self.outputs = [self._make(name) for name in self.known]
        return self.outputs

    @property
    def opens(self) -> list[Open]:
        """Its own star, when it is not in the schema."""
        return [column for column in self.outputs if isinstance(column, Open)] if self.known is None else []

    def find(self, name: str) -> Column | None:
        """A column that the schema lists."""
        spelled = name if name in self._letters else self._spelled.get(name.lower())
        return self._make(spelled) if spelled is not None else None

    def may_have(self, name: str) -> bool:
        """Any name, when the schema does not list the table."""
        return self.known is None

    def imagine(self, name: str, node: exp.Expr | None) -> Column:
        """The edge is kept, and marked when the schema contradicts it."""
        column = self._make(self._spelled.get(name.lower(), name))
        if self.known is None:
            self._spelled.setdefault(name.lower(), name)
            return column
        gap = Gap(f"the schema lists no column {name} in {self.name}", node)
        return Column(name, column.flows | {gap}, node, None, True)


def _may_have_fields(kind: str | None) -> bool:
    """JSON and variants hold no fields that the schema could name; an absent type may be a struct."""
    return not kind or kind.upper().split("(")[0].strip() not in {
        "JSON",
        "JSONB",
        "VARIANT",
        "OBJECT",
        "SUPER",
    }


class AnyName(Relation):
    """A function's or a data-dependent relation's rows: every name reads the same flows."""

    def __init__(self, flows: Flows, label: str, node: exp.Expr | None, known: Sequence[Column] = ()) -> None:
        super().__init__(known, None, label)
        self.flows = flows
        self.outputs.append(Open(self, flows, node))

    def imagine(self, name: str, node: exp.Expr | None) -> Column:
        """Each column comes from the same place."""
        return Column(name, self.flows, node, None, True)


def ambiguous(name: str, candidates: Sequence[Relation], node: exp.Expr | None) -> Column:
    """A column that several relations may have: an edge with an empty source, and the candidates."""
    labels = ", ".join(dict.fromkeys(relation.label or "a subquery" for relation in candidates))
    gap = Gap(f"{name} may come from any of: {labels}", node)
    return Column(name, frozenset([("", name, IDENTITY, False), gap]), node)


def add_dataset(
    dataset: dict[Flow | Gap, exp.Expr | None], flows: Iterable[Flow | Gap], node: exp.Expr | None
) -> None:
    """Remember what the rows depend on, with the first clause that said so."""
    for flow in flows:
        dataset.setdefault(flow, node)
