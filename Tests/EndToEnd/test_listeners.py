"""The listeners beside the data plane's calls: health, metrics, administration. What a stranger can do to them."""

import contextlib
import json
import time

import pytest

from console import admin_call
from test_access import wait_for
from wire import Closed, Wire, request

UPGRADE = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")]


@pytest.fixture
def listening(make_gateway):
    gateway = make_gateway()
    gateway.admin = gateway.key("root", roles="administrator")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=gateway.admin).status == 200, "the key")
    return gateway


def port(gateway, which):
    return {"data": gateway.port, "metrics": gateway.metrics_port, "admin": gateway.admin_port}[which]


@pytest.mark.parametrize(("which", "path"), [("data", "/healthz"), ("data", "/readyz"), ("metrics", "/metrics"), ("admin", "/healthz"), ("admin", "/api/whoami")])
def test_no_request_is_swallowed_behind_an_offer_to_upgrade(listening, which, path):
    with Wire(("127.0.0.1", port(listening, which))) as wire:
        wire.send(request("GET", path, headers=UPGRADE))
        first = wire.answer()
        assert first.complete and (first.header("connection") or "").lower() == "close", first.raw
        assert wire.drain_is_closed()


def test_what_follows_an_upgrade_is_not_heaped_up(listening):
    before = listening.memory()
    for which, path in (("data", "/healthz"), ("admin", "/healthz"), ("metrics", "/metrics")):
        with Wire(("127.0.0.1", port(listening, which))) as wire, contextlib.suppress(ConnectionError):
            wire.send(request("GET", path, headers=UPGRADE))
            for _ in range(64):
                wire.send(b"x" * (1 << 20))
            assert False, f"{which} took 64 MB of nothing"
    assert listening.memory() < before + (40 << 20)


def test_the_metrics_listener_answers_once_for_a_connection(listening):
    with Wire(("127.0.0.1", listening.metrics_port)) as wire:
        wire.send(request("GET", "/metrics") * 50)
        assert wire.answer().status == 200
        with pytest.raises((Closed, ConnectionError)):
            wire.answer()
    with Wire(("127.0.0.1", listening.metrics_port)) as wire:
        wire.send(request("HEAD", "/metrics"))
        head = wire.head()
        assert head.status == 200 and int(head.header("content-length")) > 100
        assert wire.buffer == b"" and wire.drain_is_closed(), "a HEAD has no body"


def test_half_sent_sign_ins_keep_nobody_out(listening):
    """Each waits for its body, as long as that may take: they must not take all the room."""
    host = f"127.0.0.1:{listening.admin_port}"
    held = [Wire(("127.0.0.1", listening.admin_port)) for _ in range(80)]
    try:
        for wire in held:
            wire.send(request("POST", "/signin/password", headers=[("content-length", "100")], host=host))
        time.sleep(0.5)
        assert admin_call(listening, "GET", "/api/whoami", key=listening.admin).status == 200
        with Wire(("127.0.0.1", listening.admin_port)) as wire:
            wire.send(request("GET", "/signin", host=host))
            assert wire.answer().status != 503
        refused = 0
        for wire in held:
            wire.socket.settimeout(0.05)
            with contextlib.suppress(TimeoutError):
                refused += wire.head().status == 503
        assert refused >= 40, "one network waits with 32 at the most"
    finally:
        for wire in held:
            wire.close()


def test_a_broken_body_is_no_mistake_of_ours(listening):
    host = f"host: 127.0.0.1:{listening.admin_port}".encode()
    with Wire(("127.0.0.1", listening.admin_port)) as wire:
        wire.send(b"POST /signin/password HTTP/1.1\r\n" + host + b"\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        assert wire.head().status == 400
    with Wire(("127.0.0.1", listening.admin_port)) as wire:
        wire.send(b"POST /signin/password HTTP/1.1\r\n" + host + b"\r\ncontent-length: 100\r\n\r\nx")
    time.sleep(0.5)
    failed = [line for line in listening.log().splitlines() if "an administrative request failed" in line]
    assert not failed, failed[:2]


def test_a_body_that_nobody_asked_for_is_not_waited_for(listening):
    with Wire(("127.0.0.1", listening.admin_port)) as wire:
        wire.send(b"POST /nothing HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 1000\r\n\r\nx")
        assert wire.head().status == 404
        end = time.monotonic() + 15
        with pytest.raises((Closed, ConnectionError)):
            while time.monotonic() < end:
                wire.send(b"x")
                wire.socket.settimeout(0.3)
                with contextlib.suppress(TimeoutError):
                    wire.more()


def test_early_answers_and_connections_that_go_on(listening):
    """A refusal before the body is in ends the connection only when the body stays away."""
    body = json.dumps({"a": "b" * 1000}).encode()
    with Wire(("127.0.0.1", listening.admin_port)) as wire:
        for _ in range(3):
            wire.send(request("POST", "/nothing", body))
            assert wire.answer().status == 404
        time.sleep(2.5)
        wire.send(request("GET", "/healthz"))
        assert wire.answer().status == 200
    with Wire(("127.0.0.1", listening.admin_port)) as wire:
        wire.send(request("GET", "/healthz") * 20)
        assert [wire.answer().status for _ in range(20)] == [200] * 20
    for spelled in ("close", "Close", "foo, close"):
        with Wire(("127.0.0.1", listening.admin_port)) as wire:
            wire.send(request("GET", "/healthz", headers=[("connection", spelled)]))
            assert wire.answer().status == 200 and wire.drain_is_closed(8), spelled
