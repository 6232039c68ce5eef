"""The vendored package is listed in whichever file lists the project's packages, and nothing else moves."""

from pathlib import Path

import pytest
import yaml

from batch_audit.errors import ConfigurationError
from batch_audit.setup.packages import VENDORED, Declared, add_package, declaration

ITEM = "local: audit_packages/batch_audit"

EDITS = {
    "no file": ("", f"packages:\n  - {ITEM}\n"),
    "comments only": ("# our packages\n", f"# our packages\n\npackages:\n  - {ITEM}\n"),
    "a list": (
        'packages:\n  - package: a/b\n    version: [">=1.0", "<2"]  # why\n\n  # local ones\n  - local: ../x\n',
        'packages:\n  - package: a/b\n    version: [">=1.0", "<2"]  # why\n\n  # local ones\n  - local: ../x\n'
        f"  - {ITEM}\n",
    ),
    "a list at the key's indentation, without a line end": (
        "packages:\n- package: a/b\n  version: 1.0.0",
        f"packages:\n- package: a/b\n  version: 1.0.0\n- {ITEM}",
    ),
    "windows line ends": (
        "packages:\r\n    - package: a/b\r\n      version: 1.0.0 # pinned\r\n",
        f"packages:\r\n    - package: a/b\r\n      version: 1.0.0 # pinned\r\n    - {ITEM}\r\n",
    ),
    "an empty list": ("packages: []\n", f"packages: [{{{ITEM}}}]\n"),
    "a flow list": (
        "packages: [{package: a/b, version: 1.0.0}]\n",
        f"packages: [{{package: a/b, version: 1.0.0}}, {{{ITEM}}}]\n",
    ),
    "no value": ("packages:\n# none yet\n", f"packages:\n  - {ITEM}\n# none yet\n"),
    "another key": (
        "projects:\n  - name: core\n",
        f"projects:\n  - name: core\n\npackages:\n  - {ITEM}\n",
    ),
    "a key after the list": (
        "packages:\n  - git: \"https://{{ env_var('T') }}@x/y.git\"\n    revision: v1 # tag\n"
        "projects:\n  - name: core\n",
        "packages:\n  - git: \"https://{{ env_var('T') }}@x/y.git\"\n    revision: v1 # tag\n"
        f"  - {ITEM}\nprojects:\n  - name: core\n",
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_the_package_is_listed_and_nothing_else_moves(name: str) -> None:
    before, after = EDITS[name]
    assert add_package(before, "packages.yml") == after


@pytest.mark.parametrize("name", EDITS)
def test_the_edited_file_declares_the_vendored_copy(name: str, tmp_path: Path) -> None:
    assert declaration(yaml.safe_load(EDITS[name][1]), tmp_path) == Declared("vendored", VENDORED)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("packages: x\n", "not a list"),
        ("- a\n", "not a mapping"),
        ("x: &p [{package: a/b}]\npackages: *p\n", "not a list written in this place"),
        ("packages: &p\n  - package: a/b\nothers: *p\n", "cannot be changed safely"),
        ("packages:\n  - package: [\n", "packages.yml, line 3"),
    ],
)
def test_what_cannot_be_edited_is_left_to_a_person(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        add_package(text, "packages.yml")


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"local": "audit_packages/batch_audit"}, "vendored"),
        ({"local": "./audit_packages/batch_audit/"}, "vendored"),
        ({"local": "elsewhere"}, "local"),
        ({"git": "https://git.example/x/dbt-batch-audit.git", "revision": "v1"}, "remote"),
        ({"package": "x/batch_audit", "version": "1.0.0"}, "remote"),
        ({"tarball": "https://example/batch_audit.tar.gz", "name": "batch_audit"}, "remote"),
        ({"package": "x/batch_auditor", "version": "1.0.0"}, None),
        ({"local": "missing"}, None),
    ],
)
def test_an_entry_is_ours_by_its_folder_or_its_name(
    entry: dict[str, str], kind: str | None, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "dbt_project.yml").write_text("# ours\nname: 'batch_audit'\n", encoding="utf-8")
    found = declaration({"packages": [{"package": "a/b", "version": "1.0.0"}, entry]}, tmp_path)
    assert (found.kind if found else None) == kind
