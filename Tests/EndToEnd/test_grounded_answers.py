"""Answers to questions about documents are held against them, as the policy says: the shipped models, our own index, a scripted model, the OpenAI SDK."""

import json

import pytest
from openai import OpenAI

from gateway import Gateway, answers_from_library, policy
from test_data_sources import HARBOUR, completion, script, sent, source, streamed
from test_on_your_data import data

TRUE = "The north crane lifts forty tonnes [doc1]."
FALSE = "The crane was built in Naples in 1850 by the painter Lorenzo."
QUESTION = "How much does the north crane lift, and when is it inspected?"
CHECKS = ("annotate", "correct", "block", "off")


@pytest.fixture(scope="module")
def served(upstream, tmp_path_factory):
    folder = tmp_path_factory.mktemp("judged")

    def change(tree):
        tree["guards"] = {"learned": True}
        answers_from_library(tree)
        for check in CHECKS:
            tree["deployments"][check] = {"upstream": "aoai", "model": "gpt-4o", "policy": f"Judge{check}"}

    gateway = Gateway(folder / "gateway", upstream.url, change)
    for check in CHECKS:
        document = policy(f"Judge{check}", uninspectable="record", grounding={"groundedness": check})
        document["properties"]["sallyport"]["annotations"] = True
        (gateway.policies / f"Judge{check}.json").write_text(json.dumps(document))
    (folder / "harbour.md").write_text(HARBOUR)
    user = gateway.key("user")["secret"]
    data(gateway, "add", "library", folder / "harbour.md", "--allow", "everyone")
    gateway.start()
    gateway.client = OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=user, max_retries=0)
    yield gateway
    gateway.kill()


def ask(gateway, check, said, mock, stream=False):
    script(mock, completion('["north crane lifts", "crane inspection"]'), *([streamed(*said)] if stream and check in ("annotate", "off") else [completion(" ".join(said))]))
    return gateway.client.chat.completions.create(
        model=check, messages=[{"role": "user", "content": QUESTION}], extra_body=source(), stream=stream)  # fmt: skip


def ungrounded(choice):
    return (choice.model_extra.get("content_filter_results") or {}).get("ungrounded_material")


@pytest.mark.parametrize("check", CHECKS)
def test_what_the_documents_support_stays_as_it_is(served, mock, check):
    choice = ask(served, check, [TRUE, "It is inspected every spring [doc1]."], mock).choices[0]
    assert choice.message.content == f"{TRUE} It is inspected every spring [doc1]."
    assert choice.message.model_extra["context"]["citations"][0]["filepath"] == "harbour.md"
    assert ungrounded(choice) == (None if check == "off" else {"filtered": False, "detected": False, "details": []})


def test_what_they_do_not_support_is_annotated(served, mock):
    choice = ask(served, "annotate", [TRUE, FALSE], mock).choices[0]
    text = choice.message.content
    assert text == f"{TRUE} {FALSE}"
    found = ungrounded(choice)
    assert found["detected"] is True and found["filtered"] is False
    spans = [text[d["completion_start_offset"] : d["completion_end_offset"]] for d in found["details"]]
    assert any("Naples" in s for s in spans) and not any("forty tonnes" in s for s in spans), spans
    record = served.wait_for_record(lambda r: "grounding.ungrounded" in json.dumps(r))
    assert "Naples" not in json.dumps(record)


def test_what_they_do_not_support_is_taken_out(served, mock):
    choice = ask(served, "correct", [TRUE, FALSE], mock).choices[0]
    assert "forty tonnes [doc1]" in choice.message.content and "Naples" not in choice.message.content
    assert ungrounded(choice)["detected"] is True and ungrounded(choice)["corrected"] is True
    # Nothing is left: that is said.
    choice = ask(served, "correct", [FALSE], mock).choices[0]
    assert "Naples" not in choice.message.content and choice.message.content


def test_an_answer_with_such_a_sentence_is_kept_back(served, mock):
    answer = ask(served, "block", [TRUE, FALSE], mock)
    choice = answer.choices[0]
    assert choice.finish_reason == "content_filter" and not choice.message.content
    assert ungrounded(choice)["filtered"] is True
    assert "Naples" not in answer.model_dump_json()


@pytest.mark.parametrize("check", CHECKS)
def test_streams_are_judged_too(served, mock, check):
    chunks = list(ask(served, check, [TRUE + " ", FALSE], mock, stream=True))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices and c.choices[0].delta)
    assert sent(mock)[1].get("stream") in (None, False) if check in ("correct", "block") else sent(mock)[1]["stream"] is True
    contexts = [c for c in chunks if c.choices and c.choices[0].delta and (c.choices[0].delta.model_extra or {}).get("context")]
    results = [u for c in chunks for choice in c.choices if (u := ungrounded(choice))]
    raw = "".join(c.model_dump_json() for c in chunks)
    if check == "off":
        assert "Naples" in text and not results
    elif check == "annotate":
        assert "Naples" in text and results[-1]["detected"] is True
    elif check == "correct":
        assert "forty tonnes" in text and "Naples" not in raw and results[-1]["corrected"] is True
    else:
        assert not text and "Naples" not in raw and any(c.choices and c.choices[0].finish_reason == "content_filter" for c in chunks)
    assert len(contexts) == 1 or check == "block"


def test_the_embedded_upstream_quotes_and_is_always_supported(served, mock):
    answer = served.client.chat.completions.create(model="local", messages=[{"role": "user", "content": "How much does the north crane lift?"}])
    choice = answer.choices[0]
    assert "forty tonnes" in choice.message.content
    found = ungrounded(choice)
    assert found is None or found["detected"] is False
