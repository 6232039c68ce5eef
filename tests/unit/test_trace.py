"""A trace without a warehouse: labels along paths, trees, JSON, CSV and the page, for any shape of a walk."""

import csv
import io
import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from batch_audit.lineage.explore.known import Origin
from batch_audit.reports.trace_page import LINES_SHOWN, build_trace_page, render_trace
from batch_audit.trace.answer import Answer
from batch_audit.trace.machine import HEADINGS, as_csv, as_json
from batch_audit.trace.paint import painted
from batch_audit.trace.paths import branches, path_labels
from batch_audit.trace.result import Direction, Edge, Hop, Label, Name, Record, Trace, Written, weakest
from batch_audit.trace.walk import only_to
from tests.support.page import faults, parsed

HOSTILE = (
    "<script>alert(1)</script>", "</style><style>*{display:none}</style>", '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}", "=HYPERLINK(\"http://x\")", "\u202egpj.exe", "@SUM(1)", "~0a~1b", "~N", "a\nb",
)  # fmt: skip
ORDER: tuple[Label, ...] = ("exact", "superset", "unknown")


def record(node: str, record_id: str, **fields: object) -> Record:
    made = {"hash": "a" * 64, "logged": None, "written": Written("change log", "b-1", 1_000_000)} | fields
    return Record(node, record_id, ("id",), **made)  # type: ignore[arg-type]


def traced(direction: Direction, *hops: Hop, root: Name = ("m.a", "1")) -> Trace:
    names = {root}
    for hop in hops:
        for edge in hop.edges:
            names.add((edge.source_node, edge.source))
            if edge.target is not None:
                names.add((hop.node, edge.target))
    records = {name: record(*name) for name in names}
    return Trace(direction, records[root], records, hops)


def hop(node: str, edges: list[tuple[str, str, str]], label: Label = "exact", **fields: object) -> Hop:
    """A hop with value edges (target, source node, source)."""
    made = tuple(Edge(target, where, source, "value", where) for target, where, source in edges)
    targets = tuple(sorted({target for target, _, _ in edges}))
    return Hop(node, step="join", label=label, edges=made, records=targets, **fields)  # type: ignore[arg-type]


def answer(*traces: Trace) -> Answer:
    return Answer(traces[0].root, traces, Origin("store", "db.audit", 1_000_000, "b-1"), {}, {})


def drawn(found: Trace, width: int = 200) -> str:
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, no_color=True)
    for part in painted(found, {}):
        console.print(part)
    return text.getvalue()


def test_a_record_is_as_sure_as_its_best_path_and_a_path_as_its_weakest_step() -> None:
    found = traced(
        "upstream",
        hop("m.a", [("1", "m.b", "1"), ("1", "m.c", "1")], "superset"),
        hop("m.b", [("1", "s", "x")]),
        hop("m.c", [("1", "s", "x"), ("1", "s", "y")], "unknown"),
    )
    labels = path_labels(found)
    assert {name: labels[name] for name in (("m.b", "1"), ("s", "x"), ("s", "y"))} == {
        ("m.b", "1"): "superset", ("s", "x"): "superset", ("s", "y"): "unknown",
    }  # fmt: skip
    doubted = traced(
        "upstream", hop("m.a", [("1", "s", "x"), ("2", "s", "y")], doubts={"1": "an input changed"})
    )
    assert path_labels(doubted)["s", "x"] == "unknown"


@st.composite
def walks(draw: st.DrawFn) -> Trace:
    """Any layered graph of records, upstream or downstream."""
    direction: Direction = draw(st.sampled_from(["upstream", "downstream"]))
    ids = st.sampled_from(["1", "2", "3"])
    hops = []
    depth = draw(st.integers(1, 4))
    for level in range(depth):
        near, far = (f"m.{level}", f"m.{level + 1}")
        node, source = (near, far) if direction == "upstream" else (far, near)
        pairs = draw(st.lists(st.tuples(ids, ids), min_size=1, max_size=6, unique=True))
        label = draw(st.sampled_from(ORDER))
        hops.append(hop(node, [(target, source, one) for target, one in pairs], label))
    return traced(direction, *hops, root=("m.0", "1"))


def paths(found: Trace) -> Iterator[tuple[Name, Label]]:
    """Every record with the label of every path to it, one by one."""
    waiting: list[tuple[Name, Label]] = [(found.root.name, "exact")]
    while waiting:
        name, label = waiting.pop()
        yield name, label
        for one in found.hops:
            for edge in one.edges:
                ends = (one.node, edge.target or ""), (edge.source_node, edge.source)
                near, far = ends if found.direction == "upstream" else ends[::-1]
                if near == name:
                    waiting.append((far, weakest((label, one.label))))


@given(walks())
def test_labels_are_those_of_all_paths_tried_one_by_one(found: Trace) -> None:
    best: dict[Name, Label] = {}
    for name, label in paths(found):
        best[name] = min(label, best.get(name, label), key=ORDER.index)
    assert path_labels(found) == best


@given(walks())
def test_the_tree_draws_every_record_that_a_path_leads_to_and_expands_it_once(found: Trace) -> None:
    lines = list(branches(found))
    shown = [branch.record.name for _, branch in lines if branch.record and not branch.seen]
    assert set(shown) == {name for name, _ in paths(found)}
    depths = [depth for depth, _ in lines]
    assert all(after <= before + 1 for before, after in itertools.pairwise(depths))
    drawn(found)
    assert faults(parsed(render_trace(answer(found)))) == []


@given(walks(), st.sampled_from(["m.1", "m.2", "m.3"]))
def test_only_paths_that_end_at_a_node_are_kept(found: Trace, to: str) -> None:
    kept = only_to(found, to)
    reached = {name for name, _ in paths(kept)}
    for one in kept.hops:
        for edge in one.edges:
            near = (
                (one.node, edge.target or "")
                if found.direction == "upstream"
                else (edge.source_node, edge.source)
            )
            if near in reached:
                assert any(name[0] == to for name, _ in paths(traced(found.direction, *kept.hops, root=near)))
    assert {name for name, _ in paths(found) if name[0] == to} == {name for name in reached if name[0] == to}


def test_values_never_become_markup_formulas_or_terminal_codes() -> None:
    edges = [("1", "s", one) for one in HOSTILE]
    left_out = {("1", HOSTILE[0], "value"): 12_430}
    found = traced("upstream", hop("m.a", edges, "superset", reasons=(HOSTILE[0],), left_out=left_out))
    page = render_trace(answer(found))
    assert faults(parsed(page)) == []
    assert "<script>" not in page and "<img" not in page and "49" not in page
    rows = list(csv.reader(io.StringIO(as_csv([found]))))
    assert rows[0] == list(HEADINGS)
    assert len(rows) == 1 + len(HOSTILE) + 1
    assert not any(cell.startswith(("=", "@", "+", "-")) for row in rows for cell in row)
    tree = drawn(found)
    assert "12,430 more" in tree and "\u202e" not in tree and "\x1b" not in tree


def test_every_way_of_showing_says_what_is_unknown_and_why() -> None:
    reason = "a Python model"
    found = Trace("upstream", record("m.a", "1"), {("m.a", "1"): record("m.a", "1")}, (
        Hop("m.a", label="unknown", reasons=(reason,), records=("1",)),
    ), ("--depth 1 ends at b",))  # fmt: skip
    assert reason in drawn(found) and "--depth 1 ends at b" in drawn(found)
    assert "unknown" in drawn(found, width=40)
    [row] = list(csv.DictReader(io.StringIO(as_csv([found]))))
    assert (row["role"], row["label"], row["reason"]) == ("UNKNOWN", "unknown", reason)
    assert as_json(found)["hops"][0]["reasons"] == [reason]
    page = parsed(render_trace(answer(found)))
    assert reason in page.words and "--depth 1 ends at b" in page.words
    assert build_trace_page(answer(found)).label == "unknown"


def test_who_decided_about_whom_is_said_in_both_directions() -> None:
    edges = (Edge("1", "m.b", "1", "filter", "b"), Edge(None, "m.c", "1", "filter", "c"))
    up = traced("upstream", Hop("m.a", step="filter", edges=edges, records=("1",)))
    lines = [line for line in drawn(up).splitlines() if "decided" in line]
    assert [line.split("  ")[-3] for line in lines] == ["decided", "decided about every record"]
    down = traced("downstream", Hop("m.a", step="filter", edges=edges[:1], records=("1",)), root=("m.b", "1"))
    assert "m.a 1  was decided by it" in drawn(down)
    assert "was decided by it" in parsed(render_trace(answer(down))).words


def test_a_long_tree_is_cut_on_the_page_and_says_so() -> None:
    found = traced("upstream", hop("m.a", [("1", "s", str(number)) for number in range(LINES_SHOWN + 500)]))
    page = parsed(render_trace(answer(found)))
    assert "501 more lines are not on this page" in page.words
    assert faults(page) == []


def test_a_changed_or_missing_source_is_said_in_every_format() -> None:
    note = "changed since batch b-1 logged it, without the audit"
    found = traced("upstream", hop("m.a", [("1", "m.b", "1")]))
    records = dict(found.records) | {("m.b", "1"): record("m.b", "1", logged="c" * 64, note=note)}
    found = Trace("upstream", found.root, records, found.hops)
    assert records["m.b", "1"].state == "changed"
    assert note in drawn(found) and note in as_csv([found])
    assert note in parsed(render_trace(answer(found))).words
    assert as_json(found)["records"][1]["state"] == "changed"
