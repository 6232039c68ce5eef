"""What auditing costs a `dbt build` of 200 models and 200 tests: without the package, with it, and under the runner."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from batch_audit.lineage.project.cache import FILE as CACHE
from benchmarks import shop
from benchmarks.engines import database
from benchmarks.figures import Figure, ratio, seconds
from benchmarks.installed import make_project
from benchmarks.process import BATCH_AUDIT, DBT, Timing, timed
from tests.support.project import Project

THREADS = "2"
BUILD = [*DBT, "build", "--threads", THREADS]
CAPTURED = 5
BARE, HOOKS, CAPTURES, RUNNER = "bare dbt", "hooks", f"hooks, {CAPTURED} captured tables", "runner"
NO_LINEAGE, COLD = "runner without lineage", "runner, lineage not cached"
RUNNERS = (RUNNER, NO_LINEAGE, COLD)


def measure(engine: str, folder: Path, rounds: int, rows: int) -> list[Figure]:
    """Each variant has a project, a database and a parse cache of its own; in each round every one is built once.

    What happens once is not in the figures: the first build of each fills the cache, makes the store and the views.

    `rows` is not used: little data is the point.
    """
    timings: dict[str, list[Timing]] = {name: [] for name in (BARE, HOOKS, CAPTURES, *RUNNERS)}
    tails: dict[str, list[float]] = {name: [] for name in RUNNERS}
    with _databases(engine, folder, list(timings)) as projects:
        for name, project in projects.items():
            _build(project, name, [])
        for number in range(rounds):
            names = list(timings)
            # Another order in each round: what runs after a pause is not always the same one.
            for name in names[number % len(names) :] + names[: number % len(names)]:
                timings[name].append(_build(projects[name], name, tails.get(name, [])))
    return list(_figures(engine, timings, tails))


@contextmanager
def _databases(engine: str, folder: Path, names: list[str]) -> Iterator[dict[str, Project]]:
    with ExitStack() as stack:
        projects = {}
        for number, name in enumerate(names):
            target = stack.enter_context(database(engine, folder, f"overhead_{number}"))
            shop.load_raw(target)
            captured = CAPTURED if name == CAPTURES else 0
            files = shop.files(captured)
            root = folder / f"overhead_{engine}_{number}"
            projects[name] = make_project(root, target, files, shop.CONFIG, package=name != BARE)
        yield projects


def _build(project: Project, name: str, tails: list[float]) -> Timing:
    if name not in RUNNERS:
        return timed(project, BUILD)
    if name == COLD:
        (project.root / "target" / CACHE).unlink(missing_ok=True)
    summary = project.root / "summary.json"
    options = ["--summary-file", str(summary), *(["--no-lineage"] if name == NO_LINEAGE else [])]
    timing = timed(project, [*BATCH_AUDIT, "run", *options, "--", *BUILD])
    tails.append(float(json.loads(summary.read_text(encoding="utf-8"))["audit_s"]))
    return timing


def _figures(
    engine: str, timings: dict[str, list[Timing]], tails: dict[str, list[float]]
) -> Iterator[Figure]:
    walls = {name: [timing.wall for timing in found] for name, found in timings.items()}
    cpus = {name: [timing.cpu for timing in found] for name, found in timings.items()}
    for name, wall in walls.items():
        yield seconds(engine, f"{name}: wall", wall)
        yield seconds(engine, f"{name}: CPU", cpus[name])
    for name in (HOOKS, CAPTURES, RUNNER):
        yield ratio(
            engine, f"{name} / bare: wall", walls[name], walls[BARE], None if name == CAPTURES else 1.05
        )
        yield ratio(engine, f"{name} / bare: CPU", cpus[name], cpus[BARE])
    for name in (RUNNER, COLD):
        yield ratio(engine, f"{name} / {NO_LINEAGE}: wall", walls[name], walls[NO_LINEAGE], 1.02)
        yield ratio(engine, f"{name} / {NO_LINEAGE}: CPU", cpus[name], cpus[NO_LINEAGE])
    for name, tail in tails.items():
        yield seconds(engine, f"{name}: after dbt has exited", tail, 1.5)
    own = [runner - hooks for runner, hooks in zip(cpus[RUNNER], cpus[HOOKS], strict=True)]
    yield seconds(engine, "runner: its own CPU (over hooks)", own)
