"""Access reviews and privacy over the administrative surface."""

import json

import pytest

from console import admin_call
from test_access import chat, wait_for
from test_governance import shown


@pytest.fixture
def office(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(access={"breakGlass": ["service:glass"]}))
    gateway.admin = gateway.key("admin", roles="access-administrator", principal="boss")["secret"]
    gateway.officer = gateway.key("officer", roles="privacy-officer", principal="officer")["secret"]
    gateway.reviewer = gateway.key("reviewer", roles="usages-reader", principal="rita")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/my/reviews", key=gateway.reviewer).status == 200, "the keys", 30)
    return gateway


def test_a_review_is_decided_by_its_reviewers_over_the_surface(office):
    doomed = shown(office, "access", "assignments", "add", "--principal", "user:bob", "--role", "openai-user")["id"]
    new = {"name": "summer", "reviewers": ["service:rita"], "kinds": ["user"], "ends": "7d"}
    assert admin_call(office, "POST", "/api/reviews", new, key=office.reviewer).status == 403
    made = admin_call(office, "POST", "/api/reviews", new, key=office.admin)
    assert made.status == 201, made.body
    review = made.json()
    item = review["items"][0]
    assert item["resourceId"] == doomed and item["decision"] == "notReviewed"
    mine = admin_call(office, "GET", "/api/my/reviews", key=office.reviewer).json()["value"]
    assert [r["id"] for r in mine] == [review["id"]]
    decide = f"/api/my/reviews/{review['id']}/items/{item['id']}"
    assert admin_call(office, "POST", decide, {"decision": "remove"}, key=office.officer).status == 403  # no reviewer
    assert admin_call(office, "POST", decide, {"decision": "perhaps"}, key=office.reviewer).status == 400
    decided = admin_call(office, "POST", decide, {"decision": "remove", "reason": "left the team"}, key=office.reviewer)
    assert decided.status == 200 and decided.json()["reviewedBy"] == "service:rita"
    preview = admin_call(office, "GET", f"/api/reviews/{review['id']}/preview", key=office.admin).json()
    assert [line["item"] for line in preview["removals"]] == [item["id"]]
    assert admin_call(office, "POST", f"/api/reviews/{review['id']}/apply", key=office.admin).status == 409
    assert admin_call(office, "POST", f"/api/reviews/{review['id']}/close", key=office.admin).status == 200
    applied = admin_call(office, "POST", f"/api/reviews/{review['id']}/apply", key=office.admin)
    assert applied.json()["value"][0]["result"] == "removed"
    assert not [a for a in shown(office, "access", "assignments", "list") if a["id"] == doomed]
    report = admin_call(office, "POST", f"/api/reviews/{review['id']}/export", key=office.admin)
    assert b"left the team" in report.body and "— sallyport/reports".encode() in report.body
    record = office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "reviews.decide")
    assert record["principal"] == "rita" and record["key"]
    office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "reviews.remove" and r["principal"] == "boss")


def test_usage_and_conflicts_over_the_surface(office):
    usage = admin_call(office, "GET", "/api/access/usage?days=30", key=office.admin).json()
    assert any(p["principal"].startswith("key:") for p in usage["principals"])
    assert admin_call(office, "GET", "/api/access/usage?days=9999", key=office.admin).status == 400
    assert admin_call(office, "GET", "/api/access/conflicts", key=office.admin).json() == {"value": []}


def test_people_give_and_take_their_own_consent_and_ask_for_their_data(office):
    assert admin_call(office, "POST", "/api/my/consents", {"purpose": "pilot", "version": "1"}, key=office.reviewer).status == 204
    mine = admin_call(office, "GET", "/api/my/consents", key=office.reviewer).json()["value"]
    assert [(c["subject"], c["purpose"]) for c in mine] == [("rita", "pilot")] and "itself" in mine[0]["evidence"]
    assert admin_call(office, "GET", "/api/my/consents", key=office.officer).json()["value"] == []
    assert admin_call(office, "GET", "/api/privacy/consents", key=office.reviewer).status == 403
    assert admin_call(office, "POST", "/api/my/consents/withdraw", {"purpose": "pilot"}, key=office.reviewer).status == 204
    opened = admin_call(office, "POST", "/api/my/requests", {"kind": "access"}, key=office.reviewer)
    assert opened.status == 201
    request = opened.json()
    path = f"/api/privacy/requests/{request['id']}"
    assert admin_call(office, "POST", f"{path}/verify", {"method": "I say so"}, key=office.reviewer).status == 403
    assert admin_call(office, "POST", f"{path}/fulfil", key=office.officer).status == 409  # identity first
    assert admin_call(office, "POST", f"{path}/verify", {"method": "key and call back"}, key=office.officer).status == 200
    found = admin_call(office, "POST", f"{path}/search", key=office.officer).json()["findings"]
    assert {"store": "api_key", "count": 1} in found
    report = admin_call(office, "POST", f"{path}/fulfil", key=office.officer)
    assert report.status == 200
    content = json.loads(report.body.decode().split("\n\n— ")[0])
    assert content["request"]["status"] == "done" and any(row["store"] == "privacy_consent" for row in content["data"])
    assert admin_call(office, "GET", path, key=office.officer).json()["reportDigest"]


def test_rectification_puts_right_in_place_over_the_surface(office):
    assert office.command("accounts", "create", "ann", "--display-name", "Anne Leigh", "--config", office.config).returncode == 0
    name = lambda: next(a["displayName"] for a in shown(office, "accounts", "list") if a["name"] == "ann")  # noqa: E731
    opened = admin_call(
        office, "POST", "/api/privacy/requests", {"kind": "rectification", "subject": "local:ann", "detail": "the name is wrong"}, key=office.officer
    )  # fmt: skip
    assert opened.status == 201, opened.body
    path = f"/api/privacy/requests/{opened.json()['id']}"
    right = {"corrections": [{"store": "account", "field": "display_name", "value": "Ann Lee"}]}
    assert admin_call(office, "POST", f"{path}/fulfil", right, key=office.officer).status == 409  # identity first
    assert admin_call(office, "POST", f"{path}/verify", {"method": "identity card seen"}, key=office.officer).status == 200
    assert admin_call(office, "POST", f"{path}/search", key=office.officer).status == 200
    for wrong in (
        {"corrections": [{"store": "account", "field": "password_hash", "value": "x"}]},
        {"corrections": [{"store": "nothing", "field": "at_all", "value": "x"}]},
        {"corrections": [{"store": "account", "field": "display_name", "value": "a\nb"}]},
        {"corrections": [{"store": "account", "field": "display_name", "value": ""}]},
        {"corrections": [{"store": "account", "field": "display_name"}]},
        {"corrections": right["corrections"] * 65},
        {"corrections": right["corrections"] + [{"store": "account", "field": "created_at", "value": "0"}]},  # all or nothing
        {"right": []},
    ):
        answer = admin_call(office, "POST", f"{path}/fulfil", wrong, key=office.officer)
        assert answer.status == 400, (wrong, answer.status, answer.body)
    assert name() == "Anne Leigh" and admin_call(office, "GET", path, key=office.officer).json()["status"] == "searched"
    assert admin_call(office, "POST", f"{path}/fulfil", right, key=office.admin).status == 403  # not his to do
    report = admin_call(office, "POST", f"{path}/fulfil", right, key=office.officer)
    assert report.status == 200, report.body
    content = json.loads(report.body.decode().split("\n\n— ")[0])
    assert {"store": "account", "removed": 0, "kept": 0, "corrected": 1, "why": "display_name was put right"} in content["request"]["outcomes"]
    assert name() == "Ann Lee" and "Anne Leigh" not in report.body.decode()
    act = office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "privacy.rectify")
    assert act["details"]["fields"] == "account.display_name" and "Ann Lee" not in json.dumps(act)
    assert admin_call(office, "POST", f"{path}/fulfil", right, key=office.officer).status == 409  # closed


def test_people_see_what_became_of_their_own_requests_and_of_nobody_elses(office):
    made = admin_call(office, "POST", "/api/my/requests", {"kind": "objection", "detail": "pilot"}, key=office.reviewer).json()
    own = admin_call(office, "GET", "/api/my/requests", key=office.reviewer).json()["value"]
    assert [(r["id"], r["status"]) for r in own] == [(made["id"], "received")]
    assert admin_call(office, "GET", "/api/my/requests", key=office.officer).json()["value"] == []


def test_nobody_confirms_his_own_identity(office):
    request = admin_call(office, "POST", "/api/my/requests", {"kind": "erasure"}, key=office.officer).json()
    denied = admin_call(office, "POST", f"/api/privacy/requests/{request['id']}/verify", {"method": "me"}, key=office.officer)
    assert denied.status == 403 and b"own identity" in denied.body


def test_nobody_lifts_a_hold_on_his_own_data_and_a_pseudonym_holds_as_the_name_does(office):
    other = office.key("other", roles="privacy-officer", principal="other")["secret"]
    wait_for(lambda: admin_call(office, "GET", "/api/privacy/holds", key=other).status == 200, "the key")
    hold = admin_call(office, "POST", "/api/privacy/holds", {"subject": "officer", "reason": "case 8"}, key=other).json()["id"]
    denied = admin_call(office, "POST", f"/api/privacy/holds/{hold}/release", key=office.officer)
    assert denied.status == 403 and b"own data" in denied.body
    assert admin_call(office, "POST", f"/api/privacy/holds/{hold}/release", key=other).status == 204
    # Stores know people by their names: a hold or a consent that was placed on a pseudonym must not hang in the air.
    pseudonym = shown(office, "privacy", "subject", "rita")["pseudonym"]
    held = admin_call(office, "POST", "/api/privacy/holds", {"subject": pseudonym, "reason": "case 9"}, key=office.officer)
    assert held.status == 201 and held.json()["subject"] == "rita", held.body
    assert admin_call(office, "POST", "/api/privacy/consents", {"subject": pseudonym, "purpose": "pilot", "version": "1"}, key=office.officer).status == 204
    assert [c["subject"] for c in admin_call(office, "GET", "/api/privacy/consents", key=office.officer).json()["value"]] == ["rita"]
    assert admin_call(office, "POST", "/api/privacy/holds", {"subject": "subject-00000000000000000000", "reason": "x"}, key=office.officer).status == 404


def test_notices_holds_and_registers_over_the_surface(office):
    assert admin_call(office, "PUT", "/api/privacy/notices/staff", {"text": "We process prompts."}, key=office.officer).json() == {"version": 1}
    assert admin_call(office, "GET", "/api/privacy/notices", key=office.reviewer).json()["value"][0]["text"] == "We process prompts."
    assert admin_call(office, "POST", "/api/my/notices/staff/acknowledge", key=office.reviewer).json() == {"version": 1}
    hold = admin_call(office, "POST", "/api/privacy/holds", {"subject": "rita", "reason": "case 7"}, key=office.officer)
    assert hold.status == 201
    assert admin_call(office, "POST", f"/api/privacy/holds/{hold.json()['id']}/release", key=office.officer).status == 204
    for register in ("processing", "sharing", "statistics"):
        assert admin_call(office, "GET", f"/api/privacy/{register}", key=office.officer).status == 200
    assert chat(office, office.user).status == 200
