"""Requests and tokens per minute, quotas, Azure's 429 and its headers; no overshoot, however many call at once."""

import concurrent.futures
import json
import time

import openai
import pytest
from openai import AzureOpenAI

from gateway import API
from mock_upstream import fixture

BODY = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 18}


@pytest.fixture(scope="module")
def limited(upstream, tmp_path_factory):
    from gateway import Gateway

    def change(tree):
        for name, limits in {
            "slow": {"requestsPerMinute": 4},
            "crowd": {"requestsPerMinute": 25},
            "tokens": {"tokensPerMinute": 200},
            "daily": {"tokensPerDay": 100},
            "roomy": {"requestsPerMinute": 1000, "tokensPerMinute": 100_000},
        }.items():
            tree["deployments"][name] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": limits}

    gateway = Gateway(tmp_path_factory.mktemp("limited"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.fixture
def gateway(limited, mock):
    return limited


@pytest.fixture
def fresh_minute():
    """Limits count by the minute: do not start so late that the minute turns under the test."""
    left = 60 - time.time() % 60
    if left < 12:
        time.sleep(left + 0.1)


def test_requests_per_minute(gateway, mock, fresh_minute):
    answers = [gateway.chat("slow", BODY, key=gateway.user) for _ in range(6)]
    assert [a.status for a in answers] == [200] * 4 + [429] * 2
    assert [a.header("x-ratelimit-remaining-requests") for a in answers[:4]] == ["3", "2", "1", "0"]
    refused = answers[-1]
    assert refused.error["code"] == "429" and "rate limit" in refused.error["message"] and "Please retry after" in refused.error["message"]
    assert 1 <= int(refused.header("retry-after")) <= 60
    assert int(refused.header("retry-after-ms")) <= 60_000
    assert len(mock.requests) == 4
    gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 429)


def test_sdk_sees_a_rate_limit_error(gateway, fresh_minute):
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=gateway.user, api_version=API, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            for _ in range(5):
                client.chat.completions.create(model="slow", **BODY)
    assert caught.value.code == "429"


def statuses_at_once(count, call):
    """The statuses of so many calls that begin together."""
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return [answer.status for answer in pool.map(lambda _: call(), range(count))]


def test_no_overshoot_under_concurrency(gateway, mock, fresh_minute):
    statuses = statuses_at_once(60, lambda: gateway.chat("crowd", BODY, key=gateway.user))
    assert (statuses.count(200), statuses.count(429)) == (25, 35)
    assert len(mock.requests) == 25


def test_tokens_per_minute_settle_on_what_was_used(gateway, fresh_minute):
    """Each call uses 42 tokens: the fifth does not fit into 200."""
    answers = [gateway.chat("tokens", BODY, key=gateway.user) for _ in range(7)]
    statuses = [a.status for a in answers]
    good = statuses.count(200)
    assert good in (4, 5) and statuses == [200] * good + [429] * (7 - good)
    assert "token rate limit" in answers[-1].error["message"]


def test_a_call_that_can_never_fit_is_refused(gateway, mock, fresh_minute):
    answer = gateway.chat("tokens", {**BODY, "max_tokens": 5000}, key=gateway.user)
    assert answer.status == 429 and mock.requests == []


def test_daily_quota(gateway):
    statuses = [gateway.chat("daily", BODY, key=gateway.user).status for _ in range(5)]
    assert statuses[0] == 200 and statuses[-1] == 429
    refused = gateway.chat("daily", BODY, key=gateway.user)
    assert refused.error["code"] in ("insufficient_quota", "429")


def test_quota_survives_a_restart(make_gateway):
    def change(tree):
        tree["deployments"]["daily"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": {"tokensPerDay": 100}}

    gateway = make_gateway(change)
    while gateway.chat("daily", BODY, key=gateway.user).status == 200:
        pass
    gateway.stop()
    gateway.start()
    assert gateway.chat("daily", BODY, key=gateway.user).status == 429


def test_the_bodys_user_is_no_limits_key(gateway, fresh_minute):
    statuses = [gateway.chat("crowd", {**BODY, "user": f"someone-{n}"}, key=gateway.user).status for n in range(27)]
    assert statuses[-1] == 429


def test_limit_headers_are_on_every_answer(gateway, fresh_minute):
    answer = gateway.chat("roomy", BODY, key=gateway.user)
    assert answer.header("x-ratelimit-limit-requests") == "1000" and answer.header("x-ratelimit-limit-tokens") == "100000"
    assert int(answer.header("x-ratelimit-remaining-requests")) < 1000
    assert 0 <= int(answer.header("x-ratelimit-reset-requests")) <= 60
    streamed = gateway.chat("roomy", {**BODY, "stream": True}, key=gateway.user)
    assert int(streamed.header("x-ratelimit-remaining-requests")) < 1000


def test_a_stream_without_usage_is_counted_all_the_same(gateway, mock, fresh_minute):
    before = int(gateway.chat("roomy", BODY, key=gateway.user).header("x-ratelimit-remaining-tokens"))
    mock.script("chat/completions", {"events": [{"choices": [{"index": 0, "delta": {"content": "word " * 400}, "finish_reason": None}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"]})
    assert gateway.chat("roomy", {**BODY, "stream": True}, key=gateway.user).complete
    after = int(gateway.chat("roomy", BODY, key=gateway.user).header("x-ratelimit-remaining-tokens"))
    assert before - after > 300, "counted output settles the call"


def test_a_client_that_leaves_pays_for_what_came(gateway, mock, fresh_minute):
    from wire import request

    before = int(gateway.chat("roomy", BODY, key=gateway.user).header("x-ratelimit-remaining-tokens"))
    mock.script("chat/completions", {"parts": [{"event": {"choices": [{"index": 0, "delta": {"content": "word " * 2000 + ". "}, "finish_reason": None}]}}, {"fault": "stall"}]})
    data = json.dumps({**BODY, "stream": True}).encode()
    wire = gateway.wire()
    wire.send(request("POST", f"/openai/deployments/roomy/chat/completions?api-version={API}", data, [("api-key", gateway.user)]))
    answer = wire.head()
    wire.event(answer, wire.pieces(answer), b"word word")
    wire.close()
    mock.wait_for(lambda m: m.last().outcome == "client-gone", what="the call to end")
    end = time.monotonic() + 5
    while time.monotonic() < end:
        after = int(gateway.chat("roomy", BODY, key=gateway.user).header("x-ratelimit-remaining-tokens"))
        if before - after > 1500:
            return
        time.sleep(0.05)
    raise AssertionError(f"only {before - after} tokens were counted")


def test_a_call_that_the_upstream_worked_on_in_vain_is_paid_for(make_gateway, mock, fresh_minute):
    def change(tree):
        tree["upstreams"]["aoai"]["timeouts"] = {"firstByte": "1s", "idle": "1s", "total": "3s"}
        tree["deployments"]["m"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": {"tokensPerMinute": 100_000}}

    gateway = make_gateway(change)
    body = {"messages": [{"role": "user", "content": "x" * 4000}]}
    mock.script("chat/completions", {"fault": "stall"}, repeat=True)
    assert gateway.chat("m", body, key=gateway.user).status in (503, 504)
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("deployment") == "m")
    assert record["promptTokens"] >= 1000
    mock.clear()
    assert left(gateway.chat("m", {"messages": [{"role": "user", "content": "hi"}]}, key=gateway.user)) <= 99_000


def test_analyses_and_list_management_count_too(make_gateway, fresh_minute):
    """Calls that no upstream answers take their share of the same limits."""

    def change(tree):
        tree["limits"] = {"user:*": {"requestsPerMinute": 3}}

    gateway = make_gateway(change, start=False)
    gateway.start()
    analyse = ("POST", "/contentsafety/text:analyze?api-version=2024-09-01", {"text": "hi", "categories": []})
    personal = ("POST", "/language/:analyze-text?api-version=2023-04-01",
                {"kind": "PiiEntityRecognition", "analysisInput": {"documents": [{"id": "1", "text": "hi"}]}})  # fmt: skip
    manage = ("GET", "/contentsafety/text/blocklists?api-version=2024-09-01", b"")
    answers = [gateway.call(*call, key=gateway.operator) for call in (analyse, personal, manage)]
    assert [a.status for a in answers] == [200] * 3
    assert [a.header("x-ratelimit-remaining-requests") for a in answers] == ["2", "1", "0"]
    for call in (analyse, personal, manage):
        refused = gateway.call(*call, key=gateway.operator)
        assert refused.status == 429 and refused.error["code"] == "TooManyRequests"
        assert 1 <= int(refused.header("retry-after")) <= 60
    assert gateway.chat("off", BODY, key=gateway.operator).status == 429
    assert gateway.chat("off", BODY, key=gateway.user).status == 200


def left(answer):
    return int(answer.header("x-ratelimit-remaining-tokens"))


@pytest.fixture
def metered(make_gateway, fresh_minute):
    def change(tree):
        tree["deployments"]["m"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off"}
        tree["limits"] = {"user:*": {"tokensPerMinute": 100_000}}

    return make_gateway(change)


def test_asking_again_for_a_response_costs_nothing(metered, mock):
    made = metered.call("POST", "/openai/v1/responses", {"model": "m", "input": "hi"}, key=metered.user).json()
    seen = [metered.call("GET", f"/openai/v1/responses/{made['id']}", key=metered.user) for _ in range(3)]
    assert [a.status for a in seen] == [200] * 3 and made["usage"]["total_tokens"] > 0
    assert {left(a) for a in seen} == {100_000 - made["usage"]["total_tokens"]}
    record = metered.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("operation") == "Responses_Get")
    assert not record.get("promptTokens") and not record.get("completionTokens")


def test_a_response_in_the_background_is_counted_once_when_it_is_done(metered, mock):
    gateway = metered
    usage = {"input_tokens": 5000, "output_tokens": 7000, "total_tokens": 12_000}
    begun = {"id": "resp_bg", "object": "response", "status": "queued", "output": [], "usage": None}
    mock.script("/responses$", {"json": begun})
    made = gateway.call("POST", "/openai/v1/responses", {"model": "m", "input": "hi", "background": True}, key=gateway.user)
    assert made.status == 200
    mock.script("/responses/resp_bg", {"json": begun})
    waiting = left(gateway.call("GET", "/openai/v1/responses/resp_bg", key=gateway.user))
    mock.script("/responses/resp_bg", {"json": {**begun, "status": "completed", "usage": usage}}, repeat=True)
    for _ in range(3):
        assert gateway.call("GET", "/openai/v1/responses/resp_bg", key=gateway.user).status == 200
    assert waiting - left(gateway.call("GET", "/openai/v1/responses/resp_bg", key=gateway.user)) == 12_000


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_forgets_no_response_in_the_background(metered, mock, end):
    gateway = metered
    begun = {"id": f"resp_{end}", "object": "response", "status": "queued", "output": [], "usage": None}
    mock.script("/responses$", {"json": begun})
    assert gateway.call("POST", "/openai/v1/responses", {"model": "m", "input": "hi", "background": True}, key=gateway.user).status == 200
    if end == "kill":
        # Usage is written several times a second; what is younger may be lost with the process.
        time.sleep(1)
        gateway.kill()
    else:
        gateway.stop()
    gateway.start()
    usage = {"input_tokens": 500, "output_tokens": 700, "total_tokens": 1200}
    mock.script(f"/responses/resp_{end}", {"json": {**begun, "status": "completed", "usage": usage}}, repeat=True)
    for _ in range(3):
        assert gateway.call("GET", f"/openai/v1/responses/resp_{end}", key=gateway.user).status == 200
    counted = [r.get("completionTokens") or 0 for r in gateway.records(lambda r: r["type"] == "exchange.outcome" and r.get("operation") == "Responses_Get")]
    assert counted == [700, 0, 0]
    # And once more after another restart: it is done.
    gateway.stop()
    gateway.start()
    assert gateway.call("GET", f"/openai/v1/responses/resp_{end}", key=gateway.user).status == 200
    assert not gateway.records(lambda r: r["type"] == "exchange.outcome" and r.get("operation") == "Responses_Get")[-1].get("completionTokens")


def test_answers_without_a_stated_maximum_do_not_overshoot_together(make_gateway, mock, fresh_minute):
    """Each answer uses 400 tokens; a thousand are left for ten calls at once."""

    def change(tree):
        tree["server"]["unstatedAnswerTokens"] = 450
        tree["deployments"]["m"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": {"tokensPerMinute": 1000}}

    gateway = make_gateway(change)
    body = json.loads(json.dumps(fixture("chat/basic")["response"]["body"]))
    body["usage"] = {"prompt_tokens": 10, "completion_tokens": 400, "total_tokens": 410}
    mock.script("chat/completions", {"json": body, "wait_ms": 300}, repeat=True)
    statuses = statuses_at_once(10, lambda: gateway.chat("m", {"messages": [{"role": "user", "content": "hi"}]}, key=gateway.user))
    assert (statuses.count(200), statuses.count(429)) == (2, 8)
    assert len(mock.requests) == 2
