"""The mock itself: what tests rely on when they blame the gateway."""

import ast
import json
import pathlib
import sys

import pytest

import mock_upstream
from mock_upstream import FIXTURES, compact, fixture, sse
from wire import Closed, Wire, request

CHAT = "/openai/deployments/any/chat/completions?api-version=2024-10-21"


@pytest.fixture
def ask(mock):
    def call(body=b"{}", target=CHAT, method="POST"):
        with Wire((mock.host, mock.port)) as wire:
            wire.send(request(method, target, body, [("content-type", "application/json")]))
            return wire.answer()

    return call


def test_it_imports_the_standard_library_only():
    tree = ast.parse(pathlib.Path(mock_upstream.__file__).read_text())
    names = {n.name.split(".")[0] for x in ast.walk(tree) if isinstance(x, ast.Import) for n in x.names}
    names |= {x.module.split(".")[0] for x in ast.walk(tree) if isinstance(x, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_every_fixture_is_json():
    for path in FIXTURES.rglob("*.json"):
        json.loads(path.read_text())


def test_it_keeps_every_byte(mock, ask):
    body = b'{ "odd" : 1.0 ,\r\n"x":"\\u0041"}'
    ask(body)
    assert mock.last().body == body and mock.last().head.startswith(b"POST " + CHAT.encode() + b" HTTP/1.1\r\nhost: ")


def test_it_reads_chunked_bodies_and_keeps_their_framing(mock):
    with Wire((mock.host, mock.port)) as wire:
        wire.send(request("POST", CHAT, b"3\r\n{  \r\n1;x=y\r\n}\r\n0\r\n\r\n", [("transfer-encoding", "chunked"), ("content-type", "application/json")]))
        assert wire.answer().status == 200
    assert (mock.last().body, mock.last().raw_body) == (b"{  }", b"3\r\n{  \r\n1;x=y\r\n}\r\n0\r\n\r\n")


def test_it_answers_from_fixtures_in_both_forms(ask):
    wanted = compact(fixture("chat/basic")["response"]["body"])
    assert ask().body == ask(target="/openai/v1/chat/completions").body == ask(target="/v1/chat/completions").body == wanted
    assert ask(b'{"stream":true}').body == b"".join(sse(e) for e in fixture("chat/stream")["events"])
    assert ask(target="/nothing").status == 404


def test_its_faults_are_what_they_are_called(mock, ask):
    mock.script("chat", {"fault": "reset"}, {"fault": "close"}, {"fixture": "errors/429"}, {"fixture": "chat/basic", "cut_after": 10, "then": "reset"})
    with pytest.raises(ConnectionResetError):
        ask()
    with pytest.raises(Closed):
        ask()
    assert ask().header("retry-after") == "1"
    cut = ask()
    assert len(cut.body) == 10 and not cut.complete
    assert ask().complete, "after its script it is well again"


def test_control_is_possible_from_outside(mock, ask):
    assert ask(json.dumps({"path": "chat", "behaviours": [{"status": 500, "json": {}}]}).encode(), "/__mock/script").status == 200
    assert ask().status == 500
    assert [r["target"] for r in ask(b"", "/__mock/requests", "GET").json()] == [CHAT]
    ask(b"{}", "/__mock/reset")
    assert mock.requests == []


def test_it_notices_at_once_that_a_client_left(mock):
    mock.script("chat", {"fault": "stall"})
    wire = Wire((mock.host, mock.port))
    wire.send(request("POST", CHAT, b"{}"))
    mock.wait_for(lambda m: m.requests and m.last().complete)
    wire.close()
    mock.wait_for(lambda m: m.last().outcome == "client-gone", seconds=2)
