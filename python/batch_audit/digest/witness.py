"""The witness: a file that only grows, one line for each digest, each with the hash of the line before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import IO, Final

from batch_audit.digest.canonical import canonical, members, read_canonical
from batch_audit.digest.envelope import Signed
from batch_audit.errors import UnknownFormatError, UnreadableError

FORMAT: Final = "v1"
LONGEST_LINE: Final = 1024
MOST_LINES: Final = 2_000_000


@dataclass(frozen=True)
class Line:
    """What the witness remembers of a digest: its number, hash, head, time (microseconds UTC), and whose turn is next.

    `line` counts from 1; `previous_line` is the SHA-256 of the line before, without its line break. `next_signer` is
    the id of the key that signs the next digest, None while nobody signs.
    """

    line: int
    previous_line: str | None
    sequence: int
    digest: str
    block_no: int
    block_hash: str
    made_at: int
    incarnation: int
    next_signer: str | None

    def text(self) -> bytes:
        """The line as canonical JSON, without its line break."""
        return canonical({"format": FORMAT, **asdict(self)})


def next_line(previous: Line | None, signed: Signed) -> Line:
    """The line that remembers a digest after the line before (None: it is the first)."""
    digest, head = signed.digest, signed.digest.head
    number, before = (1, None) if previous is None else (previous.line + 1, _hash(previous))
    return Line(
        number, before, digest.sequence, signed.hash, head.block_no, head.block_hash, digest.made_at,
        digest.store.incarnation, signed.next_signer,
    )  # fmt: skip


def read_line(text: bytes) -> Line:
    """One line, without its line break. Raises UnknownFormatError or UnreadableError."""
    value = read_canonical(text, LONGEST_LINE)
    if isinstance(value, dict) and value.get("format") != FORMAT:
        raise UnknownFormatError(f"its format is {value.get('format')!r:.40}, known is {FORMAT!r}")
    found = members(
        value, "the line", format=str, line=int, previous_line=(str, type(None)), sequence=int, digest=str,
        block_no=int, block_hash=str, made_at=int, incarnation=int, next_signer=(str, type(None)),
    )  # fmt: skip
    return Line(**{name: item for name, item in found.items() if name != "format"})


@dataclass(frozen=True)
class Witness:
    """The lines of a witness, up to the first that is wrong; `problem` then says which one, and why."""

    lines: Sequence[Line]
    problem: str | None = None


def read_witness(file: IO[bytes]) -> Witness:
    """All lines of a witness, in bounded memory for each."""
    lines: list[Line] = []
    try:
        for text in _texts(file):
            lines.append(_following(lines[-1] if lines else None, text))
    except UnreadableError as error:
        return Witness(lines, f"line {len(lines) + 1}: {error}")
    return Witness(lines)


def _following(before: Line | None, text: bytes) -> Line:
    line = read_line(text)
    expected = (1, None) if before is None else (before.line + 1, _hash(before))
    if (line.line, line.previous_line) != expected:
        raise UnreadableError("it does not follow the line before: lines were changed, removed or added")
    if before is not None and line.sequence != before.sequence + 1:
        raise UnreadableError(f"it remembers digest {line.sequence} after digest {before.sequence}")
    return line


def _texts(file: IO[bytes]) -> Iterator[bytes]:
    for _ in range(MOST_LINES):
        text = file.readline(LONGEST_LINE + 1)
        if not text:
            return
        if not text.endswith(b"\n"):
            raise UnreadableError(
                "it is too long"
                if len(text) > LONGEST_LINE
                else "it is cut: it does not end with a line break"
            )
        yield text[:-1]
    raise UnreadableError(f"a witness of more than {MOST_LINES:,} lines is not read")


def lines_for(tail: Line | None, digests: Iterable[Signed]) -> Iterator[Line]:
    """The lines that remember these digests, in their order, after the tail."""
    for signed in digests:
        tail = next_line(tail, signed)
        yield tail


def _hash(line: Line) -> str:
    return sha256(line.text()).hexdigest()
