"""Orders: whether they leave no choice, and which rows a window looks at."""

from sqlglot import exp

from batch_audit.lineage.functions import name_of
from batch_audit.lineage.records.determined import Name, closure
from batch_audit.lineage.records.frames import specification
from batch_audit.lineage.records.groups import grouping
from batch_audit.lineage.records.joins import Joined
from batch_audit.lineage.records.nodes import free_tables, output_names, windowed

# What these give depends on the order among equals.
_ORDERED = (
    "row_number rownumber ntile lag lead first_value firstvalue last_value lastvalue nth_value nthvalue"
)
_PLACES = frozenset(_ORDERED.split())
# These look at rows before or after by number.
_OFFSETS = frozenset(["lag", "lead"])


def order_of(window: exp.Window, select: exp.Select) -> list[exp.Expr]:
    """The expressions of a window's ORDER BY."""
    order = specification(window, select).args.get("order")
    return [one.this for one in order.expressions] if order else []


def needs_total(window: exp.Window, select: exp.Select) -> bool:
    """Whether the result depends on the order of rows that ORDER BY finds equal."""
    function = windowed(window)
    spec = specification(window, select).args.get("spec")
    rows = spec is not None and str(spec.args.get("kind") or "").upper() == "ROWS" and not _unbounded(spec)
    return rows or (function is not None and name_of(function) in _PLACES)


def is_closed(window: exp.Window, select: exp.Select) -> bool:
    """Whether the frames of the rows in a frame lie in that frame: then they, too, keep their values."""
    function = windowed(window)
    if function is not None and name_of(function) in _OFFSETS:
        return False
    spec = specification(window, select).args.get("spec")
    if spec is None:
        return True
    if spec.args.get("exclude"):
        return False
    return _unbounded(spec) or (
        spec.args.get("start") == "UNBOUNDED"
        and str(spec.args.get("end") or "CURRENT ROW").upper() == "CURRENT ROW"
    )


def _unbounded(spec: exp.Expr) -> bool:
    return spec.args.get("start") == "UNBOUNDED" and spec.args.get("end") == "UNBOUNDED"


def is_ordered(parts: list[exp.Expr], select: exp.Select, joined: Joined, grouped: bool) -> bool:
    """Whether these expressions tell the rows of a SELECT apart, by keys."""
    shown = {one.alias_or_name: one.unalias() for one in select.expressions}
    whole = [
        shown.get(part.name, part) if isinstance(part, exp.Column) and not part.table else part
        for part in parts
    ]
    texts = {part.sql() for part in whole}
    distinct = select.args.get("distinct")
    if distinct and not distinct.args.get("on"):
        return all(shown[name].sql() in texts for name in output_names(select))
    if grouped:
        keys, sets = grouping(select)
        return not sets and all(key.sql() in texts for key in keys)
    names: set[Name] = {(part.table, part.name) for part in whole if isinstance(part, exp.Column)}
    return closure(names, free_tables(select), joined.keys, joined.pairs) >= joined.keys.keys()
