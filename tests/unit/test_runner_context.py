"""Who runs a batch, on which code: read from environments as the providers document them."""

from pathlib import Path

from batch_audit.runner.context import Actor, Git, actor_of, ci_of, code_of, git_of, git_status

GITHUB = {
    "GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ann", "GITHUB_TRIGGERING_ACTOR": "bob", "GITHUB_SHA": "c0ffee",
    "GITHUB_REF_NAME": "main", "GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "shop/dbt",
    "GITHUB_RUN_ID": "7",
}  # fmt: skip


def test_the_one_who_started_a_run_again_is_the_actor() -> None:
    ci = ci_of(GITHUB)
    assert ci is not None
    assert (ci.provider, ci.actor, ci.commit, ci.branch) == ("github", "bob", "c0ffee", "main")
    assert ci.run_url == "https://git.example/shop/dbt/actions/runs/7"


def test_what_a_provider_does_not_say_is_unknown() -> None:
    ci = ci_of({"JENKINS_URL": "https://ci.example"})
    assert ci is not None
    assert (ci.provider, ci.actor, ci.run_url) == ("jenkins", None, None)
    assert actor_of(None, ci, "svc") == Actor("svc", "os")
    assert ci_of({"HOME": "/root"}) is None


def test_a_given_actor_comes_before_ci_and_the_system() -> None:
    assert actor_of("eve", ci_of(GITHUB), "root") == Actor("eve", "given")
    assert actor_of(None, ci_of(GITHUB), "root") == Actor("bob", "ci")
    assert actor_of(None, None, None) == Actor(None, None)


def test_git_status_tells_commit_branch_and_changes() -> None:
    clean = "# branch.oid c0ffee\n# branch.head main\n"
    assert git_status(clean) == Git("c0ffee", "main", False)
    assert git_status(clean + "? models/new.sql\n") == Git("c0ffee", "main", True)
    assert git_status("# branch.oid (initial)\n# branch.head (detached)\n") == Git(None, None, False)
    assert code_of(Git("c0ffee", None, True), ci_of(GITHUB)) == Git("c0ffee", "main", True)


def test_a_folder_outside_git_is_unknown(tmp_path: Path) -> None:
    assert git_of(tmp_path) == Git()
