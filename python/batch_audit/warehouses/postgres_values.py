"""PostgreSQL: values into canonical text and back, as macros/cross_db/canonical_text.sql does."""

import json
import re
from collections.abc import Sequence

from batch_audit.warehouses.base import Fold

_FLOATS = ("double precision", "float8", "real", "float4")


_EXACT = re.compile(
    "(smallint|integer|bigint|numeric.*|real|double precision|text|character.*|boolean|date|time.*|uuid|bytea)$"
)


def hashed_as_it_is(type_name: str) -> bool:
    """Whether a fingerprint hashes the engine's own value of the type; of other types it hashes the canonical text."""
    return _EXACT.match(type_name) is not None and not type_name.endswith("]")


class PostgresValues:
    """See `Values`."""

    fold: Fold = "exact"

    def canonical_text(self, expression: str, type_name: str) -> str:
        kind, x = type_name.lower().strip(), f"({expression})"
        if kind.endswith("[]"):
            return self._array_text(x, type_name)
        if kind.startswith(("numeric", "decimal")):
            return f"trim_scale{x}::text"
        if kind in _FLOATS:
            return _float_text(x if kind in ("double precision", "float8") else f"({x}::text::float8)")
        if kind == "date" or kind.startswith(("time", "interval")):
            return _time_text(x, kind)
        if kind == "boolean":
            return f"case when {x} then 'true' when not {x} then 'false' end"
        if kind == "bytea":
            return f"encode({x}, 'hex')"
        return f"{x}::jsonb::text" if kind in ("json", "jsonb") else f"{x}::text"

    def _array_text(self, x: str, type_name: str) -> str:
        element = self.canonical_text("u.element", type_name[:-2])
        return (
            f"case when {x} is null then null when array_ndims({x}) > 1 then array_to_json({x})::text else '[' ||"
            f" coalesce((select string_agg(coalesce(to_json({element})::text, 'null'), ',' order by u.place)"
            f" from unnest({x}) with ordinality as u(element, place)), '') || ']' end"
        )

    def from_canonical(self, text: str, type_name: str) -> str:
        kind, t = type_name.lower().strip(), f"({text})"
        if kind.endswith("[]"):
            element = self.from_canonical("u.element", type_name[:-2])
            one = (
                f"array(select {element} from json_array_elements_text({t}::json) with ordinality as u(element, place)"
                " order by u.place)"
            )
            # Only an array of arrays begins with two brackets: the elements of others are in quotes.
            return (
                f"case when {t} is null then null when left({t}, 2) = '[['"
                f" then translate({t}, '[]', '{{}}')::{type_name} else {one}::{type_name} end"
            )
        if kind == "bytea":
            return f"decode({t}, 'hex')"
        if kind == "interval":
            spelt = f"regexp_replace({t}, '^P(.+)M(.+)DT(.+)us$', '\\1 months \\2 days \\3 microseconds')"
            return f"{spelt}::interval"
        return f"{t}::{type_name}"

    def not_exact(self, type_name: str) -> str | None:
        kind = type_name.lower().strip()
        if kind.endswith("[]"):
            return self.not_exact(type_name[:-2]) or "bounds other than 1 are not kept"
        if kind in ("numeric", "decimal"):
            return "zeros at the end are not kept"
        if kind == "json":
            return "layout, order and repetition of keys are not kept"
        return "-0 comes back as 0" if kind in _FLOATS else None

    def json_object(self, members: Sequence[tuple[str, str]]) -> str:
        # json_build_object takes 100 arguments at most and writes spaces; concatenation does neither.
        pairs = []
        for name, text in members:
            quoted = json.dumps(name, ensure_ascii=False).replace("\\", "\\\\").replace("'", "''")
            pairs.append(f"E'{quoted}:' || coalesce(to_json({text})::text, 'null')")
        return "('{' || " + " || ',' || ".join(pairs) + " || '}')" if pairs else "'{}'"

    def microseconds(self, expression: str, type_name: str, *, local: bool) -> str | None:
        kind = type_name.lower().strip()
        if kind != "date" and not kind.startswith("timestamp"):
            return None
        zoned = "with time zone" in kind or kind == "timestamptz"
        moment = f"cast({expression} as timestamptz)" if local or zoned else f"({expression})"
        return f"cast(extract(epoch from {moment}) * 1000000 as bigint)"

    def json_fields(self, text: str, names: Sequence[str], alias: str) -> tuple[str, list[str]]:
        # E'' reads the same whatever standard_conforming_strings is.
        escaped = [name.replace("\\", "\\\\").replace("'", "''") for name in names]
        return f"cast({text} as jsonb)", [f"({alias} ->> E'{name}')" for name in escaped]


def _float_text(x: str) -> str:
    return (
        f"case when {x} = 0 then '0' when abs({x}) >= 1e15 and abs({x}) < 1e16 then {x}::text::numeric::text"
        f" else {x}::text end"
    )


def _time_text(x: str, kind: str) -> str:
    """The canonical text of a date, time, timestamp or interval."""
    if kind == "date":
        return _calendar_text(x, x, "YYYY-MM-DD", "date")
    if kind.startswith("timestamp"):
        zoned = "with time zone" in kind or kind == "timestamptz"
        utc = f"({x} at time zone 'UTC')" if zoned else x
        return _calendar_text(x, utc, 'YYYY-MM-DD"T"HH24:MI:SS.US' + ('"Z"' if zoned else ""), "timestamp")
    if kind in ("time without time zone", "time"):
        return f"to_char({x}::interval, 'HH24:MI:SS.US')"
    return _interval_text(x) if kind == "interval" else f"{x}::text"


def _calendar_text(x: str, utc: str, form: str, kind: str) -> str:
    text = f"to_char({utc}, '{form}')"
    return (
        f"case when not isfinite{x} then {x}::text when {utc} < {kind} '0001-01-01' then {text} || ' BC'"
        f" else {text} end"
    )


def _interval_text(x: str) -> str:
    def part(name: str) -> str:
        return f"extract({name} from {x})"

    micro = f"({part('hour')} * 60 + {part('minute')}) * 60000000 + {part('microseconds')}"
    return (
        f"'P' || ({part('year')} * 12 + {part('month')})::bigint::text || 'M' || {part('day')}::bigint::text"
        f" || 'DT' || ({micro})::bigint::text || 'us'"
    )
