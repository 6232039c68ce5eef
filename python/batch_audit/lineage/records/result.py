"""What `provenance_query` gives back."""

from dataclasses import dataclass
from typing import Literal

Label = Literal["exact", "superset", "unknown"]
Role = Literal["value", "filter"]
Scope = Literal["row", "query"]


@dataclass(frozen=True)
class Source:
    """One occurrence of an input relation: a place where the query reads it.

    `relation` is its name as the schema gives it, `keys` its key columns. `outputs` are the columns of the query that
    carries them, one for each key, in the same order. `slot` is what `replay_sql` reads in its place.
    """

    relation: str
    keys: tuple[str, ...]
    outputs: tuple[str, ...]
    role: Role
    slot: str


@dataclass(frozen=True)
class Filter:
    """The rows that decided whether, or in what order, a row came out, without giving it a value.

    `kind` is `exists`, `in`, `scalar`, `quantified`, `window` or `offset`. With scope `row`, `sql` gives the output
    columns of the query and then the keys, one row for each output row and filter row (NULL keys: none was needed).
    With scope `query`, the same rows served every output row: `sql` gives the keys alone. `sources` are the
    occurrences of `sql`; those of a window or an offset are also read for values, under the same slot. `label` is
    `exact` when the output row comes out again from the rows of this filter and of every other `exact` one, `unknown`
    where not all rows that decided are listed, `superset` where a relation has no key; `sql` is empty where none could
    be written.
    """

    kind: str
    sql: str
    sources: dict[str, Source]
    scope: Scope
    label: Label
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProvenanceQuery:
    """A query whose rows carry the keys of the input rows that they were made of.

    `sql` gives the original's columns first, then the `outputs` of every value source; None where only `edges_sql` can
    be given, and the untouched query where nothing is known. `sources` is in the order of the text, filter sources
    included (their `outputs` are columns of the query in `filters`). `label` is about the values: `exact` when the rows
    suffice to make the output row again while what the filters read is whole. `reasons` say why it is not.
    `edges_sql` gives the output columns, then `__occurrence`, `__source_key` and `__role`.
    """

    sql: str | None
    sources: dict[str, Source]
    filters: tuple[Filter, ...]
    label: Label
    reasons: tuple[str, ...]
    replay_sql: str
    edges_sql: str | None
