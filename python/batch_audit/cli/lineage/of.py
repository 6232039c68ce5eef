"""`batch-audit lineage MODEL[.COLUMN]`: what is above and below a column."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batch_audit.cli import busy, lineage_options, people
from batch_audit.cli.lineage.output import OUT, write_slice
from batch_audit.errors import BatchAuditError, ConfigurationError, StoreMissingError, WarehouseError
from batch_audit.settings import Settings

if TYPE_CHECKING:
    from batch_audit.lineage.explore.from_manifest import Artifacts
    from batch_audit.lineage.explore.known import Known
    from batch_audit.lineage.explore.names import Reading

TARGET_PATH = click.option(
    "--target-path", type=click.Path(path_type=Path, file_okay=False),
    help="Folder of dbt's artifacts. Default: as dbt finds it.",
)  # fmt: skip


@click.command()
@click.argument("model", metavar="MODEL[.COLUMN]")
@click.option("--upstream", is_flag=True, help="Only what it comes from. Default: both directions.")
@click.option("--downstream", is_flag=True, help="Only what comes from it.")
@click.option("--depth", type=click.IntRange(1), help="How many steps away. Default: all.")
@click.option(
    "--direct", is_flag=True, help="Follow values only, not what filters, joins, groups or sorts them."
)
@click.option(
    "--as-of", metavar="BATCH", help="As it was on record after this batch, or at this ISO 8601 time."
)
@click.option(
    "--manifest", is_flag=True, help="Read dbt's manifest as it lies there, and not the audit store."
)
@TARGET_PATH
@click.option(
    "--namespace", envvar="BATCH_AUDIT_DATASET_NAMESPACE",
    help="Namespace of datasets for --format openlineage. Default: the address of the target where the store is read,"
    " else the adapter's name. [env: BATCH_AUDIT_DATASET_NAMESPACE]",
)  # fmt: skip
@OUT
@lineage_options("tree", "json", "csv", "openlineage", "mermaid")
def of(
    settings: Settings, *, model: str, upstream: bool, downstream: bool, depth: int | None, direct: bool,
    as_of: str | None, manifest: bool, target_path: Path | None, namespace: str | None, out: Path | None,
) -> None:  # fmt: skip
    """Show what a model, or one of its columns, comes from and what comes from it.

    MODEL is a name, source.table, a unique_id or database.schema.table. Values that flow are told apart from columns
    that only influence (a filter, a join, a condition); what is not known is marked ?. Reads the audit store if it has
    the model's lineage, else dbt's manifest as `dbt compile` or a build leaves it, and says which.
    """
    if as_of is not None and manifest:
        raise ConfigurationError("--as-of asks the audit store and --manifest does not: give one of them.")
    from batch_audit.lineage.explore.slices import DIRECTIONS, take

    artifacts = artifacts_of(settings, target_path)
    known, reading = _read(settings, model, as_of, manifest, artifacts)
    wanted = [name for name, asked in zip(DIRECTIONS, (upstream, downstream), strict=True) if asked]
    found = take(known, reading.unique_id, reading.column, wanted or DIRECTIONS, depth, direct)
    console = people(settings)
    console.print(known.origin.sentence(datetime.now(UTC)), markup=False, soft_wrap=True)
    for note in known.origin.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    adapter = artifacts.project.dialect if isinstance(artifacts, _artifacts_class()) else None
    write_slice(settings, found, out, namespace or known.namespace or adapter or "dbt")


def _artifacts_class() -> type[Artifacts]:
    from batch_audit.lineage.explore.from_manifest import Artifacts

    return Artifacts


def artifacts_of(settings: Settings, target_path: Path | None) -> Artifacts | ConfigurationError:
    """dbt's artifacts, or why they cannot be read."""
    from batch_audit.lineage.explore.from_manifest import read_artifacts
    from batch_audit.runner.dbt_options import paths_of

    folder = target_path.absolute() if target_path else paths_of(settings, None, os.environ).target
    try:
        return read_artifacts(folder, settings.project_dir)
    except ConfigurationError as error:
        return error


def _read(
    settings: Settings, model: str, as_of: str | None, manifest: bool, artifacts: Artifacts | ConfigurationError
) -> tuple[Known, Reading]:  # fmt: skip
    """What is known of the model, from the store unless that is of no use."""
    notes: list[str] = []
    if not manifest:
        try:
            return _from_store(settings, model, as_of, artifacts)
        except (StoreMissingError, WarehouseError, ConfigurationError) as error:
            if as_of is not None:
                raise
            if isinstance(artifacts, ConfigurationError):
                raise _neither(error, artifacts) from error
            notes.append("the audit store does not say: " + str(error).splitlines()[0])
    if isinstance(artifacts, ConfigurationError):
        raise artifacts
    return _from_manifest(settings, model, artifacts, notes)


def _neither(store: BatchAuditError, artifacts: BatchAuditError) -> ConfigurationError:
    if isinstance(store, ConfigurationError):
        return store
    return ConfigurationError(f"There is neither lineage on record nor a manifest.\n  {store}\n  {artifacts}")


def _from_store(
    settings: Settings, model: str, as_of: str | None, artifacts: Artifacts | ConfigurationError
) -> tuple[Known, Reading]:  # fmt: skip
    from batch_audit.lineage.explore.from_manifest import with_notes
    from batch_audit.lineage.explore.from_store import read_store, recorded_invocation
    from batch_audit.lineage.explore.known import datasets_of
    from batch_audit.lineage.explore.names import choose, readings
    from batch_audit.warehouses import open_warehouse

    beside = None if isinstance(artifacts, ConfigurationError) else artifacts
    warehouse = open_warehouse(settings)
    try:
        known = read_store(warehouse, as_of, datasets_of(beside.project) if beside else None)
        of_a_batch = beside is not None and recorded_invocation(warehouse, beside.invocation_id)
    finally:
        warehouse.close()
    reading = choose(model, readings(model, known.datasets), known)
    if not known.has(reading.unique_id):
        raise StoreMissingError(f"{reading.unique_id} has no lineage on record.")
    newer = beside and beside.made and known.origin.moment and beside.made > known.origin.moment
    # A batch that changed no lineage leaves the record as it was.
    if as_of is None and newer and not of_a_batch:
        known = with_notes(
            known, "dbt's manifest is newer than this record: --manifest shows the code as it is"
        )
    return known, reading


def _from_manifest(
    settings: Settings, model: str, artifacts: Artifacts, notes: Sequence[str]
) -> tuple[Known, Reading]:  # fmt: skip
    from batch_audit.lineage.explore.from_manifest import read_known
    from batch_audit.lineage.explore.known import datasets_of
    from batch_audit.lineage.explore.names import choose, readings

    found = readings(model, datasets_of(artifacts.project))
    with busy(people(settings), "reading the compiled SQL"):
        known = read_known(artifacts, [one.unique_id for one in found], notes)
    return known, choose(model, found, known)
