"""What a prepared query reads, and what for: which reads give values, and which only decide."""

from dataclasses import dataclass, field

from sqlglot import exp

from batch_audit.lineage.records.frames import gathered_like
from batch_audit.lineage.records.nodes import QUERIES, free_tables, sources, windows
from batch_audit.lineage.records.recursion import is_recursive
from batch_audit.lineage.records.subqueries import Asked, asked_of


@dataclass
class Decision:
    """A predicate subquery, a window or an OFFSET: the reads that decide, and the SELECT that asks."""

    kind: str
    scope: str
    marks: list[str]
    select: exp.Select
    asked: Asked | None = None
    window: str = ""

    @property
    def keys(self) -> list[str]:
        """What a judge calls it by: its window, its OFFSET, or the reads of its subquery."""
        if self.window:
            return [self.window]
        return [offset_key(self.select)] if self.kind == "offset" else self.marks


def offset_key(select: exp.Select) -> str:
    """What a judge calls the OFFSET of a SELECT by."""
    return f"offset {id(select)}"


@dataclass
class Survey:
    """`reads` in the order of the text, each with the place of the decision that it serves (None: it gives values)."""

    reads: dict[str, int | None] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)

    @property
    def values(self) -> list[str]:
        """The reads that give values."""
        return [mark for mark, focus in self.reads.items() if focus is None]

    def look(self, query: exp.Expr, focus: int | None) -> None:
        """Note the reads and decisions of a query, whose rows serve `focus`."""
        if is_recursive(query):
            for table in query.find_all(exp.Table):
                if "read" in table.meta:
                    self.reads.setdefault(table.meta["read"], focus)
        elif isinstance(query, exp.SetOperation):
            self.look(query.this, focus)
            self.look(query.expression, focus)
        elif isinstance(query, exp.Select):
            self._select(query, focus)

    def _select(self, query: exp.Select, focus: int | None) -> None:
        before = len(self.reads)
        for source in sources(query):
            if isinstance(source, exp.Table) and "read" in source.meta:
                self.reads.setdefault(source.meta["read"], focus)
            else:
                for inner in [source.this.this] if isinstance(source, exp.Lateral) else [source.this]:
                    if isinstance(inner, QUERIES):
                        self.look(inner, focus)
        own = [mark for mark in list(self.reads)[before:] if self.reads[mark] == focus]
        for clause, asked in asked_of(query):
            self._asked(query, clause, asked, focus)
        self._windows(query, own)
        if query.args.get("offset"):
            scope = "row" if free_tables(query) else "query"
            self.decisions.append(Decision("offset", scope, own, query))

    def _asked(self, query: exp.Select, clause: str, asked: Asked, focus: int | None) -> None:
        marks = {table.meta["read"] for table in asked.query.find_all(exp.Table) if "read" in table.meta}
        if marks and marks <= self.reads.keys():
            return  # written out from an alias
        if clause == "select" and asked.kind == "scalar":
            self.look(asked.query, focus)
            return
        kind = "quantified" if asked.kind in ("any", "all") else asked.kind
        decision = Decision(kind, asked.scope, [], query, asked)
        place = len(self.decisions)
        self.decisions.append(decision)
        self.look(asked.query, place)
        decision.marks = [mark for mark, served in self.reads.items() if served == place]

    def _windows(self, query: exp.Select, marks: list[str]) -> None:
        known: dict[str, str] = {}
        for window in windows(query):
            like = gathered_like(window, query)
            if like in known:
                window.meta["window"] = known[like]
                continue
            name = f"w{len(self.decisions)}"
            known[like] = window.meta["window"] = name
            self.decisions.append(Decision("window", "row", marks, query, window=name))
