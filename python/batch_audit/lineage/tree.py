"""Small questions to the syntax tree, the same in every version of sqlglot."""

from typing import Any

from sqlglot import exp


def arg(node: exp.Expr, name: str) -> Any:
    """An argument whose name is a Python keyword in some versions: `from` or `from_`, `with` or `with_`."""
    args = node.args
    return args.get(f"{name}_") or args.get(name)


def alias_names(node: exp.Expr) -> tuple[str, list[str]]:
    """A source's alias ('' for none) and its column aliases."""
    alias = node.args.get("alias")
    if not isinstance(alias, exp.TableAlias):
        return (alias.name if isinstance(alias, exp.Expr) else "", [])
    name = alias.args.get("this")
    return (
        name.name if name is not None else "",
        [column.name for column in alias.args.get("columns") or ()],
    )


def table_parts(table: exp.Table, dialect_name: str) -> tuple[str, ...]:
    """The parts of a table's name as written, without quotes, and without BigQuery's partition decorator."""
    parts = [part.name for part in table.parts]
    if dialect_name == "bigquery" and parts:
        parts = ".".join(parts).split("$")[0].split(".") if "`" not in parts[-1] else parts
    return tuple(part for part in parts if part)


def reads_table(node: exp.Expr, name: str) -> bool:
    """Whether a table of this bare name is read anywhere inside."""
    return any(not table.args.get("db") and table.name.lower() == name for table in node.find_all(exp.Table))
