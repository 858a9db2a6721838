"""Privacy: consents and notices that policies require, residency, requests of data subjects, holds, registers, statistics."""

import json
import pathlib
import re

import pytest

from gateway import policy
from test_content_safety_image import png
from test_access import chat, wait_for
from test_governance import run, shown

CARD = "4111 1111 1111 1111"


def put(gateway, name, **extensions):
    file = gateway.directory / f"{name}.put.json"
    file.write_text(json.dumps(policy(name, annotations=False, uninspectable="record", **extensions)))
    return run(gateway, "policies", "put", file)


def with_policy(name, deployment="local", **extensions):
    """A change of the configuration: one deployment is under a policy of its own."""

    def change(tree):
        tree["deployments"][deployment]["policy"] = name

    return change


def make(make_gateway, name, deployment="local", change=None, **extensions):
    gateway = make_gateway(start=False)
    (gateway.policies / f"{name}.json").write_text(json.dumps(policy(name, annotations=False, uninspectable="record", **extensions)))
    gateway.tree["deployments"][deployment]["policy"] = name
    if change:
        change(gateway.tree)
    gateway.write(gateway.tree)
    return gateway.start()


def code(answer):
    return answer.json().get("error", {}).get("code")


# --- Consents and notices -------------------------------------------------------------------------------------------------------------------


def test_a_policy_can_require_consent_and_its_withdrawal_takes_effect(make_gateway):
    gateway = make(make_gateway, "Agreed", requires={"consents": [{"purpose": "pilot", "version": "2"}]})
    made = gateway.key("pat", principal="pat")
    gateway.wait_for_key(made["secret"])
    refused = chat(gateway, made["secret"])
    assert refused.status == 403 and code(refused) == "consent_required" and "'pilot'" in refused.error["message"]
    assert gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("error") == "consent_required")["verdict"] == "refused"
    give = ["privacy", "consents", "give", "--subject", "pat", "--purpose", "pilot", "--evidence", "form 7"]
    run(gateway, *give, "--edition", "1")
    assert chat(gateway, made["secret"]).status == 403  # another version than the policy wants
    run(gateway, *give, "--edition", "2")
    wait_for(lambda: chat(gateway, made["secret"]).status == 200, "the consent", 30)
    other = gateway.key("other", principal="sam")
    gateway.wait_for_key(other["secret"])
    assert chat(gateway, other["secret"]).status == 403
    run(gateway, "privacy", "consents", "withdraw", "--subject", "pat", "--purpose", "pilot")
    wait_for(lambda: chat(gateway, made["secret"]).status == 403, "the withdrawal", 30)
    history = shown(gateway, "privacy", "consents", "list", "--subject", "pat")
    assert [c["version"] for c in history] == ["1", "2"] and all(c["withdrawnAt"] for c in history) and history[1]["evidence"] == "form 7"
    # The record names the subject by its pseudonym only.
    act = gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "privacy.consent.withdraw")
    assert act["details"]["target"].startswith("subject-") and "pat" not in act["details"]["target"]


def test_consent_can_be_required_for_some_operations_only(make_gateway):
    gateway = make(make_gateway, "Some", requires={"consents": [{"purpose": "model-customisation", "operations": ["FineTuning_Create"]}]})
    assert chat(gateway, gateway.user).status == 200


def test_a_policy_can_require_the_newest_notice_to_be_acknowledged(make_gateway):
    gateway = make(make_gateway, "Noticed", requires={"notices": ["staff"]})
    made = gateway.key("pat", principal="pat")
    gateway.wait_for_key(made["secret"])
    assert chat(gateway, made["secret"]).status == 403
    text = gateway.directory / "notice.md"
    text.write_text("We process your prompts.\n")
    assert "version 1" in run(gateway, "privacy", "notices", "publish", "staff", text)
    run(gateway, "privacy", "notices", "acknowledge", "staff", "--subject", "pat")
    wait_for(lambda: chat(gateway, made["secret"]).status == 200, "the acknowledgement", 30)
    text.write_text("We process your prompts, and keep them.\n")
    assert "version 2" in run(gateway, "privacy", "notices", "publish", "staff", text)
    wait_for(lambda: chat(gateway, made["secret"]).status == 403, "the new version", 30)
    assert run(gateway, "privacy", "notices", "show", "staff", "--edition", "1") == "We process your prompts.\n"
    listed = shown(gateway, "privacy", "notices", "list")
    assert [(n["version"], n["acknowledgedBy"]) for n in listed] == [(1, ["pat"]), (2, [])]


# --- Residency --------------------------------------------------------------------------------------------------------------------------------


def test_data_goes_only_where_the_policy_lets_it(make_gateway, mock):
    def change(tree):
        abroad = {**tree["upstreams"]["aoai"], "region": "eastus"}
        home = {**tree["upstreams"]["aoai"], "region": "GermanyWestCentral"}
        tree["upstreams"].update(abroad=abroad, home=home)
        tree["deployments"]["gpt-4o"] = {
            "targets": [
                {"upstream": "abroad", "model": "abroad", "priority": 0}, {"upstream": "aoai", "model": "nowhere", "priority": 0},
                {"upstream": "home", "model": "home", "priority": 9},
            ],
            "policy": "Home",
        }  # fmt: skip
        tree["deployments"]["closed"] = {"upstream": "abroad", "model": "gpt-4o", "policy": "Home"}

    gateway = make(make_gateway, "Home", deployment="local", change=change, residency=["eu"])
    for _ in range(6):
        assert chat(gateway, gateway.user, "gpt-4o").status == 200
    assert {re.search(r"/deployments/([^/]+)/", r.path).group(1) for r in mock.requests} == {"home"}
    mock.clear()
    refused = chat(gateway, gateway.user, "closed")
    assert refused.status == 403 and code(refused) == "data_residency" and "eu" in refused.error["message"]
    assert not mock.requests
    assert chat(gateway, gateway.user, "local").status == 200  # answered in the process: nothing leaves


@pytest.mark.parametrize("region", ["eastus", "germanywestcentral", None])
def test_images_and_second_opinions_stay_where_the_policy_keeps_data(make_gateway, mock, region):
    """What is judged elsewhere has left as well: the image, and the text that another classifier is asked about."""

    def change(tree):
        place = {"region": region} if region else {}
        peer = {"kind": "azure-ai", "endpoint": tree["upstreams"]["aoai"]["endpoint"], "apiKey": "k"}
        tree["upstreams"]["eyes"] = {**peer, **place, "paths": ["/contentsafety/image:analyze"], "policy": "Seen"}
        seen = policy("Seen", annotations=False, uninspectable="record", residency=["eu"])
        (pathlib.Path(tree["policies"]["directory"]) / "Seen.json").write_text(json.dumps(seen))
        tree["upstreams"]["safety"] = {**peer, **place}
        tree["upstreams"]["home"] = {**tree["upstreams"]["aoai"], "region": "germanywestcentral"}
        tree["guards"]["remote"] = {"shields": {"kind": "prompt-shields", "upstream": "safety"}}
        tree["deployments"]["gpt-4o"] = {"upstream": "home", "model": "gpt-4o", "policy": "Kept"}

    rules = [{"detect": "attack", "types": ["jailbreak"], "source": "Prompt", "action": "block"}]
    gateway = make(make_gateway, "Kept", deployment="closed", change=change, residency=["eu"], rules=rules, guards={"shields": {"onFailure": "open"}})
    mock.script("text:shieldPrompt", {"json": {"userPromptAnalysis": {"attackDetected": False}, "documentsAnalysis": []}}, repeat=True)
    mock.script("image:analyze", {"json": {"categoriesAnalysis": []}}, repeat=True)
    told = chat(gateway, gateway.user, "gpt-4o")
    shown = gateway.call("POST", "/contentsafety/image:analyze?api-version=2024-09-01", {"image": {"content": png(64, 64)}}, key=gateway.operator)
    if region == "germanywestcentral":
        assert told.status == 200 and shown.status == 200, (told.body, shown.body)
        assert {r.path.split("/")[-1] for r in mock.requests} == {"text:shieldPrompt", "completions", "image:analyze"}
    else:
        assert told.status == 403 and code(told) == "data_residency" and "shields" in told.error["message"], told.body
        assert shown.status == 403 and code(shown) == "DataResidency", shown.body
        # Where a call is not refused as a whole, the one question is: fail-open lets the text pass unasked, and it stays.
        analysed = gateway.call(
            "POST", "/contentsafety/text:shieldPrompt?api-version=2024-09-01", {"userPrompt": "hello", "documents": []}, key=gateway.operator,
            headers=[("x-policy-id", "Kept")])  # fmt: skip
        assert analysed.status in (200, 403, 503), analysed.body
        assert not mock.requests


# --- Requests of data subjects ------------------------------------------------------------------------------------------------------------------


def open_request(gateway, kind, subject, *more):
    return shown(gateway, "privacy", "requests", "open", kind, "--subject", subject, *more)


def test_access_is_answered_with_a_signed_report_after_the_identity_check(make_gateway, tmp_path):
    gateway = make_gateway()
    made = gateway.key("pat", principal="pat")
    gateway.wait_for_key(made["secret"])
    assert chat(gateway, made["secret"]).status == 200
    pseudonym = shown(gateway, "privacy", "subject", "pat")["pseudonym"]
    assert re.fullmatch(r"subject-[0-9a-f]{20}", pseudonym)
    request = open_request(gateway, "access", pseudonym, "--received", "2026-01-31")
    assert request["subject"] == "pat" and request["pseudonym"] == pseudonym
    assert request["dueAt"] == "2026-02-28T00:00:00Z" and request["overdue"]
    report = tmp_path / "report.txt"
    fulfil = ["privacy", "requests", "fulfil", request["id"], "--report", report]
    early = gateway.command(*fulfil, "--config", gateway.config)
    assert early.returncode != 0 and "identity" in early.stderr and not report.exists()
    run(gateway, "privacy", "requests", "verify", request["id"], "--method", "signed in with MFA")
    assert gateway.command(*fulfil, "--config", gateway.config).returncode != 0  # not searched
    found = run(gateway, "privacy", "requests", "search", request["id"])
    assert "api_key  1" in found and "not searched: document_chunk" in found
    run(gateway, *fulfil)
    assert report.stat().st_mode & 0o777 == 0o600
    content = json.loads(report.read_text().split("\n\n— ")[0])
    stores = {row["store"] for row in content["data"]}
    assert "api_key" in stores and content["request"]["identityMethod"] == "signed in with MFA" and content["unsearched"]
    assert made["secret"] not in report.read_text() and "secret_hash" not in report.read_text()
    key = run(gateway, "reviews", "export", "--key").strip()
    assert gateway.command("privacy", "requests", "check", report, "--key", key).returncode == 0
    report.write_text(report.read_text().replace("MFA", "PIN"))
    assert gateway.command("privacy", "requests", "check", report, "--key", key).returncode == 1
    assert gateway.command(*fulfil, "--config", gateway.config).returncode != 0  # closed already


def test_rectification_puts_right_in_place_and_is_reported(make_gateway, tmp_path):
    gateway = make_gateway(start=False)
    assert gateway.command("accounts", "create", "ann", "--display-name", "Anne Leigh", "--config", gateway.config).returncode == 0
    request = open_request(gateway, "rectification", "local:ann", "--detail", "the name is wrong")
    run(gateway, "privacy", "requests", "verify", request["id"], "--method", "identity card seen")
    run(gateway, "privacy", "requests", "search", request["id"])
    report = tmp_path / "report.txt"
    for bad in ("account.password_hash=x", "account.display_name", "nothing.at_all=x"):
        assert gateway.command("privacy", "requests", "fulfil", request["id"], "--report", report, "--correct", bad, "--config", gateway.config).returncode != 0
    assert not report.exists() and shown(gateway, "accounts", "list")[0]["displayName"] == "Anne Leigh"
    done = run(gateway, "privacy", "requests", "fulfil", request["id"], "--report", report, "--correct", "account.display_name=Ann Lee")
    assert "account  put right 1: display_name was put right" in done
    assert shown(gateway, "accounts", "list")[0]["displayName"] == "Ann Lee"
    assert '"corrected"' in report.read_text() and "Anne Leigh" not in report.read_text()


def test_erasure_ends_everything_and_the_log_still_verifies(make_gateway, tmp_path):
    gateway = make_gateway()
    made = gateway.key("pat", principal="pat")
    shown(gateway, "access", "assignments", "add", "--principal", "user:pat", "--role", "openai-user")
    gateway.wait_for_key(made["secret"])
    answer = chat(gateway, made["secret"])
    assert answer.status == 200
    exchange = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == "pat")
    assert exchange["responseCommitment"]
    request = open_request(gateway, "erasure", "pat")
    run(gateway, "privacy", "requests", "verify", request["id"], "--method", "identity card")
    run(gateway, "privacy", "requests", "search", request["id"])
    hold = run(gateway, "privacy", "holds", "place", "--subject", "pat", "--reason", "case 12").split()[0]
    report = tmp_path / "report.txt"
    fulfil = ["privacy", "requests", "fulfil", request["id"], "--report", report]
    held = gateway.command(*fulfil, "--config", gateway.config)
    assert held.returncode != 0 and hold in held.stderr
    assert chat(gateway, made["secret"]).status == 200  # nothing was touched
    run(gateway, "privacy", "holds", "release", hold)
    run(gateway, *fulfil)
    wait_for(lambda: chat(gateway, made["secret"]).status == 401, "the key to go", 30)
    outcomes = {o["store"]: o for o in json.loads(report.read_text().split("\n\n— ")[0])["request"]["outcomes"]}
    assert outcomes["api_key"]["removed"] == 1 and outcomes["role_assignment"]["removed"] == 1 and outcomes["keys of the subject"]["removed"] == 1
    left = {f["store"]: f["count"] for f in shown(gateway, "privacy", "subject", "pat")["findings"]}
    assert left["api_key"] == left["role_assignment"] == left["access_use"] == left["usage_counter"] == 0
    gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "privacy.erased")
    gateway.stop()
    assert gateway.command("audit", "verify", "--config", gateway.config).returncode == 0
    assert made["secret"].encode() not in (gateway.data / "sallyport.sqlite").read_bytes()


def test_objection_restriction_refusal_and_extension(make_gateway):
    gateway = make_gateway(start=False)
    objection = open_request(gateway, "objection", "pat", "--detail", "quality")
    missing = gateway.command("privacy", "requests", "open", "objection", "--subject", "pat", "--config", gateway.config)
    assert missing.returncode != 0 and "purpose" in missing.stderr
    for request, ends in ((objection, "objection"), (open_request(gateway, "restriction", "pat"), "restriction")):
        run(gateway, "privacy", "requests", "verify", request["id"], "--method", "letter")
        run(gateway, "privacy", "requests", "search", request["id"])
        run(gateway, "privacy", "requests", "fulfil", request["id"], "--report", gateway.directory / f"{ends}.txt")
    kinds = {(c["kind"], c["purpose"]) for c in shown(gateway, "privacy", "consents", "list", "--subject", "pat")}
    assert kinds == {("objection", "quality"), ("restriction", "*")}
    late = open_request(gateway, "access", "pat", "--received", "2026-01-15")
    done = gateway.command("privacy", "requests", "extend", late["id"], "--reason", "complex", "--config", gateway.config)
    assert done.returncode != 0 and "month is over" in done.stderr
    fresh = open_request(gateway, "access", "pat")
    run(gateway, "privacy", "requests", "extend", fresh["id"], "--reason", "complex")
    extended = json.loads(run(gateway, "privacy", "requests", "show", fresh["id"]))
    assert extended["dueAt"] > fresh["dueAt"] and extended["extendedBecause"] == "complex"
    run(gateway, "privacy", "requests", "refuse", fresh["id"], "--reason", "manifestly unfounded", "--report", gateway.directory / "refusal.txt")
    assert "manifestly unfounded" in (gateway.directory / "refusal.txt").read_text()
    due = shown(gateway, "privacy", "requests", "list", "--due", "1d")
    assert [r["id"] for r in due] == [late["id"]]
    unknown = gateway.command("privacy", "subject", "subject-00000000000000000000", "--config", gateway.config)
    assert unknown.returncode != 0 and "pseudonym" in unknown.stderr


# --- Registers and statistics ----------------------------------------------------------------------------------------------------------------------


def test_registers_come_from_the_configuration_and_name_their_gaps(make_gateway):
    def change(tree):
        tree["privacy"] = {
            "controller": {"name": "Example GmbH", "contact": "privacy@example.com"},
            "activities": {"assistant": {"purpose": "answers for staff", "legalBasis": "contract", "subjects": ["staff"], "retention": "none"}},
        }
        tree["upstreams"]["aoai"].update(
            region="eastus", sharing={"recipient": "Microsoft", "terms": "DPA 2026", "retention": "30 days", "training": "never"})  # fmt: skip

    gateway = make_gateway(change, start=False)
    register = {entry["upstream"]: entry for entry in json.loads(run(gateway, "privacy", "sharing"))}
    microsoft = register["aoai"]
    assert (microsoft["recipient"], microsoft["region"], microsoft["terms"]) == ("Microsoft", "eastus", "DPA 2026")
    assert microsoft["gaps"] == ["sharing.transfer"]
    masking = next(use for use in microsoft["uses"] if use["deployment"] == "masking")
    assert masking["removed"] == ["sensitive (mask)"]
    assert register["documents"]["role"] == "own" and register["documents"]["gaps"] == []
    assert "sharing.terms" in register["other"]["gaps"]
    record = json.loads(run(gateway, "privacy", "processing"))
    assert record["controller"]["name"] == "Example GmbH"
    assistant = next(a for a in record["activities"] if a["name"] == "assistant")
    assert assistant["legalBasis"] == "contract" and "Microsoft" in assistant["recipients"] and "aoai in eastus: no ground is named" in assistant["transfers"]
    assert "privacy.activities.assistant.categories" in record["gaps"]


def test_statistics_never_show_small_groups(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(privacy={"minimumGroup": 3}))
    keys = [gateway.key(f"p{n}", principal=f"p{n}")["secret"] for n in range(4)]
    gateway.wait_for_key(keys[-1])
    for key in keys:
        assert chat(gateway, key, "local").status == 200
    assert chat(gateway, keys[0], "off").status == 200
    gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("deployment") == "off")
    table = shown(gateway, "privacy", "statistics", "--by", "deployment")
    # The one small group would follow from the total: the other is not shown by itself either.
    assert table["rows"] == [] or all(row["people"] >= 3 for row in table["rows"])
    assert not any(row["name"] == "off" for row in table["rows"]) and table["suppressed"] >= 2
    assert "p0" not in json.dumps(table)


@pytest.mark.parametrize(
    ("extensions", "words"),
    [
        ({"storage": {"what": "prompts"}}, "properties.sallyport.storage.purpose: is missing"),
        ({"storage": {"what": "all", "purpose": "x", "legalBasis": "consent", "retentionDays": 1}}, "not one of prompts, answers, both"),
        ({"storage": {"what": "both", "purpose": "x", "legalBasis": "whim", "retentionDays": 1}}, "legalBasis"),
        ({"storage": {"what": "both", "purpose": "x", "legalBasis": "consent", "retentionDays": 0}}, "retentionDays"),
        ({"residency": []}, "names no region"),
        ({"requires": {"consents": [{"version": "1"}]}}, "purpose: is missing"),
        ({"requires": {"colour": []}}, "is not known here"),
    ],
)
def test_mistakes_in_a_policy_are_named(gateway, tmp_path, extensions, words):
    file = tmp_path / "p.json"
    file.write_text(json.dumps(policy("P", **extensions)))
    done = gateway.command("policies", "check", file)
    assert done.returncode != 0 and words in done.stderr, done.stderr
