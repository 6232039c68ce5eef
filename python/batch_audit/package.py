"""Where the dbt package and the demo project lie: in the wheel, or in the checkout of an editable install."""

from pathlib import Path

from batch_audit.errors import ConfigurationError

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent.parent


def package_dir() -> Path:
    """The folder with the dbt package's dbt_project.yml, macros/ and models/.

    Raises ConfigurationError if the installation holds no dbt package.
    """
    return _first_project(_HERE / "dbt_package", _CHECKOUT)


def demo_dir() -> Path:
    """The folder of the demo project that `batch-audit demo` copies.

    Raises ConfigurationError if the installation holds no demo project.
    """
    return _first_project(_HERE / "demo_project", _CHECKOUT / "demo")


def _first_project(*folders: Path) -> Path:
    for folder in folders:
        if (folder / "dbt_project.yml").is_file():
            return folder
    tried = ", ".join(str(folder) for folder in folders)
    raise ConfigurationError(
        f"This installation of dbt-batch-audit is incomplete: no dbt_project.yml in {tried}."
        " Reinstall dbt-batch-audit."
    )
