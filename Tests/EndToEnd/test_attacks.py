"""Attacks that belong to no part alone, each by name: requests forged by the server, bombs, forged log lines, SQL, timing."""

import copy
import io
import ipaddress
import json
import pathlib
import random
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from console import admin_call
from gateway import API, BINARY, ROOT
from test_access import BODY, chat, matrix, wait_for
from timing import assert_alike
from wire import request


class Canary:
    """A service that nobody is to reach. Counts whoever does."""

    def __init__(self, answer=b"{}"):
        self.hits = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def take(self):
                outer.hits.append(f"{self.command} {self.path}")
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_HEAD = take

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def canary():
    made = Canary()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def tokens():
    """A token service as it should be: what is asked with its tokens is what is tried."""
    made = Canary(b'{"token_type":"Bearer","access_token":"t","expires_in":3600}')
    yield f"http://127.0.0.1:{made.port}"
    made.stop()


# --- Requests that the server is to make for the attacker -----------------------------------------------------------------------------------

#: Addresses that no setting may lead to. "This host" reaches the canary wherever a program connects to it; the other is a cloud's metadata. Which
#: addresses are which is asked in the unit tests of the egress client, which all of these go through.
PLACES = ["http://0.0.0.0:{port}", "http://169.254.169.254"]
#: Settings that are told to others and never asked.
TOLD = {"server.publicURL", "console.publicURL"}


def put(*path):
    """A change of the configuration: a value at a path, in what must stand beside it."""

    def change(tree, url):
        *steps, last = path
        for step in steps:
            tree = tree.setdefault(step, {})
        tree[last] = url

    return change


def entra(tree, url):
    del tree["upstreams"]["aoai"]["apiKey"]
    tree["upstreams"]["aoai"]["entra"] = {"authority": url, "tenant": "t", "clientId": "c", "clientSecret": "s"}


def issuer(**more):
    def change(tree, url):
        tree["identity"] = {"issuers": {"idp": {"issuer": "https://idp.example", "audiences": ["api"], **{k: f"{url}{v}" for k, v in more.items()}}}}

    return change


def vault(provider, **more):
    def change(tree, url):
        standard = {
            "aws-kms": {"awsKms": {"key": "k", "region": "eu-central-1", "accessKeyId": "a", "secretAccessKey": "s", "endpoint": "http://127.0.0.1:9"}},
            # The vault itself need not answer for its token service to be asked first.
            "azure-key-vault": {"azureKeyVault": {"url": "http://127.0.0.1:9", "key": "k", "tenant": "t", "clientId": "c", "clientSecret": "s", "authority": "{tokens}"}},
        }[provider]  # fmt: skip
        settings = copy.deepcopy(standard)
        next(iter(settings.values())).update({k: url for k in more})
        tree["vault"] = {"provider": provider, **settings}

    return change


def rotation(**more):
    def change(tree, url):
        tree["upstreams"]["aoai"]["apiKey"] = "vault:aoai"
        tree["upstreams"]["aoai"]["keyRotation"] = {
            "resource": "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a", "endpoint": "http://127.0.0.1:9",
            "authority": "{tokens}", "tenant": "t", "clientId": "c", "clientSecret": "s", **{k: url for k in more},
        }  # fmt: skip

    return change


SETTINGS = {
    "tracing.endpoint": lambda tree, url: tree.update(tracing={"endpoint": f"{url}/v1/traces", "sampleRatio": 1}),
    "upstreams.*.endpoint": put("upstreams", "aoai", "endpoint"),
    "upstreams.*.entra.authority": entra,
    "identity.issuers.*.discovery": issuer(discovery="/.well-known/openid-configuration"),
    "identity.issuers.*.jwksUri": issuer(jwksUri="/keys"),
    "vault.awsKms.endpoint": vault("aws-kms", endpoint=True),
    "vault.azureKeyVault.url": vault("azure-key-vault", url=True),
    "vault.azureKeyVault.authority": vault("azure-key-vault", authority=True),
    "upstreams.*.keyRotation.endpoint": rotation(endpoint=True),
    "upstreams.*.keyRotation.authority": rotation(authority=True),
}


def url_settings():
    """From the reference, so that a setting that comes later cannot be forgotten here."""
    return set(re.findall(r"^\| `([^`]+)` \| URL \|", (ROOT / "docs/configuration.md").read_text(), re.M)) - TOLD


def test_every_setting_that_is_a_url_is_tried():
    assert url_settings() == set(SETTINGS)


def asks_by(make_gateway, setting, url, tokens):
    """Starts a gateway with the setting and makes it use it. Returns what a caller is answered; None when it does not start, or was not asked."""
    gateway = make_gateway(start=False)
    SETTINGS[setting](gateway.tree, url)
    gateway.write(json.loads(json.dumps(gateway.tree).replace("{tokens}", tokens)))
    if "keyRotation" in setting:
        subprocess.run(
            [str(BINARY), "vault", "secrets", "put", "aoai", "--config", str(gateway.config)], input="k", text=True, capture_output=True,
            env=gateway.environment)  # fmt: skip
        gateway.command("upstreams", "rotate", "aoai", "--config", gateway.config)
        return None
    try:
        gateway.start(attempts=1)
    except AssertionError:
        return None  # As good a refusal as any.
    answer = chat(gateway, gateway.user, "gpt-4o")
    gateway.stop()
    return answer.status


@pytest.mark.parametrize("setting", sorted(SETTINGS))
def test_attack_ssrf_by_every_setting_that_is_a_url(make_gateway, canary, tokens, setting):
    """No setting makes the gateway ask the machine's own services or a cloud's metadata: it is refused, at once and without a connection."""
    for place in PLACES:
        began = time.monotonic()
        status = asks_by(make_gateway, setting, place.format(port=canary.port), tokens)
        if setting in ("upstreams.*.endpoint", "upstreams.*.entra.authority"):
            assert status in (502, 503), (setting, place, status)
        assert time.monotonic() - began < 20, (setting, place)
    assert not canary.hits, (setting, canary.hits)
    # The same by an address that may be asked: so the setting was used.
    asks_by(make_gateway, setting, f"http://127.0.0.1:{canary.port}", tokens)
    assert canary.hits, setting


@pytest.mark.parametrize("allowed", [True, False])
def test_attack_a_name_that_leads_into_a_private_network(make_gateway, canary, allowed):
    """Where the operator says that an upstream lies outside, its name is not followed inwards, whatever it resolves to today."""
    name = socket.gethostname()
    try:
        address = socket.gethostbyname(name)
    except OSError:
        pytest.skip("this machine does not know its own name")
    if not ipaddress.ip_address(address).is_private:
        pytest.skip("this machine's own name is a public one")

    def change(tree):
        tree["upstreams"]["aoai"] = {"kind": "azure-openai", "endpoint": f"http://{name}:{canary.port}", "apiKey": "k", "allowPrivate": allowed}

    gateway = make_gateway(change)
    answer = gateway.chat("off", BODY, key=gateway.user)
    assert bool(canary.hits) == allowed, (answer.status, answer.body, canary.hits)
    assert allowed or answer.status in (502, 503) and address.encode() not in answer.body, answer.body


def fields(url):
    """Everything in a request that is or may be an address: (target, body)."""
    v1 = "/openai/v1"
    said = [{"role": "user", "content": "hello"}]
    image = {"messages": [{"role": "user", "content": [{"type": "text", "text": "what is this"}, {"type": "image_url", "image_url": {"url": url}}]}]}
    search = {"endpoint": url, "index_name": "i", "authentication": {"type": "api_key", "key": "k"}}
    deployment = f"/openai/deployments/off/chat/completions?api-version={API}"
    yield deployment, image
    for kind in ("azure_search", "elasticsearch", "pinecone", "mongo_db", "azure_cosmos_db"):
        yield deployment, {"messages": said, "data_sources": [{"type": kind, "parameters": search}]}
    yield deployment, {"messages": said, "user": url, "metadata": {"callback": url}, "webhook": url}
    for part in ({"type": "input_image", "image_url": url}, {"type": "input_file", "file_url": url}):
        yield f"{v1}/responses", {"model": "off", "input": [{"role": "user", "content": [part]}]}
    for tool in (
        {"type": "mcp", "server_label": "x", "server_url": url, "require_approval": "never"}, {"type": "web_search_preview"},
        {"type": "computer_use_preview", "environment": url},
    ):  # fmt: skip
        yield f"{v1}/responses", {"model": "off", "input": "hello", "tools": [tool]}
    yield f"{v1}/files/import", {"purpose": "batch", "filename": "a.jsonl", "content_url": url}
    yield f"{v1}/batches", {"input_file_id": "file-x", "endpoint": url, "completion_window": "24h", "output_expires_after": url}
    yield f"{v1}/fine_tuning/jobs", {"model": "off", "training_file": url, "integrations": [{"type": "wandb", "wandb": {"project": url}}]}
    yield f"{v1}/images/generations", {"model": "off", "prompt": url}
    yield "/contentsafety/image:analyze?api-version=2024-09-01", {"image": {"blobUrl": url}}
    yield "/contentsafety/text:detectGroundedness?api-version=2024-09-15-preview", {
        "domain": "Generic", "task": "QnA", "qna": {"query": "q"}, "text": "t", "groundingSources": ["s"], "reasoning": True,
        "llmResource": {"resourceType": "AzureOpenAI", "azureOpenAIEndpoint": url, "azureOpenAIDeploymentName": "d"},
    }  # fmt: skip


@pytest.mark.parametrize("policy", ["off", "refusing"])
def test_attack_ssrf_by_every_field_that_is_a_url(make_gateway, mock, canary, policy):
    """The gateway itself fetches nothing that a caller names, whether the policy refuses what it cannot see or lets it go on."""
    gateway = make_gateway((lambda tree: tree["deployments"]["off"].update(policy="MarkedRefusing")) if policy == "refusing" else None)
    mock.script(".*", {"json": {"id": "x", "object": "list", "choices": [], "data": [], "output": []}}, repeat=True)
    for url in (f"http://127.0.0.1:{canary.port}/secret", f"http://localhost:{canary.port}/secret", f"http://[::ffff:127.0.0.1]:{canary.port}/"):
        for target, body in fields(url):
            answer = gateway.call("POST", target, body, key=gateway.operator)
            assert answer.status < 500 or answer.status in (502, 503), (target, answer.status, answer.body[:200])
    for url in (f"http://127.0.0.1:{canary.port}/", f"http://localhost:{canary.port}/"):
        made = gateway.call(
            "PUT", "/contentsafety/text/categories/c9?api-version=2024-09-15-preview",
            {"categoryName": "c9", "definition": "d", "sampleBlobUrl": url}, key=gateway.operator)  # fmt: skip
        gateway.call("POST", "/contentsafety/text/categories/c9:build?api-version=2024-09-15-preview&version=1", {}, key=gateway.operator)
        assert made.status < 500, made.body
    time.sleep(0.5)
    assert not canary.hits, canary.hits


# --- Bombs ------------------------------------------------------------------------------------------------------------------------------------


def archive(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name.replace("__", "/").replace("_xml", ".xml"), content)
    return buffer.getvalue()


def billion_laughs():
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(10))
    return f'<?xml version="1.0"?><!DOCTYPE x [{entities}]><w:document xmlns:w="u"><w:p>&l9;</w:p></w:document>'


BOMBS = {
    "zip.docx": lambda: archive(word__document_xml=b" " * (300 << 20)),
    "zips.docx": lambda: archive(**{f"word__part{n}_xml": b"\0" * (20 << 20) for n in range(40)}, word__document_xml=b"<x/>"),
    "laughs.docx": lambda: archive(word__document_xml=billion_laughs()),
    "laughs.xlsx": lambda: archive(xl__workbook_xml=billion_laughs()),
    "laughs.html": lambda: billion_laughs().encode(),
    "deep.html": lambda: b"<div>" * 400_000 + b"text",
    "external.docx": lambda: archive(word__document_xml='<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><w:document xmlns:w="u"/>'),
}


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_attack_zip_and_xml_bombs(make_gateway, name):
    """A small file that becomes a large one is refused by name, soon, and the gateway serves on with the memory that it had."""
    gateway = make_gateway()
    folder = gateway.directory / "bombs"
    folder.mkdir()
    (folder / name).write_bytes(BOMBS[name]())
    (folder / "good.md").write_text("The crane lifts forty tonnes.")
    before, began = gateway.memory(), time.monotonic()
    done = gateway.command("data", "add", "bombs", folder, "--allow", "everyone", "--config", gateway.config, timeout=120)
    assert time.monotonic() - began < 60
    assert "1 added" in done.stdout and name in done.stderr or "2 added" in done.stdout and name.endswith(".html"), (done.stdout, done.stderr)
    assert chat(gateway, gateway.user).status == 200
    assert gateway.memory() - before < 200 << 20


# --- Lines that are not the log's own -------------------------------------------------------------------------------------------------------------

FORGED = 'x\r\n{"level":"notice","message":"forged"}\n{"type":"admin.act","operation":"forged"}\u2028\x1b[2J'


def test_attack_log_forging_on_the_data_plane(make_gateway):
    """Whatever a caller may write (names, fields, paths) makes no second line in the log or in the record."""
    gateway = make_gateway()
    quoted = urllib.parse.quote(FORGED)
    for headers in ([("x-ms-client-request-id", "a\tforged")], [("x-policy-id", quoted)], [("user-agent", 'curl {"type":"forged"}')]):
        gateway.chat("local", {**BODY, "user": FORGED}, key=gateway.user, headers=headers)
    gateway.call("POST", f"/openai/deployments/{quoted}/chat/completions?api-version={API}", BODY, key=gateway.user)
    gateway.call("GET", f"/openai/v1/files/{quoted}", key=gateway.user)
    gateway.call("POST", "/openai/v1/chat/completions", {**BODY, "model": FORGED}, key=gateway.user)
    gateway.call("PATCH", f"/contentsafety/text/blocklists/{quoted}?api-version=2024-09-01", {"description": FORGED}, key=gateway.operator)
    gateway.call("POST", "/contentsafety/text/blocklists/e2e-markers:addOrUpdateBlocklistItems?api-version=2024-09-01",
                 {"blocklistItems": [{"text": FORGED, "description": FORGED}]}, key=gateway.operator)  # fmt: skip
    gateway.call("GET", "/openai/v1/models", key=f"spk_{quoted}")
    time.sleep(0.5)
    for line in gateway.log().splitlines():
        assert json.loads(line).get("message") != "forged"
    records = gateway.records()
    assert records and not [r for r in records if r.get("operation") == "forged" or r["type"] == "forged"]
    assert gateway.command("audit", "verify", "--config", gateway.config).returncode == 0


# --- SQL ------------------------------------------------------------------------------------------------------------------------------------------

SQL = ["'; DROP TABLE api_key; --", "x' OR '1'='1", 'x"; DELETE FROM role_assignment; --', "x') UNION SELECT secret_hash FROM api_key --"]
#: Names of members that bodies of the administrative surface have, whatever the route.
MEMBERS = [
    "name", "displayName", "principal", "role", "scope", "condition", "note", "reason", "jti", "subject", "purpose", "version", "edition", "evidence",
    "detail", "kind", "project", "team", "id", "owner", "platform", "level", "userName", "externalId", "text", "title", "method", "decision", "target",
]  # fmt: skip


def test_attack_sql_injection_by_every_write_route_of_the_console(make_gateway):
    """Every route that writes, with SQL in every member that any of them knows and in every part of its path: no error of ours, nothing lost."""
    gateway = make_gateway()
    gateway.admin = gateway.key("root", roles="administrator,privacy-officer,scim-provisioner")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=gateway.admin).status == 200, "the key")
    count = lambda path: len(admin_call(gateway, "GET", path, key=gateway.admin).json()["value"])  # noqa: E731
    before = count("/api/keys")
    broken = []
    for row in matrix("console"):
        if row["method"] == "GET" or row["path"].startswith(("/signin", "/setup", "/account", "/signout", "/device")):
            continue
        for text in SQL:
            target = "/".join(urllib.parse.quote(text, safe="") if part.startswith("{") else part for part in row["path"].split("/"))
            for body in ({name: text for name in MEMBERS}, {"schemas": [text], **{name: [text] for name in MEMBERS}}):
                answer = admin_call(gateway, row["method"], target, body if row["method"] != "DELETE" else b"", key=gateway.admin)
                if answer.status >= 500:
                    broken.append((row["method"], row["path"], text, answer.status, answer.body[:150]))
    assert not broken, broken[:6]
    # Whoever was told to be disabled is; the tables are there, with what was in them.
    assert count("/api/keys") >= before
    assert chat(gateway, gateway.user).status == 200
    assert gateway.command("access", "assignments", "list", "--config", gateway.config).returncode == 0


def test_attack_sql_injection_in_texts_of_the_data_plane(make_gateway):
    gateway = make_gateway()
    for number, text in enumerate(SQL):
        made = gateway.call("PATCH", f"/contentsafety/text/blocklists/l{number}?api-version=2024-09-01", {"description": text}, key=gateway.operator)
        assert made.status in (200, 201) and made.json()["description"] == text
        added = gateway.call("POST", f"/contentsafety/text/blocklists/l{number}:addOrUpdateBlocklistItems?api-version=2024-09-01",
                             {"blocklistItems": [{"text": text, "description": text}]}, key=gateway.operator)  # fmt: skip
        assert added.status == 200 and added.json()["blocklistItems"][0]["text"] == text
        for target in (f"/openai/v1/files/{urllib.parse.quote(text, safe='')}", f"/openai/v1/responses/{urllib.parse.quote(text, safe='')}"):
            assert gateway.call("GET", target, key=gateway.user).status in (400, 404)
        assert gateway.chat("local", {**BODY, "user": text, "metadata": {"a": text}}, key=gateway.user, headers=[("x-policy-id", text)]).status in (400, 403)
        assert gateway.chat("local", {**BODY, "user": text}, key=gateway.user).status == 200
    assert len(gateway.call("GET", "/contentsafety/text/blocklists?api-version=2024-09-01", key=gateway.operator).json()["value"]) == len(SQL) + 1


# --- Time -----------------------------------------------------------------------------------------------------------------------------------------


def test_attack_timing_of_key_look_up_on_the_data_plane(gateway, keys):
    """A key that differs in its last character is refused as fast as one that shares nothing with any: keys are looked up by their hash."""
    near = keys.user[:-1] + ("A" if keys.user[-1] != "A" else "B")
    far = "".join(random.Random(7).choice("abcdefghij0123456789") for _ in range(len(near)))

    def refused(key):
        raw = request("GET", "/openai/v1/models", headers=[("api-key", key)])

        def ask():
            with gateway.wire() as wire:
                wire.send(raw)
                assert wire.answer().status == 401

        return ask

    assert_alike(refused(near), refused(far))
