"""The macro canonical_text on each engine against the golden values, to the byte, whatever the session's settings."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.golden import golden
from tests.support.project import Project
from tests.support.target import Target

MODEL = """
{{ config(materialized='table') }}
{% for vector in var('vectors') %}
select {{ loop.index0 }} as n, {{ batch_audit.canonical_text('x', vector['type']) }} as text
from (select {{ vector['sql'] }} as x) as v
{% if not loop.last %}union all{% endif %}
{% endfor %}
"""
# Each would change some engine's own text of a value.
POSTGRES_SETTINGS = (
    "timezone to 'America/New_York'",
    "datestyle to 'German, DMY'",
    "intervalstyle to 'iso_8601'",
    "bytea_output to 'escape'",
)


@pytest.mark.slow
def test_every_golden_value_has_its_canonical_text(
    engine: str, make_project: Callable[..., Project], warehouse_target: Target
) -> None:
    vectors = [vector for vector in golden("values") if engine in vector]
    if engine == "postgres":
        for setting in POSTGRES_SETTINGS:
            warehouse_target.query(f"alter database {warehouse_target.database} set {setting}")
    project = make_project(
        files={"models/texts.sql": MODEL},
        variables={"vectors": [vector[engine] for vector in vectors], "batch_audit_enabled": False},
        hook=False,
    )

    project.dbt("run", "--select", "texts")

    found = {row["n"]: row["text"] for row in project.query('select n, text from "shop".texts')}
    assert {vector["name"]: found[n] for n, vector in enumerate(vectors)} == {
        vector["name"]: expected(vector, engine) for vector in vectors
    }


def expected(vector: dict[str, Any], engine: str) -> str | None:
    """The text of a vector, which is the engine's own for types without a common one."""
    text: str | dict[str, str] | None = vector["text"]
    return text[engine] if isinstance(text, dict) else text
