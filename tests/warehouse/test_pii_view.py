"""rpt_pii_columns over graphs that are hard to walk: diamonds upon diamonds, cycles, fields of structs."""

import json
from collections.abc import Callable

from batch_audit.ledger.tables import BLOCK, COLUMN_EDGE, EVENT, SEGMENT
from tests.support.project import Project
from tests.warehouse.test_models import ENV, MONTH, START, VARS, Store


def edge(
    store: Store, owner: str, source: str, column: str, target_column: str, kind: str = "DIRECT"
) -> None:
    number = len(store.rows.get(COLUMN_EDGE.name, [])) + 1
    store.add(COLUMN_EDGE, segment="s1", part=owner, seq=number, batch_id="b", batch_month=MONTH, target=owner,
              target_column=target_column, source=source, source_column=column, kind=kind, subtype="IDENTITY",
              masking="false", expression="x")  # fmt: skip


def record(store: Store, node: str, personal: list[str] | None = None) -> None:
    number = len(store.rows.get(EVENT.name, [])) + 1
    meta = {"status": "known", "personal": personal or [], "unknown": []}
    store.add(EVENT, segment="s1", part="lineage", seq=number, event_id=f"e{number}", batch_id="b", batch_month=MONTH,
              event_type="lineage", occurred_at=START, target=node, metadata=json.dumps(meta))  # fmt: skip


def hard_store(layers: int) -> Store:
    """Layers of two nodes that both read both nodes of the layer before, and a cycle at the end."""
    store = Store()
    store.segment("b", "s1")
    record(store, "source.p.raw.people", ["address"])
    above = ["source.p.raw.people"]
    for layer in range(layers):
        here = [f"model.p.l{layer:02}{side}" for side in "ab"]
        for node in here:
            record(store, node)
            for source in above:
                edge(store, node, source, "address.street" if layer == 0 else "street", "street")
        above = here
    edge(store, above[0], above[0], "street", "street")
    edge(store, above[0], above[0], "street", "hidden", "INDIRECT")
    return store


def test_ways_that_part_and_meet_again_are_followed_once(make_project: Callable[..., Project]) -> None:
    layers = 24
    project = make_project()
    project.dbt("run", "--select", "rpt_package", "--vars", VARS, env=ENV)
    warehouse = project.warehouse()
    store = hard_store(layers)
    for table in (SEGMENT, EVENT, COLUMN_EDGE, BLOCK):
        rows = store.rows[table.name]
        warehouse.insert(
            table.name, table.columns, [[row.get(name) for name in table.columns] for row in rows]
        )
    warehouse.close()
    project.dbt("run", "--select", "+rpt_pii_columns", "--vars", VARS, env=ENV)
    rows = project.audit("select * from {audit}.rpt_pii_columns")
    assert len(rows) == 1 + 2 * layers
    assert {row["column_name"] for row in rows} == {"address", "street"}
    assert max(row["distance"] for row in rows) == layers
    assert all(row["is_certain"] and row["path"].startswith("source.p.raw.people.address") for row in rows)
