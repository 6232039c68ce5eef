"""Whether a step makes its records again as they are: where it does not, an input has changed since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from batch_audit.errors import WarehouseError
from batch_audit.trace.reader import Reader
from batch_audit.trace.result import Hop
from batch_audit.trace.sql import made_sql
from batch_audit.trace.step import Prepared, planned

OTHERWISE = (
    "made again from its inputs as they are now, it has other values: an input changed since it was written"
)
NO_MORE = "its query does not give it any more: an input changed since it was written"
NOT_TOLD = "no record that it came from was found, and whether its query still gives it cannot be told"


def judged(
    reader: Reader, hop: Hop, ready: Prepared, present: Mapping[str, bool], *, whole: bool = True
) -> Hop:  # fmt: skip
    """The hop with the doubts about its single records. `present` tells which of them the relation has.

    A hop that is not `whole` was asked for some inputs only, so that records may rightly be without edges.
    """
    if hop.label == "unknown":
        return hop
    targets = {edge.target for edge in hop.edges if edge.target is not None}
    without = [one for one in hop.records if one not in targets and present.get(one)] if whole else []
    bare = _made_of_nothing(reader, ready, without)
    doubts: dict[str, str] = {}
    for one in hop.records:
        if not present.get(one) or (one not in targets and not whole):
            continue
        doubt = bare.get(one, "") if one not in targets else _doubt(reader, hop, ready, one)
        if doubt:
            doubts[one] = doubt
    return replace(hop, doubts=doubts)


def _doubt(reader: Reader, hop: Hop, ready: Prepared, record: str) -> str | None:
    """Why a record with edges may not have come from them."""
    name = hop.node, record
    made = reader.made.get(name)
    if ready.partial or not made or name not in reader.checks or ready.code.kind == "view":
        return ready.doubts[0] if ready.doubts else None
    if reader.checks[name] not in made:
        return ready.doubts[0] if ready.doubts else OTHERWISE
    return None


def _made_of_nothing(reader: Reader, ready: Prepared, ids: Sequence[str]) -> dict[str, str]:
    """Why records without edges are in doubt; nothing of those that the query gives: they came from no record."""
    if not ids:
        return {}
    target = reader.identity(ready.code.node, ready.columns[ready.code.node])
    query = planned(reader, ready, {}).query
    names = [column.name for column in target.columns]
    try:
        rows = reader.warehouse.query(made_sql(reader.warehouse, query, names, target, ids))
    except WarehouseError:
        return dict.fromkeys(ids, NOT_TOLD)
    given: dict[str, set[str | None]] = {}
    for row in rows:
        given.setdefault(row["record_id"], set()).add(row["check_hash"])
    return {one: doubt for one in ids if (doubt := _of_nothing(reader, ready, one, given.get(one)))}


def _of_nothing(
    reader: Reader, ready: Prepared, record: str, given: Collection[str | None] | None
) -> str | None:
    if given is None:
        return ready.doubts[0] if ready.doubts else NO_MORE
    current = reader.checks.get((ready.code.node, record))
    compared = current is not None and None not in given and ready.code.kind != "view"
    return OTHERWISE if compared and current not in given else None
