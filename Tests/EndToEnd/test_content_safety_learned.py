"""The calls of Content Safety that need the learned detectors, with the shipped models: these tests fail without them.

What is asserted of a model's opinion is plain on both sides; how good it is in between is measured elsewhere.
"""

import base64
import json
import os
import pathlib
import time

import pytest
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeTextOptions, AnalyzeTextOutputType, TextCategory
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

from gateway import MARKER_LIST, ROOT, WORD, Gateway
from mock_upstream import fixture

MODELS = pathlib.Path(os.environ.get("SALLYPORT_MODELS", ROOT / "Models"))
GA, PREVIEW, AGENT = "api-version=2024-09-01", "api-version=2024-09-15-preview", "api-version=2024-12-15-preview"


@pytest.fixture(scope="module")
def learned(upstream, tmp_path_factory):
    """A gateway with all learned detectors."""
    def change(tree):
        tree["guards"] = {"learned": True, "modelsDirectory": str(MODELS)}

    gateway = Gateway(tmp_path_factory.mktemp("learned"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.operator = gateway.key("operator", roles="model-user,safety-operator")["secret"]
    gateway.start()
    gateway.wait_for_key(gateway.user)
    gateway.replace_blocklist(MARKER_LIST, [{"text": WORD}], key=gateway.operator)
    yield gateway
    gateway.stop()


def post(gateway, call, body, version=GA, key=None, **options):
    return gateway.call("POST", f"/contentsafety/{call}?{version}", body, key=key or gateway.user, timeout=60, **options)


def good(answer):
    assert answer.status == 200, (answer.status, answer.body)
    return answer.json()


# text:analyze


@pytest.fixture
def client(learned):
    with ContentSafetyClient(learned.url, AzureKeyCredential(learned.user), retry_total=0) as made:
        yield made


def test_the_sdk_gets_four_categories(client):
    found = client.analyze_text(AnalyzeTextOptions(text="The library opens at nine and closes at six."))
    assert [c.category for c in found.categories_analysis] == [
        TextCategory.HATE, TextCategory.SELF_HARM, TextCategory.SEXUAL, TextCategory.VIOLENCE,
    ]  # fmt: skip
    assert [c.severity for c in found.categories_analysis] == [0, 0, 0, 0]
    assert found.blocklists_match == []


def test_violence_is_more_severe_than_a_recipe(client):
    threat = "I am going to stab you to death tonight, I will cut your throat and watch you bleed out, and then I will kill your whole family."
    asked = AnalyzeTextOptions(text=threat, categories=[TextCategory.VIOLENCE], output_type=AnalyzeTextOutputType.EIGHT_SEVERITY_LEVELS)
    found = client.analyze_text(asked).categories_analysis
    assert [c.category for c in found] == [TextCategory.VIOLENCE] and 2 <= found[0].severity <= 7
    trimmed = client.analyze_text(AnalyzeTextOptions(text=threat, categories=[TextCategory.VIOLENCE])).categories_analysis
    assert trimmed[0].severity == found[0].severity // 2 * 2


def test_a_blocklist_hit_can_halt_the_analysis(learned):
    body = {"text": f"a {WORD}", "blocklistNames": [MARKER_LIST]}
    halted = good(post(learned, "text:analyze", {**body, "haltOnBlocklistHit": True}))
    assert [m["blocklistItemText"] for m in halted["blocklistsMatch"]] == [WORD] and halted["categoriesAnalysis"] == []
    assert len(good(post(learned, "text:analyze", body))["categoriesAnalysis"]) == 4


def test_the_official_analysis_example(learned):
    document = fixture("examples/content-safety/2024-09-01/AnalyzeText")
    assert good(post(learned, "text:analyze", document["parameters"]["body"])) == document["responses"]["200"]["body"]


@pytest.mark.parametrize("body", [
    {}, {"text": ""}, {"text": 1}, {"text": "a", "categories": ["Fraud"]}, {"text": "a", "categories": "Hate"}, {"text": "a", "outputType": "Two"},
    {"text": "a", "haltOnBlocklistHit": "yes"}, {"text": "\N{WAVE DASH}" * 10_001}, {"text": "a", "blocklistNames": [1]}, ["text"],
])  # fmt: skip
def test_bad_analyses_are_refused(learned, body):
    answer = post(learned, "text:analyze", body)
    assert answer.status == 400 and answer.error["code"] == "InvalidRequestBody", answer.body


def test_limits_count_code_points(learned):
    assert post(learned, "text:analyze", {"text": "\N{WAVE DASH}" * 10_000}).status == 200


def test_a_list_that_does_not_exist_is_404(learned):
    assert post(learned, "text:analyze", {"text": "a", "blocklistNames": ["none-such"]}).status == 404


# text:shieldPrompt

ATTACK = fixture("examples/content-safety/2024-09-15-preview/ShieldPrompt")["parameters"]["body"]


def test_the_official_shield_example(learned):
    document = fixture("examples/content-safety/2024-09-15-preview/ShieldPrompt")
    assert good(post(learned, "text:shieldPrompt", ATTACK)) == document["responses"]["200"]["body"]


def test_plain_prompts_and_documents_are_no_attacks(learned):
    body = {"userPrompt": "How long do I boil an egg?", "documents": ["The harbour office opens at eight.", "Minutes of the meeting: all agreed."]}
    assert good(post(learned, "text:shieldPrompt", body)) == {
        "userPromptAnalysis": {"attackDetected": False},
        "documentsAnalysis": [{"attackDetected": False}, {"attackDetected": False}],
    }


def test_only_the_attacked_document_is_named(learned):
    found = good(post(learned, "text:shieldPrompt", {"userPrompt": "Summarise my mail.", "documents": ["Lunch is at noon.", *ATTACK["documents"]]}))
    assert found["documentsAnalysis"] == [{"attackDetected": False}, {"attackDetected": True}]


def test_either_part_may_be_left_out(learned):
    assert good(post(learned, "text:shieldPrompt", {"userPrompt": "hello"})) == {
        "userPromptAnalysis": {"attackDetected": False}, "documentsAnalysis": [],
    }  # fmt: skip
    assert good(post(learned, "text:shieldPrompt", {"documents": ["hello"]})) == {"documentsAnalysis": [{"attackDetected": False}]}


def test_nothing_of_an_excluded_address_is_found(learned):
    text = "Mail john.smith@example.com today."
    for parameters in ({"excludePiiCategories": ["Email"]}, {"valueExclusionPolicy": {"caseSensitive": False, "excludedValues": ["JOHN.SMITH@example.com"]}}):
        body = {"kind": "PiiEntityRecognition", "parameters": parameters, "analysisInput": {"documents": [{"id": "1", "text": text}]}}
        answer = learned.call("POST", "/language/:analyze-text?api-version=2024-11-01", body, key=learned.operator)
        (found,) = answer.json()["results"]["documents"]
        assert found["redactedText"] == text and found["entities"] == []


@pytest.mark.parametrize("body", [
    {}, {"userPrompt": "x" * 10_001}, {"userPrompt": "a", "documents": ["a"] * 6}, {"documents": ["x" * 6_000, "x" * 6_000]},
    {"userPrompt": "a", "documents": "b"}, {"userPrompt": ["a"]},
])  # fmt: skip
def test_bad_shield_requests_are_refused(learned, body):
    answer = post(learned, "text:shieldPrompt", body)
    assert answer.status == 400 and answer.error["code"] == "InvalidRequestBody"


def test_a_call_is_on_record_with_its_model(learned):
    good(post(learned, "text:shieldPrompt", ATTACK))
    outcome = learned.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("operation") == "ContentSafety_ShieldPrompt")
    guards = {g["guard"]: g for g in outcome["guards"]}
    assert guards["prompt-attack"]["modelHash"] and guards["document-attack"]["modelHash"]
    assert "DAN" not in json.dumps(outcome)


# text:detectGroundedness


def test_the_official_groundedness_example_has_its_shape(learned):
    document = fixture("examples/content-safety/2024-09-15-preview/DetectGroundedness")
    found = good(post(learned, "text:detectGroundedness", document["parameters"]["body"], PREVIEW))
    assert set(found) == {"ungroundedDetected", "ungroundedPercentage", "ungroundedDetails"}
    assert found["ungroundedDetected"] == bool(found["ungroundedDetails"])


SOURCE = "The ferry to Skagen leaves at seven in the morning from pier four. A ticket costs twelve euros, and children travel free."


def test_a_copied_answer_is_grounded(learned):
    body = {"task": "QnA", "qna": {"query": "When does the ferry leave?"}, "text": "The ferry to Skagen leaves at seven in the morning from pier four.", "groundingSources": [SOURCE]}
    assert good(post(learned, "text:detectGroundedness", body, PREVIEW)) == {
        "ungroundedDetected": False, "ungroundedPercentage": 0, "ungroundedDetails": [],
    }  # fmt: skip


def test_an_invented_sentence_is_placed_in_three_encodings_reasoned_and_corrected(learned):
    head = "\N{SHIP} The ferry to Skagen leaves at seven in the morning from pier four. "
    invented = "Elephants in Zürich painted Napoleon's 53 submarines bright orange in 1822."
    body = {
        "domain": "MEDICAL", "task": "summarization", "text": head + invented, "groundingSources": [SOURCE],
        "reasoning": True, "correction": True,
    }  # fmt: skip
    found = good(post(learned, "text:detectGroundedness", body, PREVIEW))
    assert found["ungroundedDetected"] is True and 0 < found["ungroundedPercentage"] <= 1
    detail = found["ungroundedDetails"][-1]
    assert detail["text"] == invented and detail["reason"]
    assert detail["offset"] == {"utf8": len(head.encode()), "utf16": len(head.encode("utf-16-le")) // 2, "codePoint": len(head)}
    assert detail["length"] == {"utf8": len(invented.encode()), "utf16": len(invented), "codePoint": len(invented)}
    assert "Elephants" not in found["mitigatedText"] and found["correctionText"] == found["mitigatedText"]


@pytest.mark.parametrize("body", [
    {"text": "a"}, {"text": "a", "groundingSources": []}, {"groundingSources": ["a"]}, {"text": "a", "groundingSources": ["a"], "task": "QnA"},
    {"text": "a", "groundingSources": ["a"], "task": "Poem"}, {"text": "x" * 7_501, "groundingSources": ["a"]},
    {"text": "a", "groundingSources": ["x" * 55_001]}, {"text": "a", "groundingSources": ["a"], "domain": "Legal"},
    {"text": "a", "groundingSources": ["a"], "reasoning": True, "llmResource": {"resourceType": "AzureOpenAI"}},
])  # fmt: skip
def test_bad_groundedness_requests_are_refused(learned, body):
    answer = post(learned, "text:detectGroundedness", body, PREVIEW)
    assert answer.status == 400 and answer.error["code"] == "InvalidRequestBody"


# agent:analyzeTaskAdherence


def agent(call, arguments, request="What will the weather be in Bergen tomorrow?"):
    return {
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "description": "The forecast of a place"}},
            {"type": "function", "function": {"name": "transfer_money", "description": "Sends money"}},
        ],
        "messages": [
            {"source": "Prompt", "role": "User", "contents": request},
            {"source": "Completion", "role": "Assistant", "contents": "", "toolCalls": [
                {"type": "function", "function": {"name": call, "arguments": json.dumps(arguments)}, "id": "call_1"}]},
        ],
    }  # fmt: skip


def test_a_call_that_serves_the_user_is_no_risk(learned):
    assert good(post(learned, "agent:analyzeTaskAdherence", agent("get_weather", {"place": "Bergen", "day": "tomorrow"}), AGENT)) == {"taskRiskDetected": False}


def test_a_call_of_an_unknown_tool_is_a_risk(learned):
    found = good(post(learned, "agent:analyzeTaskAdherence", agent("run_shell", {"command": "ls"}), AGENT))
    assert found["taskRiskDetected"] is True and "run_shell" in found["details"]


# Tools of a house, which no model was trained on: a stock system, a laboratory's booking, a greenhouse.
OWN_TOOLS = [
    ("acme_stock_reserve", {"article": "pump 40-12", "quantity": 3}, "Please reserve three pumps 40-12 for us."),
    ("lab_slot_book", {"instrument": "mass spectrometer", "day": "Tuesday", "hours": 2}, "Book the mass spectrometer for two hours on Tuesday."),
    ("gewaechshaus_bewaessern", {"beet": 4, "minuten": 10}, "Bitte Beet 4 zehn Minuten bewässern."),
]


def own(name, arguments, request):
    body = agent(name, arguments, request)
    body["tools"] = [{"type": "function", "function": {"name": known, "description": "A tool of this house"}} for known in dict.fromkeys([*(known for known, _, _ in OWN_TOOLS), name])]
    return body


@pytest.mark.parametrize("name,arguments,request_", OWN_TOOLS)
def test_a_house_s_own_tool_that_serves_the_user_is_no_risk(learned, name, arguments, request_):
    assert good(post(learned, "agent:analyzeTaskAdherence", own(name, arguments, request_), AGENT)) == {"taskRiskDetected": False}


@pytest.mark.parametrize("name,arguments,request_", [
    ("user_delete", {"user": "all"}, "Start the nightly export now."), ("acme_stock_delete", {"all": True}, OWN_TOOLS[0][2]),
    ("coldroom_alarm_disable", {"room": "all"}, "Set the temperature of cold room 2 to four degrees."),
    ("greenhouse_open_doors", {"all": True}, "Water bed 4 for ten minutes."),
])  # fmt: skip
def test_a_house_s_own_tool_that_serves_something_else_is_a_risk(learned, name, arguments, request_):
    found = good(post(learned, "agent:analyzeTaskAdherence", own(name, arguments, request_), AGENT))
    assert found["taskRiskDetected"] is True and name in found["details"]


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": [{"source": "Prompt", "role": "King", "contents": "a"}]}, {"messages": [{"role": "User"}]}])
def test_bad_agent_requests_are_refused(learned, body):
    assert post(learned, "agent:analyzeTaskAdherence", body, AGENT).status == 400


# Custom categories

SHIPS = [
    "The freighter is waiting for a pilot off the harbour.", "Which berth is free for the container ship tonight?",
    "The tanker lost its anchor in the storm.", "How deep is the channel to the port of Hamburg?",
    "The ferry's captain reported a broken rudder.", "Unloading the bulk carrier takes two days.",
    "A tug pulled the damaged vessel back to the quay.", "The coast guard stopped a trawler without lights.",
    "What do port dues cost for a ship of ten thousand tons?", "The cruise liner's crew mustered on the boat deck.",
]  # fmt: skip


def finished(gateway, path, operation, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = gateway.call("GET", f"/contentsafety/text/{path}/operations/{operation}?{PREVIEW}", key=gateway.operator)
        if (found := good(answer))["status"] in ("Succeeded", "Failed"):
            return found
        time.sleep(0.1)
    raise AssertionError("the operation does not end")


@pytest.fixture(params=["samples", "data-url"])
def ships(request, learned):
    name = f"ships-{request.param}"
    body = {"categoryName": name, "definition": "Ships, ports and shipping."}
    if request.param == "samples":
        body["samples"] = SHIPS
    else:
        rows = "\n".join(json.dumps({"text": text, "isNegative": False}) for text in SHIPS)
        body["sampleBlobUrl"] = "data:application/jsonl;base64," + base64.b64encode(rows.encode()).decode()
    made = learned.call("PUT", f"/contentsafety/text/categories/{name}?{PREVIEW}", body, key=learned.operator)
    assert made.status == 201, made.body
    assert made.json()["version"] == 1 and made.json()["status"] == "NotStarted" and made.json()["createdTime"].endswith("Z")
    yield name
    assert learned.call("DELETE", f"/contentsafety/text/categories/{name}?{PREVIEW}", key=learned.operator).status == 204
    assert learned.call("GET", f"/contentsafety/text/categories/{name}?{PREVIEW}", key=learned.operator).status == 404


def test_a_category_is_taught_built_and_asked(learned, ships):
    ask = {"text": "Two tugs brought the crippled tanker into port.", "categoryName": ships}
    assert post(learned, "text:analyzeCustomCategory", ask, PREVIEW).status == 409
    started = learned.call("POST", f"/contentsafety/text/categories/{ships}:build?{PREVIEW}&version=1", key=learned.operator, headers=[("operation-id", f"build-{ships}")])
    assert started.status == 202 and started.json()["id"] == f"build-{ships}" == started.header("operation-id")
    assert f"/contentsafety/text/categories/operations/build-{ships}?" in started.header("operation-location")
    assert finished(learned, "categories", f"build-{ships}") == {"id": f"build-{ships}", "status": "Succeeded"}
    assert good(post(learned, "text:analyzeCustomCategory", ask, PREVIEW)) == {"customCategoryAnalysis": {"detected": True}}
    for other in ("Please translate this poem about spring into French.", "How do I bake bread without yeast?"):
        assert good(post(learned, "text:analyzeCustomCategory", {"text": other, "categoryName": ships}, PREVIEW)) == {
            "customCategoryAnalysis": {"detected": False}
        }
    listed = learned.call("GET", f"/contentsafety/text/categories?{PREVIEW}", key=learned.operator).json()["value"]
    assert [(c["categoryName"], c["status"]) for c in listed] == [(ships, "Succeeded")]
    again = learned.call("POST", f"/contentsafety/text/categories/{ships}:build?{PREVIEW}", key=learned.operator, headers=[("operation-id", f"build-{ships}")])
    assert again.status == 409


def test_samples_elsewhere_are_not_fetched(learned):
    body = {"categoryName": "x", "definition": "d", "sampleBlobUrl": "https://account.blob.core.windows.net/c/samples.jsonl"}
    answer = learned.call("PUT", f"/contentsafety/text/categories/x?{PREVIEW}", body, key=learned.operator)
    assert answer.status == 400 and answer.error["target"] == "sampleBlobUrl"


def test_categories_need_the_operator(learned):
    assert learned.call("GET", f"/contentsafety/text/categories?{PREVIEW}", key=learned.user).status == 401


# Incidents


def test_an_incident_is_in_force_when_it_is_deployed(learned):
    path = "/contentsafety/text/incidents/merger-leak"
    merge = [("content-type", "application/merge-patch+json")]
    made = learned.call("PATCH", f"{path}?{PREVIEW}", {"incidentName": "merger-leak", "incidentDefinition": "A merger was made public"}, key=learned.operator, headers=merge)
    assert made.status == 201 and made.json()["incidentName"] == "merger-leak"
    samples = [{"text": "Northwind and Contoso will merge before the end of the year."}, {"text": "The merger of Contoso with Northwind is a done deal."}]
    added = learned.call("POST", f"{path}:addIncidentSamples?{PREVIEW}", {"IncidentSamples": samples}, key=learned.operator)
    ids = [s["incidentSampleId"] for s in good(added)["incidentSamples"]]
    assert len(ids) == 2
    ask = {"text": "Did you hear? Contoso and Northwind are going to merge this year.", "incidentNames": ["merger-leak"]}
    assert post(learned, "text:detectIncidents", ask, PREVIEW).status == 409
    started = learned.call("POST", f"{path}:deploy?{PREVIEW}", key=learned.operator)
    assert started.status == 202
    assert finished(learned, "incidents", started.header("operation-id"))["status"] == "Succeeded"
    assert good(post(learned, "text:detectIncidents", ask, PREVIEW)) == {"incidentMatches": [{"incidentName": "merger-leak"}]}
    quiet = {"text": "What is the best way to clean a bicycle chain?", "incidentNames": ["merger-leak"]}
    assert good(post(learned, "text:detectIncidents", quiet, PREVIEW)) == {"incidentMatches": []}
    listed = learned.call("GET", f"{path}/incidentsamples?{PREVIEW}&maxpagesize=1", key=learned.operator).json()
    assert len(listed["value"]) == 1 and "skip=1" in listed["nextLink"]
    assert learned.call("POST", f"{path}:removeIncidentSamples?{PREVIEW}", {"incidentSampleIds": ids[:1]}, key=learned.operator).status == 204
    assert learned.call("GET", f"{path}/incidentsamples/{ids[0]}?{PREVIEW}", key=learned.operator).status == 404
    assert learned.call("DELETE", f"{path}?{PREVIEW}", key=learned.operator).status == 204
    assert post(learned, "text:detectIncidents", ask, PREVIEW).status == 404


def test_the_sdk_reports_our_errors(client):
    with pytest.raises(HttpResponseError) as caught:
        client.analyze_text(AnalyzeTextOptions(text="x" * 10_001))
    assert caught.value.status_code == 400 and caught.value.error.code == "InvalidRequestBody"
