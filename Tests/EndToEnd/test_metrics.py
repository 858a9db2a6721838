"""Health, Prometheus metrics under Azure's names, and structured logs that say nothing they must not."""

import json
import re
import time

import pytest

from gateway import MARKER
from wire import request

BODY = {"messages": [{"role": "user", "content": "hi"}]}
SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*",?)*)\})? ([-+0-9.eE]+|NaN|[+-]Inf)(?: \d+)?$')


def samples(gateway):
    """Every sample as (name, labels, value); fails on a line that is not of the format."""
    answer = gateway.metrics()
    assert answer.status == 200
    found, kinds = [], {}
    for line in answer.body.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds, f"{name} is declared twice"
            kinds[name] = kind
        elif line and not line.startswith("#"):
            match = SAMPLE.match(line)
            assert match, line
            labels = dict(re.findall(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.append((match[1], labels, float(match[3])))
    return found


def total(gateway, pattern, **labels):
    wanted = re.compile(pattern, re.IGNORECASE)
    return sum(v for n, l, v in samples(gateway) if wanted.fullmatch(n) and all(l.get(k) == x for k, x in labels.items()))


def plain(name):
    """Azure's name in any Prometheus spelling: with or without underscores, prefix and unit suffix."""
    return r"(?:\w*_)?" + "_?".join(name) + r"(?:_total|_count)?"


def eventually(condition, seconds=5):
    """An exchange is counted when it is over, which may be a moment after its last byte was read."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the count never came"
        time.sleep(0.02)


def test_health_and_readiness_need_no_key(gateway):
    for path in ("/healthz", "/readyz"):
        assert gateway.call("GET", path, key=None).status == 200


def test_metrics_are_not_on_the_public_listener_without_a_role(gateway, keys):
    for key in (None, keys.user, "wrong"):
        answer = gateway.call("GET", "/metrics", key=key)
        assert answer.status in (401, 404), answer.status
        assert b"# TYPE" not in answer.body


def test_requests_and_tokens_are_counted_under_azures_names(gateway, keys):
    before = {n: total(gateway, plain(n)) for n in ("AzureOpenAIRequests", "ProcessedPromptTokens", "GeneratedTokens", "TokenTransaction")}
    for _ in range(3):
        assert gateway.chat("gpt-4o", BODY, key=keys.user).status == 200
    eventually(lambda: total(gateway, plain("AzureOpenAIRequests")) - before["AzureOpenAIRequests"] >= 3)
    after = {n: total(gateway, plain(n)) for n in before}
    assert after["AzureOpenAIRequests"] - before["AzureOpenAIRequests"] == 3
    assert after["ProcessedPromptTokens"] - before["ProcessedPromptTokens"] == 3 * 24
    assert after["GeneratedTokens"] - before["GeneratedTokens"] == 3 * 18
    assert after["TokenTransaction"] - before["TokenTransaction"] == 3 * 42


def test_blocked_volume_is_counted(gateway, keys):
    before = total(gateway, plain("RAIRejectedRequests"))
    assert gateway.chat("marked", {"messages": [{"role": "user", "content": MARKER}]}, key=keys.user).status == 400
    eventually(lambda: total(gateway, plain("RAIRejectedRequests")) - before >= 1)
    assert total(gateway, plain("RAIRejectedRequests")) - before == 1


def test_dimensions_are_azures(gateway, keys):
    gateway.chat("gpt-4o", BODY, key=keys.user)
    gateway.chat("gpt-4o", {**BODY, "stream": True}, key=keys.user)

    def values(label):
        found = [l for n, l, _ in samples(gateway) if re.fullmatch(plain("AzureOpenAIRequests"), n, re.IGNORECASE)]
        return {v for l in found for k, v in l.items() if k.lower().replace("_", "") == label}

    eventually(lambda: {"Streaming", "Non-Streaming"} <= values("streamtype"))
    assert "gpt-4o" in values("modeldeploymentname") and "200" in values("statuscode")


def test_overhead_and_guard_times_are_measured(gateway, keys):
    gateway.chat("marked", BODY, key=keys.user)
    names = {n for n, _, v in samples(gateway) if v > 0}
    assert any("overhead" in n.lower() for n in names), sorted(names)
    assert any("guard" in n.lower() for n in names), sorted(names)


def test_labels_come_from_closed_sets(gateway, keys):
    def scan(numbers):
        for n in numbers:
            gateway.chat(f"no-such-{n}", BODY, key=keys.user)
            gateway.call("GET", f"/scan/{n}", key=keys.user)
            gateway.call("BREW", f"/tea/{n}", key=None)
            gateway.chat("gpt-4o", BODY, key=f"wrong-{n}")
        return gateway.metrics().body.decode()

    first, text = scan(range(3)), scan(range(3, 30))
    for hidden in ("no-such-", "/scan/", "/tea/", "BREW", "wrong-", keys.user):
        assert hidden not in text
    assert len(text.splitlines()) == len(first.splitlines()), "what callers send makes new series"


def test_metrics_listener_serves_nothing_else(gateway):
    from wire import Wire

    for path in ("/", "/openai/v1/models", "/readyz2", "/../etc/passwd"):
        with Wire(("127.0.0.1", gateway.metrics_port)) as wire:
            wire.send(request("GET", path, headers=[("connection", "close")]))
            assert wire.answer().status in (400, 404)


def test_logs_are_json_and_hold_no_text(gateway, keys):
    prompt = "cormorants are not to be logged"
    gateway.chat("gpt-4o", {"messages": [{"role": "user", "content": prompt}]}, key=keys.user)
    gateway.chat("gpt-4o", b'{"messages":"' + prompt.encode() + b'"}', key=keys.user)
    lines = [line for line in gateway.log().splitlines() if line.strip()]
    assert lines
    for line in lines:
        entry = json.loads(line)
        assert entry.get("level") and entry.get("message"), line
    for hidden in ("cormorants", keys.user, "upstream-secret-key"):
        assert hidden not in gateway.log()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_says_little(gateway, path):
    answer = gateway.call("GET", path, key=None)
    assert len(answer.body) < 2000 and b"127.0.0.1" not in answer.body
