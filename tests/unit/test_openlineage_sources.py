"""What events take from git, from the manifest and from the profile; and what they leave out."""

import subprocess
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch_audit.openlineage.code import compiled_code
from batch_audit.openlineage.described import Described, described, read_manifest
from batch_audit.openlineage.emit import parent_of
from batch_audit.openlineage.facts import Repository
from batch_audit.openlineage.repository import public_url, repository_of
from batch_audit.warehouses.connect import location_of
from tests.support.openlineage_schemas import formats


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@x.o", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://ana:t0ken@git.example/shop.git?a=b", "https://git.example/shop.git"),
        ("git@git.example:team/shop.git", "ssh://git.example/team/shop.git"),
        ("https://git.example/my shop.git", "https://git.example/my%20shop.git"),
        ("ssh://git@git.example:2222/shop.git", "ssh://git.example:2222/shop.git"),
        ("/srv/git/shop.git", None), ("file:///srv/git/shop.git", None), ("../shop", None), ("", None), (None, None),
    ],
)  # fmt: skip
def test_a_remote_is_told_as_a_url_without_its_user(remote: str | None, url: str | None) -> None:
    assert public_url(remote) == url
    assert url is None or formats.conforms(url, "uri")


def test_a_commit_is_named_only_if_it_is_what_ran(tmp_path: Path) -> None:
    folder = tmp_path / "dbt" / "shop"
    folder.mkdir(parents=True)
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert repository_of(folder, commit, "main", False) == (None, "")
    git(tmp_path, "remote", "add", "origin", "git@git.example:shop.git")
    url = "ssh://git.example/shop.git"
    assert repository_of(folder, commit, "main", False) == (Repository(url, commit, "main"), "dbt/shop/")
    assert repository_of(folder, commit, "main", True) == (Repository(url, None, "main"), "dbt/shop/")
    assert repository_of(folder, commit, None, None) == (Repository(url, None, None), "dbt/shop/")
    for other in ("0" * 40, "--help", None):
        assert repository_of(folder, other, "main", False) == (None, "")
    assert repository_of(tmp_path / "nowhere", commit, "main", False) == (None, "")


def manifest(**nodes: Any) -> dict[str, Any]:
    return {
        "metadata": {"invocation_id": "i", "adapter_type": "duckdb", "project_name": "shop"},
        "nodes": {
            f"model.shop.{name}": {"resource_type": "model", "name": name} | node
            for name, node in nodes.items()
        },
        "groups": {"group.shop.core": {"name": "core", "owner": {"email": "core@x.org"}}},
    }


def test_an_ephemeral_model_is_no_dataset_and_stands_for_what_it_reads() -> None:
    ephemeral = {"config": {"materialized": "ephemeral"}}
    found = described(
        manifest(
            a={"database": "w", "schema": "s"},
            b=ephemeral | {"depends_on": {"nodes": ["model.shop.a", "model.shop.b"]}},
            c=ephemeral | {"depends_on": {"nodes": ["model.shop.b"]}},
            d={"depends_on": {"nodes": ["model.shop.c", "model.shop.a", "macro.x"]}, "schema": "s"},
        )
    )
    assert (found["model.shop.a"].relation, found["model.shop.b"].relation) == (("w", "s", "a"), ())
    assert found["model.shop.d"].inputs == ("model.shop.a",)


def test_owners_are_those_of_meta_and_of_the_group() -> None:
    def owners(**node: Any) -> tuple[str, ...]:
        return described(manifest(a=node))["model.shop.a"].owners

    assert owners() == owners(config={"meta": {"owner": 3}, "group": "other"}) == ()
    assert owners(config={"meta": {"owner": "@ana"}}, group="core") == ("@ana", "core@x.org")
    assert owners(meta={"owner": {"name": "core@x.org"}}, config={"group": "core"}) == ("core@x.org",)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"metadata": 3}', '{"metadata": {"invocation_id": "i"}, "nodes": 3}']
)
def test_a_manifest_of_any_shape_is_read_or_ignored(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    assert read_manifest(tmp_path).nodes == {}


def test_code_counts_only_if_its_hash_is_on_record(tmp_path: Path) -> None:
    (tmp_path / "run_results.json").write_text(
        '{"metadata": {"invocation_id": "i"}, "results": [{"unique_id": "c", "compiled_code": "select 3"},'
        ' {"unique_id": "d"}, {"unique_id": "b", "compiled_code": "select 0"}]}',
        encoding="utf-8",
    )
    hashes = {
        name: sha256(code.encode()).hexdigest()
        for name, code in {"a": "select 1", "b": "select 2", "c": "select 3", "d": ""}.items()
    }
    manifest_nodes = {"a": Described(code="select 9"), "b": Described(code="select 2")}
    found = compiled_code(
        hashes, tmp_path / "run_results.json", manifest_nodes, {"a": "select 1", "x": "select 5"}
    )
    assert found == {"a": "select 1", "b": "select 2", "c": "select 3"}
    assert compiled_code(hashes, tmp_path / "missing.json", {}, {}) == {}


@pytest.mark.parametrize(
    ("credentials", "location"),
    [
        ({"type": "postgres", "host": "db.example", "port": 5433}, "postgres://db.example:5433"),
        ({"type": "postgres", "host": "fe80::1", "port": 5432}, "postgres://[fe80::1]:5432"),
        ({"type": "duckdb", "path": "/data/my shop#1.duckdb"}, "duckdb:///data/my%20shop%231.duckdb"),
        ({"type": "duckdb", "path": "md:shop"}, "duckdb://md%3Ashop"),
        ({"type": "duckdb", "path": "md:shop?motherduck_token=s3cret"}, "duckdb://md%3Ashop"),
    ],
)  # fmt: skip
def test_the_namespace_of_datasets_is_a_uri(credentials: dict[str, Any], location: str) -> None:
    assert location_of(SimpleNamespace(**credentials)) == location
    assert formats.conforms(location, "uri")


def test_a_sockets_server_is_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "warehouse-1")
    credentials = SimpleNamespace(type="postgres", host="/var/run/postgresql", port=5432)
    assert location_of(credentials) == "postgres://warehouse-1:5432"


def test_a_parent_is_named_whole_or_not_at_all() -> None:
    run = "0197a1e2-7c10-7000-8000-000000000001"
    assert parent_of({"OPENLINEAGE_PARENT_ID": f"http://airflow/etl.shop/{run}"}) == {
        "run": {"runId": run}, "job": {"namespace": "http://airflow", "name": "etl.shop"},
    }  # fmt: skip
    for text in (
        "",
        run,
        f"etl/{run}",
        "ns/job/not-a-uuid",
        f"//{run}",
        f"ns/job/{run}x",
        "ns/job/" + "-" * 36,
    ):
        assert parent_of({"OPENLINEAGE_PARENT_ID": text}) is None
