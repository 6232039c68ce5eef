"""What a benchmark reports: figures with their budgets, as a table for people and as JSON."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured quantity: `values` are its rounds, in `unit` ("s", "MB", "bytes", or "x" for a
    ratio within one round).

    `budget` is what its median may be at most, or must be at least with `at_least`.
    """

    engine: str
    what: str
    unit: str
    values: tuple[float, ...]
    budget: float | None = None
    at_least: bool = False

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    @property
    def kept(self) -> bool | None:
        """Whether the median keeps its budget; None without one."""
        if self.budget is None:
            return None
        return self.median >= self.budget if self.at_least else self.median <= self.budget

    def record(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "engine": self.engine, "what": self.what, "unit": self.unit, "median": round(self.median, 4),
            "min": round(min(self.values), 4), "max": round(max(self.values), 4),
            "rounds": [round(value, 4) for value in self.values],
            "budget": self.budget, "at_least": self.at_least, "kept": self.kept,
        }  # fmt: skip


def seconds(engine: str, what: str, values: Sequence[float], budget: float | None = None) -> Figure:
    """A duration."""
    return Figure(engine, what, "s", tuple(values), budget)


def ratio(
    engine: str,
    what: str,
    values: Sequence[float],
    base: Sequence[float],
    budget: float | None = None,
    at_least: bool = False,
) -> Figure:
    """Each round's value over the same round's base: the machine's drift hits both alike."""
    rounds = tuple(value / other for value, other in zip(values, base, strict=True))
    return Figure(engine, what, "x", rounds, budget, at_least)


def table(title: str, figures: Sequence[Figure]) -> "Table":
    """The figures of one benchmark as a table for the terminal."""
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for heading in ("engine", "what", "median", "min - max", "budget", ""):
        right = heading in ("median", "min - max", "budget")
        shown.add_column(heading, justify="right" if right else "left", no_wrap=heading != "what")
    engine = ""
    for figure in figures:
        if engine and figure.engine != engine:
            shown.add_section()
        engine = figure.engine
        shown.add_row(*_cells(figure))
    return shown


def _cells(figure: Figure) -> tuple[str, ...]:
    digits = 3 if figure.unit == "x" or figure.median < 10 else 2

    def text(value: float) -> str:
        return f"{value:.{digits}f} {figure.unit}"

    budget = ""
    if figure.budget is not None:
        budget = f"{'≥' if figure.at_least else '≤'} {figure.budget:g} {figure.unit}"
    verdict = {None: "", True: "kept", False: "MISSED"}[figure.kept]
    spread = f"{min(figure.values):.{digits}f} - {max(figure.values):.{digits}f}"
    return (figure.engine, figure.what, text(figure.median), spread, budget, verdict)
