"""Known text and code: the two calls of Content Safety, the command line, and the filter on answers."""

import json
import pathlib
import time

import pytest
from openai import AzureOpenAI

from gateway import API, policy
from mock_upstream import fixture

GA, PREVIEW = "api-version=2024-09-01", "api-version=2024-09-15-preview"

POEM = (
    "The pilot of the grey old boat looked long upon the northern bay, and where the herring gulls afloat had slept until the break of day, "
    "he saw the lanterns one by one go out along the harbour wall, and knew the fishing fleet had gone without a word, without a call."
)
CODE = """
def berth_for(vessel, quays, tide):
    \"\"\"The first quay that is free and deep enough.\"\"\"
    for quay in sorted(quays, key=lambda q: q.distance):
        if quay.is_free and quay.depth_at(tide) >= vessel.draught + CLEARANCE:
            return quay.assign(vessel, until=tide.next_low())
    raise NoBerth(f"{vessel.name} has to wait outside")
"""


def answering(text):
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip


def piece(text, reason=None):
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": [choice]}


@pytest.fixture
def guarded(make_gateway, tmp_path):
    """A gateway that knows a poem and a function, with deployments that block and that annotate."""
    def change(tree):
        for name, blocking in (("MaterialBlocking", True), ("MaterialNoting", False)):
            document = policy(name, uninspectable="record")
            document["properties"]["contentFilters"] = [
                {"name": "Protected Material Text", "blocking": blocking, "enabled": True, "source": "Completion"},
                {"name": "protected_material_code", "blocking": blocking, "enabled": True, "source": "Completion"},
            ]
            (pathlib.Path(tree["policies"]["directory"]) / f"{name}.json").write_text(json.dumps(document))
        tree["deployments"]["blocking"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "MaterialBlocking"}
        tree["deployments"]["noting"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "MaterialNoting"}

    gateway = make_gateway(change, start=False)
    (tmp_path / "poem.txt").write_text(POEM)
    (tmp_path / "berth.py").write_text(CODE)
    add(gateway, tmp_path / "poem.txt", "--licence", "LicenseRef-Estate", "--url", "https://poems.example/pilot", "--name", "The pilot")
    add(gateway, tmp_path / "berth.py", "--kind", "code", "--licence", "GPL-3.0-only", "--url", "https://code.example/berth.py")
    return gateway.start()


def add(gateway, *arguments):
    done = gateway.command("protected", "add", *arguments, "--config", gateway.config)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def detect(gateway, text):
    answer = gateway.call("POST", f"/contentsafety/text:detectProtectedMaterial?{GA}", {"text": text}, key=gateway.user)
    assert answer.status == 200, answer.body
    return answer.json()


def detect_code(gateway, code):
    answer = gateway.call("POST", f"/contentsafety/text:detectProtectedMaterialForCode?{PREVIEW}", {"code": code}, key=gateway.user)
    assert answer.status == 200, answer.body
    return answer.json()["protectedMaterialAnalysis"]


def test_known_text_is_found_also_in_part_and_in_another_layout(guarded):
    wanted = {"protectedMaterialAnalysis": {"detected": True}}
    assert detect(guarded, POEM) == wanted
    words = POEM.split()
    assert detect(guarded, "As somebody said: " + "\n".join(words[8:40]).upper()) == wanted
    assert detect(guarded, "The pilot of the boat had a long day; nobody wrote this before, and nobody will again.") == {
        "protectedMaterialAnalysis": {"detected": False}
    }


def test_known_code_is_cited(guarded):
    found = detect_code(guarded, " ".join(CODE.split()))
    assert found == {"detected": True, "codeCitations": [{"license": "GPL-3.0-only", "sourceUrls": ["https://code.example/berth.py"]}]}
    assert detect_code(guarded, "def add(a, b):\n    return a + b\n") == {"detected": False, "codeCitations": []}


def test_the_product_knows_open_source_licences(guarded):
    mit = (
        "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files "
        '(the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge'
    )
    assert detect(guarded, mit)["protectedMaterialAnalysis"]["detected"] is True


@pytest.mark.parametrize("example, call, version", [
    ("2024-09-01/DetectTextProtectedMaterial", "text:detectProtectedMaterial", GA),
    ("2024-09-15-preview/DetectProtectedMaterialForCode", "text:detectProtectedMaterialForCode", PREVIEW),
])  # fmt: skip
def test_official_examples_have_the_answer_s_shape(guarded, example, call, version):
    document = fixture(f"examples/content-safety/{example}")
    answer = guarded.call("POST", f"/contentsafety/{call}?{version}", document["parameters"]["body"], key=guarded.user)
    assert answer.status == 200
    wanted = document["responses"]["200"]["body"]["protectedMaterialAnalysis"]
    assert set(answer.json()["protectedMaterialAnalysis"]) == set(wanted)


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": 5}, {"text": None}, {"text": "\N{WAVE DASH}" * 1001}, []])
def test_bad_requests_are_refused(guarded, body):
    answer = guarded.call("POST", f"/contentsafety/text:detectProtectedMaterial?{GA}", body, key=guarded.user)
    assert answer.status == 400 and answer.error["code"] == "InvalidRequestBody"


def test_a_longer_text_is_a_matter_of_configuration(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(contentSafety={"maximumProtectedText": 5000}))
    assert detect(gateway, "x " * 2000)["protectedMaterialAnalysis"]["detected"] is False


def test_an_answer_that_copies_is_blocked(guarded, mock):
    mock.script("chat/completions", {"json": answering(f"Here it is: {POEM}")})
    answer = guarded.chat("blocking", {"messages": [{"role": "user", "content": "recite"}]}, key=guarded.user).json()
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert choice["content_filter_results"]["protected_material_text"] == {"filtered": True, "detected": True}
    assert choice["content_filter_results"]["protected_material_code"] == {"filtered": False, "detected": False}
    assert "lanterns" not in json.dumps(answer)


def test_an_answer_that_copies_code_is_cited(guarded, mock):
    mock.script("chat/completions", {"json": answering(f"Sure:\n```python{CODE}```\nAnything else?")})
    choice = guarded.chat("noting", {"messages": [{"role": "user", "content": "code"}]}, key=guarded.user).json()["choices"][0]
    assert choice["finish_reason"] == "stop" and "quay.assign" in choice["message"]["content"]
    assert choice["content_filter_results"]["protected_material_code"] == {
        "filtered": False, "detected": True, "citation": {"URL": "https://code.example/berth.py", "license": "GPL-3.0-only"},
    }  # fmt: skip
    assert choice["content_filter_results"]["protected_material_text"] == {"filtered": False, "detected": False}


def test_what_the_user_says_is_not_compared(guarded, mock):
    mock.script("chat/completions", {"json": answering("A fine poem.")})
    answer = guarded.chat("blocking", {"messages": [{"role": "user", "content": POEM}]}, key=guarded.user)
    assert answer.status == 200 and answer.json()["choices"][0]["finish_reason"] == "stop"


def test_a_stream_that_copies_ends(guarded, mock):
    client = AzureOpenAI(azure_endpoint=guarded.url, api_key=guarded.user, api_version=API, max_retries=0)
    mock.script("chat/completions", {"events": [*(piece(f"{word} ") for word in POEM.split()), piece("", "stop"), "[DONE]"]})
    text, reason = "", None
    for chunk in client.chat.completions.create(model="blocking", messages=[{"role": "user", "content": "recite"}], stream=True):
        for choice in chunk.choices:
            text += (choice.delta.content or "") if choice.delta else ""
            reason = choice.finish_reason or reason
    assert reason == "content_filter"
    assert len(text) < len(POEM) / 2


def test_works_are_listed_and_removed_and_a_running_gateway_notices(guarded):
    listed = json.loads(guarded.command("protected", "list", "--json", "--config", guarded.config).stdout)
    assert [(w["id"], w["kind"], w["name"], w["licence"]) for w in listed] == [
        (1, "text", "The pilot", "LicenseRef-Estate"), (2, "code", "berth.py", "GPL-3.0-only"),
    ]  # fmt: skip
    assert guarded.command("protected", "remove", "9", "--config", guarded.config).returncode != 0
    assert guarded.command("protected", "remove", "1", "--config", guarded.config).returncode == 0
    end = time.monotonic() + 10
    while detect(guarded, POEM)["protectedMaterialAnalysis"]["detected"]:
        assert time.monotonic() < end, "the gateway does not notice that a work is gone"
        time.sleep(0.05)
    for act in ("protected.add", "protected.remove"):
        guarded.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act)


def test_calls_are_on_record(guarded):
    detect(guarded, POEM)
    outcome = guarded.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("operation") == "ContentSafety_DetectProtectedMaterial")
    assert outcome["status"] == 200 and "pilot of the grey" not in json.dumps(outcome)
    assert any(r["type"] == "exchange.intent" and r["id"] == outcome["id"] for r in guarded.records())
