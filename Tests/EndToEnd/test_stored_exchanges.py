"""Texts that a policy wants kept: sealed under the subject's key, for as long as it says, and gone for good with the key."""

import json

import pytest
from openai import AzureOpenAI

from gateway import API
from test_access import chat, wait_for
from test_governance import run, shown
from test_privacy import make

MARKER = "the harbour office of Zanzibarvik"
STORAGE = {"what": "both", "purpose": "quality", "legalBasis": "legitimateInterests", "retentionDays": 30}
CARD = "4111 1111 1111 1111"


def ask(gateway, key, text=f"When does {MARKER} open?", deployment="local"):
    return gateway.chat(deployment, {"messages": [{"role": "user", "content": text}]}, key=key)


def outcome(gateway, answer):
    return gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r["id"] == answer.header("apim-request-id"))


def person(gateway, name="pat"):
    made = gateway.key(name, principal=name)
    gateway.wait_for_key(made["secret"])
    return made["secret"]


def on_disk(gateway, text):
    return [p.name for p in gateway.data.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


def test_nothing_is_stored_without_a_policy(make_gateway):
    gateway = make_gateway()
    assert ask(gateway, gateway.user).status == 200
    assert run(gateway, "privacy", "stored", "list") == "Nothing is stored.\n"


def test_texts_are_kept_sealed_as_the_guards_left_them_and_shown_on_record(make_gateway):
    gateway = make(make_gateway, "Kept", storage=STORAGE, rules=[{"detect": "sensitive", "minimumConfidence": 0.65, "action": "mask"}])
    key = person(gateway)
    answer = ask(gateway, key, f"When does {MARKER} open? My card is {CARD}.")
    assert answer.status == 200
    assert outcome(gateway, answer)["details"]["stored"] == "yes"
    stored = shown(gateway, "privacy", "stored", "list")
    assert [(s["subject"], s["policy"], s["purpose"], s["legalBasis"]) for s in stored] == [("pat", "Kept", "quality", "legitimateInterests")]
    assert "prompt" not in stored[0]
    assert not on_disk(gateway, "Zanzibarvik"), "in the clear"
    one = json.loads(run(gateway, "privacy", "stored", "show", stored[0]["id"], "--reason", "case 4"))
    assert MARKER in one["prompt"] and CARD not in one["prompt"] and "****" in one["prompt"]
    assert "harbour" in one["answer"]
    act = gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "content.reveal")
    assert act["details"]["reason"] == "case 4"
    assert gateway.command("privacy", "stored", "show", stored[0]["id"], "--config", gateway.config).returncode != 0  # no reason


def test_streams_are_kept_too(make_gateway):
    gateway = make(make_gateway, "Kept", storage={**STORAGE, "what": "answers"})
    key = person(gateway)
    with AzureOpenAI(azure_endpoint=gateway.url, api_key=key, api_version=API, max_retries=0) as client:
        stream = client.chat.completions.create(model="local", messages=[{"role": "user", "content": "When does the harbour office open?"}], stream=True)
        assert "eight" in "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    wait_for(lambda: shown(gateway, "privacy", "stored", "list"), "the stream to be stored", 30)
    one = json.loads(run(gateway, "privacy", "stored", "show", shown(gateway, "privacy", "stored", "list")[0]["id"], "--reason", "x"))
    assert "data: " in one["answer"] and "prompt" not in one


def test_storage_by_consent_keeps_only_those_who_agreed_and_nobody_who_objects(make_gateway):
    gateway = make(make_gateway, "Agreed", storage={**STORAGE, "legalBasis": "consent"})
    key = person(gateway)
    first = ask(gateway, key)
    assert first.status == 200 and outcome(gateway, first)["details"]["stored"] == "no consent"
    run(gateway, "privacy", "consents", "give", "--subject", "pat", "--purpose", "quality", "--edition", "1")
    wait_for(lambda: outcome(gateway, ask(gateway, key))["details"]["stored"] == "yes", "the consent", 30)
    request = shown(gateway, "privacy", "requests", "open", "objection", "--subject", "pat", "--detail", "quality")
    for step in (["verify", request["id"], "--method", "letter"], ["search", request["id"]], ["fulfil", request["id"], "--report", gateway.directory / "o.txt"]):
        run(gateway, "privacy", "requests", *step)
    wait_for(lambda: outcome(gateway, ask(gateway, key))["details"]["stored"] == "objection", "the objection", 30)


def test_what_is_over_its_time_goes_by_itself_with_a_proof_unless_held(make_gateway):
    gateway = make(make_gateway, "Kept", storage={**STORAGE, "retentionDays": 1})
    pat, sam = person(gateway), person(gateway, "sam")
    ids = {name: ask(gateway, key).header("apim-request-id") for name, key in (("pat", pat), ("sam", sam))}
    gateway.stop()
    hold = run(gateway, "privacy", "holds", "place", "--subject", "sam", "--reason", "case 5").split()[0]
    import sqlite3

    with sqlite3.connect(gateway.data / "sallyport.sqlite") as database:  # a day passes
        database.execute("UPDATE stored_exchange SET expires_at = stored_at - 1")
    gateway.start()
    wait_for(lambda: [s["subject"] for s in shown(gateway, "privacy", "stored", "list")] == ["sam"], "the retention", 30)
    record = gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "privacy.retention.delete")
    assert record["principal"] == "system:retention" and record["details"]["count"] == "1"
    done = gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "privacy.retention.deleted")
    assert done["details"]["removed"] == "1" and done["details"]["left"] == "0"
    proof = json.loads(run(gateway, "privacy", "stored", "proof", ids["pat"]))
    assert proof["proven"] and proof["digest"] == record["details"]["digest"]
    assert gateway.command("privacy", "stored", "proof", ids["sam"], "--config", gateway.config).returncode == 2
    run(gateway, "privacy", "holds", "release", hold)
    wait_for(lambda: not shown(gateway, "privacy", "stored", "list"), "the release", 30)


def test_erasure_destroys_the_texts_and_the_log_still_verifies(make_gateway, tmp_path):
    gateway = make(make_gateway, "Kept", storage=STORAGE)
    key = person(gateway)
    assert ask(gateway, key).status == 200
    wait_for(lambda: shown(gateway, "privacy", "stored", "list"), "the exchange", 30)
    access = shown(gateway, "privacy", "requests", "open", "export", "--subject", "pat")
    erasure = shown(gateway, "privacy", "requests", "open", "erasure", "--subject", "pat")
    for request in (access, erasure):
        run(gateway, "privacy", "requests", "verify", request["id"], "--method", "card")
        run(gateway, "privacy", "requests", "search", request["id"])
        run(gateway, "privacy", "requests", "fulfil", request["id"], "--report", tmp_path / f"{request['kind']}.txt")
    exported = json.loads((tmp_path / "export.txt").read_text().split("\n\n— ")[0])
    assert any(MARKER in row["values"].get("prompt", "") for row in exported["data"] if row["store"] == "stored_exchange")
    outcomes = {o["store"]: o for o in json.loads((tmp_path / "erasure.txt").read_text().split("\n\n— ")[0])["request"]["outcomes"]}
    assert outcomes["stored_exchange"]["removed"] == 1 and outcomes["keys of the subject"]["removed"] == 1
    assert not shown(gateway, "privacy", "stored", "list")
    gateway.stop()
    assert gateway.command("audit", "verify", "--config", gateway.config).returncode == 0


def test_stored_texts_leave_for_a_purpose_only_with_consent_to_it(make_gateway):
    gateway = make(make_gateway, "Kept", storage=STORAGE)
    pat, sam = person(gateway), person(gateway, "sam")
    for key in (pat, sam):
        assert ask(gateway, key).status == 200
    wait_for(lambda: len(shown(gateway, "privacy", "stored", "list")) == 2, "both exchanges", 30)
    export = ["privacy", "stored", "export", "--purpose", "customising"]
    assert run(gateway, *export) == ""
    run(gateway, "privacy", "consents", "give", "--subject", "sam", "--purpose", "customising", "--edition", "1")
    lines = [json.loads(line) for line in run(gateway, *export).splitlines()]
    assert [line["subject"] for line in lines] == ["sam"]
    run(gateway, "privacy", "consents", "withdraw", "--subject", "sam", "--purpose", "customising")
    assert run(gateway, *export) == ""


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_a_store_that_cannot_keep_is_on_record_and_refuses_where_the_policy_says(make_gateway, on_failure):
    import sqlite3

    gateway = make(make_gateway, "Kept", storage={**STORAGE, "onFailure": on_failure})
    key = person(gateway)
    with sqlite3.connect(gateway.data / "sallyport.sqlite") as database:
        database.execute("ALTER TABLE stored_exchange RENAME TO gone")
    answer = ask(gateway, key)
    assert answer.status == (200 if on_failure == "open" else 503)
    assert outcome(gateway, answer)["details"]["stored"] == "failed" if answer.header("apim-request-id") else True
    assert chat(gateway, gateway.user).status in (200, 503)
