"""The governance of access: least privilege from recorded use, separation of duty, access reviews."""

import json
import sqlite3
import time

import pytest

from issuer import CHAT_ACTION
from test_access import chat, wait_for


def run(gateway, *arguments, status=0):
    done = gateway.command(*arguments, "--config", gateway.config)
    assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def shown(gateway, *arguments, status=0):
    return json.loads(run(gateway, *arguments, "--json", status=status))


def assign(gateway, principal, role, scope="/"):
    return shown(gateway, "access", "assignments", "add", "--principal", principal, "--role", role, "--scope", scope)["id"]


def test_usage_names_what_was_never_used_and_proposes_less(make_gateway):
    gateway = make_gateway(start=False)
    made = gateway.key("app", roles="usages-reader", principal="app-7")
    used = assign(gateway, "service:app-7", "openai-contributor")
    idle = assign(gateway, "user:nobody", "openai-user", "/deployments/local")
    # Known from the start: waiting for an assignment by calling would add to the calls that were denied.
    gateway.start()
    assert chat(gateway, made["secret"]).status == 200
    assert gateway.call("GET", "/contentsafety/text/blocklists?api-version=2024-09-01", key=made["secret"]).status == 401
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r["status"] == 200 and r.get("principal") == "app-7")
    assert record["details"]["action"] == CHAT_ACTION and record["details"]["grant"] == f"assignment:{used}"

    def grants():
        report = shown(gateway, "access", "usage")
        return report, {grant["source"]: grant for principal in report["principals"] for grant in principal["grants"]}

    wait_for(lambda: grants()[1][f"assignment:{used}"]["uses"] >= 1, "the use to be counted", 30)
    report, by_source = grants()
    assert report["learning"] is True and report["observedDays"] == 0
    assert by_source[f"assignment:{idle}"]["proposal"] == "remove"
    grant = by_source[f"assignment:{used}"]
    assert grant["used"] == [CHAT_ACTION] and "Microsoft.CognitiveServices/accounts/OpenAI/fine-tunes/write" in grant["unused"]
    assert grant["proposal"] == "narrow" and grant["narrow"]["scopes"] == ["/deployments/local"] and grant["narrow"]["exactDataActions"] == [CHAT_ACTION]
    assert grant["narrow"]["role"] != "openai-contributor"
    denied = shown(gateway, "access", "usage", "--principal", f"key:{made['id']}")["principals"][0]["denied"]
    assert denied == [{"action": "Microsoft.CognitiveServices/accounts/ContentSafety/blocklists/read", "count": 1}]
    # Counting again adds nothing: the place in the log moves with the counts.
    time.sleep(0.3)
    before = grants()[1][f"assignment:{used}"]["uses"]
    assert grants()[1][f"assignment:{used}"]["uses"] == before
    served = [r for r in gateway.records() if r["type"] == "exchange.outcome" and r.get("details", {}).get("grant") == f"assignment:{used}"]
    assert before == len(served)


def test_conflicts_of_duty_are_found(make_gateway):
    def change(tree):
        tree["access"] = {
            "breakGlass": ["user:glass"],
            "separation": {"writer-reader": {"first": ["Sallyport/keys/write"], "second": ["Sallyport/privacy/*"], "reason": "ours"}},
        }

    gateway = make_gateway(change, start=False)
    assert run(gateway, "access", "conflicts") == "There are no conflicts.\n"
    for who in ("user:both", "user:glass"):
        for role in ("access-administrator", "auditor", "privacy-officer"):
            assign(gateway, who, role)
    found = shown(gateway, "access", "conflicts", status=2)
    assert {c["principal"] for c in found} == {"user:both"}
    assert {"access-giver-auditor", "access-giver-reader", "writer-reader"} == {c["rule"] for c in found}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("access:\n  breakGlass: ['group:admins']\n", "user:ID, service:ID or key:ID"),
        ("access:\n  separation:\n    mine: {first: ['a']}\n", "needs 'first' and 'second'"),
    ],
)
def test_mistakes_in_the_rules_are_named(gateway, tmp_path, text, words):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    done = gateway.command("config", "check", file)
    assert done.returncode != 0 and words in done.stdout + done.stderr


def test_a_review_runs_from_evidence_to_a_signed_record(make_gateway, tmp_path):
    gateway = make_gateway(lambda tree: tree.update(access={"breakGlass": ["user:glass"]}))
    keep, drop, glass = assign(gateway, "user:alice", "openai-user"), assign(gateway, "user:bob", "openai-user"), assign(gateway, "user:glass", "access-administrator")
    doomed = gateway.key("doomed")
    gateway.wait_for_key(doomed["secret"])
    assert chat(gateway, doomed["secret"]).status == 200
    gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("key") == doomed["id"] and r["operation"] == "ChatCompletions_Create")
    review = shown(gateway, "reviews", "create", "spring", "--reviewer", "user:boss", "--fallback", "user:deputy", "--require-reason")
    assert review["status"] == "open"
    items = {item["resourceId"]: item for item in review["items"]}
    assert {keep, drop, glass, doomed["id"]} <= set(items)
    assert items[doomed["id"]]["uses"] >= 1 and items[doomed["id"]]["lastUsedAt"]
    assert items[drop]["lastUsedAt"] is None if "lastUsedAt" in items[drop] else True
    assert items[glass]["breakGlass"] and items[glass]["risk"] == "high"

    def decide(resource, decision, *more, who="user:boss", status=0):
        done = gateway.command("reviews", "decide", review["id"], items[resource]["id"], decision, "--as", who, *more, "--config", gateway.config)
        assert (done.returncode == 0) == (status == 0), done.stdout + done.stderr
        return done.stderr

    assert "no reviewer" in decide(keep, "approve", "--reason", "x", who="user:mallory", status=1)
    assert "wants a reason" in decide(keep, "approve", status=1)
    decide(keep, "approve", "--reason", "answers customers")
    decide(drop, "remove")
    decide(glass, "remove")
    decide(doomed["id"], "remove")
    preview = shown(gateway, "reviews", "preview", review["id"])
    assert {line["item"] for line in preview["removals"]} == {items[drop]["id"], items[doomed["id"]]["id"]}
    assert [line["item"] for line in preview["spared"]] == [items[glass]["id"]]
    assert gateway.command("reviews", "apply", review["id"], "--config", gateway.config).returncode != 0  # not over
    run(gateway, "reviews", "close", review["id"])
    run(gateway, "reviews", "apply", review["id"])
    left = {a["id"] for a in shown(gateway, "access", "assignments", "list")}
    assert keep in left and glass in left and drop not in left
    wait_for(lambda: chat(gateway, doomed["secret"]).status == 401, "the key to end", 30)
    gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "reviews.remove" and doomed["id"] in r["details"]["target"])

    report = tmp_path / "review.txt"
    report.write_text(run(gateway, "reviews", "export", review["id"]))
    record = json.loads(report.read_text().split("\n\n— ")[0])
    results = {item["resourceId"]: (item["decision"], item.get("result"), item.get("reviewedBy")) for item in record["items"]}
    assert results[drop] == ("remove", "removed", "user:boss") and results[glass][1] == "kept: a break-glass account"
    assert record["status"] == "applied"
    key = run(gateway, "reviews", "export", "--key").strip()
    assert gateway.command("reviews", "verify", report, "--key", key).returncode == 0
    report.write_text(report.read_text().replace("user:boss", "user:bass"))
    assert gateway.command("reviews", "verify", report, "--key", key).returncode == 1


def test_silence_removes_only_after_a_preview_and_by_itself_at_the_end(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(access={"breakGlass": ["user:glass"]}))
    silent, glass = assign(gateway, "user:silent", "openai-user"), assign(gateway, "user:glass", "access-administrator")
    review = shown(gateway, "reviews", "create", "quick", "--reviewer", "user:boss", "--kinds", "user", "--ends", "1d", "--remove-unanswered")
    assert review["status"] == "draft"
    preview = shown(gateway, "reviews", "preview", review["id"])
    assert len(preview["removals"]) == 1 and preview["removals"][0]["cause"] == "silence" and preview["spared"][0]["subject"] == "user:glass"
    wrong = gateway.command("reviews", "start", review["id"], "--preview", "0" * 64, "--config", gateway.config)
    assert wrong.returncode != 0 and "preview" in wrong.stderr
    run(gateway, "reviews", "start", review["id"], "--preview", preview["digest"])
    with sqlite3.connect(gateway.data / "sallyport.sqlite") as database:  # a day passes
        database.execute("UPDATE review_campaign SET definition = json_set(definition, '$.endsAt', 1)")
    wait_for(lambda: shown(gateway, "reviews", "show", review["id"])["status"] == "applied", "the end of the review", 40)
    assert {a["id"] for a in shown(gateway, "access", "assignments", "list")} == {glass}
    results = {item["subject"]: item.get("result") for item in shown(gateway, "reviews", "show", review["id"])["items"]}
    assert results == {"user:silent": "removed", "user:glass": "kept: a break-glass account"}
    gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "reviews.remove" and r["principal"] == "system:reviews")
    assert silent
