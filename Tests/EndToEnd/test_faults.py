"""Upstreams that fail, stall and lie, and clients that leave."""

import base64
import json
import socket
import threading
import time

import pytest

from gateway import API
from mock_upstream import fixture, sse
from test_guards import LESSON
from wire import Closed, request

BODY = {"messages": [{"role": "user", "content": "hi"}]}
STREAM = {**BODY, "stream": True}


def chat_request(deployment, body, key):
    data = json.dumps(body).encode()
    return request("POST", f"/openai/deployments/{deployment}/chat/completions?api-version={API}", data, [("api-key", key), ("content-type", "application/json")])


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_upstream_that_drops_the_call_is_an_error_not_a_hang(gateway, keys, mock, fault):
    mock.script("chat/completions", {"fault": fault}, repeat=True)
    answer = gateway.chat("gpt-4o", BODY, key=keys.user)
    assert answer.status in (502, 503) and answer.error["message"]


def test_connection_that_died_while_idle_is_replaced(gateway, keys, mock, upstream):
    deployment = "gpt-4o"
    assert gateway.chat(deployment, BODY, key=keys.user).status == 200
    for connection in list(upstream.connections):
        upstream.loop.call_soon_threadsafe(connection.transport.abort)
    time.sleep(0.05)
    assert gateway.chat(deployment, BODY, key=keys.user).status == 200


@pytest.mark.parametrize("status", [500, 503])
def test_one_upstream_failure_is_retried(gateway, keys, mock, status):
    mock.script("chat/completions", {"fixture": f"errors/{status}"})
    answer = gateway.chat("gpt-4o", BODY, key=keys.user)
    assert answer.status == 200
    assert len(mock.requests) == 2
    assert mock.requests[0].body == mock.requests[1].body


@pytest.mark.parametrize(("name", "status"), [("500", 500), ("503", 503), ("429", 429)])
def test_lasting_upstream_failure_reaches_the_caller_in_its_own_shape(gateway, keys, mock, name, status):
    mock.script("chat/completions", {"fixture": f"errors/{name}"}, repeat=True)
    answer = gateway.chat("gpt-4o", BODY, key=keys.user)
    assert answer.status == status
    assert answer.error["code"] == fixture(f"errors/{name}")["response"]["body"]["error"]["code"]
    assert len(mock.requests) <= 3
    id = answer.header("apim-request-id")
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r["id"] == id)
    assert record["status"] == status and record["attempts"] == len(mock.requests)


@pytest.mark.parametrize("target", ["/openai/v1/files", "/openai/v1/fine_tuning/jobs", "/openai/v1/batches"])
def test_what_makes_something_is_not_sent_twice_after_a_reset(make_gateway, mock, target):
    """The upstream may have acted before it dropped the call."""
    gateway = make_gateway()
    made = gateway.call(
        "POST", "/openai/v1/files", b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n\r\n--x--\r\n',
        key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=x")],
    ).json()["id"]  # fmt: skip
    lesson = gateway.call("POST", "/openai/v1/files", LESSON, key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=b")]).json()["id"]
    seen = len(mock.requests)
    mock.script(target.removeprefix("/openai/v1") + "$", {"wait_ms": 30, "fault": "reset"}, repeat=True)
    if target.endswith("files"):
        body, headers = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\n\r\n--x--\r\n', [("content-type", "multipart/form-data; boundary=x")]
    elif target.endswith("jobs"):
        body, headers = {"model": "gpt-4o", "training_file": lesson}, []
    else:
        body, headers = {"input_file_id": made, "endpoint": "/chat/completions", "completion_window": "24h"}, []
    answer = gateway.call("POST", target, body, key=gateway.user, headers=headers)
    assert answer.status in (502, 503)
    assert len(mock.requests) == seen + 1


BROKEN_ANSWERS = {
    "cut body": {"fixture": "chat/basic", "cut_after": 300, "then": "close"},
    "reset body": {"fixture": "chat/basic", "cut_after": 300, "then": "reset"},
    "not json": {"text": "<html>proxy error</html>", "headers": {"content-type": "application/json"}},
    "html": {"text": "<html>proxy error</html>", "headers": {"content-type": "text/html"}},
    "empty": {"text": "", "headers": {"content-type": "application/json"}},
    "bad utf-8": {"bytes": base64.b64encode(b'{"choices":[{"index":0,"message":{"content":"\xff"}}]}').decode(), "headers": {"content-type": "application/json"}},
    "repeated keys": {"text": '{"choices":[],"choices":[{"index":0,"finish_reason":"stop","message":{"content":"other"}}]}'},
    "not http": {"raw": base64.b64encode(b"SSH-2.0-OpenSSH_9.2\r\n").decode()},
    "two lengths": {"raw": base64.b64encode(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}   ").decode()},
    "unknown encoding": {"fixture": "chat/basic", "headers": {"content-encoding": "br", "content-type": "application/json"}},
    "informational flood": {"raw": base64.b64encode(b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" * 2000).decode()},
}


@pytest.mark.parametrize("deployment", ["gpt-4o", "off"])
@pytest.mark.parametrize("behaviour", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_broken_answer_is_a_gateway_error(gateway, keys, mock, deployment, behaviour):
    mock.script("chat/completions", behaviour, repeat=True)
    answer = gateway.chat(deployment, BODY, key=keys.user)
    assert answer.status in (502, 503), (answer.status, answer.body)
    assert answer.complete and answer.error["message"]


def test_answers_in_any_framing_are_read(gateway, keys, mock):
    for framing in ("length", "chunked", "close"):
        mock.script("chat/completions", {"fixture": "chat/basic", "framing": framing, "split": 13})
        answer = gateway.chat("gpt-4o", BODY, key=keys.user)
        assert answer.status == 200 and answer.text().startswith("The harbour office"), framing


@pytest.mark.parametrize("then", ["reset", "close", "half-chunk"])
@pytest.mark.parametrize("deployment", ["gpt-4o", "off", "marked"])
def test_stream_that_breaks_never_looks_finished(gateway, keys, mock, deployment, then):
    whole = b"".join(sse(e) for e in fixture("chat/stream")["events"])
    mock.script("chat/completions", {"fixture": "chat/stream", "cut_after": len(whole) * 2 // 3, "then": then})
    answer = gateway.chat(deployment, STREAM, key=keys.user)
    assert answer.status == 200
    finished = b"[DONE]" in answer.body and b'"finish_reason":"stop"' in answer.body
    assert not finished
    # Either the connection breaks or an error event stands at the end; silence that looks like an end is neither.
    assert not answer.complete or b'"error"' in answer.body
    for event in answer.events():
        if event != "[DONE]":
            json.loads(event)


def test_split_utf8_arrives_whole(gateway, keys, mock):
    text = "Żółw płynie do portu. 港口八点开门。 \N{SHIP}\N{SHIP}. "
    events = [fixture("chat/stream")["events"][0]]
    events += [{"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"]
    for size in (1, 2, 3, 5):
        mock.script("chat/completions", {"events": events, "split": size})
        answer = gateway.chat("marked", STREAM, key=keys.user)
        assert answer.text() == text


def test_invalid_utf8_in_a_stream_is_not_passed_on(gateway, keys, mock):
    bad = b'data: {"choices":[{"index":0,"delta":{"content":"abc \xff\xfe def. "}}]}\n\n'
    mock.script("chat/completions", {"parts": [{"bytes": base64.b64encode(bad).decode()}, {"event": "[DONE]"}]})
    answer = gateway.chat("marked", STREAM, key=keys.user)
    assert b"\xff" not in answer.body and b"def" not in answer.body


def test_stalled_upstream_times_out(make_gateway, mock):
    def change(tree):
        tree["upstreams"]["aoai"]["timeouts"] = {"firstByte": "1s", "idle": "1s", "total": "3s"}

    gateway = make_gateway(change)
    mock.script("chat/completions", {"fault": "stall"}, repeat=True)
    started = time.monotonic()
    answer = gateway.chat("gpt-4o", BODY, key=gateway.user, timeout=30)
    assert answer.status in (503, 504) and time.monotonic() - started < 15
    mock.clear()
    mock.script("chat/completions", {"fixture": "chat/stream", "cut_after": 900, "then": "stall"})
    answer = gateway.chat("gpt-4o", STREAM, key=gateway.user, timeout=30)
    assert b"[DONE]" not in answer.body or b'"error"' in answer.body
    mock.wait_for(lambda m: m.last().outcome == "client-gone", what="the gateway to leave the stalled upstream")


def test_fallback_answers_when_the_first_target_is_down(make_gateway, mock):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = s.getsockname()[1]

    def change(tree):
        tree["upstreams"]["dead"] = {"kind": "azure-openai", "endpoint": f"http://127.0.0.1:{dead}", "apiKey": "x"}
        tree["deployments"]["pair"] = {
            "targets": [{"upstream": "dead", "model": "gpt-4o", "priority": 0}, {"upstream": "aoai", "model": "gpt-4o-second", "priority": 1}],
            "policy": "Default",
        }

    gateway = make_gateway(change)
    for _ in range(8):
        assert gateway.chat("pair", BODY, key=gateway.user).status == 200
    assert all("gpt-4o-second" in r.path for r in mock.requests)


def test_breaker_spares_an_upstream_that_fails(make_gateway, mock):
    gateway = make_gateway(lambda tree: tree["upstreams"]["aoai"].pop("breaker"))
    mock.script("chat/completions", {"fixture": "errors/500"}, repeat=True)
    statuses = [gateway.chat("gpt-4o", BODY, key=gateway.user).status for _ in range(40)]
    assert set(statuses) <= {500, 503}
    assert len(mock.requests) < 35, "every call was tried and retried against a dead upstream"
    mock.clear()
    end = time.monotonic() + 40
    while gateway.chat("gpt-4o", BODY, key=gateway.user).status != 200:
        assert time.monotonic() < end, "the breaker never closed again"
        time.sleep(0.2)


def test_unset_variable_takes_only_that_upstream_down(make_gateway, mock):
    def change(tree):
        tree["upstreams"]["unset"] = {"kind": "azure-openai", "endpoint": "http://127.0.0.1:9", "apiKey": "${NO_SUCH_VARIABLE}"}
        tree["deployments"]["unset"] = {"upstream": "unset", "model": "gpt-4o"}

    gateway = make_gateway(change)
    answer = gateway.chat("unset", BODY, key=gateway.user)
    assert answer.status == 503
    assert "NO_SUCH_VARIABLE" in gateway.log()
    assert gateway.chat("gpt-4o", BODY, key=gateway.user).status == 200


# Clients that leave


@pytest.mark.parametrize("deployment", ["off", "marked"])
def test_client_that_leaves_before_the_answer_cancels_the_call(gateway, keys, mock, deployment):
    mock.script("chat/completions", {"fault": "stall"})
    wire = gateway.wire()
    wire.send(chat_request(deployment, BODY, keys.user))
    mock.wait_for(lambda m: any(r.complete for r in m.requests), what="the call to go upstream")
    wire.close()
    mock.wait_for(lambda m: m.last().outcome == "client-gone", seconds=3, what="the upstream call to be cancelled")
    assert mock.last().ended_at - mock.last().received_at < 3
    gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("operation") and r.get("deployment") == deployment)


@pytest.mark.parametrize("deployment", ["off", "marked"])
def test_client_that_leaves_a_stream_cancels_the_call(gateway, keys, mock, deployment):
    mock.script("chat/completions", {"parts": [{"event": e} for e in fixture("chat/stream")["events"][:6]] + [{"fault": "stall"}]})
    wire = gateway.wire()
    wire.send(chat_request(deployment, STREAM, keys.user))
    answer = wire.head()
    wire.event(answer, wire.pieces(answer), b"prompt_filter_results")
    wire.close()
    mock.wait_for(lambda m: m.last().outcome == "client-gone", seconds=3, what="the upstream call to be cancelled")


def test_client_that_does_not_read_holds_the_upstream_back(gateway, keys, mock):
    """Back-pressure: a stream is pulled from the upstream as the client takes it, not into memory."""
    event = {"choices": [{"index": 0, "delta": {"content": "x" * 4000 + ". "}, "finish_reason": None}]}
    sent = 60_000_000
    mock.script("chat/completions", {"parts": [{"event": event}] * (sent // 4100)})
    before = gateway.memory()
    with gateway.wire() as wire:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.send(chat_request("off", STREAM, keys.user))
        wire.head()
        time.sleep(1.5)
        assert gateway.memory() - before < 30_000_000
        assert mock.last().outcome == "pending"
    mock.wait_for(lambda m: m.last().outcome == "client-gone", what="the upstream call to be cancelled")


def test_many_clients_at_once_get_their_own_answers(gateway, keys, mock):
    errors = []

    def ask(n):
        try:
            with gateway.wire() as wire:
                for turn in range(10):
                    name = f"caller {n} turn {turn}"
                    body = {"messages": [{"role": "user", "content": name}], "stream": turn % 2 == 1}
                    wire.send(chat_request("quiet", body, keys.user))
                    answer = wire.answer()
                    assert answer.status == 200 and answer.complete, answer.body
        except (AssertionError, Closed, OSError) as error:
            errors.append((n, repr(error)))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(r.json()["messages"][0]["content"] for r in mock.requests) == sorted(f"caller {n} turn {t}" for n in range(32) for t in range(10))


def test_drain_finishes_open_streams(make_gateway, mock):
    gateway = make_gateway()
    mock.script("chat/completions", {"parts": [{"event": fixture("chat/stream")["events"][0]}, {"gate": "go", "event": fixture("chat/stream")["events"][2]}, {"event": "[DONE]"}]})
    with gateway.wire() as wire:
        wire.send(chat_request("off", STREAM, gateway.user))
        answer = wire.head()
        pieces = wire.pieces(answer)
        wire.event(answer, pieces, b"prompt_filter_results")
        import signal

        gateway.signal(signal.SIGTERM)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                gateway.call("GET", "/healthz", key=None, timeout=2)
                time.sleep(0.05)
            except (OSError, Closed):
                break
        assert gateway.process.poll() is None, "it ended with a stream open"
        mock.open("go")
        for _ in pieces:
            pass
    assert answer.complete and answer.events()[-1] == "[DONE]"
    assert gateway.process.wait(15) == 0
