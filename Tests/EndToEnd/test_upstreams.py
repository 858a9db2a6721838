"""Other kinds of upstreams and ways to reach them: Azure AI services by path, Entra tokens, weights, probes, traces."""

import json
import time
from collections import Counter

import pytest

from gateway import MARKER, WORD
from mock_upstream import fixture
from wire import request

BODY = {"messages": [{"role": "user", "content": "hi"}]}
SEARCH = "/indexes/myindex/docs/search?api-version=2024-07-01"


@pytest.fixture
def search(make_gateway):
    """A gateway with an Azure AI Search service behind it, and a key that may select the marking policy."""

    def change(tree):
        upstream = tree["upstreams"]["aoai"]
        tree["upstreams"]["search"] = {"kind": "azure-ai", "endpoint": upstream["endpoint"], "apiKey": "${UPSTREAM_KEY}", "paths": ["/indexes"]}

    gateway = make_gateway(change)
    gateway.granted = gateway.key("granted", policies="Marked")["secret"]
    gateway.wait_for_key(gateway.granted)
    return gateway


def test_azure_ai_services_answer_behind_the_same_key(search, mock):
    example = fixture("examples/search/2024-07-01/SearchIndexSearchDocumentsPost")
    answer = search.call("POST", SEARCH, {"search": "pilot boat", "top": 3}, key=search.user)
    assert (answer.status, answer.json()) == (200, example["responses"]["200"]["body"])
    assert mock.last().header("ocp-apim-subscription-key") == "upstream-secret-key" and search.user.encode() not in mock.last().head
    assert mock.last().target == SEARCH
    record = search.wait_for_record(lambda r: r["id"] == answer.header("apim-request-id") and r["type"] == "exchange.outcome")
    assert record["upstream"] == "search" and record["status"] == 200


def test_azure_ai_services_need_a_key_and_stay_in_their_paths(search, mock):
    assert search.call("POST", SEARCH, {"search": "x"}, key=None).status == 401
    assert search.call("POST", SEARCH.replace("/indexes", "/datasources"), {"search": "x"}, key=search.user).status == 404
    assert search.call("POST", SEARCH.replace("/indexes", "/indexes/../datasources"), {"search": "x"}, key=search.user).status in (400, 404)
    assert search.call("POST", SEARCH.replace("/indexes", "/indexesother"), {"search": "x"}, key=search.user).status == 404
    assert not [r for r in mock.requests if "/docs/" in r.path]


def test_azure_ai_services_are_guarded_both_ways(search, mock):
    marked = [("x-policy-id", "Marked")]
    for body in ({"search": MARKER}, {"search": "x", "filter": f"name eq '{WORD}'"}, {"search": "x", "unknown": {"deep": [MARKER]}}, {MARKER: 1}):
        assert search.call("POST", SEARCH, body, key=search.granted, headers=marked).status == 400
    assert not [r for r in mock.requests if r.path.startswith("/indexes")]
    mock.script("/indexes", {"json": {"value": [{"@search.score": 1.0, "content": MARKER}]}})
    assert WORD.encode() not in search.call("POST", SEARCH, {"search": "x"}, key=search.granted, headers=marked).body


def test_azure_ai_services_answer_later_at_the_same_gateway(search, mock):
    later = "/indexes/rules/operations/7f3c?api-version=2024-07-01"
    for location, wanted in (
        (f"https://west-7.service.example{later}", f"http://gateway.test{later}"),
        ("https://west-7.service.example/datasources/x", None),
        ("https://west-7.service.example/indexes/../datasources", None),
        (f"https://west-7.service.example/indexes/{WORD}", None),
        ("nonsense", None),
    ):
        mock.script("/indexes", {"status": 202, "headers": {"Operation-Location": location, "Location": location}})
        answer = search.call("POST", SEARCH, {"search": "x"}, key=search.granted, headers=[("x-policy-id", "Marked")])
        assert (answer.status, answer.header("operation-location"), answer.header("location")) == (202, wanted, wanted), location


# Microsoft Entra ID


def token_answers(lifetime):
    """A token service: a new token at each call."""
    count = 0

    def answer(request):
        nonlocal count
        count += 1
        return {"json": {"token_type": "Bearer", "expires_in": lifetime, "access_token": f"token-{count}"}}

    return answer


@pytest.fixture
def entra(make_gateway, mock):
    def change(tree):
        upstream = tree["upstreams"]["aoai"]
        del upstream["apiKey"]
        upstream["entra"] = {"tenant": "tenant-id", "clientId": "client-id", "clientSecret": "${CLIENT_SECRET}", "authority": upstream["endpoint"]}

    def make(lifetime):
        mock.script("oauth2/v2.0/token", token_answers(lifetime), repeat=True)
        return make_gateway(change, environment={"CLIENT_SECRET": "the-client-secret"})

    return make


def test_entra_tokens_are_fetched_once_and_sent(entra, mock):
    gateway = entra(3600)
    for _ in range(5):
        assert gateway.chat("gpt-4o", BODY, key=gateway.user).status == 200
    tokens = [r for r in mock.requests if r.path.endswith("/token")]
    assert len(tokens) == 1
    form = tokens[0].body.decode()
    assert tokens[0].path == "/tenant-id/oauth2/v2.0/token" and "grant_type=client_credentials" in form and "client_id=client-id" in form
    chats = [r for r in mock.requests if r.path.endswith("completions")]
    assert {r.header("authorization") for r in chats} == {"Bearer token-1"} and {r.header("api-key") for r in chats} == {None}
    assert b"the-client-secret" not in b"".join(r.head + r.body for r in chats)


def test_entra_tokens_are_renewed_before_they_end(entra, mock):
    gateway = entra(2)
    seen, end = set(), time.monotonic() + 15
    while len(seen) < 3:
        assert time.monotonic() < end, seen
        assert gateway.chat("gpt-4o", BODY, key=gateway.user).status == 200
        seen.add(mock.last().header("authorization") or "")
        time.sleep(0.1)
    assert "the-client-secret" not in gateway.log()


def test_without_a_token_the_upstream_is_down(make_gateway, mock):
    def change(tree):
        upstream = tree["upstreams"]["aoai"]
        del upstream["apiKey"]
        upstream["entra"] = {"tenant": "t", "clientId": "c", "clientSecret": "s", "authority": upstream["endpoint"]}

    mock.script("oauth2/v2.0/token", {"status": 401, "json": {"error": "invalid_client", "error_description": "detail of the token service"}}, repeat=True)
    gateway = make_gateway(change)
    answer = gateway.chat("gpt-4o", BODY, key=gateway.user)
    assert answer.status in (502, 503) and b"detail of the token service" not in answer.body
    assert not [r for r in mock.requests if r.path.endswith("completions")], "a prompt left without a credential"


# Targets


def targets(*choices):
    def change(tree):
        tree["deployments"]["several"] = {"targets": [{"upstream": "aoai", **c} for c in choices], "policy": "Off"}

    return change


def test_targets_share_by_weight(make_gateway, mock):
    gateway = make_gateway(targets({"model": "heavy", "weight": 3}, {"model": "light", "weight": 1}, {"model": "out", "weight": 0}))
    body = json.dumps(BODY).encode()
    with gateway.wire() as wire:
        for _ in range(200):
            wire.send(request("POST", "/openai/deployments/several/chat/completions?api-version=2024-10-21", body, [("api-key", gateway.user)]))
            assert wire.answer().status == 200
    counts = Counter(r.path.split("/")[3] for r in mock.requests)
    assert counts["out"] == 0 and 110 <= counts["heavy"] <= 190 and counts["light"] == 200 - counts["heavy"]


def test_higher_priorities_are_left_alone_while_the_first_works(make_gateway, mock):
    gateway = make_gateway(targets({"model": "first", "priority": 0}, {"model": "second", "priority": 1}))
    for _ in range(10):
        gateway.chat("several", BODY, key=gateway.user)
    assert {r.path.split("/")[3] for r in mock.requests} == {"first"}


def test_429_of_one_target_falls_back_to_the_next(make_gateway, mock):
    gateway = make_gateway(targets({"model": "first", "priority": 0}, {"model": "second", "priority": 1}))
    mock.script("/first/", {"fixture": "errors/429"}, repeat=True)
    assert gateway.chat("several", BODY, key=gateway.user).status == 200
    assert mock.last().path.split("/")[3] == "second"


def test_health_probes_find_an_upstream_down_and_up_again(make_gateway, mock):
    def change(tree):
        tree["upstreams"]["aoai"]["health"] = {"path": "/openai/models?api-version=2024-10-21", "interval": "500ms"}

    mock.script("/openai/models$", {"fixture": "errors/503"}, repeat=True)
    gateway = make_gateway(change)
    mock.wait_for(lambda m: sum(r.path == "/openai/models" for r in m.requests) >= 3, what="probes")
    end = time.monotonic() + 5
    while (status := gateway.chat("gpt-4o", BODY, key=gateway.user).status) != 503:
        assert time.monotonic() < end, status
        time.sleep(0.1)
    mock.scripts.clear()
    end = time.monotonic() + 10
    while gateway.chat("gpt-4o", BODY, key=gateway.user).status != 200:
        assert time.monotonic() < end, "the upstream is well again and not used"
        time.sleep(0.1)


def test_too_many_requests_at_once_are_shed(make_gateway, mock):
    gateway = make_gateway(lambda tree: tree["server"].update(maximumConcurrentRequests=4))
    mock.script("chat/completions", {"gate": "on", "fixture": "chat/basic"}, repeat=True)
    body = json.dumps(BODY).encode()
    message = request("POST", "/openai/deployments/off/chat/completions?api-version=2024-10-21", body, [("api-key", gateway.user)])
    wires = [gateway.wire() for _ in range(4)]
    for wire in wires:
        wire.send(message)
    mock.wait_for(lambda m: len(m.requests) == 4, what="four calls under way")
    shed = gateway.chat("off", BODY, key=gateway.user)
    assert shed.status == 503 and int(shed.header("retry-after")) >= 1
    assert gateway.call("GET", "/healthz", key=None).status == 200
    mock.open("on")
    assert [wire.answer().status for wire in wires] == [200] * 4
    for wire in wires:
        wire.close()


def test_spans_are_exported_without_texts(make_gateway, mock):
    def change(tree):
        tree["tracing"] = {"endpoint": tree["upstreams"]["aoai"]["endpoint"] + "/v1/traces", "sampleRatio": 1.0}

    mock.script("/v1/traces$", {"json": {}}, repeat=True)
    gateway = make_gateway(change)
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    prompt = "puffins are not to be traced"
    gateway.chat("off", {"messages": [{"role": "user", "content": prompt}]}, key=gateway.user, headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    exported = mock.wait_for(lambda m: [r for r in m.requests if r.path == "/v1/traces" and r.complete], seconds=20, what="spans")
    whole = b"".join(r.head + r.body for r in exported)
    assert trace.encode() in whole or bytes.fromhex(trace) in whole
    assert b"puffins" not in whole and gateway.user.encode() not in whole
    # What the upstream is told as its parent is the span of the call to it.
    call = next(r for r in mock.requests if "chat/completions" in r.path)
    sent = call.header("traceparent").split("-")[2]
    spans = [span for r in exported for resource in r.json()["resourceSpans"] for scope in resource["scopeSpans"] for span in scope["spans"]]
    own = next(span for span in spans if span["spanId"] == sent)
    assert own["kind"] == 3 and own["traceId"] == trace
    assert own["parentSpanId"] in {span["spanId"] for span in spans if span["kind"] == 2}
