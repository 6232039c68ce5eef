"""The documentation of the models, and the page that is made of it."""

from pathlib import Path

from scripts.models_reference import reference

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_reference_is_what_the_models_say() -> None:
    written = (CHECKOUT / "docs" / "reference" / "models.md").read_text(encoding="utf-8")

    assert written == reference(CHECKOUT / "models"), (
        "docs/reference/models.md is out of date: run `make docs`"
    )
