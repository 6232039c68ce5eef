"""The page: what data can never do to it, and what it always says."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from batch_audit.reports.batch import BatchReport, render_html, render_json, report_name
from batch_audit.reports.reader import Source

START = datetime(2026, 1, 2, 3, 4, 5)
END = datetime(2026, 1, 2, 3, 4, 9)
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil.example","x")',
    "</title></table><!--",
]


COUNTS = (
    "nodes_ok nodes_error nodes_skipped tests_passed tests_failed tests_warned tests_errored tests_skipped"
    " failing_rows record_errors captures records_inserted records_updated records_deleted records_baseline"
    " not_captured segments_unsealed"
)
TEXTS = (
    "batch_id job actor warehouse_user command git_branch git_commit host run_url project target_name"
    " status_reason error_message"
)


class Tags(HTMLParser):
    """Collects the elements and the attribute names of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


class Anything(dict[str, Any]):
    """A row whose columns are all absent but those given."""

    def __missing__(self, name: str) -> None:
        return None


def report(word: str = "orders", **batch: Any) -> BatchReport:
    """A report in which every text that comes from outside is `word`."""
    stored = json.dumps({word: word})
    timed = {"started_at": START, "ended_at": END, "duration_s": Decimal("4"), "invocation_id": "i"}
    named = {"node_id": word, "node_name": word, **timed}
    row = dict.fromkeys(COUNTS.split(), 1) | dict.fromkeys(TEXTS.split(), word) | {
        "status": "error", "invocations": 1, "events": 9, "segments": 1, "first_block": 1, "last_block": 4,
        "sealed": True, "git_dirty": False, "records_baseline": 0, **timed,
    }  # fmt: skip
    return BatchReport(
        engine="duckdb", database=word, schema=word,
        package={"package_version": "1", "store_format": "v1"},
        batch=Anything(row | batch),
        invocations=[{}],
        events=[{"event_type": word, "events": 9}],
        nodes=[Anything(named, status="error", message=word, materialized=word)],
        tests=[Anything(named, test_id="t", test_name=word, status="fail", passed=False, failures=2, message=word,
                        column_name=word, rows_recorded=2, rows_capped=True)],
        record_errors=[Anything(invocation_id="i", test_id="t", record_id=word, matched="value", row_values=stored)],
        captures=[Anything(named, capture_mode="changes", relation=word, record_key=word, key_rule=word,
                           records_inserted=1, records_updated=1, records_deleted=1, rows_after=3)],
        inputs=[Anything(named, input_name=word, reason=word, note=word, rows_read=3, rows_written=1, rows_skipped=2)],
        changes=[
            Anything(named, record_id=word, change_type="update", old_values=json.dumps({word: "1"}),
                     new_values=stored, changed_fields_json=json.dumps([word])),
            Anything(named, record_id=word, change_type="insert", new_values=stored),
        ],
        earlier=[
            Anything(node_id=word, record_id=word, versions=2, back=1, batch_id=word, changed_at=START, actor=word,
                     change_type="insert", new_values=stored),
            Anything(node_id=word, record_id=word, versions=2, back=2, batch_id=word, changed_at=START, actor=word,
                     change_type="update", old_values=stored, new_values=json.dumps({word: None}),
                     changed_fields_json=json.dumps([word])),
        ],
        earlier_not_read=None,
        not_captured=[{"node_id": word, "reason": word}],
        blocks=[
            {"block_no": 1, "table_name": word, "writer": word, "leaf_count": 1, "sealed_at": END, "block_hash": word}
        ],
        sources=[Source(word, word, 1)],
    )  # fmt: skip


def elements(html: str) -> Tags:
    """The elements of a page."""
    parser = Tags()
    parser.feed(html)
    return parser


@pytest.mark.parametrize("word", HOSTILE)
def test_text_from_outside_adds_no_element_and_no_attribute(word: str) -> None:
    harmless, hostile = elements(render_html(report())), elements(render_html(report(word)))
    assert hostile.names == harmless.names and hostile.attributes == harmless.attributes
    assert "script" not in hostile.names and not {"onerror", "src", "style"} & hostile.attributes


@pytest.mark.parametrize("word", HOSTILE)
def test_json_gives_back_exactly_what_was_stored(word: str) -> None:
    told = json.loads(render_json(report(word)))
    assert told["batch"]["actor"] == word and json.loads(told["changes"][1]["new_values"]) == {word: word}
    assert told["batch"]["started_at"] == "2026-01-02T03:04:05.000000Z"


def test_the_policy_allows_the_pages_own_style_and_nothing_else() -> None:
    html = render_html(report())
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    assert policy.replace("&#39;", "'") == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_html(report()) == render_html(report()) and render_json(report()) == render_json(report())


def test_the_page_says_what_it_covers_and_what_it_does_not() -> None:
    html = render_html(report())
    assert "sealed in blocks 1 to 4" in html and "Not evaluated here" in html
    assert "does not recompute its hashes" in html and "compliant" not in html.lower()


def test_what_is_left_out_is_said_with_where_to_find_it() -> None:
    assert "1 more changed record of orders" in render_html(report()) and "rpt_record_changes" in render_html(
        report()
    )


def test_what_a_relation_read_and_left_out_is_said_below_it() -> None:
    assert "read 3 rows of <bdi>orders</bdi>: 1 written, 2 skipped (orders)" in render_html(report())
    only_counted = Anything(report().inputs[0], rows_written=None, rows_skipped=None, note="no key")
    assert "read 3 rows of <bdi>orders</bdi>; no key" in render_html(replace(report(), inputs=[only_counted]))


def test_null_and_empty_text_look_different() -> None:
    changed = Anything(
        invocation_id="i", node_id="orders", record_id="1", change_type="update",
        old_values='{"a":null}', new_values='{"a":""}', changed_fields_json='["a"]',
    )  # fmt: skip
    html = render_html(replace(report(), changes=[changed]))
    assert '<span class="nil">null</span></del>' in html and '<span class="nil">empty</span></ins>' in html


def test_a_batch_without_anything_is_still_a_page() -> None:
    empty = replace(
        report(status="incomplete", ended_at=None, first_block=None, sealed=False, actor=None),
        nodes=[], tests=[], record_errors=[], captures=[], inputs=[], changes=[], not_captured=[], blocks=[],
    )  # fmt: skip
    html = render_html(empty)
    assert "No node ran" in html and "Nobody said who ran it" in html and "no end was recorded" in html


def test_a_file_name_sorts_by_time_and_takes_no_path_from_the_batch() -> None:
    assert report_name(report("../../etc/x"), "html") == "batch-20260102T030405Z-______etc_x.html"
