"""Pages of the administrative surface in a real browser, which runs no script: what the routes for programs do, done with forms."""

import json
import re
import struct
import urllib.parse
import zlib

import pyotp
import pytest

from console import Browser, admin_call
from test_access import chat, wait_for
from test_governance import shown
from test_signin import PASSWORD, api, chromium, first_link, set_up, sign_in  # noqa: F401

HOSTILE = "<b onclick=alert(1)>x</b>\"'&"


def step_code(secret, ahead=0):
    import time

    return pyotp.TOTP(secret).at(time.time() + 30 * ahead)


def grey(png):
    """Width, height and grey bytes of a PNG as Chromium writes screenshots: eight bits, not interlaced."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    place, packed = 8, b""
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        kind, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content)
            assert depth == 8 and colour in (2, 6) and not interlaced
        packed += content if kind == b"IDAT" else b""
        place += 12 + length
    samples = 3 if colour == 2 else 4
    raw, stride, before, out = zlib.decompress(packed), width * samples, bytearray(width * samples), bytearray()
    for row in range(height):
        how, line = raw[row * (stride + 1)], bytearray(raw[row * (stride + 1) + 1 : (row + 1) * (stride + 1)])
        for i in range(stride):
            a, b = (line[i - samples] if i >= samples else 0), before[i]
            c = before[i - samples] if i >= samples else 0
            if how == 4:
                p = a + b - c
                guess = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            else:
                guess = (0, a, b, (a + b) // 2)[how]
            line[i] = line[i] + guess & 255
        out += bytes(sum(line[x * samples : x * samples + 3]) // 3 for x in range(width))
        before = line
    return width, height, bytes(out)


@pytest.fixture(scope="module")
def office(upstream, tmp_path_factory, chromium):  # noqa: F811
    """A gateway whose first administrator has set himself up in a browser without scripts, by scanning the QR code."""
    from gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("pages"), upstream.url)
    gateway.user = gateway.key("user")["secret"]
    gateway.start()
    context = chromium.new_context(java_script_enabled=False, accept_downloads=True)
    page = context.new_page()
    gateway.problems = []
    page.on("console", lambda message: gateway.problems.append(message.text) if message.type == "error" else None)
    page.goto(first_link(gateway))
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("text=Set password")
    page.click("text=Set up an authenticator app")
    # What a telephone's camera would read, by another implementation.
    from pyzbar import pyzbar

    width, height, pixels = grey(page.locator("svg.qr").screenshot())
    (found,) = pyzbar.decode((pixels, width, height))
    uri = urllib.parse.urlsplit(found.data.decode())
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp") and "admin" in uri.path
    secret = urllib.parse.parse_qs(uri.query)["secret"][0]
    assert secret == page.inner_text("#totp-secret")
    page.fill("#code", step_code(secret))
    page.click("text=Confirm")
    page.goto(f"http://localhost:{gateway.admin_port}/")
    gateway.page, gateway.secret, gateway.context = page, secret, context
    gateway.link = lambda text: page.click(f"nav >> text={text}")
    yield gateway
    context.close()
    gateway.stop()
    assert not [p for p in gateway.problems if "Content Security Policy" in p], gateway.problems


def row(page, text):
    return page.locator("tr", has_text=text)


def within(locator, summary, button):
    """Opens what is folded, and presses a button in it."""
    locator.locator("summary", has_text=summary).click()
    locator.locator("button", has_text=button).click()


def test_keys_are_made_rotated_and_revoked_with_forms(office):
    page = office.page
    office.link("Keys")
    page.fill("input[name=name]", HOSTILE)
    page.fill("input[name=deployments]", "local, gpt-4o")
    page.fill("input[name=expires]", "30d")
    page.click("text=Make it")
    first = page.inner_text("#secret")
    assert chat(office, first).status == 200 and chat(office, first, deployment="off").status == 401
    page.click("text=I have kept it")
    line = row(page, HOSTILE)
    assert "live" in line.inner_text() and "gpt-4o, local" in line.inner_text() and first not in page.content()
    within(line, "Rotate", "Make the next key")
    second = page.inner_text("#secret")
    assert second != first and chat(office, second).status == 200
    page.click("text=I have kept it")
    while (lines := row(page, HOSTILE).filter(has=page.locator("summary", has_text="Revoke"))).count():
        within(lines.first, "Revoke", "End it for good")
    assert chat(office, first).status == 401 and chat(office, second).status == 401
    made = office.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == "keys.create" and r["details"]["target"] == HOSTILE)
    assert made["principal"] == "local:admin" and first not in json.dumps(office.records())


def test_a_mistake_in_a_form_is_told_in_a_page(office):
    page = office.page
    office.link("Keys")
    page.fill("input[name=name]", "bad")
    page.fill("input[name=expires]", "soon")
    page.click("text=Make it")
    assert "'expires' is a span such as 30d" in page.inner_text("[role=alert]") and page.inner_text("#error-code") == "InvalidRequest"
    page.click("text=Go on")
    assert page.url.endswith(f":{office.admin_port}/")


def test_accounts_and_sessions_are_looked_after_with_forms(office):
    page = office.page
    office.link("Accounts")
    page.fill("input[name=name]", "ann")
    page.fill("input[name=displayName]", "Ann <Lee>")
    page.click("text=Make it")
    link = page.inner_text("#secret")
    browser = Browser(office, agent="ann/1")
    set_up(office, browser, link, "another long password")
    page.click("text=I have kept it")
    assert "password, authenticator app" in row(page, "Ann <Lee>").inner_text()
    office.link("Sessions")
    assert "this one" in row(page, "local:admin").first.inner_text()
    row(page, "local:ann").locator("button", has_text="End").click()
    assert browser.get("/api/whoami", headers=[("accept", "application/json")]).status == 401
    office.link("Accounts")
    within(row(page, "local:ann"), "Change", "Disable")
    assert "disabled" in row(page, "local:ann").inner_text()
    assert sign_in(Browser(office), "ann", "another long password").status == 401
    within(row(page, "local:ann"), "Change", "Let it sign in again")
    within(row(page, "local:ann"), "Change", "make a new link")
    set_up(office, Browser(office, agent="ann/2"), page.inner_text("#secret"), "a third long password")
    page.click("text=I have kept it")
    within(row(page, "local:ann"), "Delete", "Delete it for good")
    assert not row(page, "local:ann").count()


def test_roles_are_given_and_taken_and_somebody_is_disabled_with_forms(office):
    page = office.page
    made = office.key("bare", roles="usages-reader", principal="mesh:spiffe://corp/app")
    wait_for(lambda: "PermissionDenied" in chat(office, made["secret"]).body.decode(), "the key")
    office.link("Access")
    page.fill("input[name=principal] >> nth=0", "service:mesh:spiffe://corp/app")
    page.select_option("select[name=role]", "openai-user")
    page.fill("input[name=scope]", "/deployments/local")
    page.fill("input[name=note] >> nth=0", HOSTILE)
    page.click("text=Give it")
    assert HOSTILE in row(page, "service:mesh:spiffe://corp/app").inner_text()
    assert chat(office, made["secret"]).status == 200
    # A name with slashes, which no path can hold.
    page.locator("summary", has_text="Disable somebody").click()
    disable = page.locator("form[action='/access/disable']")
    disable.locator("input[name=principal]").fill("mesh:spiffe://corp/app")
    disable.locator("button").click()
    assert chat(office, made["secret"]).status == 401
    row(page, "mesh:spiffe://corp/app").last.locator("button", has_text="Enable").click()
    assert chat(office, made["secret"]).status == 200
    within(row(page, "service:mesh:spiffe://corp/app"), "Remove", "Take it away")
    assert chat(office, made["secret"]).status == 401


@pytest.fixture
def bob(office):
    """A second person, with a role that lets him ask for nothing by himself."""
    name = f"bob{len(office.records()) % 100_000}"
    made = office.command("accounts", "create", name, "--config", office.config)
    browser = Browser(office, agent=name)
    secret = set_up(office, browser, made.stdout.strip(), "another long password")
    browser.name = name
    sign = Browser(office, agent=name)
    sign_in(sign, name, "another long password", step_code(secret, 1))
    sign.name = name
    return sign


def test_a_role_is_taken_up_with_another_persons_approval_with_forms(office, bob):
    page = office.page
    office.link("Elevation")
    page.locator("summary", has_text="Let somebody take up a role").click()
    page.fill("input[name=principal]", f"user:local:{bob.name}")
    page.fill("input[name=role]", "security-reader")
    page.fill("input[name=maximumDuration]", "1h")
    page.click("text=Let him")
    assert api(bob, "GET", "/api/keys").status == 403
    assert b"up to 60 minutes; second factor; approval" in bob.get("/elevations").body
    asked = bob.post("/elevations", {"reason": f"case {HOSTILE}", "duration": "10m"})
    assert asked.status == 200 and b"pending" in asked.body and HOSTILE.encode() not in asked.body
    assert b"Approve" not in asked.body, "nobody is offered to approve himself"
    office.link("Elevation")
    row(page, f"case {HOSTILE}").locator("button", has_text="Approve").click()
    assert "active" in row(page, f"case {HOSTILE}").inner_text()
    assert api(bob, "GET", "/api/keys").status == 200
    row(page, f"case {HOSTILE}").locator("button", has_text="End").click()
    assert api(bob, "GET", "/api/keys").status == 403
    within(row(page, "up to 60 minutes"), "Remove", "Take it away")
    assert not row(page, "up to 60 minutes").count()


def test_a_review_runs_from_a_form_to_the_signed_record(office, bob):
    page = office.page
    doomed = shown(office, "access", "assignments", "add", "--principal", "user:zoe", "--role", "openai-user")["id"]
    office.link("Access reviews")
    page.fill("input[name=name]", "spring")
    page.fill("input[name=reviewers]", f"user:local:{bob.name}")
    page.fill("input[name=kinds]", "user")
    page.fill("input[name=roles]", "openai-user")
    page.check("input[name=removeUnanswered]")
    page.click("button:has-text('Begin')")
    assert "draft" in page.inner_text("dl") and "user:zoe" in page.content()
    assert b"spring" not in bob.get("/my/reviews").body
    page.locator("summary", has_text="having seen").click()
    page.click("button:has-text('Begin')")
    assert "open" in page.inner_text("dl")
    mine = bob.get("/my/reviews").body.decode()
    path = next(
        part.split('"')[0] for part in mine.split('action="')[1:] if part.startswith("/my/reviews/") and "user:zoe" in mine[: mine.index(part)].split("<tr>")[-1]
    )
    assert bob.post(path, {"decision": "remove", "reason": "left"}).status == 200
    page.reload()
    assert f"remove by user:local:{bob.name} left" in row(page, "user:zoe").first.inner_text()
    within(page.locator("main"), "End it before its time", "End it")
    # Such a review is carried out by itself when it is over.
    wait_for(lambda: page.reload() and "applied" in page.inner_text("dl"), "the decisions to be carried out", 30)
    assert "removed" in row(page, "user:zoe").first.inner_text()
    assert not [a for a in shown(office, "access", "assignments", "list") if a["id"] == doomed]
    with page.expect_download() as download:
        page.click("text=Download the signed record")
    file = office.directory / "review.txt"
    download.value.save_as(file)
    key = office.command("reviews", "export", "--key", "--config", office.config).stdout.strip()
    assert office.command("reviews", "verify", file, "--key", key).returncode == 0 and "left" in file.read_text()


def test_decisions_of_a_plain_review_are_carried_out_by_a_button(office, bob):
    page = office.page
    shown(office, "access", "assignments", "add", "--principal", "user:yan", "--role", "usages-reader")
    office.link("Access reviews")
    for field, text in {"name": "summer", "reviewers": f"user:local:{bob.name}", "kinds": "user", "roles": "usages-reader"}.items():
        page.fill(f"input[name={field}]", text)
    page.click("button:has-text('Begin')")
    assert "open" in page.inner_text("dl") and "is kept" in page.inner_text("dl")
    bob.get("/my/reviews")
    (path,) = re.findall(r'action="(/my/reviews/[^"]+)"', bob.page.body.decode())
    assert bob.post(path, {"decision": "remove"}).status == 200
    page.reload()
    within(page.locator("main"), "End it before its time", "End it")
    within(page.locator("main"), "Carry the decisions out", "Remove what is listed below")
    assert "removed" in row(page, "user:yan").first.inner_text() and "applied" in page.inner_text("dl")
    assert not [a for a in shown(office, "access", "assignments", "list") if a["principal"] == "user:yan"]


def test_a_request_of_a_data_subject_runs_from_own_page_to_the_signed_report(office, bob):
    page = office.page
    wrong = bob.post("/my/privacy/requests", {"kind": "nonsense"}) if bob.get("/my/privacy").status == 200 else None
    assert wrong.status == 400 and b"&#39;kind&#39; is one of" in wrong.body
    bob.get("/my/privacy")
    asked = bob.post("/my/privacy/requests", {"kind": "rectification", "detail": HOSTILE})
    assert asked.status == 200 and b"received" in asked.body
    office.link("Privacy requests")
    row(page, f"local:{bob.name}").locator("a").click()
    assert HOSTILE in page.inner_text("dl")
    page.fill("input[name=method]", "identity card seen")
    page.click("text=The identity is checked")
    page.click("text=Look through every store")
    assert row(page, "account").count() and "identity card seen, checked by local:admin" in page.inner_text("dl")
    page.locator("summary", has_text="Do what was asked for").click()
    page.fill("input[name=field]", "account.password_hash")
    page.fill("input[name=value]", "x")
    page.click("text=Do it, and download")
    assert "cannot be put right" in page.inner_text("[role=alert]")
    page.go_back()
    page.locator("summary", has_text="Do what was asked for").click()
    page.fill("input[name=field]", "account.display_name")
    page.fill("input[name=value]", "Bob Leigh")
    with page.expect_download() as download:
        page.click("text=Do it, and download")
    file = office.directory / "report.txt"
    download.value.save_as(file)
    assert '"corrected"' in file.read_text()
    page.reload()
    assert "done" in page.inner_text("dl") and "display_name was put right" in page.content()
    assert "Bob Leigh" in office.command("accounts", "list", "--config", office.config).stdout
    assert b"done" in bob.get("/my/privacy").body


def test_changes_wait_for_a_second_person_in_a_page(make_gateway):
    gateway = make_gateway(lambda tree: tree.setdefault("access", {}).update(fourEyes=["policies"]))
    admin = Browser(gateway, agent="admin/1")
    set_up(gateway, admin, first_link(gateway))
    one = gateway.key("one", roles="administrator", principal="one")["secret"]
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=one).status == 200, "the key")
    document = {"name": "Mine", "properties": {"mode": "Default", "basePolicyName": "Microsoft.Default", "contentFilters": []}}
    change = admin_call(gateway, "PUT", "/api/policies/Mine", document, key=one).json()["id"]
    assert f"/changes/{change}".encode() in admin.get("/changes").body
    assert b"&quot;Microsoft.Default&quot;" in admin.get(f"/changes/{change}").body
    assert b"applied" in admin.post(f"/changes/{change}/approve").body
    assert admin_call(gateway, "GET", "/api/policies/Mine", key=one).json() == document
    own = api(admin, "PUT", "/api/policies/Mine", document).json()["id"]
    assert b"Let it happen" not in admin.get(f"/changes/{own}").body, "nobody is offered to approve his own change"
    assert admin.post(f"/changes/{own}/approve").status == 403


def test_pages_show_what_the_caller_may_ask_and_nothing_else(office, bob):
    start = bob.get("/").body.decode()
    links = set(re.findall(r'href="(/[a-z/]+)"', start))
    assert {"/elevations", "/my/reviews", "/my/privacy"} <= links and not {"/keys", "/accounts", "/reviews", "/privacy", "/access"} & links
    for path in ["/keys", "/accounts", "/sessions", "/access", "/reviews", "/privacy", "/changes"]:
        denied = bob.get(path)
        assert denied.status == 403 and b"AuthorizationFailed" in denied.body and denied.header("content-type").startswith("text/html")
    bob.get("/my/privacy")
    for path in ["/keys", "/accounts", "/accounts/admin/link", "/access", "/access/disable", "/reviews", "/privacy", "/elevations/eligible"]:
        denied = bob.post(path, {"name": "x", "principal": "user:x", "role": "openai-user"})
        assert denied.status == 403 and b"AuthorizationFailed" in denied.body, path
        bob.get("/my/privacy")


def test_attack_forms_of_other_sites_change_nothing_on_any_page(office):
    """Every page that writes, from another origin, without the token, and with a wrong one."""
    from test_access import matrix

    browser = Browser(office)
    sign_in(browser, "admin", code=step_code(office.secret, 1))
    assert browser.session()
    pages = [r for r in matrix("console") if r["method"] == "POST" and not r["path"].startswith(("/api/", "/scim/", "/signin", "/setup"))]
    assert len(pages) > 30
    form = ("content-type", "application/x-www-form-urlencoded")
    for entry in pages:
        path = "/".join("x" if part.startswith("{") else part for part in entry["path"].split("/"))
        for body, headers in [(b"", []), (b"csrf=" + b"x" * 43, []), (b"", [("origin", "https://evil.example")])]:
            answer = browser.send("POST", path, body, headers=[form, *headers], follow=False)
            assert answer.status == 403 and b"CrossSiteRequest" in answer.body, (path, answer.status, answer.body)
