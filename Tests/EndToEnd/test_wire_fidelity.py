"""What no policy changes travels byte for byte, both ways, as it arrives; of headers only the documented ones."""

import base64
import gzip
import json
import pathlib
import random
import re

import pytest
import yaml

from gateway import API
from mock_upstream import FIXTURES, compact, fixture, sse
from wire import request

# Guards off, and guards on where nothing fires: both leave every byte alone.
UNTOUCHED = ["off", "quiet"]

ODD_BODIES = {
    "number spellings": b'{"messages":[{"role":"user","content":"hi"}],"temperature":1.0,"top_p":1e0,"x":[1E+2,-0,-0.0,0.10,1.000000000000000000001,123456789012345678901234567890]}',
    "escapes": rb'{"messages":[{"role":"user","content":"a\u0062\/\"\\\b\f\n\r\t\u00e9 \ud83d\ude00 caf\u0065"}],"us\u0065r":"x"}',
    "white space": b' \r\n\t{ "messages" :\r\n [ { "role" : "user" ,\t"content" : "hi" } ] , "x" : { } , "y" : [ ] }\n\n',
    "order and unknown fields": b'{"zeta":{"b":1,"a":[true,false,null]},"n":1,"messages":[{"content":"hi","x-y":{"deep":[[[["text"]]]]},"role":"user"}],"alpha":""}',
    "text in many scripts": '{"messages":[{"role":"user","content":"Żółć, 港口, порт, ميناء, 🚢\u2028 end"}]}'.encode(),
    "model that needs no change": b'{"model" : "gpt-4o","messages":[{"role":"user","content":"hi"}]}',
    "deep but allowed": b'{"messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 40 + b"]" * 40 + b"}",
    "long text": b'{"messages":[{"role":"user","content":"' + b"The harbour office opens at eight. " * 12_000 + b'"}]}',
}


@pytest.mark.parametrize("deployment", UNTOUCHED)
@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES.keys())
def test_requests_arrive_byte_for_byte(gateway, keys, mock, deployment, body):
    answer = gateway.chat(deployment, body, key=keys.user)
    assert answer.status == 200, answer.body
    assert mock.last().body == body


@pytest.mark.parametrize("deployment", UNTOUCHED)
def test_random_valid_json_arrives_byte_for_byte(gateway, keys, mock, deployment):
    chance = random.Random(20261124)
    for _ in range(60):
        body = odd_json(chance)
        answer = gateway.chat(deployment, body, key=keys.user)
        assert answer.status == 200, (body, answer.body)
        assert mock.last().body == body


def odd_json(chance):
    """A chat request with odd but valid JSON around its messages."""

    def space():
        return chance.choice(["", "", "", " ", "\n", "\t ", "\r\n"])

    def text():
        pieces = ["harbour", "\\n", "\\u0041", "\\ud83d\\udea2", "żółć", "\\/", "\\\\", "'", "船", " ", "\\t", "\\u00e9"]
        return '"' + "".join(chance.choice(pieces) for _ in range(chance.randrange(6))) + '"'

    def number():
        return chance.choice(["0", "-0", "1.0", "1e5", "1E-05", "-12.50", "3.14159265358979323846", "100000000000000000000", "0.0"])

    def value(depth):
        kind = chance.randrange(7 if depth < 5 else 5)
        if kind < 5:
            return [text, number, lambda: "true", lambda: "false", lambda: "null"][kind]()
        if kind == 5:
            return "[" + space() + (space() + "," + space()).join(value(depth + 1) for _ in range(chance.randrange(4))) + space() + "]"
        return members([(f"k{i}", value(depth + 1)) for i in range(chance.randrange(4))])

    def members(pairs):
        return "{" + space() + (space() + "," + space()).join(f'"{k}"{space()}:{space()}{v}' for k, v in pairs) + space() + "}"

    pairs = [(f"x_{i}", value(0)) for i in range(chance.randrange(5))]
    pairs.append(("messages", "[" + members([("role", '"user"'), ("content", text()), ("x", value(2))]) + "]"))
    chance.shuffle(pairs)
    return (space() + members(pairs) + space()).encode()


def test_only_the_models_value_changes_when_it_must(gateway, keys, mock):
    body = b'{ "x":1.0, "model" : "some\\u0020other" , "messages":[{"role":"user","content":"hi"}],"model_x":"model"}'
    assert gateway.chat("renamed", body, key=keys.user).status == 200
    assert mock.last().body == body.replace(b'"some\\u0020other"', b'"gpt-4o-upstream-name"')
    v1 = b'{"messages":[{"role":"user","content":"hi"}],"model":"renamed","x":1.0}'
    assert gateway.call("POST", "/openai/v1/chat/completions", v1, key=keys.user).status == 200
    assert mock.last().body == v1.replace(b'"renamed"', b'"gpt-4o-upstream-name"')


def test_only_the_masked_text_changes_when_a_guard_fires(gateway, keys, mock):
    head, tail = b'{"x":1.00,"messages":[{"role":"user","content":"caf\\u00e9 ', b' and \\u2014 so on"},{"role":"user","content":"1.0"}], "y":[ 1e3 ]}'
    assert gateway.chat("quiet", head + b"4111 1111 1111 1111" + tail, key=keys.user).status == 200
    sent = mock.last().body
    assert sent.startswith(head) and sent.endswith(tail)
    middle = sent[len(head) : len(sent) - len(tail)]
    assert b"4111" not in middle and b'"' not in middle and middle


ANSWERS = {
    "number spellings": b'{"id":"chatcmpl-1","object":"chat.completion","created":1.0,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":1e0,"completion_tokens":1,"total_tokens":2.0},"x":-0.0}',
    "escapes and space": b'\n{ "choices" : [ {"message":{"content":"caf\\u00e9 \\ud83d\\ude00\\/","role":"assistant"},"finish_reason":"stop","index":0} ] ,\t"x-unknown":{"a":[1.10]} }\r\n',
    "unknown shape": b'{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi","new_field":{"deep":["text",null]}}}],"another":"text"}',
    "null content": b'{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":null}}]}',
}


@pytest.mark.parametrize("deployment", UNTOUCHED)
@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
def test_answers_come_back_byte_for_byte(gateway, keys, mock, deployment, body):
    mock.script("chat/completions", {"bytes": base64.b64encode(body).decode(), "headers": {"content-type": "application/json"}})
    answer = gateway.chat(deployment, {"messages": [{"role": "user", "content": "hi"}]}, key=keys.user)
    assert (answer.status, answer.body) == (200, body)


STREAMS = {
    "as the service sends it": b"".join(sse(e) for e in fixture("chat/stream_usage")["events"]),
    "crlf and comments": b": keep-alive\r\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello there. \"}}]}\r\n\r\n"
    b": again\r\n\r\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Bye.\"},\"finish_reason\":null}]}\r\n\r\n"
    b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
    "odd json": b'data: { "choices" : [ {"index":0,"delta":{"content":"caf\\u00e9. "},"x":1.0} ] }\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"total_tokens":1e1}}\n\ndata: [DONE]\n\n',
    "ids, names and retries": b'id: 7\nretry: 1000\nevent: message\ndata: {"choices":[{"index":0,"delta":{"content":"One. "}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
}


@pytest.mark.parametrize("deployment", UNTOUCHED)
@pytest.mark.parametrize("pieces", [None, 1, 7, 1000])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
def test_streams_come_back_byte_for_byte(gateway, keys, mock, deployment, stream, pieces):
    script = {"parts": [{"bytes": base64.b64encode(stream).decode()}]}
    if pieces:
        script["split"] = pieces
    mock.script("chat/completions", script)
    answer = gateway.chat(deployment, {"messages": [{"role": "user", "content": "hi"}], "stream": True}, key=keys.user)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body == stream


@pytest.mark.parametrize("deployment", UNTOUCHED)
def test_response_streams_come_back_byte_for_byte(gateway, keys, mock, deployment):
    for name in ("responses/stream", "responses/stream_function_call"):
        found = fixture(name)
        answer = gateway.call("POST", "/openai/v1/responses", {**found["request"], "model": deployment}, key=keys.user)
        assert answer.body == b"".join(sse(e, with_names=True) for e in found["events"])


def test_compressed_answers_are_read_and_guarded(gateway, keys, mock):
    for deployment in UNTOUCHED:
        mock.script("chat/completions", {"fixture": "chat/basic", "gzip": True})
        answer = gateway.chat(deployment, {"messages": [{"role": "user", "content": "hi"}]}, key=keys.user, headers=[("accept-encoding", "gzip")])
        body = gzip.decompress(answer.body) if answer.header("content-encoding") == "gzip" else answer.body
        expected = compact(fixture("chat/basic")["response"]["body"])
        # An upstream that compresses unasked may be refused, never passed on unread.
        assert body == expected or answer.status == 502, (answer.status, body[:200])


# SSE as it arrives


SENTENCES = ["The office opens at eight. ", "Ships need a pilot. ", "The boat leaves at five. ", "Be on time. "]


def chunk(text, finish=None):
    return {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


@pytest.mark.parametrize("deployment", ["off", "quiet", "marked", "masking", "strict"])
def test_each_sentence_arrives_before_the_next_is_sent(gateway, keys, mock, deployment):
    """The upstream pauses, and does not send sentence N+1 before the client has sentence N."""
    parts = [{"event": chunk(s), "gate": f"sentence{n}", "pause_ms": 1000 if n == 1 else 20} for n, s in enumerate(SENTENCES)]
    parts += [{"gate": "end", "event": chunk("", "stop")}, {"event": "[DONE]"}]
    mock.script("chat/completions", {"parts": parts})
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    with gateway.wire() as wire:
        wire.send(request("POST", f"/openai/deployments/{deployment}/chat/completions?api-version={API}", body, [("api-key", keys.user), ("content-type", "application/json")]))
        mock.open("sentence0")
        answer = wire.head()
        pieces = wire.pieces(answer)
        for n, sentence in enumerate(SENTENCES):
            wire.event(answer, pieces, sentence.strip().encode())
            mock.open(f"sentence{n + 1}")
        mock.open("end")
        for _ in pieces:
            pass
    assert answer.complete and answer.events()[-1] == "[DONE]"
    assert answer.text() == "".join(SENTENCES)


@pytest.mark.parametrize("deployment", ["off", "quiet", "marked"])
def test_response_sentences_arrive_before_the_next_is_sent(gateway, keys, mock, deployment):
    events = fixture("responses/stream")["events"]
    parts, gated = [], 0
    for event in events:
        if event["type"] == "response.output_text.delta":
            event = {**event, "delta": SENTENCES[gated % len(SENTENCES)]}
            parts.append({"event": event, "gate": f"delta{gated}"})
            gated += 1
        else:
            text = "".join(SENTENCES[n % len(SENTENCES)] for n in range(5))
            parts.append({"event": json.loads(json.dumps(event).replace("The pilot boat leaves from the north quay. Be there by five.", text))})
    mock.script("/responses$", {"parts": parts, "event_names": True})
    body = json.dumps({"model": deployment, "input": "hi", "stream": True}).encode()
    with gateway.wire() as wire:
        wire.send(request("POST", "/openai/v1/responses", body, [("api-key", keys.user), ("content-type", "application/json")]))
        mock.open("delta0")
        answer = wire.head()
        pieces = wire.pieces(answer)
        for n in range(gated):
            while len(re.findall(rb'"type":"response.output_text.delta"', answer.body)) <= n:
                next(pieces)
            mock.open(f"delta{n + 1}")
        for _ in pieces:
            pass
    assert answer.complete


def test_first_bytes_do_not_wait_for_text(gateway, keys, mock):
    """The head and the prompt's verdict reach the client while the model still thinks."""
    mock.script("chat/completions", {"parts": [{"event": fixture("chat/stream")["events"][0]}, {"gate": "thinking", "event": chunk("Done. ", "stop")}, {"event": "[DONE]"}]})
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    with gateway.wire() as wire:
        wire.send(request("POST", f"/openai/deployments/marked/chat/completions?api-version={API}", body, [("api-key", keys.user)]))
        answer = wire.head()
        pieces = wire.pieces(answer)
        wire.event(answer, pieces, b"prompt_filter_results")
        mock.open("thinking")
        for _ in pieces:
            pass
    assert answer.events()[-1] == "[DONE]"


# Headers


LEAKING = [
    ("authorization", "Bearer callers-token"), ("cookie", "session=callers-cookie"), ("x-forwarded-for", "203.0.113.9"), ("x-forwarded-host", "inside.example"),
    ("x-forwarded-proto", "https"), ("forwarded", "for=203.0.113.9"), ("x-real-ip", "203.0.113.9"), ("ocp-apim-subscription-key", "callers-other-key"),
    ("proxy-authorization", "Basic Y2FsbGVy"), ("te", "trailers"), ("upgrade", "websocket"), ("x-ms-user", "ann@harbour.example"),
    ("x-ms-client-principal", "ann"), ("x-internal-secret", "internal-value"), ("referer", "https://inside.example/page"), ("origin", "https://inside.example"),
    ("openai-organization", "callers-organisation"), ("openai-project", "callers-project"), ("x-policy-id", "Off"),
]  # fmt: skip


def test_only_listed_headers_go_upstream(gateway, keys, mock):
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    for name, value in LEAKING:
        if name == "x-policy-id":
            value = "Marked"  # its own policy: allowed, and still not forwarded
        headers = [("content-type", "application/json"), ("api-key", keys.user)]
        # A second credential beside the key must agree with it or be refused; either way it does not travel.
        answer = gateway.call("POST", f"/openai/deployments/marked/chat/completions?api-version={API}", body, key=None, headers=[*headers, (name, value)])
        for seen in mock.requests:
            assert value.encode() not in seen.head, (name, seen.head)
            assert seen.header(name) is None or name in ("authorization",), (name, answer.status)
            assert keys.user.encode() not in seen.head
        mock.clear()


def test_hop_by_hop_headers_named_by_connection_stay_here(gateway, keys, mock):
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}]}).encode()
    headers = [("api-key", keys.user), ("content-type", "application/json"), ("connection", "keep-alive, x-hop"), ("x-hop", "hop-value"), ("keep-alive", "timeout=5")]
    with gateway.wire() as wire:
        wire.send(request("POST", f"/openai/deployments/off/chat/completions?api-version={API}", body, headers))
        assert wire.answer().status == 200
    assert b"hop-value" not in mock.last().head and mock.last().header("keep-alive") is None


def test_trace_context_is_honoured_and_passed_on(gateway, keys, mock):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    answer = gateway.chat("off", {"messages": [{"role": "user", "content": "hi"}]}, key=keys.user, headers=[("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    assert answer.status == 200
    assert mock.last().header("traceparent").split("-")[1] == trace


def test_upstreams_private_headers_do_not_come_back(gateway, keys, mock):
    for body in ({"messages": [{"role": "user", "content": "hi"}]}, {"messages": [{"role": "user", "content": "hi"}], "stream": True}):
        answer = gateway.chat("off", body, key=keys.user)
        names = [n for n, _ in answer.headers]
        for hidden in ("set-cookie", "openai-organization", "x-upstream-internal", "server"):
            assert hidden not in names, names
        assert answer.header("apim-request-id")


# The official examples, sent as they stand


def example_requests():
    for path in sorted((FIXTURES / "examples/azure-openai-inference").rglob("*.*")):
        document = yaml.safe_load(path.read_text())
        body = document["parameters"].get("body")
        # `azure_search` is answered by the gateway itself: test_data_sources has those.
        if body is not None and "azure_search" not in path.stem:
            yield pytest.param(path, document, id=path.stem)


OPERATIONS = {"completions": "completions", "embeddings": "embeddings", "image_generation": "images/generations"}


@pytest.mark.parametrize(("path", "document"), example_requests())
def test_official_inference_examples_round_trip(gateway, keys, mock, path: pathlib.Path, document):
    operation = OPERATIONS.get(path.stem, "chat/completions")
    body = json.dumps(document["parameters"]["body"], indent=2).encode()
    wanted = json.dumps(document["responses"]["200"]["body"], indent=1).encode()
    mock.script(operation, {"bytes": base64.b64encode(wanted).decode(), "headers": {"content-type": "application/json"}})
    answer = gateway.call("POST", f"/openai/deployments/off/{operation}?api-version={document['parameters']['api-version']}", body, key=keys.user)
    assert (answer.status, answer.body) == (200, wanted)
    assert mock.last().body == body


def test_official_authoring_examples_round_trip(gateway, keys, mock):
    version = "2024-10-21"
    names = {n: fixture(f"examples/azure-openai-authoring/{version}/{n}") for n in ("upload_file", "post_batch", "post_finetuning_job")}

    upload = names["upload_file"]["responses"]["201"]
    mock.script("/files$", {"status": 201, "json": upload["body"], "headers": upload["headers"]})
    boundary = "harbour"
    row = '{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}'
    form = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="puppy.jsonl"\r\nContent-Type: application/octet-stream\r\n\r\n{row}\r\n--{boundary}--\r\n'
    ).encode()
    answer = gateway.call("POST", f"/openai/files?api-version={version}", form, key=keys.user, headers=[("content-type", f"multipart/form-data; boundary={boundary}")])
    assert (answer.status, answer.json()) == (201, upload["body"])
    assert mock.last().body == form

    # The batch example's own input file must be the caller's before a batch may name it.
    batch = names["post_batch"]
    file = {**upload["body"], "id": batch["parameters"]["batchCreateRequest"]["input_file_id"]}
    for example, member, target in (("post_batch", "batchCreateRequest", "batches"), ("post_finetuning_job", "fineTuningJob", "fine_tuning/jobs")):
        asked = names[example]["parameters"][member]
        file["id"] = asked.get("input_file_id") or asked["training_file"]
        mock.script("/files$", {"status": 201, "json": file})
        gateway.call("POST", f"/openai/files?api-version={version}", form, key=keys.user, headers=[("content-type", f"multipart/form-data; boundary={boundary}")])
        status, wanted = next(iter(names[example]["responses"].items()))
        mock.script(f"/{target}$", {"status": int(status), "json": wanted["body"]})
        answer = gateway.call("POST", f"/openai/{target}?api-version={version}", json.dumps(asked).encode(), key=keys.user)
        assert (answer.status, answer.json()) == (int(status), wanted["body"])
        assert json.loads(mock.last().body) == asked


def test_official_model_example_comes_back(gateway, keys, mock):
    wanted = fixture("examples/azure-openai-authoring/2024-10-21/get_model_base")["responses"]["200"]["body"]
    mock.script("/models/curie$", {"json": wanted})
    answer = gateway.call("GET", "/openai/models/curie?api-version=2024-10-21", key=keys.user)
    assert (answer.status, answer.json()) == (200, wanted)
