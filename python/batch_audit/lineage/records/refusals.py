"""SQL whose records are not traced: each with the reason that the answer gives."""

from sqlglot import exp

from batch_audit.lineage.functions import FILE_READER_NAMES, FILE_READERS, is_row_maker, name_of
from batch_audit.lineage.records.errors import Untraceable
from batch_audit.lineage.records.nodes import VOLATILE

# Table functions whose rows follow from their arguments.
ROW_MAKERS = frozenset(["range", "generate_series", "unnest"])


def refuse(query: exp.Expr) -> None:
    """Raise Untraceable for what no rule here covers, before anything is resolved."""
    for node in query.walk():
        for rule in _RULES:
            reason = rule(node)
            if reason:
                raise Untraceable(reason)


def _volatile(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Func) and name_of(node) in VOLATILE:
        return f"{name_of(node)}() gives another value at each run"
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in ("ctid", "rowid"):
        return f"{node.name} is the place of a row, which is not kept"
    return None


def _sample(node: exp.Expr) -> str | None:
    return "a sample takes other rows at each run" if isinstance(node, exp.TableSample) else None


def _table_function(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Table) and isinstance(node.this, exp.Func):
        name = name_of(node.this)
        if isinstance(node.this, exp.GenerateSeries) or name in ROW_MAKERS:
            return None
        kind = (
            "a file"
            if isinstance(node.this, FILE_READERS) or name in FILE_READER_NAMES
            else "a table function"
        )
        return f"{name}() reads {kind}, whose rows have no key"
    return None


def _shape(node: exp.Expr) -> str | None:
    if isinstance(node, exp.Columns) and not isinstance(node.parent, (exp.Pivot, exp.In)):
        return "COLUMNS(…) is not traced"
    if isinstance(node, exp.MatchRecognize):
        return "MATCH_RECOGNIZE is not traced"
    if isinstance(node, exp.Lateral) and not isinstance(node.this, (exp.Subquery, exp.Unnest)):
        return "a lateral table function is not traced"
    if isinstance(node, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
        return "a statement that writes inside a query is not traced"
    if isinstance(node, (exp.Connect, exp.Lock)):
        return f"{node.key.upper()} is not traced"
    if is_row_maker(node) and _projected(node):
        return f"{name_of(node)}() makes rows of a projection, which have no identity"
    return None


def _join(node: exp.Expr) -> str | None:
    if not isinstance(node, exp.Join):
        return None
    method, kind = (str(node.args.get(name) or "").upper() for name in ("method", "kind"))
    if "POSITIONAL" in (method, kind):
        return "POSITIONAL JOIN is not traced"
    if method == "ASOF" and (
        node.side not in ("", "LEFT") or not (node.args.get("on") or node.args.get("using"))
    ):
        return "this ASOF JOIN is not traced: it has no ON or USING, or is a RIGHT or FULL JOIN"
    return None


def _projected(node: exp.Expr) -> bool:
    """Whether a function that makes rows stands where a value is expected."""
    if isinstance(node, exp.GenerateSeries) or name_of(node) == "range":
        return False
    if isinstance(node, (exp.Explode, exp.Unnest)) and isinstance(node.parent, (exp.Select, exp.Alias)):
        return False  # the output repeats its row
    return not isinstance(node.parent, (exp.From, exp.Join, exp.Table, exp.Lateral))


_RULES = (_volatile, _sample, _table_function, _join, _shape)
