"""From relations to edges: target names by position, order, and no edge twice."""

from typing import Any

from sqlglot import exp

from batch_audit.lineage.flows import AGGREGATION, Flow, Gap
from batch_audit.lineage.relations import Column, Open
from batch_audit.lineage.result import (
    DIRECT,
    INDIRECT,
    SUBTYPES,
    ColumnLineage,
    Edge,
    SqlText,
    Unknown,
    read_only,
)
from batch_audit.lineage.statements import Written

Known = tuple[list[str], dict[str, str]] | None


class Answer:
    """Collects edges and gaps."""

    def __init__(self, dialect: Any) -> None:
        self.dialect = dialect
        self._edges: dict[tuple[Any, ...], Edge] = {}
        self._unknown: dict[tuple[Any, ...], Unknown] = {}
        self._columns: dict[str, tuple[str, ...]] = {}

    def gap(self, reason: str, about: str | exp.Expr, target: str = "", column: str | None = None) -> None:
        """Something that could not be told."""
        text = SqlText(None, None, about) if isinstance(about, str) else SqlText(about, self.dialect)
        self._unknown.setdefault((target, column, reason), Unknown(column, reason, text, target))

    def target_columns(self, written: Written, known: Known) -> list[tuple[str, Column]]:
        """The outputs under the target's names: by the column list, else unnamed and duplicate ones by ordinal."""
        outputs = list(written.relation.columns())
        if any(isinstance(column, Open) for column in outputs):
            return _around_star(outputs, written.names)
        if written.names:
            return [
                (
                    written.names[place] if place < len(written.names) else column.name or f"_col_{place}",
                    column,
                )
                for place, column in enumerate(outputs)
            ]
        by_ordinal = known and len(known[0]) == len(outputs) and not written.assigns
        listed = known[0] if known and by_ordinal else []
        seen: set[str] = set()
        named = []
        for place, column in enumerate(outputs):
            name = column.name
            if (not name or name.lower() in seen) and listed:
                name = listed[place]
            seen.add(name.lower())
            named.append((name or f"_col_{place}", column))
        return named

    def add(self, target: str, written: Written, known: Known) -> None:
        """The edges into one target."""
        columns = self.target_columns(written, known)
        self._width(target, written, columns)
        for name, column in columns:
            for flow in sorted(column.flows, key=_order):
                if isinstance(flow, Gap):
                    self.gap(flow.reason, flow.node or column.node or column.name, target, name)
                else:
                    self._edge(flow, target, name, column.node, flow[1])
            if not column.name and name.startswith("_col_"):
                self.gap(
                    f"output {name[5:]} (from 0) has no name and the schema has none for it",
                    column.node or "",
                    target,
                    name,
                )
        for flow, clause in sorted(written.relation.dataset.items(), key=lambda item: _order(item[0])):
            if isinstance(flow, Gap):
                self.gap(flow.reason, flow.node or clause or "", target)
            else:
                self._edge(flow, target, None, clause, "")
        names = dict.fromkeys((*self._columns.get(target, ()), *(name for name, _ in columns)))
        self._columns[target] = tuple(names)

    def _width(self, target: str, written: Written, columns: list[tuple[str, Column]]) -> None:
        counted = [column for _, column in columns if not isinstance(column, Open)]
        if written.names and len(counted) == len(columns) and len(columns) != len(written.names):
            self.gap(f"{len(columns)} columns are written into {len(written.names)}", "", target)

    def _edge(
        self, flow: Flow, target: str, column: str | None, node: exp.Expr | None, otherwise: str
    ) -> None:
        source, source_column, subtype, masked = flow
        key = (target.lower(), column.lower() if column is not None else None, flow)
        if key not in self._edges:
            text = SqlText(node, self.dialect) if node is not None else SqlText(None, None, otherwise)
            kind = DIRECT if subtype <= AGGREGATION else INDIRECT
            self._edges[key] = Edge(
                source, source_column, target, column, kind, SUBTYPES[subtype], masked, text
            )

    def result(self) -> ColumnLineage:
        """Everything that was collected."""
        return ColumnLineage(
            tuple(self._edges.values()), tuple(self._unknown.values()), read_only(dict(self._columns))
        )


def _order(flow: Flow | Gap) -> tuple[Any, ...]:
    return ("", "", 9, False, flow.reason) if isinstance(flow, Gap) else (*flow, "")


def _around_star(outputs: list[Column], names: list[str]) -> list[tuple[str, Column]]:
    """Positions are certain before the first star, and after the last one counted from the end."""
    if not names:
        return [(column.name or f"_col_{place}", column) for place, column in enumerate(outputs)]
    stars = [place for place, column in enumerate(outputs) if isinstance(column, Open)]
    result = []
    for place, column in enumerate(outputs):
        if isinstance(column, Open):
            name = "*"
        elif place < stars[0] and place < len(names):
            name = names[place]
        elif len(stars) == 1 and len(outputs) - place <= len(names):
            name = names[place - len(outputs)]
        else:
            name = "*"
            gap = Gap("the position of this column lies after a * whose columns are not known", column.node)
            column = Column(column.name, column.flows | {gap}, column.node)
        result.append((name, column))
    return result
