"""What `batch-audit trace` answers: a record, and the traces of it in one or two directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from batch_audit.errors import ConfigurationError
from batch_audit.history.moments import end_of_batch, find_batch
from batch_audit.lineage.code import NodeCode
from batch_audit.lineage.explore.known import Dataset, Origin, labels
from batch_audit.trace.machine import as_json, record_json
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Record, Trace
from batch_audit.trace.start import find_code, find_record
from batch_audit.trace.walk import Wanted, trace
from batch_audit.warehouses.base import Warehouse


@dataclass(frozen=True)
class Answer:
    """The traces of `root`. `origin` tells where the code is from, `names` are those of nodes for people."""

    root: Record
    traces: tuple[Trace, ...]
    origin: Origin
    names: Mapping[str, str]
    asked: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The answer as docs/trace.md describes it."""
        return {
            "asked": dict(self.asked),
            "from": self.origin.as_json(),
            "record": record_json(self.root, {self.root.name: "exact"}),
            **{one.direction: as_json(one) for one in self.traces},
        }


def answer(
    warehouse: Warehouse, codes: Mapping[str, NodeCode], origin: Origin, *, model: str, key: str | None,
    named: Sequence[str], as_of: str | None, to: str | None, wanted: Sequence[Wanted],
) -> Answer:  # fmt: skip
    """Find the record and trace it. Raises ConfigurationError like `find_code` and `find_record`."""
    code = find_code(model, codes)
    end = None if to is None else find_code(to, codes).node
    if end == code.node:
        raise ConfigurationError(f"--to {to} is the model itself: name another one, or leave it out.")
    reader = Reader(warehouse, codes, None if as_of is None else _until(warehouse, as_of))
    with warehouse.sound_traces():
        root = find_record(reader, code, key, named)
        traces = tuple(trace(reader, root, replace(one, to=end)) for one in wanted)
    datasets = [Dataset(name, name.split(".", 1)[0]) for name in codes]
    asked = {
        "node": code.node, "record_id": root.record_id, "directions": [one.direction for one in wanted], "to": end,
        "depth": wanted[0].depth, "as_of": as_of, "limit": wanted[0].limit, "filters": wanted[0].filters,
    }  # fmt: skip
    return Answer(root, traces, origin, labels(datasets), asked)


def _until(warehouse: Warehouse, as_of: str) -> tuple[int, str]:
    batch = find_batch(warehouse, as_of)
    if batch is None:
        raise ConfigurationError(
            f"No batch begins with {as_of!r}.\n  `batch-audit status` lists the batches."
        )
    return end_of_batch(warehouse, batch), batch
