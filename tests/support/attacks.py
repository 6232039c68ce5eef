"""Attacks on the store that `ordinary_store` makes: what is done to it, and what verifying must say.

Each attack has its statements, the damages that follow by kind, and the first of them: kind, table, block, part, row.
"""

from tests.support.synthetic_store import CUSTOMERS, ORDERS

Attack = tuple[list[str], dict[str, int], tuple[str, str, int | None, str | None, int | None]]

CHANGES = 300
ROW_17 = f"segment = 's-first' and part = '{ORDERS}' and seq = 17"
LAST_ROW = f"segment = 's-first' and part = '{ORDERS}' and seq = {CHANGES}"
FIRST_CHECKPOINT = "segment = 's-first' and part = 'end' and seq = 1"
# Where the attacks strike: the blocks of s-first are 1 to 4, of a-lineage 5 to 8, of s-second 9 to 12.
EVENTS_OF_FIRST, RECORD_EDGES_OF_LINEAGE, COLUMN_EDGES_OF_LINEAGE, EVENTS_OF_SECOND = 2, 7, 8, 10


EVENT_ATTACKS: dict[
    str, tuple[list[str], dict[str, int], tuple[str, str, int | None, str | None, int | None]]
] = {
    "NULL becomes the empty text": (
        [f"update {{audit_event}} set error_message = '' where {ROW_17}"],
        {"event_edited": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "the empty text becomes NULL": (
        [f"update {{audit_event}} set error_message = null where {ROW_17.replace('17', '18')}"],
        {"event_edited": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, ORDERS, 18),
    ),
    "an event is removed": (
        [f"delete from {{audit_event}} where {ROW_17}"],
        {"seq_gap": 1, "rows_missing": 1, "payload_orphan": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "the last event of a part is removed, with its payload": (
        [f"delete from {{audit_event}} where {LAST_ROW}", f"delete from {{audit_payload}} where {LAST_ROW}"],
        {"rows_missing": 1},
        ("rows_missing", "audit_event", EVENTS_OF_FIRST, None, None),
    ),
    "a whole part is removed, with its payloads": (
        [f"delete from {{{table}}} where part = '{ORDERS}'" for table in ("audit_event", "audit_payload")],
        {"rows_missing": 1},
        ("rows_missing", "audit_event", EVENTS_OF_FIRST, None, None),
    ),
    "an event is written twice": (
        [f"insert into {{audit_event}} select * from {{audit_event}} where {FIRST_CHECKPOINT}"],
        {"seq_duplicate": 1, "rows_added": 1},
        ("seq_duplicate", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "a removed event is covered by a copy of another": (
        [
            f"delete from {{audit_event}} where {FIRST_CHECKPOINT.replace('seq = 1', 'seq = 2')}",
            f"insert into {{audit_event}} select * from {{audit_event}} where {FIRST_CHECKPOINT}",
        ],
        {"seq_duplicate": 1, "seq_gap": 1, "rows_altered": 1},
        ("seq_duplicate", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "two events exchange their numbers": (
        ["update {audit_event} set seq = 3 - seq where segment = 's-first' and part = 'end' and seq < 3"],
        {"event_edited": 2, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event moves into another sealed segment": (
        [f"update {{audit_event}} set segment = 's-second' where {FIRST_CHECKPOINT}"],
        {"seq_gap": 1, "rows_missing": 1, "event_edited": 1, "seq_duplicate": 1, "rows_added": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event moves into a segment that is not there": (
        [f"update {{audit_event}} set segment = 'nowhere' where {FIRST_CHECKPOINT}"],
        {"seq_gap": 1, "rows_missing": 1, "event_edited": 1, "segment_unregistered": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "an event of an open segment is edited": (
        ["update {audit_event} set actor = 'eve' where segment = 's-third'"],
        {"event_edited": 1},
        ("event_edited", "audit_event", None, "run", 1),
    ),
    "an event loses its number": (
        [f"update {{audit_event}} set seq = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("row_unplaced", "audit_event", EVENTS_OF_FIRST, "end", None),
    ),
    "an event loses its part": (
        [f"update {{audit_event}} set part = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("row_unplaced", "audit_event", EVENTS_OF_FIRST, None, 1),
    ),
    "an event loses its segment": (
        [f"update {{audit_event}} set segment = null where {FIRST_CHECKPOINT}"],
        {"row_unplaced": 1, "seq_gap": 1, "rows_missing": 1},
        ("seq_gap", "audit_event", EVENTS_OF_FIRST, "end", 1),
    ),
    "numbers are negative": (
        ["update {audit_event} set seq = -seq where segment = 's-first' and part = 'end'"],
        {"event_edited": 3, "seq_gap": 1, "rows_altered": 1},
        ("event_edited", "audit_event", EVENTS_OF_FIRST, "end", -3),
    ),
}

PAYLOAD_ATTACKS: dict[str, Attack] = {
    **{
        f"{column} of a payload is edited": (
            [f"update {{audit_payload}} set {column} = 'edited' where {ROW_17}"],
            {"payload_edited": 1},
            ("payload_edited", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
        )
        for column in ("salt", "old_hash", "record_hash", "old_value", "new_value")
    },
    "NULL in a payload becomes the empty text": (
        [f"update {{audit_payload}} set old_value = '' where {ROW_17}"],
        {"payload_edited": 1},
        ("payload_edited", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload is removed": (
        [f"delete from {{audit_payload}} where {ROW_17}"],
        {"payload_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload names another event": (
        [f"update {{audit_payload}} set event_id = 'other' where {ROW_17}"],
        {"payload_missing": 1, "payload_orphan": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload names no event": (
        [f"update {{audit_payload}} set event_id = null where {ROW_17}"],
        {"payload_missing": 1, "payload_orphan": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload is added to an event without one": (
        [
            "insert into {audit_payload} (segment, part, seq, event_id, batch_month, new_value)"
            " select segment, part, seq, event_id, batch_month, 'x' from {audit_event}"
            f" where {FIRST_CHECKPOINT}"
        ],
        {"payload_orphan": 1},
        ("payload_orphan", "audit_payload", EVENTS_OF_FIRST, "end", 1),
    ),
    "a payload is written twice": (
        [f"insert into {{audit_payload}} select * from {{audit_payload}} where {ROW_17}"],
        {"payload_duplicated": 1},
        ("payload_duplicated", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a removed payload is covered by a copy of another": (
        [
            f"delete from {{audit_payload}} where {ROW_17.replace('17', '18')}",
            f"insert into {{audit_payload}} select * from {{audit_payload}} where {ROW_17}",
        ],
        {"payload_duplicated": 1, "payload_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, ORDERS, 18),
    ),
    "a payload moves to another place": (
        [f"update {{audit_payload}} set seq = 1000 where {ROW_17}"],
        {"payload_moved": 1},
        ("payload_moved", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "a payload moves to another month": (
        [f"update {{audit_payload}} set batch_month = '2026-02' where {ROW_17}"],
        {"payload_moved": 1},
        ("payload_moved", "audit_payload", EVENTS_OF_FIRST, ORDERS, 17),
    ),
    "an erasure is removed": (
        ["delete from {audit_event} where event_type = 'erasure'"],
        {"payload_missing": 1, "rows_missing": 1},
        ("payload_missing", "audit_payload", EVENTS_OF_FIRST, CUSTOMERS, 2),
    ),
}

OTHER_ATTACKS: dict[str, Attack] = {
    "a record edge is edited": (
        ["update {audit_record_edge} set source_record_id = 'r|2'"],
        {"rows_altered": 1},
        ("rows_altered", "audit_record_edge", RECORD_EDGES_OF_LINEAGE, None, None),
    ),
    "a record edge is removed": (
        ["delete from {audit_record_edge}"],
        {"rows_missing": 1},
        ("rows_missing", "audit_record_edge", RECORD_EDGES_OF_LINEAGE, None, None),
    ),
    "a column edge is removed": (
        ["delete from {audit_column_edge} where seq = 1"],
        {"seq_gap": 1, "rows_missing": 1},
        ("seq_gap", "audit_column_edge", COLUMN_EDGES_OF_LINEAGE, ORDERS, 1),
    ),
    "a column edge is added": (
        [
            "insert into {audit_column_edge} (segment, part, seq, batch_month)"
            f" values ('a-lineage', '{ORDERS}', 3, '2026-01')"
        ],
        {"rows_added": 1},
        ("rows_added", "audit_column_edge", COLUMN_EDGES_OF_LINEAGE, None, None),
    ),
    "an edge is added to a segment that had none": (
        ["insert into {audit_record_edge} (segment, part, seq) values ('s-first', 'p', 1)"],
        {"rows_added": 1},
        ("rows_added", "audit_record_edge", 3, None, None),
    ),
    "a segment's writer is edited": (
        ["update {audit_segment} set writer = 'nobody' where segment = 's-first'"],
        {"rows_altered": 1},
        ("rows_altered", "audit_segment", 1, None, None),
    ),
    "a sealed segment's registration is removed": (
        ["delete from {audit_segment} where segment = 'a-lineage'"],
        {"block_without_segment": 1, "rows_missing": 1},
        ("block_without_segment", "audit_block", 5, None, None),
    ),
    "a segment is registered twice": (
        ["insert into {audit_segment} select * from {audit_segment} where segment = 's-first'"],
        {"seq_duplicate": 1, "rows_added": 1},
        ("seq_duplicate", "audit_segment", 1, "segment", 1),
    ),
    "an open segment's registration is removed": (
        ["delete from {audit_segment} where segment = 's-third'"],
        {"segment_unregistered": 1},
        ("segment_unregistered", "audit_event", None, None, None),
    ),
    **{
        f"{column} of a block is edited": (
            [f"update {{audit_block}} set {column} = {value} where block_no = 6"],
            kinds,
            (first, "audit_block", 6, None, None),
        )
        for column, value, first, kinds in (
            ("leaf_count", "9", "block_edited", {"block_edited": 1, "rows_missing": 1}),
            ("leaf_count", "null", "block_edited", {"block_edited": 1}),
            ("merkle_root", "'f'", "block_edited", {"block_edited": 1, "rows_altered": 1}),
            ("sealed_at", "1", "block_edited", {"block_edited": 1}),
            ("previous_hash", "'f'", "block_edited", {"block_edited": 1, "block_relinked": 1}),
            ("block_hash", "'f'", "block_edited", {"block_edited": 1, "block_relinked": 1}),
            ("format_version", "'v9'", "block_unknown_format", {"block_unknown_format": 1}),
        )
    },
    "a block names another table": (
        ["update {audit_block} set table_name = 'audit_payload' where block_no = 6"],
        {"block_edited": 1, "block_set_incomplete": 1},
        ("block_edited", "audit_block", 6, None, None),
    ),
    "a block is removed": (
        ["delete from {audit_block} where block_no = 6"],
        {"block_missing": 1, "block_set_incomplete": 1},
        ("block_missing", "audit_block", 6, None, None),
    ),
    "the newest block is removed": (
        ["delete from {audit_block} where block_no = 12"],
        {"block_set_incomplete": 1},
        ("block_set_incomplete", "audit_block", 11, None, None),
    ),
    "the oldest segment's blocks are removed": (
        ["delete from {audit_block} where block_no <= 4"],
        {"block_missing": 1},
        ("block_missing", "audit_block", 1, None, None),
    ),
    "a segment's blocks are removed and the later ones renumbered": (
        [
            "delete from {audit_block} where segment = 'a-lineage'",
            "update {audit_block} set block_no = block_no - 4 where block_no > 8",
        ],
        {"block_edited": 4, "block_relinked": 1},
        ("block_edited", "audit_block", 5, None, None),
    ),
    "a block is written twice": (
        ["insert into {audit_block} select * from {audit_block} where block_no = 6"],
        {"block_misnumbered": 1, "block_set_incomplete": 1},
        ("block_misnumbered", "audit_block", 6, None, None),
    ),
    "a block loses its number": (
        ["update {audit_block} set block_no = null where block_no = 1"],
        {"block_misnumbered": 1, "block_edited": 1, "block_missing": 1},
        ("block_misnumbered", "audit_block", 0, None, None),
    ),
    "all blocks are removed": (
        ["delete from {audit_block}"],
        {"nothing_sealed": 1},
        ("nothing_sealed", "audit_block", None, None, None),
    ),
}
