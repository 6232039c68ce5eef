"""dbt's log, text or JSON, read back into what happened."""

import json
from pathlib import Path

from batch_audit.runner.log import invocation_ids, read_log
from batch_audit.runner.log_files import mark, read_since
from batch_audit.runner.narrative import narrate

FIRST, SECOND = "1205e73a-6309-4673-98a1-4f01f1c7ca29", "2205e73a-6309-4673-98a1-4f01f1c7ca29"
MIDNIGHT = 1_763_942_400_000_000  # 2025-11-24 00:00:00 UTC


def header(invocation: str) -> str:
    return f"\n\n{'=' * 30} 23:59:58.000000 | {invocation} {'=' * 30}\n"


KILLED = (
    header(FIRST)
    + "\x1b[0m23:59:58.000000 [info ] [MainThread]: Running with dbt=1.11.16\n"
    + "\x1b[0m23:59:58.100000 [debug] [MainThread]: running dbt with arguments "
    + "{'invocation_command': 'dbt --no-version-check build -s a', 'log_path': '/p/logs'}\n"
    + "\x1b[0m23:59:59.000000 [debug] [Thread-1 (]: Began running node model.shop.a\n"
    + "\x1b[0m23:59:59.100000 [info ] [Thread-1 (]: 1 of 3 START sql table model main.a ... [RUN]\n"
    + "\x1b[0m00:00:01.000000 [info ] [Thread-1 (]: 1 of 3 OK created model main.a ... [\x1b[32mOK\x1b[0m in 2s]\n"
    + "\x1b[0m00:00:01.000000 [debug] [Thread-1 (]: Finished running node model.shop.a\n"
    + "\x1b[0m00:00:01.500000 [debug] [Thread-2 (]: Began running node model.shop.b\n"
    + "\x1b[0m00:00:01.600000 [debug] [Thread-2 (]: On model.shop.b: select 1\n  as x\n"
)
FAILED = (
    header(SECOND)
    + "\x1b[0m00:00:02.000000 [error] [MainThread]: Encountered an error:\nRuntime Error\n  Could not find profile\n"
    + "\x1b[0m00:00:03.000000 [debug] [MainThread]: Command `dbt run` failed at 00:00:03 after 0.06 seconds\n"
)


def test_a_killed_run_shows_what_it_finished_and_what_it_had_begun() -> None:
    killed = narrate(read_log(KILLED.encode(), MIDNIGHT - 2_000_000)[0])
    assert (killed.command, killed.ended, killed.selected, killed.dbt_version) == (
        "build",
        False,
        3,
        "1.11.16",
    )
    assert [(node.unique_id, node.status) for node in killed.nodes] == [
        ("model.shop.a", "success"), ("model.shop.b", "unknown"),
    ]  # fmt: skip
    finished = killed.nodes[0]
    assert (finished.started_at, finished.completed_at) == (MIDNIGHT - 1_000_000, MIDNIGHT + 1_000_000)


def test_each_invocation_of_a_script_has_its_own_part() -> None:
    content = (KILLED + FAILED).encode()
    assert invocation_ids(content) == [FIRST, SECOND]
    failed = narrate(read_log(content, MIDNIGHT - 2_000_000)[1])
    assert (failed.command, failed.ended, failed.succeeded) == ("run", True, False)
    assert failed.error == "Runtime Error\n  Could not find profile"


def test_two_processes_in_one_log_are_not_told_apart() -> None:
    end = "00:00:03.000000 [debug] [MainThread]: Command `dbt run` failed at 00:00:03 after 1 seconds\n"
    parts = read_log((KILLED + FAILED + end).encode(), MIDNIGHT)
    assert all(part.shared for part in parts)
    assert narrate(parts[0]).nodes == ()


def test_a_log_without_a_run_tells_nothing() -> None:
    assert read_log(b"", MIDNIGHT) == read_log(b"a stray line\n", MIDNIGHT) == []


def test_json_says_the_same_as_text() -> None:
    def line(message: str, thread: str = "MainThread") -> str:
        info = {"invocation_id": FIRST, "ts": "2025-11-24T00:00:01.000000Z", "level": "info", "msg": message}
        return json.dumps({"data": {}, "info": info | {"thread": thread, "name": "X"}}) + "\n"

    content = (
        line("Began running node test.shop.t.1", "Thread-1 (worker)")
        + line("1 of 1 FAIL 3 t ..... [FAIL 3 in 0.01s]", "Thread-1 (worker)")
        + line("Finished running node test.shop.t.1", "Thread-1 (worker)")
        + line("Exited because of keyboard interrupt")
        + '{"info": {"cut'
    ).encode()
    assert invocation_ids(content) == [FIRST]
    told = narrate(read_log(content, MIDNIGHT)[0])
    assert told.interrupted
    assert [(node.status, node.failures, node.is_test) for node in told.nodes] == [("fail", 3, True)]


def test_the_log_is_read_on_across_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "dbt.log"
    log.write_text("before", encoding="utf-8")
    start = mark(log)
    with log.open("a", encoding="utf-8") as file:
        file.write(" one")
    log.rename(tmp_path / "dbt.log.1")
    log.write_text(" two", encoding="utf-8")
    assert read_since(start) == (b" one two", True)
    assert read_since(mark(tmp_path / "no.log")) == (b"", True)
    (tmp_path / "dbt.log.1").unlink()
    assert read_since(start) == (b" two", False)
