"""Conditional access, just-in-time elevation and four eyes, on the running gateway with real tokens."""

import base64
import json
import re
import time

import pytest

from console import Browser, admin_call
from gateway import Gateway
from issuer import CHAT_ACTION, Issuer
from test_access import BODY, wait_for
from test_signin import code, set_up


@pytest.fixture(scope="module")
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture(scope="module")
def shared(upstream, issuer, tmp_path_factory):
    def change(tree):
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["deployments"]["local"]["label"] = "confidential"

    gateway = Gateway(tmp_path_factory.mktemp("conditional"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.admin = gateway.key("root", roles="administrator")["secret"]
    gateway.start()
    wait_for(lambda: ask(gateway, issuer.token()).status == 200, "the issuer's keys")
    yield gateway
    gateway.stop()


@pytest.fixture
def guarded(shared):
    """The gateway, without policies, devices and risks."""
    yield shared
    for kind, name in [("conditional-access/policies", "name"), ("devices", "id"), ("risks", "principal")]:
        for found in admin_call(shared, "GET", f"/api/{kind}", key=shared.admin).json()["value"]:
            admin_call(shared, "DELETE", f"/api/{kind}/{found[name].replace(':', '%3A')}", key=shared.admin)


def ask(gateway, token, deployment="local"):
    return gateway.chat(deployment, BODY, key=None, headers=[("authorization", f"Bearer {token}")])


def policy(state="enabled", conditions=None, controls=("mfa",), **rest):
    document = {"state": state, "conditions": {"users": {"includeUsers": ["All"]}, **(conditions or {})}, **rest}
    if controls:
        document["grantControls"] = {"operator": "AND", "builtInControls": list(controls)}
    return document


def put(gateway, name, document):
    answer = admin_call(gateway, "PUT", f"/api/conditional-access/policies/{name}", document, key=gateway.admin)
    assert answer.status == 200, answer.body


def claims(answer):
    challenge = answer.header("www-authenticate")
    found = re.search(r'error="insufficient_claims", claims="([^"]+)"', challenge)
    assert found, challenge
    return json.loads(base64.urlsafe_b64decode(found.group(1) + "=="))["access_token"]


def test_a_second_factor_is_demanded_with_a_claims_challenge(guarded, issuer):
    put(guarded, "mfa", policy())
    refused = ask(guarded, issuer.token())
    assert refused.status == 401 and claims(refused) == {"amr": {"essential": True, "values": ["mfa"]}}
    assert b"mfa" in refused.body or b"multi-factor" in refused.body
    assert ask(guarded, issuer.token(amr=["pwd", "mfa"])).status == 200
    # Keys are programs: a policy for people leaves them out.
    assert guarded.chat("local", BODY, key=guarded.user).status == 200
    assert admin_call(guarded, "DELETE", "/api/conditional-access/policies/mfa", key=guarded.admin).status == 204
    assert ask(guarded, issuer.token()).status == 200


def test_policies_speak_of_labels_networks_clients_groups_and_services(guarded, issuer):
    put(guarded, "label", policy(conditions={"applications": {"includeLabels": ["confidential"]}}, controls=["block"]))
    assert ask(guarded, issuer.token()).status == 401 and b"blocked" in ask(guarded, issuer.token()).body
    assert ask(guarded, issuer.token(), "off").status == 200
    put(guarded, "label", policy(conditions={"locations": {"include": ["All"], "exclude": ["127.0.0.0/8"]}}, controls=["block"]))
    assert ask(guarded, issuer.token()).status == 200
    put(guarded, "label", policy(conditions={"clients": {"include": ["bad-app"]}}, controls=["block"]))
    assert ask(guarded, issuer.token(azp="bad-app")).status == 401 and ask(guarded, issuer.token(azp="good-app")).status == 200
    put(guarded, "label", policy(conditions={"users": {"includeGroups": ["idp:risky"]}}, controls=["block"]))
    assert ask(guarded, issuer.token(groups=["risky"])).status == 401 and ask(guarded, issuer.token(groups=["fine"])).status == 200
    put(guarded, "label", policy(conditions={"users": {"includeUsers": ["AllServices"]}, "applications": {"surfaces": ["data"]}}, controls=["block"]))
    assert guarded.chat("local", BODY, key=guarded.user).status == 401 and ask(guarded, issuer.token()).status == 200


def test_devices_must_be_compliant_and_belong_to_the_caller(guarded, issuer):
    put(guarded, "device", policy(controls=["compliantDevice"]))
    with_device = lambda: ask(guarded, issuer.token(deviceid="d-1")).status
    assert with_device() == 401 and "deviceid" in claims(ask(guarded, issuer.token()))
    report = lambda **d: admin_call(guarded, "PUT", "/api/devices/d-1", d, key=guarded.admin).status
    assert report(compliant=False, platform="windows") == 200 and with_device() == 401
    assert report(compliant=True, platform="windows", owner="idp:bob") == 200 and with_device() == 401
    assert report(compliant=True, platform="windows", owner="idp:alice", expires="1h") == 200 and with_device() == 200
    assert ask(guarded, issuer.token()).status == 401
    assert report(compliant=True, platform="toaster") == 400
    done = guarded.command("access", "devices", "set", "d-1", "--no-compliant", "--config", guarded.config)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: with_device() == 401, "the report", 1.5)


def test_risk_blocks_until_it_is_cleared_and_a_sign_in_ages(guarded, issuer):
    put(guarded, "risk", policy(conditions={"risk": ["medium", "high"]}, controls=["block"]))
    assert ask(guarded, issuer.token()).status == 200
    assert guarded.command("access", "risks", "set", "idp:alice", "high", "--reason", "leaked", "--config", guarded.config).returncode == 0
    wait_for(lambda: ask(guarded, issuer.token()).status == 401, "the risk", 1.5)
    assert ask(guarded, issuer.token(sub="bob")).status == 200
    assert admin_call(guarded, "DELETE", "/api/risks/idp%3Aalice", key=guarded.admin).status == 204
    assert ask(guarded, issuer.token()).status == 200
    put(guarded, "age", policy(controls=None, sessionControls={"signInFrequency": "1h"}))
    old = ask(guarded, issuer.token(auth_time=int(time.time()) - 7200))
    assert old.status == 401 and "auth_time" in claims(old)
    assert ask(guarded, issuer.token(auth_time=int(time.time()) - 60)).status == 200


def test_a_session_ends_at_the_age_that_a_policy_allows(guarded):
    made = guarded.command("accounts", "create", "sam", "--config", guarded.config)
    browser = Browser(guarded)
    set_up(guarded, browser, made.stdout.strip())
    assert b"Signed in as" in browser.get("/").body
    put(guarded, "long", policy(controls=None, sessionControls={"maximumAge": "1h"}))
    put(guarded, "others", policy(conditions={"users": {"includeUsers": ["user:local:other"]}}, controls=None, sessionControls={"maximumAge": "1s"}))
    assert b"Signed in as" in browser.get("/").body
    held = browser.session()
    put(guarded, "short", policy(controls=None, sessionControls={"maximumAge": "1s"}))
    time.sleep(1.1)
    # On every page, one's own too; and it is over, not only refused.
    answer = browser.get("/my/privacy", follow=False)
    assert answer.status == 303 and answer.header("location") == "/signin"
    assert admin_call(guarded, "DELETE", "/api/conditional-access/policies/short", key=guarded.admin).status == 204
    assert browser.session() == held and browser.get("/", follow=False).status == 303
    record = guarded.wait_for_record(lambda r: r.get("operation") == "session.end" and r["details"].get("policy") == "short")
    assert record["principal"] == "local:sam"
    shown = next(p for p in admin_call(guarded, "GET", "/api/conditional-access/policies", key=guarded.admin).json()["value"] if p["name"] == "long")
    assert shown["demands"] == ["sessions of 1h at most"]


def test_report_only_records_and_lets_pass(guarded, issuer):
    put(guarded, "trial", policy(state="enabledForReportingButNotEnforced", controls=["block"]))
    for _ in range(3):
        assert ask(guarded, issuer.token()).status == 200
    record = guarded.wait_for_record(lambda r: r["type"] == "access.report" and r["details"]["policy"] == "trial")
    assert record["principal"] == "idp:alice" and record["details"]["policy"] == "trial" and record["reason"] == "block"
    assert len(guarded.records(lambda r: r["type"] == "access.report" and r["details"]["policy"] == "trial")) == 1


def test_the_console_is_under_conditional_access_too(guarded, issuer):
    put(guarded, "console", policy(conditions={"applications": {"surfaces": ["console"]}}))
    token = lambda **c: [("authorization", f"Bearer {issuer.token(roles=['auditor'], **c)}")]
    refused = admin_call(guarded, "GET", "/api/keys", headers=token())
    assert refused.status == 401 and code(refused) == "InsufficientClaims" and "amr" in claims(refused)
    assert admin_call(guarded, "GET", "/api/keys", headers=token(amr=["mfa"])).status == 200
    assert ask(guarded, issuer.token()).status == 200


def test_policies_that_are_not_understood_are_refused(guarded):
    for document in [
        {}, [], {"state": "enabled"}, policy(state="on"), policy(controls=["please"]), policy(conditions={"moon": ["full"]}),
        policy(conditions={"users": {"includeUsers": ["alice"]}}), policy(conditions={"locations": {"include": ["10.0.0.1/8"]}}),
        policy(controls=None), policy(controls=["block", "mfa"]), {**policy(), "grantControls": {"builtInControls": ["mfa"], "termsOfUse": ["x"]}},
    ]:  # fmt: skip
        answer = admin_call(guarded, "PUT", "/api/conditional-access/policies/bad", document, key=guarded.admin)
        assert answer.status == 400, (document, answer.body)
    assert admin_call(guarded, "GET", "/api/conditional-access/policies", key=guarded.admin).json()["value"] == []


def test_what_would_be_asked_is_told_with_a_policy_more_or_less(guarded):
    def evaluate(**question):
        return admin_call(guarded, "POST", "/api/conditional-access/evaluate", {"principal": "user:idp:alice", **question}, key=guarded.admin)

    put(guarded, "mfa", policy())
    assert evaluate().json() == {**evaluate().json(), "allowed": False, "findings": [{"policy": "mfa", "demand": "mfa"}]}
    assert evaluate(methods=["mfa"]).json()["allowed"] and evaluate(without=["mfa"]).json()["allowed"]
    assert evaluate(**{"with": {"name": "mfa", "policy": policy(state="enabledForReportingButNotEnforced")}}).json()["reported"] == [{"policy": "mfa", "demand": "mfa"}]
    drafted = evaluate(methods=["mfa"], **{"with": {"name": "none", "policy": policy(controls=["block"])}}).json()
    assert drafted["findings"] == [{"policy": "none", "demand": "block"}]
    assert evaluate(methods=["mfa"]).json()["allowed"], "nothing was kept"
    for wrong in ({"with": {}}, {"with": {"name": "x"}}, {"with": {"name": "x", "policy": {"state": "on"}}}, {"with": {"name": "a/b", "policy": policy()}},
                  {"from": "nowhere"}, {"surface": "moon"}, {"state": "enabled"}, {"with": "x"}):  # fmt: skip
        assert evaluate(**wrong).status == 400, wrong
    shown = admin_call(guarded, "GET", "/api/conditional-access/policies/mfa", key=guarded.admin)
    fresh = [("if-none-match", "*")]
    assert admin_call(guarded, "PUT", "/api/conditional-access/policies/mfa", policy(), key=guarded.admin, headers=fresh).status == 412
    known = [("if-match", shown.header("etag"))]
    assert admin_call(guarded, "PUT", "/api/conditional-access/policies/mfa", policy(state="disabled"), key=guarded.admin, headers=known).status == 200
    assert admin_call(guarded, "PUT", "/api/conditional-access/policies/mfa", policy(), key=guarded.admin, headers=known).status == 412
    (listed,) = admin_call(guarded, "GET", "/api/conditional-access/policies", key=guarded.admin).json()["value"]
    assert (listed["state"], listed["demands"]) == ("disabled", ["mfa"])
    twice = b'{"state": "enabled", "state": "disabled", "conditions": {"users": {"includeUsers": ["All"]}}, "grantControls": {"builtInControls": ["mfa"]}}'
    assert admin_call(guarded, "PUT", "/api/conditional-access/policies/mfa", twice, key=guarded.admin).status == 400


def test_explain_says_who_can_do_what_before_and_after_a_change(guarded, tmp_path):
    file = tmp_path / "mfa.json"
    file.write_text(json.dumps(policy()))

    def explain(*more):
        done = guarded.command(
            "access", "explain", "--config", guarded.config, "--principal", "user:idp:ann", "--action", CHAT_ACTION, "--scope", "/deployments/local",
            "--json", *more,
        )  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    status, found = explain()
    assert status == 2 and not found["allowed"]
    status, found = explain("--with", "user:idp:ann openai-user /deployments/local")
    assert status == 0 and not found["before"]["allowed"] and found["after"]["allowed"]
    status, found = explain("--with", "user:idp:ann openai-user /", "--with-policy", str(file))
    assert status == 2 and "multi-factor" in found["after"]["reason"] and found["after"]["conditional"]["findings"][0]["policy"] == "mfa"
    assert explain("--with", "user:idp:ann openai-user /", "--with-policy", str(file), "--method", "mfa")[0] == 0
    assert explain()[0] == 2, "a question changed something"
    added = admin_call(guarded, "POST", "/api/role-assignments", {"principal": "user:idp:ann", "role": "openai-user"}, key=guarded.admin).json()
    status, found = explain("--without", added["id"])
    assert status == 2 and found["before"]["allowed"] and not found["after"]["allowed"]
    who = guarded.command("access", "who", "--config", guarded.config, "--action", CHAT_ACTION, "--scope", "/deployments/local", "--json")
    assert "user:idp:ann" in {line["principal"] for line in json.loads(who.stdout)}


# --- Elevation ------------------------------------------------------------------------------------------------------------------------------


def test_elevation_takes_a_reason_a_second_factor_and_another_persons_approval_and_ends_by_itself(guarded, issuer):
    made = admin_call(
        guarded, "POST", "/api/elevations/eligible",
        {"principal": "user:idp:alice", "role": "security-operator", "maximumDuration": "1h", "approvers": ["user:idp:bob"]}, key=guarded.admin,
    )  # fmt: skip
    assert made.status == 201, made.body
    eligible = made.json()["id"]

    def call(method, target, body=b"", who="alice", **c):
        return admin_call(guarded, method, target, body, headers=[("authorization", f"Bearer {issuer.token(sub=who, roles=None, **c)}")])

    assert call("GET", "/api/keys").status == 403
    assert [e["id"] for e in call("GET", "/api/elevations/eligible/own").json()["value"]] == [eligible]
    assert call("GET", "/api/elevations/eligible/own", who="eve").json()["value"] == []
    wanted = {"eligible": eligible, "reason": "case 17", "duration": "60s"}
    bare = call("POST", "/api/elevations", wanted)
    assert bare.status == 401 and code(bare) == "InsufficientClaims" and "amr" in claims(bare)
    assert call("POST", "/api/elevations", {**wanted, "reason": ""}, amr=["mfa"]).status == 400
    assert call("POST", "/api/elevations", {**wanted, "duration": "2h"}, amr=["mfa"]).status == 400
    assert call("POST", "/api/elevations", wanted, who="eve", amr=["mfa"]).status == 404
    asked = call("POST", "/api/elevations", wanted, amr=["mfa"])
    assert asked.status == 202 and asked.json()["state"] == "pending"
    target = f"/api/elevations/{asked.json()['id']}"
    assert call("POST", "/api/elevations", wanted, amr=["mfa"]).status == 409
    assert call("GET", "/api/keys").status == 403, "nothing is given before it is approved"
    assert call("POST", f"{target}/approve", amr=["mfa"]).status == 403, "nobody approves himself"
    assert call("POST", f"{target}/approve", who="eve", amr=["mfa"]).status == 403
    approved = call("POST", f"{target}/approve", who="bob")
    assert approved.status == 200 and approved.json()["state"] == "active", approved.body
    assert call("GET", "/api/keys").status == 200
    assert call("POST", f"{target}/approve", who="bob").status == 409
    assert call("POST", f"{target}/end").status == 200
    assert call("GET", "/api/keys").status == 403
    # The automatic end: the assignment itself carries it.
    again = call("POST", "/api/elevations", {**wanted, "duration": "60s"}, amr=["mfa"]).json()["id"]
    assert call("POST", f"/api/elevations/{again}/approve", who="bob").status == 200
    held = admin_call(guarded, "GET", "/api/role-assignments", key=guarded.admin).json()["value"]
    assignment = next(a for a in held if a["id"] == f"elevation-{again}")
    left = time.mktime(time.strptime(assignment["expiresAt"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone - time.time()
    assert 0 < left <= 60
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 61))
    explained = guarded.command("access", "explain", "--config", guarded.config, "--principal", "user:idp:alice", "--action", "Sallyport/keys/read",
                                "--management", "--at", at, "--json")  # fmt: skip
    assert explained.returncode == 2 and any(line["outcome"] == "expired" for line in json.loads(explained.stdout)["considered"])
    for act in ["elevations.eligible.add", "elevations.request", "elevations.approve", "elevations.end"]:
        guarded.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act)


# --- Four eyes --------------------------------------------------------------------------------------------------------------------------------


def test_policies_under_four_eyes_wait_for_a_second_person(make_gateway):
    gateway = make_gateway(lambda tree: tree.setdefault("access", {}).update(fourEyes=["policies", "audit"]))
    one = gateway.key("one", roles="administrator", principal="one")["secret"]
    two = gateway.key("two", roles="administrator", principal="two")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=two).status == 200, "the keys")
    document = {"name": "Mine", "properties": {"mode": "Default", "basePolicyName": "Microsoft.Default", "contentFilters": []}}
    asked = admin_call(gateway, "PUT", "/api/policies/Mine", document, key=one)
    assert asked.status == 202 and asked.json()["state"] == "pending"
    change = asked.json()["id"]
    assert admin_call(gateway, "GET", "/api/policies/Mine", key=one).status == 404
    own = admin_call(gateway, "POST", f"/api/changes/{change}/approve", key=one)
    assert own.status == 403 and b"four eyes" in own.body
    assert admin_call(gateway, "GET", f"/api/changes/{change}/content", key=two).json() == document
    assert admin_call(gateway, "POST", f"/api/changes/{change}/approve", key=two).json()["id"] == change
    assert admin_call(gateway, "GET", "/api/policies/Mine", key=one).json() == document
    assert admin_call(gateway, "POST", f"/api/changes/{change}/approve", key=two).status == 409
    conditional = admin_call(gateway, "PUT", "/api/conditional-access/policies/x", policy(), key=two)
    assert conditional.status == 202
    assert admin_call(gateway, "POST", f"/api/changes/{conditional.json()['id']}/reject", key=one).status == 200
    assert admin_call(gateway, "GET", "/api/conditional-access/policies", key=one).json()["value"] == []
    file = gateway.directory / "Mine.json"
    file.write_text(json.dumps(document))
    for arguments in (["policies", "put", file], ["policies", "delete", "Mine"], ["access", "conditional", "delete", "x"]):
        done = gateway.command(*arguments, "--config", gateway.config)
        assert done.returncode != 0 and "second person" in done.stderr, done.stderr
        # Leaving the configuration out does not leave the second person out.
        done = gateway.command(*arguments, "--data", gateway.data)
        assert done.returncode != 0 and "second person" in done.stderr, done.stderr
    # What was asked for in view of one document is not done to another one.
    first = admin_call(gateway, "PUT", "/api/policies/Mine", {**document, "properties": {**document["properties"], "mode": "Blocking"}}, key=one).json()["id"]
    second = admin_call(gateway, "PUT", "/api/policies/Mine", {**document, "properties": {**document["properties"], "mode": "Deferred"}}, key=one).json()["id"]
    time.sleep(1.1)  # changes are told apart by the second
    assert admin_call(gateway, "POST", f"/api/changes/{second}/approve", key=two).status == 200
    late = admin_call(gateway, "POST", f"/api/changes/{first}/approve", key=two)
    assert late.status == 409 and b"since this was asked for" in late.body, late.body
    assert admin_call(gateway, "GET", "/api/policies/Mine", key=one).json()["properties"]["mode"] == "Deferred"
    assert admin_call(gateway, "POST", f"/api/changes/{first}/reject", key=two).status == 200
    for act in ["changes.ask", "changes.approve", "changes.reject"]:
        gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act)


def test_acts_on_the_key_store_wait_for_a_second_person(make_gateway):
    gateway = make_gateway(lambda tree: tree.setdefault("access", {}).update(fourEyes=["keyStore"]))
    admin = gateway.key("one", roles="administrator", principal="one")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=admin).status == 200, "the key")
    for arguments in (["rotate", "data-key"], ["revoke"], ["destroy-subject", "somebody", "--reason", "x"]):
        done = gateway.command("vault", *arguments, "--config", gateway.config)
        assert done.returncode != 0 and "second person" in done.stderr, done.stderr
    waiting = admin_call(gateway, "GET", "/api/changes", key=admin).json()["value"]
    assert {c["act"] for c in waiting} == {"vault.rotate", "vault.revoke", "vault.destroy-subject"} and all(c["requestedBy"].startswith("os-user:") for c in waiting)
    again = gateway.command("vault", "rotate", "data-key", "--config", gateway.config)
    assert again.returncode != 0 and len(admin_call(gateway, "GET", "/api/changes", key=admin).json()["value"]) == 3
    change = next(c["id"] for c in waiting if c["act"] == "vault.rotate")
    assert admin_call(gateway, "POST", f"/api/changes/{change}/approve", key=admin).status == 200
    done = gateway.command("vault", "rotate", "data-key", "--config", gateway.config)
    assert done.returncode == 0, done.stderr
    assert gateway.command("vault", "revoke", "--config", gateway.config).returncode != 0


def test_audit_settings_under_four_eyes_change_only_with_an_approval(make_gateway):
    gateway = make_gateway(lambda tree: tree.setdefault("access", {}).update(fourEyes=["audit"]))
    one = gateway.key("one", roles="administrator", principal="one")["secret"]
    two = gateway.key("two", roles="administrator", principal="two")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=two).status == 200, "the keys")
    tree = gateway.changed(lambda t: t.update(audit={"checkpointInterval": "5s"}))
    gateway.write(tree)
    wait_for(lambda: "second person" in gateway.log(), "the refusal")
    change = wait_for_change(gateway, one)
    assert change["act"] == "configuration.audit" and change["requestedBy"] == "system:configuration"
    assert admin_call(gateway, "POST", f"/api/changes/{change['id']}/approve", key=two).status == 200
    gateway.write(tree)
    import signal

    gateway.signal(signal.SIGHUP)
    wait_for(lambda: "configuration reloaded" in gateway.log(), "the reload")
    # A restart takes what was approved, and nothing else.
    gateway.stop()
    gateway.write({**tree, "audit": {"checkpointInterval": "7s"}})
    with pytest.raises(AssertionError):
        gateway.start(attempts=1)
    assert "second person" in gateway.log()


def wait_for_change(gateway, key):
    found = []

    def look():
        # What was taken at the start is listed too, and may be of the same second.
        found[:] = [c for c in admin_call(gateway, "GET", "/api/changes", key=key).json()["value"] if c["state"] == "pending"]
        return bool(found)

    wait_for(look, "the change")
    return found[0]
