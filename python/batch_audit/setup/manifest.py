"""The parts of dbt's manifest that the checks ask for; every field is treated as optional."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from batch_audit.setup.keys import NodeData, meta
from batch_audit.setup.packages import PACKAGE_NAME

NO_CAPTURE = (None, False, "none", "off")
_CALL = re.compile(r"([A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)\s*\(")


@dataclass(frozen=True)
class Hook:
    """One post-hook of a model; dbt runs those outside of the transaction after all others."""

    sql: str
    in_transaction: bool


@dataclass(frozen=True)
class Manifest:
    """A parsed manifest.json (schema version 12)."""

    data: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest.json; raises OSError or ValueError when it cannot be read."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    @property
    def project(self) -> str:
        """The name of the project that was parsed."""
        return str(self._metadata.get("project_name"))

    @property
    def adapter(self) -> str:
        """The adapter's type, such as `duckdb`."""
        return str(self._metadata.get("adapter_type"))

    @property
    def dbt_version(self) -> str:
        """The dbt-core that parsed the project."""
        return str(self._metadata.get("dbt_version"))

    @property
    def _metadata(self) -> Mapping[str, Any]:
        return self.data.get("metadata") or {}

    def nodes(self, resource_type: str) -> Iterator[NodeData]:
        """The enabled nodes of a type."""
        return (node for node in self._nodes.values() if node.get("resource_type") == resource_type)

    def macros(self) -> Iterator[NodeData]:
        """All macros, dbt's own included."""
        return iter((self.data.get("macros") or {}).values())

    @property
    def _nodes(self) -> Mapping[str, NodeData]:
        return self.data.get("nodes") or {}

    @cached_property
    def _tests(self) -> Mapping[str, list[NodeData]]:
        tests: dict[str, list[NodeData]] = {}
        for test in self.nodes("test"):
            tests.setdefault(str(test.get("attached_node")), []).append(test)
        return tests

    def tests_of(self, node: NodeData) -> list[NodeData]:
        """The enabled generic tests that are attached to a node."""
        return self._tests.get(str(node.get("unique_id")), [])

    @cached_property
    def captured(self) -> list[NodeData]:
        """The nodes whose meta asks for record capture, sorted by name."""
        asking = [
            node
            for kind in ("model", "seed", "snapshot")
            for node in self.nodes(kind)
            if meta(node).get("audit_capture") not in NO_CAPTURE or explicit_capture(node)
        ]
        return sorted(asking, key=lambda node: str(node.get("name")))

    def audit_schema(self, custom: str) -> str | None:
        """The schema that dbt gave to the package's nodes, None when no node says it.

        A disabled node with another custom schema than ours (`custom`) has it from what the project says of
        all models; the store does not follow that.
        """
        disabled = [node for group in (self.data.get("disabled") or {}).values() for node in group]
        usable = [node for node in disabled if (node.get("config") or {}).get("schema", custom) == custom]
        ours = [node for node in [*self._nodes.values(), *usable] if node.get("package_name") == PACKAGE_NAME]
        models = [node for node in ours if node.get("resource_type") == "model" and node.get("schema")]
        return str(models[0]["schema"]) if models else None

    def calls_capture(self, sql: str) -> bool:
        """Whether a hook calls one of the capture macros, itself or through a macro of the user's."""
        called = {"".join(name.split()) for name in _CALL.findall(sql)}
        ours = {f"{PACKAGE_NAME}.capture", f"{PACKAGE_NAME}.capture_changes"}
        return bool(called & ours) or bool({name.rsplit(".", 1)[-1] for name in called} & self._wrappers)

    @cached_property
    def _wrappers(self) -> set[str]:
        """The names of other macros that lead to a capture macro."""
        macros = self.data.get("macros") or {}
        wanted = {f"macro.{PACKAGE_NAME}.capture", f"macro.{PACKAGE_NAME}.capture_changes"}
        leading: set[str] = set(wanted)
        while True:
            more = {
                name
                for name, macro in macros.items()
                if name not in leading and leading & set((macro.get("depends_on") or {}).get("macros") or ())
            }
            if not more:
                return {
                    name.rsplit(".", 1)[-1]
                    for name in leading
                    if not name.startswith(f"macro.{PACKAGE_NAME}.")
                }
            leading |= more


def post_hooks(node: NodeData) -> list[Hook]:
    """The post-hooks of a node in the order in which dbt runs them."""
    hooks = (node.get("config") or {}).get("post-hook") or ()
    return [Hook(str(hook.get("sql")), bool(hook.get("transaction", True))) for hook in hooks]


def explicit_capture(node: NodeData) -> bool:
    """Whether a node captures by a line of its own instead of by its meta."""
    return any("capture_changes" in hook.sql for hook in post_hooks(node))
