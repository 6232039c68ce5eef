"""DuckDB: values into canonical text and back, as macros/cross_db/canonical_text.sql does."""

import re
from collections.abc import Sequence

from batch_audit.warehouses.base import Fold

_FLOATS = ("double", "float", "real", "float8", "float4")
_BINARY = ("blob", "bytea", "binary", "varbinary")
_NESTED = ("struct", "map", "union")


class DuckDBValues:
    """See `Values`."""

    fold: Fold = "ascii"

    def canonical_text(self, expression: str, type_name: str) -> str:
        kind, x = type_name.lower().strip(), expression
        if _is_list(kind):
            element = self.canonical_text("element", _element(type_name))
            return f"cast(to_json(list_transform({x}, lambda element: {element})) as text)"
        if kind.startswith(("decimal", "numeric")):
            digits = f"cast({x} as text)"
            return (
                f"case when strpos({digits}, '.') > 0 then rtrim(rtrim({digits}, '0'), '.') else {digits} end"
            )
        if kind in _FLOATS:
            return _float_text(f"cast(cast({x} as text) as double)")
        if kind == "date":
            return f"replace(cast({x} as text), ' (BC)', ' BC')"
        if kind.startswith("timestamp"):
            return _timestamp_text(x, kind)
        if kind in ("time", "time_ns"):
            return f"strftime(date '2000-01-01' + cast({x} as time), '%H:%M:%S.%f')"
        if kind == "interval":
            return _interval_text(x)
        if kind in _BINARY:
            return f"lower(hex({x}))"
        return f"({x} collate c)" if kind == "varchar" else f"cast({x} as text)"

    def from_canonical(self, text: str, type_name: str) -> str:
        kind = type_name.lower().strip()
        if _is_list(kind):
            element = self.from_canonical("element", _element(type_name))
            texts = f"cast(from_json({text}, '[\"VARCHAR\"]') as varchar[])"
            return f"cast(list_transform({texts}, lambda element: {element}) as {type_name})"
        if kind == "date":
            return f"cast(replace({text}, ' BC', ' (BC)') as date)"
        if kind.startswith("timestamp"):
            # DuckDB writes the era between the day and the time.
            era = "regexp_replace({}, '^([^T]+)T(.*) BC$', '\\1 (BC) \\2')"
            return f"cast({era.format(text)} as {type_name})"
        if kind == "interval":
            month, day, micro = (
                f"cast(regexp_extract({text}, '^P(-?\\d+)M(-?\\d+)DT(-?\\d+)us$', {group}) as bigint)"
                for group in (1, 2, 3)
            )
            made = f"to_months(cast({month} as integer)) + to_days(cast({day} as integer)) + to_microseconds({micro})"
            return f"case when {text} is not null then {made} end"
        if kind in _BINARY:
            return f"unhex({text})"
        return text if kind == "varchar" else f"cast({text} as {type_name})"

    def not_exact(self, type_name: str) -> str | None:
        kind = type_name.lower().strip()
        if kind.startswith(_NESTED):
            return "read back from the engine's own text of it"
        if _is_list(kind):
            return self.not_exact(_element(type_name))
        return "-0 comes back as 0" if kind in _FLOATS else None

    def json_object(self, members: Sequence[tuple[str, str]]) -> str:
        pairs = ", ".join("'" + name.replace("'", "''") + f"', {text}" for name, text in members)
        return f"cast(json_object({pairs}) as text)"

    def microseconds(self, expression: str, type_name: str, *, local: bool) -> str | None:
        kind = type_name.lower().strip()
        if kind != "date" and not kind.startswith("timestamp"):
            return None
        zoned = "zone" in kind or kind == "timestamptz"
        moment = expression if zoned else f"cast({expression} as timestamp)"
        return f"epoch_us(cast({moment} as timestamptz))" if local else f"epoch_us({moment})"

    def json_fields(self, text: str, names: Sequence[str], alias: str) -> tuple[str, list[str]]:
        pointers = ", ".join("'/" + _pointer(name).replace("'", "''") + "'" for name in names)
        return (
            f"json_extract_string({text}, [{pointers}])" if names else "null",
            [f"{alias}[{place}]" for place in range(1, len(names) + 1)],
        )


def _pointer(name: str) -> str:
    """A member's name as it stands in a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def _is_list(kind: str) -> bool:
    return re.search(r"\[\d*\]$", kind) is not None


def _element(type_name: str) -> str:
    return type_name[: type_name.rindex("[")]


def _float_text(x: str) -> str:
    return (
        f"case when isnan({x}) then 'NaN' when isinf({x}) then case when {x} > 0 then 'Infinity' else '-Infinity' end"
        f" when {x} = 0 then '0' else regexp_replace(cast({x} as text), '\\.0$', '') end"
    )


def _timestamp_text(x: str, kind: str) -> str:
    zone = "Z" if "zone" in kind or kind == "timestamptz" else ""
    utc = f"make_timestamp(epoch_us({x}))" if zone else x
    form = "'%Y-%m-%dT%H:%M:%S." + ("%n" if kind == "timestamp_ns" else "%f") + zone + "'"
    return (
        f"case when not isfinite({x}) then cast({x} as text) when year({utc}) < 1"
        f" then strftime({utc} + to_years(1 - 2 * year({utc})), {form}) || ' BC' else strftime({utc}, {form}) end"
    )


def _interval_text(x: str) -> str:
    def part(name: str) -> str:
        return f"datepart('{name}', {x})"

    micro = f"({part('hour')} * 60 + {part('minute')}) * 60000000 + {part('microsecond')}"
    return (
        f"'P' || cast({part('year')} * 12 + {part('month')} as text) || 'M' || cast({part('day')} as text)"
        f" || 'DT' || cast({micro} as text) || 'us'"
    )
