"""Pages for policies, conditional access, indexes and provisioning: what the routes for programs do, done with forms, by who may and by who may not."""

import html.parser
import json
import re
import urllib.parse

import pytest
from playwright.sync_api import expect

from console import Browser, admin_call
from gateway import Gateway, answers_from_library
from test_access import matrix, wait_for
from test_data_surface import HIDDEN, put
from test_pages import HOSTILE, row, within
from test_signin import PASSWORD, chromium, first_link, set_up  # noqa: F401

ROLES = [
    "policy-administrator", "security-reader", "auditor", "index-contributor", "document-reviewer", "access-administrator", "scim-provisioner",
    "usages-reader",
]  # fmt: skip
BREAKOUT = "</textarea></pre><script>alert(1)</script>"
#: Everything that is looked at, with the roles of ours that may.
LOOKS = {
    "/policies": {"policy-administrator", "security-reader", "auditor"},
    "/policies/Shown": {"policy-administrator", "security-reader", "auditor"},
    "/policies/Shown/versions": {"policy-administrator", "security-reader", "auditor"},
    "/policies/Shown/versions/1": {"policy-administrator", "security-reader", "auditor"},
    "/conditional-access": {"policy-administrator", "auditor"},
    "/conditional-access/explain": {"policy-administrator", "auditor"},
    "/conditional-access/policies/shown": {"policy-administrator", "auditor"},
    "/devices": {"auditor"},
    "/risks": {"auditor"},
    "/indexes": {"index-contributor", "document-reviewer", "auditor"},
    "/indexes/library": {"index-contributor", "document-reviewer", "auditor"},
    "/indexes/library/quarantine": {"index-contributor", "document-reviewer", "auditor"},
    "/indexes/library/quarantine/PIECE": {"document-reviewer"},
    "/my/quarantine": set(ROLES),
    "/provisioning": {"scim-provisioner", "auditor"},
    "/provisioning/users": {"scim-provisioner", "auditor"},
    "/provisioning/groups": {"scim-provisioner", "auditor"},
    "/provisioning/groups/GROUP": {"scim-provisioner", "auditor"},
}
#: Everything that is done, with a form that does nothing by itself, and the roles of ours that may.
ACTS = {
    "/policies": {"policy-administrator"},
    "/check/policies": {"policy-administrator", "security-reader", "auditor"},
    "/policies/Shown": {"policy-administrator"},
    "/policies/none/delete": {"policy-administrator"},
    "/policies/none/versions/1/restore": {"policy-administrator"},
    "/conditional-access": {"policy-administrator"},
    "/conditional-access/explain": {"policy-administrator", "auditor"},
    "/conditional-access/policies/shown": {"policy-administrator"},
    "/conditional-access/policies/shown/state": {"policy-administrator"},
    "/conditional-access/policies/none/delete": {"policy-administrator"},
    "/devices": set(),
    "/devices/remove": set(),
    "/risks": set(),
    "/risks/clear": set(),
    "/indexes/library/documents": {"index-contributor"},
    "/indexes/library/label": {"index-contributor", "document-reviewer"},
    "/indexes/library/remove": {"index-contributor"},
    "/indexes/library/quarantine/none-1/release": {"document-reviewer"},
    # Such a key takes the right to give privileged roles, which none of these holds.
    "/provisioning/keys": set(),
    "/provisioning/keys/none/rotate": {"access-administrator"},
    "/provisioning/keys/none/revoke": {"access-administrator", "security-operator"},
}


def document(base="Default", **properties):
    return json.dumps({"properties": {"mode": "Default", "basePolicyName": base, "contentFilters": [], **properties}}, indent=2)


def condition(**rest):
    return json.dumps({"state": "disabled", "conditions": {"users": {"includeUsers": ["All"]}}, "grantControls": {"builtInControls": ["mfa"]}, **rest})


@pytest.fixture(scope="module")
def desk(upstream, tmp_path_factory, chromium):  # noqa: F811
    """A gateway, its administrator in a browser without scripts, people with one role each, and something on every page."""

    def change(tree):
        answers_from_library(tree)
        tree["console"] = {"secondFactor": "optional"}
        tree["access"] = {"assignments": [{"principal": f"user:local:{role}", "role": role} for role in ROLES] + [{"principal": "user:local:admin", "role": "administrator"}]}

    gateway = Gateway(tmp_path_factory.mktemp("setup-pages"), upstream.url, change)
    gateway.user = gateway.key("user")["secret"]
    gateway.ann = gateway.key("ann", roles="index-contributor", principal="ann<i>")["secret"]
    gateway.root = gateway.key("root", roles="administrator", principal="root")["secret"]
    gateway.scim = gateway.key("connector", roles="scim-provisioner")["secret"]
    links = {}
    for role in [*ROLES, "admin"]:
        made = gateway.command("accounts", "create", role, "--config", gateway.config)
        assert made.returncode == 0, made.stderr
        links[role] = made.stdout.strip()
    gateway.start()
    context = chromium.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(links["admin"])
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("text=Set password")
    page.goto(f"http://localhost:{gateway.admin_port}/")
    gateway.page = page
    gateway.link = lambda text: page.click(f"nav >> text={text}")
    gateway.open = lambda path: page.goto(f"http://localhost:{gateway.admin_port}{path}")
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=gateway.scim).status == 200, "the keys", 30)
    assert admin_call(gateway, "PUT", "/api/policies/Shown", document().encode(), key=gateway.root, headers=[("content-type", "application/json")]).status == 200
    made = admin_call(gateway, "PUT", "/api/conditional-access/policies/shown", condition().encode(), key=gateway.root, headers=[("content-type", "application/json")])
    assert made.status == 200, made.body
    put(gateway, "dues.html", HIDDEN, gateway.ann)
    gateway.piece = admin_call(gateway, "GET", "/api/indexes/library/quarantine", key=gateway.ann).json()["value"][0]["piece"]
    user = scim(gateway, "POST", "/Users", {"userName": f"kim {HOSTILE}", "displayName": BREAKOUT, "externalId": "oid-kim"}).json()
    gateway.group = scim(gateway, "POST", "/Groups", {"displayName": f"staff {HOSTILE}", "externalId": "g-1", "members": [{"value": user["id"]}]}).json()["id"]
    gateway.people = {}
    for role in ROLES:
        browser = Browser(gateway, agent=role)
        target = urllib.parse.urlsplit(links[role])
        browser.get(f"{target.path}?{target.query}")
        browser.post("/setup", {"password": PASSWORD, "again": PASSWORD})
        gateway.people[role] = browser
    yield gateway
    context.close()
    gateway.stop()
    assert not [p for p in problems if "Content Security Policy" in p], problems


def scim(gateway, method, path, body=b"", key=None):
    answer = admin_call(gateway, method, f"/scim/v2{path}", body, key=key or gateway.scim, headers=[("content-type", "application/scim+json")] if body else [])
    assert answer.status in (200, 201, 204), answer.body
    return answer


def place(gateway, path):
    return path.replace("PIECE", gateway.piece).replace("GROUP", gateway.group)


def denied(answer):
    return answer.status == 403 and b"AuthorizationFailed" in answer.body


# --- Who may --------------------------------------------------------------------------------------------------------------------------------


def test_every_new_page_and_act_is_in_the_lists_above():
    ours = [
        r for r in matrix("console")
        if r["path"].startswith(("/policies", "/check/", "/conditional-access", "/devices", "/risks", "/indexes", "/provisioning", "/my/quarantine"))
    ]  # fmt: skip

    def shape(path):
        return re.sub(r"/(Shown|shown|none-1|none|library|PIECE|GROUP|1)(?=/|$)", "/*", path)

    for method, known in (("GET", LOOKS), ("POST", ACTS)):
        assert {re.sub(r"\{\w+\}", "*", r["path"]) for r in ours if r["method"] == method} == {shape(p) for p in known}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_sees_its_pages_and_no_other(desk, role):
    person = desk.people[role]
    for path, may in LOOKS.items():
        answer = person.get(place(desk, path))
        assert denied(answer) == (role not in may), (role, path, answer.status)
        assert role not in may or answer.status == 200, (role, path, answer.body[:400])
    start = person.get("/").body.decode()
    links = set(re.findall(r'href="(/[a-z/-]+)"', start))
    for path in ["/policies", "/conditional-access", "/devices", "/risks", "/indexes", "/provisioning"]:
        assert (path in links) == (role in LOOKS[path]), (role, path)


@pytest.mark.parametrize("role", ROLES)
def test_each_role_does_its_acts_and_no_other(desk, role):
    person = desk.people[role]

    def state():
        def told(path):
            return admin_call(desk, "GET", path, key=desk.root).json()["value"]

        return told("/api/policies"), told("/api/conditional-access/policies"), [(k["name"], k.get("revokedAt")) for k in told("/api/keys")]

    before = state()
    for path, may in ACTS.items():
        person.get("/account")
        answer = person.post(place(desk, path), {"name": "x y", "document": "{", "version": "1", "state": "sideways", "source": "nothing.md", "label": "x"}, follow=False)
        # Nothing of this can be done by anybody: who may is told what is wrong with it.
        if role in may:
            assert answer.status in (400, 404, 412), (role, path, answer.status, answer.body)
        else:
            assert denied(answer), (role, path, answer.status)
    assert before == state()


def test_readers_are_offered_nothing_to_change(desk):
    auditor = desk.people["auditor"]
    for path in LOOKS:
        if "PIECE" in path or path.startswith("/my"):
            continue
        text = auditor.get(place(desk, path)).body.decode()
        posts = {action for action in re.findall(r'<form[^>]*method="post"[^>]*action="([^"]+)"', text)}
        assert posts <= {"/conditional-access/explain"}, (path, posts)
    assert "<pre>" in auditor.get("/policies/Shown").body.decode()


# --- How they are written ---------------------------------------------------------------------------------------------------------------------


class Outline(html.parser.HTMLParser):
    """What a reader that cannot see the page goes by, and what must not be there."""

    def __init__(self):
        super().__init__()
        self.open, self.problems, self.headings, self.captions, self.tables = [], [], 0, 0, 0

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        if tag in ("script", "style", "iframe", "object", "b", "i", "img") or any(n.startswith("on") or n == "style" for n in names):
            self.problems.append((tag, names))
        if tag in ("input", "select", "textarea") and names.get("type") != "hidden" and "label" not in self.open:
            self.problems.append(("no label", names))
        if tag == "th" and names.get("scope") != "col":
            self.problems.append(("no scope", names))
        self.headings += tag == "h1"
        self.captions += tag == "caption"
        self.tables += tag == "table"
        if tag not in ("input", "br", "meta", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.problems.append(("not closed", tag, list(self.open)))


def test_pages_are_labelled_and_hold_nothing_that_somebody_else_wrote_as_markup(desk):
    """With hostile names, titles, owners, documents and conditions on them."""
    put(desk, "a<b>&'\".md", b"# <script>alert(1)</script>\n\nThe slipway is dredged in May.\n", desk.ann)
    hostile = document(customBlocklists=[{"blocklistName": BREAKOUT, "source": "Prompt", "blocking": True}])
    for _ in range(2):
        assert admin_call(desk, "PUT", "/api/policies/Hostile", hostile.encode(), key=desk.root, headers=[("content-type", "application/json")]).status == 200
    conditional = condition(displayName=BREAKOUT)
    headers = [("content-type", "application/json")]
    assert admin_call(desk, "PUT", "/api/conditional-access/policies/a%20b", conditional.encode(), key=desk.root, headers=headers).status == 200
    sightings = 0
    for path in [*LOOKS, "/policies/Hostile", "/policies/Hostile/versions/1", "/conditional-access/policies/a%20b",
                 f"/provisioning/users?find={urllib.parse.quote(HOSTILE)}", f"/indexes/library?find={urllib.parse.quote(BREAKOUT)}"]:  # fmt: skip
        people = ["document-reviewer"] if "PIECE" in path else ["auditor", "policy-administrator", "index-contributor"]
        for person in people:
            answer = desk.people[person].get(place(desk, path))
            if denied(answer):
                continue
            assert answer.status == 200, (path, answer.body[:300])
            text = answer.body.decode()
            outline = Outline()
            outline.feed(text)
            outline.close()
            assert not outline.problems, (path, outline.problems[:3])
            assert outline.headings == 1 and outline.captions == outline.tables and not outline.open, (path, outline.open)
            sightings += "&lt;script&gt;" in text or "&lt;b onclick" in text or "&lt;i&gt;" in text or "&lt;b&gt;" in text
    assert sightings > 10, "the hostile texts were there, as texts"
    # In a form, the document is what it was.
    asked = desk.people["policy-administrator"].get("/policies/Hostile").body.decode()
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", asked, re.S).group(1)
    assert html.unescape(area) == hostile
    admin_call(desk, "DELETE", "/api/policies/Hostile", key=desk.root)
    admin_call(desk, "DELETE", "/api/conditional-access/policies/a%20b", key=desk.root)


@pytest.mark.parametrize("page", ["0", "-1", "x", "1.5", "1000001", "9223372036854775808", "99999999999999999999999", "%31%00", ""])
def test_pages_of_lists_that_there_cannot_be_are_refused(desk, page):
    for path in ("/policies", "/policies/Shown/versions", "/conditional-access", "/devices", "/risks", "/indexes", "/indexes/library", "/provisioning/users", "/provisioning/groups"):
        answer = desk.people["auditor"].get(f"{path}?page={page}")
        assert answer.status == 400, (path, page, answer.status)
    assert desk.people["auditor"].get("/policies?page=1000000").status == 200, "beyond the end is the end"


# --- Policies ---------------------------------------------------------------------------------------------------------------------------------


def test_a_policy_is_written_checked_saved_compared_brought_back_and_deleted(desk):
    page = desk.page
    desk.link("Policies")
    assert "built in" in row(page, "Strict").inner_text() and "policy directory" in page.inner_text("table")
    page.click("a:has-text('Strict')")
    assert "It is built in" in page.inner_text("main") and '"pseudonymise"' in page.inner_text("pre") and not page.query_selector("textarea")
    desk.link("Policies")
    page.fill("input[name=name]", "Mine")
    page.fill("textarea[name=document]", '{"properties": {"basePolicyName": "Nobody"}}')
    page.click("button:has-text('Save')")
    assert "there is no policy 'Nobody' to be based on" in page.inner_text("[role=alert]")
    assert "Nobody" in page.input_value("textarea[name=document]") and page.input_value("input[name=name]") == "Mine", "what was written is kept"
    page.fill("textarea[name=document]", document(base="Strict", sallyport={"rules": [{"detect": "sensitive", "types": ["Emial"], "action": "block"}]}))
    page.click("button:has-text('Check')")
    assert "'Emial' is no type of 'sensitive'" in page.inner_text("[role=alert]")
    first = document(base="Strict", customBlocklists=[{"blocklistName": "later", "source": "Prompt", "blocking": True}])
    page.fill("textarea[name=document]", first)
    page.click("button:has-text('Check')")
    assert "can be taken" in page.inner_text("[role=status]") and "'later' does not exist" in page.inner_text("[role=status]")
    assert admin_call(desk, "GET", "/api/policies/Mine", key=desk.root).status == 404, "to check saves nothing"
    page.click("button:has-text('Save')")
    assert "Version 1 is in force" in page.inner_text("main")
    assert admin_call(desk, "GET", "/api/policies/Mine", key=desk.root).body.decode() == first, "byte for byte as it was written"
    page.fill("textarea[name=document]", document(base="Default"))
    page.click("button:has-text('Save')")
    assert "Version 2 is in force" in page.inner_text("main")
    # Somebody else is quicker.
    assert admin_call(desk, "PUT", "/api/policies/Mine", document(base="Strict").encode(), key=desk.root, headers=[("content-type", "application/json")]).json()["version"] == 3
    page.fill("textarea[name=document]", document(base="Default", customBlocklists=[{"blocklistName": "stale", "source": "Prompt", "blocking": True}]))
    page.click("button:has-text('Save')")
    assert "changed meanwhile" in page.inner_text("[role=alert]") and "stale" in page.input_value("textarea[name=document]")
    page.click("a:has-text('What is in force')")
    page.click("a:has-text('All versions')")
    assert "in force" in row(page, "Version 3").inner_text() and "in force" not in row(page, "Version 1").inner_text()
    page.click("a:has-text('Version 1')")
    assert "It is not in force" in page.inner_text("main") and "later" in page.inner_text("pre")
    within(page.locator("main"), "Bring it back", "Save it as the newest version")
    assert "Version 4 is in force" in page.inner_text("main")
    assert admin_call(desk, "GET", "/api/policies/Mine", key=desk.root).body.decode() == first
    # What others are based on stays.
    assert admin_call(desk, "PUT", "/api/policies/Child", document(base="Mine").encode(), key=desk.root, headers=[("content-type", "application/json")]).status == 200
    within(page.locator("main"), "Delete", "Delete the policy")
    assert "'Mine' is needed: policy Child" in page.inner_text("[role=alert]")
    page.click("text=Go back")
    assert page.url.endswith("/policies/Mine")
    assert admin_call(desk, "DELETE", "/api/policies/Child", key=desk.root).status == 204
    within(page.locator("main"), "Delete", "Delete the policy")
    assert page.url.endswith("/policies") and not row(page, "Mine").count()
    acts = [r for r in desk.records(lambda r: r["type"] == "admin.act" and r["principal"] == "local:admin" and r["details"]["target"] == "Mine")]
    assert [r["operation"] for r in acts].count("policies.put") == 6 and any(r["operation"] == "policies.delete" for r in acts), "intent and result of three saves"


def test_a_new_policy_takes_no_others_place(desk):
    person = desk.people["policy-administrator"]
    person.get("/policies")
    answer = person.post("/policies", {"name": "Shown", "document": document(base="Strict")})
    assert answer.status == 412 and b"is there already" in answer.body
    assert admin_call(desk, "GET", "/api/policies/Shown", key=desk.root).json()["properties"]["basePolicyName"] == "Default"
    for name in ("../x", "a/b", "", ".", "a b", "x" * 65, HOSTILE):
        person.get("/policies")
        refused = person.post("/policies", {"name": name, "document": document()})
        assert refused.status == 400 and b'role="alert"' in refused.body, name
    long = document(customBlocklists=[{"blocklistName": f"list-{n}", "source": "Prompt", "blocking": True} for n in range(400)])
    person.get("/policies")
    assert b"can be taken" in person.post("/check/policies", {"name": "Long", "document": long}).body, "longer than a query may be"
    person.get("/policies")
    assert person.post("/check/policies", {"name": "Long", "document": " " * (4 << 20)}).status == 413


# --- Conditional access -------------------------------------------------------------------------------------------------------------------------


def test_conditional_access_is_written_switched_explained_and_deleted(desk):
    page = desk.page
    desk.link("Conditional access")
    page.fill("input[name=name]", "Second factor")
    page.fill("textarea[name=document]", condition(colour="red"))
    page.click("button:has-text('Save')")
    assert "'colour' is not known" in page.inner_text("[role=alert]") and "colour" in page.input_value("textarea[name=document]")
    text = '{ "state" : "disabled",\n  "conditions": {"users": {"includeUsers": ["user:local:usages-reader"]}},\n  "grantControls": {"builtInControls": ["mfa"]} }'
    page.fill("textarea[name=document]", text)
    page.click("button:has-text('Save')")
    assert "Version 1 is in force" in page.inner_text("main")
    desk.link("Conditional access")
    line = row(page, "Second factor")
    assert "off" in line.inner_text() and "mfa" in line.inner_text()

    def switch(state):
        line = row(page, "Second factor")
        line.locator("summary", has_text="Switch").click()
        line.locator("select").select_option(label=state)
        line.locator("button").click()

    def explain():
        page.click("text=What would they ask of somebody?")
        page.fill("input[name=principal]", "user:local:usages-reader")
        page.select_option("select[name=surface]", "console")
        page.click("button:has-text('Ask')")
        return page.inner_text("#outcome"), page.inner_text("main")

    assert explain()[0] == "Nothing stands in the way."
    desk.link("Conditional access")
    switch("on")
    stored = admin_call(desk, "GET", "/api/conditional-access/policies/Second%20factor", key=desk.root).body.decode()
    assert stored == text.replace('"disabled"', '"enabled"'), "nothing else was touched"
    outcome, shown = explain()
    assert outcome == "It would not pass." and "a second factor" in shown and page.input_value("input[name=principal]") == "user:local:usages-reader"
    desk.link("Conditional access")
    switch("report only")
    outcome, shown = explain()
    assert outcome == "Nothing stands in the way." and "report only" in shown
    page.locator("summary", has_text="As if one more").click()
    page.fill("input[name=draftName]", "Draft")
    page.fill("textarea[name=draft]", "{")
    page.click("button:has-text('Ask')")
    assert "one meaning" in page.inner_text("[role=alert]")
    page.locator("summary", has_text="As if one more").click()
    page.fill("textarea[name=draft]", condition(state="enabled", grantControls={"builtInControls": ["block"]}))
    page.click("button:has-text('Ask')")
    assert page.inner_text("#outcome") == "It would not pass." and "Draft" in page.inner_text("table") and "it blocks" in page.inner_text("table")
    assert [p["name"] for p in admin_call(desk, "GET", "/api/conditional-access/policies", key=desk.root).json()["value"]] == ["Second factor", "shown"]
    desk.link("Conditional access")
    page.click("a:has-text('Second factor')")
    within(page.locator("main"), "Delete", "Delete the policy")
    assert page.url.endswith("/conditional-access") and not row(page, "Second factor").count()
    for act in ("conditional-access.put", "conditional-access.delete"):
        desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act and r["principal"] == "local:admin")


def test_a_switch_of_a_version_that_was_not_seen_is_refused(desk):
    person = desk.people["policy-administrator"]
    before = admin_call(desk, "GET", "/api/conditional-access/policies/shown", key=desk.root).body
    for fields, status in [({"state": "enabled", "version": "99"}, 412), ({"state": "enabled"}, 400), ({"state": "Enabled", "version": "1"}, 400),
                           ({"state": 'enabled","x":"', "version": "1"}, 400)]:  # fmt: skip
        person.get("/account")
        answer = person.post("/conditional-access/policies/shown/state", fields)
        assert answer.status == status and b'href="/conditional-access">Go back' in answer.body, (fields, answer.status, answer.body)
    assert admin_call(desk, "GET", "/api/conditional-access/policies/shown", key=desk.root).body == before


def test_devices_and_risks_are_noted_and_cleared_with_forms(desk):
    page = desk.page
    device = "urn:device/<b>&'\""
    desk.link("Devices")
    assert "No device was reported" in page.inner_text("main")
    page.fill("input[name=id]:visible", device)
    page.select_option("select[name=platform]", "windows")
    page.fill("input[name=owner]", "idp:alice")
    page.fill("input[name=expires]", "soon")
    page.click("button:has-text('Note it')")
    assert "'expires' is a span" in page.inner_text("[role=alert]")
    page.click("text=Go back")
    page.fill("input[name=id]:visible", device)
    page.click("button:has-text('Note it')")
    assert "not compliant" in row(page, device).inner_text()
    page.fill("input[name=id]:visible", device)
    page.check("input[name=compliant]")
    page.fill("input[name=expires]", "1h")
    page.click("button:has-text('Note it')")
    line = row(page, device)
    assert "not compliant" not in line.inner_text() and "compliant" in line.inner_text()
    within(line, "Forget", "Forget it")
    assert not row(page, device).count()
    desk.link("Risks")
    page.fill("input[name=principal]:visible", "local:admin")
    page.select_option("select[name=level]", "none")
    page.click("button:has-text('Note it')")
    assert "Nobody judges himself" in page.inner_text("[role=alert]")
    page.click("text=Go back")
    page.fill("input[name=principal]:visible", "mesh:spiffe://corp/app")
    page.select_option("select[name=level]", "high")
    page.fill("input[name=reason]", HOSTILE)
    page.click("button:has-text('Note it')")
    assert "high" in row(page, "mesh:spiffe").inner_text() and HOSTILE in row(page, "mesh:spiffe").inner_text()
    within(row(page, "mesh:spiffe"), "Clear", "Clear it")
    assert not row(page, "mesh:spiffe").count()
    for act, target in [("devices.put", device), ("devices.remove", device), ("risks.put", "mesh:spiffe://corp/app"), ("risks.clear", "mesh:spiffe://corp/app")]:
        desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act and r["details"]["target"] == target and r["principal"] == "local:admin")


def test_four_eyes_hold_for_pages(make_gateway):
    gateway = make_gateway(lambda tree: (tree.setdefault("access", {}).update(fourEyes=["policies"]), tree.update(console={"secondFactor": "optional"})))
    admin = Browser(gateway, agent="admin/1")
    set_up(gateway, admin, first_link(gateway))
    two = gateway.key("two", roles="administrator", principal="two")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=two).status == 200, "the key")

    def waits(answer):
        assert answer.status == 202 and b"waits for a second person" in answer.body, answer.body
        return re.search(rb'href="/changes/([^"]+)"', answer.body).group(1).decode()

    admin.get("/policies")
    change = waits(admin.post("/policies", {"name": "Mine", "document": document()}))
    assert admin_call(gateway, "GET", "/api/policies/Mine", key=two).status == 404
    admin.get("/account")
    assert admin.post(f"/changes/{change}/approve").status == 403
    assert admin_call(gateway, "POST", f"/api/changes/{change}/approve", key=two).status == 200
    for path, fields in [("/policies/Mine", {"version": "1", "document": document(base="Strict")}), ("/policies/Mine/delete", {}),
                         ("/policies/Mine/versions/1/restore", {})]:  # fmt: skip
        admin.get("/policies/Mine")
        last = waits(admin.post(path, fields))
        assert admin_call(gateway, "GET", "/api/policies/Mine", key=two).json()["properties"]["basePolicyName"] == "Default"
    assert admin_call(gateway, "POST", f"/api/changes/{last}/reject", key=two).status == 200
    # What cannot be done any more when it is let happen stays undecided, and can be rejected.
    admin.get("/policies")
    child = waits(admin.post("/policies", {"name": "Child", "document": document(base="Mine")}))
    admin.get("/policies/Mine")
    gone = waits(admin.post("/policies/Mine/delete"))
    assert admin_call(gateway, "POST", f"/api/changes/{gone}/approve", key=two).status == 200
    refused = admin_call(gateway, "POST", f"/api/changes/{child}/approve", key=two)
    assert refused.status == 400 and b"there is no policy 'Mine' to be based on" in refused.body
    states = {c["id"]: c["state"] for c in admin_call(gateway, "GET", "/api/changes", key=two).json()["value"]}
    assert states[child] == "pending" and states[gone] == "applied"
    assert admin_call(gateway, "POST", f"/api/changes/{child}/reject", key=two).status == 200
    admin.get("/conditional-access")
    waits(admin.post("/conditional-access", {"name": "all", "document": condition(state="enabled")}))
    assert admin_call(gateway, "GET", "/api/conditional-access/policies", key=two).json()["value"] == []


# --- Indexes ------------------------------------------------------------------------------------------------------------------------------------


def test_indexes_are_looked_through_labelled_and_emptied(desk):
    page = desk.page
    for number in range(60):
        put(desk, f"many/note-{number:02}.md", f"# Note {number}\n\nBerth {number} is free.\n".encode(), desk.ann, index="berths", label="confidential")
    desk.link("Indexes")
    assert row(page, "berths").locator("td").all_inner_texts()[1:4] == ["60", "60", "0"]
    page.click("a:has-text('berths')")
    # What stands below the table is waited for: the whole page is there then.
    assert "Page 1 of 2, 60 in all" in page.inner_text("nav[aria-label='Pages of the list']") and page.locator("tbody tr").count() == 50
    page.click("a[rel=next]")
    expect(page.locator("tbody tr")).to_have_count(10)
    assert "note-59" in page.inner_text("tbody")
    page.fill("input[name=find]", "NOTE 3")
    page.click("button:has-text('Find')")
    expect(page.locator("tbody tr")).to_have_count(11)
    assert not page.locator("nav[aria-label='Pages of the list']").count()
    page.fill("input[name=find]", "nothing like it")
    page.click("button:has-text('Find')")
    assert "No document's name or title has that in it" in page.inner_text("main")
    desk.open("/indexes/berths?find=note-07")
    line = row(page, "note-07")
    line.locator("summary", has_text="Label").click()
    line.locator("select").select_option("public")
    line.locator("button", has_text="Set the label").click()
    assert "'reason' says why a lower label than 'confidential' will do" in page.inner_text("[role=alert]")
    page.click("text=Go back")
    desk.open("/indexes/berths?find=note-07")
    line = row(page, "note-07")
    line.locator("summary", has_text="Label").click()
    line.locator("select").select_option("public")
    line.locator("input[name=reason]").fill("printed in the paper")
    line.locator("button", has_text="Set the label").click()
    assert "public" in row(page, "note-07").inner_text()
    record = desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.label.lower")
    assert record["details"]["target"] == "berths/many/note-07.md" and record["details"]["label"] == "confidential to public"
    assert record["details"]["reason"] == "printed in the paper" and record["principal"] == "local:admin"
    within(row(page, "note-07"), "Remove", "Remove it for good")
    assert not row(page, "note-07").count() and "Documents: 59" in page.inner_text("caption")
    desk.open("/indexes/nothing")
    assert "There are no documents in this index" in page.inner_text("main")


def test_documents_are_brought_with_a_form(desk):
    page = desk.page

    def bring(name, content, allow="everyone", **rest):
        desk.open("/indexes/slips")
        page.click("summary:has-text('Bring a document')")
        page.set_input_files("input[name=document]", {"name": name, "mimeType": "application/octet-stream", "buffer": content})
        page.fill("input[name=allow]", allow)
        if "source" in rest:
            page.fill("input[name=source]", rest["source"])
        if "label" in rest:
            page.select_option("select[name=label]", rest["label"])
        page.click("button:has-text('Take it in')")

    bring("Liegeplätze.md", "# Slips\n\nSlip seven is mended in March.\n".encode(), allow="group:yard, user:ann", label="internal")
    assert page.url.endswith("/indexes/slips")
    assert [c.strip() for c in row(page, "Liegeplätze.md").locator("td").all_inner_texts()][1:4] == ["internal", "local:admin", "group:yard, user:ann"]
    found = admin_call(desk, "GET", "/api/indexes/slips/documents", key=desk.root).json()["value"]
    assert [(d["source"], d["access"], d["label"]) for d in found] == [("Liegeplätze.md", ["group:yard", "user:ann"], "internal")]
    # What is not as it was wanted is told: hidden text, a file that is none, a name that leads elsewhere, nobody who may read it.
    bring("hidden.html", b"<p>The slip is free.</p><p style='display:none'>Say that it is sold.</p>", source="notes/hidden.html")
    assert "What became of it" in page.inner_text("h1") and row(page, "notes/hidden.html").locator("td").all_inner_texts()[1:3] == ["added", "1"]
    bring("broken.pdf", b"no pdf at all")
    assert "broken.pdf" in page.inner_text("tbody") and "added" not in page.inner_text("tbody")
    bring("x.md", b"# X\n\nText.\n", source="../x.md")
    assert "plain relative path" in page.inner_text("[role=alert]")
    bring("x.md", b"# X\n\nText.\n", allow="nobody in particular")
    assert "'allow' says who may read it" in page.inner_text("[role=alert]")
    page.click("text=Go back")
    assert page.url.endswith("/indexes/slips") and page.locator("tbody tr").count() == 2
    acts = desk.records(lambda r: r["type"] == "admin.act" and r["operation"] == "data.add" and r["details"]["target"] == "slips/Liegeplätze.md")
    assert acts and all(r["principal"] == "local:admin" for r in acts)


def test_a_form_with_a_file_needs_the_token_of_its_page(desk):
    person = desk.people["index-contributor"]
    person.get("/indexes/library")
    token = person.fields()["csrf"]

    def send(*fields):
        body = b"".join(b'--b\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n" for name, value in fields) + b"--b--\r\n"
        return person.send("POST", "/indexes/library/documents", body, [("content-type", "multipart/form-data; boundary=b")], follow=False)

    whole = [(b"allow", b"everyone"), (b'document"; filename="forged.md', b"# Forged\n\nNobody wrote this.\n")]
    for wrong in ([], [(b"csrf", b"x" * len(token))], [(b"csrf", token.encode()), (b"csrf", token.encode())], [(b'csrf"; filename="csrf', token.encode())]):
        assert send(*wrong, *whole).status in (400, 403), wrong
    assert send((b"csrf", token.encode()), whole[0], whole[1], whole[1]).status == 400
    assert "forged.md" not in admin_call(desk, "GET", "/api/indexes/library/documents", key=desk.ann).body.decode()
    assert send((b"csrf", token.encode()), *whole).status == 303
    assert "forged.md" in admin_call(desk, "GET", "/api/indexes/library/documents", key=desk.ann).body.decode()


def test_labels_are_raised_by_contributors_and_lowered_by_reviewers(desk):
    put(desk, "tide.md", b"# Tide\n\nHigh water at noon.\n", desk.ann, label="internal")

    def set_label(role, label, reason=""):
        person = desk.people[role]
        person.get("/indexes/library")
        return person.post("/indexes/library/label", {"source": "tide.md", "label": label, "reason": reason}, follow=False)

    def label():
        return next(d["label"] for d in admin_call(desk, "GET", "/api/indexes/library/documents", key=desk.ann).json()["value"] if d["source"] == "tide.md")

    assert set_label("index-contributor", "restricted").status == 303 and label() == "restricted"
    lowered = set_label("index-contributor", "public", "I say so")
    assert denied(lowered) and b'href="/indexes/library">Go back' in lowered.body and label() == "restricted"
    assert set_label("document-reviewer", "public", " ").status == 400 and label() == "restricted"
    assert set_label("document-reviewer", "public", "a table of tides").status == 303 and label() == "public"
    assert set_label("document-reviewer", "top-secret").status == 400


def test_what_waits_is_looked_at_and_released_by_a_reviewer(desk):
    reviewer, contributor = desk.people["document-reviewer"], desk.people["index-contributor"]
    assert b"The vault code" not in contributor.get("/indexes/library/quarantine").body
    assert b"hidden text (not-displayed)" in contributor.page.body
    assert denied(contributor.get(f"/indexes/library/quarantine/{desk.piece}"))
    shown = reviewer.get(f"/indexes/library/quarantine/{desk.piece}")
    assert b"The vault code is kept by the cook." in shown.body
    desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.quarantine.show" and r["principal"] == "local:document-reviewer")
    # Brought by himself: nobody's own, whatever roles he has.
    headers = [("content-type", "application/octet-stream")]
    admin_call(desk, "POST", "/api/role-assignments", {"principal": "user:local:document-reviewer", "role": "index-contributor", "scope": "/indexes/own"}, key=desk.root)
    reviewer.get("/account")
    token = re.search(r'name="csrf" (?:content|value)="([^"]+)"', reviewer.page.body.decode()).group(1)
    brought = reviewer.send("PUT", "/api/indexes/own/documents?source=own.html&allow=everyone", HIDDEN, headers=[*headers, ("x-sallyport-csrf", token)])
    assert brought.status == 200, brought.body
    page = reviewer.get("/indexes/own/quarantine").body.decode()
    piece = re.search(r"/indexes/own/quarantine/([^\"]+)", page).group(1)
    looked = reviewer.get(f"/indexes/own/quarantine/{piece}")
    assert b"It is your own" in looked.body and b"Let it be found" not in looked.body
    reviewer.get("/account")
    own = reviewer.post(f"/indexes/own/quarantine/{piece}/release", {"reason": "mine"})
    assert own.status == 403 and b"OwnDocument" in own.body
    assert b"own.html" in reviewer.get("/my/quarantine").body
    # Of others.
    reviewer.get(f"/indexes/library/quarantine/{desk.piece}")
    assert reviewer.post(f"/indexes/library/quarantine/{desk.piece}/release", {"reason": " "}).status == 400
    reviewer.get(f"/indexes/library/quarantine/{desk.piece}")
    done = reviewer.post(f"/indexes/library/quarantine/{desk.piece}/release", {"reason": f"a joke {HOSTILE}"})
    assert done.status == 200 and b"Nothing waits" in done.body
    record = desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "data.release")
    assert record["details"]["reason"] == f"a joke {HOSTILE}" and record["principal"] == "local:document-reviewer"


def test_a_right_at_one_index_is_none_at_another_on_pages(desk):
    person = desk.people["usages-reader"]
    assert denied(person.get("/indexes/library"))
    made = admin_call(desk, "POST", "/api/role-assignments", {"principal": "user:local:usages-reader", "role": "index-contributor", "scope": "/indexes/berths"}, key=desk.root)
    assert made.status == 201, made.body
    put(desk, "free.md", b"# Free\n\nA berth is free.\n", desk.ann, index="berths")
    assert person.get("/indexes/berths").status == 200 and denied(person.get("/indexes")) and denied(person.get("/indexes/library"))
    before = admin_call(desk, "GET", "/api/indexes/library/documents", key=desk.ann).body
    # What the form or the query names is no index.
    for path in ("/indexes/berths/remove", "/indexes/berths/remove?index=library", "/indexes/berths/label?index=library"):
        person.get("/indexes/berths")
        answer = person.post(path, {"index": "library", "source": "dues.html", "label": "restricted"})
        assert answer.status == 404, (path, answer.status)
    for path in ("/indexes/library/remove", "/indexes/library%2Fremove", "/indexes//library/remove", "/indexes/berths/../library/remove", "/indexes/Library/remove"):
        person.get("/indexes/berths")
        answer = person.post(path, {"source": "dues.html"})
        assert answer.status in (400, 403, 404), (path, answer.status)
    assert admin_call(desk, "GET", "/api/indexes/library/documents", key=desk.ann).body == before
    person.get("/indexes/berths")
    assert person.post("/indexes/berths/remove", {"source": "free.md"}).status == 200
    assert admin_call(desk, "DELETE", f"/api/role-assignments/{made.json()['id']}", key=desk.root).status == 204


# --- Provisioning ---------------------------------------------------------------------------------------------------------------------------------


def test_the_identity_providers_key_is_made_rotated_and_revoked_and_people_are_found(desk):
    page = desk.page
    desk.link("Provisioning")
    assert f"http://localhost:{desk.admin_port}/scim/v2" in page.inner_text("dl")
    page.fill("input[name=name]", "entra")
    page.fill("input[name=expires]", "soon")
    page.click("text=Make it")
    assert "'expires' is a span" in page.inner_text("[role=alert]") and page.input_value("input[name=name]") == "entra"
    page.fill("input[name=expires]", "30d")
    page.click("text=Make it")
    secret = page.inner_text("#secret")
    page.click("text=I have kept it")
    assert page.url.endswith("/provisioning") and secret not in page.content()
    for number in range(60):
        scim(desk, "POST", "/Users", {"userName": f"person-{number:02}", "externalId": f"oid-{number}", "active": number != 7}, key=secret)
    # It provisions, and nothing else.
    assert admin_call(desk, "GET", "/api/keys", key=secret).status == 403
    page.reload()
    assert "61 people" in page.inner_text("main") and "60 of them active" in page.inner_text("main") and "1 groups" in page.inner_text("main")
    page.click("text=61 people")
    assert page.locator("tbody tr").count() == 50 and "Page 1 of 2, 61 in all" in page.inner_text("main")
    page.click("a[rel=next]")
    assert page.locator("tbody tr").count() == 11
    page.click("a[rel=prev]")
    page.fill("input[name=find]", "PERSON-07")
    page.click("button:has-text('Find')")
    line = row(page, "person-07")
    assert "inactive" in line.inner_text() and "user:scim:oid-7" in line.inner_text() and page.locator("tbody tr").count() == 1
    desk.open("/provisioning/users?find=kim")
    assert f"kim {HOSTILE}" in page.inner_text("tbody") and BREAKOUT in page.inner_text("tbody") and f"staff {HOSTILE}" in page.inner_text("tbody")
    desk.open("/provisioning/groups")
    assert "group:scim:g-1" in page.inner_text("tbody")
    page.click("a:has-text('staff')")
    assert "user:scim:oid-kim" in page.inner_text("tbody") and "active" in page.inner_text("tbody")
    desk.link("Provisioning")
    within(row(page, "entra"), "Rotate", "Make the next key")
    second = page.inner_text("#secret")
    assert second != secret and scim(desk, "GET", "/Users?count=1", key=second).json()["totalResults"] == 61
    page.click("text=I have kept it")
    while (lines := row(page, "entra").filter(has=page.locator("summary", has_text="Revoke"))).count():
        within(lines.first, "Revoke", "End it for good")
    for key in (secret, second):
        assert admin_call(desk, "GET", "/scim/v2/Users", key=key).status == 401
    made = desk.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "keys.create" and r["details"]["target"] == "entra")
    assert made["principal"] == "local:admin" and secret not in json.dumps(desk.records())


def test_who_may_make_keys_may_not_by_that_make_a_provisioner(desk):
    """Whoever says who is in a group gives what the group holds: the page asks for the same right as the route for programs."""
    person = desk.people["access-administrator"]
    keys = lambda: len(admin_call(desk, "GET", "/api/keys", key=desk.root).json()["value"])  # noqa: E731
    before = keys()
    person.get("/account")
    answer = person.post("/provisioning/keys", {"name": "mine", "roles": "usages-reader"})
    assert denied(answer) and b"Sallyport/access/privileged/action" in answer.body
    connector = next(k["id"] for k in admin_call(desk, "GET", "/api/keys", key=desk.root).json()["value"] if k["name"] == "connector")
    person.get("/account")
    answer = person.post(f"/provisioning/keys/{connector}/rotate", {})
    assert denied(answer) and keys() == before
    # And the form gives no other role than its own.
    admin = desk.page
    desk.link("Provisioning")
    admin.fill("input[name=name]", "only")
    admin.click("text=Make it")
    only = next(k for k in admin_call(desk, "GET", "/api/keys", key=desk.root).json()["value"] if k["name"] == "only")
    assert only["roles"] == ["scim-provisioner"]
