"""SCIM 2.0 provisioning: a public compliance suite, what Entra ID sends, and what a leaver loses."""

import json

import httpx2
import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server

from console import admin_call
from issuer import CHAT_ACTION, Issuer
from test_access import BODY, chat, wait_for
from test_governance import run, shown

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


@pytest.fixture
def connector(make_gateway):
    issuer = Issuer()

    def change(tree):
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["provisioning"] = {"issuer": "idp"}

    gateway = make_gateway(change)
    gateway.issuer = issuer
    gateway.scim_key = gateway.key("entra-provisioning", roles="scim-provisioner")["secret"]
    wait_for(lambda: scim(gateway, "GET", "/Users").status == 200, "the connector's key", 30)
    yield gateway
    issuer.stop()


def scim(gateway, method, path, body=b"", headers=(), key=None):
    return admin_call(
        gateway, method, f"/scim/v2{path}", body, key=key or gateway.scim_key,
        headers=[*headers, *([("content-type", "application/scim+json")] if body else [])])  # fmt: skip


def patch(gateway, path, *operations):
    return scim(gateway, "PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})


def test_the_public_compliance_suite_passes(connector):
    with httpx2.Client(base_url=f"http://127.0.0.1:{connector.admin_port}/scim/v2", headers={"authorization": f"Bearer {connector.scim_key}"}) as http:
        results = check_server(SyncSCIMClient(http))
    failed = [(r.title, r.reason) for r in results if r.status not in (Status.SUCCESS, Status.SKIPPED)]
    assert len(results) > 50 and not failed, failed[:12]


def test_only_the_connector_may_provision(connector):
    assert scim(connector, "GET", "/Users", key=connector.user).status == 403
    assert admin_call(connector, "GET", "/scim/v2/Users").status == 401
    # And it may do nothing else.
    assert chat(connector, connector.scim_key).status == 401
    assert admin_call(connector, "GET", "/api/role-assignments", key=connector.scim_key).status == 403


def test_a_leaver_loses_keys_tokens_and_rights_at_once_and_gets_back_only_trust(connector):
    made = scim(connector, "POST", "/Users", {"userName": "Pat@example.com", "externalId": "oid-pat", "active": True, "password": "t1meMa$heen"})
    assert made.status == 201, made.body
    user = made.json()
    assert "password" not in user and made.header("location").endswith(f"/scim/v2/Users/{user['id']}")
    token = connector.issuer.token(oid="oid-pat", sub="x")
    bearer = lambda t: connector.chat("local", BODY, key=None, headers=[("authorization", f"Bearer {t}")]).status  # noqa: E731
    assert bearer(token) == 200
    key = connector.key("pats", principal="idp:oid-pat")
    connector.wait_for_key(key["secret"])
    assert chat(connector, key["secret"]).status == 200
    left = patch(connector, f"/Users/{user['id']}", {"op": "Replace", "path": "active", "value": "False"})
    assert left.status == 200 and left.json()["active"] is False
    # The surface tells the gateway at once: no waiting.
    assert bearer(token) == 401 and chat(connector, key["secret"]).status == 401
    act = connector.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "scim.users.deactivate")
    assert act["details"]["principal"] == "idp:oid-pat" and act["key"]
    # Back again: new tokens count, old ones and keys do not.
    patch(connector, f"/Users/{user['id']}", {"op": "replace", "value": {"active": True}})
    assert bearer(token) == 401 and chat(connector, key["secret"]).status == 401
    wait_for(lambda: bearer(connector.issuer.token(oid="oid-pat", sub="x")) == 200, "the return", 30)
    shown(connector, "access", "assignments", "add", "--principal", "user:idp:oid-pat", "--role", "openai-user")
    assert scim(connector, "DELETE", f"/Users/{user['id']}").status == 204
    assert not [a for a in shown(connector, "access", "assignments", "list") if a["principal"] == "user:idp:oid-pat"]
    assert scim(connector, "GET", f"/Users/{user['id']}").status == 404
    assert b"t1meMa" not in b"".join(p.read_bytes() for p in connector.data.rglob("*") if p.is_file())


def test_provisioned_groups_give_the_rights_of_their_assignments(connector):
    user = scim(connector, "POST", "/Users", {"userName": "kim", "externalId": "oid-kim"}).json()
    group = scim(connector, "POST", "/Groups", {"displayName": "Analysts", "externalId": "gid-1", "members": [{"value": user["id"]}]}).json()
    assert scim(connector, "GET", f"/Users/{user['id']}").json()["groups"][0]["display"] == "Analysts"
    # The token names no group and carries no role.
    token = connector.issuer.token(oid="oid-kim", sub="x", roles=None)
    ask = lambda: connector.chat("local", BODY, key=None, headers=[("authorization", f"Bearer {token}")]).status  # noqa: E731
    assert ask() == 401
    made = shown(connector, "access", "assignments", "add", "--principal", "group:idp:gid-1", "--role", "openai-user")
    wait_for(lambda: ask() == 200, "the group's assignment", 30)
    record = connector.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == "idp:oid-kim" and r["status"] == 200)
    assert record["details"] == {**record["details"], "action": CHAT_ACTION, "grant": f"assignment:{made['id']}"}
    # As Entra removes a member.
    removed = patch(connector, f"/Groups/{group['id']}", {"op": "Remove", "path": "members", "value": [{"value": user["id"]}]})
    assert removed.status == 200 and "members" not in removed.json()
    assert ask() == 401


def test_what_was_provisioned_is_told_with_the_names_that_access_goes_by(connector):
    ids = [scim(connector, "POST", "/Users", {"userName": f"kim-{n}", "externalId": f"oid-{n}", "displayName": f"Kim {n}", "active": n != 2}).json()["id"] for n in range(3)]
    inner = scim(connector, "POST", "/Groups", {"displayName": "Inner", "members": [{"value": ids[0]}]}).json()["id"]
    outer = scim(connector, "POST", "/Groups", {"displayName": "Outer", "externalId": "gid", "members": [{"value": inner}, {"value": ids[1]}]}).json()["id"]

    def told(path, key=None):
        return admin_call(connector, "GET", f"/api/provisioning{path}", key=key or connector.scim_key)

    summary = told("").json()
    assert {k: summary[k] for k in ("issuer", "namespace", "users", "activeUsers", "groups")} == {"issuer": "idp", "namespace": "idp", "users": 3, "activeUsers": 2, "groups": 2}
    assert summary["endpoint"].endswith("/scim/v2")
    users = told("/users").json()
    assert [(u["userName"], u["principal"], u["active"], u["displayName"]) for u in users["value"]] == [
        ("kim-0", "idp:oid-0", True, "Kim 0"), ("kim-1", "idp:oid-1", True, "Kim 1"), ("kim-2", "idp:oid-2", False, "Kim 2")]  # fmt: skip
    assert users["value"][0]["groups"] == ["Inner"] and users["total"] == 3
    part = told("/users?skip=1&top=1").json()
    assert (part["total"], [u["userName"] for u in part["value"]]) == (3, ["kim-1"])
    assert [u["userName"] for u in told("/users?find=OID-2").json()["value"]] == ["kim-2"]
    assert told("/users?skip=99").json() == {"total": 3, "value": []}
    assert [(g["displayName"], g["reference"], g["members"]) for g in told("/groups?find=outer").json()["value"]] == [("Outer", "group:idp:gid", 2)]
    members = told(f"/groups/{outer}").json()["members"]
    assert [(m["kind"], m["principal"]) for m in members] == [("group", "group:idp:Inner"), ("user", "idp:oid-1")]
    for wrong in ("/users?top=0", "/users?top=1001", "/users?skip=-1", "/users?skip=x", "/groups?top=99999999999999999999", "/users?find=a%0Ab"):
        assert told(wrong).status == 400, wrong
    assert told("/groups/nosuch").status == 404 and told("/users", key=connector.user).status == 403


def test_versions_and_filters_over_the_wire(connector):
    for number in range(3):
        assert scim(connector, "POST", "/Users", {"userName": f"u{number}", "externalId": f"e{number}"}).status == 201
    page = scim(connector, "GET", "/Users?filter=userName%20sw%20%22u%22&startIndex=2&count=1&sortBy=userName&attributes=userName").json()
    assert (page["totalResults"], page["startIndex"], page["itemsPerPage"]) == (3, 2, 1)
    assert page["Resources"][0]["userName"] == "u1" and set(page["Resources"][0]) == {"id", "schemas", "userName"}
    one = scim(connector, "GET", f"/Users/{page['Resources'][0]['id']}")
    tag = one.header("etag")
    assert tag == one.json()["meta"]["version"]
    assert scim(connector, "GET", f"/Users/{one.json()['id']}", headers=[("if-none-match", tag)]).status == 304
    body = {"userName": "u1", "externalId": "e1", "title": "Guide"}
    assert scim(connector, "PUT", f"/Users/{one.json()['id']}", body, headers=[("if-match", 'W/"9"')]).status == 412
    assert scim(connector, "PUT", f"/Users/{one.json()['id']}", body, headers=[("if-match", tag)]).status == 200
    taken = scim(connector, "POST", "/Users", {"userName": "U1"})
    assert taken.status == 409 and taken.json()["scimType"] == "uniqueness" and taken.json()["status"] == "409"
    bad = scim(connector, "GET", "/Users?filter=userName%20eq")
    assert bad.status == 400 and bad.json()["scimType"] == "invalidFilter"
    assert bad.header("content-type") == "application/scim+json"


def test_sql_and_hostile_texts_in_provisioning_are_text(connector):
    evil = "x'); DELETE FROM provisioned_user; --"
    assert scim(connector, "POST", "/Users", {"userName": evil, "displayName": "<script>alert(1)</script>"}).status == 201
    quoted = json.dumps(evil).replace(" ", "%20").replace('"', "%22").replace("'", "%27").replace(";", "%3B")
    assert scim(connector, "GET", f"/Users?filter=userName%20eq%20{quoted}").json()["totalResults"] == 1
    deep = b'{"userName":' + b"[" * 60_000 + b"]" * 60_000 + b"}"
    assert scim(connector, "POST", "/Users", deep).status == 400
    run(connector, "access", "conflicts")
