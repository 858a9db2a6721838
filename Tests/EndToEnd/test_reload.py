"""Configuration: every mistake named with its line, changes taken without dropping a stream, a bad file refused."""

import json
import os
import signal
import socket
import subprocess
import time

import pytest
import yaml

from gateway import API, BINARY, Gateway, MARKER, MARKER_LIST
from mock_upstream import fixture
from wire import request

BODY = {"messages": [{"role": "user", "content": "hi"}]}

EXAMPLE = """\
server:
  listen: 127.0.0.1:8080
data:
  directory: ./var
upstreams:
  aoai:
    kind: azure-openai
    endpoint: http://127.0.0.1:9100
    apiKey: ${UPSTREAM_KEY}
  documents:
    kind: embedded
deployments:
  gpt-4o:
    upstream: aoai
    model: gpt-4o
    policy: Default
  local:
    upstream: documents
"""


def wait_until(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s for {what}")


def add_deployment(tree):
    tree["deployments"]["added"] = {"upstream": "aoai", "model": "gpt-4o", "policy": "Off"}


def begin(gateway):
    """Starts the process without waiting for it."""
    with open(gateway.log_file, "ab") as log:
        gateway.process = subprocess.Popen([str(BINARY), "serve", "--config", str(gateway.config)], stdout=log, stderr=log, env=gateway.environment, cwd=gateway.directory)


def status(gateway, deployment):
    return gateway.chat(deployment, BODY, key=gateway.user).status


@pytest.fixture
def checked(gateway, tmp_path):
    """Writes a configuration and runs `config check` over it."""

    def check(text):
        file = tmp_path / "checked.yaml"
        file.write_text(text)
        done = gateway.command("config", "check", file)
        return done.returncode, done.stdout + done.stderr

    return check


def test_the_example_configuration_is_accepted(checked):
    code, output = checked(EXAMPLE)
    assert code == 0, output


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("listen: 127.0.0.1:8080", "listen: nowhere", 2),
        ("listen: 127.0.0.1:8080", "listne: 127.0.0.1:8080", 2),
        ("kind: azure-openai", "kind: azure-opnai", 7),
        ("endpoint: http://127.0.0.1:9100", "endpoint: not a url", 8),
        ("upstream: aoai", "upstream: aoia", 14),
        ("policy: Default", "policy: Defalt", 16),
        ("directory: ./var", "directory: [1, 2]", 4),
        ("  documents:\n", "  aoai:\n", 10),
        ("kind: embedded", "kind: embedded\n    apiKye: x", 12),
        ("model: gpt-4o", "model:\n      - a", 15),
    ],
)
def test_every_mistake_is_named_with_its_line(checked, old, new, line):
    assert old in EXAMPLE
    code, output = checked(EXAMPLE.replace(old, new, 1))
    assert code != 0
    assert f":{line}:" in output or f"line {line}" in output, output


def test_several_mistakes_are_named_at_once(checked):
    code, output = checked(EXAMPLE.replace("kind: azure-openai", "kind: x").replace("upstream: documents", "upstream: y"))
    assert code != 0 and ("7" in output and "18" in output), output


@pytest.mark.parametrize("text", ["", "server: [", "a: &x [*x]", "- 1", "server:\n\tlisten: x", "x: " + "[" * 5000])
def test_what_is_no_configuration_is_refused_in_words(checked, text):
    code, output = checked(text)
    assert code not in (0, None) and code > 0 and output.strip(), (code, output)


def test_hangup_takes_the_new_file(make_gateway):
    gateway = make_gateway()
    assert status(gateway, "added") == 404
    gateway.write(gateway.changed(add_deployment))
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: status(gateway, "added") == 200, "the new deployment")
    assert gateway.records(lambda r: r["type"] == "system.config")


def test_a_changed_file_is_noticed_without_a_signal(make_gateway):
    gateway = make_gateway()
    gateway.write(gateway.changed(add_deployment))
    wait_until(lambda: status(gateway, "added") == 200, "the new deployment")


def test_a_bad_file_is_refused_and_the_old_one_stays(make_gateway):
    gateway = make_gateway()
    text = yaml.safe_dump(gateway.changed(add_deployment), sort_keys=False).replace("kind: azure-openai", "kind: azure-opnai", 1)
    line = next(n for n, x in enumerate(text.splitlines(), 1) if "azure-opnai" in x)
    gateway.config.write_text(text)
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: f":{line}:" in gateway.log() and "upstreams.aoai.kind" in gateway.log(), "the refusal with its line in the log")
    assert status(gateway, "gpt-4o") == 200 and status(gateway, "added") == 404
    gateway.write(gateway.changed(add_deployment))
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: status(gateway, "added") == 200, "the mended file")


def test_a_stream_lives_through_a_reload(make_gateway, mock):
    gateway = make_gateway()
    events = fixture("chat/stream")["events"]
    mock.script("chat/completions", {"parts": [{"event": e} for e in events[:4]] + [{"gate": "reloaded", "event": events[4]}] + [{"event": e} for e in events[5:]]})
    data = json.dumps({**BODY, "stream": True}).encode()
    with gateway.wire() as wire:
        wire.send(request("POST", f"/openai/deployments/off/chat/completions?api-version={API}", data, [("api-key", gateway.user)]))
        answer = wire.head()
        pieces = wire.pieces(answer)
        wire.event(answer, pieces, b"The harbour")

        def change(tree):
            add_deployment(tree)
            del tree["deployments"]["off"]

        gateway.write(gateway.changed(change))
        gateway.signal(signal.SIGHUP)
        wait_until(lambda: status(gateway, "added") == 200 and status(gateway, "off") == 404, "the new configuration")
        mock.open("reloaded")
        for _ in pieces:
            pass
    assert answer.complete and answer.events()[-1] == "[DONE]"


def test_a_changed_policy_file_is_taken(make_gateway):
    gateway = make_gateway()
    body = {"messages": [{"role": "user", "content": MARKER}]}
    assert gateway.chat("off", body, key=gateway.user).status == 200
    file = gateway.policies / "Off.json"
    document = json.loads(file.read_text())
    document["properties"]["customBlocklists"] = [{"blocklistName": MARKER_LIST, "source": "Prompt", "blocking": True}]
    file.write_text(json.dumps(document))
    gateway.signal(signal.SIGHUP)
    wait_until(lambda: gateway.chat("off", body, key=gateway.user).status == 400, "the changed policy")


def test_keys_made_and_revoked_elsewhere_are_noticed(make_gateway):
    gateway = make_gateway()
    made = gateway.key("later")
    wait_until(lambda: gateway.chat("off", BODY, key=made["secret"]).status == 200, "the new key")
    assert gateway.command("keys", "revoke", made["id"], "--config", gateway.config).returncode == 0
    wait_until(lambda: gateway.chat("off", BODY, key=made["secret"]).status == 401, "the revocation")
    listed = gateway.command("keys", "list", "--config", gateway.config, "--json")
    assert listed.returncode == 0 and made["id"] in listed.stdout and made["secret"] not in listed.stdout


def test_keys_rotate_in_pairs(make_gateway):
    gateway = make_gateway()
    made = gateway.key("pair")
    done = gateway.command("keys", "rotate", made["id"], "--config", gateway.config, "--json")
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)
    assert second["secret"] != made["secret"]
    wait_until(lambda: gateway.chat("off", BODY, key=second["secret"]).status == 200, "the second secret")
    assert gateway.chat("off", BODY, key=made["secret"]).status == 200, "the first goes on until it is revoked or expires"


def test_stopping_is_clean(make_gateway):
    gateway = make_gateway()
    assert gateway.chat("off", BODY, key=gateway.user).status == 200
    assert gateway.stop() == 0
    assert gateway.records(lambda r: r["type"] == "system.stop")


def test_data_survives_a_restart(make_gateway):
    gateway = make_gateway()
    made = gateway.call("POST", "/openai/v1/responses", {"model": "off", "input": "hi"}, key=gateway.user).json()["id"]
    gateway.stop()
    gateway.start()
    assert gateway.chat("marked", {"messages": [{"role": "user", "content": MARKER}]}, key=gateway.user).error["code"] == "content_filter"
    assert gateway.call("GET", f"/openai/v1/responses/{made}", key=gateway.user).status == 200


def test_what_changes_while_the_gateway_starts_is_not_missed(make_gateway):
    gateway = make_gateway(start=False)
    begin(gateway)
    # Its log is made after the configuration was read, and long before it is ready.
    wait_until((gateway.data / "audit").exists, "the start")
    gateway.write(gateway.changed(add_deployment))
    gateway.wait_ready()
    wait_until(lambda: status(gateway, "added") == 200, "the change")


def test_a_secret_that_changes_while_the_gateway_starts_is_not_missed(make_gateway, mock, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    gateway = make_gateway(lambda tree: tree["upstreams"]["other"].update(apiKey=f"file:{secret}"), start=False)
    begin(gateway)
    wait_until((gateway.data / "audit").exists, "the start")
    secret.write_text("second\n")
    gateway.wait_ready()

    def sent():
        assert status(gateway, "compatible") == 200
        return dict(mock.last().headers)["authorization"]

    wait_until(lambda: sent() == "Bearer second", "the secret")


def test_a_chore_that_hangs_does_not_hold_up_the_end(make_gateway):
    """Opening a pipe that nobody writes to never ends: so does looking for acts to put on record."""
    gateway = make_gateway(lambda tree: tree["server"].update(drainTimeout="1s"))
    outbox = gateway.data / "outbox"
    outbox.mkdir(exist_ok=True)
    os.mkfifo(outbox / "1-hangs.json")
    # Several rounds of chores: the first that looks there is the last.
    time.sleep(1.5)
    for _ in range(3):
        assert gateway.chat("off", BODY, key="sp-nobody").status == 401
    assert status(gateway, "off") == 200
    assert gateway.stop(30) == 0, gateway.log()[-2000:]
    assert "housekeeping did not end in time" in gateway.log()
    assert gateway.records(lambda r: r["type"] == "system.stop")
    # The first is recorded at once, the others when their count is due, or at the end.
    assert sum(r["count"] for r in gateway.records(lambda r: r["type"] == "auth.refused")) == 3
    (outbox / "1-hangs.json").unlink()
    gateway.start()
    assert status(gateway, "off") == 200


def test_requests_that_outlast_the_drain_leave_their_outcome(make_gateway, mock):
    gateway = make_gateway(lambda tree: tree["server"].update(drainTimeout="1s"))
    mock.script("chat/completions", {"fixture": "chat/basic", "wait_ms": 20_000})
    data = json.dumps(BODY).encode()
    with gateway.wire() as wire:
        wire.send(request("POST", f"/openai/deployments/off/chat/completions?api-version={API}", data, [("api-key", gateway.user)]))
        gateway.wait_for_record(lambda r: r["type"] == "exchange.intent")
        assert gateway.stop(30) == 0
    intent = gateway.records(lambda r: r["type"] == "exchange.intent")[-1]
    outcome = gateway.records(lambda r: r["type"] == "exchange.outcome" and r["id"] == intent["id"])
    assert outcome and outcome[0]["finish"] == "cancelled" and outcome[0].get("promptTokens"), outcome


def test_a_log_that_nobody_reads_holds_nothing_up(make_gateway):
    """The log is a pipe whose reader does nothing; every request is logged."""
    gateway = make_gateway(lambda tree: tree.update(log={"level": "trace"}), start=False)
    reader, writer = os.pipe()
    gateway.process = subprocess.Popen([str(BINARY), "serve", "--config", str(gateway.config)], stdout=writer, stderr=writer, env=gateway.environment, cwd=gateway.directory)
    os.close(writer)
    try:
        gateway.wait_ready()

        def dropped():
            return next(int(float(line.split()[1])) for line in gateway.metrics().body.decode().splitlines() if line.startswith("sallyport_log_lines_dropped_total "))

        # Refused configurations are logged with every mistake: more than a pipe and the queue hold.
        tree = gateway.changed(lambda tree: tree["server"].update({f"unknown{n}" + "x" * 100: 1 for n in range(4000)}))
        for n in range(60):
            gateway.config.write_text(yaml.safe_dump({**tree, "n": n}, sort_keys=False))
            gateway.signal(signal.SIGHUP)
            assert status(gateway, "off") == 200
            if dropped():
                break
            time.sleep(0.2)
        assert dropped()
        assert status(gateway, "off") == 200
        # Once it flows the log says what is missing, line by line.
        text = b""
        while b"log lines were left out" not in text:
            text += os.read(reader, 1 << 20)
        for line in text.split(b"\n")[:-1]:
            json.loads(line)
        gateway.write(gateway.tree)
        assert gateway.stop(30) == 0
    finally:
        gateway.kill()
        os.close(reader)


def test_a_reload_that_is_asked_for_while_the_gateway_starts_ends_nothing(make_gateway):
    gateway = make_gateway(start=False)
    begin(gateway)
    wait_until((gateway.data / "audit").exists, "the start")
    gateway.process.send_signal(signal.SIGHUP)
    gateway.wait_ready()
    wait_until(lambda: "configuration reloaded" in gateway.log(), "the reload")


def test_the_data_directory_stays_until_the_next_start(make_gateway, tmp_path):
    gateway = make_gateway(lambda tree: tree.update(access={"fourEyes": ["policies"]}))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def change(tree):
        add_deployment(tree)
        tree["data"]["directory"] = str(elsewhere)

    gateway.write(gateway.changed(change))
    wait_until(lambda: status(gateway, "added") == 200, "the change")
    assert list(elsewhere.iterdir()) == []
    # What the log says of uses is still read where the log is.
    gateway.tree = gateway.changed(add_deployment)
    gateway.write(gateway.tree)
    wait_until(lambda: "configuration reloaded" in gateway.log(), "the way back")
    assert list(elsewhere.iterdir()) == []


def test_metrics_show_the_upstreams_that_there_are(make_gateway):
    gateway = make_gateway()

    def shown():
        return {line for line in gateway.metrics().body.decode().splitlines() if line.startswith("sallyport_upstream_available{")}

    assert any('"other"' in line for line in shown())

    def change(tree):
        tree["upstreams"]["spare"] = tree["upstreams"].pop("other")
        tree["deployments"]["compatible"]["upstream"] = "spare"

    gateway.write(gateway.changed(change))
    wait_until(lambda: any('"spare"' in line for line in shown()), "the new upstream")
    assert not any('"other"' in line for line in shown())


def test_a_first_start_that_fails_makes_no_key(make_gateway, tmp_path):
    gateway = Gateway(tmp_path / "first", "http://127.0.0.1:9")
    command = [str(BINARY), "serve", "--config", str(gateway.config), "--first-run"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", gateway.port))
        taken.listen()
        failed = subprocess.run(command, capture_output=True, text=True, env=gateway.environment, cwd=gateway.directory, timeout=60)
        assert failed.returncode == 1 and "in use" in failed.stderr and "API key" not in failed.stdout
    shown = tmp_path / "shown"
    with open(shown, "wb") as output, open(gateway.log_file, "ab") as log:
        gateway.process = subprocess.Popen(command, stdout=output, stderr=log, env=gateway.environment, cwd=gateway.directory)
    try:
        wait_until(lambda: "Your API key" in shown.read_text(), "the key", 60)
        secret = next(line.strip() for line in shown.read_text().splitlines() if line.startswith("    ") and line.strip())
        # What is shown works at once.
        assert gateway.chat("local", {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}, key=secret).status == 200
        assert gateway.call("GET", "/contentsafety/text/blocklists?api-version=2024-09-01", key=secret).status == 401
    finally:
        gateway.kill()
