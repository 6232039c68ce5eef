"""Pages that are made of something else, and what they are made of."""

from pathlib import Path

from scripts.attack_table import PAGE, page
from scripts.models_reference import reference

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_the_models_say() -> None:
    written = (CHECKOUT / "docs" / "reference" / "models.md").read_text(encoding="utf-8")

    assert written == reference(CHECKOUT / "models"), (
        "docs/reference/models.md is out of date: run `make docs`"
    )


def test_the_table_of_attacks_is_what_the_suite_tries() -> None:
    written = PAGE.read_text(encoding="utf-8")

    assert written == page(written), "docs/trust.md is out of date: run `make docs`"
