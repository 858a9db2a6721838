"""Spend budgets and limits of teams, users and keys; and what a caller is told when there is nothing left."""

import time

import pytest

from gateway import API

# The recorded answer counts 24 prompt and 18 completion tokens.
BODY = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 18}
USED = {"prompt_tokens": 24, "completion_tokens": 18}


def usage(answer):
    return {k: answer.json()["usage"][k] for k in USED}


@pytest.fixture
def fresh_minute():
    left = 60 - time.time() % 60
    if left < 12:
        time.sleep(left + 0.1)


def priced(limits, prompt=10.0, completion=100.0):
    def change(tree):
        tree["deployments"]["priced"] = {
            "upstream": "aoai", "model": "gpt-4o", "policy": "Off", "price": {"promptPer1K": prompt, "completionPer1K": completion}, "limits": limits,
        }  # fmt: skip

    return change


def until_refused(gateway, deployment, key, most=30):
    answers = []
    while len(answers) < most:
        answers.append(gateway.chat(deployment, BODY, key=key))
        if answers[-1].status != 200:
            return answers
    raise AssertionError("never refused")


@pytest.mark.parametrize("window,longest", [("costPerDay", 86_400), ("costPerMonth", 31 * 86_400)])
def test_a_budget_is_spent_and_then_nothing_goes_on(make_gateway, mock, window, longest):
    """Each call costs 24 × 0.01 + 18 × 0.1 = 2.04: of a budget of 10 four are paid, and the reserve of a fifth does not fit."""
    gateway = make_gateway(priced({window: 10.0}))
    answers = until_refused(gateway, "priced", gateway.user)
    assert all(usage(a) == USED for a in answers[:-1])
    assert len(answers) - 1 in (4, 5) and len(mock.requests) == len(answers) - 1
    refused = answers[-1]
    assert refused.status == 429
    error = refused.error
    assert (error["code"], error["type"], error["param"]) == ("insufficient_quota", "insufficient_quota", None)
    assert "spend budget" in error["message"] and "Please retry after" in error["message"] and window in error["message"]
    assert 1 <= int(refused.header("retry-after")) <= longest
    assert int(refused.header("retry-after-ms")) == 1000 * int(refused.header("retry-after"))
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 429)
    assert record["error"] == "insufficient_quota" and record["deployment"] == "priced" and record["verdict"] == "refused"
    # Another deployment has its own purse.
    assert gateway.chat("off", BODY, key=gateway.user).status == 200
    gateway.stop()
    gateway.start()
    assert gateway.chat("priced", BODY, key=gateway.user).status == 429, "a restart brings no money"


def test_prices_count_what_was_used_not_what_was_asked_for(make_gateway, mock):
    """A thousand tokens asked for and eighteen made: the difference is given back."""
    gateway = make_gateway(priced({"costPerDay": 150.0}))
    big = {**BODY, "max_tokens": 1000}
    assert [gateway.chat("priced", big, key=gateway.user).status for _ in range(10)] == [200] * 10


def test_a_refused_prompt_costs_nothing(make_gateway, mock):
    gateway = make_gateway(priced({"costPerDay": 10.0}))
    for _ in range(20):
        assert gateway.chat("priced", b'{"messages":"no"}', key=gateway.user).status == 400
    assert gateway.chat("priced", BODY, key=gateway.user).status == 200


def test_a_team_shares_its_limits_whatever_keys_it_uses(make_gateway, mock, fresh_minute):
    def change(tree):
        tree["limits"] = {"team:blue": {"requestsPerMinute": 3}, "team:*": {"requestsPerMinute": 5}}

    gateway = make_gateway(change, start=False)
    keys = {name: gateway.key(name, team=team)["secret"] for name, team in [("b1", "blue"), ("b2", "blue"), ("g1", "green"), ("g2", "green")]}
    gateway.start()
    statuses = [gateway.chat("off", BODY, key=keys[k]).status for k in ("b1", "b2", "b1", "b2", "b1")]
    assert statuses == [200, 200, 200, 429, 429]
    statuses = [gateway.chat("off", BODY, key=keys[k]).status for k in ("g1", "g2", "g1", "g2", "g1", "g2")]
    assert statuses == [200] * 5 + [429], "every other team has what `team:*` says"
    assert gateway.chat("off", BODY, key=gateway.user).status == 200, "who has no team has no team's limit"
    assert len(mock.requests) == 9


def test_a_teams_budget_counts_over_deployments(make_gateway, mock):
    def change(tree):
        priced({})(tree)
        tree["deployments"]["priced"].pop("limits")
        tree["deployments"]["second"] = {**tree["deployments"]["priced"]}
        tree["limits"] = {"team:blue": {"costPerDay": 10.0}}

    gateway = make_gateway(change, start=False)
    blue, green = gateway.key("b", team="blue")["secret"], gateway.key("g", team="green")["secret"]
    gateway.start()
    statuses = [gateway.chat(("priced", "second")[n % 2], BODY, key=blue).status for n in range(8)]
    assert statuses.count(200) in (4, 5) and statuses[-1] == 429
    assert gateway.chat("priced", BODY, key=green).status == 200


def test_the_tightest_of_several_limits_counts_and_is_told(make_gateway, mock, fresh_minute):
    def change(tree):
        tree["deployments"]["both"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": {"requestsPerMinute": 50, "tokensPerMinute": 100_000}}
        tree["limits"] = {"user:*": {"requestsPerMinute": 2}}

    # Blocklists that are filled at the start count too.
    gateway = make_gateway(change, start=False).start()
    answers = [gateway.chat("both", BODY, key=gateway.user) for _ in range(3)]
    assert [a.status for a in answers] == [200, 200, 429]
    assert [a.header("x-ratelimit-limit-requests") for a in answers[:2]] == ["2", "2"]
    assert [a.header("x-ratelimit-remaining-requests") for a in answers[:2]] == ["1", "0"]
    assert answers[0].header("x-ratelimit-limit-tokens") == "100000"


# What 429 looks like, in each API's words.

CALLS = {
    "classic": ("POST", f"/openai/deployments/limited/chat/completions?api-version={API}", BODY),
    "classic stream": ("POST", f"/openai/deployments/limited/chat/completions?api-version={API}", {**BODY, "stream": True}),
    "v1": ("POST", "/openai/v1/chat/completions", {**BODY, "model": "limited"}),
    "responses": ("POST", "/openai/v1/responses", {"model": "limited", "input": "hi"}),
    "embeddings": ("POST", f"/openai/deployments/limited/embeddings?api-version={API}", {"input": "hi"}),
}


@pytest.fixture(scope="module")
def limited(upstream, tmp_path_factory):
    from gateway import Gateway

    def change(tree):
        tree["deployments"]["limited"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off", "limits": {"requestsPerMinute": 0}}
        tree["limits"] = {"user:safety": {"requestsPerMinute": 0}}

    gateway = Gateway(tmp_path_factory.mktemp("refusing"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.safety = gateway.key("safety", principal="safety", roles="model-user,safety-operator")["secret"]
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_429_has_azures_body_and_headers(limited, mock, call):
    answer = limited.call(*call, key=limited.user)
    assert answer.status == 429 and mock.requests == []
    assert answer.header("content-type") == "application/json"
    error = answer.error
    assert set(error) == {"message", "type", "param", "code"} and (error["code"], error["type"], error["param"]) == ("429", None, None)
    assert "call rate limit" in error["message"] and f"retry after {answer.header('retry-after')} seconds" in error["message"]
    assert 1 <= int(answer.header("retry-after")) <= 60 and answer.header("retry-after-ms") == answer.header("retry-after") + "000"
    assert answer.header("apim-request-id") and answer.header("x-request-id")
    record = limited.wait_for_record(lambda r: r["id"] == answer.header("apim-request-id") and r["type"] == "exchange.outcome")
    assert record["status"] == 429 and record["error"] == "429"


@pytest.mark.parametrize(
    "call",
    [
        ("POST", "/contentsafety/text:analyze?api-version=2024-09-01", {"text": "hi", "categories": []}),
        ("POST", "/language/:analyze-text?api-version=2023-04-01", {"kind": "PiiEntityRecognition", "analysisInput": {"documents": [{"id": "1", "text": "hi"}]}}),
    ],
    ids=["content safety", "language"],
)
def test_429_of_analyses_has_their_services_body(limited, mock, call):
    answer = limited.call(*call, key=limited.safety)
    assert answer.status == 429 and answer.error["code"] == "TooManyRequests" and answer.header("x-ms-error-code") == "TooManyRequests"
    assert 1 <= int(answer.header("retry-after")) <= 60
