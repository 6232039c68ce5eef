"""The page of a record from real builds on both engines: what is in the relation is what the page says."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import overflow, require_browser
from tests.support.forked import Forks
from tests.support.page import Element, faults, parsed
from tests.support.project import Project, write_project
from tests.support.trail import database

pytestmark = pytest.mark.slow

NOTES = "{{ config(materialized='table', meta={'audit_capture': 'changes', 'audit_key': ['id', 'part'],"
NOTES += " 'audit_ignore': ['seen']%s}) }} select cast(id as integer) as id, cast(part as text) as part,"
NOTES += " cast(body as text) as body, cast(other as text) as other, cast(seen as integer) as seen%s"
NOTES += " from (values %s) as v(id, part, body, other, seen)"
KEY = "a|b<script>~\"'"
LONG = "lange Wörter 🙂 " * 700
BODIES = (
    "<script>alert('1')</script>{{ 7*7 }}</bdi></details>",
    " two\n\tlines  and a trailing space ",
    "\u202eright to left\u202c שלום \u200b hidden\u00a0space",
    "\"double\" and ''single'' \\ back",
    LONG,
    LONG[:6000] + "CHANGED" + LONG[6000:],
)


def literal(text: str | None) -> str:
    """Text as an SQL literal that Jinja leaves alone."""
    if text is None:
        return "null"
    quoted = text.replace("'", "''").replace("{{", "{{ '{{' }}")
    return f"'{quoted}'"


@dataclass(frozen=True)
class Notebook:
    """A project whose one record has had each of `BODIES`, and what the commands say of it."""

    project: Project
    forks: Forks

    def build(self, body: str | None, other: str | None, seen: int, extra: str = "", meta: str = "") -> None:
        """Build the model with the record (1, KEY) and another that never changes."""
        row = f"(1, {literal(KEY)}, {literal(body)}, {literal(other)}, {seen})"
        text = NOTES % (meta, extra, f"{row}, (2, 'x', 'y', 'z', 1)")
        self.project.write("models/notes.sql", text)
        self.forks.dbt(self.project, "run", env={"GITHUB_SHA": "c" * 40, "GITHUB_ACTOR": "anna"})

    def page(self, *args: str) -> Element:
        """The page of the record, written to a file of its own."""
        file = self.project.root / "page.html"
        self.forks.batch_audit(
            self.project, "history", "notes", "--key", "id=1", "--key", f"part={KEY}", "--format", "html",
            "--out", str(file), *args,
        )  # fmt: skip
        assert file.stat().st_mode & 0o077 == 0
        return parsed(file.read_text(encoding="utf-8"))

    def json(self) -> Any:
        """What the history says to machines."""
        args = ("history", "notes", "--key", "id=1", "--key", f"part={KEY}", "--format", "json")
        return json.loads(self.forks.batch_audit(self.project, *args).stdout)


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def notebook(
    request: pytest.FixtureRequest, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Notebook]:
    """A first build and a change for each body; with NULL, the empty text, a new column and an ignored change."""
    folder = tmp_path_factory.mktemp("page")
    with database(request.param, folder) as target:
        made = Notebook(write_project(folder / "project", target), forks)
        made.build(None, None, 0)
        for number, body in enumerate(BODIES):
            made.build(body, "" if number % 2 else None, number)
        made.build(BODIES[-1], "", 99, extra=", 'new' as added")
        yield made


def shown(cell: Element) -> str:
    """The value of a cell without the marks of spaces and line breaks; of a long value all of it."""
    whole = cell.all("details", class_="whole")
    value = whole[0].all("bdi")[-1] if whole else cell
    return "".join(_unmarked(value))


def _unmarked(element: Element) -> Iterator[str]:
    for child in element.children:
        if isinstance(child, str):
            yield child
        elif "vh" in (child.attributes.get("class") or ""):
            continue
        elif child.attributes.get("class") == "ws":
            mark = child.text
            yield chr(int(mark[3:-1], 16)) if mark[0] == "⟨" else " " * len(mark) if mark[0] == "·" else ""
        else:
            yield from _unmarked(child)


def invisible(text: str) -> str:
    """Hidden characters as the page writes them."""
    for hidden in "\u202e\u202c\u200b":
        text = text.replace(hidden, f"⟨U+{ord(hidden):04X}⟩")
    return text


def test_every_version_is_on_the_page_with_what_it_changed(notebook: Notebook) -> None:
    page, told = notebook.page(), notebook.json()

    entries = page.all("li", class_="update")
    assert [e.one("time").words for e in entries] and len(entries) == len(told["versions"]) == len(BODIES) + 1
    for entry, version in zip(entries, reversed(told["versions"]), strict=True):
        assert version["batch_id"] in entry.words and "anna named by the CI provider" in entry.words
        assert "c" * 40 in entry.words and f"capture {version['capture_no']}" in entry.words
        changed = entry.all("dl", class_="lines")[0]
        names = [name.words for name in changed.all("dt")]
        assert names == version["changed_fields"]
        for name, cell in zip(names, changed.all("dd"), strict=True):
            for side, values in (("del", version["before"]), ("ins", version["after"])):
                value = values.get(name, "no such column")
                expected = "null" if value is None else "empty" if value == "" else invisible(value)
                assert shown(cell.one(side)) == expected, (name, side)
    assert entries[0].all("dl", class_="lines")[0].one("dd").words == "before: no such column→after: new"


def test_the_head_says_which_record_and_what_is_known_of_it(notebook: Notebook) -> None:
    page = notebook.page()

    assert "".join(_unmarked(page.one("h1"))) == f"id 1part {KEY}"
    header = page.one("header").words
    assert "In the relation" in header and f"{len(BODIES) + 1} versions" in header and "notes" in header
    assert "capture 1, a first build: counted, no record stored" in header
    present = page.one("section", id="present")
    values = {name.words: cell for name, cell in zip(present.all("dt"), present.all("dd"), strict=True)}
    assert shown(values["body"]) == BODIES[-1] and shown(values["added"]) == "new"
    assert values["other"].words == "empty" and "seen does not count" in values


def test_nothing_in_a_value_becomes_part_of_the_page(notebook: Notebook) -> None:
    page = notebook.page()

    assert faults(page) == [] and not {e.name for e in page.all()} & {"script", "img", "iframe"}
    assert BODIES[0] in page.text and "49" not in {cell.words for cell in page.all("ins")}
    assert "\u202e" not in page.text


def test_the_file_goes_where_it_is_told(notebook: Notebook, tmp_path: Path) -> None:
    project, forks = notebook.project, notebook.forks
    key = ("history", "notes", "--key", "id=3", "--key", "part=x")

    done = forks.batch_audit(project, *key, "--format", "html")
    (default,) = (project.root / ".batch_audit" / "reports").glob("record-notes-*.html")
    assert str(default) in done.stderr and done.stdout == ""
    page = parsed(default.read_text(encoding="utf-8"))
    assert "Not known" in page.one("header").words and "the log cannot tell" in page.words
    assert faults(page) == []
    forks.batch_audit(project, *key, "--format", "html", "--output", str(tmp_path))
    assert (tmp_path / default.name).read_bytes() == default.read_bytes()
    forks.batch_audit(project, *key, "--format", "json", "--out", str(tmp_path / "h.json"))
    assert json.loads((tmp_path / "h.json").read_text(encoding="utf-8"))["record_id"] == "3|x"
    refused = forks.batch_audit(project, *key, "--out", str(tmp_path / "x"), expect=2)
    assert "--format html" in refused.stderr and not (tmp_path / "x").exists()
    other = forks.batch_audit(project, "diff", "notes", "--format", "html", expect=2)
    assert "html" in other.stderr


def test_the_page_fits_a_telephone(notebook: Notebook, tmp_path: Path) -> None:
    require_browser()
    notebook.page()

    for width in (360, 800, 1280):
        assert overflow(notebook.project.root / "page.html", width, tmp_path) == 0


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_gaps_and_erased_values_stand_at_their_place(engine: str, forks: Forks, tmp_path: Path) -> None:
    with database(engine, tmp_path) as target:
        made = Notebook(write_project(tmp_path / "project", target), forks)
        for number, body in enumerate(("one", "two", "three")):
            made.build(body, None, number)
        made.project.query("update \"shop\".notes set body = 'by hand' where id = 2")
        made.build("four", None, 4)
        made.project.query('drop table "shop".notes')
        made.build("five", None, 5)
        made.build("six", None, 6, meta=", 'audit_max_records': 0")
        made.build("seven", None, 7)
        erased = made.json()["versions"][0]["event_id"]
        made.project.audit(f"delete from {{audit}}.audit_payload where event_id = '{erased}'")

        page = made.page()
        timeline = page.one("ol", class_="timeline").all("li")
        assert [one.attributes["class"] for one in timeline] == [
            "entry update", "entry gap", "entry update", "entry gap", "entry update", "entry update", "entry start",
        ]  # fmt: skip
        assert "audit_max_records" in timeline[1].words and "first build" in timeline[1].words
        assert "outside dbt" in timeline[3].words
        assert "have been erased" in timeline[5].words and "before: erased→after: erased" in timeline[5].words
        assert (
            "2 gaps" not in page.one("header").words and "3 gaps in what is known" in page.one("header").words
        )
        assert [gap["before_capture"] for gap in made.json()["gaps"]] == [4, 5, 6]
        assert faults(page) == []
