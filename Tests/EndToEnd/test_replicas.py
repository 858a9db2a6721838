"""Several gateways over one store of identities: what is made or taken back once holds at all of them; everything else is each one's own."""

import json
import shutil
import sqlite3
import time

import pytest

from console import admin_call
from gateway import Gateway, policy
from issuer import CHAT_ACTION, Issuer
from test_access import chat, wait_for
from test_conditional_access import ask
from test_conditional_access import policy as conditional
from test_governance import run, shown
from test_guards import form
from test_scim import scim, patch
from test_standing import Stream, by_key, by_token
from test_wire_fidelity import chunk

#: What was taken back has no effect any more after so long, anywhere.
SOON = 5


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture
def pair(upstream, mock, issuer, tmp_path, request):
    """A gateway that keeps identities, and one that uses them; and whatever else a test makes."""
    made = []

    def make(name, change=None, of=None, start=True):
        def whole(tree):
            tree["deployments"] = {name: tree["deployments"][name] for name in ("local", "off", "gpt-4o")}
            tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
            if of:
                tree["data"]["identity"] = str(of.data)
                tree["server"]["adminListen"] = "none"
            else:
                tree["provisioning"] = {"issuer": "idp"}
            if change:
                change(tree)

        gateway = Gateway(tmp_path / name, upstream.url, whole)
        made.append(gateway)
        request.node.funcargs[name] = gateway
        return gateway.start() if start else gateway

    first = make("first", start=False)
    first.user = first.key("user")["secret"]
    first.admin = first.key("root", roles="administrator")["secret"]
    first.start()
    first.make = make
    yield first, make("second", of=first)
    for gateway in made:
        gateway.kill()


def both(pair, status, of):
    return lambda: [of(gateway).status for gateway in pair] == [status, status]


def records(gateway, kind):
    return gateway.records(lambda r: r["type"] == kind)


# --- What holds everywhere ---------------------------------------------------------------------------------------------------------------------


def test_a_key_works_and_stops_at_both(pair):
    first, second = pair
    assert both(pair, 200, lambda g: chat(g, first.user))()
    late = first.key("late")
    wait_for(both(pair, 200, lambda g: chat(g, late["secret"])), "the new key", SOON)
    run(first, "keys", "revoke", late["id"])
    wait_for(both(pair, 401, lambda g: chat(g, late["secret"])), "the end of the key", SOON)
    assert both(pair, 200, lambda g: chat(g, first.user))()
    # Each has a log of its own, which holds what it did; what was changed is on record where it is kept.
    assert all(r["status"] in (200, 401) for g in pair for r in records(g, "exchange.outcome"))
    wait_for(lambda: any(r["operation"] == "keys.revoke" for r in records(first, "admin.act")), "the record")
    assert not [r for r in records(second, "admin.act") if r["operation"].startswith("keys.")]
    assert records(second, "system.start")[0]["details"]["identity"] == str(first.data.resolve())
    keys = set()
    for gateway in pair:
        gateway.stop()
        done = gateway.command("audit", "verify", "--config", gateway.config)
        assert done.returncode == 0, done.stdout + done.stderr
        keys.add(gateway.command("audit", "checkpoint", "--key", "--config", gateway.config).stdout)
    assert len(keys) == 2


def test_a_disabled_principal_is_stopped_at_both_with_what_is_under_way(pair, issuer, mock):
    first, second = pair
    run(first, "access", "assignments", "add", "--principal", "user:idp:alice", "--role", "openai-user")
    token = issuer.token(roles=None)
    wait_for(both(pair, 200, lambda g: ask(g, token)), "the assignment", SOON)
    parts = [{"event": chunk("once "), "pause_ms": 0}, *({"event": chunk(f"more{n} "), "pause_ms": 100} for n in range(150))]
    mock.script("chat/completions", {"parts": [*parts, {"event": chunk("", "stop")}, {"event": "[DONE]"}]}, repeat=True)
    streams = [Stream(gateway, by_token(token)) for gateway in pair]
    other = Stream(second, by_key(first.user))
    assert all(stream.begun.wait(10) for stream in [*streams, other])
    run(first, "access", "principals", "disable", "idp:alice")
    began = time.monotonic()
    for stream in streams:
        stream.join(SOON)
        assert stream.ended_at and stream.ended_at - began < SOON and b"more149" not in stream.text
    wait_for(both(pair, 401, lambda g: ask(g, token)), "the end", SOON)
    assert other.is_alive(), "only he is stopped"
    run(first, "access", "principals", "enable", "idp:alice")
    wait_for(both(pair, 200, lambda g: ask(g, token, deployment="local")), "the return", SOON)
    run(first, "access", "revoke-tokens", "--principal", "idp:alice")
    wait_for(both(pair, 401, lambda g: ask(g, token)), "the end of his tokens", SOON)


def test_a_leaver_is_stopped_at_both(pair, issuer):
    first, _ = pair
    first.scim_key = first.key("entra", roles="scim-provisioner")["secret"]
    wait_for(lambda: scim(first, "GET", "/Users").status == 200, "the connector's key", 30)
    user = scim(first, "POST", "/Users", {"userName": "pat@example.com", "externalId": "oid-pat", "active": True}).json()
    group = scim(first, "POST", "/Groups", {"displayName": "Staff", "externalId": "staff", "members": [{"value": user["id"]}]})
    assert group.status == 201, group.body
    run(first, "access", "assignments", "add", "--principal", "group:idp:staff", "--role", "openai-user")
    token = issuer.token(oid="oid-pat", sub="x", roles=None)
    wait_for(both(pair, 200, lambda g: ask(g, token)), "the group's right", SOON)
    key = first.key("pats", principal="idp:oid-pat")["secret"]
    wait_for(both(pair, 200, lambda g: chat(g, key)), "his key", SOON)
    assert patch(first, f"/Users/{user['id']}", {"op": "Replace", "path": "active", "value": "False"}).status == 200
    wait_for(lambda: both(pair, 401, lambda g: ask(g, token))() and both(pair, 401, lambda g: chat(g, key))(), "the leaver's end", SOON)


def test_an_assignment_ends_and_a_condition_holds_at_both(pair, issuer):
    first, _ = pair
    run(first, "access", "assignments", "add", "--principal", "user:idp:alice", "--role", "openai-user", "--expires", "6s")
    token, other = issuer.token(roles=None), issuer.token(sub="bob")
    wait_for(both(pair, 200, lambda g: ask(g, token)), "the assignment", SOON)
    wait_for(both(pair, 401, lambda g: ask(g, token)), "its end", 6 + SOON)
    assert both(pair, 200, lambda g: ask(g, other))()
    answer = admin_call(first, "PUT", "/api/conditional-access/policies/mfa", conditional(), key=first.admin)
    assert answer.status in (200, 201), answer.body
    wait_for(both(pair, 401, lambda g: ask(g, other)), "the policy", SOON)
    assert both(pair, 200, lambda g: ask(g, issuer.token(sub="bob", amr=["mfa"])))()
    # A denial whose role only the other gateway's configuration knows denies all the same.
    assert admin_call(first, "DELETE", "/api/conditional-access/policies/mfa", key=first.admin).status < 300
    wait_for(both(pair, 200, lambda g: ask(g, other)), "the end of the policy", SOON)


def test_a_denial_of_a_role_that_the_other_does_not_know_denies_there_too(pair, issuer):
    first, second = pair
    first.tree["access"] = {"roles": {"chatter": {"description": "chats", "dataActions": [CHAT_ACTION]}}}
    first.write(first.tree)
    run(first, "access", "assignments", "add", "--principal", "user:idp:alice", "--role", "chatter", "--deny")
    wait_for(both(pair, 401, lambda g: ask(g, issuer.token())), "the denial", SOON)
    assert both(pair, 200, lambda g: ask(g, issuer.token(sub="bob")))()


def test_consents_and_holds_are_those_of_the_first(pair):
    first, second = pair
    third = first.make("third", of=first, start=False)
    agreed = policy("Agreed", annotations=False, uninspectable="record", requires={"consents": [{"purpose": "pilot", "version": "2"}]})
    (third.policies / "Agreed.json").write_text(json.dumps(agreed))
    third.tree["deployments"]["local"]["policy"] = "Agreed"
    third.write(third.tree)
    third.start()
    secret = first.key("pat", principal="pat")["secret"]
    wait_for(lambda: chat(third, secret).status == 403, "the key", SOON)
    run(first, "privacy", "consents", "give", "--subject", "pat", "--purpose", "pilot", "--evidence", "form 7", "--edition", "2")
    wait_for(lambda: chat(third, secret).status == 200, "the consent", SOON)
    run(first, "privacy", "consents", "withdraw", "--subject", "pat", "--purpose", "pilot")
    wait_for(lambda: chat(third, secret).status == 403, "the withdrawal", SOON)
    hold = run(first, "privacy", "holds", "place", "--subject", "pat", "--reason", "case 12").split()[0]
    assert [h["id"] for h in shown(second, "privacy", "holds", "list")] == [hold]


def test_uses_at_the_second_count_where_reviews_look(pair):
    first, second = pair
    made = first.key("app", principal="app-7", roles="openai-user")
    wait_for(lambda: chat(second, made["secret"]).status == 200, "the key", SOON)

    def counted():
        with sqlite3.connect(f"file:{first.data}/sallyport.sqlite?mode=ro", uri=True) as db:
            return db.execute("SELECT allowed FROM access_use WHERE principal = 'app-7' AND action = ?", [CHAT_ACTION]).fetchall()

    wait_for(lambda: counted() == [(1,)], "the use of a permission", 30)
    second.stop()
    assert counted() == [(1,)], "each record counts once"
    key = next(k for k in shown(first, "keys", "list") if k["id"] == made["id"])
    assert key["lastUsedAt"]


# --- What does not ---------------------------------------------------------------------------------------------------------------------------


def test_what_was_made_through_one_is_unknown_to_the_other(pair, mock):
    first, second = pair
    foreign = first.key("foreign", project="elsewhere")["secret"]
    wait_for(both(pair, 200, lambda g: chat(g, foreign)), "the key", SOON)
    upload = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", b"{}\n"))
    made = first.call("POST", "/openai/v1/files", upload, key=first.user, headers=[("content-type", "multipart/form-data; boundary=b")])
    assert made.status in (200, 201), made.body
    file = made.json()["id"]
    assert first.call("GET", f"/openai/v1/files/{file}", key=first.user).status == 200
    before = len(mock.requests)
    # Fail closed: not even its owner reaches it there, and nobody can make it his.
    for key in (first.user, foreign):
        for method, target, body in (
            ("GET", f"/openai/v1/files/{file}", b""), ("GET", f"/openai/v1/files/{file}/content", b""), ("DELETE", f"/openai/v1/files/{file}", b""),
            ("POST", "/openai/v1/batches", {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}),
            ("POST", "/openai/v1/fine_tuning/jobs", {"model": "gpt-4o", "training_file": file}),
        ):  # fmt: skip
            assert second.call(method, target, body, key=key).status == 404, (method, target)
    assert len(mock.requests) == before, "a foreign id went upstream"
    listed = second.call("GET", "/openai/v1/files", key=first.user)
    assert file not in [f["id"] for f in listed.json()["data"]]
    assert first.call("GET", f"/openai/v1/files/{file}", key=foreign).status == 404
    assert first.call("GET", f"/openai/v1/files/{file}", key=first.user).status == 200


def test_secrets_are_each_ones_own(pair):
    first, second = pair
    for gateway in pair:
        assert chat(gateway, first.user).status == 200
    assert (first.data / "keys/kek-1.key").read_bytes() != (second.data / "keys/kek-1.key").read_bytes()

    def commitments(gateway):
        return {r["requestCommitment"] for r in records(gateway, "exchange.intent")}

    with sqlite3.connect(f"file:{second.data}/sallyport.sqlite?mode=ro", uri=True) as db:
        assert db.execute("SELECT count(*) FROM api_key").fetchone() == (0,)
    assert commitments(first) and commitments(second) and not commitments(first) & commitments(second)


# --- The command line ------------------------------------------------------------------------------------------------------------------------


def test_identities_are_looked_at_but_not_changed_with_the_second_ones_configuration(pair):
    first, second = pair
    assert [k["id"] for k in shown(second, "keys", "list")] == [k["id"] for k in shown(first, "keys", "list")]
    run(first, "access", "assignments", "add", "--principal", "user:idp:alice", "--role", "openai-user")
    assert shown(second, "access", "assignments") == shown(first, "access", "assignments")
    explained = shown(second, "access", "explain", "--principal", "user:idp:alice", "--action", CHAT_ACTION)
    assert explained["allowed"] is True
    id = shown(first, "access", "assignments")[0]["id"]
    key = shown(first, "keys", "list")[0]["id"]
    file = second.directory / "mfa.json"
    file.write_text(json.dumps({"displayName": "mfa", **conditional()}))

    def state():
        with sqlite3.connect(f"file:{first.data}/sallyport.sqlite?mode=ro", uri=True) as db:
            tables = [t for (t,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'access_use%' AND name NOT IN ('key_use', 'revision')")]
            return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}

    before = state()
    for place in (("--config", second.config), ("--data", second.data)):
        for arguments in (
            ("keys", "create", "more"), ("keys", "revoke", key), ("keys", "rotate", key),
            ("access", "assignments", "add", "--principal", "user:idp:eve", "--role", "openai-user"), ("access", "assignments", "remove", id),
            ("access", "principals", "disable", "idp:bob"), ("access", "principals", "enable", "idp:bob"), ("access", "revoke-tokens", "--principal", "idp:bob"),
            ("access", "conditional", "put", file), ("access", "risks", "set", "idp:bob", "high"),
            ("access", "elevations", "add", "--principal", "user:idp:bob", "--role", "administrator"),
            ("accounts", "create", "eve"), ("access", "usage"), ("access", "conflicts"), ("reviews", "list"),
            ("privacy", "consents", "give", "--subject", "pat", "--purpose", "x", "--evidence", "e", "--edition", "1"),
            ("privacy", "holds", "place", "--subject", "pat", "--reason", "case"),
        ):  # fmt: skip
            done = second.command(*arguments, *place)
            assert done.returncode != 0 and str(first.data) in done.stderr, (arguments, done.stdout, done.stderr)
    assert state() == before
    assert chat(second, first.user).status == 200
    first_run = second.command("serve", "--config", second.config, "--first-run")
    assert first_run.returncode != 0 and str(first.data) in first_run.stderr, first_run.stderr


def test_doctor_backup_and_requests_say_where_identities_are(pair, tmp_path):
    first, second = pair
    findings = {f["id"]: f for f in json.loads(second.command("doctor", "--config", second.config, "--json").stdout)}
    assert findings["identity.shared"]["level"] == "good" and str(first.data) in findings["identity.shared"]["text"]
    assert not [name for name in findings if name.startswith("keys.")]
    saved = run(second, "backup", "--to", tmp_path / "saved")
    assert f"back up the gateway of {first.data}" in saved
    run(second, "backup", "--verify", tmp_path / "saved")
    restored = second.command("restore", tmp_path / "saved", "--to", tmp_path / "restored", "--keys", second.data / "keys", "--config", second.config)
    assert restored.returncode == 0 and str(first.data) in restored.stdout, restored.stderr
    opened = run(second, "privacy", "requests", "open", "erasure", "--subject", "pat").split()[0]
    run(second, "privacy", "requests", "verify", opened, "--method", "seen")
    assert "identity: keys, roles, people and consents are kept in" in run(second, "privacy", "requests", "search", opened)
    first.data.chmod(0o755)
    weak = {f["id"]: f["level"] for f in json.loads(second.command("doctor", "--config", second.config, "--json").stdout)}
    assert weak["identity.directory"] == "weak" and weak["identity.shared"] == "good"
    first.data.chmod(0o777)
    bad = second.command("doctor", "--config", second.config, "--json")
    assert bad.returncode == 1 and {f["id"]: f["level"] for f in json.loads(bad.stdout)}["identity.shared"] == "bad"
    first.data.chmod(0o700)


# --- What cannot be ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda t: t["server"].update(adminListen="127.0.0.1:0"), "adminListen", "has no effect beside 'data.identity'"),
        (lambda t: t.update(console={"publicURL": "https://console.example"}), "publicURL", "has no effect beside 'data.identity'"),
        (lambda t: t["data"].update(identity=t["data"]["directory"] + "/."), "identity:", "is 'data.directory' itself"),
        (lambda t: t["data"].update(identity="/nowhere/at/all"), "identity:", "is not a folder that can be read"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_with_its_line(make_gateway, tmp_path, change, line, reason):
    gateway = make_gateway(start=False)
    (tmp_path / "other").mkdir()
    gateway.tree["data"]["identity"] = str(tmp_path / "other")
    gateway.tree["server"].pop("adminListen")
    gateway.data.mkdir(exist_ok=True)
    change(gateway.tree)
    gateway.write(gateway.tree)
    done = gateway.command("config", "check", gateway.config)
    number = next(n for n, text in enumerate(gateway.config.read_text().splitlines(), 1) if line in text and "directory" not in text)
    assert done.returncode == 1 and f":{number}:" in done.stdout + done.stderr and reason in done.stdout + done.stderr, done.stdout + done.stderr


def refuses(gateway, reason):
    with pytest.raises(AssertionError, match="the gateway ended"):
        gateway.start(attempts=1)
    assert reason in gateway.log(), gateway.log()[-2000:]
    gateway.log_file.unlink()


def test_a_store_that_is_not_one_is_refused_at_the_start(pair, tmp_path):
    first, second = pair
    # One that takes its identities from elsewhere keeps none.
    refuses(first.make("chained", of=second, start=False), f"Name {first.data.resolve()} in data.identity")
    run(first, "backup", "--to", tmp_path / "saved")
    for gateway in pair:
        gateway.stop()
    place = tmp_path / "place"
    place.mkdir(mode=0o700)

    class Other:
        data = place

    third = first.make("third", of=Other, start=False)
    refuses(third, "No such file or directory")
    shutil.copy(tmp_path / "saved/sallyport.sqlite", place)
    refuses(third, "it is a copy")
    (place / "sallyport.sqlite").write_bytes(b"A" * 5000)
    refuses(third, "it is not a database")
    (place / "sallyport.sqlite").unlink()
    shutil.copytree(first.data, place, dirs_exist_ok=True)
    place.chmod(0o777)
    refuses(third, "chmod 700")
    place.chmod(0o700)
    for name in place.glob("sallyport.sqlite*"):
        shutil.chown(name, user=65534)
    refuses(third, "belongs to another user")
    for name in place.glob("sallyport.sqlite*"):
        shutil.chown(name, user=0)
    with sqlite3.connect(place / "sallyport.sqlite") as db:
        db.execute("DELETE FROM grdb_migrations WHERE identifier = (SELECT max(identifier) FROM grdb_migrations)")
    refuses(third, "older version of Sallyport")
    # Two that take from each other keep none either.
    first.tree["data"]["identity"] = str(second.data)
    first.tree["server"]["adminListen"] = "none"
    first.tree.pop("provisioning")
    first.write(first.tree)
    refuses(first, f"Name {first.data.resolve()} in data.identity")


def test_without_its_store_a_gateway_lets_nobody_in(pair, tmp_path):
    first, second = pair
    assert chat(second, first.user).status == 200
    first.stop()
    assert chat(second, first.user).status == 200, "the gateway that keeps the store need not run"
    # As a restore does: a file of the same name that is another one. The old one, still open, would hear of no revocation.
    first.data.rename(tmp_path / "away")
    shutil.copytree(tmp_path / "away", first.data)
    wait_for(lambda: "the identities of another gateway cannot be read" in second.log(), "the message", 5)
    assert "restart this gateway" in second.log()
    wait_for(lambda: chat(second, first.user).status == 503, "the end of trust", 75)
    assert second.call("GET", "/readyz", key=None).status == 503 and second.call("GET", "/healthz", key=None).status == 200
    second.stop()
    second.start()
    assert chat(second, first.user).status == 200
