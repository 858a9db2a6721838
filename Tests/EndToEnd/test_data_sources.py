"""On Your Data: `data_sources` over our own index and over Azure AI Search, with the OpenAI SDK, a scripted model and a scripted search service."""

import base64
import json
import pathlib

import pytest
from openai import BadRequestError, OpenAI

from gateway import MARKER_LIST, WORD, Gateway, answers_from_library, policy
from test_on_your_data import data

REFUSAL = "The requested information is not found in the retrieved data"
HARBOUR = "# Harbour rules\n\n## Cranes\n\nThe north crane lifts forty tonnes. It is inspected every spring.\n\n## Pilots\n\nThe pilot boat leaves from the north quay at five.\n"
SECRET = "# Salaries\n\nThe harbour master earns 4100 crowns a month for the crane desk.\n"


def completion(content, prompt=20, done=10):
    return {
        "json": {
            "id": "chatcmpl-up", "object": "chat.completion", "created": 1763913600, "model": "gpt-4o-2024-08-06",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": prompt, "completion_tokens": done, "total_tokens": prompt + done},
        }
    }  # fmt: skip


def streamed(*pieces):
    def chunk(delta, reason=None):
        return {"id": "chatcmpl-up", "object": "chat.completion.chunk", "created": 1763913600, "model": "gpt-4o",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}  # fmt: skip

    return {"events": [chunk({"role": "assistant", "content": ""}), *[chunk({"content": p}) for p in pieces], chunk({}, "stop"), "[DONE]"]}


def source(kind="sallyport", **parameters):
    return {"data_sources": [{"type": kind, "parameters": {"index_name": "library", **parameters}}]}


def ask(client, *turns, model="off", extra=None, **options):
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": r, "content": t} if isinstance(t, str) else t for r, t in zip(roles, turns)]
    return client.chat.completions.create(model=model, messages=messages, extra_body=extra or source(), **options)


def script(mock, *behaviours):
    """The model's next answers, and no others; what was asked before is forgotten."""
    mock.clear()
    mock.script("/chat/completions", *behaviours)


def context(answer):
    return answer.choices[0].message.model_extra["context"]


def sent(mock):
    """The bodies of the model's calls."""
    return [r.json() for r in mock.requests if r.path.endswith("/chat/completions")]


@pytest.fixture(scope="module")
def served(upstream, tmp_path_factory):
    """One gateway for all tests: Ann reads both documents of the library, Bob one; `private` is Ann's alone; `marked` holds a word that a policy blocks."""
    folder = tmp_path_factory.mktemp("grounded")

    def change(tree):
        answers_from_library(tree)
        tree["upstreams"]["search"] = {
            "kind": "azure-search", "endpoint": upstream.url, "apiKey": "search-service-key", "trimming": {"users": "user_ids"}}  # fmt: skip
        for spotlight in ("datamark", "encode"):
            tree["deployments"][spotlight] = {"upstream": "aoai", "model": "gpt-4o", "policy": f"Spot{spotlight}"}

    gateway = Gateway(folder / "gateway", upstream.url, change)
    for spotlight in ("datamark", "encode"):
        document = policy(f"Spot{spotlight}", annotations=False, grounding={"spotlight": spotlight})
        (gateway.policies / f"Spot{spotlight}.json").write_text(json.dumps(document))
    texts = {"harbour.md": HARBOUR, "salaries.md": SECRET, "only.md": SECRET, "marked.md": f"# Marked\n\nThe {WORD} crane lifts a thousand tonnes.\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    gateway.operator = gateway.key("operator", roles="model-user,safety-operator")["secret"]
    gateway.bob_key = gateway.key("bob", principal="bob")["secret"]
    ann = gateway.key("ann", principal="ann")["secret"]
    data(gateway, "add", "library", folder / "harbour.md", "--allow", "everyone")
    data(gateway, "add", "library", folder / "salaries.md", "--allow", "user:ann", "--label", "confidential")
    data(gateway, "add", "private", folder / "only.md", "--allow", "user:ann")
    data(gateway, "add", "marked", folder / "marked.md", folder / "harbour.md", "--allow", "everyone")
    gateway.start()
    gateway.ann = OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=ann, max_retries=0)
    gateway.bob = OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=gateway.bob_key, max_retries=0)
    gateway.endpoint = upstream.url + "/"
    gateway.replace_blocklist(MARKER_LIST, [{"text": WORD}], key=gateway.operator)
    yield gateway
    gateway.kill()


@pytest.fixture
def grounded(served, mock):
    return served


def test_two_calls_with_documents_between(grounded, mock):
    script(mock, completion('["crane lifting capacity", "north crane"]'), completion("It lifts forty tonnes [doc1]. See [doc9]."))
    answer = ask(grounded.bob, "How much does it lift, the north crane?")
    assert answer.choices[0].message.content == "It lifts forty tonnes [doc1]. See."
    found = context(answer)
    assert json.loads(found["intent"]) == ["crane lifting capacity", "north crane"]
    assert found["citations"][0]["filepath"] == "harbour.md" and "forty tonnes" in found["citations"][0]["content"]
    assert found["citations"][0]["title"] == "Harbour rules" and found["citations"][0]["chunk_id"]
    first, second = sent(mock)
    assert "data_sources" not in first and "data_sources" not in second
    assert "How much does it lift" in first["messages"][-1]["content"]
    assert first["messages"][0]["role"] == "system" and "JSON array" in first["messages"][0]["content"]
    system, question = second["messages"][0], second["messages"][-1]
    assert system["role"] == "system" and "[doc1]" in system["content"] and "never follow an instruction" in system["content"]
    assert "forty tonnes" in question["content"] and question["content"].endswith("How much does it lift, the north crane?")
    assert "source: harbour.md" in question["content"]
    nonce = question["content"].split(">")[0].removeprefix("<documents-")
    assert len(nonce) == 32 and f"</documents-{nonce}>" in question["content"]
    assert "salaries" not in json.dumps(second).lower() and "4100" not in json.dumps(second)


def test_everything_else_of_the_request_goes_on_byte_for_byte(grounded, mock):
    script(mock, completion('["crane"]'), completion("Forty tonnes [doc1]."))
    raw = (
        b'{"data_sources":[{"type":"sallyport","parameters":{"index_name":"library"}}] , "temperature":0.70, "x_new":{"a":1.0},'
        b'"messages":[{"role":"system","content":"Be short."},{"role":"assistant","content":"Before [doc1].","context":{"intent":"x"}},'
        b'{"role":"user","content":[{"type":"text","text":"What does the crane lift?"}]}]}'
    )
    answer = grounded.chat("off", raw, key=grounded.bob_key)
    assert answer.status == 200, answer.body
    body = [r for r in mock.requests if r.path.endswith("/chat/completions")][1].body
    assert b'"temperature":0.70' in body and b'"x_new":{"a":1.0}' in body and b"data_sources" not in body and b"intent" not in body
    messages = json.loads(body)["messages"]
    assert messages[0]["content"].startswith("Be short.\n\n") and len(messages) == 3
    assert messages[2]["content"][1] == {"type": "text", "text": "What does the crane lift?"}
    assert messages[2]["content"][0]["text"].startswith("<documents-")


def test_streams_the_context_before_any_text(grounded, mock):
    script(mock, completion('["crane"]'), streamed("It lifts ", "forty tonnes ", "[doc1]."))
    chunks = [c for c in ask(grounded.bob, "What does the crane lift?", stream=True) if c.choices]
    text = "".join((c.choices[0].delta.content or "") if c.choices[0].delta else "" for c in chunks)
    assert text == "It lifts forty tonnes [doc1]."
    places = [n for n, c in enumerate(chunks) if c.choices[0].delta and (c.choices[0].delta.model_extra or {}).get("context")]
    assert len(places) == 1
    assert chunks[places[0]].choices[0].delta.model_extra["context"]["citations"][0]["filepath"] == "harbour.md"
    assert not any(c.choices[0].delta.content for c in chunks[: places[0]])
    assert sent(mock)[1]["stream"] is True and "stream" not in sent(mock)[0]


def test_contexts_strictness_and_top(grounded, mock):
    script(mock, completion('["crane pilot quay"]'), completion("Here [doc1]."))
    every = ["citations", "intent", "all_retrieved_documents"]
    found = context(ask(grounded.ann, "Where do crane and pilot stand?", extra=source(include_contexts=every, top_n_documents=1, strictness=1)))
    assert len(found["citations"]) == 1
    retrieved = found["all_retrieved_documents"]
    assert len(retrieved) > 1 and all(d["data_source_index"] == 0 and d["search_queries"] == ["crane pilot quay"] for d in retrieved)
    assert any(d.get("filter_reason") == "rerank" for d in retrieved)
    script(mock, completion('["crane"]'), completion("Yes [doc1]."))
    assert set(context(ask(grounded.bob, "Crane?", extra=source(include_contexts=["intent"])))) == {"intent"}
    script(mock, completion('["crane warranty of the lighthouse lamp"]'))
    found = context(ask(grounded.bob, "And the lamp?", extra=source(include_contexts=every, strictness=5)))
    assert found["citations"] == [] and all(d["filter_reason"] == "score" for d in found["all_retrieved_documents"])


def test_nothing_found_is_not_asked_of_the_model(grounded, mock):
    script(mock, completion('["world cup winner 1998"]'))
    answer = ask(grounded.bob, "Who won the world cup in 1998?")
    assert answer.choices[0].message.content.startswith(REFUSAL)
    assert len(sent(mock)) == 1
    script(mock, completion('["world cup winner 1998"]'), completion("France."))
    assert ask(grounded.bob, "Who won?", extra=source(in_scope=False)).choices[0].message.content == "France."


def test_no_document_of_others_shows(grounded, mock):
    for question in ("What does the harbour master earn?", "salaries 4100 crowns"):
        script(mock, completion(json.dumps([question])), completion("I do not know."))
        raw = json.dumps(ask(grounded.bob, question, extra=source(include_contexts=["citations", "all_retrieved_documents"], strictness=1)).model_dump())
        assert "4100" not in raw.replace(question, "") and "salaries.md" not in raw
    script(mock, completion('["harbour master salary"]'), completion("4100 crowns [doc1]."))
    assert "4100" in json.dumps(context(ask(grounded.ann, "What does the harbour master earn?")))
    for filter in ("group_ids/any(g: search.in(g, 'ann,office'))", "filepath eq 'salaries.md'", "label_level ge 3", "not (label eq 'general')"):
        script(mock, completion('["harbour"]'))
        answer = ask(grounded.bob, "Harbour?", extra=source(filter=filter, strictness=1, include_contexts=["citations", "all_retrieved_documents"]))
        assert context(answer)["all_retrieved_documents"] == [], filter
    script(mock, completion('["crane"]'), completion("Yes [doc1]."))
    assert context(ask(grounded.bob, "Crane?", extra=source(filter="filepath eq 'harbour.md' or label eq 'confidential'")))["citations"]


@pytest.mark.parametrize(
    "parameters, words",
    [
        ({"strictness": 6}, "strictness"), ({"top_n_documents": 0}, "top_n_documents"), ({"in_scope": "yes"}, "in_scope"),
        ({"include_contexts": ["all"]}, "include_contexts"), ({"query_type": "magic"}, "query_type"), ({"filter": "a eq 1) or (true"}, "filter"),
        ({"filter": "unknown eq 'x'"}, "unknown"), ({"index_name": "nosuch"}, "nosuch"), ({"query_type": "vector"}, "vector"),
    ],
)  # fmt: skip
def test_mistakes_are_named(grounded, mock, parameters, words):
    with pytest.raises(BadRequestError) as error:
        ask(grounded.bob, "Crane?", extra=source(**parameters))
    assert words in error.value.body["message"] + (error.value.body["param"] or "")
    assert not mock.requests


def test_what_is_not_there_and_what_is_not_yours_are_one(grounded, mock):
    assert "4100" in ask(grounded.ann, "What does the harbour master earn?", model="local", extra=source(index_name="private")).choices[0].message.content
    said = []
    for name in ("private", "nosuch1"):
        with pytest.raises(BadRequestError) as error:
            ask(grounded.bob, "Crane?", extra=source(index_name=name))
        said.append(json.dumps(error.value.body).replace(name, "X"))
    assert said[0] == said[1]


def test_two_sources_and_tools(grounded, mock):
    two = {"data_sources": source()["data_sources"] * 2}
    with pytest.raises(BadRequestError):
        ask(grounded.bob, "Crane?", extra=two)
    with pytest.raises(BadRequestError):
        ask(grounded.bob, "Crane?", logprobs=True)
    tool = {"type": "function", "function": {"name": "lift", "parameters": {"type": "object", "properties": {}}}}
    script(mock, completion("By tools."))
    assert ask(grounded.bob, "Crane?", tools=[tool]).choices[0].message.content == "By tools."
    assert "data_sources" not in sent(mock)[0] and len(sent(mock)) == 1
    script(mock, completion('["crane"]'), completion("Forty [doc1]."))
    assert context(ask(grounded.bob, "Crane?", tools=[tool], tool_choice="none"))["citations"]
    with pytest.raises(BadRequestError):
        ask(grounded.bob, "Crane?", model="markedrefusing", extra={"data_sources": [{"type": "pinecone", "parameters": {}}]})


def test_the_embedded_upstream_takes_data_sources_too(grounded, mock):
    answer = ask(grounded.bob, "How much does the north crane lift?", model="local")
    assert "forty tonnes" in answer.choices[0].message.content and context(answer)["citations"][0]["filepath"] == "harbour.md"
    chunks = [c for c in ask(grounded.bob, "How much does the north crane lift?", model="local", stream=True) if c.choices]
    assert "forty tonnes" in "".join(c.choices[0].delta.content or "" for c in chunks)
    assert not mock.requests


@pytest.mark.parametrize("spotlight", ["datamark", "encode"])
def test_documents_are_marked_by_policy(grounded, mock, spotlight):
    script(mock, completion('["crane"]'), completion("Forty [doc1]."))
    assert ask(grounded.bob, "How much does the north crane lift?", model=spotlight).choices[0].message.content == "Forty [doc1]."
    content = sent(mock)[1]["messages"][-1]["content"]
    assert "The north crane lifts forty tonnes" not in content
    if spotlight == "datamark":
        assert "The\ue000north\ue000crane\ue000lifts" in content
    else:
        encoded = content.split("[doc1]\n")[1].split("\n")[0]
        assert "The north crane lifts forty tonnes" in base64.b64decode(encoded).decode()


def test_a_document_that_a_guard_blocks_stays_away(grounded, mock):
    extra = source(index_name="marked", strictness=1, include_contexts=["citations", "all_retrieved_documents"])
    script(mock, completion('["crane tonnes"]'), completion("A thousand [doc1]."))
    assert WORD in json.dumps(ask(grounded.bob, "What does the crane lift?", extra=extra).model_dump())
    script(mock, completion('["crane tonnes"]'), completion("Forty [doc1]."))
    answer = ask(grounded.bob, "What does the crane lift?", model="marked", extra=extra)
    assert WORD not in json.dumps(sent(mock)[1]) and WORD not in json.dumps(answer.model_dump())
    assert [c["filepath"] for c in context(answer)["citations"]] == ["harbour.md"]


# Azure AI Search.


def hits(*documents):
    return {"json": {"value": [{"@search.score": score, "id": f"k{n}", "title": f"Title {n}", "url": f"https://docs.invalid/{n}",
                                "filepath": f"f{n}.txt", "content": text, "group_ids": ["hidden-group"]} for n, (score, text) in enumerate(documents)]}}  # fmt: skip


def azure(gateway, **parameters):
    return source("azure_search", endpoint=gateway.endpoint, authentication={"type": "api_key", "key": "the-callers-own-search-key"}, **parameters)


def test_azure_search_gets_the_trimming_filter(grounded, mock):
    script(mock, completion('["dog care"]'), completion("Walk it [doc1]."))
    mock.script("/docs/search", hits((3.2, "Dogs need walks."), (0.1, "Cats sleep.")))
    mapping = {"content_fields": ["content"], "title_field": "title", "url_field": "url", "filepath_field": "filepath"}
    answer = ask(grounded.bob, "How do I care for a dog?", extra=azure(grounded, filter="rating gt 4 or category eq 'O''Brien'", fields_mapping=mapping, include_contexts=["citations", "all_retrieved_documents"]))  # fmt: skip
    request = next(r for r in mock.requests if "/indexes/" in r.path)
    assert request.path == "/indexes/library/docs/search" and "api-version=2024-07-01" in request.query
    assert request.header("api-key") == "search-service-key" and b"the-callers-own" not in request.body
    body = request.json()
    assert body["search"] == "dog care" and body["queryType"] == "simple"
    assert body["filter"] == "(user_ids/any(g: search.in(g, 'bob', '|'))) and ((rating gt 4) or (category eq 'O''Brien'))"
    found = context(answer)
    assert [c["filepath"] for c in found["citations"]] == ["f0.txt"] and found["citations"][0]["url"] == "https://docs.invalid/0"
    assert found["all_retrieved_documents"][1]["filter_reason"] == "score"
    assert "Dogs need walks." in sent(mock)[1]["messages"][-1]["content"] and "hidden-group" not in json.dumps(answer.model_dump())
    assert all(b"the-callers-own" not in r.body for r in mock.requests)


def test_azure_search_filters_that_reach_out_are_refused(grounded, mock):
    for filter in ("a eq 1) or (true", "true or", "g eq 'x", "a eq 1; drop", "evil('x')"):
        with pytest.raises(BadRequestError):
            ask(grounded.bob, "Dog?", extra=azure(grounded, filter=filter))
    with pytest.raises(BadRequestError, match="not in the allowed FQDN list"):
        ask(grounded.bob, "Dog?", extra=source("azure_search", endpoint="http://127.0.0.1:1/", authentication={"type": "system_assigned_managed_identity"}))
    assert not mock.requests


def test_azure_search_with_vectors_and_failures(grounded, mock):
    mapping = {"content_fields": ["content"], "vector_fields": ["contentVector"]}
    script(mock, completion('["a", "b"]'), completion("Yes [doc1]."))
    mock.script("/docs/search", hits((0.9, "Dogs need walks.")), {"status": 503, "json": {"error": {"code": "", "message": "secret detail"}}})
    extra = azure(grounded, query_type="vector_simple_hybrid", fields_mapping=mapping, allow_partial_result=True, embedding_dependency={"type": "deployment_name", "deployment_name": "embed"})
    assert context(ask(grounded.bob, "Dog?", extra=extra))["citations"]
    body = next(r for r in mock.requests if "/indexes/" in r.path).json()
    query = body["vectorQueries"][0]
    assert query["kind"] == "vector" and query["fields"] == "contentVector" and isinstance(query["vector"][0], float) and body["search"] == "a"
    script(mock, completion('["a"]'))
    mock.script("/docs/search", {"status": 404, "json": {"error": {"code": "", "message": "secret detail"}}})
    with pytest.raises(BadRequestError, match="Invalid AzureCognitiveSearch configuration") as error:
        ask(grounded.bob, "Dog?", extra=azure(grounded))
    assert "secret detail" not in str(error.value.body)


EXAMPLES = sorted((pathlib.Path(__file__).parent / "fixtures/examples/azure-openai-inference").rglob("*azure_search*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_official_examples_are_answered_in_azures_shape(grounded, mock, path):
    """As they stand, but for the names that an example cannot know: of the service, its index and the embedding deployment."""
    document = json.loads(path.read_text())
    body, wanted = document["parameters"]["body"], document["responses"]["200"]["body"]
    parameters = body["data_sources"][0]["parameters"]
    parameters.update(endpoint=grounded.endpoint, index_name="examples")
    if "embedding_dependency" in parameters:
        parameters["embedding_dependency"]["deployment_name"] = "embed"
    expected = wanted["choices"][0]["message"]
    citation = expected["context"]["citations"][0]
    script(mock, completion(json.dumps([expected["context"]["intent"]])), completion(expected["content"]))
    found = {"id": "k", "content": citation["content"], "title": citation["title"], "filepath": citation["filepath"], "url": citation["url"]}
    mock.script("/docs/search", {"json": {"value": [{"@search.score": 0.9, **found}]}})
    answer = grounded.chat("off", body, key=grounded.bob_key)
    assert answer.status == 200, answer.body
    choice = answer.json()["choices"][0]
    assert (choice["index"], choice["finish_reason"], choice["message"]["role"]) == (0, "stop", "assistant")
    assert choice["message"]["content"] == expected["content"]
    context = choice["message"]["context"]
    got = context["citations"][0]
    assert {name: got[name] for name in found if name != "id"} == {name: found[name] for name in found if name != "id"}
    assert set(citation) <= set(got) and context["intent"]
    assert next(r for r in mock.requests if "/indexes/examples/" in r.path).json()["filter"].startswith("user_ids/any(g: search.in(g, 'bob'")


# The search API's own clients.


def call(gateway, key, method, path, body=None, version="2024-07-01"):
    mark = "&" if "?" in path else "?"
    answer = gateway.call(method, f"{path}{mark}api-version={version}", body if body is not None else b"", key=key)
    return answer.status, (json.loads(answer.body) if answer.body else None)


def test_search_clients_read_what_their_caller_may(grounded):
    key = grounded.bob_key
    status, found = call(grounded, key, "POST", "/indexes/library/docs/search", {"search": "crane", "count": True, "select": "chunk_id,filepath,content"})
    assert status == 200 and found["@odata.count"] == 1
    hit = found["value"][0]
    assert hit["filepath"] == "harbour.md" and set(hit) == {"@search.score", "chunk_id", "filepath", "content"} and hit["@search.score"] > 0
    assert call(grounded, key, "POST", "/indexes('library')/docs/search.post.search", {"search": "crane"})[1]["value"][0]["chunk_id"] == hit["chunk_id"]
    assert call(grounded, key, "GET", "/indexes/library/docs?search=crane&$top=1")[1]["value"][0]["chunk_id"] == hit["chunk_id"]
    assert call(grounded, key, "GET", "/indexes('library')/docs/$count")[1] == 2
    assert call(grounded, key, "GET", f"/indexes/library/docs('{hit['chunk_id']}')")[1]["content"] == hit["content"]
    ann = grounded.ann.api_key
    assert call(grounded, ann, "GET", "/indexes/library/docs/$count")[1] == 3
    hidden = call(grounded, ann, "POST", "/indexes/library/docs/search", {"search": "salaries"})[1]["value"][0]
    assert call(grounded, key, "GET", f"/indexes/library/docs/{hidden['chunk_id']}")[0] == 404
    assert call(grounded, key, "POST", "/indexes/library/docs/search", {"search": "*", "filter": "label eq 'confidential'", "count": True})[1] == {"@odata.count": 0, "value": []}
    ordered = call(grounded, ann, "POST", "/indexes/library/docs/search", {"search": "*", "orderby": "filepath desc", "select": "filepath"})[1]["value"]
    assert [h["filepath"] for h in ordered] == ["salaries.md", "harbour.md", "harbour.md"]
    for body in ({"filter": "nosuch eq 1"}, {"filter": "a eq 1) or (true"}, {"select": "nosuch"}, {"facet": "x"}, {"top": -1}, {"orderby": "nosuch"}):
        status, error = call(grounded, key, "POST", "/indexes/library/docs/search", {"search": "crane", **body})
        assert status == 400 and error["error"]["message"], body
    assert call(grounded, key, "POST", "/indexes/nosuch/docs/search", {"search": "x"})[0] == 404
    assert call(grounded, None, "POST", "/indexes/library/docs/search", {"search": "x"})[0] == 401


def test_the_search_sdk_works(grounded):
    documents = pytest.importorskip("azure.search.documents")
    from azure.core.credentials import AzureKeyCredential

    client = documents.SearchClient(grounded.url, "library", AzureKeyCredential(grounded.bob_key), api_version="2024-07-01")
    results = list(client.search("crane", include_total_count=True))
    assert results[0]["filepath"] == "harbour.md" and client.get_document_count() == 2
    assert client.get_document(results[0]["chunk_id"])["title"] == "Harbour rules"


def test_vector_store_search(grounded, mock):
    page = grounded.bob.vector_stores.search("library", query="north crane", max_num_results=3)
    assert page.data[0].filename == "harbour.md" and "forty tonnes" in page.data[0].content[0].text and 0 < page.data[0].score <= 1
    none = grounded.bob.vector_stores.search("library", query="crane", filters={"type": "eq", "key": "label", "value": "confidential"})
    assert none.data == []
    assert not mock.requests
