"""Whether an answer is `exact`: by what would come out if only the rows that it names were there (see `states`)."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from batch_audit.lineage.records.catalog import Known
from batch_audit.lineage.records.result import Label
from batch_audit.lineage.records.states import Level, State
from batch_audit.lineage.records.survey import Decision, Survey
from batch_audit.lineage.records.verdicts import Judge

Reads = Mapping[str, tuple[exp.Table, Known]]


@dataclass
class Judgement:
    """The label of the values, and those of the filters."""

    label: Label
    reasons: tuple[str, ...]
    reads: Reads
    unknown: dict[str, str]

    def of_filter(self, decision: Decision) -> tuple[Label, tuple[str, ...]]:
        """`unknown` where it may have been decided by rows that are not listed, or where the engine chose them."""
        reasons = tuple(dict.fromkeys(self.unknown[key] for key in decision.keys if key in self.unknown))
        if reasons:
            return "unknown", reasons
        keyless = _keyless(decision.marks, self.reads)
        return ("superset" if keyless else "exact"), tuple(keyless)


def judge(query: exp.Query, survey: Survey, reads: Reads) -> Judgement:
    """Judge a prepared query: its values while what decides is whole, then what decides.

    A filter is `exact` when the values come out again although it is cut to its rows, with every other one that is.
    """
    values = Judge(reads, frozenset(mark for one in survey.decisions for mark in one.marks))
    state = values.query(query)
    reasons = [*state.reasons, *values.choices, *_keyless(survey.values, reads)]
    sound = not reasons and _comes_back(state)
    unlisted = _unlisted(query, survey, reads, _comes_back(state))
    return Judgement(
        "exact" if sound else "superset", tuple(dict.fromkeys(reasons)), reads, unlisted | values.unsure
    )


def _comes_back(state: State) -> bool:
    return state.level > Level.BROKEN and not state.reasons


def _unlisted(query: exp.Query, survey: Survey, reads: Reads, sound: bool) -> dict[str, str]:
    """Why the rows of a filter do not suffice, by the keys of decisions: these are left whole until the rest does."""
    found: dict[str, str] = {
        key: "" for one in survey.decisions if (one.kind, one.scope) == ("offset", "row") for key in one.keys
    }
    while True:
        whole = [mark for one in survey.decisions if found.keys() & one.keys for mark in one.marks]
        judge = Judge(reads, frozenset(whole))
        if _comes_back(judge.query(query)):
            return {key: reason for key, reason in found.items() if reason}
        more: dict[str, str] = {}
        for notes in (judge.unlisted, judge.suspects):
            more = more or {key: reason for key, reason in notes.items() if key not in found}
        if not more:
            break
        found |= more
    if sound:
        reason = "it could not be shown that its rows suffice"
        found |= {key: reason for one in survey.decisions for key in one.keys if key not in found}
    return {key: reason for key, reason in found.items() if reason}


def _keyless(marks: list[str], reads: Reads) -> list[str]:
    names = dict.fromkeys(reads[mark][1].name for mark in marks if not reads[mark][1].key)
    return [f"{name} has no key: rows that are equal cannot be told apart" for name in names]
