"""Random sequences of builds of one table model, as hypothesis makes them: what each build holds, as SQL."""

from dataclasses import dataclass, replace
from typing import Literal

from hypothesis import strategies as st

Kind = Literal["build", "sql_error", "hook_error", "bad_key", "uncaptured", "drop"]

TEXTS = (
    "",
    "a",
    "A",
    "~",
    "|",
    "~N",
    "a|b",
    "it's",
    '"',
    "ü🙂",
    "line\nbreak",
    "\\",
    "\\n",
    "{{ x }}",
    "null",
    "[[",
)
# Type by its short name: (type, SQL literals). NULL is added to each.
TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "integer": ("integer", ("0", "1", "-7", "2147483647")),
    "bigint": ("bigint", ("0", "1", "9223372036854775807")),
    "money": ("numeric(10,2)", ("0", "1", "12.50", "-0.10")),
    "double": ("double precision", ("0", "1", "0.1", "1e300", "1e15", "12345678.9")),
    "boolean": ("boolean", ("true", "false")),
    "date": ("date", ("'2026-01-31'", "'0001-01-01'", "'9999-12-31'")),
    "timestamp": ("timestamp", ("'2026-01-31 05:00:00.000001'", "'1969-12-31 23:59:59'")),
    "text": ("text", tuple("'" + text.replace("'", "''") + "'" for text in TEXTS)),
    "list": ("text[]", ("array['a', null, '[[', 'it''s']", "array[]", "array['', 'null', '\"']")),
}
# What every value of the one can be cast to.
RETYPED = {
    "integer": ("bigint", "text", "double"),
    "bigint": ("text",),
    "money": ("text", "double"),
    "double": ("text",),
    "boolean": ("text",),
    "date": ("text", "timestamp"),
    "timestamp": ("text",),
    "text": ("text",),
    "list": ("list",),
}
NAMES = ("a", "b", "A", "with space", "it's", 'q"q', "fields", "record_id", "a/b~c", "edges")
IGNORED = "note"


@dataclass(frozen=True)
class Column:
    """A column: its name, the short name of its type, and that of the type that its literals are written for."""

    name: str
    kind: str
    written: str


@dataclass(frozen=True)
class State:
    """What a model holds: its columns, and its rows by key number; a row has a literal for each column's name."""

    columns: tuple[Column, ...]
    rows: dict[int, dict[str, str]]


@dataclass(frozen=True)
class Build:
    """One build. `drop` is a build after somebody dropped the table; `uncaptured` lets repeated keys pass."""

    kind: Kind
    state: State


@dataclass(frozen=True)
class Sequence:
    """A model's builds, and how it is captured. Key columns are `id`, and `part` when it is composite."""

    builds: tuple[Build, ...]
    composite: bool
    baseline: bool

    @property
    def key(self) -> list[str]:
        return ["id", "part"] if self.composite else ["id"]

    def sql(self, number: int) -> str:
        """The model's file for a build."""
        build = self.builds[number]
        meta: dict[str, object] = {
            "audit_capture": "changes", "audit_key": self.key, "audit_ignore": [IGNORED],
            "audit_baseline": "records" if self.baseline else "none",
        }  # fmt: skip
        if build.kind == "uncaptured":
            meta["audit_on_error"] = "warn"
        hook = (
            "select cast('no' || count(*) as integer) from {{ this }}" if build.kind == "hook_error" else ""
        )
        config = f"config(materialized='table', meta={meta}" + (f', post_hook="{hook}")' if hook else ")")
        return "{{ " + config + " }}\n{% raw %}\n" + _select(self, build) + "\n{% endraw %}\n"


def _select(sequence: Sequence, build: Build) -> str:
    columns = build.state.columns
    heads = [("id", "integer"), *([("part", "text")] if sequence.composite else [])]
    typed = [f'cast("{name}" as {kind}) as "{name}"' for name, kind in heads]
    typed += [_typed(column) for column in columns]
    names = ", ".join(_quoted(name) for name in [*(n for n, _ in heads), *(c.name for c in columns)])
    rows = [_row(sequence, number, build.state) for number in build.state.rows]
    if build.kind in ("bad_key", "uncaptured"):
        rows += [_row(sequence, 1, build.state)] * 2
    nothing = ", ".join(["'0'", *(["''"] if sequence.composite else []), *("null" for _ in columns)])
    rows = rows or [f"({nothing})"]
    where = "" if build.state.rows or build.kind in ("bad_key", "uncaptured") else " where false"
    if build.kind == "sql_error":
        where = " where cast('no' || id as integer) > 0"
        rows = [_row(sequence, 1, build.state), *rows]
    return f"select {', '.join(typed)} from (values {', '.join(rows)}) as v({names}){where}"


def _row(sequence: Sequence, number: int, state: State) -> str:
    row = state.rows.get(number, {})
    key = [f"'{number}'", *([TYPES["text"][1][number % len(TEXTS)]] if sequence.composite else [])]
    values = [_literal(row.get(column.name), column) for column in state.columns]
    return f"({', '.join([*key, *values])})"


def _literal(value: str | None, column: Column) -> str:
    """The literal in the type that it was written for, so that all rows of VALUES agree."""
    return f"cast({value or 'null'} as {TYPES[column.written][0]})"


def _typed(column: Column) -> str:
    return f"cast({_quoted(column.name)} as {TYPES[column.kind][0]}) as {_quoted(column.name)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@st.composite
def sequences(draw: st.DrawFn, length: int) -> Sequence:
    """A sequence of `length` builds, most of which change something."""
    columns = draw(st.lists(_columns(), min_size=1, max_size=4, unique_by=lambda c: c.name.lower()))
    state = State((*columns, Column(IGNORED, "integer", "integer")), {})
    for number in draw(st.sets(st.integers(1, 6), min_size=3)):
        state.rows[number] = {column.name: draw(_values(column)) for column in state.columns}
    builds: list[Build] = []
    for number in range(length):
        if number:
            state = draw(_changed(state))
        kind: Kind = draw(st.sampled_from(_KINDS))
        builds.append(Build(kind, state))
    return Sequence(tuple(builds), draw(st.booleans()), draw(st.booleans()))


_KINDS: tuple[Kind, ...] = (
    *["build"] * 14, "sql_error", "hook_error", "bad_key", "uncaptured", "drop",
)  # type: ignore[assignment]  # fmt: skip


def _columns() -> st.SearchStrategy[Column]:
    return st.builds(
        lambda name, kind: Column(name, kind, kind), st.sampled_from(NAMES), st.sampled_from(list(TYPES))
    )


def _values(column: Column) -> st.SearchStrategy[str]:
    return st.sampled_from(["null", *TYPES[column.written][1]])


@st.composite
def _changed(draw: st.DrawFn, state: State) -> State:
    """The state after a few changes of rows and perhaps one of the columns."""
    if draw(st.integers(0, 2)) == 0:
        state = draw(_other_columns(state))
    rows = {number: dict(row) for number, row in state.rows.items()}
    for _ in range(draw(st.integers(0, 5))):
        number = draw(st.integers(1, 6))
        change = draw(st.sampled_from(["update", "update", "delete", "note"]))
        if number not in rows:
            rows[number] = {column.name: draw(_values(column)) for column in state.columns}
        elif change == "delete":
            del rows[number]
        else:
            column = state.columns[-1] if change == "note" else draw(st.sampled_from(state.columns))
            now = rows[number][column.name]
            rows[number][column.name] = draw(_values(column).filter(lambda value, now=now: value != now))
    return replace(state, rows=rows)


@st.composite
def _other_columns(draw: st.DrawFn, state: State) -> State:
    """The state with a column added, removed, renamed, retyped or moved. The last column is the ignored one."""
    *columns, note = state.columns
    rows = {number: dict(row) for number, row in state.rows.items()}
    what = draw(st.sampled_from(["add", "add_filled", "remove", "rename", "respell", "retype", "reorder"]))
    place = draw(st.integers(0, len(columns) - 1)) if columns else 0
    taken = {column.name.lower() for column in state.columns}
    if what.startswith("add"):
        column = draw(_columns())
        if column.name.lower() not in taken:
            columns.insert(place, column)
            for row in rows.values():
                row[column.name] = draw(_values(column)) if what == "add_filled" else "null"
    elif columns and what == "remove":
        del columns[place]
    elif columns and what in ("rename", "respell"):
        old = columns[place]
        name = old.name.swapcase() if what == "respell" else draw(st.sampled_from(NAMES))
        if what == "respell" or name.lower() not in taken:
            columns[place] = replace(old, name=name)
            for row in rows.values():
                row[name] = row.pop(old.name)
    elif columns and what == "retype":
        columns[place] = replace(columns[place], kind=draw(st.sampled_from(RETYPED[columns[place].kind])))
    elif what == "reorder":
        columns = list(draw(st.permutations(columns)))
    return State((*columns, note), rows)
