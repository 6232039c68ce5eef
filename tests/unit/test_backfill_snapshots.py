"""What backfill reads of a project's snapshots in dbt's manifest."""

from typing import Any

import pytest

from batch_audit.backfill.snapshots import select_snapshots
from batch_audit.errors import ConfigurationError
from batch_audit.setup.manifest import Manifest


def snapshot(name: str, package: str = "shop", **config: Any) -> dict[str, Any]:
    """A snapshot's entry in a manifest."""
    return {
        "unique_id": f"snapshot.{package}.{name}", "name": name, "resource_type": "snapshot", "database": "d",
        "schema": "s", "alias": f"{name}_t", "relation_name": f'"d"."s"."{name}_t"',
        "config": {"unique_key": "id", "strategy": "check", "meta": {"audit_capture": "changes"}} | config,
    }  # fmt: skip


def manifest(*nodes: dict[str, Any]) -> Manifest:
    return Manifest({"nodes": {node["unique_id"]: node for node in nodes}})


def test_without_names_those_that_ask_for_capture_are_taken() -> None:
    found = manifest(
        snapshot("b"), snapshot("a"), snapshot("c", meta={}), snapshot("d", meta={"audit_capture": "off"})
    )
    assert [one.name for one in select_snapshots(found, [])] == ["a", "b"]
    assert [one.name for one in select_snapshots(found, ["c", "snapshot.shop.b", "c"])] == ["b", "c"]


def test_their_configuration_is_read() -> None:
    renamed = {"dbt_valid_from": "since", "dbt_valid_to": None}
    (one,) = select_snapshots(
        manifest(
            snapshot(
                "a",
                unique_key=["id", "day"],
                strategy="timestamp",
                updated_at="ts",
                dbt_valid_to_current="cast('9999-12-31' as date)",
                snapshot_meta_column_names=renamed,
                meta={"audit_ignore": "seen"},
            )
        ),
        ["a"],
    )
    assert (one.schema, one.table, one.key, one.key_rule) == (
        "s",
        "a_t",
        ("id", "day"),
        "unique_key of the model",
    )
    assert (one.own["dbt_valid_from"], one.own["dbt_valid_to"]) == ("since", "dbt_valid_to")
    assert (one.forever, one.ignored, one.local) == ("cast('9999-12-31' as date)", ("seen",), False)


@pytest.mark.parametrize(
    ("config", "local"),
    [({"strategy": "check"}, True), ({"strategy": "check", "updated_at": "ts"}, False),
     ({"strategy": "timestamp", "updated_at": "ts"}, False)],
)  # fmt: skip
def test_times_are_those_of_dbts_session_where_dbt_made_them(config: dict[str, Any], local: bool) -> None:
    assert select_snapshots(manifest(snapshot("a", **config)), [])[0].local is local


def test_all_that_is_wrong_is_said_at_once() -> None:
    nodes = (snapshot("a", unique_key="id || day"), snapshot("twin"), snapshot("twin", "other"))
    with pytest.raises(ConfigurationError) as raised:
        select_snapshots(manifest(*nodes), ["a", "twin", "nobody"])
    said = str(raised.value)
    assert said.startswith("Nothing was written.")
    assert "a has no record key" in said and "audit_key" in said
    assert "'twin' names several snapshots: snapshot.shop.twin, snapshot.other.twin" in said
    assert "The project has no snapshot 'nobody'. It has: a, twin, twin." in said
    with pytest.raises(ConfigurationError, match="No snapshot of this project asks for capture"):
        select_snapshots(manifest(snapshot("a", meta={})), [])
