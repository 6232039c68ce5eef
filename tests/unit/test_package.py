"""The dbt package and the demo are found from an editable install."""

import yaml

import batch_audit
from batch_audit.package import demo_dir, package_dir


def test_the_package_is_found_with_its_macros_and_models() -> None:
    folder = package_dir()

    assert yaml.safe_load((folder / "dbt_project.yml").read_text())["name"] == "batch_audit"
    assert (folder / "macros" / "batch").is_dir()
    assert (folder / "models" / "reports").is_dir()


def test_the_demo_is_a_dbt_project() -> None:
    assert (demo_dir() / "dbt_project.yml").is_file()


def test_both_halves_have_the_same_version() -> None:
    declared = yaml.safe_load((package_dir() / "dbt_project.yml").read_text())["version"]

    assert declared == batch_audit.__version__
