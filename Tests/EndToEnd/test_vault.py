"""Encryption at rest: nothing readable on disk, keys rotated, revoked, destroyed and restored."""

import base64
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from console import Browser
from gateway import BINARY, free_port, policy
from test_guards import echo
from test_signin import api, first_link, set_up

CARD = "4111111111111111"


def call(gateway, *arguments, status=0, **options):
    done = gateway.command(*arguments, "--config", gateway.config, timeout=120, **options)
    assert done.returncode == status, (arguments, done.stdout, done.stderr)
    return done.stdout


def places_of(marker, *folders):
    """Files that hold a marker in the clear."""
    found = []
    marker = marker if isinstance(marker, bytes) else marker.encode()
    for folder in folders:
        for file in pathlib.Path(folder).rglob("*"):
            if file.is_file() and not file.is_symlink() and marker in file.read_bytes():
                found.append(str(file))
    return found


def quick(tree):
    tree["vault"] = {"confirmInterval": "1s"}


KEEPING = {"storage": {"what": "both", "purpose": "quality", "legalBasis": "legitimateInterests", "retentionDays": 30}}


def write_as_an_administrator(gateway, marker):
    """What people write at the administrative surface. Returns what else must not be found: seeds, codes, sessions, secrets."""
    browser = Browser(gateway)
    seed = set_up(gateway, browser, first_link(gateway), password=f"{marker} pass phrase")
    codes = re.findall(r"<code>([^<]+)</code>", browser.post("/account/recovery").body.decode())
    browser.get("/account")
    # Waits for a second person, with its content.
    sent = api(browser, "PUT", "/api/conditional-access/policies/waiting", {"displayName": f"{marker} name", "state": "disabled", "conditions": {"users": {"includeUsers": ["All"]}}, "grantControls": {"builtInControls": ["mfa"]}})
    assert sent.status == 202, sent.body
    stored = subprocess.run(
        [str(BINARY), "vault", "secrets", "put", "kept", "--config", str(gateway.config)], input=f"{marker} secret", text=True, capture_output=True,
        env=gateway.environment)  # fmt: skip
    assert stored.returncode == 0, stored.stderr
    call(gateway, "reviews", "export", "--key")
    call(gateway, "privacy", "subject", "somebody")
    assert len(codes) == 10
    return [seed.encode(), base64.b32decode(seed), codes[0].encode(), browser.session().encode()]


def write_everywhere(gateway, marker):
    """The marker through every way of writing: HTTP and command line."""
    key = gateway.operator
    gateway.replace_blocklist("secretwords", [{"text": f"{marker} blocklist"}], key=key)
    made = gateway.call(
        "PUT", "/contentsafety/text/categories/c1?api-version=2024-09-15-preview",
        {"categoryName": "c1", "definition": f"{marker} definition", "sampleBlobUrl": "https://example.com/none"}, key=key)  # fmt: skip
    incident = gateway.call(
        "PATCH", "/contentsafety/text/incidents/i1?api-version=2024-02-15-preview",
        {"incidentName": "i1", "incidentDefinition": f"{marker} incident"}, key=key, headers=[("content-type", "application/merge-patch+json")])  # fmt: skip
    assert incident.status in (200, 201), incident.body
    added = gateway.call(
        "POST", "/contentsafety/text/incidents/i1:addIncidentSamples?api-version=2024-02-15-preview",
        {"incidentSamples": [{"text": f"{marker} sample"}]}, key=key)  # fmt: skip
    assert added.status == 200, added.body
    folder = gateway.directory / "secret-documents"
    folder.mkdir(exist_ok=True)
    (folder / "a.md").write_text(f"# {marker} title\n\nThe lighthouse keeper wrote {marker} content into the book.\n")
    call(gateway, "data", "add", "vaulted", folder, "--allow", "everyone")
    for deployment, text in [("gpt-4o", f"say {marker} prompt"), ("kept", f"keep {marker} prompt"), ("pseudonyms", f"{marker} card {CARD}")]:
        answer = gateway.chat(deployment, {"messages": [{"role": "user", "content": text}]}, key=gateway.user)
        assert answer.status == 200, answer.body
    return made


@pytest.mark.parametrize("encryption", ["on", "off"])
def test_nothing_readable_lies_on_disk(make_gateway, tmp_path, encryption):
    temporary = tmp_path / "tmp"
    temporary.mkdir()

    def change(tree):
        tree["vault"] = {"encryption": encryption}
        tree["access"] = {"fourEyes": ["policies"]}
        tree["deployments"]["kept"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Kept"}
        (pathlib.Path(tree["policies"]["directory"]) / "Kept.json").write_text(json.dumps(policy("Kept", uninspectable="record", **KEEPING)))

    gateway = make_gateway(change, environment={"TMPDIR": str(temporary)})
    marker = "Qx7markerZ"
    write_everywhere(gateway, marker)
    secrets = write_as_an_administrator(gateway, marker)
    time.sleep(1)  # pseudonyms are written a moment later
    names = [marker, CARD, *secrets]

    def found(*folders):
        return {name: places for name in names if (places := places_of(name, *folders))}

    running = found(gateway.data, temporary)
    call(gateway, "backup", "--to", tmp_path / "backup")
    saved = found(tmp_path / "backup")
    gateway.stop()
    stopped = found(gateway.data, temporary)
    assert not [name for name in names if (name if isinstance(name, bytes) else name.encode()) in gateway.log_file.read_bytes()]
    with sqlite3.connect(f"file:{gateway.data}/sallyport.sqlite?mode=ro", uri=True) as db:
        keys = dict(db.execute("SELECT name, secret FROM tenant_secret"))
        columns = {"account_factor": "secret", "console_session": "content", "pending_change": "content", "stored_exchange": "prompt"}
        values = [row[0] for table, column in columns.items() for row in db.execute(f"SELECT {column} FROM {table}")]
    assert set(keys) == {"reports", "pseudonyms"} and len(values) >= 13
    sealed = [bytes(value)[:3] == b"SLP" for value in [*keys.values(), *values]]
    if encryption == "on":
        assert not running and not saved and not stopped, (running, saved, stopped)
        assert all(sealed)
    else:
        # The search does find what lies there.
        assert {marker, CARD, secrets[1]} <= set(running) and {marker, CARD} <= set(saved), (running, saved)
        assert not any(sealed)


def test_keys_are_private_and_the_process_leaves_no_dumps(make_gateway):
    gateway = make_gateway()
    for name in ["vault.sqlite", "keys/kek-1.key", "audit/signing-key"]:
        assert (gateway.data / name).stat().st_mode & 0o777 == 0o600, name
    assert "PRIVATE" not in (gateway.data / "audit/signing-key").read_text()
    limits = pathlib.Path(f"/proc/{gateway.process.pid}/limits").read_text()
    assert "Max core file size        0                    0 " in limits, limits
    status = pathlib.Path(f"/proc/{gateway.process.pid}/status").read_text()
    assert int(next(line for line in status.splitlines() if line.startswith("VmLck")).split()[1]) > 0, status


@pytest.mark.parametrize("way", ["credential", "passphraseFile"])
def test_the_key_file_opens_only_with_its_passphrase(make_gateway, tmp_path, way):
    """From a systemd credential, or from a file: without the right one nothing starts, with it everything is there."""
    (tmp_path / "kek").write_text("a long pass phrase\n")
    named = {"credential": "kek"} if way == "credential" else {"passphraseFile": str(tmp_path / "kek")}
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    gateway = make_gateway(lambda tree: tree.update(vault={"file": named}), environment=environment)
    key = next((gateway.data / "keys").glob("*.key"))
    assert key.stat().st_mode & 0o777 == 0o600 and b"pass phrase" not in key.read_bytes()
    body = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}
    assert gateway.chat("local", body, key=gateway.user).status == 200
    gateway.stop()
    (tmp_path / "kek").write_text("another pass phrase\n")
    with pytest.raises(AssertionError, match="passphrase"):
        gateway.start(attempts=1)
    refused = gateway.command("reviews", "export", "--key", "--config", gateway.config)
    assert refused.returncode != 0 and "pass phrase" not in refused.stderr
    (tmp_path / "kek").unlink()
    gone = gateway.command("config", "check", gateway.config)
    assert gone.returncode != 0 and f"vault.file.{way}" in gone.stdout + gone.stderr
    (tmp_path / "kek").write_text("a long pass phrase\n")
    gateway.start()
    assert gateway.chat("local", body, key=gateway.user).status == 200
    assert "pass phrase" not in gateway.log()


def test_a_revoked_key_stops_everything_until_it_is_given_back(make_gateway):
    gateway = make_gateway(quick)
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert gateway.chat("gpt-4o", body, key=gateway.user).status == 200
    call(gateway, "vault", "revoke")
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 503, 10)
    refused = gateway.chat("gpt-4o", body, key=gateway.user)
    assert "revoked" in refused.body.decode(), refused.body
    asked = gateway.command("data", "search", "upstream:documents", "harbour", "--as", "user:a", "--config", gateway.config)
    assert asked.returncode != 0 and "revoked" in asked.stderr
    call(gateway, "vault", "give-back")
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 200, 10)
    # The same when the key file is taken away.
    file = gateway.data / "keys/kek-1.key"
    file.rename(gateway.directory / "taken.key")
    begun = time.monotonic()
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 503, 60)
    assert time.monotonic() - begun < 60
    (gateway.directory / "taken.key").rename(file)
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 200, 10)


def test_a_rotation_survives_a_kill_and_loses_nothing(make_gateway):
    gateway = make_gateway()
    folder = gateway.directory / "many"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.md").write_text("\n\n".join(f"# Chapter {part}\n\nThe keeper of tower {number} saw comet {number * 100 + part}." for part in range(12)))
    call(gateway, "data", "add", "many", folder, "--allow", "everyone")
    call(gateway, "vault", "rotate", "data-key")
    time.sleep(0.4)
    gateway.kill()
    status = json.loads(call(gateway, "vault", "status", "--json"))
    assert [key["version"] for key in status["keys"]] == [1, 2]
    before = sealed_versions(gateway)
    assert search(gateway, "comet 1205") and search(gateway, "comet 5911")
    gateway.start()
    wait(lambda: "finishedAt" in json.loads(call(gateway, "vault", "status", "--json"))["rotation"], 60)
    assert sealed_versions(gateway) == {2}, before
    assert search(gateway, "comet 1205") and search(gateway, "comet 5911")
    gateway.stop()
    gateway.start()
    call(gateway, "vault", "prune")
    assert search(gateway, "comet 5911")
    call(gateway, "vault", "rotate", "key-encryption-key")
    (gateway.data / "keys/kek-1.key").unlink()
    assert search(gateway, "comet 1205")


def sealed_versions(gateway):
    """Versions of the keys that chunks are sealed under, from the envelopes' heads."""
    with sqlite3.connect(f"file:{gateway.data}/sallyport.sqlite?mode=ro", uri=True) as db:
        heads = [base64.urlsafe_b64decode(text[5:29] + "==")[:16] for (text,) in db.execute("SELECT content FROM document_chunk")]
    assert heads and all(head.startswith(b"SLP") for head in heads)
    return {int.from_bytes(head[12:16], "big") for head in heads}


def search(gateway, words):
    return json.loads(call(gateway, "data", "search", "many", words, "--as", "user:a", "--json"))


def test_who_is_erased_stays_erased_and_the_log_verifies(make_gateway, tmp_path):
    gateway = make_gateway()
    keys = json.loads(call(gateway, "keys", "list", "--json"))
    principal = next(key["principal"] for key in keys if key["name"] == "user")
    text = {"messages": [{"role": "user", "content": f"my card is {CARD}"}]}
    assert gateway.chat("pseudonyms", text, key=gateway.user).status == 200
    time.sleep(1)
    call(gateway, "backup", "--to", tmp_path / "backup")
    call(gateway, "vault", "destroy-subject", principal, "--reason", "asked to")
    tombstones = tmp_path / "erased.json"
    tombstones.write_text(call(gateway, "vault", "tombstones"))
    assert principal not in tombstones.read_text()
    time.sleep(1)
    assert gateway.chat("gpt-4o", text, key=gateway.user).status == 200
    gateway.stop()
    assert gateway.command("audit", "verify", "--config", gateway.config).returncode == 0
    # A backup brings nobody back.
    target = tmp_path / "restored"
    done = gateway.command("restore", tmp_path / "backup", "--to", target, "--keys", gateway.data / "keys", "--tombstones", tombstones)
    assert done.returncode == 0 and "1 subjects were erased again" in done.stdout, (done.stdout, done.stderr)
    assert gateway.command("audit", "verify", "--directory", target / "audit").returncode == 0
    again = gateway.command("vault", "destroy-subject", principal, "--reason", "x", "--data", target)
    assert again.returncode != 0 and "has no key" in again.stderr


def test_a_restore_without_its_keys_says_so_and_leaves_nothing(make_gateway, tmp_path):
    gateway = make_gateway()
    call(gateway, "backup", "--to", tmp_path / "backup")
    (tmp_path / "empty").mkdir()
    for keys, why in [(tmp_path / "nowhere", "cannot be read"), (tmp_path / "empty", "no key files")]:
        done = gateway.command("restore", tmp_path / "backup", "--to", tmp_path / "new", "--keys", keys)
        assert done.returncode != 0 and why in done.stderr and "NSCocoa" not in done.stderr, done.stderr
        assert not (tmp_path / "new").exists()
    assert "no old versions" in call(gateway, "vault", "prune")


def test_backups_are_verified_and_never_overwrite(make_gateway, tmp_path):
    gateway = make_gateway()
    made = json.loads(call(gateway, "backup", "--to", tmp_path / "b", "--json"))
    assert made["values"] > 0 and made["records"] > 0
    assert not list((tmp_path / "b").rglob("*.key"))
    call(gateway, "backup", "--verify", tmp_path / "b")
    assert gateway.command("backup", "--to", tmp_path / "b", "--config", gateway.config).returncode != 0
    assert gateway.command("restore", tmp_path / "b", "--to", gateway.data).returncode != 0
    without = gateway.command("restore", tmp_path / "b", "--to", tmp_path / "r0")
    assert without.returncode != 0 and "--keys" in without.stderr and not (tmp_path / "r0").exists(), without.stdout
    file = tmp_path / "b" / "sallyport.sqlite"
    content = bytearray(file.read_bytes())
    content[-100] ^= 1
    file.write_bytes(content)
    broken = gateway.command("restore", tmp_path / "b", "--to", tmp_path / "r1", "--keys", gateway.data / "keys")
    assert broken.returncode != 0 and "manifest" in broken.stderr


def test_pseudonyms_survive_a_restart(make_gateway, mock):
    gateway = make_gateway(lambda tree: tree["server"].update(conversationHeader="x-conversation"))
    mock.script("chat/completions", echo, repeat=True)
    headers = [("x-conversation", "c-42")]
    gateway.chat("pseudonyms", {"messages": [{"role": "user", "content": f"pay with {CARD}"}]}, key=gateway.user, headers=headers)
    sent = mock.last().json()["messages"][0]["content"]
    token = sent.split("pay with ")[1]
    assert token.startswith("<") and CARD not in sent
    time.sleep(1)
    gateway.stop()
    gateway.start()
    # The model repeats what it was told before; the caller's words do not name the card again.
    answer = gateway.chat("pseudonyms", {"messages": [{"role": "user", "content": f"echo {token}"}]}, key=gateway.user, headers=headers)
    other = gateway.chat("pseudonyms", {"messages": [{"role": "user", "content": f"echo {token}"}]}, key=gateway.operator, headers=headers)
    assert CARD in answer.body.decode(), answer.body
    assert CARD not in other.body.decode()


def test_secrets_come_from_files_and_the_vault_and_change_alone(make_gateway, mock):
    def change(tree):
        tree["upstreams"]["aoai"]["apiKey"] = "vault:aoai"
        tree["upstreams"]["other"]["apiKey"] = f"file:{secret}"

    secret = pathlib.Path(os.environ.get("PYTEST_TMP", "/tmp")) / f"sallyport-secret-{os.getpid()}"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    try:
        gateway = make_gateway(change, start=False)
        stored = subprocess.run(
            [str(BINARY), "vault", "secrets", "put", "aoai", "--config", str(gateway.config)], input="from-the-vault\n",
            capture_output=True, text=True, env=gateway.environment)  # fmt: skip
        assert stored.returncode == 0 and "from-the-vault" not in stored.stdout, stored.stderr
        gateway.start()
        body = {"messages": [{"role": "user", "content": "hello"}]}

        def sent(deployment):
            answer = gateway.chat(deployment, body, key=gateway.user)
            assert answer.status == 200, answer.body
            fields = dict(mock.last().headers)
            return fields.get("api-key") or fields.get("authorization")

        assert sent("gpt-4o") == "from-the-vault"
        assert sent("compatible") == "Bearer from-a-file"
        subprocess.run(
            [str(BINARY), "vault", "secrets", "put", "aoai", "--config", str(gateway.config)], input="second",
            capture_output=True, text=True, env=gateway.environment, check=True)  # fmt: skip
        secret.write_text("another")
        wait(lambda: sent("gpt-4o") == "second" and sent("compatible") == "Bearer another", 10)
        assert not places_of("from-the-vault", gateway.data) and "from-the-vault" not in gateway.log()
        assert "aoai" in call(gateway, "vault", "secrets", "list")
    finally:
        secret.unlink()


def wait(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.1)


# Peers: a resource manager, a token service and a key vault, after their published REST contracts.

OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Azure:
    """One loopback server for the three."""

    def __init__(self):
        self.keys = ["key1-0", "key2-0"]
        self.calls, self.tokens, self.made = [], [], [0, 0]
        self.versions = ["aaaa1111"]
        self.private = {"aaaa1111": rsa.generate_private_key(65537, 2048)}
        self.disabled = False
        self.throttle = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.calls.append(f"POST {self.path}")
                self.reply(*outer.post(self.path, self.headers, body))

            def do_GET(self):
                outer.calls.append(f"GET {self.path}")
                self.reply(*outer.get(self.path, self.headers))

            def reply(self, status, body, headers=()):
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()

    def post(self, path, headers, body):
        if path.endswith("/oauth2/v2.0/token"):
            form = dict(urllib.parse.parse_qsl(body.decode()))
            self.tokens.append(form)
            return 200, {"token_type": "Bearer", "access_token": "t0ken", "expires_in": 3600}
        if headers.get("authorization") != "Bearer t0ken":
            return 401, {"error": {"code": "Unauthorized"}}
        if self.throttle > 0:
            self.throttle -= 1
            return 429, {"error": {"code": "Throttled"}}, [("retry-after", "1")]
        if "/regenerateKey" in path:
            which = {"Key1": 0, "Key2": 1}[json.loads(body)["keyName"]]
            self.made[which] += 1
            self.keys[which] = f"key{which + 1}-{self.made[which]}"
        if "/regenerateKey" in path or "/listKeys" in path:
            return 200, {"key1": self.keys[0], "key2": self.keys[1]}
        if self.disabled:
            return 403, {"error": {"code": "Forbidden", "innererror": {"code": "KeyDisabled"}}}
        parts = path.split("?")[0].split("/")
        if path.startswith("/keys/kek/rotate"):
            self.versions.append(f"bbbb{len(self.versions)}")
            self.private[self.versions[-1]] = rsa.generate_private_key(65537, 2048)
            return 200, self.bundle()
        if parts[-1] in ("wrapkey", "unwrapkey") and parts[-2] in self.versions:
            document = json.loads(body)
            if document["alg"] != "RSA-OAEP-256":
                return 400, {"error": {"code": "BadParameter"}}
            given = base64.urlsafe_b64decode(document["value"] + "==")
            key = self.private[parts[-2]]
            made = key.public_key().encrypt(given, OAEP) if parts[-1] == "wrapkey" else key.decrypt(given, OAEP)
            return 200, {"kid": f"{self.url}/keys/kek/{parts[-2]}", "value": base64.urlsafe_b64encode(made).rstrip(b"=").decode()}
        return 404, {"error": {"code": "KeyNotFound"}}

    def get(self, path, headers):
        if self.disabled:
            return 403, {"error": {"code": "Forbidden", "innererror": {"code": "KeyDisabled"}}}
        return 200, self.bundle()

    def bundle(self):
        return {"key": {"kid": f"{self.url}/keys/kek/{self.versions[-1]}", "kty": "RSA"}, "attributes": {"enabled": True}}


@pytest.fixture
def azure_peer():
    peer = Azure()
    yield peer
    peer.stop()


def test_both_keys_of_an_account_are_rotated(make_gateway, mock, azure_peer, tmp_path):
    account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"
    assertion = tmp_path / "workload.jwt"
    assertion.write_text("aaa.bbb.ccc\n")

    def change(tree):
        tree["upstreams"]["aoai"]["apiKey"] = "vault:aoai"
        tree["upstreams"]["aoai"]["keyRotation"] = {
            "resource": account, "overlap": "1s", "endpoint": azure_peer.url, "authority": azure_peer.url, "tenant": "t", "clientId": "c",
            "federatedTokenFile": str(assertion),
        }  # fmt: skip

    gateway = make_gateway(change, start=False)
    subprocess.run(
        [str(BINARY), "vault", "secrets", "put", "aoai", "--config", str(gateway.config)], input="key1-0",
        capture_output=True, text=True, env=gateway.environment, check=True)  # fmt: skip
    gateway.start()
    body = {"messages": [{"role": "user", "content": "hello"}]}
    seen = []

    def used():
        assert gateway.chat("gpt-4o", body, key=gateway.user).status == 200
        key = dict(mock.last().headers)["api-key"]
        assert key in azure_peer.keys, (key, azure_peer.keys)
        seen.append(key)
        return key

    assert used() == "key1-0"
    assert "Both keys" in call(gateway, "upstreams", "rotate", "aoai")
    wait(lambda: used() == "key2-1", 10)
    assert azure_peer.keys == ["key1-1", "key2-1"]
    assert azure_peer.tokens[0]["client_assertion"] == "aaa.bbb.ccc" and "client_secret" not in azure_peer.tokens[0]
    # By schedule: the other one's turn.
    tree = gateway.changed(lambda tree: tree["upstreams"]["aoai"]["keyRotation"].update(every="2s"))
    gateway.write(tree)
    wait(lambda: used() == "key1-2", 20)
    assert gateway.wait_for_record(lambda record: record.get("operation") == "upstreams.rotate")
    # A file with a mistake keeps the gateway from taking up anything: then the key that it sends stays good, however long it takes.
    gateway.config.write_text(gateway.config.read_text() + "\nnonsense: true\n")
    before, keys = used(), list(azure_peer.keys)
    wait(lambda: used() == before and azure_peer.keys != keys, 20)
    for _ in range(24):
        used()
        time.sleep(0.25)
    gateway.write(tree)
    wait(lambda: used() != before, 30)
    assert "key1-0" not in gateway.log()


def test_azure_key_vault_holds_the_key(make_gateway, azure_peer):
    def change(tree):
        tree["vault"] = {
            "provider": "azure-key-vault", "confirmInterval": "1s",
            "azureKeyVault": {"url": azure_peer.url, "key": "kek", "tenant": "t", "clientId": "c", "clientSecret": "s", "authority": azure_peer.url},
        }  # fmt: skip

    azure_peer.throttle = 1
    gateway = make_gateway(change)
    assert not (gateway.data / "keys").exists()
    body = {"messages": [{"role": "user", "content": "hello"}]}
    assert gateway.chat("gpt-4o", body, key=gateway.user).status == 200
    call(gateway, "vault", "rotate", "key-encryption-key")
    status = json.loads(call(gateway, "vault", "status", "--json"))
    assert status["keys"][0]["wrappingVersion"] == azure_peer.versions[-1] and len(azure_peer.versions) == 2
    azure_peer.disabled = True
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 503, 20)
    azure_peer.disabled = False
    wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 200, 20)


@pytest.mark.skipif(not shutil.which("softhsm2-util"), reason="softhsm2 is not installed")
def test_a_hardware_token_holds_the_key(make_gateway, tmp_path):
    (tmp_path / "tokens").mkdir()
    conf = tmp_path / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
    environment = {"SOFTHSM2_CONF": str(conf), "HSM_PIN": "1234"}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "gw", "--so-pin", "12345678", "--pin", "1234"], check=True, capture_output=True,
        env={**os.environ, **environment})  # fmt: skip
    module = next(p for p in ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"] if os.path.exists(p))

    def change(tree):
        tree["vault"] = {"provider": "pkcs11", "pkcs11": {"module": module, "token": "gw", "pin": "${HSM_PIN}"}}

    gateway = make_gateway(change, environment=environment)
    assert not (gateway.data / "keys").exists()
    call(gateway, "vault", "rotate", "key-encryption-key")
    gateway.stop()
    gateway.start()
    status = json.loads(call(gateway, "vault", "status", "--json"))
    assert status["provider"] == "pkcs11" and status["keys"][0]["wrappingVersion"] == "2"


def test_who_could_pass_the_gateway_by(make_gateway, tmp_path):
    gateway = make_gateway(start=False)
    account = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"

    def assignment(principal, role, scope):
        return {"principalId": principal, "principalName": principal, "principalType": "User", "roleDefinitionName": role,
                "roleDefinitionId": "/x/unknown", "scope": scope}  # fmt: skip

    assignments = tmp_path / "assignments.json"
    assignments.write_text(json.dumps([
        assignment("gateway-id", "Cognitive Services OpenAI User", account),
        assignment("owner", "Owner", "/subscriptions/s"),
        assignment("reader", "Reader", account),
        assignment("caller", "Cognitive Services OpenAI User", account),
        assignment("lister", "Cognitive Services User", account + "/"),
        assignment("elsewhere", "Owner", "/subscriptions/other"),
        assignment("custom", "Home made", account),
    ]))  # fmt: skip
    show = tmp_path / "account.json"
    show.write_text(json.dumps({"id": account, "properties": {"publicNetworkAccess": "Enabled", "networkAcls": {"defaultAction": "Allow"}}}))
    done = gateway.command("upstreams", "bypass", "--role-assignments", assignments, "--account", show, "--gateway", "gateway-id", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    found = {(f.get("principal"), f["way"]) for f in report["findings"]}
    assert ("owner", "keys") in found and ("caller", "token") in found and (None, "network") in found and (None, "setting") in found
    assert not {p for p, _ in found} & {"reader", "elsewhere", "gateway-id"}
    assert report["unknownRoles"] == ["Home made"]


def test_the_doctor_finds_weak_settings(make_gateway, tmp_path):
    def change(tree):
        tree["server"]["listen"] = None
        tree["audit"] = {"durability": "relaxed"}
        tree["upstreams"]["far"] = {"kind": "openai", "endpoint": "http://192.0.2.7/v1", "apiKey": "literal-secret-value"}
        tree["vault"] = {"encryption": "off"}

    gateway = make_gateway(change, start=False)
    done = gateway.command("doctor", "--config", gateway.config, "--json")
    assert done.returncode == 1, (done.stdout, done.stderr)
    found = {f["id"]: f["level"] for f in json.loads(done.stdout)}
    for name in ["vault.encryption", "audit.durability", "upstream.tls", "secrets.literal", "keys.expiry", "guards.learned"]:
        assert found.get(name) in ("weak", "bad"), (name, found)
    assert "literal-secret-value" not in done.stdout + done.stderr
    (gateway.data / "sallyport.sqlite").chmod(0o644)
    assert "data.files" in gateway.command("doctor", "--config", gateway.config).stdout


# The emulator opens values with keys that are disabled; the service refuses, with DisabledException ("Errors" of Decrypt in its API reference).
KMS = """
import sys
from moto.core.exceptions import JsonRESTError
from moto.kms.models import KmsBackend
from moto.server import main

real = KmsBackend.decrypt

def decrypt(self, *arguments, **options):
    plain, arn = real(self, *arguments, **options)
    if not self.keys[arn.split("/")[-1]].enabled:
        raise JsonRESTError("DisabledException", f"{arn} is disabled.")
    return plain, arn

KmsBackend.decrypt = decrypt
main(sys.argv[1:])
"""


def test_aws_kms_holds_the_key(make_gateway):
    pytest.importorskip("moto")
    import requests

    port = free_port()
    peer = subprocess.Popen([sys.executable, "-c", KMS, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def kms(operation, **body):
        return requests.post(url, timeout=10, json=body, headers={
            "x-amz-target": f"TrentService.{operation}", "content-type": "application/x-amz-json-1.1",
            "authorization": "AWS4-HMAC-SHA256 Credential=AK/20260101/eu-central-1/kms/aws4_request, SignedHeaders=host, Signature=0"}).json()  # fmt: skip

    def is_up():
        try:
            return requests.get(url, timeout=2).status_code < 500
        except requests.RequestException:
            return False

    try:
        wait(is_up, 60)
        key = kms("CreateKey")["KeyMetadata"]["KeyId"]

        def change(tree):
            tree["vault"] = {
                "provider": "aws-kms", "confirmInterval": "1s",
                "awsKms": {"key": key, "region": "eu-central-1", "endpoint": url, "accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "${AWS_SECRET}"},
            }  # fmt: skip

        gateway = make_gateway(change, environment={"AWS_SECRET": "secret"})
        body = {"messages": [{"role": "user", "content": "hello"}]}
        assert gateway.chat("gpt-4o", body, key=gateway.user).status == 200
        call(gateway, "vault", "rotate", "key-encryption-key")
        assert json.loads(call(gateway, "vault", "status", "--json"))["keys"][0]["wrappingVersion"] == f"{key}/1"
        kms("DisableKey", KeyId=key)
        wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 503, 20)
        kms("EnableKey", KeyId=key)
        wait(lambda: gateway.chat("gpt-4o", body, key=gateway.user).status == 200, 20)
    finally:
        peer.terminate()
        peer.wait(10)
