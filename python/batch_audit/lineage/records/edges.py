"""The long form: which source row served which output row, without the combinations of several sources."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.result import Filter
from batch_audit.lineage.records.rows import alias, column, derived, select
from batch_audit.lineage.records.survey import Decision

if TYPE_CHECKING:
    from batch_audit.lineage.records.answers import Answers


def edges_sql(answers: "Answers", filters: tuple[Filter, ...]) -> str | None:
    """One row for each output row, occurrence and source row; None for a query that reads no relation.

    After the output columns come `__occurrence`, `__source_key` (the key's columns as text, `~` and `|` escaped as `~0`
    and `~1`, joined by `|`: the form of a record_id) and `__role`: `value`, `filter`, or `filter_all` with NULL output
    columns for a row that served every output row.
    """
    parts = [_of_value(answers, mark) for mark in answers.survey.values]
    decisions = [one for one in answers.survey.decisions if one.marks]
    for decision, given in zip(decisions, filters, strict=True):
        if given.sql:
            parts += [_of_filter(answers, decision, mark) for mark in decision.marks]
    if not parts:
        return None
    whole: exp.Query = parts[0]
    for part in parts[1:]:
        whole = exp.Union(this=whole, expression=part, distinct=False)
    return answers.text(whole)


def _of_value(answers: "Answers", mark: str) -> exp.Select:
    rows = answers.narrowed([mark])
    return _edge(answers, answers.shown(rows, rows.names, [mark]), mark, answers.output_names, "value")


def _of_filter(answers: "Answers", decision: Decision, mark: str) -> exp.Select:
    only = Decision(decision.kind, decision.scope, [mark], decision.select, decision.asked, decision.window)
    names = answers.output_names
    shown = answers.decided(only)
    return _edge(answers, shown, mark, names, "filter" if decision.scope == "row" else "filter_all")


def _edge(answers: "Answers", shown: exp.Select, mark: str, names: list[str], role: str) -> exp.Select:
    occurrence = answers.names[mark]
    keys = [column(name, "__e") for name in answers.sources[occurrence].outputs]
    base: list[exp.Expr] = [
        alias(exp.Null() if role == "filter_all" else column(name, "__e"), name) for name in names
    ]
    text: exp.Expr = _field(keys[0])
    for key in keys[1:]:
        text = exp.DPipe(
            this=exp.DPipe(this=text, expression=exp.Literal.string("|")), expression=_field(key)
        )
    made = select(
        [
            *base,
            alias(exp.Literal.string(occurrence), "__occurrence"),
            alias(text, "__source_key"),
            alias(exp.Literal.string(role), "__role"),
        ],
        derived(shown, "__e"),
    )
    if role != "filter_all":  # it has no duplicates, and DISTINCT would give its NULLs a type on PostgreSQL
        made.set("distinct", exp.Distinct())
    return made.where(exp.Not(this=exp.Is(this=keys[0].copy(), expression=exp.Null())), copy=False)


def _field(key: exp.Expr) -> exp.Expr:
    text: exp.Expr = exp.Cast(this=key.copy(), to=exp.DataType.build("text"))
    for plain, escaped in (("~", "~0"), ("|", "~1")):
        text = exp.Anonymous(
            this="replace", expressions=[text, exp.Literal.string(plain), exp.Literal.string(escaped)]
        )
    return text
