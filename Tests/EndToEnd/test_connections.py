"""Connections: how many there may be, and what becomes of one that closes in part."""

import json
import socket
import time

import pytest

from gateway import API
from wire import request

BODY = {"messages": [{"role": "user", "content": "hi"}]}


def test_a_connection_beyond_the_limit_is_told_so_and_closed(make_gateway):
    def change(tree):
        tree["server"]["maximumConnections"] = 5

    gateway = make_gateway(change, start=False)
    gateway.start()
    ask = request("GET", "/openai/v1/models", b"", [("api-key", gateway.user)])
    held = [gateway.wire() for _ in range(5)]
    for wire in held:
        wire.send(ask)
        assert wire.answer().status == 200
    with gateway.wire() as wire:
        refused = wire.answer()
        assert refused.status == 503 and int(refused.header("retry-after")) >= 1 and refused.header("connection") == "close"
        assert refused.error["message"]
    # Those that were there first go on; one that leaves makes room.
    held[0].send(ask)
    assert held[0].answer().status == 200
    held.pop().close()
    for _ in range(200):
        with gateway.wire() as wire:
            wire.send(ask)
            if wire.answer().status == 200:
                break
    else:
        pytest.fail("no room after a connection was closed")
    for wire in held:
        wire.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("slow", [False, True], ids=["at once", "slow upstream"])
def test_a_client_that_closes_its_writing_side_gets_its_answer(gateway, keys, mock, stream, slow):
    if slow:
        mock.script("chat/completions", {"fixture": "chat/stream" if stream else "chat/basic", "wait_ms": 500})
    message = request(
        "POST", f"/openai/deployments/gpt-4o/chat/completions?api-version={API}",
        json.dumps({**BODY, "stream": stream}).encode(), [("api-key", keys.user), ("content-type", "application/json")],
    )  # fmt: skip
    with gateway.wire() as wire:
        wire.send(message)
        wire.socket.shutdown(socket.SHUT_WR)
        answer = wire.answer()
    assert answer.status == 200 and answer.complete
    assert b"[DONE]" in answer.body if stream else answer.json()["choices"]


def large_answer(size):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "word " * (size // 5)}}]}


def test_answers_count_in_what_may_be_held(make_gateway, mock):
    """Requests and answers share one total; an answer counts until its caller has read it."""

    def change(tree):
        tree["server"]["maximumAdmittedBytes"] = "12MiB"

    gateway = make_gateway(change, start=False)
    gateway.start()
    mock.script("chat/completions", {"json": large_answer(8_000_000)}, repeat=True)
    ask = request(
        "POST", f"/openai/deployments/off/chat/completions?api-version={API}", json.dumps(BODY).encode(), [("api-key", gateway.user), ("content-type", "application/json")]
    )
    # The first caller does not read: its answer stays in memory, and there is no room for another.
    with socket.socket() as idle:
        idle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        idle.connect(gateway.address)
        idle.sendall(ask)
        gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 200)
        refused = gateway.chat("off", BODY, key=gateway.user)
        assert refused.status == 503 and int(refused.header("retry-after")) >= 1
        gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 503)
    for _ in range(100):
        if (answer := gateway.chat("off", BODY, key=gateway.user)).status == 200:
            break
        time.sleep(0.05)
    assert answer.status == 200 and len(answer.body) > 7_900_000, "the room was not given back"
    for _ in range(3):
        assert gateway.chat("off", BODY, key=gateway.user).status == 200


def test_answers_that_nobody_reads_are_not_heaped_up(make_gateway, mock):
    gateway = make_gateway(start=False)
    gateway.start()
    mock.script("chat/completions", {"json": large_answer(1_000_000)}, repeat=True)
    ask = request(
        "POST", f"/openai/deployments/off/chat/completions?api-version={API}", json.dumps(BODY).encode(), [("api-key", gateway.user), ("content-type", "application/json")]
    )
    with gateway.wire() as wire:
        wire.send(ask * 40)
        mock.wait_for(lambda m: len(m.requests) >= 1, what="the first call")
        # The kernels' buffers take some; then nothing more is asked for.
        count, seen = 0, -1
        while count != seen:
            seen = count
            time.sleep(1)
            count = len(mock.requests)
        assert count < 30, "the gateway goes on asking for a caller who does not read"
        for _ in range(40):
            assert wire.answer().status == 200


def test_a_large_stream_gives_back_what_it_took(make_gateway, mock):
    def change(tree):
        tree["server"]["maximumAdmittedBytes"] = "6MiB"

    gateway = make_gateway(change, start=False)
    gateway.start()
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": None, "delta": {"content": "word " * 40_000}}]}
    last = {**event, "choices": [{"index": 0, "finish_reason": "stop", "delta": {}}]}
    mock.script("chat/completions", {"events": [event] * 8 + [last, "[DONE]"]}, repeat=True)
    for _ in range(6):
        answer = gateway.chat("masking", {**BODY, "stream": True}, key=gateway.user, timeout=60)
        assert answer.status == 200 and answer.complete and answer.events()[-1] == "[DONE]", answer.body[-300:]
        assert len(answer.body) > 1_600_000


@pytest.mark.parametrize("offer", ["h2c", "websocket"])
def test_an_offer_to_speak_another_protocol_costs_no_later_request(gateway, keys, offer):
    """Clients that speak HTTP/2 (Java's among them) offer it with their first request, and go on in HTTP/1.1 when nobody takes it up."""
    data = json.dumps(BODY).encode()
    target = f"/openai/deployments/off/chat/completions?api-version={API}"
    upgrade = [("api-key", keys.user), ("content-type", "application/json"), ("connection", "Upgrade, HTTP2-Settings"), ("upgrade", offer), ("http2-settings", "AAMAAABkAAQAAP__")]
    with gateway.wire() as wire:
        wire.send(request("POST", target, data, upgrade))
        first = wire.answer()
        assert first.status == 200 and first.complete
        if (first.header("connection") or "").lower() != "close":
            wire.send(request("POST", target, data, upgrade[:2]))
            assert wire.answer().status == 200


@pytest.mark.parametrize("end", ["asked for", "own side closed", "own side closed meanwhile"])
def test_an_answer_that_is_read_slowly_arrives_whole_though_the_connection_ends_with_it(gateway, keys, mock, end):
    """More than the kernel keeps for a caller who takes his time."""
    text = "The harbour office opens at eight. " * 450_000
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]}
    mock.script("chat/completions", {"json": body})
    with gateway.wire(60) as wire:
        wire.send(request("POST", f"/openai/deployments/off/chat/completions?api-version={API}", json.dumps(BODY).encode(), [("api-key", keys.user), *([("connection", "close")] if end == "asked for" else [])]))
        if end == "own side closed":
            wire.socket.shutdown(socket.SHUT_WR)
        wire.head()
        if end == "own side closed meanwhile":
            wire.socket.shutdown(socket.SHUT_WR)
        # Longer than the gateway waits for a caller who has had his answer and does not go.
        time.sleep(8)
        received = 0
        while data := wire.socket.recv(1 << 20):
            received += len(data)
    assert received >= len(text) - (1 << 20)
