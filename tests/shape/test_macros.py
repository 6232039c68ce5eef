"""The dbt package keeps its order: one public macro per file, documented, and no engine known outside cross_db."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path for path in (CHECKOUT / "macros").iterdir() if path.is_dir())
FILES = sorted((CHECKOUT / "macros").rglob("*.sql"))
BLOCK = re.compile(
    r"\{%-?\s*(?P<kind>macro|test|materialization)\s+(?P<name>\w+)\s*(?:\((?P<arguments>.*?)\))?[^%]*?-?%\}"
    r"(?P<body>.*?)\{%-?\s*end(?P=kind)",
    re.DOTALL,
)
LONGEST_MACRO = 100


class Macro(NamedTuple):
    """One macro of a file; `arguments` are the names in its signature."""

    name: str
    arguments: list[str]
    lines: int


def macros_of(file: Path) -> list[Macro]:
    """All macros of a file, private ones and those for one adapter included."""
    text = without_comments(file.read_text(encoding="utf-8"))
    return [
        Macro(block["name"], argument_names(block["arguments"] or ""), block["body"].count("\n"))
        for block in BLOCK.finditer(text)
    ]


def argument_names(signature: str) -> list[str]:
    """Names in `a, b=none, c=['x', 'y']`; a default's own commas stand in brackets."""
    flat = re.sub(r"[\[{(].*?[\]})]", "", signature, flags=re.DOTALL)
    return [part.split("=")[0].strip() for part in flat.split(",") if part.strip()]


def without_comments(text: str) -> str:
    return re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)


def public(file: Path) -> list[Macro]:
    """Macros that are neither private (`_name`) nor one adapter's (`adapter__name`), or stand before dbt's own."""
    macros = [macro for macro in macros_of(file) if not macro.name.startswith("_")]
    return [macro for macro in macros if "__" not in macro.name or file.parent.name == "dispatched"]


def documented(folder: Path) -> dict[str, Any]:
    """Entries of the folder's `_….yml` files by macro name; dbt itself refuses two entries for one macro."""
    files = sorted(folder.glob("_*.yml"))
    entries = [
        entry for file in files for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["macros"]
    ]
    return {entry["name"]: entry for entry in entries}


def test_there_are_macros_to_look_at() -> None:
    assert len(FILES) > 50


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_one_public_macro_of_its_name(file: Path) -> None:
    assert [macro.name.removeprefix("default__") for macro in public(file)] == [file.stem]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_public_macro_is_documented_and_nothing_else_is(folder: Path) -> None:
    names = {macro.name for file in folder.rglob("*.sql") for macro in public(file)}

    assert names == set(documented(folder))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_documentation_has_the_macros_arguments_with_types(file: Path) -> None:
    entry = documented(file.parent)[public(file)[0].name]
    described = entry.get("arguments") or []

    assert entry.get("description", "").strip()
    assert [argument["name"] for argument in described] == public(file)[0].arguments
    assert [argument["name"] for argument in described if not argument.get("type")] == []
    assert [argument["name"] for argument in described if not argument.get("description")] == []


def test_only_cross_db_knows_the_adapter() -> None:
    knows = re.compile(r"target\.type|adapter\.type\(|adapter\.dispatch\(|\b(?:duckdb|postgres|default)__")
    # dbt finds what stands before a macro of its own by the prefix of that macro's name, and by no other mention.
    before_dbts_own = re.compile(r"\{% macro default__")
    elsewhere = [
        str(file.relative_to(CHECKOUT))
        for folder in ("macros", "models")
        for file in sorted((CHECKOUT / folder).rglob("*.sql"))
        if "cross_db" not in file.parts
        and knows.search(before_dbts_own.sub("", file.read_text(encoding="utf-8")))
    ]

    assert elsewhere == []


def test_no_macro_is_too_long_to_read() -> None:
    long = {
        f"{file.relative_to(CHECKOUT)} {macro.name}": macro.lines
        for file in FILES
        for macro in macros_of(file)
        if macro.lines > LONGEST_MACRO
    }

    assert long == {}
