"""The long form: which source row served which output row, without the combinations of several sources."""

from typing import TYPE_CHECKING

from sqlglot import exp

from batch_audit.lineage.records.result import Filter

if TYPE_CHECKING:
    from batch_audit.lineage.records.answers import Answers


def edges_sql(answers: "Answers", filters: tuple[Filter, ...]) -> str | None:
    return None
