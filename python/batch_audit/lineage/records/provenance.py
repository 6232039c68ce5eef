"""`provenance_query`: parse, prepare, survey, and write the queries of the answer."""

from collections.abc import Collection, Mapping

import sqlglot
from sqlglot import exp

from batch_audit.lineage.records import answers, own_functions
from batch_audit.lineage.records.catalog import Catalog, Keys
from batch_audit.lineage.records.edges import KeyText
from batch_audit.lineage.records.errors import BadArgument, Untraceable
from batch_audit.lineage.records.nodes import output_names
from batch_audit.lineage.records.prepare import Preparation
from batch_audit.lineage.records.refusals import refuse
from batch_audit.lineage.records.result import ProvenanceQuery
from batch_audit.lineage.records.survey import Survey
from batch_audit.lineage.schema import Columns


def provenance_query(
    sql: str,
    *,
    dialect: str,
    schema: Mapping[str, Columns],
    keys: Keys,
    where: Mapping[str, str] | None = None,
    key_text: KeyText | None = None,
    aggregates: Collection[str] = (),
) -> ProvenanceQuery:
    """Rewrite a query so that each of its rows carries the keys of the input rows that it was made of.

    `schema` maps a relation's name (one to three dotted parts) to its columns: name to type, or names. `keys` maps
    it to the columns of its key, which must be unique and not NULL; a relation without one is traced by all of its
    columns, and is never `exact`. `where` maps an output column to a parameter as the engine writes it (`$1`, `?`,
    `:key`), and keeps to the output rows that have its value. `key_text` gives the text of a key column in
    `__source_key`: from the relation as `schema` names it, the column, and an SQL expression, the SQL of its text in
    the query's dialect; without it, the column is cast to text. `aggregates` names the aggregate functions that are
    not the engine's own. The meaning of the answer is that of influence provenance (Perm: Glavic and Alonso, ICDE
    2009). Raises BadArgument for an unknown dialect, a key that is no column of its relation, a `where` that is not
    understood, or a `key_text` that gives no SQL; whatever the SQL is, it is answered.
    """
    try:
        sqlglot.Dialect.get_or_raise(dialect)
    except ValueError as error:
        raise BadArgument(f"The SQL dialect {dialect!r} is not known: {error}") from error
    catalog = Catalog(schema, keys)
    try:
        return _traced(sql, dialect, catalog, where or {}, key_text, aggregates)
    except Untraceable as reason:
        return unknown(sql, str(reason))
    except RecursionError:
        return unknown(sql, "the SQL is nested too deeply to be read")
    except BadArgument:
        raise
    except Exception as error:  # an unforeseen shape of SQL must not stop a project's run
        return unknown(
            sql, f"the SQL could not be read: {type(error).__name__}: {str(error).splitlines()[:1]}"
        )


def _traced(
    sql: str,
    dialect: str,
    catalog: Catalog,
    where: Mapping[str, str],
    key_text: KeyText | None,
    aggregates: Collection[str],
) -> ProvenanceQuery:
    try:
        statements = [found for found in sqlglot.parse(sql, read=dialect) if found is not None]
    except sqlglot.errors.SqlglotError as error:
        raise Untraceable(f"the SQL could not be parsed: {str(error).splitlines()[0]}") from error
    if len(statements) != 1:
        raise Untraceable("a single query is traced, not a script")
    parsed = statements[0]
    if isinstance(parsed, exp.Create) and isinstance(parsed.expression, exp.Query):
        parsed = parsed.expression
    if not isinstance(parsed, (exp.Query, exp.Values, exp.Pivot)):
        raise Untraceable(f"{parsed.key.upper()} is not a query")
    refuse(parsed)
    own_functions.note(parsed, aggregates)
    given = parsed.named_selects if isinstance(parsed, exp.Query) else []
    preparation = Preparation(catalog, dialect)
    query = preparation.query(parsed, {}).query
    survey = Survey()
    survey.look(query, None)
    return answers.Answers(
        query, preparation.reads, survey, dialect, where, _spelled(given, query, dialect), key_text
    ).all()


def _spelled(given: list[str], query: exp.Query, dialect: str) -> dict[str, str]:
    """Resolved output names to those of the text, where the engine keeps their case but compares without it."""
    names = output_names(query)
    strategy = sqlglot.Dialect.get_or_raise(dialect).normalization_strategy
    if len(given) != len(names) or not strategy.name.startswith("CASE_INSENSITIVE"):
        return {}
    return {name: text for name, text in zip(names, given, strict=True) if name.lower() == text.lower()}


def unknown(sql: str, reason: str) -> ProvenanceQuery:
    """The answer when nothing is known: the query itself, and why."""
    return ProvenanceQuery(sql, {}, (), "unknown", (reason,), sql, None)
