"""Access: the whole matrix of routes, roles and credentials; keys' confinement; the command line; attacks on paths and headers."""

import json
import pathlib
import subprocess
import time

import pytest

from certificates import Authority
from gateway import API, BINARY, ROOT, Gateway
from issuer import CHAT_ACTION, Issuer
from test_network import SecureWire, client_context, start
from wire import request

BODY = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}


def wait_for(condition, what, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def chat(gateway, key, deployment="local", headers=()):
    return gateway.chat(deployment, BODY, key=key, headers=headers)


# --- The matrix ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world(upstream, tmp_path_factory):
    """A gateway over TLS; for every role a key, a token and a certificate that hold it, and nothing else."""
    directory = tmp_path_factory.mktemp("matrix")
    server, mesh, issuer = Authority(directory / "server", "server-ca"), Authority(directory / "mesh", "mesh-ca"), Issuer()
    issued = server.issue("gateway", dns=["localhost"])
    listed = subprocess.run([str(BINARY), "access", "roles", "list", "--json"], capture_output=True, text=True, check=True).stdout
    roles = [role["name"] for role in json.loads(listed)]

    def change(tree):
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["network"] = {
            "tls": {
                "certificate": issued[0], "key": issued[1], "clientCertificates": "optional",
                "clientAuthorities": {"mesh": {"caFile": mesh.file}},
            }
        }  # fmt: skip
        tree["access"] = {"assignments": [{"principal": f"service:mesh:spiffe://t/{role}", "role": role} for role in roles]}

    gateway = Gateway(directory / "gateway", upstream.url, change)
    keys = {role: gateway.key(role, roles=role)["secret"] for role in roles}
    start(gateway, client_context(server))
    yield gateway, server, mesh, issuer, roles, keys
    gateway.stop()
    issuer.stop()


def matrix(surface="data"):
    """The routes of a surface; the administrative one has tests of its own."""
    printed = subprocess.run([str(BINARY), "access", "matrix", "--json"], capture_output=True, text=True, check=True).stdout
    return [row for row in json.loads(printed) if row["surface"] == surface]


def documented(table="| route |"):
    """The cells of docs/access-matrix.md: (method, path) -> {role: cell}."""
    cells, roles = {}, []
    for line in (ROOT / "docs/access-matrix.md").read_text().splitlines():
        columns = [c.strip() for c in line.strip("|").split("|")]
        if "route | " in line or line.startswith("## "):
            roles = columns[2:] if line.startswith(table) else []
        elif roles and line.startswith("| `") and len(columns) == len(roles) + 2:
            method, path = columns[0].strip("`").split(" ", 1)
            cells[method, path] = dict(zip(roles, columns[2:]))
    return cells


def test_the_page_is_what_the_route_table_says():
    printed = subprocess.run([str(BINARY), "access", "matrix"], capture_output=True, text=True, check=True).stdout
    assert (ROOT / "docs/access-matrix.md").read_text() == printed, "write it anew: sallyport access matrix > docs/access-matrix.md"


def is_denied(answer):
    return answer.status == 401 and answer.json().get("error", {}).get("code") == "PermissionDenied"


@pytest.mark.parametrize("credential", ["key", "token", "certificate"])
def test_every_route_and_role_answers_as_documented(world, credential):
    gateway, server, mesh, issuer, roles, keys = world
    cells, rows = documented(), matrix()
    assert {(row["method"], row["path"]) for row in rows} == set(cells), "a route without a row, or a row without a route"
    wrong, asked = [], 0
    for role in roles:
        headers, certificate = [], None
        if credential == "key":
            headers = [("api-key", keys[role])]
        elif credential == "token":
            headers = [("authorization", f"Bearer {issuer.token(sub=f'u-{role}', roles=[role])}")]
        else:
            certificate = mesh.issue(role, uris=[f"spiffe://t/{role}"])
        wire = SecureWire(gateway.address, client_context(server, certificate), timeout=60)
        for row in rows:
            expected = cells[row["method"], row["path"]].get(role, "–" if row.get("action") else "open")
            path = row["path"].replace("{deployment}", "local").replace("{id}", "x")
            version = "2024-09-01" if path.startswith("/contentsafety") else "2024-11-01" if path.startswith("/language") else API
            if not path.startswith(("/openai/v1", "/health", "/ready", "/metrics")):
                path += f"?api-version={version}"
            body = b""
            if row["method"] in ("POST", "PATCH"):
                body = json.dumps({"model": "local"}).encode() if row["scope"] == "deployment" else b"{}"
            if wire.closed:
                wire = SecureWire(gateway.address, client_context(server, certificate), timeout=60)
            wire.send(request(row["method"], path, body, [("content-type", "application/json"), *headers]))
            answer = wire.answer()
            if (answer.header("connection") or "") == "close":
                wire.close()
                wire.closed = True
            asked += 1
            denied = is_denied(answer)
            if denied != (expected == "–") or (not denied and answer.status in (401, 403)):
                wrong.append((role, row["method"], row["path"], expected, answer.status, answer.body[:120]))
            if denied:
                assert f"`{row['action']}`" in answer.json()["error"]["message"], (row, answer.body)
        wire.close()
    assert not wrong, f"{len(wrong)} of {asked} cells: {wrong[:8]}"
    assert asked == len(rows) * len(roles)


def test_without_a_credential_only_open_routes_answer(world):
    gateway, server = world[0], world[1]
    for row in matrix():
        with SecureWire(gateway.address, client_context(server)) as wire:
            wire.send(request(row["method"], row["path"].replace("{deployment}", "local").replace("{id}", "x") + f"?api-version={API}" * (row.get("action") is not None)))
            assert (wire.answer().status == 401) == (row.get("action") is not None), row


# --- Keys ---------------------------------------------------------------------------------------------------------------------------------


def test_keys_are_confined_to_operations_and_labels(make_gateway):
    gateway = make_gateway(lambda tree: tree["deployments"]["local"].update(label="internal"))
    only = gateway.key("only", operations="Models_List,Embeddings_Create")["secret"]
    internal = gateway.key("internal", labels="internal")["secret"]
    gateway.wait_for_key(internal)
    gateway.wait_for_key(only)
    answer = chat(gateway, only)
    assert answer.status == 401 and CHAT_ACTION in answer.error["message"]
    assert chat(gateway, internal).status == 200
    assert chat(gateway, internal, deployment="off").status == 401
    assert [m["id"] for m in gateway.call("GET", "/openai/v1/models", key=internal).json()["data"]] == ["local"]


def test_a_honey_key_looks_unknown_and_raises_an_alarm(make_gateway):
    gateway = make_gateway()
    made = gateway.command("keys", "create", "backup-admin", "--honey", "--config", gateway.config, "--json")
    honey = json.loads(made.stdout)
    marker = gateway.key("marker")["secret"]
    gateway.wait_for_key(marker)
    answer, unknown = chat(gateway, honey["secret"]), chat(gateway, "spk_" + "0" * 58)
    assert (answer.status, answer.body) == (unknown.status, unknown.body) == (401, unknown.body)
    assert [n for n, _ in answer.headers] == [n for n, _ in unknown.headers]
    alert = gateway.wait_for_record(lambda r: r["type"] == "security.alert")
    assert alert["operation"] == "honey-key.used" and alert["key"] == honey["id"] and alert["source"] == "127.0.0.1"
    assert b"sallyport_honey_key_uses_total 1" in gateway.metrics().body


def test_a_principal_has_two_live_keys_at_most(make_gateway):
    gateway = make_gateway(start=False)
    first = gateway.key("first", principal="payroll")
    gateway.key("second", principal="payroll")
    third = gateway.command("keys", "create", "third", "--principal", "payroll", "--config", gateway.config)
    assert third.returncode != 0 and "two live keys" in third.stderr.replace("2 live keys", "two live keys")
    assert gateway.command("keys", "rotate", first["id"], "--config", gateway.config).returncode != 0
    assert gateway.command("keys", "rotate", first["id"], "--overlap", "0s", "--config", gateway.config).returncode == 0


def test_the_last_use_of_a_key_is_kept(make_gateway):
    gateway = make_gateway()
    assert chat(gateway, gateway.user).status == 200
    gateway.stop()
    listed = json.loads(gateway.command("keys", "list", "--config", gateway.config, "--json").stdout)
    used = {key["name"]: key.get("lastUsedAt") for key in listed}
    assert used["user"] and used["user"].endswith(":00Z")


# --- Assignments --------------------------------------------------------------------------------------------------------------------------


def test_assignments_take_effect_within_a_second_and_are_explained_and_recorded(make_gateway):
    gateway = make_gateway()
    made = gateway.key("bare", roles="usages-reader", principal="app-7")
    key = made["secret"]
    wait_for(lambda: "PermissionDenied" in chat(gateway, key).body.decode(), "the key")

    def explain(*more):
        done = gateway.command("access", "explain", "--config", gateway.config, "--principal", f"key:{made['id']}", "--action", CHAT_ACTION,
                               "--scope", "/deployments/local", "--json", *more)  # fmt: skip
        return done.returncode, json.loads(done.stdout)

    status, before = explain()
    assert status == 2 and not before["allowed"] and before["reason"] == "no role gives it here"
    added = gateway.command("access", "assignments", "add", "--config", gateway.config, "--principal", "service:app-7", "--role", "openai-user",
                            "--scope", "/deployments/local", "--condition", 'network in ["127.0.0.0/8"]', "--expires", "1h", "--json")  # fmt: skip
    assert added.returncode == 0, added.stderr
    assignment = json.loads(added.stdout)
    wait_for(lambda: chat(gateway, key).status == 200, "the assignment", 1.5)
    assert chat(gateway, key, deployment="off").status == 401
    assert explain("--from", "127.0.0.1")[1]["reason"] == f"the assignment {assignment['id']} gives it"
    assert explain("--from", "192.0.2.1")[1]["considered"][-1]["outcome"] == "condition not met"
    denied = gateway.command("access", "assignments", "add", "--config", gateway.config, "--principal", f"key:{made['id']}", "--role", "openai-user", "--deny", "--json")
    assert denied.returncode == 0
    wait_for(lambda: chat(gateway, key).status == 401, "the denial", 1.5)
    for entry in (json.loads(denied.stdout)["id"], assignment["id"]):
        assert gateway.command("access", "assignments", "remove", entry, "--config", gateway.config).returncode == 0
    assert json.loads(gateway.command("access", "assignments", "list", "--config", gateway.config, "--json").stdout) == []
    for act in ("access.assignments.add", "access.assignments.remove"):
        gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--principal", "alice", "--role", "openai-user"], "user:ID"),
        (["--principal", "user:a", "--role", "emperor"], "no role"),
        (["--principal", "user:a", "--role", "openai-user", "--scope", "/subscriptions/x"], "/projects/NAME"),
        (["--principal", "user:a", "--role", "openai-user", "--scope", "/deployments/nowhere"], "not configured"),
        (["--principal", "user:a", "--role", "openai-user", "--condition", "colour == \"red\""], "unknown attribute"),
        (["--principal", "user:'; DROP TABLE role_assignment; --", "--role", "'; DROP TABLE role_assignment; --"], "no role"),
    ],
)
def test_assignments_that_make_no_sense_are_refused(gateway, arguments, words):
    done = gateway.command("access", "assignments", "add", "--config", gateway.config, *arguments)
    assert done.returncode != 0 and words in done.stderr, done.stderr


def test_nobody_and_nothing_cannot_be_disabled_or_revoked(gateway):
    for arguments in (["principals", "disable", ""], ["principals", "disable", "a\nb"], ["revoke-tokens", "--jti", ""], ["revoke-tokens", "--principal", "x" * 600]):
        done = gateway.command("access", *arguments, "--config", gateway.config)
        assert done.returncode != 0 and "512 bytes" in done.stderr, (arguments, done.stdout, done.stderr)


def test_sql_in_texts_is_text(gateway):
    evil = "user:x'); DELETE FROM api_key; --"
    done = gateway.command("access", "assignments", "add", "--config", gateway.config, "--principal", evil, "--role", "usages-reader", "--note", "'; DROP TABLE api_key; --", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(gateway.command("access", "assignments", "list", "--config", gateway.config, "--json").stdout)
    assert any(a["principal"] == evil for a in listed)
    assert json.loads(gateway.command("keys", "list", "--config", gateway.config, "--json").stdout)
    gateway.command("access", "assignments", "remove", json.loads(done.stdout)["id"], "--config", gateway.config)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("access:\n  assignments:\n    - {principal: 'user:a', role: emperor}\n", 3, "there is no role 'emperor'"),
        ("access:\n  assignments:\n    - {principal: 'user:a', role: openai-user, colour: red}\n", 3, "is not known"),
        ("access:\n  roles:\n    openai-user: {dataActions: ['*']}\n", 3, "built-in role"),
        ("identity:\n  issuers:\n    idp:\n      issuer: http://idp.example\n      audiences: [a]\n", 4, "must be https"),
        ("identity:\n  issuers:\n    idp:\n      issuer: https://idp.example\n", 3, "audiences"),
        ("identity:\n  issuers:\n    idp: {issuer: 'https://i.example', audiences: [a], algorithms: [HS256]}\n", 3, "HS256"),
        ("network:\n  allow: [10.0.0.1/8]\n", 2, "networks"),
        ("network:\n  tls: {certificate: c.pem}\n", 2, "key"),
    ],
)
def test_configuration_mistakes_are_named_with_their_line(gateway, tmp_path, text, line, words):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    done = gateway.command("config", "check", file)
    assert done.returncode != 0
    assert f"{file}:{line}:" in done.stdout + done.stderr and words in done.stdout + done.stderr, done.stdout + done.stderr


# --- Attacks on paths and headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "//openai/deployments/closed/chat/completions", "/openai//deployments/closed/chat/completions", "/openai/deployments/gpt-4o/../closed/chat/completions",
        "/openai/deployments/gpt-4o%2f..%2fclosed/chat/completions", "/openai/deployments/closed%2Fchat/completions", "/OpenAI/deployments/closed/chat/completions",
        "/openai/Deployments/closed/chat/completions", "/openai/deployments/CLOSED/chat/completions", "/openai/deployments/closed/chat/completions/",
        "/openai/deployments/%63losed/chat/completions", "/openai/deployments/closed;x/chat/completions", "/./openai/deployments/closed/chat/completions",
        "http://127.0.0.1/openai/deployments/closed/chat/completions", "/openai/deployments/closed\\chat/completions", "/openai/deployments/closed%00/chat/completions",
    ],
)  # fmt: skip
def test_attack_path_confusion(gateway, keys, mock, target):
    """However the path of a deployment that the key may not use is spelled, nothing reaches the upstream."""
    answer = gateway.call("POST", f"{target}?api-version={API}", BODY, key=keys.narrow)
    assert answer.status in (400, 401, 404), answer.status
    assert not mock.requests


@pytest.mark.parametrize(
    "headers",
    [
        [("api-key", ""), ("Api_Key", "x")], [("api-key ", "x")], [("x-api-key", "KEY")], [("x-original-authorization", "Bearer KEY")],
        [("authorization", "KEY")], [("authorization", "Basic KEY")], [("authorization", "Bearer\tKEY")], [("authorization", "Bearer KEY, Bearer KEY")],
        [("proxy-authorization", "Bearer KEY")], [("cookie", "api-key=KEY")], [("x-ms-client-principal", "KEY")], [("x-forwarded-client-cert", "URI=spiffe://t/x")],
    ],
)  # fmt: skip
def test_attack_header_smuggling(gateway, keys, mock, headers):
    """A key anywhere but where keys stand, or spelled otherwise, is no key."""
    spelled = [(name, value.replace("KEY", keys.user)) for name, value in headers]
    answer = gateway.call("POST", f"/openai/deployments/gpt-4o/chat/completions?api-version={API}", BODY, key=None, headers=spelled)
    assert answer.status in (400, 401), answer.status
    assert not mock.requests


def test_attack_host_header(gateway, keys):
    """The Host header is no identity and no rule's key; two of them, or none, are refused."""
    for hosts, status in [(["evil.example"], 200), (["127.0.0.1", "evil.example"], 400), ([], 400), (["127.0.0.1:1, evil.example"], 400)]:
        with gateway.wire() as wire:
            fields = "".join(f"host: {h}\r\n" for h in hosts)
            wire.send(f"GET /openai/v1/models HTTP/1.1\r\n{fields}api-key: {keys.user}\r\n\r\n".encode())
            answer = wire.answer()
            assert answer.status == status, (hosts, answer.status)
            assert b"evil" not in answer.body


def test_every_role_name_in_the_page_exists():
    page = pathlib.Path(ROOT / "docs/access-matrix.md").read_text()
    roles = json.loads(subprocess.run([str(BINARY), "access", "roles", "list", "--json"], capture_output=True, text=True, check=True).stdout)
    for role in roles:
        assert f"`{role['name']}`" in page and role["id"] in page
