"""The long form: which source row served which output row, without the combinations of several sources."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.errors import BadArgument
from batch_audit.lineage.records.result import Filter
from batch_audit.lineage.records.rows import alias, column, derived, select
from batch_audit.lineage.records.survey import Decision

if TYPE_CHECKING:
    from batch_audit.lineage.records.answers import Answers

KeyText = Callable[[str, str, str], str]  # relation, column, SQL expression: the SQL of its text


def edges_sql(answers: "Answers", filters: tuple[Filter, ...]) -> str | None:
    """One row for each output row, occurrence and source row; None for a query that reads no relation.

    After the output columns come `__occurrence`, `__source_key` (the text of the key's columns, `~` and `|` escaped as
    `~0` and `~1`, joined by `|`: the form of a record_id) and `__role`: `value`, `filter`, or `filter_all` with NULL
    output columns for a row that served every output row. Raises BadArgument where `key_text` gives no SQL.
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
    text, *others = _fields(answers, mark, keys)
    for field in others:
        text = exp.DPipe(this=exp.DPipe(this=text, expression=exp.Literal.string("|")), expression=field)
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
    there = [exp.Not(this=exp.Is(this=key.copy(), expression=exp.Null())) for key in keys]
    return made.where(exp.or_(*there), copy=False)


def _fields(answers: "Answers", mark: str, keys: list[exp.Column]) -> list[exp.Expr]:
    """The fields of a record_id; `~N` for a NULL, which only a relation without a key can have."""
    known = answers.reads[mark][1]
    names = answers.sources[answers.names[mark]].keys
    fields = [_escaped(_text(answers, known.name, name, key)) for name, key in zip(names, keys, strict=True)]
    if known.key:
        return fields
    return [exp.Coalesce(this=field, expressions=[exp.Literal.string("~N")]) for field in fields]


def _text(answers: "Answers", relation: str, name: str, key: exp.Column) -> exp.Expr:
    if answers.key_text is None:
        return exp.Cast(this=key.copy(), to=exp.DataType.build("text"))
    try:
        given = answers.key_text(relation, name, key.sql(answers.dialect))
    except Exception as error:
        raise BadArgument(
            f"`key_text` failed for {relation}.{name}: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(given, str) or not given.strip():
        raise BadArgument(f"`key_text` gave no SQL for {relation}.{name}, but {given!r}")
    return exp.Var(this=given)  # as it was given: read and written again, it might not be the same text


def _escaped(text: exp.Expr) -> exp.Expr:
    for plain, escaped in (("~", "~0"), ("|", "~1")):
        text = exp.Anonymous(
            this="replace", expressions=[text, exp.Literal.string(plain), exp.Literal.string(escaped)]
        )
    return text
