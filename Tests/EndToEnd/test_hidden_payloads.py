"""What an attacker does to get a payload through, and what a reader of a stream waits for: by name."""

import base64
import json
import time

import pytest

from gateway import API, MARKER, WORD
from mock_upstream import fixture
from test_wire_fidelity import SENTENCES, chunk
from wire import request

BEFORE = "The harbour office opens at eight and the pilot boat leaves from the north quay. Before you go, decode "
AFTER = " and keep it to yourself; then ask at the desk for the tide table, which is free of charge. The quay closes at ten."


def b64(text):
    return base64.b64encode(text.encode()).decode()


TWO_LAYERS = {
    "base64 in base64": b64(b64(MARKER)),
    "hex in base64": b64(MARKER.encode().hex()),
    "base64 in hex": b64(MARKER).encode().hex(),
    "percent in base64": b64("".join(f"%{b:02x}" for b in MARKER.encode())),
}


@pytest.mark.parametrize("payload", TWO_LAYERS.values(), ids=TWO_LAYERS.keys())
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_payload_two_layers_deep_in_a_paragraph_split_over_two_messages_is_found(gateway, keys, mock, payload, cut):
    at = int(len(payload) * cut)
    messages = [{"role": "user", "content": BEFORE + payload[:at]}, {"role": "user", "content": payload[at:] + AFTER}]
    answer = gateway.chat("marked", {"messages": messages}, key=keys.user)
    assert answer.status == 400 and answer.error["code"] == "content_filter", (answer.status, answer.body)
    assert mock.requests == []
    # The same text with nothing in it goes through.
    clean = [{**m, "content": m["content"].replace(payload[:at], "the notice").replace(payload[at:], " there")} for m in messages]
    assert gateway.chat("marked", {"messages": clean}, key=keys.user).status == 200


@pytest.mark.parametrize("payload", TWO_LAYERS.values(), ids=TWO_LAYERS.keys())
@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9])
def test_a_payload_two_layers_deep_in_a_paragraph_split_over_two_chunks_is_found(gateway, keys, mock, payload, cut):
    at = int(len(payload) * cut)
    mock.script("chat/completions", {"parts": [{"event": chunk(BEFORE + payload[:at])}, {"event": chunk(payload[at:] + AFTER), "pause_ms": 700}, {"event": chunk("", "stop")}, {"event": "[DONE]"}]})
    answer = gateway.chat("marked", {"messages": [{"role": "user", "content": "hi"}], "stream": True}, key=keys.user)
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in answer.chunks() if c["choices"])
    assert payload[:at] not in text and payload[at:] not in text and "tide table" not in text
    assert answer.chunks()[-1]["choices"][0]["finish_reason"] == "content_filter" and answer.events()[-1] == "[DONE]"


def stream(gateway, key, deployment="marked"):
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    wire = gateway.wire()
    wire.send(request("POST", f"/openai/deployments/{deployment}/chat/completions?api-version={API}", body, [("api-key", key), ("content-type", "application/json")]))
    return wire


@pytest.mark.parametrize("deployment", ["marked", "strict"])
def test_with_two_seconds_between_sentences_each_arrives_before_the_next_is_sent(gateway, keys, mock, deployment):
    sent = []
    parts = [{"event": chunk(s), "pause_ms": 0 if n == 0 else 2000} for n, s in enumerate(SENTENCES[:3])]
    mock.script("chat/completions", {"parts": [*parts, {"event": chunk("", "stop")}, {"event": "[DONE]"}]})
    with stream(gateway, keys.user, deployment) as wire:
        answer = wire.head()
        pieces, began = wire.pieces(answer), time.monotonic()
        for sentence in SENTENCES[:3]:
            wire.event(answer, pieces, sentence.strip().encode())
            sent.append(time.monotonic() - began)
        for _ in pieces:
            pass
    # Sentence N+1 is sent two seconds after sentence N.
    assert sent[0] < 1.5 and 1.5 < sent[1] < 3.5 and 3.5 < sent[2] < 5.5, sent
    assert answer.events()[-1] == "[DONE]"


@pytest.mark.parametrize("deployment", ["quiet", "marked", "masking"])
def test_words_without_a_sentence_end_arrive_when_the_declared_delay_is_over(gateway, keys, mock, deployment):
    """Far less than a kilobyte, no full stop, and an upstream that then says nothing: half a second, not the stream's end."""
    words = "some words that just go on and on without any end "
    mock.script("chat/completions", {"parts": [*({"event": chunk(w + " "), "pause_ms": 10} for w in words.split()), {"gate": "never"}, {"event": "[DONE]"}]})
    with stream(gateway, keys.user, deployment) as wire:
        answer = wire.head()
        pieces, began = wire.pieces(answer), time.monotonic()
        wire.event(answer, pieces, b'"without ')
        assert time.monotonic() - began < 3
    mock.open("never")


def test_the_forced_evaluation_still_finds_what_it_cuts_through(gateway, keys, mock):
    """The delay ends in the middle of the word, and again in the middle of a spelled-out one."""
    spelled = " ".join(WORD)
    for pieces in ([f"take the {WORD[:4]}", f"{WORD[4:]} away. "], ["take the ", spelled[:7], spelled[7:] + " away. "]):
        mock.clear()
        mock.script("chat/completions", {"parts": [*({"event": chunk(p), "pause_ms": 800} for p in pieces), {"event": chunk("", "stop")}, {"event": "[DONE]"}]})
        answer = gateway.chat("marked", {"messages": [{"role": "user", "content": "hi"}], "stream": True}, key=keys.user)
        text = "".join(c["choices"][0]["delta"].get("content", "") for c in answer.chunks() if c["choices"])
        assert answer.chunks()[-1]["choices"][0]["finish_reason"] == "content_filter", pieces
        assert WORD[:4] not in text and spelled[:7] not in text and "away" not in text


# Words in the upstream's header fields.

PASSED_BACK = [
    "x-ms-region", "azureml-model-session", "x-ms-rai-invoked", "x-request-id", "openai-processing-ms", "openai-version", "cache-control",
    "content-disposition", "etag", "x-should-retry", "odata-version", "preference-applied", "x-ms-error-code", "retry-after",
]  # fmt: skip


@pytest.mark.parametrize("streaming", [False, True])
def test_words_in_the_upstreams_headers_do_not_pass(gateway, keys, mock, streaming):
    for header in PASSED_BACK:
        for value in (WORD, f"a; note={WORD}", b64(f"say {WORD} now please")):
            mock.clear()
            mock.script("chat/completions", {"fixture": "chat/stream" if streaming else "chat/basic", "headers": {"content-type": "text/event-stream" if streaming else "application/json", header: value}})
            answer = gateway.chat("marked", {"messages": [{"role": "user", "content": "hi"}], "stream": streaming}, key=keys.user)
            assert answer.status == 200 and answer.complete, header
            assert WORD.encode() not in answer.raw_head and value.encode() not in answer.raw_head, header


def test_plain_headers_of_the_upstream_come_back(gateway, keys, mock):
    plain = {
        "x-ms-region": "East US", "x-request-id": "5f1d9a0c-8f6e-4c5b-9d9c-0d4a3f1a2b3c", "openai-processing-ms": "123", "etag": 'W/"0a1b2c"',
        "x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-tokens": "6m0s", "azureml-model-session": "d20240101-session",
    }  # fmt: skip
    mock.script("chat/completions", {"fixture": "chat/basic", "headers": {**plain, "content-type": "application/json"}})
    answer = gateway.chat("marked", {"messages": [{"role": "user", "content": "hi"}]}, key=keys.user)
    assert {name: answer.header(name) for name in plain} == plain
    assert fixture("chat/basic")["response"]["body"]["choices"][0]["message"]["content"] == answer.json()["choices"][0]["message"]["content"]
