"""Random sequences of builds: as-of gives each earlier state again, and diff what differs, or they say why not.

BATCH_AUDIT_SEQUENCES is the number of sequences per engine (each a model of its own), BATCH_AUDIT_BUILDS how many
builds each has, BATCH_AUDIT_SEED lets them be others than the usual ones.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, given, seed, settings

from batch_audit.errors import ConfigurationError
from batch_audit.history.as_of import write_as_of
from batch_audit.history.net_change import read_net_change
from batch_audit.ledger.canonical import canonical_text
from batch_audit.ledger.text import record_id
from batch_audit.warehouses import Warehouse
from tests.support import build_sequences
from tests.support.build_sequences import Sequence, sequences
from tests.support.forked import Forks
from tests.support.project import Project, write_project
from tests.support.recompute import problems
from tests.support.trail import database

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

MODELS = int(os.environ.get("BATCH_AUDIT_SEQUENCES", "10"))
BUILDS = int(os.environ.get("BATCH_AUDIT_BUILDS", "6"))
SEED = int(os.environ.get("BATCH_AUDIT_SEED", "1"))

Table = tuple[list[tuple[str, str]], list[tuple[str | None, ...]]]
"""Columns (name, type) in their order, and rows of canonical texts in any order."""


@dataclass
class Model:
    """A model with its builds; what its table held after each, and what a capture can have known of it.

    `seen[r]` is the last round up to r that was captured; `breaks` are rounds before which the log does not reach
    back: first builds, and builds that were not captured.
    """

    name: str
    sequence: Sequence
    tables: list[Table | None] = field(default_factory=list)
    seen: list[int | None] = field(default_factory=list)
    breaks: list[int] = field(default_factory=list)
    baselines: list[int] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)
    fresh: bool = True

    def note(self, number: int, table: Table | None) -> None:
        """Write down a round that has ended with this table."""
        kind = self.sequence.builds[number].kind
        last = self.seen[-1] if self.seen else None
        if kind == "uncaptured":
            self.breaks.append(number)
            self.unseen.append(number)
            self.fresh = True
        elif kind in ("build", "drop"):
            last = number
            if self.fresh or kind == "drop":
                self.breaks.append(number)
                if self.sequence.baseline:
                    self.baselines.append(number)
            self.fresh = False
        elif kind not in ("build", "drop") and table is None:
            self.fresh = True
        self.seen.append(last)
        self.tables.append(table)

    def can_undo(self, number: int) -> bool:
        """Whether the state after a round can be had by undoing what came later."""
        seen = self.seen[number]
        return seen is not None and not any(place > seen for place in self.breaks)

    def can_compare(self, low: int, high: int) -> bool:
        """Whether the log tells all that happened between the states after two rounds."""
        first, last = self.seen[low], self.seen[high]
        if first is None or last is None:
            return False
        missed = [place for place in self.unseen if first < place <= low or last < place <= high]
        return not missed and not any(first < place <= last for place in self.breaks)

    def can_go_forward(self, number: int) -> bool:
        """Whether it can be had from a stored baseline."""
        seen = self.seen[number]
        starts = [place for place in self.baselines if seen is not None and place <= seen]
        if not starts or seen is None:
            return False
        return not any(starts[-1] < place <= seen for place in self.breaks) and not any(
            seen < place <= number for place in self.unseen
        )


def read_table(warehouse: Warehouse, name: str) -> Table | None:
    """What a relation holds; None when there is none."""
    columns = [(column.name, column.type) for column in warehouse.columns("shop", name)]
    if not columns:
        return None
    rows = warehouse.query(f'select * from "shop"."{name}"')
    return columns, [tuple(canonical_text(value) for value in row.values()) for row in rows]


def without(table: Table, ignored: list[str]) -> Table:
    """A table's columns but the ignored ones, its rows in an order of their own."""
    columns, rows = table
    kept = [place for place, (name, _) in enumerate(columns) if name not in ignored]
    narrow = [tuple(row[place] for place in kept) for row in rows]
    return [columns[p] for p in kept], sorted(narrow, key=lambda row: [(t is not None, t or "") for t in row])


def run_round(forks: Forks, project: Project, models: list[Model], number: int, refresh: bool) -> str:
    """Build all models once; gives the batch."""
    for model in models:
        project.write(f"models/{model.name}.sql", model.sequence.sql(number))
        if model.sequence.builds[number].kind == "drop":
            project.query(f'drop table if exists "shop"."{model.name}"')
    forks.dbt(project, "run", *(["--full-refresh"] if refresh else []), expect=None)
    rows = project.audit("select batch_id from {audit}.audit_segment order by opened_at desc limit 1")
    batch = str(rows[0]["batch_id"])
    expected = {
        model.name: "success"
        if model.sequence.builds[number].kind in ("build", "drop", "uncaptured")
        else "error"
        for model in models
    }
    assert outcomes(project, batch) == expected
    warehouse = project.warehouse()
    try:
        for model in models:
            model.note(number, read_table(warehouse, model.name))
    finally:
        warehouse.close()
    return batch


def outcomes(project: Project, batch: str) -> dict[str, str]:
    """dbt's status of each model in a batch."""
    rows = project.audit(
        "select target, metadata from {audit}.audit_event where event_type = 'checkpoint' and part = 'end'"
        f" and batch_id = '{batch}'"
    )
    return {str(row["target"]).split(".")[-1]: json.loads(row["metadata"])["status"] for row in rows}


def check(warehouse: Warehouse, model: Model, batches: list[str], forward: bool) -> list[str]:
    """What as-of gets wrong about a model, in one of its two ways."""
    wrong = []
    way = "from the baseline" if forward else "undoing"
    for number, batch in enumerate(batches):
        told = f"{model.name} after round {number}, {way}"
        possible = model.can_go_forward(number) if forward else model.can_undo(number)
        try:
            done = write_as_of(warehouse, model.name, batch, "replayed", from_baseline=forward, replace=True)
        except ConfigurationError as error:
            if possible:
                wrong.append(f"{told}: refused: {error}")
            continue
        found, expected = read_table(warehouse, "replayed"), model.tables[number]
        assert found is not None
        if not possible:
            wrong.append(f"{told}: was not refused, though breaks are {model.breaks}")
        elif set(done.as_json()["ignored"]) - {build_sequences.IGNORED}:
            wrong.append(f"{told}: ignored {done.as_json()['ignored']}")
        elif expected is None or without(found, [build_sequences.IGNORED]) != without(
            expected, [build_sequences.IGNORED]
        ):
            wrong.append(f"{told}:\n  found    {found}\n  expected {expected}")
    return wrong


def records(table: Table, key: list[str], fold: bool) -> dict[str, dict[str, str]]:
    """Records by their id: what is not NULL and not ignored, by the name as the engine compares it."""
    columns, rows = table
    found = {}
    for row in rows:
        named = {name: text for (name, _), text in zip(columns, row, strict=True)}
        values = {
            name.encode().lower().decode() if fold else name: text
            for name, text in named.items()
            if text is not None and name != build_sequences.IGNORED
        }
        found[record_id([named[column] for column in key])] = values
    return found


def check_net_changes(warehouse: Warehouse, model: Model, batches: list[str]) -> list[str]:
    """What diff gets wrong about a model, between rounds that are next to each other and between far ones."""
    wrong = []
    pairs = [(low, high) for high in range(len(batches)) for low in range(high) if high - low in (1, 3, 5)]
    for low, high in pairs:
        told = f"{model.name} from round {low} to {high}"
        possible = model.can_compare(low, high)
        try:
            found = read_net_change(warehouse, model.name, batches[low], batches[high], samples=0)
        except ConfigurationError as error:
            if possible:
                wrong.append(f"{told}: refused: {error}")
            continue
        old, new = (
            records(table or ([], []), model.sequence.key, warehouse.values.fold == "ascii")
            for table in (model.tables[low], model.tables[high])
        )
        differing = {
            record: {
                name for name in old[record] | new[record] if old[record].get(name) != new[record].get(name)
            }
            for record in old.keys() & new.keys()
        }
        fields = Counter(name for names in differing.values() for name in names)
        said = (
            dict(found.kinds),
            {name.encode().lower().decode() if warehouse.values.fold == "ascii" else name: n
             for name, n in found.fields.items()},
        )  # fmt: skip
        expected = (
            {"insert": len(new.keys() - old.keys()), "update": sum(1 for names in differing.values() if names),
             "delete": len(old.keys() - new.keys())},
            dict(fields),
        )  # fmt: skip
        if not possible:
            wrong.append(f"{told}: was not refused, though breaks are {model.breaks}")
        elif said != expected:
            wrong.append(f"{told}: found {said}, expected {expected}")
    return wrong


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_every_earlier_state_comes_back(engine: str, forks: Forks, tmp_path: Path) -> None:
    replay_all(engine, forks, tmp_path, drawn_sequences())


def drawn_sequences() -> list[Sequence]:
    """As many sequences as models are wanted. They run together, because a dbt run costs seconds whatever it builds."""
    drawn: list[Sequence] = []

    @seed(SEED)
    @settings(max_examples=MODELS, deadline=None, database=None, phases=[Phase.generate])
    @given(sequences(BUILDS))
    def draw(sequence: Sequence) -> None:
        drawn.append(sequence)

    draw()
    return drawn


def replay_all(engine: str, forks: Forks, folder: Path, drawn: list[Sequence]) -> None:
    """Run all builds, one dbt run per round, then ask for every earlier state of every model in both ways."""
    models = [Model(f"m{number}", sequence) for number, sequence in enumerate(drawn)]
    with database(engine, folder) as target:
        project = write_project(folder / "project", target)
        batches = [run_round(forks, project, models, n, refresh=n % 4 == 3) for n in range(BUILDS)]
        assert problems(project) == []
        warehouse = project.warehouse()
        try:
            wrong = [
                (problem, [build.kind for build in model.sequence.builds])
                for model in models
                for problem in (
                    *check(warehouse, model, batches, False),
                    *check(warehouse, model, batches, True),
                    *check_net_changes(warehouse, model, batches),
                )
            ]
        finally:
            warehouse.close()
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n".join(f"{kinds}: {said}" for said, kinds in wrong[:20])
    possible = [(model.can_undo(n), model.can_go_forward(n)) for model in models for n in range(len(batches))]
    assert any(undo for undo, _ in possible) and any(forward for _, forward in possible)
