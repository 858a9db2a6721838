"""A real OpenID provider that is none of ours, Glewlwyd: its discovery, keys, access tokens and code flow with PKCE."""

import time
import urllib.parse

import pytest

import glewlwyd
from console import Browser
from gateway import free_port
from test_access import chat, wait_for
from test_signin import api, begin, code

pytestmark = pytest.mark.skipif(not glewlwyd.IS_HERE, reason="glewlwyd is not installed: scripts/setup.sh tests installs it")
PASSWORD = "ann's long password"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    made = glewlwyd.Glewlwyd(tmp_path_factory.mktemp("glewlwyd"), free_port(), {"ann": PASSWORD})
    yield made
    made.stop()


@pytest.fixture
def gateway(make_gateway, provider):
    def change(tree):
        tree["identity"] = {
            "issuers": {
                "idp": {
                    "issuer": provider.issuer, "audiences": ["models"],
                    "signIn": {"clientId": provider.CLIENT, "clientSecret": provider.SECRET, "scopes": ["openid"], "secondFactor": "trusted"},
                }
            }
        }  # fmt: skip
        tree["access"] = {"assignments": [{"principal": "service:idp:sallyport", "role": "openai-user"}]}

    gateway = make_gateway(change)
    provider.allow(f"http://localhost:{gateway.admin_port}/signin/callback")
    return gateway


def bearer(token):
    return [("authorization", f"Bearer {token}")]


def test_a_service_calls_with_its_access_token_until_it_is_disabled(gateway, provider):
    token = provider.token()
    answer = chat(gateway, None, headers=bearer(token))
    assert answer.status == 200, answer.body
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == "idp:sallyport")
    assert record["details"]["credential"] == "token" and record["details"]["grant"].startswith("assignment:")
    head, claims, signature = token.split(".")
    for forged in (f"{head}.{claims}.{signature[:-4]}AAAA", f"{head}.{claims[:-2]}AA.{signature}", f"{head}.{claims}."):
        assert chat(gateway, None, headers=bearer(forged)).status == 401
    assert gateway.command("access", "principals", "disable", "idp:sallyport", "--config", gateway.config).returncode == 0
    began = time.monotonic()
    wait_for(lambda: chat(gateway, None, headers=bearer(token)).status == 401, "the disabling", 2)
    assert time.monotonic() - began < 1


def test_a_person_signs_in_with_the_code_flow(gateway, provider):
    browser = Browser(gateway)
    url = begin(browser)
    assert url.startswith(f"{provider.issuer}/auth?")
    back = urllib.parse.urlsplit(provider.sign_in(url, "ann", PASSWORD))
    assert back.netloc == f"localhost:{gateway.admin_port}", back
    browser.get(f"{back.path}?{back.query}")
    assert browser.page.status == 200 and browser.session(), (browser.page.body, gateway.log()[-2000:])
    who = api(browser, "GET", "/api/whoami").json()
    assert who["principal"].startswith("idp:") and {"fed", "mfa"} <= set(who["methods"])
    assert code(api(browser, "GET", "/api/keys")) == "AuthorizationFailed"
    # The answer is taken once, and only by the browser that asked.
    assert code(browser.get(f"{back.path}?{back.query}", follow=False)) == "SignInExpired"
    stolen = urllib.parse.urlsplit(provider.sign_in(begin(Browser(gateway)), "ann", PASSWORD))
    victim = Browser(gateway)
    begin(victim)
    assert code(victim.get(f"{stolen.path}?{stolen.query}", follow=False)) == "CrossSiteRequest"
