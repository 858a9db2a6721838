"""Every route that writes, from the product's own table, with a marker of its own in each free text: what is sealed, or not kept at all, is found
nowhere in the clear; what lies in the clear on purpose is named here with the words of docs/encryption.md that say so. A new route without a row
fails, and so does a text that lies in the clear and is not named, or is named and does not."""

import json
import pathlib
import re
import time

import pytest

from authenticator import Authenticator
from console import Browser, admin_call
from gateway import ROOT, Gateway, policy
from issuer import Issuer
from test_access import matrix, wait_for
from test_every_route import LESSON, REQUESTS, form, short, target
from test_guards import places, planted
from test_signin import api, first_link, set_up
from test_vault import KEEPING, call

SCIM_USER, SCIM_GROUP = "urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

#: What lies in the clear, in the words of docs/encryption.md.
KEYS, ACCOUNTS, PEOPLE = "names and hashes of API keys", "names of accounts and of their passkeys", "what SCIM provisions"
NOTES, REQUESTS_OF_PEOPLE, POLICIES = "notes and reasons", "requests of data subjects", "policies"
DOCUMENTS, CONSENTS, NAMES = "names and places of documents", "consents and notices", "ids and names of principals, devices, reviews and tokens"

#: Console operations that take no free text, and why.
NO_TEXT = {
    **dict.fromkeys(["Keys_Rotate", "Keys_Revoke", "RoleAssignments_Delete", "Accounts_Link", "Accounts_Disable", "Accounts_Enable", "Accounts_Unlock",
                     "Accounts_Delete", "Sessions_End", "Sessions_EndAll", "ConditionalAccess_Delete", "Policies_Delete", "Devices_Delete", "Risks_Delete",
                     "Eligible_Delete", "Elevations_Approve", "Elevations_Deny", "Elevations_End", "Changes_Approve", "Changes_Reject", "Documents_Delete",
                     "Reviews_Close", "Reviews_Apply", "Reviews_Export", "Privacy_Release", "Privacy_Search", "SCIM_DeleteUsers", "SCIM_DeleteGroups",
                     "SCIM_OtherDELETE"], "names what another route has made"),
    **dict.fromkeys(["Principals_Enable", "Privacy_Withdraw", "My_Withdraw", "My_Acknowledge"], "the words of the route that it takes back or answers"),
    "Reviews_Start": "a digest",
    **dict.fromkeys(["SignIn_PasskeyOptions", "Account_PasskeyOptions", "Account_TOTPBegin", "Account_Recovery", "Account_FactorRemove",
                     "Account_SessionEnd", "SignOut", "Session_EndOwn"], "nothing is sent"),
}  # fmt: skip
#: Data-plane rows that take no free text.
NO_BODY = "DELETE", "cancel", "pause", "resume", ":deploy", ":build", "removeBlocklistItems", "removeIncidentSamples"
#: Strings of requests that choose among known words, or name what was made before.
STRUCTURAL = {"model", "role", "type", "endpoint", "completion_window", "purpose", "input_file_id", "training_file", "file_id", "file_ids", "content_url",
              "voice", "size", "response_format", "encoding_format", "key"}  # fmt: skip


class Marks:
    """Words that occur nowhere else, with where they were sent."""

    def __init__(self):
        self.secrets, self.known, self.where = {}, {}, None
        self.marked = set()

    def secret(self):
        """What must be found nowhere."""
        self.marked.add(self.where)
        word = f"qz{len(self.secrets):04}sealed"
        self.secrets[word] = self.where
        return word

    def clear(self, reason):
        """What lies in the clear on purpose."""
        self.marked.add(self.where)
        word = f"qz{len(self.known):04}open"
        self.known[word] = (self.where, reason)
        return word


@pytest.fixture(scope="module", params=["on", "off"])
def walked(request, upstream, tmp_path_factory):
    """A gateway to which every writing route was sent its markers, and what was found of them afterwards."""
    directory, issuer, encryption = tmp_path_factory.mktemp(f"writes-{request.param}"), Issuer(), request.param
    temporary = directory / "tmp"
    temporary.mkdir()

    def change(tree):
        tree["vault"] = {"encryption": encryption}
        # No built-in role reads stored texts.
        revealer = {"description": "reads stored texts", "actions": ["Sallyport/content/reveal/action"]}
        tree["access"] = {"fourEyes": ["policies"], "roles": {"revealer": revealer}}
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["provisioning"] = {"issuer": "idp"}
        tree["deployments"] = {"families": {"upstream": "aoai", "model": "gpt-4o", "policy": "Kept"}}

    gateway = Gateway(directory / "gateway", upstream.url, change, {"TMPDIR": str(temporary)})
    (gateway.policies / "Kept.json").write_text(json.dumps(policy("Kept", uninspectable="record", **KEEPING)))
    upstream.clear()
    marks = Marks()
    world = {"gateway": gateway, "marks": marks}
    for name, roles in [("root", "administrator,privacy-officer,document-reviewer,revealer"), ("second", "administrator"), ("scim", "scim-provisioner"),
                        ("ann", "index-contributor,model-user,safety-operator,search-data-reader,openai-contributor")]:  # fmt: skip
        world[name] = gateway.key(name, roles=roles, principal=name)["secret"]
    gateway.start()
    try:
        data, console = DataWalk(world), ConsoleWalk(world)
        data.walk()
        console.walk()
        time.sleep(1)  # what is written a moment later

        def found(*folders):
            words = [*marks.secrets, *marks.known]
            content = [(str(f), f.read_bytes()) for folder in folders for f in pathlib.Path(folder).rglob("*") if f.is_file()]
            return {word: files for word in words if (files := [name for name, text in content if word.encode() in text])}

        running = found(gateway.data, temporary)
        call(gateway, "backup", "--to", directory / "backup")
        saved = found(directory / "backup")
        gateway.stop()
        stopped = found(gateway.data, temporary, gateway.log_file.parent / "nothing")
        logged = {word for word in [*marks.secrets, *marks.known] if word.encode() in gateway.log_file.read_bytes()}
        yield {"marks": marks, "found": [running, saved, stopped], "logged": logged, "encryption": encryption, "data": data, "console": console}
    finally:
        gateway.kill()
        issuer.stop()


class DataWalk:
    """The data plane, row by row."""

    def __init__(self, world):
        self.world, self.gateway, self.marks, self.covered = world, world["gateway"], world["marks"], {}

    def send(self, method, target, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.gateway.call(method, target, data, key=self.world["ann"], headers=[("content-type", kind)])

    def made(self, name, path, body, kind="application/json"):
        answer = self.send("POST", f"/openai/v1/{path}", body, kind)
        assert answer.status in (200, 201), (name, answer.status, answer.body)
        self.world[name] = answer.json()["id"]

    def walk(self):
        world = self.world
        upload = form(("purpose", "batch"), ("file", "a.jsonl", "application/jsonl", b"{}\n"))
        self.made("file", "files", upload, "multipart/form-data; boundary=b")
        self.made("lesson", "files", LESSON, "multipart/form-data; boundary=b")
        for name, path, key in [
            ("responses", "responses", "responses"), ("batches", "batches", "batches"), ("fine_tuning", "fine_tuning/jobs", "fine_tuning/jobs"),
            ("vector_stores", "vector_stores", "vector_stores"),
        ]:  # fmt: skip
            self.made(name, path, REQUESTS["POST", key](world))
        store = world["vector_stores"]
        self.made("store_file", f"vector_stores/{store}/files", REQUESTS["POST", "vector_stores/{id}/files"](world))
        self.made("file_batches", f"vector_stores/{store}/file_batches", REQUESTS["POST", "vector_stores/{id}/file_batches"](world))
        for row in matrix("data"):
            method, path = row["method"], row["path"]
            if method == "GET":
                continue
            name = f"{method} {path}"
            self.marks.where = name
            if any(part in name for part in NO_BODY):
                self.covered[name] = "no text"
            elif (method, short(path)) in REQUESTS:
                self.openai(method, path)
                self.covered[name] = "texts"
            elif make := SAFETY.get((method, path)):
                made = make(self.marks)
                answer = self.send(method, made[0], made[1], "application/merge-patch+json" if method == "PATCH" else "application/json")
                # A service that is not set up here is still sent its texts.
                assert answer.status in (200, 201, 202) or name in UNSERVED, (name, answer.status, answer.body)
                self.covered[name] = "texts"

    def openai(self, method, path):
        body = REQUESTS[method, short(path)](self.world)
        at = target(path, self.world)
        if isinstance(body, bytes):
            for field in (b"hello", b"the harbour", b"a harbour", b"a.jsonl", b"a.png", b"talk"):
                if field in body:
                    self.send(method, at, body.replace(field, self.marks.secret().encode()), "multipart/form-data; boundary=b")
            return
        found = [place for place in places(body) if not (place[1] == "value" and STRUCTURAL & {str(p) for p in place[0][-2:]})]
        assert found, (method, path)
        for place in found:
            self.send(method, at, planted(body, place, self.marks.secret()))


SAFE, CATEGORIES, INCIDENTS = "api-version=2024-09-01", "api-version=2024-09-15-preview", "api-version=2024-02-15-preview"
BLOCKLIST, CATEGORY, INCIDENT = (f"/contentsafety/text/{kind}/" for kind in ("blocklists", "categories", "incidents"))
#: Calls that answer with an error here: no model, no upstream for pictures.
UNSERVED = {f"POST /contentsafety/{name}" for name in (
    "text:detectGroundedness", "agent:analyzeTaskAdherence", "image:analyze", "text:analyzeCustomCategory", "text:detectIncidents", "text:analyze",
    "text:shieldPrompt")} | {"POST /indexes/{id}/docs/search", "PUT /contentsafety/text/categories/{id}"}  # fmt: skip
SAFETY = {
    ("PATCH", BLOCKLIST + "{id}"): lambda m: (f"{BLOCKLIST}words?{SAFE}", {"description": m.clear(NOTES)}),
    ("POST", BLOCKLIST + "{id}:addOrUpdateBlocklistItems"): lambda m: (
        f"{BLOCKLIST}words:addOrUpdateBlocklistItems?{SAFE}", {"blocklistItems": [{"text": m.secret(), "description": m.secret()}]}),
    ("PUT", CATEGORY + "{id}"): lambda m: (
        f"{CATEGORY}c1?{CATEGORIES}", {"categoryName": "c1", "definition": m.secret(), "sampleBlobUrl": "https://example.com/none"}),
    ("PATCH", INCIDENT + "{id}"): lambda m: (f"{INCIDENT}i1?{INCIDENTS}", {"incidentName": "i1", "incidentDefinition": m.secret()}),
    ("POST", INCIDENT + "{id}:addIncidentSamples"): lambda m: (f"{INCIDENT}i1:addIncidentSamples?{INCIDENTS}", {"incidentSamples": [{"text": m.secret()}]}),
    ("POST", "/contentsafety/text:analyze"): lambda m: (f"/contentsafety/text:analyze?{SAFE}", {"text": m.secret(), "blocklistNames": ["words"]}),
    ("POST", "/contentsafety/text:shieldPrompt"): lambda m: (f"/contentsafety/text:shieldPrompt?{SAFE}", {"userPrompt": m.secret(), "documents": [m.secret()]}),
    ("POST", "/contentsafety/text:detectGroundedness"): lambda m: (
        f"/contentsafety/text:detectGroundedness?{CATEGORIES}",
        {"domain": "Generic", "task": "QnA", "qna": {"query": m.secret()}, "text": m.secret(), "groundingSources": [m.secret()]}),
    ("POST", "/contentsafety/text:detectProtectedMaterial"): lambda m: (f"/contentsafety/text:detectProtectedMaterial?{SAFE}", {"text": m.secret() * 12}),
    ("POST", "/contentsafety/text:detectProtectedMaterialForCode"): lambda m: (
        f"/contentsafety/text:detectProtectedMaterialForCode?{CATEGORIES}", {"code": m.secret() * 12}),
    ("POST", "/contentsafety/text:analyzeCustomCategory"): lambda m: (
        f"/contentsafety/text:analyzeCustomCategory?{CATEGORIES}", {"text": m.secret(), "categoryName": "c1", "version": 1}),
    ("POST", "/contentsafety/text:detectIncidents"): lambda m: (f"/contentsafety/text:detectIncidents?{INCIDENTS}", {"text": m.secret(), "incidentNames": ["i1"]}),
    ("POST", "/contentsafety/agent:analyzeTaskAdherence"): lambda m: (
        f"/contentsafety/agent:analyzeTaskAdherence?api-version=2025-09-15-preview",
        {"tools": [], "messages": [{"source": "Prompt", "role": "User", "contents": m.secret()}]}),
    ("POST", "/contentsafety/image:analyze"): lambda m: (f"/contentsafety/image:analyze?{SAFE}", {"image": {"content": m.secret()}}),
    ("POST", "/language/:analyze-text"): lambda m: (
        "/language/:analyze-text?api-version=2023-04-01",
        {"kind": "PiiEntityRecognition", "analysisInput": {"documents": [{"id": "1", "language": "en", "text": m.secret()}]}, "parameters": {}}),
    ("POST", "/indexes/{id}/docs/search"): lambda m: (f"/indexes/library/docs/search?api-version=2024-07-01", {"search": m.secret(), "filter": f"title eq '{m.secret()}'"}),
}  # fmt: skip


class ConsoleWalk:
    """The administrative surface, operation by operation; a page does the work of the operation that it is declared with."""

    def __init__(self, world):
        self.world, self.gateway, self.marks, self.covered = world, world["gateway"], world["marks"], set()

    def at(self, operation):
        self.covered.add(operation)
        self.marks.where = operation
        return self.marks

    def send(self, method, target, body=b"", key="root", expect=(200, 201, 202, 204), headers=()):
        answer = admin_call(self.gateway, method, target, body, key=self.world.get(key), headers=headers)
        assert answer.status in expect, (self.marks.where, answer.status, answer.body)
        return answer.json() if (answer.header("content-type") or "").split(";")[0].endswith("json") and answer.body else None

    def walk(self):
        wait_for(lambda: admin_call(self.gateway, "GET", "/api/whoami", key=self.world["ann"]).status == 200, "the keys", 30)
        self.people()
        self.access()
        self.policies()
        self.documents()
        self.reviews()
        self.privacy()
        self.provisioning()

    def people(self):
        m = self.at("SignIn_Redeem")
        password = m.secret() + " pass phrase"
        self.browser = browser = Browser(self.gateway)
        self.seed = set_up(self.gateway, browser, first_link(self.gateway), password=password)
        m = self.at("Account_TOTPConfirm")
        browser.post("/account/totp")
        assert browser.post("/account/totp/confirm", {"code": m.secret()}).status == 400
        m = self.at("Account_Password")
        browser.get("/account")
        assert browser.post("/account/password", {"current": password, "new": m.secret() + " pass phrase"}).status == 200, browser.page.body
        stranger = Browser(self.gateway)
        m = self.at("SignIn_Password")
        # People type passwords where names belong.
        stranger.get("/signin")
        assert stranger.post("/signin/password", {"name": m.secret(), "password": m.secret()}).status == 401
        m = self.at("SignIn_Code")
        stranger.get("/signin")
        stranger.post("/signin/password", {"name": "admin", "password": f"{next(w for w, at in m.secrets.items() if at == 'Account_Password')} pass phrase"})
        assert stranger.post("/signin/code", {"code": m.secret()}).status == 401, stranger.page.body
        m = self.at("Account_PasskeyAdd")
        passkey = Authenticator(browser.origin)
        browser.get("/account")
        challenge = api(browser, "POST", "/account/passkeys/options", {}).json()["challenge"]
        made = api(browser, "POST", "/account/passkeys", passkey.register(challenge, m.clear(ACCOUNTS)))
        assert made.status == 201, made.body
        browser.get("/account")
        m = self.at("SignIn_Passkey")
        for changes, status in [({"id": m.secret()}, 401), ({}, 200)]:
            stranger = Browser(self.gateway)
            stranger.get("/signin")
            challenge = api(stranger, "POST", "/signin/passkey/options", {}).json()["challenge"]
            answer = api(stranger, "POST", "/signin/passkey", passkey.sign_in(challenge, **changes))
            assert answer.status == status, (changes, answer.body)
        m = self.at("Device_Begin")
        self.send("POST", "/api/device", {"client": m.secret()}, key=None)
        m = self.at("Device_Token")
        self.send("POST", "/api/device/token", {"deviceCode": m.secret()}, key=None, expect=(400,))
        m = self.at("Device_Decide")
        browser.get("/device")
        assert browser.post("/device", {"code": m.secret(), "decision": m.secret()}).status == 400
        m = self.at("Accounts_Create")
        self.account = m.clear(ACCOUNTS)
        self.send("POST", "/api/accounts", {"name": self.account, "displayName": m.clear(ACCOUNTS)})

    def access(self):
        m = self.at("Keys_Create")
        self.send("POST", "/api/keys", {"name": m.clear(KEYS), "team": m.clear(KEYS), "project": m.clear(KEYS), "principal": m.clear(NAMES), "roles": ["model-user"]})
        m = self.at("RoleAssignments_Create")
        self.send("POST", "/api/role-assignments", {"principal": f"user:{m.clear(NAMES)}", "role": "openai-user", "note": m.clear(NOTES),
                                                    "condition": f'client == "{m.clear(POLICIES)}"'})  # fmt: skip
        m = self.at("Access_Explain")
        self.send("POST", "/api/access/explain", {"principal": f"user:{m.secret()}", "action": m.secret(), "operation": m.secret(), "groups": [m.secret()]})
        m = self.at("Principals_Disable")
        self.send("POST", "/api/principals/disable", {"principal": m.clear(NAMES), "note": m.clear(NOTES)})
        self.send("POST", f"/api/principals/{m.clear(NAMES)}/disable", {"note": m.clear(NOTES)})
        m = self.at("Tokens_Revoke")
        self.send("POST", "/api/tokens/revoke", {"jti": m.clear(NAMES), "note": m.clear(NOTES)})
        m = self.at("Devices_Put")
        self.send("PUT", f"/api/devices/{m.clear(NAMES)}", {"compliant": True, "owner": m.clear(NAMES)})
        m = self.at("Risks_Put")
        self.send("PUT", f"/api/risks/{m.clear(NAMES)}", {"level": "low", "reason": m.clear(NOTES)})
        m = self.at("Eligible_Create")
        wanted = {"principal": "user:local:admin", "role": "usages-reader", "note": m.clear(NOTES), "needsApproval": True, "needsMfa": False}
        eligible = self.send("POST", "/api/elevations/eligible", wanted)
        m = self.at("Elevations_Request")
        answer = api(self.browser, "POST", "/api/elevations", {"eligible": eligible["id"], "reason": m.clear(NOTES)})
        assert answer.status in (201, 202), answer.body

    def policies(self):
        def guard(name, purpose):
            return policy(name, storage={**KEEPING["storage"], "purpose": purpose})

        def conditional(name):
            return {"displayName": name, "state": "disabled", "conditions": {"users": {"includeUsers": ["user:nobody"]}}, "grantControls": {"operator": "AND", "builtInControls": ["mfa"]}}

        m = self.at("Policies_Put")
        for text, approves in [(m.secret(), False), (m.clear(POLICIES), True)]:
            name = m.clear(POLICIES)
            waiting = self.send("PUT", f"/api/policies/{name}", guard(name, text))
            if approves:
                self.send("POST", f"/api/changes/{waiting['id']}/approve", key="second")
        m = self.at("Policies_Check")
        name = m.secret()
        self.send("POST", f"/api/policies/{name}/check", guard(name, m.secret()))
        m = self.at("ConditionalAccess_Put")
        for text, approves in [(m.secret(), False), (m.clear(POLICIES), True)]:
            waiting = self.send("PUT", f"/api/conditional-access/policies/{m.clear(POLICIES)}", conditional(text))
            if approves:
                self.send("POST", f"/api/changes/{waiting['id']}/approve", key="second")
        m = self.at("ConditionalAccess_Evaluate")
        self.send("POST", "/api/conditional-access/evaluate", {"principal": f"user:{m.secret()}", "client": m.secret(), "label": m.secret(), "groups": [m.secret()]})

    def documents(self):
        m = self.at("Documents_Put")
        text = f"<html><head><title>{m.secret()}</title></head><body><h1>{m.secret()}</h1><p>The {m.secret()} stands here.</p><p style='display:none'>The {m.secret()} is hidden.</p></body></html>"
        source = f"{m.clear(DOCUMENTS)}.html"
        self.send("PUT", f"/api/indexes/library/documents?source={source}&allow=user:{m.clear(DOCUMENTS)}", text.encode(), key="ann",
                  headers=[("content-type", "application/octet-stream")])  # fmt: skip
        m = self.at("Documents_Label")
        self.send("POST", f"/api/indexes/library/documents/label?source={source}", {"label": "confidential", "reason": m.clear(NOTES)})
        m = self.at("Quarantine_Release")
        piece = self.send("GET", "/api/indexes/library/quarantine")["value"][0]["piece"]
        self.send("POST", f"/api/indexes/library/quarantine/{piece}/release", {"reason": m.clear(NOTES)})

    def reviews(self):
        m = self.at("Reviews_Create")
        made = self.send("POST", "/api/reviews", {"name": m.clear(NAMES), "reviewers": ["user:local:admin"]})
        m = self.at("Reviews_Decide")
        item = next(i for i in made["items"] if "admin" not in json.dumps(i))
        answer = api(self.browser, "POST", f"/api/my/reviews/{made['id']}/items/{item['id']}", {"decision": "approve", "reason": m.clear(NOTES)})
        assert answer.status == 200, answer.body

    def privacy(self):
        m = self.at("Privacy_Consent")
        self.send("POST", "/api/privacy/consents", {"subject": m.clear(NAMES), "purpose": m.clear(CONSENTS), "version": m.clear(CONSENTS), "evidence": m.clear(CONSENTS)})
        m = self.at("Privacy_Publish")
        self.send("PUT", f"/api/privacy/notices/{m.clear(CONSENTS)}", {"text": m.clear(CONSENTS)})
        m = self.at("Privacy_Hold")
        self.send("POST", "/api/privacy/holds", {"subject": m.clear(NAMES), "policy": m.clear(POLICIES), "reason": m.clear(NOTES)})
        m = self.at("My_Consent")
        self.send("POST", "/api/my/consents", {"purpose": m.clear(CONSENTS), "version": m.clear(CONSENTS)})
        m = self.at("My_Request")
        self.send("POST", "/api/my/requests", {"kind": "objection", "detail": m.clear(REQUESTS_OF_PEOPLE)})
        m = self.at("Privacy_Open")
        opened = [self.send("POST", "/api/privacy/requests", {"kind": "rectification", "subject": f"local:{self.account}", "detail": m.clear(REQUESTS_OF_PEOPLE)})["id"] for _ in range(2)]
        m = self.at("Privacy_Verify")
        for one in opened:
            self.send("POST", f"/api/privacy/requests/{one}/verify", {"method": m.clear(REQUESTS_OF_PEOPLE)})
            self.send("POST", f"/api/privacy/requests/{one}/search")
        m = self.at("Privacy_Extend")
        self.send("POST", f"/api/privacy/requests/{opened[0]}/extend", {"reason": m.clear(REQUESTS_OF_PEOPLE)})
        m = self.at("Privacy_Fulfil")
        right = {"corrections": [{"store": "account", "field": "display_name", "value": m.clear(ACCOUNTS)}]}
        self.send("POST", f"/api/privacy/requests/{opened[0]}/fulfil", right)
        m = self.at("Privacy_Refuse")
        self.send("POST", f"/api/privacy/requests/{opened[1]}/refuse", {"reason": m.clear(REQUESTS_OF_PEOPLE)})
        m = self.at("Privacy_Reveal")
        stored = self.send("GET", "/api/privacy/stored")["value"]
        self.send("POST", f"/api/privacy/stored/{stored[0]['id']}/reveal", {"reason": m.clear(NOTES)})

    def provisioning(self):
        def send(method, path, body, expect=(200, 201, 204)):
            return self.send(method, f"/scim/v2{path}", body, key="scim", expect=expect, headers=[("content-type", "application/scim+json")])

        def person():
            return {"schemas": [SCIM_USER], "userName": m.clear(PEOPLE), "externalId": m.clear(PEOPLE), "displayName": m.clear(PEOPLE), "active": True,
                    "password": m.secret(), "emails": [{"value": f"{m.clear(PEOPLE)}@example.com"}]}  # fmt: skip

        m = self.at("SCIM_CreateUsers")
        user = send("POST", "/Users", person())["id"]
        m = self.at("SCIM_PatchUsers")
        send("PATCH", f"/Users/{user}", {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": m.clear(PEOPLE)}]})
        send("PATCH", f"/Users/{user}", {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "password", "value": m.secret()}]}, expect=(400,))
        m = self.at("SCIM_CreateGroups")
        group = send("POST", "/Groups", {"schemas": [SCIM_GROUP], "displayName": m.clear(PEOPLE), "externalId": m.clear(PEOPLE)})["id"]
        m = self.at("SCIM_PatchGroups")
        send("PATCH", f"/Groups/{group}", {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "displayName", "value": m.clear(PEOPLE)}]})
        self.at("SCIM_ReplaceUsers")
        m = self.marks
        other = send("POST", "/Users", {"schemas": [SCIM_USER], "userName": "second@example.com"})["id"]
        send("PUT", f"/Users/{other}", person())
        m = self.at("SCIM_ReplaceGroups")
        more = send("POST", "/Groups", {"schemas": [SCIM_GROUP], "displayName": "Second"})["id"]
        send("PUT", f"/Groups/{more}", {"schemas": [SCIM_GROUP], "displayName": m.clear(PEOPLE)})
        for operation, path in [("SCIM_SearchUsers", "/Users/.search"), ("SCIM_SearchGroups", "/Groups/.search"), ("SCIM_SearchAll", "/.search")]:
            m = self.at(operation)
            schema = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
            send("POST", path, {"schemas": [schema], "filter": f'displayName eq "{m.secret()}"'}, expect=(200, 400, 501))
        for method in ("POST", "PUT", "PATCH"):
            m = self.at(f"SCIM_Other{method}")
            send(method, "/Things", {"name": m.secret()}, expect=(400, 404, 405, 501))


# --- What must hold ----------------------------------------------------------------------------------------------------------------------------


def test_every_route_that_writes_was_sent_its_texts(walked):
    rows = [f"{row['method']} {row['path']}" for row in matrix("data") if row["method"] != "GET"]
    assert [row for row in rows if row not in walked["data"].covered] == [], "a route without a row: say above what its texts are"
    unmarked = [row for row, what in walked["data"].covered.items() if what == "texts" and row not in walked["marks"].marked]
    assert unmarked == []
    operations = {row["operation"] for row in matrix("console") if row["method"] != "GET"}
    covered = walked["console"].covered
    assert operations - covered - set(NO_TEXT) == set(), "an operation without a row: say above what its texts are, or that it takes none"
    assert set(NO_TEXT) - operations == set() and covered - operations == set(), "an operation that is no longer served"
    assert covered - walked["marks"].marked == set()


def test_what_lies_in_the_clear_is_what_the_documentation_says(walked):
    text = re.sub(r"\s+", " ", (ROOT / "docs/encryption.md").read_text())
    marks, found = walked["marks"], walked["found"]
    reasons = {reason for _, reason in marks.known.values()}
    assert [reason for reason in reasons if reason not in text] == []
    everywhere = {word for place in found for word in place}
    # A text that is no longer kept leaves the list.
    assert {word: marks.known[word] for word in marks.known if word not in everywhere} == {}
    if walked["encryption"] == "on":
        assert {word: (marks.secrets[word], place[word]) for place in found for word in place if word in marks.secrets} == {}
    else:
        # The search does find what lies there: without encryption, all that is sealed otherwise.
        kept = {marks.secrets[word] for word in everywhere if word in marks.secrets}
        assert {"POST /contentsafety/text/blocklists/{id}:addOrUpdateBlocklistItems", "PATCH /contentsafety/text/incidents/{id}", "Documents_Put", "Policies_Put",
                "ConditionalAccess_Put", "POST /openai/v1/chat/completions"} <= kept, kept  # fmt: skip


def test_nothing_that_was_sent_is_logged(walked):
    marks = walked["marks"]
    assert {word: marks.secrets.get(word) or marks.known[word] for word in walked["logged"]} == {}
