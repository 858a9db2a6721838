"""The unmodified `azure-ai-contentsafety` package: blocklists, every call, and text analysis against them."""

import uuid

import pytest
from azure.ai.contentsafety import BlocklistClient, ContentSafetyClient
from azure.ai.contentsafety.models import (
    AddOrUpdateTextBlocklistItemsOptions,
    AnalyzeTextOptions,
    RemoveTextBlocklistItemsOptions,
    TextBlocklist,
    TextBlocklistItem,
)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from gateway import WORD
from mock_upstream import fixture

VERSION = "api-version=2024-09-01"


@pytest.fixture
def lists(gateway, keys):
    with BlocklistClient(gateway.url, AzureKeyCredential(keys.operator), retry_total=0) as client:
        yield client


@pytest.fixture
def analysis(gateway, keys):
    with ContentSafetyClient(gateway.url, AzureKeyCredential(keys.operator), retry_total=0) as client:
        yield client


@pytest.fixture
def name(lists):
    """A blocklist's name of the test's own; the list is gone afterwards."""
    chosen = f"list-{uuid.uuid4().hex[:12]}"
    yield chosen
    try:
        lists.delete_text_blocklist(chosen)
    except ResourceNotFoundError:
        pass


def options(*items):
    return AddOrUpdateTextBlocklistItemsOptions(blocklist_items=[TextBlocklistItem(text=t, description=d) for t, d in items])


def test_lists_live_and_die(lists, name):
    made = lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name, description="first words"))
    assert (made.blocklist_name, made.description) == (name, "first words")
    changed = lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name, description="other words"))
    assert changed.description == "other words"
    assert lists.get_text_blocklist(name).description == "other words"
    assert name in [b.blocklist_name for b in lists.list_text_blocklists()]
    lists.delete_text_blocklist(name)
    with pytest.raises(ResourceNotFoundError):
        lists.get_text_blocklist(name)
    assert name not in [b.blocklist_name for b in lists.list_text_blocklists()]


def test_creating_is_201_and_updating_is_200(gateway, keys, name):
    headers = [("content-type", "application/merge-patch+json")]
    target = f"/contentsafety/text/blocklists/{name}?{VERSION}"
    assert gateway.call("PATCH", target, {"description": "a"}, key=keys.operator, headers=headers).status == 201
    assert gateway.call("PATCH", target, {"description": "b"}, key=keys.operator, headers=headers).status == 200


def test_items_live_and_die(lists, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    added = lists.add_or_update_blocklist_items(name, options(("quayside riot", "a plan"), ("harbour heist", None))).blocklist_items
    assert [i.text for i in added] == ["quayside riot", "harbour heist"]
    assert all(uuid.UUID(i.blocklist_item_id) for i in added)
    one = lists.get_text_blocklist_item(name, added[0].blocklist_item_id)
    assert (one.text, one.description) == ("quayside riot", "a plan")
    assert sorted(i.text for i in lists.list_text_blocklist_items(name)) == ["harbour heist", "quayside riot"]
    lists.remove_blocklist_items(name, RemoveTextBlocklistItemsOptions(blocklist_item_ids=[added[0].blocklist_item_id]))
    assert [i.text for i in lists.list_text_blocklist_items(name)] == ["harbour heist"]
    with pytest.raises(ResourceNotFoundError):
        lists.get_text_blocklist_item(name, added[0].blocklist_item_id)


def test_pages_are_followed(lists, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    texts = [f"codename {n:03d}" for n in range(60)]
    for start in range(0, 60, 30):
        lists.add_or_update_blocklist_items(name, options(*[(t, None) for t in texts[start : start + 30]]))
    found = [i.text for i in lists.list_text_blocklist_items(name, maxpagesize=7)]
    assert sorted(found) == texts
    pages = list(lists.list_text_blocklist_items(name, maxpagesize=7).by_page())
    assert len(list(pages)) >= 9
    assert sorted(i.text for i in lists.list_text_blocklist_items(name, top=5)) == sorted(found[:5])
    assert [i.text for i in lists.list_text_blocklist_items(name, skip=55)] == found[55:]


def test_more_than_a_hundred_items_at_once_are_refused(lists, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    with pytest.raises(HttpResponseError) as caught:
        lists.add_or_update_blocklist_items(name, options(*[(f"item {n}", None) for n in range(101)]))
    assert caught.value.status_code == 400 and caught.value.error.code == "InvalidRequestBody"


def test_items_longer_than_128_code_points_are_refused(lists, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    lists.add_or_update_blocklist_items(name, options(("\N{WAVE DASH}" * 128, None)))
    with pytest.raises(HttpResponseError) as caught:
        lists.add_or_update_blocklist_items(name, options(("\N{WAVE DASH}" * 129, None)))
    assert caught.value.status_code == 400


@pytest.mark.parametrize("bad", ["with space", "a" * 65, "slash%2Fed", "semi;colon"])
def test_bad_names_are_refused(gateway, keys, bad):
    answer = gateway.call("PATCH", f"/contentsafety/text/blocklists/{bad.replace(' ', '%20')}?{VERSION}", {}, key=keys.operator,
                          headers=[("content-type", "application/merge-patch+json")])  # fmt: skip
    assert answer.status in (400, 404)
    assert answer.error["code"]


def test_unknown_list_is_404_with_its_code(lists):
    with pytest.raises(ResourceNotFoundError) as caught:
        lists.list_text_blocklist_items("no-such-list").next()
    assert caught.value.response.headers["x-ms-error-code"]


def test_text_is_analysed_against_lists(lists, analysis, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    item = lists.add_or_update_blocklist_items(name, options(("harbour heist", None))).blocklist_items[0]
    # Without harm detectors in this build, harm categories must not be asked for silently: an empty list of them is the request.
    found = analysis.analyze_text(AnalyzeTextOptions(text="They plan a Harbour Heist tonight", blocklist_names=[name], categories=[], halt_on_blocklist_hit=True))
    assert [(m.blocklist_name, m.blocklist_item_id, m.blocklist_item_text) for m in found.blocklists_match] == [
        (name, item.blocklist_item_id, "harbour heist")
    ]
    clean = analysis.analyze_text(AnalyzeTextOptions(text="A quiet night", blocklist_names=[name], categories=[]))
    assert clean.blocklists_match == []


def test_regular_expressions_match(gateway, analysis, lists, keys, name):
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    added = gateway.call("POST", f"/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems?{VERSION}",
                         {"blocklistItems": [{"text": r"berth\s*[0-9]{2,3}", "isRegex": True}]}, key=keys.operator)  # fmt: skip
    assert added.status == 200 and added.json()["blocklistItems"][0]["isRegex"] is True
    assert analysis.analyze_text(AnalyzeTextOptions(text="meet at Berth 042", blocklist_names=[name], categories=[])).blocklists_match
    assert not analysis.analyze_text(AnalyzeTextOptions(text="meet at berth x", blocklist_names=[name], categories=[])).blocklists_match
    broken = gateway.call("POST", f"/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems?{VERSION}",
                          {"blocklistItems": [{"text": "(unclosed", "isRegex": True}]}, key=keys.operator)  # fmt: skip
    assert broken.status == 400


def test_a_change_is_in_force_at_once(gateway, lists, keys):
    """The word joins the list that a deployment's policy uses; the next request is refused, and after removal allowed."""
    from gateway import MARKER_LIST

    body = {"messages": [{"role": "user", "content": "what is a flibbertigale?"}]}
    assert gateway.chat("marked", body, key=keys.user).status == 200
    item = lists.add_or_update_blocklist_items(MARKER_LIST, options(("flibbertigale", None))).blocklist_items[0]
    try:
        assert gateway.chat("marked", body, key=keys.user).error["code"] == "content_filter"
    finally:
        lists.remove_blocklist_items(MARKER_LIST, RemoveTextBlocklistItemsOptions(blocklist_item_ids=[item.blocklist_item_id]))
    assert gateway.chat("marked", body, key=keys.user).status == 200


def test_managing_needs_its_role(gateway, keys):
    with BlocklistClient(gateway.url, AzureKeyCredential(keys.user), retry_total=0) as client:
        with pytest.raises(ClientAuthenticationError) as caught:
            client.create_or_update_text_blocklist("mine", TextBlocklist(blocklist_name="mine"))
    assert caught.value.error.code == "PermissionDenied"
    with BlocklistClient(gateway.url, AzureKeyCredential("wrong"), retry_total=0) as client:
        with pytest.raises(ClientAuthenticationError):
            list(client.list_text_blocklists())


def test_bad_names_and_unknown_paths_have_codes_of_their_own(gateway, keys):
    for target, body in (("blocklists/a%20b", {"description": "d"}), (f"blocklists/{'x' * 65}", {"description": "d"}), ("incidents/a_b", {"incidentDefinition": "d"})):
        answer = gateway.call("PATCH", f"/contentsafety/text/{target}?api-version=2024-02-15-preview", body, key=keys.operator)
        assert answer.status == 400 and answer.error["code"] == "InvalidResourceName", (target, answer.body)
    for key in (keys.operator, keys.user):
        for target in ("imageWithText:analyze", "text:nothing", "text", "text/nothing"):
            answer = gateway.call("POST", f"/contentsafety/{target}?api-version=2024-09-01", {"text": "a"}, key=key)
            assert answer.status == 404, (target, answer.body)


def test_over_long_text_is_refused(analysis):
    with pytest.raises(HttpResponseError) as caught:
        analysis.analyze_text(AnalyzeTextOptions(text="x" * 10_001, categories=[]))
    assert caught.value.status_code == 400 and caught.value.error.code == "InvalidRequestBody"


def test_api_version_is_required(gateway, keys):
    answer = gateway.call("GET", "/contentsafety/text/blocklists", key=keys.operator)
    assert answer.status in (400, 404) and answer.error["code"]


# The official examples: the request of each is sent, the answer has the example's shape.


def shape(value):
    """Key names and kinds, values left out."""
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("example", ["CreateOrUpdateTextBlocklist", "AddOrUpdateBlocklistItems", "ListTextBlocklistItems", "RemoveBlocklistItems"])
def test_official_examples(gateway, keys, lists, name, example):
    document = fixture(f"examples/content-safety/2024-09-01/{example}")
    parameters = document["parameters"]
    body = next((v for k, v in parameters.items() if k in ("resource", "options", "body") and isinstance(v, dict)), b"")
    merge = [("content-type", "application/merge-patch+json")]
    path = f"/contentsafety/text/blocklists/{name}"
    if example == "CreateOrUpdateTextBlocklist":
        first = gateway.call("PATCH", f"{path}?{VERSION}", body, key=keys.operator, headers=merge)
        again = gateway.call("PATCH", f"{path}?{VERSION}", body, key=keys.operator, headers=merge)
        for answer in (first, again):
            wanted = document["responses"][str(answer.status)]["body"]
            assert answer.json() == {**wanted, "blocklistName": name}
        return
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    if example == "AddOrUpdateBlocklistItems":
        answer = gateway.call("POST", f"{path}:addOrUpdateBlocklistItems?{VERSION}", body, key=keys.operator)
        wanted = document["responses"]["200"]["body"]
        got = answer.json()
        assert answer.status == 200
        assert [i["text"] for i in got["blocklistItems"]] == [i["text"] for i in body["blocklistItems"]]
        assert set(wanted["blocklistItems"][0]) <= set(got["blocklistItems"][0])
    elif example == "ListTextBlocklistItems":
        lists.add_or_update_blocklist_items(name, options(("hate", "Hate word")))
        answer = gateway.call("GET", f"{path}/blocklistItems?{VERSION}", key=keys.operator)
        wanted = document["responses"]["200"]["body"]
        assert set(wanted["value"][0]) <= set(answer.json()["value"][0]) | {"isRegex"}
    else:
        added = lists.add_or_update_blocklist_items(name, options(("one", None), ("two", None))).blocklist_items
        answer = gateway.call("POST", f"{path}:removeBlocklistItems?{VERSION}", {"blocklistItemIds": [i.blocklist_item_id for i in added]}, key=keys.operator)
        assert answer.status == int(next(iter(document["responses"]))) == 204 and answer.body == b""


def test_official_analysis_example_names_a_match(gateway, keys, lists, name):
    document = fixture("examples/content-safety/2024-09-01/AnalyzeText")
    asked = next(v for v in document["parameters"].values() if isinstance(v, dict) and "text" in v)
    lists.create_or_update_text_blocklist(name, TextBlocklist(blocklist_name=name))
    lists.add_or_update_blocklist_items(name, options((WORD, None)))
    answer = gateway.call("POST", f"/contentsafety/text:analyze?{VERSION}", {**asked, "text": f"a {WORD}", "categories": [], "blocklistNames": [name]}, key=keys.operator)
    assert answer.status == 200
    wanted = shape(document["responses"]["200"]["body"]["blocklistsMatch"])
    got = answer.json()["blocklistsMatch"]
    assert shape(got) == (wanted or shape([{"blocklistName": "", "blocklistItemId": "", "blocklistItemText": ""}]))


def test_an_analysis_has_intent_and_outcome_on_record(gateway, keys, lists, name):
    lists.create_or_update_text_blocklist(blocklist_name=name, options={"description": "d"})
    gateway.call("POST", f"/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems?api-version=2024-09-01",
                 {"blocklistItems": [{"text": "albatross"}]}, key=keys.operator)  # fmt: skip
    answer = gateway.call(
        "POST", "/contentsafety/text:analyze?api-version=2024-09-01", {"text": "an albatross", "categories": [], "blocklistNames": [name]}, key=keys.user
    )
    assert answer.status == 200 and answer.json()["blocklistsMatch"]
    exchange = answer.header("apim-request-id")
    outcome = gateway.wait_for_record(lambda r: r["id"] == exchange and r["type"] == "exchange.outcome")
    intent = gateway.wait_for_record(lambda r: r["id"] == exchange and r["type"] == "exchange.intent")
    assert intent["operation"] == outcome["operation"] == "ContentSafety_AnalyzeText"
    assert outcome["details"]["matches"] == "1" and "albatross" not in str(outcome)


def test_personal_data_analyses_have_intent_and_outcome_on_record(gateway, keys):
    answer = gateway.call(
        "POST", "/language/:analyze-text?api-version=2023-04-01",
        {"kind": "PiiEntityRecognition", "analysisInput": {"documents": [{"id": "1", "text": "write to ann@contoso.com", "language": "en"}]}}, key=keys.user,
    )  # fmt: skip
    assert answer.status == 200
    exchange = answer.header("apim-request-id")
    outcome = gateway.wait_for_record(lambda r: r["id"] == exchange and r["type"] == "exchange.outcome")
    gateway.wait_for_record(lambda r: r["id"] == exchange and r["type"] == "exchange.intent")
    granted = {"action", "grant"}  # the data action, and what gave it
    assert granted <= outcome["details"].keys() and "contoso" not in str(outcome)
    assert {name: value for name, value in outcome["details"].items() if name not in granted} == {"documents": "1", "entities": "1"}
    refused = gateway.call("POST", "/language/:analyze-text?api-version=2023-04-01", {"kind": "Sentiment"}, key=keys.user)
    assert refused.status == 400 and refused.error["innererror"]["code"] == "InvalidParameterValue"
    outcome = gateway.wait_for_record(lambda r: r["id"] == refused.header("apim-request-id"))
    assert outcome["verdict"] == "refused"


def test_links_lead_where_callers_come_from(gateway, keys, make_gateway):
    page = "/contentsafety/text/blocklists?api-version=2024-09-01&maxpagesize=1"
    for number in range(2):
        gateway.replace_blocklist(f"links-{number}", [{"text": "x"}], key=keys.operator)
    assert gateway.call("GET", page, key=keys.operator).json()["nextLink"].startswith("http://gateway.test/contentsafety/")

    def change(tree):
        tree["server"]["publicURL"] = "https://models.contoso.example/ai/"

    other = make_gateway(change)
    other.replace_blocklist("links-0", [{"text": "x"}], key=other.operator)
    assert other.call("GET", page, key=other.operator).json()["nextLink"].startswith("https://models.contoso.example/ai/contentsafety/")
