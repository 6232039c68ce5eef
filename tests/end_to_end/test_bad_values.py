"""Values that break naive text, JSON, SQL and comparison: each is changed alone and must be seen and stored exactly."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support import recompute
from tests.support.project import write_project
from tests.support.trail import Change, Trail, database

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A column of a type ("": as the SQL gives it), SQL of its value before and after, and their canonical texts."""

    type: str
    before: str
    after: str
    text_before: str | None
    text_after: str | None


def text(before: str | None, after: str | None) -> Case:
    """A text column."""
    return Case("varchar", literal(before), literal(after), before, after)


def literal(value: str | None) -> str:
    """A literal that both engines read the same, line breaks and backslashes included."""
    return "null" if value is None else "'" + value.replace("'", "''") + "'"


def same(type_: str, before: str | None, after: str | None) -> Case:
    """A value whose literal is its canonical text."""
    return Case(type_, literal(before), literal(after), before, after)


BOTH = {
    "empty_to_null": text("", None),
    "null_to_empty": text(None, ""),
    "space": text("", " "),
    "trailing_space": text("a", "a "),
    "case": text("a", "A"),
    "composed": text("\u00e9", "e\u0301"),
    "quotes": text("it's \"quoted\"", "it''s \\'quoted\\'"),
    "newlines": text("a\nb", "a\r\nb\tc"),
    "controls": text("\x01\x1f", "\x7f\x80"),
    "emoji": text("👩‍👩‍👧", "🏳️‍🌈"),
    "pipe": text("a|b", "a~1b"),
    "tilde": text("~", "~0"),
    "null_mark": text("~N", None),
    "null_word": text("null", "NULL"),
    "equals": text("=", "~2"),
    "json_text": text('{"a": 1}', '{"a":1}'),
    "jinja": text("{{ this }} {% raw %}", "{# comment #} {% endraw %}"),
    "format": text("%s %(x)s %", "100%%"),
    "dollars": text("$$", "$1 ${x} $a$"),
    "injection": text("'); drop table canary; --", "\\'; drop table canary; /*"),
    "backslash": text("\\", "\\\\u0000 \\x00"),
    "formula": text("=1+1", "@SUM(A1)"),
    "long": text("x" * 100_000, "x" * 99_999 + "y"),
    "line_separator": text("\u2028", "\u2029\ufeff"),
    "boolean": same("boolean", "true", None),
    "boolean_off": same("boolean", "false", "true"),
    "smallint": same("smallint", "-32768", "32767"),
    "bigint": same("bigint", "9223372036854775807", "-9223372036854775808"),
    "decimal_38": same(
        "decimal(38, 10)", "9999999999999999999999999999.9999999999", "-0.0000000001"
    ),
    "decimal_38_whole": same("decimal(38, 0)", "99999999999999999999999999999999999999", "0"),
    "decimal_zeros": Case("decimal(10, 4)", "'1.5000'", "'1.5001'", "1.5", "1.5001"),
    "double_nan": same("double precision", "NaN", "Infinity"),
    "double_infinity": same("double precision", "-Infinity", None),
    "double_sum": Case(
        "double precision", "cast('0.1' as double precision) + 0.2", "0.3", "0.30000000000000004", "0.3"
    ),
    "double_tiny": same("double precision", "5e-324", "0"),
    "double_huge": same("double precision", "1.7976931348623157e+308", "-1.7976931348623157e+308"),
    "double_1e15": same("double precision", "1000000000000000", "1000000000000001"),
    "double_1e16": same("double precision", "1e+16", "1.2345678901234567e+19"),
    "double_small": same("double precision", "0.0001", "9.999e-05"),
    "real": same("real", "0.1", "3.4028235e+38"),
    "date_old": same("date", "1969-12-31", "0001-01-01"),
    "date_far": same("date", "9999-12-31", None),
    "date_infinite": same("date", "infinity", "-infinity"),
    "timestamp_old": Case(
        "timestamp", "'1969-12-31 23:59:59.999999'", "'1883-11-18 12:03:58'",
        "1969-12-31T23:59:59.999999", "1883-11-18T12:03:58.000000",
    ),
    "timestamp_infinite": same("timestamp", "infinity", "-infinity"),
    "timestamptz": Case(
        "timestamptz", "'2013-03-10 02:30:00-05'", "'2013-03-10 02:30:00.000001-05'",
        "2013-03-10T07:30:00.000000Z", "2013-03-10T07:30:00.000001Z",
    ),
    "timestamptz_old": Case(
        "timestamptz", "'1960-01-01 00:00:00+05:30'", "'1960-01-01 00:00:00+00'",
        "1959-12-31T18:30:00.000000Z", "1960-01-01T00:00:00.000000Z",
    ),
    "time": Case("time", "'00:00:00'", "'23:59:59.999999'", "00:00:00.000000", "23:59:59.999999"),
    "uuid": same(
        "uuid", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
    ),
    "interval_month": Case("interval", "'1 month'", "'30 days'", "P1M0DT0us", "P0M30DT0us"),
    "interval_day": Case("interval", "'1 day'", "'24 hours'", "P0M1DT0us", "P0M0DT86400000000us"),
    "interval_back": Case(
        "interval", "'-14 months 3 days'", "'-00:00:00.000001'", "P-14M3DT0us", "P0M0DT-1us"
    ),
    "json_null": Case("json", "'null'", "null", "null", None),
}  # fmt: skip
ONE = {
    "duckdb": {
        "json": same("json", '{"b": [1, 2.50, null], "a": "é"}', '{"b": [1, 2.51, null], "a": "é"}'),
        "json_digits": same("json", '{"n": 12345678901234567890.123}', '{"n": 12345678901234567890.124}'),
        "blob": Case("blob", "'\\x00\\xFF'", "'\\x00'", "00ff", "00"),
        "hugeint": same("hugeint", "170141183460469231731687303715884105727", "-1"),
        "list": Case("varchar[]", "['a', null, '']", "['a', '', null]", '["a",null,""]', '["a","",null]'),
        "list_empty": Case("integer[]", "[]", "null", "[]", None),
        "list_decimal": Case("decimal(10, 2)[]", "[1.50, 2]", "[1.51, 2]", '["1.5","2"]', '["1.51","2"]'),
        "list_nested": Case("varchar[][]", "[['a|b'], ['~']]", "[['a|b'], ['\"']]",
                            '["[\\"a|b\\"]","[\\"~\\"]"]', '["[\\"a|b\\"]","[\\"\\\\\\"\\"]"]'),
        "nanoseconds": Case("timestamp_ns", "'2020-01-01 00:00:00.000000001'", "'2020-01-01 00:00:00.000000002'",
                            "2020-01-01T00:00:00.000000001", "2020-01-01T00:00:00.000000002"),
        "collated": Case("", "'a' collate nocase", "'A' collate nocase", "a", "A"),
        "enumerated": Case("enum ('a''b', '~')", "'a''b'", "'~'", "a'b", "~"),
        "bits": same("bit", "0101", "0110"),
        "nul": Case("varchar", "'a' || chr(0) || 'b'", "'ab'", "a\x00b", "ab"),
        "struct": Case("struct(a integer, b varchar)", "{'a': 1, 'b': 'x'}", "{'a': 2, 'b': 'x'}",
                       "{'a': 1, 'b': x}", "{'a': 2, 'b': x}"),
        "mapped": Case("map(varchar, integer)", "map {'k': 1}", "map {'k': 2}", "{k=1}", "{k=2}"),
    },
    "postgres": {
        "json": Case("json", "'{\"b\": [1, 2.50, null], \"a\": \"é\"}'", "'{\"b\": [1, 2.50, null], \"a\": \"e\"}'",
                     '{"a": "é", "b": [1, 2.50, null]}', '{"a": "e", "b": [1, 2.50, null]}'),
        "jsonb_number": Case("jsonb", "'1.0'", "'1.00'", "1.0", "1.00"),
        "bytea": Case("bytea", "'\\x00ff'", "'\\x00'", "00ff", "00"),
        "numeric_nan": same("numeric", "NaN", "Infinity"),
        "numeric_scale": Case("numeric", "'1.0'", "'1.01'", "1", "1.01"),
        "numeric_long": same("numeric", "1" * 60 + ".5", "1" * 60 + ".6"),
        "list": Case("text[]", "array['a', null, '']", "array['a', '', null]", '["a",null,""]', '["a","",null]'),
        "list_empty": Case("integer[]", "'{}'", "null", "[]", None),
        "list_decimal": Case("numeric(10, 2)[]", "array[1.50, 2]", "array[1.51, 2]", '["1.5","2"]', '["1.51","2"]'),
        "list_nested": Case("text[]", "array[['a|b'], ['~']]", "array[['a|b'], ['\"']]",
                            '[["a|b"],["~"]]', '[["a|b"],["\\""]]'),
        "padded": Case("character(3)", "'a'", "'b'", "a", "b"),
        "place": Case("point", "'(1,2)'", "'(1,3)'", "(1,2)", "(1,3)"),
        "range_of": same("int4range", "[1,3)", "[1,4)"),
        "address": same("inet", "10.0.0.0/8", "::1/128"),
        "timetz": same("timetz", "00:00:00+00", "01:00:00+01"),
        "date_bc": Case("date", "'0044-03-15 BC'", "'0044-03-16 BC'", "0044-03-15 BC", "0044-03-16 BC"),
        "timestamp_bc": Case("timestamp", "'0044-03-15 12:00:00 BC'", "null", "0044-03-15T12:00:00.000000 BC", None),
        "bits": same("bit(4)", "0101", "0110"),
        "money_of": Case("tsvector", "'''a'' ''b'''", "'''a'''", "'a' 'b'", "'a'"),
    },
}  # fmt: skip
MIDNIGHT = "2013-01-01T00:00:00.000000Z"
# Differences that are none: the value is the same, however it was written.
UNCHANGED = {
    "both": {
        "zero": Case("double precision", "'-0.0'", "0", "0", "0"),
        "same_moment": Case("timestamptz", "'2013-01-01 00:00:00+00'", "'2013-01-01 01:00:00+01'", *[MIDNIGHT] * 2),
        "nan_again": same("double precision", "NaN", "NaN"),
        "null_again": same("varchar", None, None),
    },
    "duckdb": {},
    "postgres": {
        "scale": Case("numeric", "'1.0'", "'1.00'", "1", "1"),
        "json_spaces": Case("json", "'{\"b\": 1, \"a\": 2}'", "'{\"a\":2,\"b\":1}'", *['{"a": 2, "b": 1}'] * 2),
    },
}  # fmt: skip


def changing(engine: str) -> dict[str, Case]:
    return BOTH | ONE[engine]


def unchanging(engine: str) -> dict[str, Case]:
    return UNCHANGED["both"] | UNCHANGED[engine]


def model(engine: str, build: int) -> str:
    """Row n changes column n alone in the second build; the last rows come, go and change nothing."""
    changed, unchanged = changing(engine), unchanging(engine)
    columns = changed | unchanged
    rows = [*range(len(changed)), "same", "gone" if build == 0 else "came"]
    selects = []
    for row in rows:
        fields = [f"cast('{row}' as varchar) as id"]
        for place, (name, case) in enumerate(columns.items()):
            late = build == 1 and (row in (place, "came") or name in unchanged)
            value = case.after if late else case.before
            fields.append(f"cast({value} as {case.type}) as {name}" if case.type else f"{value} as {name}")
        selects.append("select " + ", ".join(fields))
    return "{{ config(materialized='table') }}\n" + jinja_safe("\nunion all\n".join(selects))


def jinja_safe(sql: str) -> str:
    """SQL as a Jinja string, so that nothing in it is taken for Jinja."""
    return "{{ " + json.dumps(sql, ensure_ascii=False) + " }}"


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def trail(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """Two builds of `odd`, the first with a stored baseline."""
    folder = tmp_path_factory.mktemp("values")
    with database(request.param, folder) as target:
        meta = {"audit_capture": "changes", "audit_key": "id", "audit_baseline": "records"}
        described = {"models": [{"name": "odd", "config": {"meta": meta}}]}
        project = write_project(folder / "project", target, files={"models/odd.yml": json.dumps(described)})
        project.write("models/canary.sql", "{{ config(materialized='table') }}\nselect 1 as id")
        for build in (0, 1):
            project.write("models/odd.sql", model(request.param, build))
            project.dbt("run")
        yield Trail(project)


def test_each_value_that_changed_is_recorded_before_and_after(trail: Trail) -> None:
    engine = trail.project.target.engine
    changes = trail.changes("odd", trail.invocations()[1])
    expected, found = {}, {}
    for place, (name, case) in enumerate(changing(engine).items()):
        change = changes.pop(str(place))
        assert change.kind == "update" and change.before and change.after
        expected[name] = ((name,), case.text_before, case.text_after)
        found[name] = (change.changed, change.before[name], change.after[name])
        same_elsewhere = change.before | {name: change.after[name]} == change.after
        assert same_elsewhere, f"{name}: another column changed, too"
    assert found == expected
    assert sorted(change.kind for change in changes.values()) == ["delete", "insert"]


def test_whole_records_are_stored_as_they_came_and_went(trail: Trail) -> None:
    columns = changing(trail.project.target.engine) | unchanging(trail.project.target.engine)
    before = {name: case.text_before for name, case in columns.items()}
    after = {name: case.text_after for name, case in columns.items()}
    first, second = trail.invocations()

    changes = trail.changes("odd", second)
    assert changes["gone"] == Change("delete", None, {"id": "gone"} | before, None)
    assert changes["came"] == Change("insert", None, None, {"id": "came"} | after)
    baseline = trail.changes("odd", first)
    assert baseline["same"] == Change("insert", None, None, {"id": "same"} | before)
    assert len(baseline) == len(changing(trail.project.target.engine)) + 2


def test_no_value_reached_sql_and_every_hash_is_right(trail: Trail) -> None:
    assert trail.project.query('select * from "shop".canary') == [{"id": 1}]
    assert recompute.problems(trail.project) == []
    trail.project.batch_audit("verify")
