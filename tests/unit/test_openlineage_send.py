"""Delivery of events: to a file, to a real endpoint that is difficult, and as the client is configured."""

import json
import os
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from batch_audit.errors import ConfigurationError, DeliveryError
from batch_audit.openlineage.destination import Destination, destination, file_destination, url_destination
from batch_audit.openlineage.events import batch_events
from batch_audit.openlineage.facts import BatchRun, NodeRun
from batch_audit.openlineage.send import Limits, as_lines, deliver
from tests.support.lineage_server import Endpoint, serving
from tests.support.openlineage_schemas import problems

AT = datetime(2026, 1, 1, 12)
NODES = tuple(
    NodeRun(str(n), f"model.shop.m{n}", "model", "success", AT, AT, sql="select 'é'") for n in range(3)
)
EVENTS = batch_events(BatchRun("b", "success", AT, AT, nodes=NODES), "dbt")
QUICK = Limits(answer=0.5, all=10, retries=2, wait=0.01)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving(Endpoint()) as found:
        yield found


def test_a_file_keeps_what_it_has_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    said = deliver(EVENTS, file_destination(str(path)))
    deliver(EVENTS[:1], file_destination(str(path)))
    assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] == [
        *EVENTS,
        EVENTS[0],
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert said == f"8 events appended to {path}"


def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text('{"eventType": "STA', encoding="utf-8")
    deliver(EVENTS[:1], file_destination(str(path)))
    assert path.read_text(encoding="utf-8").splitlines() == [
        '{"eventType": "STA',
        as_lines(EVENTS[:1]).strip(),
    ]


def test_text_that_is_no_unicode_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    event = {"eventType": "START", "text": "\ud800é\x00\u2028\n"}
    deliver([event], file_destination(str(path)))
    assert [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] == [event]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"cannot be written to /dev/full: No space left"):
        deliver(EVENTS, Destination("file", "/dev/full"))
    with pytest.raises(ConfigurationError, match="there is no folder"):
        file_destination(str(tmp_path / "missing" / "events.ndjson"))
    with pytest.raises(ConfigurationError, match="it is a folder"):
        file_destination(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["ftp://host/x", "http://", "https://:80", "http://host:99999", "kafka://host"]
)
def test_an_address_that_is_no_endpoint_is_refused_at_once(text: str) -> None:
    with pytest.raises(ConfigurationError, match="give http://host:port"):
        destination(text)


def test_stdout_is_the_commands_own() -> None:
    with pytest.raises(ConfigurationError, match="stdout"):
        destination("-")


def test_a_server_receives_every_event_valid_and_in_order(endpoint: Endpoint) -> None:
    assert deliver(EVENTS, url_destination(endpoint.url), QUICK) == f"8 events sent to {endpoint.url}"
    assert [problems(event) for event in endpoint.events] == [[]] * len(EVENTS)
    assert [event_of(event) for event in endpoint.events] == [event_of(event) for event in EVENTS]
    assert {path for _, path, _ in endpoint.requests} == {"/api/v1/lineage"}
    assert endpoint.events[1]["job"]["facets"]["sql"]["query"] == "select 'é'"


def event_of(event: dict[str, Any]) -> tuple[str, str, str]:
    return event["run"]["runId"], event["eventType"], event["eventTime"]


def test_an_error_of_the_server_is_tried_again(endpoint: Endpoint) -> None:
    endpoint.statuses = [503, 500]
    deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert (len(endpoint.events), len(endpoint.requests)) == (8, 10)


def test_a_server_that_stays_broken_is_left_alone_after_a_few_tries(endpoint: Endpoint) -> None:
    endpoint.statuses = [201, 201]
    endpoint.always = 500
    with pytest.raises(
        DeliveryError, match=r"2 of 8 OpenLineage events were sent to http://127.*: the server answered 500"
    ):
        deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert len(endpoint.requests) == 2 + 1 + QUICK.retries


def test_a_key_is_sent_and_a_wrong_one_is_refused_without_being_told(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.authorization = "Bearer right-key"
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "wrong-key")
    with pytest.raises(
        DeliveryError, match="answered 401 Unauthorized, check OPENLINEAGE_API_KEY"
    ) as refused:
        deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert "wrong-key" not in str(refused.value)
    assert len(endpoint.requests) == 1
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "right-key")
    deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert len(endpoint.events) == 8


def test_a_slow_server_costs_no_more_than_the_limit(endpoint: Endpoint) -> None:
    endpoint.delay = 3
    began = time.monotonic()
    with pytest.raises(DeliveryError, match=r"0 of 8 .*: no answer within 0\.2 s"):
        deliver(EVENTS, url_destination(endpoint.url), Limits(answer=0.2, all=2, retries=0))
    assert time.monotonic() - began < 2


def test_many_slow_answers_end_at_the_limit_for_all(endpoint: Endpoint) -> None:
    endpoint.delay = 0.2
    with pytest.raises(DeliveryError, match=r"[1-4] of 8 .*: it took longer than 0\.5 s"):
        deliver(EVENTS, url_destination(endpoint.url), Limits(answer=1, all=0.5))


def test_nobody_at_the_address_is_said_without_its_secrets() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    address = f"http://ana:pa55word@127.0.0.1:{port}/?token=s3cret"
    with pytest.raises(DeliveryError, match="no connection to the server") as refused:
        deliver(EVENTS, url_destination(address), QUICK)
    assert f"http://127.0.0.1:{port}:" in str(refused.value)
    assert not {"pa55word", "s3cret", "ana"} & set(str(refused.value).replace(":", "/").split("/"))
    assert "pa55word" not in str(refused.value)


def test_a_redirect_is_refused_because_the_event_would_get_lost(endpoint: Endpoint) -> None:
    endpoint.always = 302
    with pytest.raises(DeliveryError, match="the server redirects"):
        deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert [method for method, *_ in endpoint.requests] == ["POST"]


def test_the_clients_own_variables_say_where_to_send(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_URL", endpoint.url)
    monkeypatch.setenv("OPENLINEAGE_ENDPOINT", "lineage")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k3y")
    said = deliver(EVENTS, destination("client"), QUICK)
    assert said == "8 events sent to where the OpenLineage client is configured to send"
    assert {item[1:] for item in endpoint.requests} == {("/lineage", "Bearer k3y")}
    assert [problems(event) for event in endpoint.events] == [[]] * 8


def test_the_clients_own_file_says_where_to_send(tmp_path: Path) -> None:
    (tmp_path / "openlineage.yml").write_text(
        "transport: {type: file, log_file_path: out.json, append: true}\n", encoding="utf-8"
    )
    deliver(EVENTS, destination("client"), QUICK)
    lines = (tmp_path / "out.json").read_text(encoding="utf-8").splitlines()
    assert [event_of(json.loads(line)) for line in lines] == [event_of(event) for event in EVENTS]


def test_the_commit_that_is_checked_out_now_is_not_taken_for_the_one_that_ran(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    for command in (["init", "-q"], ["remote", "add", "origin", "https://git.example/shop.git"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    wanted = "facets: {source_code_location: {disabled: false}}\n"
    (tmp_path / "openlineage.yml").write_text(wanted, encoding="utf-8")
    author = ["-c", "user.name=a", "-c", "user.email=a@x.o"]
    subprocess.run(["git", *author, "commit", "-q", "--allow-empty", "-m", "now"], cwd=tmp_path, check=True)
    deliver(EVENTS, url_destination(endpoint.url), QUICK)
    assert len(endpoint.events) == 8
    assert ["sourceCodeLocation" in event["job"]["facets"] for event in endpoint.events] == [False] * 8


def test_a_client_that_nothing_configures_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="set OPENLINEAGE_URL"):
        deliver(EVENTS, destination("client"), QUICK)


@pytest.mark.parametrize("content", ["transport: {type: nonsense}", "facets: {nonsense: 1}"])
def test_a_client_whose_configuration_is_broken_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "openlineage.yml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="cannot be set up"):
        deliver(EVENTS, destination("client"), QUICK)


def test_what_is_switched_off_sends_nothing_and_says_so(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_DISABLED", "True")
    assert (
        deliver(EVENTS, url_destination(endpoint.url)) == "no events were sent: OPENLINEAGE_DISABLED is true"
    )
    assert endpoint.requests == []


def test_no_library_logs_the_path_of_an_address(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as held:  # bound and not listening: nobody answers there
        held.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{held.getsockname()[1]}/hook/t0ken-in-path"
        with pytest.raises(DeliveryError, match="no connection to the server") as raised:
            deliver(EVENTS, url_destination(address), QUICK)
    assert "t0ken" not in str(raised.value)
    assert caplog.records == []


def test_a_server_below_a_path_is_found_and_tried_again(endpoint: Endpoint) -> None:
    endpoint.statuses = [503]
    deliver(EVENTS, url_destination(f"{endpoint.url}/lineage/server"), QUICK)
    assert {path for _, path, _ in endpoint.requests} == {"/lineage/server/api/v1/lineage"}
    assert (len(endpoint.events), len(endpoint.requests)) == (8, 9)
