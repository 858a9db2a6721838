"""Continuous evaluation: what is under way ends within a second when its caller is no longer let in, and nobody else's does."""

import json
import threading
import time

import pytest

from console import admin_call
from gateway import API
from issuer import Issuer
from test_access import wait_for
from test_on_your_data import data
from test_wire_fidelity import chunk
from wire import Closed, request

STREAMED = {"messages": [{"role": "user", "content": "tell me a long story"}], "stream": True}
#: The change reaches the gateway at once or with the next look at the store; callers under way are asked for twice a second.
SOON = 1.0


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture
def standing(make_gateway, issuer, mock, tmp_path):
    def change(tree):
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["vault"] = {"confirmInterval": "1s"}

    gateway = make_gateway(change)
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "cranes.md").write_text("# Cranes\n\nThe north crane lifts forty tonnes.\n")
    data(gateway, "add", "library", folder, "--allow", "everyone")
    gateway.admin = gateway.key("root", roles="administrator,privacy-officer")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=gateway.admin).status == 200, "the administrator's key")
    parts = [{"event": chunk("once "), "pause_ms": 0}, *({"event": chunk(f"more{n} "), "pause_ms": 100} for n in range(150))]
    mock.script("chat/completions", {"parts": [*parts, {"event": chunk("", "stop")}, {"event": "[DONE]"}]}, repeat=True)
    return gateway


class Stream(threading.Thread):
    """A stream that is read as it comes, on a thread of its own."""

    def __init__(self, gateway, *headers):
        super().__init__(daemon=True)
        self.text, self.ended_at, self.begun = b"", None, threading.Event()
        self.wire = gateway.wire(30)
        target = f"/openai/deployments/off/chat/completions?api-version={API}"
        self.wire.send(request("POST", target, json.dumps(STREAMED).encode(), [("content-type", "application/json"), *headers]))
        self.start()

    def run(self):
        self.answer = self.wire.head()
        try:
            for piece in self.wire.pieces(self.answer):
                self.text += piece
                self.begun.set()
        except (Closed, OSError):
            pass
        self.ended_at = time.monotonic()
        self.begun.set()


def by_key(secret):
    return ("api-key", secret)


def by_token(token):
    return ("authorization", f"Bearer {token}")


def act(gateway, method, target, body=b""):
    answer = admin_call(gateway, method, target, body, key=gateway.admin)
    assert answer.status < 300, (target, answer.status, answer.body)
    return answer


def ends(stream, change, within=SOON):
    """Makes a change and waits for the stream's end; returns its last event."""
    assert stream.begun.wait(10) and stream.answer.status == 200, stream.text
    change()
    changed = time.monotonic()
    stream.join(20)
    assert stream.ended_at, "the stream goes on"
    assert stream.ended_at - changed < within, f"it took {stream.ended_at - changed:.2f} s"
    assert b"[DONE]" not in stream.text
    return json.loads(stream.text.rstrip().rsplit(b"data: ", 1)[1])


def test_a_stream_ends_when_its_key_is_revoked_and_others_go_on(standing):
    made = standing.key("doomed")
    standing.wait_for_key(made["secret"])
    doomed, other = Stream(standing, by_key(made["secret"])), Stream(standing, by_key(standing.user))
    last = ends(doomed, lambda: act(standing, "POST", f"/api/keys/{made['id']}/revoke"))
    assert last["error"]["code"] == "401", last
    record = standing.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("key") == made["id"])
    assert record["details"]["cut"] and record["verdict"] == "error"
    time.sleep(1.2)
    assert other.ended_at is None, other.text[-300:]


def test_a_stream_ends_when_its_person_is_disabled(standing, issuer):
    stream = Stream(standing, by_token(issuer.token(sub="mallory")))
    assert ends(stream, lambda: act(standing, "POST", "/api/principals/idp:mallory/disable"))["error"]["code"] == "401"


def test_a_stream_ends_when_tokens_are_revoked(standing, issuer):
    stream = Stream(standing, by_token(issuer.token(sub="nell", iat=int(time.time()) - 5, nbf=None)))
    run = lambda: standing.command("access", "revoke-tokens", "--config", standing.config, "--principal", "idp:nell")  # noqa: E731
    ends(stream, run)


def test_a_stream_ends_when_the_role_is_taken_away(standing, issuer):
    made = act(standing, "POST", "/api/role-assignments", {"principal": "user:idp:olga", "role": "openai-user"}).json()
    stream = Stream(standing, by_token(issuer.token(sub="olga", roles=None)))
    last = ends(stream, lambda: act(standing, "DELETE", f"/api/role-assignments/{made['id']}"))
    assert last["error"]["code"] == "PermissionDenied" and "chat/completions/action" in last["error"]["message"], last


def test_a_stream_ends_when_its_person_is_erased_and_others_go_on(standing, issuer):
    erased, other = (Stream(standing, by_token(issuer.token(sub=name))) for name in ("pat", "quinn"))
    assert other.begun.wait(10)
    last = ends(erased, lambda: standing.command("vault", "destroy-subject", "idp:pat", "--reason", "asked to", "--config", standing.config))
    assert "erased" in last["error"]["message"], last
    time.sleep(1.2)
    assert other.ended_at is None, other.text[-300:]


def test_streams_end_when_the_vault_is_revoked(standing):
    stream = Stream(standing, by_key(standing.user))
    last = ends(stream, lambda: standing.command("vault", "revoke", "--config", standing.config), within=2)
    assert "revoked" in last["error"]["message"], last


def test_an_answer_that_has_not_begun_is_refused(standing, issuer, mock):
    mock.clear()
    mock.script("chat/completions", {"wait_ms": 6000, "fixture": "chat/basic"})
    refuses_unbegun(standing, issuer, mock, "rita", {"messages": [{"role": "user", "content": "hello"}]}, calls=1)


LIBRARY = {"data_sources": [{"type": "sallyport", "parameters": {"index_name": "library"}}]}
#: What the model is asked for first, for an answer from documents.
QUERIES = {"json": {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '["north crane"]'}}]}}  # fmt: skip


@pytest.mark.parametrize("name, behaviours, stream", [
    ("sue", [{"wait_ms": 6000, **QUERIES}], False), ("tom", [QUERIES, {"wait_ms": 6000, "fixture": "chat/basic"}], False),
    ("una", [QUERIES, {"wait_ms": 6000, "fixture": "chat/basic"}], True),
])  # fmt: skip
def test_an_answer_from_documents_that_has_not_begun_is_refused(standing, issuer, mock, name, behaviours, stream):
    mock.clear()
    mock.script("chat/completions", *behaviours)
    body = {"messages": [{"role": "user", "content": "What does the north crane lift?"}], "stream": stream, **LIBRARY}
    count = lambda: standing.call("GET", f"/indexes/library/docs/$count?api-version=2024-07-01", key=standing.user).status == 200  # noqa: E731
    wait_for(count, "the documents")
    refuses_unbegun(standing, issuer, mock, name, body, calls=len(behaviours))


def refuses_unbegun(standing, issuer, mock, name, body, calls):
    """Disables a person while the upstream lets the last of so many calls wait: refused at once, on record once, and nothing more is asked upstream."""
    token = issuer.token(sub=name)
    got = {}

    def ask():
        got["answer"] = standing.call(
            "POST", f"/openai/deployments/off/chat/completions?api-version={API}", body, key=None, headers=[by_token(token)])  # fmt: skip
        got["at"] = time.monotonic()

    thread = threading.Thread(target=ask)
    thread.start()
    wait_for(lambda: len(mock.requests) == calls, "the upstream's turn")
    act(standing, "POST", f"/api/principals/idp:{name}/disable")
    changed = time.monotonic()
    thread.join(10)
    assert got["answer"].status == 401 and got["at"] - changed < SOON, (got["answer"].status, got["at"] - changed)
    outcomes = standing.records(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == f"idp:{name}")
    assert len(outcomes) == 1 and outcomes[0]["status"] == 401 and outcomes[0]["verdict"] == "refused"
    assert len(mock.requests) == calls
