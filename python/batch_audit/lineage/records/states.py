"""What comes out when a query is run again over only the rows that some of its rows came from.

Let S be rows of a query, and let every read keep only the rows that S came from. Then the query gives
EXACT    S, and nothing else;
WHOLE    S and perhaps other rows of the original, unchanged;
KEYED    S and perhaps other rows of the original, of which some columns (`unstable`) may have other values;
RETURNS  S and perhaps rows that the original did not have;
BROKEN   perhaps not even S.
An answer is `exact` when its rows come out again: anything above BROKEN, while nothing that needs more is built on it.
"""

from dataclasses import dataclass, field
from enum import IntEnum


class Level(IntEnum):
    """The levels above, in order."""

    BROKEN = 0
    RETURNS = 1
    KEYED = 2
    WHOLE = 3
    EXACT = 4


@dataclass
class State:
    """`ghost`: with no input rows, it still gives a row, with other values. `key`: columns that tell its rows apart.

    `complete`: nothing that it reads is cut, so it gives every row of the original.
    """

    level: Level
    ghost: bool = False
    unstable: frozenset[str] = frozenset()
    key: frozenset[str] | None = None
    reasons: list[str] = field(default_factory=list)
    complete: bool = False

    def lower(self, level: Level) -> None:
        """No better than this."""
        self.level = min(self.level, level)

    def broken(self, reason: str) -> None:
        """Not even the rows themselves are sure to come out again."""
        self.level = Level.BROKEN
        self.reasons.append(reason)
