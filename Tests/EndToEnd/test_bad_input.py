"""Bad input of every kind: a clear error, nothing upstream, a record, and a gateway that goes on working."""

import json
import time

import pytest

from gateway import API, Gateway
from wire import Closed, request

CHAT = f"/openai/deployments/gpt-4o/chat/completions?api-version={API}"
GOOD = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()


@pytest.fixture(scope="module")
def own_gateway(upstream, tmp_path_factory):
    """A gateway with short limits, shared by this module."""

    def change(tree):
        tree["server"]["maximumBodyBytes"] = 2_000_000
        tree["server"]["bodyTimeout"] = "2s"
        tree["server"]["headerTimeout"] = "2s"

    gateway = Gateway(tmp_path_factory.mktemp("bad-input"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.expired = gateway.key("expired", expires="1s")
    gateway.expired_at = time.monotonic() + 1.2
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(own_gateway, mock):
    return own_gateway


def nested(depth):
    return b'{"messages":[{"role":"user","content":"hi"}],"x":' + b"[" * depth + b"]" * depth + b"}"


BAD_BODIES = {
    "empty": b"",
    "not json": b"hello",
    "cut off": b'{"messages":[{"role":"user","content":"hi"}',
    "trailing text": GOOD + b"x",
    "two documents": GOOD + GOOD,
    "trailing comma": b'{"messages":[{"role":"user","content":"hi"},]}',
    "single quotes": b"{'messages':[]}",
    "comment": b'{"messages":[{"role":"user","content":"hi"}]/* c */}',
    "NaN": b'{"messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
    "leading zero": b'{"messages":[{"role":"user","content":"hi"}],"temperature":01}',
    "lone plus": b'{"messages":[{"role":"user","content":"hi"}],"temperature":+1}',
    "bare control character": b'{"messages":[{"role":"user","content":"h\ni"}]}',
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "utf-16": GOOD.decode().encode("utf-16"),
    "bad utf-8": b'{"messages":[{"role":"user","content":"\xff\xfe"}]}',
    "overlong utf-8": b'{"messages":[{"role":"user","content":"\xc0\xaf"}]}',
    "surrogate in utf-8": b'{"messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "cut utf-8": b'{"messages":[{"role":"user","content":"\xe6\xb8"}]}',
    "lone surrogate escape": rb'{"messages":[{"role":"user","content":"\ud800"}]}',
    "bad escape": rb'{"messages":[{"role":"user","content":"\x41"}]}',
    "nesting bomb": nested(100_000),
    "nested too deep": nested(1_000),
    "repeated top-level key": b'{"messages":[{"role":"user","content":"hi"}],"messages":[]}',
    "repeated key by escape": rb'{"messages":[{"role":"user","content":"hi"}],"m\u0065ssages":[]}',
    "repeated inner key": b'{"messages":[{"role":"user","content":"hi","content":"other"}]}',
    "repeated model": b'{"messages":[{"role":"user","content":"hi"}],"model":"a","model":"b"}',
}

WRONG_TYPES = {
    "array": b"[]",
    "string": b'"hi"',
    "null": b"null",
    "messages missing": b"{}",
    "messages a string": b'{"messages":"hi"}',
    "messages empty": b'{"messages":[]}',
    "message a string": b'{"messages":["hi"]}',
    "role a number": b'{"messages":[{"role":1,"content":"hi"}]}',
    "role missing": b'{"messages":[{"content":"hi"}]}',
    "stream a string": b'{"messages":[{"role":"user","content":"hi"}],"stream":"yes"}',
    "model a number": b'{"messages":[{"role":"user","content":"hi"}],"model":7}',
    "tools an object": b'{"messages":[{"role":"user","content":"hi"}],"tools":{}}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_what_is_not_one_json_document_is_400(gateway, mock, body):
    before = len(gateway.records())
    answer = gateway.call("POST", CHAT, body, key=gateway.user, headers=[("content-type", "application/json")])
    assert answer.status == 400, (answer.status, answer.body)
    assert answer.error["type"] == "invalid_request_error" and len(answer.error["message"]) > 10
    assert mock.requests == []
    wait_until(lambda: len(gateway.records()) > before, "a record of it")


@pytest.mark.parametrize("body", WRONG_TYPES.values(), ids=WRONG_TYPES.keys())
def test_wrong_types_are_400_and_name_the_place(gateway, mock, body):
    answer = gateway.call("POST", CHAT, body, key=gateway.user, headers=[("content-type", "application/json")])
    assert answer.status == 400, (answer.status, answer.body)
    assert answer.error["message"]
    assert mock.requests == []


def wait_until(condition, what, seconds=5):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


def test_over_large_body_is_413_before_it_is_sent(gateway, mock):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, b"", [("api-key", gateway.user), ("content-type", "application/json"), ("content-length", "100000000")]))
        answer = wire.answer()
    assert answer.status == 413 and answer.error["message"]
    assert mock.requests == []


def test_over_large_chunked_body_is_413(gateway, mock):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, b"", [("api-key", gateway.user), ("content-type", "application/json"), ("transfer-encoding", "chunked")]))
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(100):
                wire.send(chunk)
        except OSError:
            pass  # refused while we were still sending: as it should
        try:
            assert wire.answer().status == 413
        except (Closed, ConnectionError):
            pass  # the refusal was lost in the reset; what counts is below
    assert mock.requests == []
    assert gateway.call("POST", CHAT, GOOD, key=gateway.user).status == 200


def test_hundred_megabytes_do_not_fill_the_memory(gateway, mock):
    before = gateway.memory()
    for _ in range(3):
        with gateway.wire() as wire:
            wire.send(request("POST", CHAT, b"", [("api-key", gateway.user), ("content-length", "100000000")]))
            try:
                for _ in range(200):
                    wire.send(b" " * 524_288)
            except OSError:
                pass
    assert gateway.memory() - before < 30_000_000
    assert mock.requests == []


def test_slow_body_is_408(gateway, mock):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, b"{", [("api-key", gateway.user), ("content-type", "application/json"), ("content-length", "100")]))
        started = time.monotonic()
        answer = wire.answer()
        assert answer.status == 408
        assert time.monotonic() - started < 15
    assert mock.requests == []


def test_slow_head_is_cut(gateway):
    with gateway.wire() as wire:
        wire.send(b"POST /openai HTTP/1.1\r\nhost: x\r\nx-slow: ")
        assert wire.drain_is_closed(15)


def test_unknown_deployment_is_404(gateway, mock):
    answer = gateway.chat("nothing-here", GOOD, key=gateway.user)
    assert (answer.status, answer.error["code"]) == (404, "DeploymentNotFound")
    gateway.wait_for_record(lambda r: r["id"] == answer.header("apim-request-id") and r.get("error") == "DeploymentNotFound")
    assert mock.requests == []


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=1999-01-01", "?api-version=2024-10-21&api-version=2023-05-15", "?api-version=../../x"])
def test_unknown_api_version_is_404(gateway, mock, query):
    answer = gateway.call("POST", f"/openai/deployments/gpt-4o/chat/completions{query}", GOOD, key=gateway.user)
    assert answer.status in (400, 404) and answer.error["message"], answer.body
    assert mock.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/", "/openai", "/openai/deployments/gpt-4o", f"/openai/deployments/gpt-4o/chat/completions/extra?api-version={API}", "/admin", "/openai/v1/nothing",
        f"/openai/deployments/gpt-4o/extensions/chat/completions?api-version={API}", "/v2/chat/completions", "/.env", "/openai/v1/realtime", "/metrics",
        "/openai/v1/assistants", "/openai/v1/chat/completions/../../../admin", "/openai/deployments/gpt-4o%2F..%2Fother/chat/completions?api-version=2024-10-21",
        "//openai/v1/chat/completions", "/openai/v1/chat%2Fcompletions", "/openai/v1/chat/completions%00", "/OPENAI/V1/CHAT/COMPLETIONSX",
    ],
)  # fmt: skip
def test_unlisted_paths_are_404_and_never_passed_on(gateway, mock, target):
    answer = gateway.call("POST", target, GOOD, key=gateway.user)
    assert answer.status in (400, 401, 404), (answer.status, answer.body)
    assert mock.requests == []


def test_other_methods_are_refused(gateway, mock):
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "OPTIONS", "BREW"):
        answer = gateway.call(method, CHAT, key=gateway.user)
        assert answer.status in (400, 404, 405), (method, answer.status)
    assert mock.requests == []


HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: gateway.test\r\ncontent-type: application/json\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"

# Every way to make two readers see different requests. `KEY` stands for the key's header.
SMUGGLING = {
    "length and chunked": HEAD.encode() + b"KEYcontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked and length": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n" + CHUNKED,
    "two lengths": HEAD.encode() + b"KEYcontent-length: %d\r\ncontent-length: %d\r\n\r\n" % (len(GOOD), len(GOOD) + 10) + GOOD,
    "length list": HEAD.encode() + b"KEYcontent-length: %d, %d\r\n\r\n" % (len(GOOD), len(GOOD) + 10) + GOOD,
    "negative length": HEAD.encode() + b"KEYcontent-length: -1\r\n\r\n" + GOOD,
    "signed length": HEAD.encode() + b"KEYcontent-length: +%d\r\n\r\n" % len(GOOD) + GOOD,
    "hexadecimal length": HEAD.encode() + b"KEYcontent-length: 0x%x\r\n\r\n" % len(GOOD) + GOOD,
    "overflowing length": HEAD.encode() + b"KEYcontent-length: 18446744073709551617\r\n\r\n" + GOOD,
    "folded header": HEAD.encode() + b"KEYx-folded: a\r\n b\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "folded encoding": HEAD.encode() + b"KEYtransfer-encoding:\r\n chunked\r\n\r\n" + CHUNKED,
    "space before colon": HEAD.encode() + b"KEYtransfer-encoding : chunked\r\n\r\n" + CHUNKED,
    "bare line feeds": (HEAD.encode() + b"KEYcontent-length: %d\r\n\r\n" % len(GOOD)).replace(b"\r\n", b"\n") + GOOD,
    "bare carriage return": HEAD.encode() + b"KEYx-bare: a\rb\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "null in header": HEAD.encode() + b"KEYx-null: a\0b\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "two codings": HEAD.encode() + b"KEYtransfer-encoding: chunked, identity\r\n\r\n" + CHUNKED,
    "unknown coding": HEAD.encode() + b"KEYtransfer-encoding: xchunked\r\n\r\n" + CHUNKED,
    "coding twice": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n" + CHUNKED,
    "coding with tab": HEAD.encode() + b"KEYtransfer-encoding: \x0bchunked\r\n\r\n" + CHUNKED,
    "bad chunk size": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\n\r\n0x%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "signed chunk size": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\n\r\n+%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "overflowing chunk size": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\n\r\n10000000000000000%x\r\n%s\r\n0\r\n\r\n" % (len(GOOD), GOOD),
    "chunk without its end": HEAD.encode() + b"KEYtransfer-encoding: chunked\r\n\r\n%x\r\n%sxx0\r\n\r\n" % (len(GOOD), GOOD),
    "header without colon": HEAD.encode() + b"KEYnonsense\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "empty header name": HEAD.encode() + b"KEY: empty\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "two hosts": HEAD.encode() + b"KEYhost: other.test\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "no host": HEAD.replace("host: gateway.test\r\n", "").encode() + b"KEYcontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "http 0.9": b"GET /openai/v1/models\r\n\r\n",
    "http 3.7": HEAD.replace("HTTP/1.1", "HTTP/3.7").encode() + b"KEYcontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "space in target": HEAD.replace("/chat", "/ chat").encode() + b"KEYcontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
    "compressed body": HEAD.encode() + b"KEYcontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(GOOD) + GOOD,
}


@pytest.mark.parametrize("data", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_ambiguous_requests_are_refused_and_the_connection_ends(gateway, mock, data):
    with gateway.wire(timeout=8) as wire:
        wire.send(data.replace(b"KEY", f"api-key: {gateway.user}\r\n".encode()))
        try:
            answer = wire.answer()
            assert answer.status in (400, 411, 415, 501, 505), (answer.status, answer.body)
        except (Closed, ConnectionError):
            pass  # closed without a word: refused as well
    assert [r.target for r in mock.requests] == [], "an ambiguous request went upstream"


def test_smuggled_request_is_never_read_as_one(gateway, mock):
    """What follows an ambiguous request on its connection is not answered."""
    with gateway.wire(timeout=8) as wire:
        wire.send(SMUGGLING["length and chunked"].replace(b"KEY", f"api-key: {gateway.user}\r\n".encode()))
        try:
            assert wire.answer().status >= 400
            assert wire.drain_is_closed()
        except (Closed, ConnectionError):
            pass
    assert mock.requests == []


def test_ambiguous_requests_leave_a_record(make_gateway):
    # A gateway of its own: what nobody signed for is counted by the minute, and only the first is recorded at once.
    gateway = make_gateway()
    before = len(gateway.records())
    with gateway.wire(timeout=8) as wire:
        wire.send(SMUGGLING["two lengths"].replace(b"KEY", f"api-key: {gateway.user}\r\n".encode()))
        try:
            wire.answer()
        except (Closed, ConnectionError):
            pass
    wait_until(lambda: len(gateway.records()) > before, "a record of the ambiguous request")


def test_pipelined_requests_are_answered_in_order(gateway, mock):
    one = request("POST", CHAT, GOOD, [("api-key", gateway.user), ("content-type", "application/json")])
    bad = request("POST", CHAT, b"{", [("api-key", gateway.user), ("content-type", "application/json")])
    with gateway.wire() as wire:
        wire.send(one + bad + one)
        assert [wire.answer().status for _ in range(3)] == [200, 400, 200]
    assert len(mock.requests) == 2


def test_over_large_head_is_refused(gateway, mock):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, GOOD, [("api-key", gateway.user), ("x-large", "a" * 200_000)]))
        try:
            assert wire.answer().status in (400, 413, 431)
        except (Closed, ConnectionError):
            pass
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, GOOD, [("api-key", gateway.user), *[(f"x-{n}", "a") for n in range(5000)]]))
        try:
            assert wire.answer().status in (400, 413, 431)
        except (Closed, ConnectionError):
            pass
    assert mock.requests == []


def test_expired_key_is_401_and_says_so(gateway, mock):
    time.sleep(max(0, gateway.expired_at - time.monotonic()))
    answer = gateway.call("POST", CHAT, GOOD, key=gateway.expired["secret"])
    assert answer.status == 401 and "expired" in answer.error["message"].lower()
    gateway.wait_for_record(lambda r: r["type"] == "auth.refused" and "expired" in json.dumps(r))
    assert mock.requests == []


@pytest.mark.parametrize("headers", [[], [("api-key", "")], [("authorization", "Bearer ")], [("authorization", "Basic dXNlcjpwYXNz")], [("api-key", "x" * 20_000)]])
def test_missing_and_broken_credentials_are_401(gateway, mock, headers):
    answer = gateway.call("POST", CHAT, GOOD, key=None, headers=headers)
    assert answer.status in (401, 431), (answer.status, answer.body)
    assert mock.requests == []


def test_two_different_credentials_are_refused(gateway, mock):
    answer = gateway.call("POST", CHAT, GOOD, key=gateway.user, headers=[("authorization", "Bearer other")])
    assert answer.status == 401
    again = gateway.call("POST", CHAT, GOOD, key=gateway.user, headers=[("api-key", "other")])
    assert again.status == 401
    assert mock.requests == []


def test_wrong_content_types_are_refused(gateway, mock):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"):
        answer = gateway.call("POST", CHAT, GOOD, key=gateway.user, headers=[("content-type", kind)])
        assert answer.status in (400, 415), (kind, answer.status)
    assert mock.requests == []


def test_broken_multipart_is_400(gateway, mock):
    target = f"/openai/files?api-version={API}"
    for body in (b"", b"--x\r\n", b"--x\r\nnonsense\r\n--x--\r\n", b"--y\r\n\r\n--y--\r\n", b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ndata'):
        answer = gateway.call("POST", target, body, key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=x")])
        assert answer.status == 400, (body, answer.status, answer.body)
    no_boundary = gateway.call("POST", target, b"--x--\r\n", key=gateway.user, headers=[("content-type", "multipart/form-data")])
    assert no_boundary.status == 400
    assert mock.requests == []


def test_a_form_with_two_boundaries_is_refused(gateway, mock):
    """Read by the one it is a harmless field, by the other a file."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        b'--y\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n--y--\r\n\r\n--x--\r\n'
    )
    for kinds in (("x", "y"), ("y", "x"), ("x", "x")):
        headers = [("content-type", f"multipart/form-data; boundary={kind}") for kind in kinds]
        answer = gateway.call("POST", f"/openai/files?api-version={API}", body, key=gateway.user, headers=headers)
        assert answer.status == 400, (kinds, answer.status, answer.body)
    assert mock.requests == []


def test_errors_never_repeat_what_was_sent(gateway):
    secret = "s3cr3t-in-the-prompt"
    for body in (b'{"messages":"' + secret.encode() + b'"}', b'{"' + secret.encode() + b'":', b'{"messages":[{"role":"' + secret.encode()):
        answer = gateway.call("POST", CHAT, body, key=gateway.user)
        assert answer.status == 400 and secret not in answer.body.decode()
    assert secret not in gateway.log()
    assert secret not in json.dumps(gateway.records())


def test_gateway_still_works_after_all_that(gateway):
    assert gateway.call("POST", CHAT, GOOD, key=gateway.user).status == 200


# Each kind by name: a clear error, and a record of it.


def slow_body(gateway):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, b"{", [("api-key", gateway.user), ("content-type", "application/json"), ("content-length", "100")]))
        return wire.answer()


def huge_body(gateway):
    with gateway.wire() as wire:
        wire.send(request("POST", CHAT, b"", [("api-key", gateway.user), ("content-type", "application/json"), ("content-length", "100000000")]))
        return wire.answer()


def smuggled(gateway):
    """Framing that two readers read differently, after a head that was understood."""
    with gateway.wire() as wire:
        wire.send(SMUGGLING["overflowing chunk size"].replace(b"KEY", f"api-key: {gateway.user}\r\n".encode()))
        return wire.answer()


def sent(body, target=CHAT):
    return lambda gateway: gateway.call("POST", target, body, key=gateway.user, headers=[("content-type", "application/json")])


KINDS = {
    # kind: how it is sent, status, code of the error and of the record, words of the message
    "malformed JSON": (sent(b'{"messages":['), 400, "invalid_json", "not valid JSON"),
    "wrong types": (sent(b'{"messages":"hi"}'), 400, None, "messages"),
    "100 MB body": (huge_body, 413, "413", "larger than"),
    "slow body": (slow_body, 408, "408", "not received in time"),
    "bad UTF-8": (sent(b'{"messages":[{"role":"user","content":"\xff"}]}'), 400, "invalid_json", "not valid UTF-8"),
    "nesting bomb": (sent(nested(100_000)), 400, "invalid_json", "nested more than"),
    "unknown deployment": (sent(GOOD, CHAT.replace("gpt-4o", "nothing-here")), 404, "DeploymentNotFound", "does not exist"),
    "unknown api-version": (sent(GOOD, CHAT.replace(API, "1999-01-01")), 404, "404", "api-version|not found"),
    "header smuggling": (smuggled, 400, None, "not valid HTTP"),
    "two credentials": (lambda g: g.call("POST", CHAT, GOOD, key=g.user, headers=[("authorization", "Bearer x")]), 401, "401", "Access denied"),
    "a policy that is not granted": (lambda g: g.call("POST", CHAT, GOOD, key=g.user, headers=[("x-policy-id", "Off")]), 400, "InvalidContentFilterPolicy", "content filter policy"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_bad_input_has_a_clear_error_and_a_record(gateway, mock, kind):
    import re

    send, status, code, words = KINDS[kind]
    answer = send(gateway)
    assert answer.status == status, (answer.status, answer.body)
    error = answer.error
    assert error["code"] == code and re.search(words, error["message"], re.IGNORECASE), error
    assert mock.requests == []
    if status == 401:
        record = gateway.wait_for_record(lambda r: r["type"] == "auth.refused")
        assert record["source"] and record["reason"]
        return
    record = gateway.wait_for_record(lambda r: r["id"] == answer.header("apim-request-id") and r["type"] == "exchange.outcome")
    assert record["status"] == status and record["verdict"] == "refused" and record["principal"]
    assert record["error"] == (code or "invalid_request_error")
    assert not any(r["type"] == "exchange.intent" for r in gateway.records(lambda r: r["id"] == record["id"])), "nothing was to be sent"
