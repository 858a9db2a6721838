"""Answers from documents with citations, access lists, and what ingest survives: the real binary, its worker, the OpenAI SDK."""

import base64
import io
import json
import os
import signal
import sqlite3
import subprocess
import time
import zipfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from openai import OpenAI

from gateway import BINARY, ROOT, answers_from_library

QUESTION = "How many days of annual leave do I get?"


def sdk(gateway, key):
    return OpenAI(base_url=f"{gateway.url}/openai/v1/", api_key=key, max_retries=0)


def ask(client, *turns, model="local", **options):
    messages = [{"role": "user", "content": turn} for turn in turns]
    return client.chat.completions.create(model=model, messages=messages, **options)


def data(gateway, *arguments, expect=0, timeout=120):
    done = gateway.command("data", *arguments, "--config", gateway.config, timeout=timeout)
    assert done.returncode == expect, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def samples(make_gateway):
    def change(tree):
        tree["upstreams"]["documents"]["documents"] = str(ROOT / "samples/documents")

    return make_gateway(change)


@pytest.fixture
def library(make_gateway):
    """A gateway whose embedded upstream answers from an index with access lists."""

    return make_gateway(answers_from_library)


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


def wait_for(what, seconds=20):
    """The gateway sees another process's change within a second or so; on a busy machine later."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    return what()


def test_answers_with_citations(samples):
    client = sdk(samples, samples.user)
    answer = ask(client, QUESTION)
    message = answer.choices[0].message
    assert "27 days" in message.content and "[doc1]" in message.content
    context = message.model_extra["context"]
    citation = context["citations"][0]
    assert citation["filepath"] == "leave-policy.md" and citation["title"] == "Leave policy"
    assert "27 days" in citation["content"] and citation["chunk_id"]
    assert json.loads(context["intent"]) == [QUESTION]
    # A number stands out in the sentence: it comes first, then the sentence as it stands.
    short, _, quoted = message.content.replace(" [doc1]", "").partition(" — ")
    assert short == "27 days" and short in quoted
    assert all(span["end"] > span["start"] for span in citation["spans"])
    assert quoted.split(". ")[0] in citation["content"]


def test_streams_context_before_text(samples):
    client = sdk(samples, samples.user)
    whole = ask(client, QUESTION)
    chunks = [c for c in ask(client, QUESTION, stream=True) if c.choices]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == whole.choices[0].message.content
    extras = [(n, c.choices[0].delta.model_extra["context"]) for n, c in enumerate(chunks) if (c.choices[0].delta.model_extra or {}).get("context")]
    assert len(extras) == 1 and extras[0][1]["citations"][0]["filepath"] == "leave-policy.md"
    assert not any(c.choices[0].delta.content for c in chunks[: extras[0][0]])


def test_says_what_the_documents_do_not_hold(samples):
    message = ask(sdk(samples, samples.user), "Who won the world cup in 1998?").choices[0].message
    assert message.content.startswith("The requested information is not found in the retrieved data")
    assert message.model_extra["context"]["citations"] == []


def test_reads_follow_ups(samples):
    client = sdk(samples, samples.user)
    message = ask(client, QUESTION, "And how many of those can be carried over?").choices[0].message
    assert "31 March" in message.content


def test_responses_carry_file_citations(samples):
    answer = sdk(samples, samples.user).responses.create(model="local", input=QUESTION)
    assert "27 days" in answer.output_text
    annotation = answer.output[0].content[0].annotations[0]
    assert annotation.type == "file_citation" and annotation.filename == "leave-policy.md"
    assert answer.output_text[annotation.index :].startswith("[doc1]")


def test_each_caller_reads_what_the_access_list_allows(library, files):
    (files / "salaries.md").write_text("# Salaries\n\nThe harbour master earns 4100 crowns a month.\n")
    (files / "menu.md").write_text("# Menu\n\nThe canteen serves herring soup on Thursday.\n")
    ann, bob = library.key("ann", principal="ann")["secret"], library.key("bob", principal="bob")["secret"]
    data(library, "add", "library", files / "salaries.md", "--allow", "user:ann", "--label", "confidential")
    data(library, "add", "library", files / "menu.md", "--allow", "everyone")
    question = "What does the harbour master earn?"
    ann, bob = sdk(library, ann), sdk(library, bob)
    assert wait_for(lambda: "4100" in ask(ann, question).choices[0].message.content)
    refused = ask(bob, question).choices[0].message
    assert refused.content.startswith("The requested information is not found")
    assert "salar" not in json.dumps(refused.model_dump()).lower().replace(question.lower(), "")
    assert wait_for(lambda: "herring" in ask(bob, "What does the canteen serve on Thursday?").choices[0].message.content)
    assert "Salaries" not in ask(bob, "What can you do?").choices[0].message.content
    listed = json.loads(data(library, "list", "library", "--json"))
    assert [(d["source"], d["label"], d["access"]) for d in listed] == [
        ("menu.md", "general", ["everyone"]),
        ("salaries.md", "confidential", ["user:ann"]),
    ]
    found = json.loads(data(library, "search", "library", "harbour master", "--as", "bob", "--json"))
    assert not any("salaries" in hit["source"] for hit in found)
    assert json.loads(data(library, "search", "library", "harbour master", "--as", "user:ann", "--json"))[0]["source"] == "salaries.md"
    data(library, "remove", "library", "salaries.md")
    assert wait_for(lambda: "4100" not in ask(ann, question).choices[0].message.content)


def test_secrets_and_hidden_text_wait_for_a_reviewer(library, files):
    secret = "ghp_" + "a8Kx2Lm9Qw4Rt6Yp1Zs3Vb7Nc5Md0HfJgTe"
    (files / "notes.md").write_text(f"# Notes\n\n## Boat\n\nThe pilot boat leaves at five.\n\n## Access\n\nThe deploy token is {secret} for all.\n")
    (files / "page.html").write_text("<p>The crane lifts forty tonnes.</p><p style='display:none'>The vault code is kept by the cook.</p>")
    out = data(library, "add", "library", files, "--allow", "everyone")
    assert "wait for a reviewer" in out
    waiting = json.loads(data(library, "quarantine", "list", "library", "--json"))
    reasons = {w["source"]: w["reason"] for w in waiting}
    assert "hidden text (not-displayed)" in reasons["page.html"] and reasons["notes.md"].startswith("secret: ")
    assert secret not in json.dumps(waiting)
    client = sdk(library, library.user)
    assert wait_for(lambda: "forty tonnes" in ask(client, "How much does the crane lift?").choices[0].message.content)
    assert ask(client, "Who is the vault code kept by?").choices[0].message.content.startswith("The requested information is not found")
    chunk = next(w["chunk"] for w in waiting if w["source"] == "page.html")
    data(library, "quarantine", "release", "library", chunk, "--reason", "checked by hand")
    assert wait_for(lambda: "cook" in ask(client, "Who is the vault code kept by?").choices[0].message.content)


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b" " * (300 << 20))
    return buffer.getvalue()


def test_malicious_files_are_reported_and_harm_nothing(library, files):
    (files / "bomb.docx").write_bytes(bomb())
    entity = io.BytesIO()
    with zipfile.ZipFile(entity, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document xmlns:w="u">&a;</w:document>')
    (files / "entity.docx").write_bytes(entity.getvalue())
    (files / "cut.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<<")
    (files / "named.txt").write_bytes(b"PK\x03\x04 no text")
    (files / "good.md").write_text("The crane lifts forty tonnes.")
    # A name that would steer the terminal of whoever looks at it.
    steering = "\x1b]0;owned\x07\u202e.md"
    (files / steering).write_bytes(b"\0")
    (files / f"good {steering}").write_text("The winch pulls ten tonnes.")
    done = library.command("data", "add", "library", files, "--allow", "everyone", "--config", library.config, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "2 added, 5 refused" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr + data(library, "list", "library") + data(library, "search", "library", "winch", "--as", "user")
    for line in ("bomb.docx inflates", "entity.docx declares", "cut.pdf is damaged", "named.txt is not what"):
        assert line in done.stderr
    assert "root:" not in done.stdout + done.stderr
    assert wait_for(lambda: "forty" in ask(sdk(library, library.user), "How much does the crane lift?").choices[0].message.content)


def test_an_ingest_that_was_killed_goes_on(library, files):
    for number in range(40):
        (files / f"d{number:02}.md").write_text(f"# Document {number}\n\nBerth {number} has a depth of {number} metres and a bollard.\n")
    arguments = [str(BINARY), "data", "add", "library", str(files), "--allow", "everyone", "--config", str(library.config)]

    def count():
        with sqlite3.connect(f"file:{library.data}/sallyport.sqlite?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM document WHERE collection = 'library'").fetchone()[0]

    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=library.environment)
    assert wait_for(lambda: process.poll() is not None or count() >= 3, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    there = count()
    assert 3 <= there <= 40
    out = data(library, "add", "library", files, "--allow", "everyone")
    assert f"{there} unchanged" in out
    assert count() == 40
    with sqlite3.connect(f"file:{library.data}/sallyport.sqlite?mode=ro", uri=True) as db:
        # Every document is whole, and none is there twice.
        assert db.execute("SELECT count(*) FROM document_chunk WHERE collection = 'library'").fetchone()[0] == 40
    client = sdk(library, library.user)
    assert wait_for(lambda: "37 metres" in ask(client, "What depth does berth 37 have?").choices[0].message.content)


def test_acts_on_documents_are_on_record(library, files):
    (files / "a.md").write_text("The crane lifts forty tonnes.")
    data(library, "add", "library", files / "a.md", "--allow", "everyone")
    data(library, "search", "library", "crane", "--as", "ann")
    data(library, "remove", "library", "a.md")

    def shown():
        done = library.command("audit", "show", "--config", library.config)
        return done.stdout if all(f"data.{act}" in done.stdout for act in ("add", "search", "remove")) else None

    assert wait_for(shown), library.command("audit", "show", "--config", library.config).stdout[-2000:]


def test_what_is_changed_in_the_database_is_not_found_and_is_named(library, files):
    (files / "salaries.md").write_text("# Salaries\n\nThe harbour master earns 4100 crowns a month.\n")
    (files / "cranes.md").write_text("# Cranes\n\nThe north crane lifts forty tonnes.\n")
    data(library, "add", "library", files / "salaries.md", "--allow", "user:ann")
    data(library, "add", "library", files / "cranes.md", "--allow", "everyone")
    client = sdk(library, library.user)
    assert wait_for(lambda: "forty tonnes" in (ask(client, "What does the north crane lift?").choices[0].message.content or ""))
    assert "2 of 2" in data(library, "verify", "library")
    signed = json.loads(data(library, "verify", "library", "--statement", "salaries.md"))
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signed["publicKey"]))
    key.verify(base64.b64decode(signed["signature"]), signed["statement"].encode())
    stated = json.loads(signed["statement"])
    assert (stated["source"], stated["access"]) == ("salaries.md", "user:ann") and "4100" in stated["pieces"][0]["text"]
    data(library, "verify", "library", "--statement", "nothing.md", expect=64)
    # Whoever can write the database but has no key opens a document to everyone.
    with sqlite3.connect(library.data / "sallyport.sqlite", timeout=20) as database:
        database.execute("UPDATE revision SET number = number + 1 WHERE store = 'documents'")
        number = database.execute("SELECT number FROM revision WHERE store = 'documents'").fetchone()[0]
        database.execute("UPDATE document SET access = 'everyone', revision = ? WHERE source = 'salaries.md'", (number,))
    assert wait_for(lambda: "not as they were taken in" in library.log())
    assert "4100" not in ask(client, "What does the harbour master earn?").model_dump_json()
    assert "changed: library/salaries.md" in data(library, "verify", expect=2)
    data(library, "verify", "library", "--statement", "salaries.md", expect=64)
    # Damage in one document keeps no other from being searched.
    with sqlite3.connect(library.data / "sallyport.sqlite", timeout=20) as database:
        database.execute("UPDATE revision SET number = number + 1 WHERE store = 'documents'")
        number = database.execute("SELECT number FROM revision WHERE store = 'documents'").fetchone()[0]
        database.execute("UPDATE document_chunk SET content = 'slp1.AAAA' WHERE document = (SELECT id FROM document WHERE source = 'salaries.md')")
        database.execute("UPDATE document SET title = 'slp1.AAAA', revision = ? WHERE source = 'salaries.md'", (number,))
    (files / "pilots.md").write_text("# Pilots\n\nThe pilot boat leaves at five.\n")
    data(library, "add", "library", files / "pilots.md", "--allow", "everyone")
    assert wait_for(lambda: "at five" in (ask(client, "When does the pilot boat leave?").choices[0].message.content or ""))
    assert "damaged: library/salaries.md" in data(library, "verify", expect=2)
    acts = library.records(lambda r: r.get("operation") == "data.doubtful")
    assert [r["details"]["target"] for r in acts] == ["library/salaries.md"]
    (files / "pilots.md").unlink()
    data(library, "remove", "library", "pilots.md")
    # Taken in again it is what its owner says.
    assert "1 added" in data(library, "add", "library", files / "salaries.md", "--allow", "user:ann")
    assert "2 of 2" in data(library, "verify")
    assert "4100" not in ask(client, "What does the harbour master earn?").model_dump_json()
