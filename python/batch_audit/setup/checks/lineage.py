"""Checks of the models that ask for record edges: that they are captured, and that what they read has keys."""

from __future__ import annotations

from collections.abc import Iterator

from batch_audit.lineage.code import NodeCode, codes_of_manifest
from batch_audit.lineage.hop import read_by
from batch_audit.setup.checks.hooks import captured_nodes
from batch_audit.setup.context import Context
from batch_audit.setup.findings import Finding
from batch_audit.setup.keys import meta

ASKED = ("records", "declared")


def record_edges(context: Context) -> Iterator[Finding]:
    """What asks for record edges (`audit_lineage`) can have some, and the records that it reads have names."""
    manifest = context.parsed
    captured = {str(node.get("unique_id")) for node in captured_nodes(manifest)}
    codes = codes_of_manifest(manifest.data)
    asking = [
        node for node in manifest.nodes("model") if meta(node).get("audit_lineage") not in (None, "none")
    ]
    for node in sorted(asking, key=lambda one: str(one.get("name"))):
        unique_id, name, asked = (
            str(node.get("unique_id")),
            str(node.get("name")),
            meta(node)["audit_lineage"],
        )
        if asked not in ASKED:
            why = f"its audit_lineage is {asked!r}, which the package does not know: the model will fail"
            yield Finding("fail", name, why, f"Write audit_lineage: {', '.join(ASKED)} or none.")
        elif unique_id not in captured:
            why = "asks for record edges and is not captured, so which records changed is not known: it gets none"
            yield Finding("fail", name, why, "Add `audit_capture: changes` to its meta.")
        elif asked == "declared" and not meta(node).get("audit_inputs"):
            why = "its audit_lineage is declared, and audit_inputs declares nothing: the model will fail"
            yield Finding(
                "fail", name, why, "Add `audit_inputs: {input: [its columns for the model's key]}`."
            )
        else:
            yield from _sources(name, codes[unique_id], codes)


def _sources(name: str, code: NodeCode, codes: dict[str, NodeCode]) -> Iterator[Finding]:
    read = [other for other in read_by(code, codes) if other.node != code.node and other.kind != "view"]
    nameless = [other for other in read if not other.key]
    if nameless:
        why = f"reads {', '.join(other.name for other in nameless)}, whose records have no key: its edges are not exact"
        remedy = "Give it `unique` and `not_null` tests on its key, or meta: {audit_key: …}."
        yield Finding("warn", name, why, remedy)
    else:
        yield Finding("ok", name, f"record edges to {', '.join(other.name for other in read) or 'nothing'}")
