"""What the upstream hands out belongs to who made it: in paths, in bodies, in lists, and as soon as its id is known."""

import json
import time
import urllib.parse

from openai import OpenAI

from mock_upstream import fixture
from test_guards import Line, form
from wire import request

ROWS = form(("purpose", "fine-tune"), ("file", "a.jsonl", "application/jsonl", b'{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n'))


def upload(line):
    made = line.ask("POST", "/openai/v1/files", ROWS, "multipart/form-data; boundary=b")
    assert made.status in (200, 201), made.body
    return made.json()["id"]


def test_a_tuned_model_is_its_makers(gateway, keys, mock):
    mine, theirs = Line(gateway, keys.user), Line(gateway, keys.other)
    job = mine.ask("POST", "/openai/v1/fine_tuning/jobs", {"model": "gpt-4o", "training_file": upload(mine)}).json()["id"]
    name = "ft:gpt-4o:harbour::mine"
    mock.script("fine_tuning/jobs/", {"json": {"id": job, "object": "fine_tuning.job", "status": "succeeded", "fine_tuned_model": name}})
    assert mine.ask("GET", f"/openai/v1/fine_tuning/jobs/{job}", b"").status == 200
    seen = len(mock.requests)
    stolen = theirs.ask("POST", "/openai/v1/fine_tuning/jobs", {"model": name, "training_file": upload(theirs)})
    assert stolen.status == 404 and [r.path for r in mock.requests[seen:] if "fine_tuning" in r.path] == []
    assert theirs.ask("GET", f"/openai/models/{name}?api-version=2024-10-21", b"").status == 404
    assert [r.path for r in mock.requests if "models" in r.path] == []
    assert mine.ask("POST", "/openai/v1/fine_tuning/jobs", {"model": name, "training_file": upload(mine)}).status in (200, 201)


def test_a_list_goes_on_behind_what_others_made(gateway, keys, mock):
    """Twelve pages of others' files, with one of ours on the third and one on the last."""
    mine = Line(gateway, keys.user)
    first, second = upload(mine), upload(mine)

    def page(asked):
        query = urllib.parse.parse_qs(asked.query)
        number = int(query["after"][0].removeprefix("file-z").split("-")[0]) + 1 if "after" in query else 0
        data = [{"id": f"file-z{number}-{n}", "object": "file"} for n in range(2)]
        if number in (2, 11):
            data.insert(0, {"id": first if number == 2 else second, "object": "file", "filename": "ours"})
        return {"json": {"object": "list", "data": data, "first_id": data[0]["id"], "last_id": data[-1]["id"], "has_more": number < 11}}

    mock.script("/files$", page, repeat=True)
    with OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=keys.user, max_retries=0) as client:
        assert [found.id for found in client.files.list()] == [first, second]
    answer = mine.ask("GET", "/openai/v1/files?limit=1", b"")
    assert [found["id"] for found in answer.json()["data"]] == [first] and b"file-z" not in answer.body
    assert answer.json()["has_more"] is True and answer.json()["last_id"] == first
    with OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=keys.other, max_retries=0) as client:
        assert list(client.files.list()) == []


def test_what_jobs_in_a_list_have_made_can_be_fetched(gateway, keys, mock):
    mine, theirs = Line(gateway, keys.user), Line(gateway, keys.other)
    batch = mine.ask("POST", "/openai/v1/batches", {"input_file_id": upload(mine), "endpoint": "/v1/chat/completions", "completion_window": "24h"}).json()["id"]
    made = "file-listed9"
    mock.script("/batches$", {"json": {"object": "list", "data": [{"id": batch, "object": "batch", "output_file_id": made}], "has_more": False}})
    assert made in mine.ask("GET", "/openai/v1/batches", b"").body.decode()
    mock.script(f"/files/{made}", {"json": {"id": made, "object": "file"}}, repeat=True)
    assert mine.ask("GET", f"/openai/v1/files/{made}", b"").status == 200
    assert theirs.ask("GET", f"/openai/v1/files/{made}", b"").status == 404


def test_a_streamed_response_is_its_callers_before_it_is_done(gateway, keys, mock):
    """Who loses the connection asks for it later."""
    created = {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_left", "object": "response", "status": "in_progress", "output": []}}
    mock.script("/responses$", {"parts": [{"event": created}, {"fault": "stall"}]})
    wire = gateway.wire()
    body = json.dumps({"model": "gpt-4o", "input": "hi", "stream": True, "background": True}).encode()
    wire.send(request("POST", "/openai/v1/responses", body, [("api-key", keys.user), ("content-type", "application/json")]))
    assert wire.head().status == 200
    while b"resp_left" not in wire.buffer:
        wire.buffer += wire.socket.recv(4096)
    wire.close()
    mock.script("/responses/resp_left", {"json": {"id": "resp_left", "object": "response", "status": "completed", "output": []}}, repeat=True)
    end = time.monotonic() + 10
    while gateway.call("GET", "/openai/v1/responses/resp_left", key=keys.user).status != 200:
        assert time.monotonic() < end, "the response is nobody's"
        time.sleep(0.05)
    assert gateway.call("GET", "/openai/v1/responses/resp_left", key=keys.other).status == 404


def test_containers_are_their_makers(gateway, keys, mock):
    mine, theirs = Line(gateway, keys.user), Line(gateway, keys.other)
    body = json.loads(json.dumps(fixture("responses/basic")["response"]["body"]))
    body["output"].insert(0, {"type": "code_interpreter_call", "id": "ci", "status": "completed", "code": "1", "container_id": "cntr_mine", "outputs": None})
    mock.script("/responses$", {"json": body})
    tools = [{"type": "code_interpreter", "container": {"type": "auto"}}]
    assert mine.ask("POST", "/openai/v1/responses", {"model": "marked", "input": "hi", "tools": tools}).status == 200
    again = {"model": "marked", "input": "hi", "tools": [{"type": "code_interpreter", "container": "cntr_mine"}]}
    seen = len(mock.requests)
    assert theirs.ask("POST", "/openai/v1/responses", again).status == 404 and len(mock.requests) == seen
    assert mine.ask("POST", "/openai/v1/responses", again).status == 200
    item = {"type": "code_interpreter_call", "id": "ci", "code": "1", "container_id": "cntr_mine", "outputs": []}
    seen = len(mock.requests)
    assert theirs.ask("POST", "/openai/v1/responses", {"model": "marked", "input": [item]}).status == 404 and len(mock.requests) == seen


def test_ids_of_others_are_refused_wherever_they_stand(gateway, keys, mock):
    mine, theirs = Line(gateway, keys.user), Line(gateway, keys.other)
    own, foreign = upload(mine), upload(theirs)
    assert own != foreign
    store = mine.ask("POST", "/openai/v1/vector_stores", {"name": "rules"}).json()["id"]
    bodies = {
        f"vector_stores/{store}/file_batches": {"files": [{"file_id": "ID", "attributes": {"team": "desk"}}]},
        "vector_stores": {"name": "x", "x_sources": [{"deep": ["ID"]}]},
        "batches": {"input_file_id": own, "endpoint": "/v1/chat/completions", "completion_window": "24h", "x_more": "ID"},
        "chat/completions": {"model": "marked", "messages": [{"role": "user", "content": [{"type": "text", "text": "read it"}, {"type": "x_file", "x_file": {"x": "ID"}}]}]},
        "responses": {"model": "marked", "input": [{"role": "user", "content": "hi"}, {"type": "x_call", "x_source": "ID"}]},
    }
    for path, body in bodies.items():
        seen = len(mock.requests)
        refused = mine.ask("POST", f"/openai/v1/{path}", json.loads(json.dumps(body).replace("ID", foreign)))
        assert refused.status == 404 and len(mock.requests) == seen, (path, refused.status)
        mine.ask("POST", f"/openai/v1/{path}", json.loads(json.dumps(body).replace("ID", own)))
        assert len(mock.requests) == seen + 1, path
        # What nobody made here is a word like any other, but where only an id may stand.
        mine.ask("POST", f"/openai/v1/{path}", json.loads(json.dumps(body).replace("ID", "file-17")))
        assert len(mock.requests) == seen + (1 if "file_batches" in path else 2), path


def test_calls_in_a_file_are_calls_whatever_it_is_said_to_be_for(gateway, keys, mock):
    narrow = Line(gateway, keys.narrow)
    row = json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "NAME", "messages": [{"role": "user", "content": "hi"}]}})
    for purpose in ("batch", "assistants", "evals"):
        for name, status in (("off", 401), ("gpt-4o", 201)):
            body = form(("purpose", purpose), ("file", "a.jsonl", "application/jsonl", row.replace("NAME", name).encode() + b"\n"))
            assert narrow.ask("POST", "/openai/files?api-version=2024-10-21", body, "multipart/form-data; boundary=b").status in (status, 200 if status == 201 else status), (purpose, name)
