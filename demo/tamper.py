"""Play the dishonest administrator: change what the audit trail says about one order.

    python tamper.py
    batch-audit verify     # names the row that was changed

`batch-audit demo` makes an honest trail again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

WAREHOUSE = Path(__file__).resolve().parent / "warehouse.duckdb"
EDIT = """
    update shop_audit.audit_event set changed_fields = '["note"]'
    where event_id = (
        select min(event_id) from shop_audit.audit_event
        where change_type = 'update' and changed_fields like '%"amount"%' and target like '%.orders'
    )
    returning record_id
"""


def main() -> None:
    with duckdb.connect(str(WAREHOUSE)) as warehouse:
        edited = warehouse.execute(EDIT).fetchone()
    if edited is None:
        raise SystemExit("There is no changed amount left to hide: run batch-audit demo first.")
    sys.stdout.write(
        f"Order {edited[0]}: the trail now says that only the note was changed, not the amount.\n"
    )


if __name__ == "__main__":
    main()
