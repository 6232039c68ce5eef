"""The store's hashes and chain computed from docs/reference/store.md alone: shares no code with what it checks."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from tests.support.project import Project

COLUMNS = {
    "audit_segment": "segment part seq batch_id batch_month invocation_id writer opened_at",
    "audit_event": (
        "segment part seq event_id batch_id batch_month event_type occurred_at invocation_id actor source target"
        " record_id change_type changed_fields payload_commitment metadata error_message error_stack"
    ),
    "audit_record_edge": (
        "segment part seq batch_id batch_month target target_record_id target_hash source source_record_id"
        " source_hash step role label reason"
    ),
    "audit_column_edge": (
        "segment part seq batch_id batch_month target target_column source source_column kind subtype masking"
        " expression reason"
    ),
    "audit_block": (
        "block_no segment table_name format_version leaf_count merkle_root previous_hash block_hash sealed_at"
    ),
    "audit_payload": "salt old_hash record_hash old_value new_value",
}
SEALED = ("audit_segment", "audit_event", "audit_record_edge", "audit_column_edge")


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def escaped(text: str) -> str:
    return text.replace("~", "~0").replace("|", "~1")


def text_of(table: str, row: Mapping[str, Any], *, without: str = "") -> str:
    fields = [row[column] for column in COLUMNS[table].split() if column != without]
    written = ["~N" if field is None else escaped(str(field)) for field in fields]
    return "|".join(["v1", table, str(len(fields)), *written])


def record_hash(unique_id: str, values: Mapping[str, str | None]) -> str:
    """The hash of a record from its columns' canonical texts."""
    fields = [
        f"|{escaped(name).replace('=', '~2')}={escaped(text)}"
        for name, text in sorted(values.items())
        if text is not None
    ]
    return digest(f"v1|{unique_id}{''.join(fields)}")


def root_of(leaves: Sequence[str]) -> str | None:
    level, nodes = 0, list(leaves)
    while nodes and (level == 0 or len(nodes) > 1):
        level += 1
        groups = [nodes[start : start + 256] for start in range(0, len(nodes), 256)]
        nodes = [digest(f"v1|node|{level}|{len(group)}|{''.join(group)}") for group in groups]
    return nodes[0] if nodes else None


def problems(project: Project) -> list[str]:
    """Everything that is wrong with the project's store; also that nothing is sealed, or that something is not."""
    store = {table: project.audit(f"select * from {{audit}}.{table}") for table in COLUMNS}
    return [*_wrong_rows(store), *_wrong_order(store), *_wrong_chain(store)]


def _wrong_rows(store: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    payloads = {row["event_id"]: row for row in store["audit_payload"]}
    if len(payloads) != len(store["audit_payload"]):
        yield "an event has two payloads"
    for event in store["audit_event"]:
        place = f"{event['event_type']} {event['part']} {event['seq']}"
        if event["event_id"] != digest(text_of("audit_event", event, without="event_id")):
            yield f"{place}: its id is not the hash of its text"
        payload = payloads.pop(event["event_id"], None)
        commitment = digest(text_of("audit_payload", payload)) if payload else None
        if event["payload_commitment"] != commitment:
            yield f"{place}: its payload is not the one it committed to"
    yield from (f"a payload without an event: {event_id}" for event_id in payloads)


def _wrong_order(store: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    for table in SEALED:
        numbers = defaultdict(list)
        for row in store[table]:
            numbers[row["segment"], row["part"]].append(row["seq"])
        for place, found in numbers.items():
            if sorted(found) != list(range(1, len(found) + 1)):
                yield f"{table} {place}: numbered {sorted(found)[:5]} …, {len(found)} rows"


def _wrong_chain(store: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    expected = Counter((row["segment"], table) for row in store["audit_segment"] for table in SEALED)
    sealed = Counter((block["segment"], block["table_name"]) for block in store["audit_block"])
    if sealed != expected or not sealed:
        yield f"blocks of segments: {sorted(sealed)} instead of {sorted(expected)}"
    previous = "0" * 64
    for number, block in enumerate(sorted(store["audit_block"], key=lambda b: b["block_no"]), start=1):
        rows = [row for row in store[block["table_name"]] if row["segment"] == block["segment"]]
        rows.sort(key=lambda row: (row["part"], row["seq"]))
        without = "event_id" if block["table_name"] == "audit_event" else ""
        leaves = [digest(text_of(block["table_name"], row, without=without)) for row in rows]
        checks = {
            "block_no": number,
            "leaf_count": len(rows),
            "merkle_root": root_of(leaves),
            "previous_hash": previous,
            "block_hash": digest(text_of("audit_block", block, without="block_hash")),
        }
        for column, value in checks.items():
            if block[column] != value:
                yield f"block {number}: {column} is {block[column]} instead of {value}"
        previous = block["block_hash"]
