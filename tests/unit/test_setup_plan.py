"""What `init` plans, and that carrying a plan out is all or nothing."""

import subprocess
from pathlib import Path

import pytest

from batch_audit.errors import ConfigurationError
from batch_audit.package import package_dir
from batch_audit.setup.apply import apply_plan
from batch_audit.setup.ignore import add_ignore
from batch_audit.setup.packages import VENDORED
from batch_audit.setup.plan import Plan, make_plan, unified_diff
from batch_audit.setup.vendor import differing_files, package_files


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "dbt_project.yml").write_bytes(b"name: shop\r\nversion: '1.0'\r\n")
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package with a few files that are not part of it."""
    folder = tmp_path / "package"
    for name in (
        "macros/a.sql",
        "macros/deep/b.sql",
        "models/c.sql",
        "tests/d.sql",
        "macros/.DS_Store",
        "README.md",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"-- {name}\n", encoding="utf-8")
    (folder / "dbt_project.yml").write_text("name: batch_audit\nversion: 1.0.0\n", encoding="utf-8")
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def set_up(project: Path, package: Path) -> Plan:
    plan = make_plan(project, package)
    apply_plan(plan)
    return plan


def test_a_fresh_project_gets_the_copy_the_entry_and_the_hook(project: Path, package: Path) -> None:
    set_up(project, package)
    assert snapshot(project) == {
        "dbt_project.yml": b"name: shop\r\nversion: '1.0'\r\n\r\nmodels:\r\n"
        b'  +post-hook: "{{ batch_audit.capture() }}"\r\n\r\ndispatch:\r\n'
        b"  - {macro_namespace: dbt, search_order: [shop, batch_audit, dbt]}\r\n",
        "packages.yml": b"packages:\n  - local: audit_packages/batch_audit\n",
        f"{VENDORED}/dbt_project.yml": b"name: batch_audit\nversion: 1.0.0\n",
        f"{VENDORED}/macros/a.sql": b"-- macros/a.sql\n",
        f"{VENDORED}/macros/deep/b.sql": b"-- macros/deep/b.sql\n",
        f"{VENDORED}/models/c.sql": b"-- models/c.sql\n",
    }


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("models/deep/_m.yml", "constraints: [{type: foreign_key, to: ref('a')}]"),
        ("models/a.sql", "{{ config(meta={'audit_previous': 'copy'}) }} select 1"),
        ("dbt_project.yml", "name: shop\nmodels: {+meta: {audit_previous: copy}}\n"),
        ("marts/a.sql", None),
    ],
)
def test_a_project_with_foreign_keys_or_that_asks_for_copies_gets_the_pre_hook(
    path: str, text: str | None, project: Path, package: Path
) -> None:
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_text(text or "-- foreign_key, outside of the models", encoding="utf-8")
    set_up(project, package)
    written = (project / "dbt_project.yml").read_text(encoding="utf-8")
    assert ('+pre-hook: "{{ batch_audit.copy_previous() }}"' in written) == (text is not None)
    assert not make_plan(project, package)


def test_a_project_that_is_set_up_has_nothing_to_do(project: Path, package: Path) -> None:
    (project / ".gitignore").write_text("target/", encoding="utf-8")
    assert set_up(project, package)
    before = snapshot(project)
    again = make_plan(project, package)
    assert not again
    apply_plan(again)
    assert snapshot(project) == before


def test_the_real_package_is_copied_whole(project: Path) -> None:
    set_up(project, package_dir())
    copied = project / VENDORED
    assert differing_files(copied, package_dir()) == []
    assert {"dbt_project.yml", "macros/capture/capture.sql"} <= set(package_files(copied))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"packages.yml": "packages:\n  - local: ../x\n"}, "packages.yml"),
        ({"dependencies.yml": "packages:\n  - local: ../x\n"}, "dependencies.yml"),
        ({"dependencies.yml": "projects:\n  - name: x\n"}, "packages.yml"),
        ({"dependencies.yml": "projects: []\n", "packages.yml": "packages: []\n"}, "packages.yml"),
    ],
)
def test_the_entry_goes_where_the_project_lists_its_packages(
    listed: dict[str, str], expected: str, project: Path, package: Path
) -> None:
    for name, text in listed.items():
        (project / name).write_text(text, encoding="utf-8")
    changed = {change.path.name for change in make_plan(project, package).files}
    assert changed == {expected, "dbt_project.yml"}


def test_a_differing_copy_is_replaced_as_a_whole_and_nothing_beside_it(project: Path, package: Path) -> None:
    set_up(project, package)
    (project / VENDORED / "macros" / "a.sql").write_text("-- edited\n", encoding="utf-8")
    (project / VENDORED / "macros" / "stale.sql").write_text("-- of an older version\n", encoding="utf-8")
    neighbour = project / "audit_packages" / "other" / "notes.md"
    neighbour.parent.mkdir()
    neighbour.write_text("mine", encoding="utf-8")
    plan = set_up(project, package)
    assert plan.copy is not None
    assert plan.copy.files == ("macros/a.sql", "macros/stale.sql")
    assert plan.files == ()
    assert differing_files(project / VENDORED, package) == []
    assert not (project / VENDORED / "macros" / "stale.sql").exists()
    assert neighbour.read_text(encoding="utf-8") == "mine"
    assert sorted(path.name for path in (project / "audit_packages").iterdir()) == ["batch_audit", "other"]


def test_line_ends_that_git_rewrote_are_no_difference(project: Path, package: Path) -> None:
    set_up(project, package)
    for path in (project / VENDORED).rglob("*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not make_plan(project, package)


def test_a_package_from_a_folder_of_the_users_choice_is_left_there(project: Path, package: Path) -> None:
    (project / "packages.yml").write_text(f"packages:\n  - local: {package}\n", encoding="utf-8")
    plan = make_plan(project, package)
    assert plan.copy is None
    assert [change.path.name for change in plan.files] == ["dbt_project.yml"]


@pytest.mark.parametrize("place", ["here", "above"])
def test_the_state_folder_is_ignored_in_a_git_repository(place: str, project: Path, package: Path) -> None:
    (project if place == "here" else project.parent).joinpath(".git").mkdir()
    set_up(project, package)
    assert (project / ".gitignore").read_text(encoding="utf-8") == ".batch_audit/\n"


def test_an_ignore_rule_further_up_is_enough(project: Path, package: Path) -> None:
    (project.parent / ".git").mkdir()
    (project.parent / ".gitignore").write_text("**/.batch_audit/\n", encoding="utf-8")
    set_up(project, package)
    assert not (project / ".gitignore").exists()


def test_without_git_no_ignore_file_is_made(project: Path, package: Path) -> None:
    set_up(project, package)
    assert not (project / ".gitignore").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".batch_audit/\n"),
        ("target/", "target/\n.batch_audit/\n"),
        ("target/\r\n", "target/\r\n.batch_audit/\r\n"),
        ("# .batch_audit/\n", "# .batch_audit/\n.batch_audit/\n"),
        ("  /.batch_audit \n", "  /.batch_audit \n"),
    ],
)
def test_the_ignore_line_is_added_once(before: str, after: str) -> None:
    assert add_ignore(before) == after
    assert add_ignore(after) == after


def test_the_diff_can_be_applied_by_git(project: Path, package: Path) -> None:
    (project / ".gitignore").write_bytes(b"target/")
    plan = make_plan(project, package)
    (project.parent / "change.diff").write_bytes(unified_diff(plan).encode())
    subprocess.run(["git", "apply", "--whitespace=nowarn", "../change.diff"], cwd=project, check=True)
    patched = snapshot(project)
    assert patched == {change.path.name: change.after.encode() for change in plan.files}


PATHS = [
    ("model-paths", "."),
    ("macro-paths", "audit_packages"),
    ("seed-paths", "audit_packages/batch_audit/models"),
]


@pytest.mark.parametrize(("key", "path"), PATHS)
def test_a_path_that_holds_the_copy_is_refused(key: str, path: str, project: Path, package: Path) -> None:
    (project / "dbt_project.yml").write_text(f"name: shop\n{key}: ['x', '{path}']\n", encoding="utf-8")
    before = snapshot(project)
    with pytest.raises(ConfigurationError, match=f"`{key}` holds '{path}'"):
        make_plan(project, package)
    assert snapshot(project) == before


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"dbt_project.yml": "name: batch_audit\n"}, "is the package batch_audit itself"),
        ({"packages.yml": "packages: []\n", "dependencies.yml": "packages: []\n"}, "both list packages"),
        ({"packages.yml": "packages:\n  - package: x/batch_audit\n"}, "takes the package from x/batch_audit"),
        ({"packages.yml": "packages:\n  - {\n"}, "packages.yml, line 3, column 1: cannot be read"),
        ({f"{VENDORED}/notes.md": "mine"}, "is no copy of the package"),
    ],
)
def test_what_a_person_must_settle_first_is_said(
    files: dict[str, str], reason: str, project: Path, package: Path
) -> None:
    for name, text in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    before = snapshot(project)
    with pytest.raises(ConfigurationError, match=reason):
        make_plan(project, package)
    assert snapshot(project) == before


def test_a_folder_without_a_project_is_named(tmp_path: Path, package: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"No dbt_project.yml in {tmp_path}"):
        make_plan(tmp_path, package)


def test_a_file_that_is_not_utf8_is_named(project: Path, package: Path) -> None:
    (project / "dbt_project.yml").write_bytes("name: größe\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"dbt_project.yml: byte 8 is not UTF-8"):
        make_plan(project, package)


def test_permissions_and_links_survive(project: Path, package: Path) -> None:
    real = project.parent / "real.yml"
    (project / "dbt_project.yml").rename(real)
    real.chmod(0o640)
    (project / "dbt_project.yml").symlink_to(real)
    set_up(project, package)
    assert (project / "dbt_project.yml").is_symlink()
    assert b"batch_audit.capture()" in real.read_bytes()
    assert real.stat().st_mode & 0o777 == 0o640


def test_a_failure_in_the_middle_puts_everything_back(project: Path, package: Path) -> None:
    set_up(project, package)
    (project / "dbt_project.yml").write_text("name: shop\n", encoding="utf-8")
    (project / "packages.yml").write_text("packages: []\n", encoding="utf-8")
    (project / VENDORED / "macros" / "a.sql").write_text("-- older\n", encoding="utf-8")
    plan = make_plan(project, package)
    assert plan.copy is not None
    assert [change.path.name for change in plan.files] == ["packages.yml", "dbt_project.yml"]
    # A folder in the place of the last file: its rename is the first step that fails.
    (project / "dbt_project.yml").unlink()
    (project / "dbt_project.yml").mkdir()
    before = snapshot(project)
    with pytest.raises(ConfigurationError, match=r"cannot be written: Is a directory"):
        apply_plan(plan)
    assert snapshot(project) == before
    assert before["packages.yml"] == b"packages: []\n"
    assert before[f"{VENDORED}/macros/a.sql"] == b"-- older\n"
    assert sorted(path.name for path in (project / "audit_packages").iterdir()) == ["batch_audit"]


def test_a_place_that_cannot_be_written_leaves_the_project_as_it_was(project: Path, package: Path) -> None:
    (project / "audit_packages").write_text("a file is here", encoding="utf-8")
    before = snapshot(project)
    with pytest.raises(ConfigurationError, match="Everything was put back"):
        apply_plan(make_plan(project, package))
    assert snapshot(project) == before
