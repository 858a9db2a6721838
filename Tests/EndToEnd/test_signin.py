"""Signing in: accounts, codes, passkeys, identity providers, sessions; and the attacks on all of it, each by name."""

import json
import re
import time
import urllib.parse

import pyotp
import pytest

from console import Browser, admin_call, totp
from issuer import Issuer
from test_access import wait_for

PASSWORD = "correct horse battery"


def code(answer):
    """What went wrong, as programs and pages are told."""
    told = re.search(rb'id="error-code">(\w+)<', answer.body)
    return told.group(1).decode() if told else answer.json()["error"]["code"]


def first_link(gateway):
    return (gateway.data / "first-administrator-link").read_text().strip()


def set_up(gateway, browser, link, password=PASSWORD):
    """Uses a one-time link, and sets up an authenticator app. Returns its key."""
    target = urllib.parse.urlsplit(link)
    assert browser.get(f"{target.path}?{target.query}").status == 200, browser.page.body
    browser.post("/setup", {"password": password, "again": password})
    assert browser.page.status == 200 and b"Second factors" in browser.page.body, browser.page.body
    browser.post("/account/totp")
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', browser.page.body.decode()).group(1)
    browser.post("/account/totp/confirm", {"code": totp(secret)})
    assert browser.page.status == 200, browser.page.body
    return secret


def next_code(secret):
    """The code of the next step: one step off is accepted, and the present one was used already."""
    return pyotp.TOTP(secret).at(time.time() + 30)


def sign_in(browser, name, password=PASSWORD, code=None):
    browser.get("/signin")
    browser.post("/signin/password", {"name": name, "password": password})
    if code:
        browser.post("/signin/code", {"code": code})
    return browser.page


@pytest.fixture(scope="module")
def signed(upstream, tmp_path_factory):
    """A gateway whose first administrator has set himself up."""
    from gateway import Gateway

    gateway = Gateway(tmp_path_factory.mktemp("signin"), upstream.url)
    gateway.start()
    gateway.browser = Browser(gateway)
    gateway.secret = set_up(gateway, gateway.browser, first_link(gateway))
    gateway.codes = list(gateway.browser.post("/account/recovery").body.decode().split("<code>")[1:])
    gateway.codes = [c.split("<")[0] for c in gateway.codes]
    gateway.browser.get("/account")
    yield gateway
    gateway.stop()


def api(browser, method, target, body=None, token=True, **options):
    """As a script of the site would: with the cookie, and the token of the page."""
    headers = [("content-type", "application/json")] if body is not None else []
    if token:
        page = browser.page.body.decode() if browser.page else ""
        found = re.search(r'name="csrf" (?:content|value)="([^"]+)"', page)
        if not found:
            browser.get("/account")
            found = re.search(r'name="csrf" (?:content|value)="([^"]+)"', browser.page.body.decode())
        headers.append(("x-sallyport-csrf", found.group(1)))
    keep = browser.page
    answer = browser.send(method, target, json.dumps(body).encode() if body is not None else b"", headers=headers, follow=False, **options)
    browser.page = keep
    return answer


# --- The first start -----------------------------------------------------------------------------------------------------------------------


def test_the_first_start_makes_one_administrator_by_a_one_time_link(make_gateway):
    gateway = make_gateway()
    file = gateway.data / "first-administrator-link"
    assert file.stat().st_mode & 0o777 == 0o600
    link = first_link(gateway)
    assert link.startswith(f"http://localhost:{gateway.admin_port}/setup?link=") and link.split("=")[1] not in gateway.log()
    browser = Browser(gateway)
    target = "/setup?" + urllib.parse.urlsplit(link).query
    browser.get(target)
    for password in ["short", "aaaaaaaaaaaaaaaa", "admin-admin-12345"]:
        assert browser.post("/setup", {"password": password, "again": password}).status == 400
    assert browser.post("/setup", {"password": PASSWORD, "again": PASSWORD + "x"}).status == 400
    # Until there is a second factor, the session can do nothing else.
    browser.post("/setup", {"password": PASSWORD, "again": PASSWORD})
    assert browser.session() and code(api(browser, "GET", "/api/keys")) == "MfaRequired"
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', browser.post("/account/totp").body.decode()).group(1)
    before = browser.session()
    browser.post("/account/totp/confirm", {"code": totp(secret)})
    assert browser.session() != before, "the session did not change with what it may do"
    assert api(browser, "GET", "/api/keys").status == 200
    assert "administrator" in json.dumps(api(browser, "GET", "/api/role-assignments").json())
    # Once.
    assert Browser(gateway).get(target).status == 404 and not file.exists()
    gateway.stop()
    gateway.start()
    assert not file.exists()
    for act in ["accounts.first-administrator", "accounts.setup", "accounts.totp.add", "session.create"]:
        gateway.wait_for_record(lambda r: r["type"] == "admin.act" and r["operation"] == act)
    assert PASSWORD not in json.dumps(gateway.records()) + gateway.log() and secret not in json.dumps(gateway.records()) + gateway.log()


# --- Local accounts ------------------------------------------------------------------------------------------------------------------------


def test_password_and_code_sign_in_and_a_code_works_once(signed):
    browser = Browser(signed)
    fresh = next_code(signed.secret)
    sign_in(browser, "admin", code=fresh)
    assert browser.page.status == 200 and b"Signed in as" in browser.page.body
    who = api(browser, "GET", "/api/whoami").json()
    assert who["principal"] == "local:admin" and {"pwd", "otp", "mfa"} <= set(who["methods"]) and "Sallyport/keys/write" in who["actions"]
    again = sign_in(Browser(signed), "admin", code=fresh)
    assert again.status == 401 and b"used already" in again.body


def test_a_recovery_code_works_once(signed):
    browser = Browser(signed)
    sign_in(browser, "admin", code=signed.codes[0].lower())
    assert b"Signed in as" in browser.page.body
    assert sign_in(Browser(signed), "admin", code=signed.codes[0]).status == 401
    assert len(signed.codes) == 10 and len(set(signed.codes)) == 10


def test_wrong_names_and_wrong_passwords_answer_alike(signed):
    known, unknown = Browser(signed), Browser(signed)
    a, b = sign_in(known, "admin", "wrong password 1"), sign_in(unknown, "nobody-here", "wrong password 1")
    strip = lambda page: re.sub(rb'value="[^"]*"|content="[^"]*"', b"", page.body)
    assert a.status == b.status == 401 and strip(a) == strip(b)


def test_an_account_that_is_guessed_at_is_locked_with_back_off_and_opens_by_itself(make_gateway):
    gateway = make_gateway()
    browser = Browser(gateway)
    set_up(gateway, browser, first_link(gateway))
    guesser = Browser(gateway)
    statuses = []
    while len(statuses) < 10 and 429 not in statuses:
        statuses.append(sign_in(guesser, "admin", f"wrong password {len(statuses)}").status)
    assert len(statuses) > 5 and statuses[:5] == [401] * 5 and statuses[-1] == 429, statuses
    assert int(guesser.page.header("retry-after")) >= 1
    # Not for good: after the wait the right password is taken.
    wait_for(lambda: b"Code of your authenticator" in sign_in(guesser, "admin", PASSWORD).body, "the end of the lock", 40)
    assert gateway.records(lambda r: r["type"] == "auth.refused" and r["details"].get("reason") == "locked")


def test_sessions_are_listed_revoked_and_end_with_the_account(signed):
    helper = api(signed.browser, "POST", "/api/accounts", {"name": "helper"})
    assert helper.status == 201, helper.body
    browser = Browser(signed, agent="helper/1")
    set_up(signed, browser, helper.json()["link"], "another long password")
    assert api(browser, "GET", "/api/whoami").json()["actions"] == []
    assert api(browser, "GET", "/api/keys").status == 403
    listed = api(signed.browser, "GET", "/api/sessions").json()["value"]
    own = next(s for s in listed if s["principal"] == "local:helper")
    assert api(signed.browser, "DELETE", f"/api/sessions/{own['id']}").status == 204
    assert browser.get("/api/whoami", headers=[("accept", "application/json")]).status == 401
    other = Browser(signed, agent="helper/2")
    link = api(signed.browser, "POST", "/api/accounts/helper/link").json()["link"]
    set_up(signed, other, link, "a third long password")
    assert api(other, "GET", "/api/whoami").status == 200
    assert api(signed.browser, "POST", "/api/accounts/helper/disable").status == 204
    assert api(other, "GET", "/api/whoami", token=False).status in (401, 303)
    assert sign_in(Browser(signed), "helper", "a third long password").status == 401


def test_the_command_line_makes_accounts_and_ends_sessions(signed):
    made = signed.command("accounts", "create", "typist", "--display-name", "Typist", "--config", signed.config)
    assert made.returncode == 0 and f"http://localhost:{signed.admin_port}/setup?link=" in made.stdout, made.stderr
    browser = Browser(signed)
    set_up(signed, browser, made.stdout.strip(), "yet another password")
    listed = json.loads(signed.command("accounts", "list", "--config", signed.config, "--json").stdout)
    assert next(a for a in listed if a["name"] == "typist")["totp"] is True
    assert "local:typist" in signed.command("accounts", "sessions", "--config", signed.config).stdout
    assert signed.command("accounts", "end-sessions", "local:typist", "--config", signed.config).returncode == 0
    assert api(browser, "GET", "/api/whoami", token=False).status in (401, 303)
    for arguments in (["disable", "typist"], ["enable", "typist"], ["unlock", "typist"], ["delete", "typist"]):
        assert signed.command("accounts", *arguments, "--config", signed.config).returncode == 0
    assert signed.command("accounts", "create", "Not A Name", "--config", signed.config).returncode != 0


def test_the_command_line_signs_in_by_a_code_typed_in_a_browser(signed, tmp_path):
    import subprocess

    from gateway import BINARY

    environment = {**signed.environment, "SALLYPORT_SESSION": str(tmp_path / "session.json")}
    run = lambda *words: subprocess.run([str(BINARY), *words], capture_output=True, text=True, timeout=30, env=environment)
    login = subprocess.Popen(
        [str(BINARY), "login", "--url", f"http://127.0.0.1:{signed.admin_port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    line = login.stdout.readline()
    typed = re.search(r"code ([A-Z]{4}-[A-Z]{4})", line).group(1)
    signed.browser.get("/device")
    assert signed.browser.post("/device", {"code": "BBBB-BBBB", "decision": "allow"}).status == 400
    assert b"signed in now" in signed.browser.post("/device", {"code": typed.lower(), "decision": "allow"}).body
    out, error = login.communicate(timeout=20)
    assert login.returncode == 0 and "Signed in as local:admin" in out, error
    assert (tmp_path / "session.json").stat().st_mode & 0o777 == 0o600
    assert json.loads(run("whoami").stdout)["principal"] == "local:admin"
    assert "value" in run("call", "GET", "/api/keys").stdout
    assert "ResourceNotFound" in run("call", "GET", "/api/nothing").stderr
    token = json.loads((tmp_path / "session.json").read_text())["token"]
    assert run("logout").returncode == 0 and not (tmp_path / "session.json").exists()
    assert admin_call(signed, "GET", "/api/whoami", headers=[("authorization", f"Bearer {token}"), ("user-agent", "sallyport-cli")]).status == 401
    signed.browser.get("/account")


def test_a_program_is_not_let_in_by_a_session_that_is_over(signed):
    browser = Browser(signed)
    sign_in(browser, "admin", code=signed.codes[5])
    begun = admin_call(signed, "POST", "/api/device", {"client": "x"}).json()
    browser.get("/device")
    assert b"signed in now" in browser.post("/device", {"code": begun["userCode"], "decision": "allow"}).body
    browser.get("/")
    browser.post("/signout")
    taken = admin_call(signed, "POST", "/api/device/token", {"deviceCode": begun["deviceCode"]})
    assert taken.status == 401, taken.body


def test_a_key_that_is_being_set_up_is_no_sign_in(signed):
    """What waits for an authenticator's first code is known to the page; it must not stand for a password that was shown."""
    browser = Browser(signed)
    sign_in(browser, "admin", code=signed.codes[6])
    browser.get("/account")
    browser.post("/account/totp")
    setup = browser.fields()["setup"]
    thief = Browser(signed)
    thief.cookies = {"sallyport-signin": setup}
    assert thief.get("/signin/second", follow=False).status == 303


# --- Attacks --------------------------------------------------------------------------------------------------------------------------------


def test_attack_token_replay_after_logout(signed):
    browser = Browser(signed)
    sign_in(browser, "admin", code=signed.codes[1])
    stolen = dict(browser.cookies)
    assert api(browser, "GET", "/api/whoami").status == 200
    browser.get("/")
    browser.post("/signout")
    assert browser.session() is None
    browser.cookies = stolen
    assert admin_call(
        signed, "GET", "/api/whoami", headers=[("cookie", "; ".join(f"{n}={v}" for n, v in stolen.items())), ("user-agent", browser.agent)], host=browser.host
    ).status == 401  # fmt: skip


def test_attack_session_fixation(signed):
    """A session or sign-in that an attacker put into a browser is not the one that comes out."""
    attacker = Browser(signed)
    attacker.get("/signin")
    planted = {**attacker.cookies, "sallyport-session": "sps_" + "A" * 43}
    victim = Browser(signed)
    victim.cookies = dict(planted)
    sign_in(victim, "admin", code=signed.codes[2])
    assert victim.session() and victim.session() != planted["sallyport-session"]
    attacker.cookies = planted
    assert attacker.get("/api/whoami", headers=[("accept", "application/json")], follow=False).status in (401, 303)
    # The sign-in's own cookie is used up.
    assert admin_call(
        signed, "GET", "/signin/second", headers=[("cookie", f"sallyport-signin={planted['sallyport-signin']}"), ("user-agent", "x")],
        host=victim.host,
    ).status == 303  # fmt: skip


def test_attack_csrf(signed):
    """Nothing that comes with the cookie alone changes anything, whatever page it is sent from."""
    browser = signed.browser
    body = {"name": "csrf"}
    assert code(api(browser, "POST", "/api/keys", body, token=False)) == "CrossSiteRequest"
    cookie = [("cookie", f"sallyport-session={browser.session()}"), ("user-agent", browser.agent), ("content-type", "application/json")]
    token = re.search(r'name="csrf" content="([^"]+)"', browser.get("/account").body.decode()).group(1)
    for extra in [
        [("origin", "https://evil.example"), ("x-sallyport-csrf", token)], [("origin", "null"), ("x-sallyport-csrf", token)],
        [("sec-fetch-site", "cross-site"), ("x-sallyport-csrf", token)], [("x-sallyport-csrf", "x" * 43)], [("x-sallyport-csrf", "")], [],
    ]:  # fmt: skip
        assert code(admin_call(signed, "POST", "/api/keys", body, headers=cookie + extra, host=browser.host)) == "CrossSiteRequest", extra
    assert api(browser, "POST", "/api/keys", body).status == 201
    # A form of another site, signing the victim in as the attacker.
    other = Browser(signed)
    other.get("/signin")
    fields = {**other.fields(), "name": "admin", "password": PASSWORD}
    victim = Browser(signed)
    victim.get("/signin")
    assert code(victim.post("/signin/password", fields, token=False)) == "CrossSiteRequest"
    assert code(other.post("/signin/password", fields, headers=[("content-type", "application/x-www-form-urlencoded"), ("origin", "https://evil.example")])) == "CrossSiteRequest"


def test_attack_host_header_on_the_console(signed):
    """A name that the surface does not bear is not served to browsers, and never comes back in an answer."""
    for host in ["evil.example", f"evil.example:{signed.admin_port}", "localhost", f"localhost:{signed.admin_port}.evil.example"]:
        answer = admin_call(signed, "GET", "/signin", host=host)
        assert answer.status == 421 and b"evil" not in answer.body
        cookie = [("cookie", f"sallyport-session={signed.browser.session()}"), ("user-agent", signed.browser.agent)]
        assert admin_call(signed, "GET", "/api/whoami", headers=cookie, host=host).status == 421
    made = admin_call(signed, "GET", "/signin", headers=[("x-forwarded-host", "evil.example")], host=signed.browser.host)
    assert made.status == 200 and b"evil" not in made.raw_head + made.body


def test_attack_stolen_session_from_another_browser(signed):
    stolen = [("cookie", f"sallyport-session={signed.browser.session()}"), ("user-agent", "another browser")]
    assert admin_call(signed, "GET", "/api/whoami", headers=stolen, host=signed.browser.host).status == 401
    assert api(signed.browser, "GET", "/api/whoami").status == 200, "the owner lost his session to the thief"


def test_attack_sql_injection_at_sign_in(signed):
    for text in ["' OR '1'='1", "admin'--", "admin'; DROP TABLE account; --", "' UNION SELECT password_hash FROM account --"]:
        assert sign_in(Browser(signed), text, text).status in (401, 429)
        assert Browser(signed).get("/setup?link=" + urllib.parse.quote(text)).status == 404
    assert any(a["name"] == "admin" for a in api(signed.browser, "GET", "/api/accounts").json()["value"])


def test_attack_log_forging_at_sign_in(signed):
    browser = Browser(signed)
    sign_in(browser, 'x\r\n{"type":"admin.act","operation":"forged"}', "y" * 20)
    time.sleep(0.3)
    assert not [r for r in signed.records() if r.get("operation") == "forged"]
    assert "forged" not in signed.log()


def test_attack_markup_in_names_is_shown_as_text(signed):
    text = "<script>alert(1)</script>\"'><img src=x>"
    made = api(signed.browser, "POST", "/api/accounts", {"name": "markup", "displayName": text})
    browser = Browser(signed)
    set_up(signed, browser, made.json()["link"], "some other password")
    page = browser.get("/").body
    assert b"<script>alert" not in page and b"<img src=x" not in page and b"&lt;script&gt;" in page
    policy = browser.page.header("content-security-policy")
    assert "script-src 'self'" in policy and "unsafe" not in policy and b"<script>" not in page and b"onclick" not in page


# --- An identity provider ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def provider():
    """A provider from PyPI with real discovery, keys, code flow and PKCE."""
    import socket
    import threading

    import oidc_provider_mock
    from werkzeug.serving import make_server

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    app = oidc_provider_mock.app()
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{port}"
    server.shutdown()


@pytest.fixture
def federated(make_gateway, provider):
    import httpx

    httpx.put(f"{provider}/users/ann", json={"name": "Ann", "email": "ann@example.org"})

    def change(tree):
        tree["identity"] = {
            "issuers": {
                "idp": {
                    "issuer": provider, "audiences": ["api"],
                    "signIn": {"clientId": "sallyport", "clientSecret": "s3cret", "title": "Our provider", "secondFactor": "trusted"},
                }
            }
        }  # fmt: skip
        tree["access"] = {"assignments": [{"principal": "user:idp:ann", "role": "auditor"}]}

    return make_gateway(change)


def at_provider(url, user="ann"):
    """What the person does at the provider; returns where it sends the browser back to."""
    import httpx

    answer = httpx.post(url, data={"sub": user}, follow_redirects=False)
    assert answer.status_code in (302, 303), answer.text
    return answer.headers["location"]


def begin(browser):
    started = browser.get("/signin/provider/idp", follow=False)
    assert started.status == 303, started.body
    return started.header("location")


def test_people_of_an_issuer_sign_in_with_the_code_flow_and_pkce(federated, provider):
    browser = Browser(federated)
    assert b"Sign in with Our provider" in browser.get("/signin").body
    url = begin(browser)
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    assert url.startswith(provider) and asked["code_challenge_method"] == "S256" and asked["response_type"] == "code" and len(asked["nonce"]) >= 43
    back = urllib.parse.urlsplit(at_provider(url))
    assert f"{back.scheme}://{back.netloc}" == f"http://localhost:{federated.admin_port}"
    browser.get(f"{back.path}?{back.query}")
    assert browser.page.status == 200 and browser.session(), browser.page.body
    who = api(browser, "GET", "/api/whoami").json()
    assert who["principal"] == "idp:ann" and who["name"] == "Ann" and "Sallyport/keys/read" in who["actions"]
    assert api(browser, "GET", "/api/keys").status == 200
    assert api(browser, "POST", "/api/keys", {"name": "k"}).status == 403
    # The answer is taken once.
    assert code(browser.get(f"{back.path}?{back.query}", follow=False)) == "SignInExpired"


def test_whoever_must_sign_in_anew_is_asked_by_his_provider_too(federated):
    """A provider that still knows somebody would else send him back as he came, and the policy would never be content."""
    browser = Browser(federated)
    back = urllib.parse.urlsplit(at_provider(begin(browser)))
    browser.get(f"{back.path}?{back.query}")
    wanted = {"state": "enabled", "conditions": {"users": {"includeUsers": ["All"]}}, "sessionControls": {"signInFrequency": "1s"}}
    admin = federated.key("root", roles="administrator")["secret"]
    wait_for(lambda: admin_call(federated, "PUT", "/api/conditional-access/policies/fresh", wanted, key=admin).status == 200, "the policy")
    time.sleep(2.1)
    refused = browser.get("/keys")
    assert refused.status == 401 and code(refused) == "InsufficientClaims" and b'href="/signin?fresh=1"' in refused.body, refused.body
    assert b'href="/signin/provider/idp?fresh=1"' in browser.get("/signin?fresh=1").body
    url = browser.get("/signin/provider/idp?fresh=1", follow=False).header("location")
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    assert asked["prompt"] == "login" and asked["max_age"] == "0"
    assert "prompt" not in begin(browser)
    held = browser.session()
    back = urllib.parse.urlsplit(at_provider(browser.get("/signin/provider/idp?fresh=1", follow=False).header("location")))
    assert browser.get(f"{back.path}?{back.query}").status == 200 and browser.session() != held


def test_attack_a_code_for_another_browser_is_not_taken(federated):
    attacker, victim = Browser(federated), Browser(federated)
    back = urllib.parse.urlsplit(at_provider(begin(attacker)))
    begin(victim)
    assert code(victim.get(f"{back.path}?{back.query}", follow=False)) == "CrossSiteRequest"
    assert victim.session() is None
    assert code(Browser(federated).get(f"{back.path}?{back.query}", follow=False)) == "SignInExpired"


def test_without_a_second_factor_a_provider_lets_nobody_administer(make_gateway, provider):
    def change(tree):
        tree["identity"] = {"issuers": {"idp": {"issuer": provider, "audiences": ["api"], "signIn": {"clientId": "sallyport", "clientSecret": "s"}}}}
        tree["access"] = {"assignments": [{"principal": "user:idp:bob", "role": "administrator"}]}

    gateway = make_gateway(change)
    browser = Browser(gateway)
    back = urllib.parse.urlsplit(at_provider(begin(browser), "bob"))
    browser.get(f"{back.path}?{back.query}")
    assert code(api(browser, "GET", "/api/keys")) == "MfaRequired"


def test_a_session_that_has_shown_one_factor_uses_no_right_and_decides_nothing(make_gateway):
    """Neither by an action, nor where it is named as approver or reviewer, nor by taking a role up that asks for no factor itself."""
    gateway = make_gateway()
    admin = gateway.key("root", roles="administrator")["secret"]
    links = {name: gateway.command("accounts", "create", name, "--config", gateway.config).stdout.strip() for name in ("ann", "bob")}
    wait_for(lambda: admin_call(gateway, "GET", "/api/whoami", key=admin).status == 200, "the key")
    made = lambda *call: admin_call(gateway, "POST", *call, key=admin).json()  # noqa: E731
    made("/api/role-assignments", {"principal": "user:local:bob", "role": "access-administrator"})
    free = made("/api/elevations/eligible", {"principal": "user:local:bob", "role": "auditor", "needsApproval": False, "needsMfa": False})["id"]
    named = {"principal": "user:local:ann", "role": "security-operator", "approvers": ["user:local:bob"]}
    eligible = made("/api/elevations/eligible", named)["id"]
    review = made("/api/reviews", {"name": "spring", "reviewers": ["user:local:bob"], "kinds": ["key"]})
    ann, bob = Browser(gateway, agent="ann/1"), Browser(gateway, agent="bob/1")
    set_up(gateway, ann, links["ann"], "another long password")
    asked = api(ann, "POST", "/api/elevations", {"eligible": eligible, "reason": "case 17"})
    assert asked.status == 202, asked.body
    target = urllib.parse.urlsplit(links["bob"])
    bob.get(f"{target.path}?{target.query}")
    bob.post("/setup", {"password": PASSWORD, "again": PASSWORD})
    assert bob.session() and api(bob, "GET", "/api/whoami").json()["actions"] == []
    item = f"/api/my/reviews/{review['id']}/items/{review['items'][0]['id']}"
    for method, path, body in [
        ("GET", "/api/keys", None), ("POST", f"/api/elevations/{asked.json()['id']}/approve", {}), ("POST", f"/api/elevations/{asked.json()['id']}/deny", {}),
        ("POST", f"/api/elevations/{asked.json()['id']}/end", {}), ("POST", "/api/elevations", {"eligible": free, "reason": "case 18"}),
        ("POST", item, {"decision": "remove"}),
    ]:  # fmt: skip
        answer = api(bob, method, path, body)
        assert answer.status == 403 and code(answer) == "MfaRequired", (path, answer.status, answer.body)
    bob.get("/account")
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', bob.post("/account/totp").body.decode()).group(1)
    bob.post("/account/totp/confirm", {"code": totp(secret)})
    assert api(bob, "POST", f"/api/elevations/{asked.json()['id']}/approve", {}).status == 200
    assert api(bob, "POST", "/api/elevations", {"eligible": free, "reason": "case 18"}).status == 201
    assert api(bob, "POST", item, {"decision": "remove"}).status == 200


# --- Passkeys in a real browser ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium():
    import shutil

    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "chromium is needed: scripts/setup.sh tests installs it"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def test_a_passkey_is_made_and_signs_in_in_a_real_browser(make_gateway, chromium):
    gateway = make_gateway()
    context = chromium.new_context()
    page = context.new_page()
    problems = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    authenticator = devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {"options": {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
                     "automaticPresenceSimulation": True}},
    )["authenticatorId"]  # fmt: skip
    page.goto(first_link(gateway))
    page.fill("#password", PASSWORD)
    page.fill("#again", PASSWORD)
    page.click("text=Set password")
    page.wait_for_url("**/account")
    page.fill("#passkey-name", "Virtual key")
    page.click("#passkey-register")
    page.wait_for_selector("td:has-text('Virtual key')")
    page.goto(f"http://localhost:{gateway.admin_port}/")
    page.click("text=Sign out")
    page.wait_for_url("**/signin")
    page.click("#passkey-signin")
    page.wait_for_selector("text=Signed in as")
    who = page.evaluate("fetch('/api/whoami').then((answer) => answer.json())")
    assert who["principal"] == "local:admin" and {"hwk", "mfa"} <= set(who["methods"]) and "pwd" not in who["methods"]
    # An authenticator that goes back in its count is a copy: refused.
    known = devtools.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"][0]
    page.goto(f"http://localhost:{gateway.admin_port}/")
    page.click("text=Sign out")
    page.wait_for_url("**/signin")
    devtools.send("WebAuthn.removeCredential", {"authenticatorId": authenticator, "credentialId": known["credentialId"]})
    devtools.send("WebAuthn.addCredential", {"authenticatorId": authenticator, "credential": {**known, "signCount": 0}})
    page.click("#passkey-signin")
    page.wait_for_selector("#passkey-problem:not([hidden])")
    assert "not accepted" in page.inner_text("#passkey-problem")
    gateway.wait_for_record(lambda r: r["type"] == "auth.refused" and r["details"].get("reason") == "passkey: counter")
    assert not [p for p in problems if "Content Security Policy" in p], problems
    context.close()


def test_people_of_an_issuer_sign_in_in_a_real_browser(federated, provider, chromium):
    """The way over another site and back: the browser sends the session's strict cookie on the page after it."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"http://localhost:{federated.admin_port}/signin")
    page.click("text=Sign in with Our provider")
    page.wait_for_url(f"{provider}/**")
    page.fill("input[name=sub]", "ann")
    page.click("button:has-text('Authorize')")
    page.wait_for_selector("text=Signed in as")
    assert page.url == f"http://localhost:{federated.admin_port}/"
    who = page.evaluate("fetch('/api/whoami').then((answer) => answer.json())")
    assert who["principal"] == "idp:ann"
    page.click("text=Sign out")
    page.wait_for_url("**/signin")
    context.close()
