"""Where the package is named among those whose macros dbt takes instead of its own."""

import pytest
import yaml

from batch_audit.errors import ConfigurationError
from batch_audit.setup.dispatch import add_dispatch, is_dispatched

OURS = "{macro_namespace: dbt, search_order: [shop, batch_audit, dbt]}"
OTHER = "- macro_namespace: dbt_utils  # for spark\n  search_order: [spark_utils, dbt_utils]\n"
DBT = "dispatch:\n  - macro_namespace: dbt\n    search_order:"
WINDOWS = DBT.replace("\n", "\r\n") + "\r\n      - shop\r\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: shop\n", f"name: shop\n\ndispatch:\n  - {OURS}\n"),
        ("name: shop\ndispatch:\n", f"name: shop\ndispatch:\n  - {OURS}\n"),
        ("name: shop\ndispatch: []  # none\n", f"name: shop\ndispatch: [{OURS}]  # none\n"),
        ("{name: shop}\n", f"{{name: shop, dispatch: [{OURS}]}}\n"),
        (f"name: shop\ndispatch:\n{OTHER}", f"name: shop\ndispatch:\n{OTHER}- {OURS}\n"),
        (f"{DBT} ['shop', 'other', 'dbt']\n", f"{DBT} ['shop', 'other', batch_audit, 'dbt']\n"),
        (f"{WINDOWS}      - dbt # own\r\n", f"{WINDOWS}      - batch_audit\r\n      - dbt # own\r\n"),
        (
            "name: shop\ndispatch:\n  - search_order: [other]\n    macro_namespace: dbt\n",
            "name: shop\ndispatch:\n  - search_order: [other, batch_audit]\n    macro_namespace: dbt\n",
        ),
    ],
)
def test_the_package_comes_before_dbt_and_nothing_else_changes(before: str, after: str) -> None:
    assert add_dispatch(before, "dbt_project.yml") == after
    assert is_dispatched(yaml.safe_load(after)["dispatch"])
    assert add_dispatch(after, "dbt_project.yml") == after


@pytest.mark.parametrize(
    "text",
    [
        "name: shop\nx: &x [shop, dbt]\ndispatch:\n  - macro_namespace: dbt\n    search_order: *x\n",
        "name: shop\ndispatch:\n  - macro_namespace: dbt\n    search_order: [dbt, batch_audit]\n",
        "name: shop\ndispatch: {macro_namespace: dbt}\n",
    ],
)
def test_what_only_a_person_can_edit_is_refused_with_the_line_to_add(text: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        add_dispatch(text, "dbt_project.yml")
    assert "Nothing was changed" in str(refused.value)
    assert OURS in str(refused.value)
