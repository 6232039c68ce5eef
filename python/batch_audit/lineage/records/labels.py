"""Whether an answer is `exact`: by what would come out if only the rows that it names were there (see `states`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlglot import exp

from batch_audit.lineage.records import verdicts
from batch_audit.lineage.records.catalog import Known
from batch_audit.lineage.records.result import Label
from batch_audit.lineage.records.states import Level
from batch_audit.lineage.records.survey import Decision, Survey


@dataclass
class Judgement:
    """The label of an answer, and of its filters."""

    label: Label
    reasons: tuple[str, ...]
    unlisted: dict[int, str] = field(default_factory=dict)
    unlisted_windows: set[str] = field(default_factory=set)

    def of_filter(self, decision: Decision) -> tuple[Label, tuple[str, ...]]:
        """A filter that lists no row because none was there may have been decided by rows that it cannot list."""
        if decision.window in self.unlisted_windows:
            return "unknown", ("the rows that decided about the rows of a frame are not listed",)
        reason = self.unlisted.get(id(decision.asked.node)) if decision.asked is not None else None
        if reason and self.label != "exact":
            return "unknown", (reason,)
        return "exact", ()


def judge(query: exp.Query, survey: Survey, reads: Mapping[str, tuple[exp.Table, Known]]) -> Judgement:
    """Judge a prepared query."""
    judge = verdicts.Judge(reads)
    state = judge.query(query)
    reasons = list(dict.fromkeys([*state.reasons, *judge.reasons]))
    exact = state.level > Level.BROKEN and not reasons
    return Judgement("exact" if exact else "superset", tuple(reasons), judge.unlisted, judge.unlisted_windows)
