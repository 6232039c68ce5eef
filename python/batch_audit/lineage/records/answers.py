"""The queries of an answer, written from what a survey found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from batch_audit.lineage.records import edges, labels
from batch_audit.lineage.records.catalog import Known
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.items import key_of
from batch_audit.lineage.records.narrow import narrowed
from batch_audit.lineage.records.nodes import output_names
from batch_audit.lineage.records.result import Filter, ProvenanceQuery, Role, Scope, Source
from batch_audit.lineage.records.rewriter import Rewriter
from batch_audit.lineage.records.rows import Rows, alias, column, derived, select
from batch_audit.lineage.records.sharing import share
from batch_audit.lineage.records.survey import Decision, Survey

MOST_OCCURRENCES = 32  # above, the combinations of their rows are of no use


@dataclass
class Answers:
    """Everything about one query."""

    query: exp.Query
    reads: Mapping[str, tuple[exp.Table, Known]]
    survey: Survey
    dialect: str
    where: Mapping[str, str]
    spelled: Mapping[str, str]
    key_text: edges.KeyText | None = None

    def all(self) -> ProvenanceQuery:
        """The answer."""
        self.names = self._occurrences()
        self.sources = {self.names[mark]: self._source(mark) for mark in self.survey.reads}
        judged = labels.judge(self.query, self.survey, self.reads)
        found = tuple(self._filter(decision, judged) for decision in self.survey.decisions if decision.marks)
        reasons = judged.reasons
        label = judged.label
        sql = None
        if len(self.survey.values) <= MOST_OCCURRENCES:
            sql = self._values()
        else:
            reasons = (*reasons, f"more than {MOST_OCCURRENCES} reads of relations: only edges_sql is given")
        return ProvenanceQuery(
            sql, self.sources, found, label, reasons, self._replay(), edges.edges_sql(self, found)
        )

    def _occurrences(self) -> dict[str, str]:
        """A name for every read: that of its relation, with a number from the second on."""
        names: dict[str, str] = {}
        for mark in self.survey.reads:
            stem = re.sub(r"\W", "_", self.reads[mark][0].name) or "relation"
            name, number = stem, 1
            while name in names.values():
                number += 1
                name = f"{stem}_{number}"
            names[mark] = name
        return names

    def _source(self, mark: str) -> Source:
        keys, _ = key_of(Rewriter(self.reads, self.dialect, frozenset()), mark)
        name = self.names[mark]
        taken = {one.lower() for one in output_names(self.query)}
        outputs = [f"prov_{name}_{key}" for key in keys]
        while any(output.lower() in taken for output in outputs):
            outputs = [f"{output}_" for output in outputs]
        role: Role = "value" if self.survey.reads[mark] is None else "filter"
        return Source(self.reads[mark][1].name, keys, tuple(outputs), role, f"slot_{name}")

    def rewriter(self, marks: list[str], window: str = "") -> Rewriter:
        """A rewriter that traces these reads."""
        return Rewriter(self.reads, self.dialect, frozenset(marks), window)

    def narrowed(self, marks: list[str], window: str = "") -> Rows:
        """The whole query, traced to these reads, for the output rows that `where` asks for."""
        rows = self.rewriter(marks, window).rows(self.query)
        rows.traced = narrowed(rows, self.where, self.dialect)
        return rows

    @property
    def output_names(self) -> list[str]:
        """The output columns, as the text spells them."""
        return [self.spelled.get(name, name) for name in output_names(self.query)]

    def text(self, query: exp.Query) -> str:
        """SQL over the relations themselves, each repeated part written once."""
        query = query.copy()
        for table in list(query.find_all(exp.Table)):
            if "read" in table.meta:
                real = self.reads[table.meta["read"]][0].copy()
                real.set("alias", table.args["alias"].copy())
                table.replace(real)
        return share(query, inline=bool(self.where) and not self._has_floats()).sql(self.dialect)

    def _has_floats(self) -> bool:
        """Whether a sum could come out otherwise when it is computed twice, as far as types are known."""
        return any(
            not kind or re.search("float|double|real", kind, re.IGNORECASE)
            for _, known in self.reads.values()
            for kind in known.columns.values()
        )

    def _values(self) -> str:
        rows = self.narrowed(self.survey.values)
        return self.text(self.shown(rows, rows.names, self.survey.values))

    def shown(self, rows: Rows, base: list[str], marks: list[str]) -> exp.Select:
        """The columns of the original, and the keys under their lasting names."""
        carried = {one.mark: one.columns for one in rows.prov}
        missing = [self.names[mark] for mark in marks if mark not in carried]
        if missing:
            raise Untraceable(f"no way was found from {', '.join(missing)} to the output")
        columns: list[exp.Expr] = [alias(column(name, "__o"), self.spelled.get(name, name)) for name in base]
        for mark in marks:
            outputs = self.sources[self.names[mark]].outputs
            columns += [
                alias(column(one, "__o"), output) for one, output in zip(carried[mark], outputs, strict=True)
            ]
        return select(columns, derived(rows.traced, "__o"))

    def _filter(self, decision: Decision, judged: "labels.Judgement") -> Filter:
        label, reasons = judged.of_filter(decision)
        sources = {self.names[mark]: self._as_filter(mark) for mark in decision.marks}
        try:
            sql = self.text(self.decided(decision))
        except Untraceable as reason:
            return Filter(
                decision.kind, "", sources, cast(Scope, decision.scope), "unknown", (*reasons, str(reason))
            )
        return Filter(decision.kind, sql, sources, cast(Scope, decision.scope), label, reasons)

    def _as_filter(self, mark: str) -> Source:
        own = self.sources[self.names[mark]]
        return Source(own.relation, own.keys, own.outputs, "filter", own.slot)

    def decided(self, decision: Decision) -> exp.Select:
        """The query of a filter."""
        if decision.scope == "row":
            if decision.kind == "offset":
                raise Untraceable("the rows that an OFFSET skips for each row of another query are not given")
            rows = self.narrowed(decision.marks, decision.window)
            found = self.shown(rows, rows.names, decision.marks)
        else:
            rows = self.rewriter(decision.marks).rows(_asked_query(decision))
            found = self.shown(rows, [], decision.marks)
        found.set("distinct", exp.Distinct())
        return found

    def _replay(self) -> str:
        query = self.query.copy()
        for table in query.find_all(exp.Table):
            if "read" in table.meta:
                slot = self.sources[self.names[table.meta["read"]]].slot
                table.set("this", exp.to_identifier(slot, quoted=True))
        return query.sql(self.dialect)


def _asked_query(decision: Decision) -> exp.Query:
    if decision.asked is not None:
        return decision.asked.query
    skipped = decision.select.copy()
    skipped.set("limit", exp.Limit(expression=skipped.args["offset"].expression.copy()))
    skipped.set("offset", None)
    return skipped
