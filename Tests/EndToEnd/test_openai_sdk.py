"""The unmodified `openai` package against the gateway, both forms of the API."""

import io
import json
import struct

import openai
import pytest
from openai import AsyncAzureOpenAI, AzureOpenAI, OpenAI
from pydantic import BaseModel

from gateway import API, MARKER
from mock_upstream import fixture

QUESTION = [{"role": "system", "content": "You answer questions about the harbour."}, {"role": "user", "content": "When does the office open?"}]
ANSWER = fixture("chat/basic")["response"]["body"]["choices"][0]["message"]["content"]
TOOLS = fixture("chat/tools")["request"]["tools"]


@pytest.fixture(params=["azure", "v1"])
def client(request):
    """Both clients, so that every test here runs against both forms."""
    return request.getfixturevalue(request.param)


# Chat completions


def test_answers_a_chat(client, mock):
    answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION, temperature=0.2)
    assert answer.choices[0].message.content == ANSWER
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 42
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer._request_id
    results = answer.model_extra["prompt_filter_results"][0]
    assert results["prompt_index"] == 0 and "content_filter_results" in results
    assert mock.last().json()["messages"] == QUESTION
    assert mock.last().path.endswith("/chat/completions")


def test_uses_the_upstreams_key_and_never_the_callers(client, mock, keys):
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert mock.last().header("api-key") == "upstream-secret-key"
    assert keys.user.encode() not in mock.last().head + mock.last().body


def test_streams_a_chat(client):
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True))
    assert chunks[0].choices == [] and chunks[0].model_extra["prompt_filter_results"]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == ANSWER
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_streams_usage_when_asked(client):
    stream = client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 27
    assert all(c.usage is None for c in chunks[:-1])


def test_first_chunk_tells_the_prompts_verdict_even_when_the_upstream_has_none(client, mock):
    events = [e for e in fixture("chat/stream")["events"] if e == "[DONE]" or "prompt_filter_results" not in e]
    for event in events:
        for choice in event["choices"] if event != "[DONE]" else []:
            choice.pop("content_filter_results", None)
    mock.script("chat/completions", {"events": events})
    first = next(iter(client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)))
    assert first.choices == []
    assert first.model_extra["prompt_filter_results"][0]["prompt_index"] == 0


def test_calls_tools(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "The tide in Gdynia?"}], tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_tide" and json.loads(call.function.arguments) == {"harbour": "Gdynia", "day": "today"}
    history = [
        {"role": "user", "content": "The tide in Gdynia?"},
        answer.choices[0].message.model_dump(exclude_none=True, include={"role", "tool_calls"}),
        {"role": "tool", "tool_call_id": call.id, "content": '{"high":"0.4 m at 05:12"}'},
    ]
    final = client.chat.completions.create(model="gpt-4o", messages=history, tools=TOOLS)
    assert final.choices[0].message.content.startswith("High water is 0.4 m")


def test_streams_tool_calls(client):
    stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "The tide?"}], tools=TOOLS, stream=True)
    name, arguments, finish = "", "", None
    for chunk in stream:
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    assert (name, json.loads(arguments), finish) == ("get_tide", {"harbour": "Gdynia", "day": "today"}, "tool_calls")


class Event(BaseModel):
    title: str
    date: str
    people: list[str]


def test_parses_structured_output(client, mock):
    parsed = client.chat.completions.parse(
        model="gpt-4o", messages=[{"role": "user", "content": "Ann and Piotr meet on Friday for the crane review."}], response_format=Event
    )
    assert parsed.choices[0].message.parsed == Event(title="Crane review", date="Friday", people=["Ann", "Piotr"])
    assert mock.last().json()["response_format"]["json_schema"]["name"] == "Event"


def test_stream_helper_accumulates(client):
    with client.chat.completions.stream(model="gpt-4o", messages=QUESTION) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == ANSWER


def test_returns_every_choice(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "A bird?"}], n=2)
    assert [c.message.content for c in answer.choices] == ["A common tern.", "An oystercatcher."]
    stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "A bird?"}], n=2, stream=True)
    texts = {0: "", 1: ""}
    for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == {0: "A common tern.", 1: "An oystercatcher."}


def test_returns_log_probabilities(client):
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "A colour?"}], logprobs=True, top_logprobs=2)
    assert [t.token for t in answer.choices[0].logprobs.content] == ["Grey", " green"]
    assert answer.choices[0].logprobs.content[0].logprob == -0.31


def test_async_client_works(gateway, keys):
    import asyncio

    async def ask():
        async with AsyncAzureOpenAI(azure_endpoint=gateway.url, api_key=keys.user, api_version=API) as client:
            stream = await client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    assert asyncio.run(ask()) == ANSWER


def test_path_deployment_wins_over_the_bodys_model(gateway, keys, mock):
    with AzureOpenAI(
        azure_endpoint=gateway.url, azure_deployment="gpt-4o", api_key=keys.user, api_version=API, max_retries=0
    ) as client:
        client.chat.completions.create(model="something-else", messages=QUESTION)
    assert mock.last().json()["model"] == "gpt-4o"
    assert "/deployments/gpt-4o/" in mock.last().path


def test_deployment_name_is_not_the_upstreams_name(client, mock):
    client.chat.completions.create(model="renamed", messages=QUESTION)
    assert "renamed" not in mock.last().target
    assert mock.last().json().get("model", "gpt-4o-upstream-name") == "gpt-4o-upstream-name"


def test_openai_compatible_upstream_gets_bearer_and_v1_paths(client, mock):
    assert client.chat.completions.create(model="compatible", messages=QUESTION).choices[0].message.content == ANSWER
    assert mock.last().path == "/v1/chat/completions"
    assert mock.last().header("authorization") == "Bearer upstream-secret-key"
    assert mock.last().header("api-key") is None
    assert mock.last().json()["model"] == "llama-3"


def test_embedded_upstream_answers_without_a_network(client, mock):
    answer = client.chat.completions.create(model="local", messages=[{"role": "user", "content": "Where does the pilot boat leave from?"}])
    assert "north quay" in answer.choices[0].message.content
    assert answer.object == "chat.completion"
    text = "".join(
        c.choices[0].delta.content or ""
        for c in client.chat.completions.create(model="local", messages=[{"role": "user", "content": "Where does the pilot boat leave from?"}], stream=True)
        if c.choices
    )
    assert text == answer.choices[0].message.content
    assert mock.requests == []


# Completions and embeddings


def test_completes_legacy_prompts(client):
    answer = client.completions.create(model="gpt-4o", prompt="The pilot boat leaves", max_tokens=16)
    assert answer.choices[0].text == " from the north quay at five."
    assert [c.text for c in client.completions.create(model="gpt-4o", prompt=["One", "Two"]).choices] == [" from the quay.", " at eight."]
    streamed = client.completions.create(model="gpt-4o", prompt="The pilot boat leaves", stream=True)
    assert "".join(c.choices[0].text for c in streamed if c.choices) == " from the north quay at five."


def test_embeds(client, mock):
    expected = fixture("embeddings/basic")["response"]["body"]["data"][0]["embedding"]
    single = [struct.unpack("<f", struct.pack("<f", x))[0] for x in expected]
    answer = client.embeddings.create(model="embed", input=["the north quay", "the pilot boat"])
    assert mock.last().json()["encoding_format"] == "base64"
    assert [d.embedding for d in answer.data] == [single, single]
    assert client.embeddings.create(model="embed", input="one", encoding_format="float").data[0].embedding == expected


# Responses


def test_responds(client, mock):
    answer = client.responses.create(model="gpt-4o", input="When does the office open?", instructions="You know the harbour.")
    assert answer.output_text == ANSWER and answer.status == "completed"
    assert answer.model_extra["content_filters"]
    assert mock.last().json()["model"] == "gpt-4o"


def test_stored_responses_can_be_fetched_and_deleted(client):
    made = client.responses.create(model="gpt-4o", input="When does the office open?")
    assert client.responses.retrieve(made.id).output_text == ANSWER
    assert [i.id for i in client.responses.input_items.list(made.id)] == ["msg_in1"]
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_responses_call_functions(client):
    tools = fixture("responses/function_call")["request"]["tools"]
    answer = client.responses.create(model="gpt-4o", input="The tide?", tools=tools)
    assert answer.output[0].type == "function_call" and json.loads(answer.output[0].arguments) == {"harbour": "Gdynia"}
    stream = client.responses.create(model="gpt-4o", input="The tide?", tools=tools, stream=True)
    events = list(stream)
    assert "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta") == '{"harbour":"Gdynia"}'
    assert events[-1].response.output[0].name == "get_tide"


def test_streams_responses_with_reasoning(client):
    events = list(client.responses.create(model="gpt-4o", input="Where from?", stream=True))
    types = [e.type for e in events]
    assert types[:2] == ["response.created", "response.in_progress"] and types[-1] == "response.completed"
    assert "".join(e.delta for e in events if e.type == "response.reasoning_summary_text.delta") == "The rules name the north quay."
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert text == "The pilot boat leaves from the north quay. Be there by five."
    assert events[-1].response.output_text == text
    assert [e.sequence_number for e in events] == sorted(e.sequence_number for e in events)


def test_previous_response_must_be_the_callers_own(client):
    made = client.responses.create(model="off", input="A first question")
    again = client.responses.create(model="off", input="And then?", previous_response_id=made.id)
    assert again.previous_response_id == made.id
    with pytest.raises((openai.NotFoundError, openai.BadRequestError)):
        client.responses.create(model="off", input="And then?", previous_response_id="resp_of_nobody")


# Models, files, batches and the rest


def test_lists_models(client):
    assert [m.id for m in client.models.list()]


def test_files_live_and_die(client, mock):
    data = b'{"custom_id":"1","method":"POST","url":"/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}}\n'
    made = client.files.create(file=("rows.jsonl", io.BytesIO(data)), purpose="batch")
    assert (made.filename, made.bytes, made.status) == ("rows.jsonl", len(data), "processed")
    assert client.files.retrieve(made.id).id == made.id
    assert client.files.content(made.id).read() == data
    assert made.id in [f.id for f in client.files.list()]
    batch = client.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"team": "desk"})
    assert client.batches.retrieve(batch.id).input_file_id == made.id
    assert batch.id in [b.id for b in client.batches.list()]
    assert client.batches.cancel(batch.id).status == "cancelling"
    assert client.files.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(made.id)


def test_fine_tunes(client):
    rows = b'{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}]}\n'
    made = client.files.create(file=("train.jsonl", io.BytesIO(rows)), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model="gpt-4o", training_file=made.id)
    assert client.fine_tuning.jobs.retrieve(job.id).training_file == made.id
    assert job.id in [j.id for j in client.fine_tuning.jobs.list()]
    assert [e.message for e in client.fine_tuning.jobs.list_events(job.id)] == ["Job enqueued. Waiting for jobs ahead to complete."]
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_vector_stores(client):
    made = client.files.create(file=("rules.md", io.BytesIO(b"Pilot boats leave from the north quay.\n")), purpose="assistants")
    store = client.vector_stores.create(name="harbour rules")
    assert client.vector_stores.files.create(vector_store_id=store.id, file_id=made.id).status == "completed"
    found = client.vector_stores.search(store.id, query="pilot boat")
    assert found.data[0].content[0].text == "Pilot boats leave from the north quay."
    assert store.id in [s.id for s in client.vector_stores.list()]
    assert client.vector_stores.delete(store.id).deleted


def test_makes_images(client):
    assert client.images.generate(model="gpt-4o", prompt="A lighthouse at dusk, watercolour").data[0].b64_json


def test_edits_images(client):
    picture = io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(32))
    assert client.images.edit(model="off", image=("a.png", picture, "image/png"), prompt="Make it night").data[0].b64_json


def test_transcribes_and_translates(client):
    wave = ("talk.wav", io.BytesIO(b"RIFF" + bytes(64)), "audio/wav")
    assert client.audio.transcriptions.create(model="off", file=wave).text.startswith("The pilot boat")
    verbose = client.audio.transcriptions.create(
        model="off", file=("talk.wav", io.BytesIO(b"RIFF" + bytes(64))), response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert verbose.segments[0].text == "The pilot boat leaves at five."
    plain = client.audio.translations.create(model="off", file=("talk.wav", io.BytesIO(b"RIFF" + bytes(64))), response_format="text")
    assert str(plain).strip() == "The pilot boat leaves at five."


def test_speaks(client):
    assert client.audio.speech.create(model="gpt-4o", voice="alloy", input="The pilot boat leaves at five.").read().startswith(b"RIFF")


# Ownership


def test_files_of_another_project_do_not_exist(gateway, keys, mock):
    def client(key):
        return OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=key, max_retries=0)

    mine, theirs = client(keys.user), client(keys.foreign)
    made = mine.files.create(file=("rows.jsonl", io.BytesIO(b"{}\n")), purpose="batch")
    mine.files.retrieve(made.id)
    before = len(mock.requests)
    for foreign in (
        lambda: theirs.files.retrieve(made.id),
        lambda: theirs.files.content(made.id),
        lambda: theirs.files.delete(made.id),
        lambda: theirs.batches.create(input_file_id=made.id, endpoint="/v1/chat/completions", completion_window="24h"),
        lambda: theirs.fine_tuning.jobs.create(model="gpt-4o", training_file=made.id),
        lambda: theirs.files.retrieve("file-never-made"),
    ):
        with pytest.raises(openai.NotFoundError):
            foreign()
    assert len(mock.requests) == before, "a foreign id went upstream"
    assert made.id not in [f.id for f in theirs.files.list()]
    assert made.id in [f.id for f in mine.files.list()]


# Errors


def test_wrong_key_is_401_in_azures_words(gateway, mock):
    for client in (
        AzureOpenAI(azure_endpoint=gateway.url, api_key="wrong", api_version=API, max_retries=0),
        OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key="wrong", max_retries=0),
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        assert caught.value.code == "401"
        assert "invalid subscription key" in caught.value.message
    assert mock.requests == []


def test_unknown_deployment_is_404(client, mock):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="no-such", messages=QUESTION)
    assert caught.value.code == "DeploymentNotFound"
    assert mock.requests == []


def test_key_is_confined_to_its_deployments(gateway, keys, mock):
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=keys.narrow, api_version=API, max_retries=0) as client:
        assert client.chat.completions.create(model="gpt-4o", messages=QUESTION).choices
        seen = len(mock.requests)
        with pytest.raises((openai.NotFoundError, openai.AuthenticationError, openai.PermissionDeniedError)):
            client.chat.completions.create(model="renamed", messages=QUESTION)
    assert len(mock.requests) == seen


def test_invalid_request_is_400(client, mock):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages="not a list")
    assert caught.value.param == "messages" or caught.value.type == "invalid_request_error"
    assert mock.requests == []


def test_upstream_error_keeps_its_shape(client, mock):
    mock.script("chat/completions", {"fixture": "errors/400_context_length"})
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert caught.value.code == "context_length_exceeded" and caught.value.param == "messages"


def test_blocked_prompt_is_400_content_filter(client, mock):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="marked", messages=[{"role": "user", "content": MARKER}])
    error = caught.value
    assert (error.code, error.param, error.body["status"]) == ("content_filter", "prompt", 400)
    assert error.body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    lists = error.body["innererror"]["content_filter_result"]["custom_blocklists"]
    assert lists["filtered"] is True
    assert mock.requests == []


def test_blocked_prompt_is_400_also_when_streaming_and_in_responses(client, mock):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="marked", messages=[{"role": "user", "content": MARKER}], stream=True)
    assert caught.value.code == "content_filter"
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="marked", input=MARKER)
    assert caught.value.code == "content_filter"
    assert mock.requests == []


def test_upstreams_own_prompt_block_passes_through(client, mock):
    mock.script("chat/completions", {"fixture": "errors/400_content_filter"})
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert caught.value.body["innererror"]["content_filter_result"]["hate"] == {"filtered": True, "severity": "high"}


def answer_with(text, finish="stop"):
    body = fixture("chat/basic")["response"]["body"]
    body["choices"][0]["message"]["content"] = text
    body["choices"][0]["finish_reason"] = finish
    return {"json": body}


def test_blocked_completion_is_200_content_filter(client, mock):
    mock.script("chat/completions", answer_with(f"Certainly. {MARKER}. And so on."))
    answer = client.chat.completions.create(model="marked", messages=QUESTION)
    choice = answer.choices[0]
    assert choice.finish_reason == "content_filter" and choice.message.content is None
    assert choice.model_extra["content_filter_results"]["custom_blocklists"]["filtered"] is True


def test_blocked_completion_fails_parsing_with_its_own_error(client, mock):
    mock.script("chat/completions", answer_with(f'{{"title":"{MARKER}","date":"","people":[]}}'))
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model="marked", messages=QUESTION, response_format=Event)


def test_only_the_affected_choice_is_blocked(client, mock):
    body = fixture("chat/many")["response"]["body"]
    body["choices"][1]["message"]["content"] = MARKER
    mock.script("chat/completions", {"json": body})
    answer = client.chat.completions.create(model="marked", messages=QUESTION, n=2)
    assert [c.finish_reason for c in answer.choices] == ["stop", "content_filter"]
    assert answer.choices[0].message.content == "A common tern."


def test_blocked_stream_ends_with_content_filter(client, mock):
    events = fixture("chat/stream")["events"]
    middle = json.loads(json.dumps(events[4]))
    middle["choices"][0]["delta"]["content"] = f" {MARKER}. "
    mock.script("chat/completions", {"events": [*events[:5], middle, *events[5:]]})
    chunks = list(client.chat.completions.create(model="marked", messages=QUESTION, stream=True))
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices]
    assert finishes[-1] == "content_filter"
    assert MARKER not in "".join(c.choices[0].delta.content or "" for c in chunks if c.choices and c.choices[0].delta)


def test_blocked_response_is_incomplete(client, mock):
    body = fixture("responses/basic")["response"]["body"]
    body["output"][0]["content"][0]["text"] = MARKER
    mock.script("/responses$", {"json": body})
    answer = client.responses.create(model="marked", input="Tell me.")
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "content_filter")
    assert MARKER not in answer.model_dump_json()


# Retries by the SDK


def test_sdk_retries_a_429(gateway, keys, mock):
    # The gateway may retry by itself too: the upstream refuses more often than it would.
    mock.script("chat/completions", *[{"fixture": "errors/429"}] * 2)
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=keys.user, api_version=API, max_retries=4) as client:
        assert client.chat.completions.create(model="gpt-4o", messages=QUESTION).choices[0].message.content == ANSWER
    assert len(mock.requests) >= 3


def test_exhausted_429_reaches_the_caller_with_its_headers(client, mock):
    mock.script("chat/completions", {"fixture": "errors/429"}, repeat=True)
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=QUESTION)
    assert int(caught.value.response.headers["retry-after"]) >= 1
    assert caught.value.code == "429"


def test_response_headers_are_azures(gateway, keys):
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=keys.user, api_version=API) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=QUESTION, extra_headers={"x-ms-client-request-id": "8d6f1f2e-1111-4222-8333-444455556666"}
        )
    headers = raw.headers
    assert headers["x-ms-client-request-id"] == "8d6f1f2e-1111-4222-8333-444455556666"
    assert headers["apim-request-id"] and headers["x-request-id"]
    assert int(headers["x-ratelimit-remaining-requests"]) >= 0
    assert headers["x-content-type-options"] == "nosniff"
    for hidden in ("set-cookie", "openai-organization", "x-upstream-internal"):
        assert hidden not in headers
