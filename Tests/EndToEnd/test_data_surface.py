"""Documents over the administrative surface: bring, list, remove, quarantine; roles at an index; hostile files; what is on record."""

import io
import json
import urllib.parse
import zipfile

import pytest

from console import admin_call
from gateway import answers_from_library
from test_access import wait_for
from test_governance import shown
from test_on_your_data import ask, sdk

HIDDEN = b"<html><body><h1>Dues</h1><p>A berth costs ninety crowns.</p><p style='display:none'>The vault code is kept by the cook.</p></body></html>"


@pytest.fixture
def office(make_gateway):
    gateway = make_gateway(answers_from_library)
    gateway.ann = gateway.key("ann", roles="index-contributor,model-user", principal="ann")["secret"]
    gateway.bob = gateway.key("bob", roles="index-contributor", principal="bob")["secret"]
    gateway.rita = gateway.key("rita", roles="document-reviewer", principal="rita")["secret"]
    gateway.boss = gateway.key("boss", roles="administrator", principal="boss")["secret"]
    gateway.local = gateway.key("local", roles="model-user", principal="loc")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=gateway.local).status == 200, "the keys", 30)
    return gateway


def put(gateway, source, content, key, index="library", allow=("everyone",), expect=200, **more):
    query = urllib.parse.urlencode([("source", source), *[("allow", a) for a in allow], *more.items()])
    answer = admin_call(gateway, "PUT", f"/api/indexes/{index}/documents?{query}", content, key=key,
                        headers=[("content-type", "application/octet-stream")])  # fmt: skip
    assert answer.status == expect, answer.body
    return answer.json()


def test_documents_are_brought_found_changed_and_removed(office):
    text = b"# Cranes\n\nThe north crane lifts forty tonnes.\n"
    assert put(office, "rules/cranes.md", text, office.ann, label="internal")["documents"] == [{"source": "rules/cranes.md", "outcome": "added", "quarantined": 0}]
    client = sdk(office, office.ann)
    question = "How much does the north crane lift?"
    wait_for(lambda: "forty tonnes" in (ask(client, question).choices[0].message.content or ""), "the document")
    listed = admin_call(office, "GET", "/api/indexes/library/documents", key=office.ann).json()["value"]
    assert [(d["source"], d["owner"], d["access"], d["label"]) for d in listed] == [("rules/cranes.md", "ann", ["everyone"], "internal")]
    assert put(office, "rules/cranes.md", text, office.ann, label="internal")["documents"][0]["outcome"] == "unchanged"
    # What somebody else brought is not replaced; an access list that narrows holds at once.
    assert put(office, "rules/cranes.md", b"# Cranes\n\nNothing.\n", office.bob, expect=422)["documents"][0]["problem"]
    assert put(office, "rules/cranes.md", text, office.ann, allow=("user:loc",))["documents"][0]["outcome"] == "described"
    wait_for(lambda: "forty tonnes" not in (ask(client, question).choices[0].message.content or ""), "the narrower list")
    assert "forty tonnes" in ask(sdk(office, office.local), question).choices[0].message.content
    assert admin_call(office, "DELETE", "/api/indexes/library/documents?source=rules/cranes.md", key=office.ann).status == 204
    assert admin_call(office, "DELETE", "/api/indexes/library/documents?source=rules/cranes.md", key=office.ann).status == 404
    wait_for(lambda: "forty tonnes" not in (ask(sdk(office, office.local), question).choices[0].message.content or ""), "the removal")
    record = office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.add" and "result" in json.dumps(r))
    assert record["principal"] == "ann"
    office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.remove" and r["principal"] == "ann")


def test_what_is_hidden_waits_for_somebody_else(office):
    assert put(office, "dues.html", HIDDEN, office.ann)["documents"][0]["quarantined"] == 1
    mine = admin_call(office, "GET", "/api/my/quarantine", key=office.ann).json()["value"]
    assert [(p["index"], p["source"], p["reason"]) for p in mine] == [("library", "dues.html", "hidden text (not-displayed)")]
    assert "vault" not in json.dumps(mine)
    assert admin_call(office, "GET", "/api/my/quarantine", key=office.bob).json() == {"value": []}
    piece = f"/api/indexes/library/quarantine/{mine[0]['piece']}"
    for key in (office.ann, office.boss):
        assert admin_call(office, "GET", piece, key=key).status == 403
    assert admin_call(office, "POST", f"{piece}/release", {"reason": "mine"}, key=office.ann).status == 403
    assert "The vault code is kept by the cook." in admin_call(office, "GET", piece, key=office.rita).json()["text"]
    office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.quarantine.show" and r["principal"] == "rita")
    for wrong in ({}, {"reason": " "}, {"reason": "x", "more": 1}):
        assert admin_call(office, "POST", f"{piece}/release", wrong, key=office.rita).status == 400
    assert admin_call(office, "POST", f"{piece}/release", {"reason": "a joke of the cook"}, key=office.rita).status == 204
    assert admin_call(office, "POST", f"{piece}/release", {"reason": "again"}, key=office.rita).status == 404
    client = sdk(office, office.ann)
    # Not "who": the embedded answers give a name to that, and the cook has none.
    wait_for(lambda: "kept by the cook" in (ask(client, "What is the vault code kept by?").choices[0].message.content or ""), "the release")
    assert "kept by the cook" not in office.log() and "vault code" not in office.log()
    assert b"a joke of the cook" in json.dumps(office.records()).encode()


def test_nobody_releases_what_is_his_own(office):
    both = office.key("both", roles="index-contributor,document-reviewer", principal="both")["secret"]
    wait_for(lambda: admin_call(office, "GET", "/api/whoami", key=both).status == 200, "the key")
    put(office, "dues.html", HIDDEN, both)
    piece = admin_call(office, "GET", "/api/indexes/library/quarantine", key=both).json()["value"][0]["piece"]
    answer = admin_call(office, "POST", f"/api/indexes/library/quarantine/{piece}/release", {"reason": "mine"}, key=both)
    assert (answer.status, answer.json()["error"]["code"]) == (403, "OwnDocument")


def test_a_role_at_one_index_is_none_at_another(office):
    narrow = office.key("narrow", roles="metrics-reader", principal="narrow")["secret"]
    shown(office, "access", "assignments", "add", "--principal", "service:narrow", "--role", "index-contributor", "--scope", "/indexes/library")
    wait_for(lambda: admin_call(office, "GET", "/api/indexes/library/documents", key=narrow).status == 200, "the assignment")
    put(office, "a.md", b"# A\n\nWords.\n", narrow)
    put(office, "a.md", b"# A\n\nWords.\n", narrow, index="other", expect=403)
    assert admin_call(office, "GET", "/api/indexes/other/documents", key=narrow).status == 403
    assert admin_call(office, "GET", "/api/indexes", key=narrow).status == 403


def test_indexes_are_counted_and_documents_labelled(office):
    put(office, "a.md", b"# A\n\nWords of the quay.\n", office.ann, label="internal")
    put(office, "dues.html", HIDDEN, office.ann)
    (index,) = admin_call(office, "GET", "/api/indexes", key=office.ann).json()["value"]
    assert {k: index[k] for k in ("name", "documents", "quarantined")} == {"name": "library", "documents": 2, "quarantined": 1}
    assert index["chunks"] == sum(d["chunks"] for d in admin_call(office, "GET", "/api/indexes/library/documents", key=office.ann).json()["value"])

    def label(source, body, key):
        return admin_call(office, "POST", f"/api/indexes/library/documents/label?source={source}", body, key=key)

    raised = label("a.md", {"label": "restricted"}, office.ann)
    assert raised.status == 200 and (raised.json()["label"], raised.json()["labelOrigin"]) == ("restricted", "declared")
    assert label("a.md", {"label": "public", "reason": "x"}, office.bob).status == 403, "to lower takes another right"
    both = office.key("both", roles="index-contributor,document-reviewer", principal="ann")["secret"]
    wait_for(lambda: admin_call(office, "GET", "/api/whoami", key=both).status == 200, "the key")
    own = label("a.md", {"label": "public", "reason": "x"}, both)
    assert (own.status, own.json()["error"]["code"]) == (403, "OwnDocument")
    for wrong in ({"label": "public"}, {"label": "public", "reason": " "}, {"label": "secret"}, {}, {"label": "public", "reason": "x", "more": 1}):
        assert label("a.md", wrong, office.rita).status == 400, wrong
    lowered = label("a.md", {"label": "public", "reason": "a leaflet"}, office.rita)
    assert lowered.status == 200 and (lowered.json()["label"], lowered.json()["labelOrigin"]) == ("public", "lowered")
    assert label("b.md", {"label": "public"}, office.rita).status == 404 and label("a.md", {"label": "public"}, office.local).status == 403
    record = office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.label.lower")
    assert record["details"]["reason"] == "a leaflet" and record["details"]["label"] == "restricted to public" and record["principal"] == "rita"


@pytest.mark.parametrize("source", ["../x.md", "/etc/x.md", "a/../x.md", ".x.md", "m.eml!/x.md", "a\\x.md", "a\u202ex.md", "a\nx.md", ""])
def test_names_that_lead_elsewhere_are_refused(office, source):
    put(office, source, b"# X\n\nWords.\n", office.ann, expect=400)


def test_mistakes_and_hostile_files_are_named_and_nothing_is_lost(office):
    assert put(office, "a.md", b"", office.ann, expect=400)["error"]["message"]
    put(office, "a.md", b"x", office.ann, allow=(), expect=400)
    put(office, "a.md", b"x", office.ann, allow=("anyone",), expect=400)
    put(office, "a.md", b"x", office.ann, label="secret", expect=400)
    put(office, "a.md", b"x", office.ann, owner="bob", expect=400)
    put(office, "a.md", b"x", office.ann, index="up:stream", expect=400)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.md", b"a" * (70 << 20))
    entity = io.BytesIO()
    with zipfile.ZipFile(entity, "w") as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr("word/document.xml", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document xmlns:w="urn:w"><w:body>&a;</w:body></w:document>')
    for name, content in {
        "tool.exe": b"MZ", "bomb.zip": archive.getvalue(), "entity.docx": entity.getvalue(), "cut.docx": entity.getvalue()[:-30], "poly.csv": b"%PDF-1.4\na,b\n",
        "nothing.png": b"no picture",
    }.items():  # fmt: skip
        refused = put(office, name, content, office.ann, expect=422)["documents"]
        assert len(refused) == 1 and refused[0]["outcome"] == "refused" and refused[0]["problem"], name
        assert b"root:" not in json.dumps(refused).encode()
    assert admin_call(office, "GET", "/api/indexes/library/documents", key=office.ann).json() == {"value": []}
    assert admin_call(office, "GET", "/api/indexes/library/operations/nosuch", key=office.ann).status == 404
    too_long = admin_call(office, "PUT", "/api/indexes/library/documents?source=a.md&allow=everyone", b"a" * ((64 << 20) + 1), key=office.ann, timeout=60)
    assert too_long.status == 413
    assert put(office, "still.md", b"# Here\n\nIt serves.\n", office.ann)["documents"][0]["outcome"] == "added"
