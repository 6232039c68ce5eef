"""Cases as text: a line per edge, `source.column > target SUBTYPE`, target `.` for all columns, `!` for masked."""

from collections.abc import Mapping

from batch_audit.lineage import ColumnLineage, column_lineage

SCHEMA = {"t": ["a", "b", "c", "d"], "u": ["a", "e", "f"], "v": ["a", "b", "g"]}


def written(lineage: ColumnLineage, target: str = "") -> set[str]:
    """The edges of one target, in the notation of the cases."""
    return {
        f"{edge.source}.{edge.source_column} > {edge.target_column or '.'} {edge.subtype}{'!' if edge.masking else ''}"
        for edge in lineage.edges
        if edge.target.lower() == target.lower()
    }


def expected(text: str) -> set[str]:
    """The edges of a case: separated by line or semicolon."""
    return {part.strip() for line in text.splitlines() for part in line.split(";") if part.strip()}


def edges(
    sql: str, dialect: str | None = "duckdb", schema: Mapping[str, list[str]] | None = None, target: str = ""
) -> set[str]:
    """What the engine answers; a case without gaps must not have any."""
    return written(column_lineage(sql, dialect=dialect, schema=SCHEMA if schema is None else schema), target)
