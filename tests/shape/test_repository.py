"""The repository speaks of the project alone and stays small enough to read."""

import ast
import re
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
LONGEST_FUNCTION = 40


def tracked() -> list[Path]:
    """Text files under version control, without the lock and the licence."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    skipped = {"LICENSE", "requirements.lock"}
    files = [CHECKOUT / name for name in listed if name and name not in skipped]
    return [file for file in files if file.is_file() and not file.is_symlink() and not is_binary(file)]


def is_binary(file: Path) -> bool:
    return b"\0" in file.read_bytes()[:8000]


def relative(file: Path) -> str:
    return str(file.relative_to(CHECKOUT))


def test_no_path_of_a_machine_is_written_down() -> None:
    pattern = re.compile(r"(?<![\w.~/])/(?:root|work|Users|home/\w+)/")
    found = [
        f"{relative(file)}:{number}: {line.strip()}"
        for file in tracked()
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line) and file != Path(__file__)
    ]

    assert found == []


def test_the_lock_names_versions_and_hashes_and_no_host() -> None:
    text = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\w)", text.replace("\\\n", " ").strip())

    assert "://" not in text
    assert not re.search(r"^-", text, flags=re.MULTILINE)
    assert len(requirements) > 50
    assert [line for line in requirements if "==" not in line or "--hash=sha256:" not in line] == []


def test_python_files_and_functions_are_short() -> None:
    long_files = {}
    long_functions = {}
    for file in sorted((CHECKOUT / "python").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if text.count("\n") > LONGEST_FILE:
            long_files[relative(file)] = text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and lines_of(node) > LONGEST_FUNCTION:
                long_functions[f"{relative(file)} {node.name}"] = lines_of(node)

    assert (long_files, long_functions) == ({}, {})


def lines_of(function: ast.FunctionDef) -> int:
    """Lines of a function without its decorators and docstring."""
    documented = ast.get_docstring(function) is not None
    first = function.body[1] if documented and len(function.body) > 1 else function.body[0]
    return (function.end_lineno or 0) - first.lineno + 1


def test_every_public_function_and_class_has_a_docstring() -> None:
    kinds = (ast.FunctionDef, ast.ClassDef)
    silent = []
    for file in sorted((CHECKOUT / "python").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        public = [node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
        silent += [f"{relative(file)} {node.name}" for node in public if ast.get_docstring(node) is None]
        if ast.get_docstring(tree) is None:
            silent.append(relative(file))

    assert silent == []


def test_make_help_lists_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    declared = re.search(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, check=True, capture_output=True, text=True).stdout

    assert declared is not None
    assert {line.split()[1] for line in shown.splitlines()} == set(declared[1].split())
