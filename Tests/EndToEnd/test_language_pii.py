"""Azure AI Language's PII request, through `azure-ai-textanalytics` and by hand."""

import pytest
from azure.ai.textanalytics import PiiEntityCategory, TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError

from mock_upstream import fixture

TARGET = "/language/:analyze-text?api-version={}"


@pytest.fixture
def client(gateway, keys):
    with TextAnalyticsClient(gateway.url, AzureKeyCredential(keys.operator), retry_total=0) as made:
        yield made


def test_finds_and_redacts(client):
    text = "Mail ann@harbour.example, card 4111 1111 1111 1111."
    found = client.recognize_pii_entities([text])[0]
    assert not found.is_error
    by_category = {e.category: e for e in found.entities}
    card = by_category["CreditCardNumber"]
    assert card.text == "4111 1111 1111 1111" and text[card.offset : card.offset + card.length] == card.text
    assert by_category["Email"].text == "ann@harbour.example"
    assert found.redacted_text == text.replace(card.text, "*" * len(card.text)).replace("ann@harbour.example", "*" * 19)
    assert 0 < card.confidence_score <= 1


def test_counts_offsets_in_code_points(client):
    text = "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} kontakt: jan@przyklad.example \N{PEACH}"
    entity = client.recognize_pii_entities([text])[0].entities[0]
    assert text[entity.offset : entity.offset + entity.length] == "jan@przyklad.example"


@pytest.mark.parametrize(
    ("unit", "offset"), [("UnicodeCodePoint", 3), ("Utf16CodeUnit", 5), ("TextElements_v8", 2)], ids=["code points", "utf-16", "text elements"]
)
def test_counts_offsets_in_the_unit_asked_for(gateway, keys, unit, offset):
    text = "\N{WAVING HAND SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4} a@b.example"
    body = {"kind": "PiiEntityRecognition", "parameters": {"stringIndexType": unit}, "analysisInput": {"documents": [{"id": "1", "text": text}]}}
    answer = gateway.call("POST", TARGET.format("2023-04-01"), body, key=keys.operator)
    entity = answer.json()["results"]["documents"][0]["entities"][0]
    assert (entity["text"], entity["offset"], entity["length"]) == ("a@b.example", offset, 11)


def test_documents_keep_their_order_and_errors_their_ids(client):
    results = client.recognize_pii_entities(["card 4111111111111111", "x" * 5121, "nothing here"])
    assert [r.is_error for r in results] == [False, True, False]
    assert results[1].error.code == "InvalidDocument"
    assert results[2].entities == []


def test_filters_by_category(client):
    text = "Mail ann@harbour.example, card 4111111111111111."
    found = client.recognize_pii_entities([text], categories_filter=[PiiEntityCategory.EMAIL])[0]
    assert [e.category for e in found.entities] == ["Email"]
    assert "4111111111111111" in found.redacted_text


def test_statistics_are_given_when_asked(client):
    found = client.recognize_pii_entities(["card 4111111111111111"], show_stats=True)[0]
    assert (found.statistics.character_count, found.statistics.transaction_count) == (21, 1)


def test_more_than_five_documents_are_refused(client):
    with pytest.raises(HttpResponseError) as caught:
        client.recognize_pii_entities(["one"] * 6)
    assert caught.value.status_code == 400 and caught.value.error.code == "InvalidDocumentBatch"


def test_wrong_key_is_401(gateway):
    with TextAnalyticsClient(gateway.url, AzureKeyCredential("wrong"), retry_total=0) as client, pytest.raises(ClientAuthenticationError):
        client.recognize_pii_entities(["text"])


@pytest.mark.parametrize(
    ("body", "inner"),
    [
        (b"{", "InvalidRequestBodyFormat"),
        ({"kind": "PiiEntityRecognition", "analysisInput": {"documents": []}}, "MissingInputDocuments"),
        ({"kind": "Sentiment", "analysisInput": {"documents": [{"id": "1", "text": "x"}]}}, "InvalidParameterValue"),
        (
            {"kind": "PiiEntityRecognition", "parameters": {"piiCategories": ["NoSuch"]}, "analysisInput": {"documents": [{"id": "1", "text": "x"}]}},
            "InvalidParameterValue",
        ),
    ],
    ids=["broken json", "no documents", "other kind", "unknown category"],
)
def test_bad_requests_name_their_reason(gateway, keys, body, inner):
    answer = gateway.call("POST", TARGET.format("2023-04-01"), body, key=keys.operator)
    assert answer.status == 400
    assert answer.error["innererror"]["code"] == inner


def analyse(gateway, keys, text, parameters=None, version="2025-05-15-preview", **document):
    body = {"kind": "PiiEntityRecognition", "analysisInput": {"documents": [{"id": "1", "text": text, **document}]}}
    if parameters is not None:
        body["parameters"] = parameters
    return gateway.call("POST", TARGET.format(version), body, key=keys.operator)


@pytest.mark.parametrize(
    "parameters",
    [
        {"redactionPolicies": [{"policyKind": "noMask", "entityTypes": "Email"}]}, {"redactionPolicies": [{"policyKind": "noMask", "entityTypes": [7]}]},
        {"redactionPolicies": {"policyKind": "noMask"}}, {"redactionPolicies": ["noMask"]}, {"redactionPolicy": "noMask"}, {"redactionPolicy": {"policyKind": 5}},
        {"redactionPolicy": {"policyKind": "characterMask", "unmaskLength": -1}}, {"redactionPolicy": {"policyKind": "characterMask", "unmaskLength": "4"}},
        {"redactionPolicy": {"policyKind": "characterMask", "unmaskFromEnd": "no"}}, {"redactionCharacter": 5}, {"redactionCharacter": "ab"},
        {"piiCategories": "Email"}, {"piiCategories": [5]}, {"excludePiiCategories": "Email"}, {"domain": 5}, {"stringIndexType": 5}, {"modelVersion": 5},
        {"valueExclusionPolicy": 5}, {"valueExclusionPolicy": {"excludedValues": ["a"]}}, {"valueExclusionPolicy": {"caseSensitive": True}},
        {"confidenceScoreThreshold": 0.99}, {"confidenceScoreThreshold": {}}, {"confidenceScoreThreshold": {"default": "0.99"}},
        {"confidenceScoreThreshold": {"default": 0.5, "overrides": [{"entity": "Email"}]}}, {"entitySynonyms": [{"entityType": "Email"}]},
        {"entitySynonyms": ["Email"]}, {"disableEntityValidation": "true"}, "x",
    ],
    ids=str,
)  # fmt: skip
def test_parameters_of_a_wrong_kind_are_refused(gateway, keys, parameters):
    """Read past, they would leave in the text what was to be masked."""
    answer = analyse(gateway, keys, "Mail ann@harbour.example from 10.1.2.3", parameters)
    assert answer.status == 400 and answer.error["innererror"]["code"] in ("InvalidParameterValue", "InvalidRequestBodyFormat"), answer.body
    assert not answer.body.count(b"ann@harbour.example")


def test_null_parameters_are_absent_ones(gateway, keys):
    parameters = {name: None for name in ("domain", "piiCategories", "redactionPolicy", "redactionPolicies", "valueExclusionPolicy", "confidenceScoreThreshold", "redactionCharacter")}
    answer = analyse(gateway, keys, "Mail ann@harbour.example", parameters)
    assert answer.json()["results"]["documents"][0]["redactedText"] == "Mail *******************"


def test_check_digits_may_go_unchecked(gateway, keys):
    found = lambda **parameters: [
        e["category"] for e in analyse(gateway, keys, "Is 998.214.865-69 your Brazilian CPF number?", parameters).json()["results"]["documents"][0]["entities"]
    ]
    assert "BRCPFNumber" not in found() and "BRCPFNumber" in found(disableEntityValidation=True)


def test_newer_versions_tag_entities(gateway, keys):
    entity = lambda version: analyse(gateway, keys, "Mail ann@harbour.example", version=version).json()["results"]["documents"][0]["entities"][0]
    new = entity("2025-05-15-preview")
    assert new["type"] == "Email" and new["tags"] == [{"name": "Email", "confidenceScore": new["confidenceScore"]}]
    assert "type" not in entity("2024-11-01") and "tags" not in entity("2024-11-01")


def test_the_language_of_a_document_counts(gateway, keys):
    text = "The message of the harbour office is for ann@harbour.example and the crew."
    threshold = {"confidenceScoreThreshold": {"default": 0, "overrides": [{"entity": "Email", "value": 1, "language": "en"}]}}

    def emails(**document):
        (found,) = analyse(gateway, keys, text, threshold, **document).json()["results"]["documents"]
        return [e for e in found["entities"] if e["category"] == "Email"], found.get("detectedLanguage")

    assert emails() == ([], None) and emails(language="en") == ([], None), "English unless said otherwise"
    assert emails(language="de")[0] and emails(language="zh-Hans")[0]
    found, detected = emails(language="auto")
    assert found == [] and detected["iso6391Name"] == "en" and detected["name"] == "English" and 0.5 < detected["confidenceScore"] <= 1
    for wrong in ("xx", "klingon"):
        (error,) = analyse(gateway, keys, text, language=wrong).json()["results"]["errors"]
        assert error["error"]["innererror"]["code"] == "UnsupportedLanguageCode"
    assert analyse(gateway, keys, text, language=5).status == 400


def test_official_example_round_trips(gateway, keys):
    document = fixture("examples/language/2023-04-01/SuccessfulPiiEntityRecognitionRequest")
    answer = gateway.call("POST", TARGET.format("2023-04-01"), document["parameters"]["body"], key=keys.operator)
    assert answer.status == 200
    wanted = document["responses"]["200"]["body"]["results"]["documents"]
    got = answer.json()["results"]["documents"]
    assert answer.json()["kind"] == "PiiEntityRecognitionResults"
    for mine, theirs in zip(got, wanted):
        assert mine["id"] == theirs["id"]
        assert [(e["category"], e["text"]) for e in mine["entities"]] == [(e["category"], e["text"]) for e in theirs["entities"]]
        assert mine["redactedText"] == theirs["redactedText"]


def test_official_redaction_and_exclusion_examples(gateway, keys):
    redaction = fixture("examples/language/2023-11-15-preview/SuccessfulPiiEntityRecognitionRedactionRequest")
    answer = gateway.call("POST", TARGET.format("2023-11-15-preview"), redaction["parameters"]["body"], key=keys.operator)
    wanted = redaction["responses"]["200"]["body"]["results"]["documents"]
    assert [d["redactedText"] for d in answer.json()["results"]["documents"]] == [d["redactedText"] for d in wanted]
    exclusion = fixture("examples/language/2023-11-15-preview/SuccessfulPiiEntityRecognitionExclusionRequest")
    answer = gateway.call("POST", TARGET.format("2023-11-15-preview"), exclusion["parameters"]["body"], key=keys.operator)
    got = {d["id"]: d for d in answer.json()["results"]["documents"]}
    for theirs in exclusion["responses"]["200"]["body"]["results"]["documents"]:
        assert got[theirs["id"]]["redactedText"] == theirs["redactedText"]
    assert got["1"]["entities"] == []


def test_masks_entities_by_name(gateway, keys):
    body = {
        "kind": "PiiEntityRecognition",
        "parameters": {"redactionPolicy": {"policyKind": "entityMask"}, "piiCategories": ["Email"]},
        "analysisInput": {"documents": [{"id": "1", "text": "a@b.example and c@d.example"}]},
    }
    answer = gateway.call("POST", TARGET.format("2025-05-15-preview"), body, key=keys.operator)
    assert answer.json()["results"]["documents"][0]["redactedText"] == "[EMAIL_1] and [EMAIL_2]"
