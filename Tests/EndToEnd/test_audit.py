"""No answer without a record, no record that can be changed unseen."""

import json
import os
import pathlib
import random
import re
import resource
import shutil
import threading
import time

import pytest

from gateway import API, MARKER, WORD
from mock_upstream import fixture
from wire import Closed, request

SOAK = bool(os.environ.get("SOAK"))
BODY = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}
ANSWER = fixture("chat/basic")["response"]["body"]["choices"][0]["message"]["content"]


def directory_of(gateway):
    """The audit log's directory."""
    return next(gateway.data.rglob("segments")).parent


def verify(gateway, directory, *more):
    return gateway.command("audit", "verify", "--directory", directory, *more)


def exchange(gateway, answer):
    """The records of one answered request, by the id that the answer names."""
    id = answer.header("apim-request-id")
    gateway.wait_for_record(lambda r: r["id"] == id and r["type"] == "exchange.outcome")
    return {r["type"]: r for r in gateway.records(lambda r: r["id"] == id)}


def test_an_exchange_has_its_intent_and_its_outcome(gateway, keys):
    answer = gateway.chat("gpt-4o", BODY, key=keys.user, headers=[("user-agent", "end-to-end/1")])
    found = exchange(gateway, answer)
    intent, outcome = found["exchange.intent"], found["exchange.outcome"]
    assert intent["time"] <= outcome["time"]
    assert (intent["operation"], intent["deployment"], intent["upstream"]) == ("ChatCompletions_Create", "gpt-4o", "aoai")
    assert intent["key"] == keys.made["user"]["id"] and intent["source"].startswith("127.") and intent["apiVersion"] == API
    assert intent["requestBytes"] == len(json.dumps(BODY)) and re.fullmatch("[0-9a-f]{64,}", intent["requestCommitment"])
    assert (outcome["status"], outcome["verdict"], outcome["finish"], outcome["attempts"]) == (200, "allowed", "stop", 1)
    assert (outcome["promptTokens"], outcome["completionTokens"]) == (24, 18)
    assert outcome["totalMicros"] >= outcome["upstreamMicros"] and outcome["policy"] == "Default"
    assert any(g.get("guard") for g in outcome.get("guards", []) + intent.get("guards", []))


def test_the_record_is_there_before_the_answer_ends(gateway, keys):
    """Whoever has read the answer to its end finds the record on disk: no waiting."""
    for body in (BODY, {**BODY, "stream": True}) * 5:
        answer = gateway.chat("gpt-4o", body, key=keys.user)
        id = answer.header("apim-request-id")
        assert [r["type"] for r in gateway.records(lambda r: r["id"] == id)] == ["exchange.intent", "exchange.outcome"]


def test_the_intent_is_there_before_the_upstream_sees_anything(gateway, keys, mock):
    seen = []

    def look(request):
        trace = request.header("traceparent").split("-")[1]
        seen.append([r["type"] for r in gateway.records(lambda r: r.get("trace") == trace)])
        return {"fixture": "chat/basic"}

    mock.script("chat/completions", look)
    gateway.chat("gpt-4o", BODY, key=keys.user)
    assert seen == [["exchange.intent"]]


@pytest.mark.parametrize("streaming", [False, True])
def test_blocked_exchanges_are_recorded_with_their_guard(gateway, keys, mock, streaming):
    answer = gateway.chat("marked", {"messages": [{"role": "user", "content": MARKER}], "stream": streaming}, key=keys.user)
    found = exchange(gateway, answer)
    outcome = found["exchange.outcome"]
    assert (outcome["verdict"], outcome["status"], outcome["error"]) == ("blocked", 400, "content_filter")
    guard = next(g for g in outcome["guards"] if g["action"] == "block")
    assert guard["direction"] == "Prompt" and guard["verdict"] == "detected"
    assert mock.requests == []


def test_records_hold_no_text_and_no_secret(gateway, keys, mock):
    prompt = "a sentence about kingfishers that must stay unseen"
    gateway.chat("gpt-4o", {"messages": [{"role": "user", "content": prompt}]}, key=keys.user)
    gateway.chat("marked", {"messages": [{"role": "user", "content": f"{prompt} {WORD}"}]}, key=keys.user)
    gateway.chat("gpt-4o", {"messages": [{"role": "user", "content": prompt}]}, key="wrong-" + prompt.replace(" ", "-"))
    time.sleep(0.2)
    hidden = [prompt.encode(), ANSWER[:40].encode(), keys.user.encode(), b"upstream-secret-key", b"kingfishers"]
    for path in [*gateway.data.rglob("*"), gateway.log_file]:
        if path.is_file():
            data = path.read_bytes()
            assert not [h for h in hidden if h in data], path


def test_administrative_acts_are_recorded(make_gateway):
    gateway = make_gateway()
    acts = gateway.records(lambda r: r["type"] == "admin.act")
    assert any("blocklist" in r["operation"].lower() for r in acts)
    made = gateway.key("later")
    record = gateway.wait_for_record(lambda r: r["type"] == "admin.act" and made["id"] in json.dumps(r))
    assert made["secret"] not in json.dumps(record)
    assert gateway.command("keys", "revoke", made["id"], "--config", gateway.config).returncode == 0
    gateway.wait_for_record(lambda r: r["type"] == "admin.act" and "revoke" in r["operation"].lower())
    assert gateway.records(lambda r: r["type"] == "system.start")


def test_what_is_no_record_in_the_outbox_keeps_none_waiting_and_breaks_no_log(make_gateway):
    gateway = make_gateway()
    outbox = gateway.data / "outbox"
    # Before every other one in order: empty, white space between the parts, no object.
    for number, content in enumerate(["", '{"a": 1}', "[1]"]):
        (outbox / f"0-{number}.json").write_text(content)
    gateway.key("later")
    record = gateway.wait_for_record(lambda r: r.get("operation") == "keys.create" and r["details"]["target"] == "later")
    assert record["type"] == "admin.act"
    for number in range(3):
        gateway.wait_for_record(lambda r: r.get("operation") == "outbox.reject" and r["details"]["target"] == f"0-{number}.json")
    assert sorted(path.name for path in outbox.iterdir()) == [f"0-{number}.json.rejected" for number in range(3)]
    gateway.stop()
    assert verify(gateway, gateway.data / "audit").returncode == 0


def test_floods_of_refused_callers_do_not_fill_the_disk(make_gateway, mock):
    gateway = make_gateway()
    # Acts of the set-up may still be on their way into the log.
    written = lambda: len(gateway.records(lambda r: r["type"] != "admin.act"))
    before = written()
    with gateway.wire() as wire:
        for n in range(500):
            wire.send(request("POST", "/openai/v1/chat/completions", b"{}", [("api-key", f"wrong-{n}")]))
            answer = wire.answer()
            assert answer.status == 401
            if answer.header("connection") == "close":
                wire.close()
                wire.__init__(gateway.address)
    refused = gateway.records(lambda r: r["type"] == "auth.refused")
    assert 1 <= len(refused) <= 3 and written() - before <= 4
    assert "wrong-" not in json.dumps(refused)
    assert gateway.stop() == 0
    assert sum(r["count"] for r in gateway.records(lambda r: r["type"] == "auth.refused")) == 500


def test_nothing_is_answered_when_the_record_cannot_be_written(make_gateway, mock):
    gateway = make_gateway()
    assert gateway.chat("gpt-4o", BODY, key=gateway.user).status == 200
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    seen = len(mock.requests)
    for _ in range(3):
        answer = gateway.chat("gpt-4o", BODY, key=gateway.user)
        assert answer.status == 503 and answer.error["message"]
    assert len(mock.requests) == seen, "a prompt left without its record"
    assert gateway.process.poll() is None


# The tree


@pytest.fixture(scope="module")
def finished(upstream, tmp_path_factory):
    """A log of a few hundred records, its gateway stopped."""
    from gateway import Gateway

    upstream.clear()
    gateway = Gateway(tmp_path_factory.mktemp("finished"), upstream.url)
    gateway.user = gateway.key("user")["secret"]
    gateway.start()
    with gateway.wire() as wire:
        for n in range(150):
            data = json.dumps({"messages": [{"role": "user", "content": f"question {n}"}], "stream": n % 3 == 0}).encode()
            wire.send(request("POST", f"/openai/deployments/off/chat/completions?api-version={API}", data, [("api-key", gateway.user)]))
            assert wire.answer().status == 200
            if n == 75:
                saved = (directory_of(gateway) / "checkpoint").read_bytes()
    assert gateway.stop() == 0
    gateway.saved_checkpoint = gateway.directory / "saved-checkpoint"
    gateway.saved_checkpoint.write_bytes(saved)
    return gateway


@pytest.fixture
def copy(finished, tmp_path):
    target = tmp_path / "log"
    shutil.copytree(directory_of(finished), target)
    return target


def vkey(directory):
    return (directory / "verifier.vkey").read_text().strip()


def test_an_untouched_log_verifies(finished, copy):
    done = verify(finished, copy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert verify(finished, copy, "--key", vkey(copy), "--checkpoint", finished.saved_checkpoint).returncode == 0
    assert verify(finished, copy, "--key", vkey(copy), "--checkpoint", copy / "checkpoint").returncode == 0


def test_a_flipped_byte_is_found_wherever_it_is(finished, copy):
    chance = random.Random(6962)
    pinned = vkey(copy)
    missed, tried = [], 0
    for path in sorted(p for p in copy.rglob("*") if p.is_file() and p.name not in ("lock", "signing-key", "verifier.vkey")):
        original = path.read_bytes()
        used = len(original.rstrip(b"\0"))
        for at in sorted({0, used - 1, *(chance.randrange(used) for _ in range(6 if not SOAK else 100))}):
            changed = bytearray(original)
            changed[at] ^= 1 << chance.randrange(8)
            path.write_bytes(changed)
            tried += 1
            if verify(finished, copy, "--key", pinned).returncode == 0:
                missed.append((str(path.relative_to(copy)), at))
        path.write_bytes(original)
    assert tried >= 16 and missed == []
    assert verify(finished, copy, "--key", pinned).returncode == 0


def test_a_cut_off_tail_is_found_against_a_saved_checkpoint(finished, copy):
    segment = sorted((copy / "segments").iterdir())[-1]
    lines = segment.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:20]))
    for extra in ("checkpoint", "checkpoints.log"):
        (copy / extra).unlink(missing_ok=True)
    shutil.rmtree(copy / "tile", ignore_errors=True)
    assert verify(finished, copy, "--key", vkey(copy), "--checkpoint", finished.saved_checkpoint).returncode != 0


def test_removed_and_swapped_records_are_found(finished, copy):
    segment = sorted((copy / "segments").iterdir())[0]
    lines = segment.read_bytes().rstrip(b"\0").splitlines(keepends=True)
    for changed in (lines[:5] + lines[6:], [*lines[:5], lines[6], lines[5], *lines[7:]], [*lines[:5], lines[5], *lines[5:]]):
        segment.write_bytes(b"".join(changed))
        assert verify(finished, copy, "--key", vkey(copy)).returncode != 0


def test_a_log_signed_anew_does_not_pass_the_pinned_key(finished, copy, make_gateway):
    """Whoever holds the machine can write a whole new log with a new key: the key written down elsewhere tells."""
    pinned = vkey(copy)
    other = make_gateway()
    other.chat("off", BODY, key=other.user)
    other.stop()
    forged = directory_of(other)
    assert verify(other, forged).returncode == 0
    assert verify(other, forged, "--key", pinned).returncode != 0
    assert verify(other, forged, "--key", vkey(forged), "--checkpoint", finished.saved_checkpoint).returncode != 0


def test_a_record_can_be_proved(finished, copy, make_gateway):
    record = finished.records(lambda r: r["type"] == "exchange.outcome")[10]
    done = finished.command("audit", "prove", record["id"], "--directory", copy)
    assert done.returncode == 0, done.stderr
    assert record["id"] in done.stdout
    assert finished.command("audit", "prove", "no-such-id", "--directory", copy).returncode != 0

    # Whoever was given the proof checks it with the pinned key alone.
    pinned, proof = vkey(copy), copy.parent / f"{copy.name}-proof.jsonl"
    proof.write_text(done.stdout)
    shutil.rmtree(copy)
    check = lambda *more, key=pinned: finished.command("audit", "check", proof, "--key", key, *more)
    checked = check()
    assert checked.returncode == 0 and checked.stdout.count("proven: record") == len(done.stdout.splitlines()) == 2, checked.stderr
    checked = check("--checkpoint", finished.saved_checkpoint)
    assert checked.returncode == 1 and "not to the kept one" in checked.stdout, "the proof leads to a later checkpoint than the kept one"
    own = proof.with_suffix(".checkpoint")
    own.write_text(json.loads(done.stdout.splitlines()[0])["proof"]["checkpoint"])
    assert check("--checkpoint", own).returncode == 0
    stranger = make_gateway()
    stranger.stop()
    checked = check(key=vkey(directory_of(stranger)))
    assert checked.returncode == 1 and "not signed by the key" in checked.stdout and "proven: record" not in checked.stdout
    assert check(key="sallyport/audit+00000000+AAAA").returncode == 64
    assert check("--checkpoint", directory_of(stranger) / "checkpoint").returncode == 64
    first, second = done.stdout.splitlines()
    leaf = json.loads(first)["proof"]["leafHash"]
    for changed in (
        first.replace('"operation":"', '"operation":"X', 1),  # the record
        first.replace(leaf, ("0" if leaf[0] != "0" else "1") + leaf[1:]),  # its leaf
        re.sub('"index":(\\d+)', lambda m: f'"index":{int(m[1]) + 1}', first),  # its place
        first[:-1], "[]", "{}", first + first,
        first.replace('{"record":', '{"Record":{},"record":', 1),  # a second one to be taken for it
    ):
        proof.write_text(f"{second}\n{changed}\n")
        checked = check()
        assert checked.returncode == 1 and "NOT PROVEN: line 2" in checked.stdout and checked.stdout.count("proven: record") == 1, changed
    proof.write_text("")
    assert check().returncode == 64, "nothing proves nothing"


def test_verifying_tells_what_is_wrong(finished, copy):
    segment = sorted((copy / "segments").iterdir())[0]
    data = bytearray(segment.read_bytes())
    data[data.index(b'"status":') + 10] ^= 1
    segment.write_bytes(data)
    done = verify(finished, copy)
    assert done.returncode != 0 and len(done.stdout + done.stderr) > 20


# Crashes


class Load:
    """Sixty-four callers that write down what was answered to them."""

    def __init__(self, gateway, callers=64):
        self.gateway, self.answered, self.lock, self.over = gateway, {}, threading.Lock(), threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.call, args=(n,)) for n in range(callers)]
        for thread in self.threads:
            thread.start()

    def call(self, n):
        streaming = n % 3 == 0
        text = MARKER if n % 8 == 7 else "hello"
        data = json.dumps({"messages": [{"role": "user", "content": text}], "stream": streaming}).encode()
        message = request("POST", f"/openai/deployments/marked/chat/completions?api-version={API}", data, [("api-key", self.gateway.user)])
        wire = None
        while not self.over.is_set():
            try:
                wire = wire or self.gateway.wire(timeout=5)
                wire.send(message)
                answer = wire.answer()
                whole = answer.complete and (answer.status != 200 or not streaming or answer.body.endswith(b"data: [DONE]\n\n"))
                if whole and answer.status in (200, 400):
                    with self.lock:
                        self.answered[answer.header("apim-request-id")] = answer.status
                elif answer.complete and answer.status not in (200, 400, 503):
                    self.failures.append((answer.status, answer.body[:200]))
            except (Closed, OSError, ValueError):
                if wire:
                    wire.close()
                wire = None
                self.over.wait(0.02)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        return self.answered


def test_kill_at_any_moment_loses_no_record_of_an_answered_request(make_gateway, mock):
    kills = int(os.environ.get("KILLS", 200 if SOAK else 5))
    gateway = make_gateway()
    chance = random.Random()
    answered, missing, unannounced = 0, [], []
    for turn in range(kills):
        mock.clear()
        load = Load(gateway)
        time.sleep(0.15 + chance.random() * 0.6)
        gateway.kill()
        ledger = load.end()
        assert load.failures == []
        seen = {r.header("traceparent").split("-")[1] for r in mock.requests if r.complete}
        gateway.start()  # it recovers by itself
        records = gateway.records()
        outcomes = {r["id"]: r for r in records if r["type"] == "exchange.outcome"}
        missing += [(turn, id) for id, status in ledger.items() if id not in outcomes or outcomes[id]["status"] != status]
        announced = {r.get("trace") for r in records if r["type"] == "exchange.intent"}
        unannounced += [(turn, trace) for trace in seen if trace not in announced]
        answered += len(ledger)
        done = verify(gateway, directory_of(gateway))
        assert done.returncode == 0, f"after kill {turn + 1}: {done.stdout}{done.stderr}"
    print(f"{kills} kills, {answered} answered requests, all on record")
    assert answered > kills * 10, "too few requests were answered for this to mean anything"
    assert missing == [] and unannounced == []
    gateway.kill()


def test_checkpoints_of_before_a_crash_hold_after_it(make_gateway, tmp_path):
    gateway = make_gateway()
    for _ in range(20):
        gateway.chat("off", BODY, key=gateway.user)
    saved = tmp_path / "saved"
    shutil.copy(directory_of(gateway) / "checkpoint", saved)
    gateway.kill()
    gateway.start()
    for _ in range(20):
        gateway.chat("off", BODY, key=gateway.user)
    assert verify(gateway, directory_of(gateway), "--key", vkey(directory_of(gateway)), "--checkpoint", saved).returncode == 0


def test_two_servers_cannot_write_one_log(make_gateway):
    from gateway import Gateway

    first = make_gateway()
    second = Gateway(first.directory / "second", "http://127.0.0.1:9", lambda t: t["data"].update(directory=str(first.data)))
    second.tree["data"]["directory"] = str(first.data)
    second.write(second.tree)
    with pytest.raises(AssertionError):
        second.start(attempts=1)
    assert first.chat("off", BODY, key=first.user).status == 200


def test_files_are_readable_by_their_owner_only(make_gateway):
    gateway = make_gateway()
    gateway.chat("off", BODY, key=gateway.user)
    for path in gateway.data.rglob("*"):
        assert pathlib.Path(path).stat().st_mode & 0o077 == 0, path


def test_soak_memory_stays_flat(make_gateway, mock):
    """Ten minutes with SOAK, a few seconds without."""
    gateway = make_gateway()
    load = Load(gateway, callers=16)
    samples, end = [], time.monotonic() + (600 if SOAK else 6)
    while time.monotonic() < end:
        time.sleep(1)
        samples.append(gateway.memory() / 1e6)
        if len(mock.requests) > 5000:
            del mock.requests[:4000]
    load.end()
    settled = samples[len(samples) // 3 :]
    third = max(1, len(settled) // 3)
    first, last = sorted(settled[:third])[third // 2], sorted(settled[-third:])[third // 2]
    print(f"resident memory: {samples[0]:.0f} MB after 1 s, {first:.0f} MB, then {last:.0f} MB")
    assert last - first < 8
