"""Takes out of a model's code what dbt put in: the ephemeral models that it reads, as CTEs before its own."""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot.tokenizer_core import TokenType

from batch_audit.lineage.project.manifest import EPHEMERAL_PREFIX


def without_ephemerals(sql: str, dialect: str | None) -> str:
    """The SQL without dbt's CTEs for ephemeral models, which it then reads by their names like any relation.

    Works on the text between tokens, so that the rest stays as it was written. SQL without such CTEs, or in
    another shape than dbt gives it, comes back as it is (dbt: compilation.py, inject_ctes_into_sql).
    """
    if EPHEMERAL_PREFIX not in sql:
        return sql
    tokens = sqlglot.Dialect.get_or_raise(dialect).tokenize(sql)
    first = next((index for index, token in enumerate(tokens) if token.token_type == TokenType.WITH), None)
    if first is None:
        return sql
    place = first + 1
    recursive = place < len(tokens) and tokens[place].text.lower() == "recursive"
    place += recursive
    begin = place
    while place + 2 < len(tokens) and tokens[place].text.startswith(EPHEMERAL_PREFIX):
        end = _closing(tokens, place + 2)
        if tokens[place + 2].token_type != TokenType.L_PAREN or end is None:
            return sql
        place = end + 1
        if place < len(tokens) and tokens[place].token_type == TokenType.COMMA:
            place += 1
        else:
            # The last CTE: the WITH goes, too.
            return sql[: tokens[first].start] + sql[tokens[place].start :] if place < len(tokens) else sql
    if place == begin:
        return sql
    return sql[: tokens[begin].start] + sql[tokens[place].start :]


def _closing(tokens: list[Any], start: int) -> int | None:
    depth = 0
    for index in range(start, len(tokens)):
        depth += tokens[index].token_type == TokenType.L_PAREN
        depth -= tokens[index].token_type == TokenType.R_PAREN
        if depth == 0:
            return index
    return None
