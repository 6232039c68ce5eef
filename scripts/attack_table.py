"""Write the table of attacks into docs/trust.md from the suite that tries them (`make docs`)."""

from pathlib import Path

from tests.support.administrator import ATTACKS, Attack

PAGE = Path(__file__).resolve().parents[1] / "docs" / "trust.md"
BEGIN, END = "<!-- attacks: made by `make docs` -->\n", "<!-- end of attacks -->\n"


def table() -> str:
    """A line for each attack, with the first damage that verifying names at each level."""
    head = "| attack | store alone | + digests | + witness | |\n|---|---|---|---|---|\n"
    return head + "".join(map(_line, ATTACKS))


def _line(attack: Attack) -> str:
    verdicts = (f"`{kind}`" if kind else "–" for kind in (attack.alone, attack.digests, attack.witness))
    return f"| {attack.name} | {' | '.join(verdicts)} | {attack.remark} |\n"


def page(text: str) -> str:
    """The page with the table that the suite gives. Raises ValueError where its place is not marked."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no place for the table: {BEGIN.strip()} … {END.strip()}")
    return before + begin + table() + end + after


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
