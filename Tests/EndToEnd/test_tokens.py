"""Tokens of an issuer on the data plane: discovery, keys, rotation, claims, revocation; and the attacks on all of it, by name."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from joserfc.jwk import RSAKey
from openai import AuthenticationError, AzureOpenAI

from gateway import API, free_port
from issuer import AUDIENCE, CHAT_ACTION, Issuer, b64, make_key

BODY = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}


@pytest.fixture(scope="module")
def issuer():
    made = Issuer()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def gateway(issuer, upstream, tmp_path_factory):
    from gateway import Gateway

    def change(tree):
        tree["identity"] = {"issuers": {"idp": issuer.configuration()}}
        tree["access"] = {
            "assignments": [
                {"principal": "group:idp:staff", "role": "openai-user", "scope": "/deployments/local"},
                {"principal": "group:idp:barred", "role": "openai-user", "effect": "deny"},
                {"principal": "user:idp:carol", "role": "openai-user", "condition": 'client == "app-1"'},
            ]
        }

    made = Gateway(tmp_path_factory.mktemp("tokens"), upstream.url, change)
    made.start()
    yield made
    made.stop()


def ask(gateway, token, deployment="local", headers=()):
    return gateway.call(
        "POST", f"/openai/deployments/{deployment}/chat/completions?api-version={API}", BODY, key=None,
        headers=[("authorization", f"Bearer {token}"), *headers],
    )  # fmt: skip


def refused(gateway, token, reason):
    answer = ask(gateway, token)
    assert answer.status == 401, answer.body
    assert reason in answer.header("www-authenticate"), answer.header("www-authenticate")
    assert answer.json() == {"statusCode": 401, "message": answer.json()["message"]}
    return answer


def wait_for(condition, what, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def test_a_token_with_a_role_may_call_the_models(gateway, issuer):
    answer = ask(gateway, issuer.token())
    assert answer.status == 200, answer.body
    outcome = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == "idp:alice")
    assert outcome["details"]["credential"] == "token"
    assert outcome["deployment"] == "local"


def test_the_azure_sdk_works_with_a_token(gateway, issuer):
    with AzureOpenAI(azure_endpoint=gateway.url, azure_ad_token=issuer.token(), api_version=API, max_retries=0) as client:
        assert client.chat.completions.create(model="local", messages=BODY["messages"]).choices
    with AzureOpenAI(azure_endpoint=gateway.url, azure_ad_token=issuer.token(exp=1), api_version=API, max_retries=0) as client:
        with pytest.raises(AuthenticationError, match="Access token is missing, invalid"):
            client.chat.completions.create(model="local", messages=BODY["messages"])


def test_without_a_role_the_missing_data_action_is_named(gateway, issuer):
    answer = ask(gateway, issuer.token(roles=None))
    assert answer.status == 401 and answer.error["code"] == "PermissionDenied"
    assert answer.error["message"] == (
        f"The principal `idp:alice` lacks the required data action `{CHAT_ACTION}` "
        "to perform `POST /openai/deployments/{deployment-id}/chat/completions` operation."
    )


def test_groups_of_the_token_give_and_take_rights(gateway, issuer):
    assert ask(gateway, issuer.token(roles=None, groups=["staff"])).status == 200
    assert ask(gateway, issuer.token(roles=None, groups=["staff"]), deployment="off").status == 401
    assert ask(gateway, issuer.token(groups=["barred"])).status == 401
    assert ask(gateway, issuer.token(roles=None, sub="carol", azp="app-1")).status == 200
    assert ask(gateway, issuer.token(roles=None, sub="carol", azp="app-2")).status == 401


def test_groups_that_did_not_fit_are_told_of(gateway, issuer):
    answer = ask(gateway, issuer.token(_claim_names={"groups": "src1"}, _claim_sources={"src1": {"endpoint": "https://graph.example"}}))
    assert answer.status == 401 and "too many" in answer.json()["message"]
    assert ask(gateway, issuer.token(hasgroups=True)).status == 401


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "ES384", "ES512", "EdDSA"])
def test_every_accepted_algorithm_is_verified(gateway, issuer, algorithm):
    issuer.keys[algorithm] = make_key(algorithm, f"{algorithm}-1")
    wait_for(lambda: ask(gateway, issuer.token(algorithm)).status == 200, f"a key for {algorithm}")
    forged = issuer.token(algorithm, key=make_key(algorithm, f"{algorithm}-1"))
    refused(gateway, forged, "signature is not valid")


def test_rotation_fetches_once_for_an_unknown_key_however_many_ask(gateway, issuer):
    time.sleep(1.1)  # the cooldown of the fetch before
    before = issuer.fetches
    issuer.keys["RS256"] = make_key("RS256", "rsa-2")
    fresh = issuer.token()
    assert ask(gateway, fresh).status == 200
    assert issuer.fetches == before + 1
    stranger = make_key("RS256", "nobody")
    for _ in range(5):
        refused(gateway, issuer.token(key=stranger), "not one of the issuer's")
    assert issuer.fetches <= before + 2


def test_keys_are_trusted_while_the_issuer_is_down(gateway, issuer):
    token = issuer.token(sub="offline")
    issuer.is_down = True
    try:
        assert ask(gateway, token).status == 200
    finally:
        issuer.is_down = False


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": 1}, "expired"),
        # Functions of the time: of the test's own, not of when tests were collected.
        ({"exp": lambda now: now - 61}, "expired"),
        ({"nbf": lambda now: now + 400}, "not valid yet"),
        ({"iat": lambda now: now + 400, "nbf": None}, "not valid yet"),
        ({"aud": "https://graph.microsoft.com"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"iss": "https://elsewhere.example"}, "issuer is not accepted"),
        ({"iss": None}, "issuer is not accepted"),
        ({"exp": None}, "no expiry"),
        ({"exp": lambda now: now + 40 * 86400}, "lives longer"),
        ({"sub": None}, "names no principal"),
        ({"sub": 7}, "not a signed JSON Web Token"),
        ({"exp": "tomorrow"}, "not a signed JSON Web Token"),
    ],
)
def test_attack_wrong_claims(gateway, issuer, changes, reason):
    now = int(time.time())
    refused(gateway, issuer.token(**{name: value(now) if callable(value) else value for name, value in changes.items()}), reason)


def test_attack_algorithm_confusion_with_the_public_key_as_secret(gateway, issuer):
    """HS256 keyed with what everybody can fetch: the classic."""
    key = issuer.keys["RS256"]
    signed = f"{b64({'alg': 'HS256', 'kid': key.kid, 'typ': 'JWT'})}.{b64(issuer.claims())}"
    for secret in (key.as_pem(private=False), key.as_pem(private=False).strip(), json.dumps(key.as_dict(private=False)).encode()):
        code = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        refused(gateway, f"{signed}.{b64(code)}", "algorithm is not accepted")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "HS256", "RS1", "ES256K", "rs256"])
def test_attack_no_signature_or_an_unknown_one(gateway, issuer, name):
    head = b64({"alg": name, "kid": issuer.keys["RS256"].kid})
    for signature in ("", "AA"):
        refused(gateway, f"{head}.{b64(issuer.claims())}.{signature}", "algorithm is not accepted" if name or signature else "")


def test_attack_a_key_of_one_type_under_anothers_algorithm(gateway, issuer):
    token = issuer.token("RS256")
    head, claims, signature = token.split(".")
    for algorithm in ("PS256", "ES256", "EdDSA", "RS512"):
        answer = ask(gateway, f"{b64({'alg': algorithm, 'kid': issuer.keys['RS256'].kid})}.{claims}.{signature}")
        assert answer.status == 401


@pytest.mark.parametrize("kid", ["../../../../dev/null", "' OR '1'='1", "/etc/passwd", "http://127.0.0.1/key", "rsa-2\x00", "a" * 4000, ""])
def test_attack_kid_injection(gateway, issuer, kid):
    refused(gateway, issuer.token(header={"kid": kid}), "not one of the issuer's")


def test_attack_keys_that_the_token_brings_itself(gateway, issuer):
    own = RSAKey.generate_key(2048, {"kid": issuer.keys["RS256"].kid}, auto_kid=False)
    for header in ({"jwk": own.as_dict(private=False)}, {"jku": "http://127.0.0.1:9/keys"}, {"x5u": "http://127.0.0.1:9/c"}):
        refused(gateway, issuer.token(key=own, header=header), "signature is not valid")


def test_attack_critical_extension_that_nobody_understands(gateway, issuer):
    head, claims, signature = issuer.token().split(".")
    refused(gateway, f"{b64({'alg': 'RS256', 'kid': 'rsa-2', 'crit': ['exp']})}.{claims}.{signature}", "critical")


def test_attack_tampered_parts(gateway, issuer):
    head, claims, signature = issuer.token(roles=None).split(".")
    more = json.loads(base64.urlsafe_b64decode(claims + "=="))
    more["roles"] = ["Cognitive Services OpenAI Contributor"]
    refused(gateway, f"{head}.{b64(more)}.{signature}", "signature is not valid")
    refused(gateway, f"{head}.{claims}.{signature[:-4]}AAAA", "signature is not valid")
    for broken in ("a.b.c", "..", f"{head}.{claims}.", f"{head}.{claims}.{signature}=", f"{head}.{claims}. "):
        assert ask(gateway, broken).status == 401


def test_a_token_of_a_service_that_sits_in_the_key_header_is_judged_the_same(gateway, issuer):
    answer = gateway.call("GET", "/openai/v1/models", key=issuer.token())
    assert answer.status == 200


def test_attack_two_credentials_that_differ(gateway, issuer):
    key = gateway.key("both")["secret"]
    gateway.wait_for_key(key)
    assert ask(gateway, issuer.token(), headers=[("api-key", key)]).status == 401
    assert ask(gateway, issuer.token(), headers=[("authorization", f"Bearer {issuer.token(sub='eve')}")]).status == 401


def test_a_revoked_token_stops_within_a_second_and_others_go_on(gateway, issuer):
    token, other = issuer.token(jti="stolen"), issuer.token(jti="kept")
    assert ask(gateway, token).status == 200 and ask(gateway, other).status == 200
    assert gateway.command("access", "revoke-tokens", "--config", gateway.config, "--jti", "stolen").returncode == 0
    wait_for(lambda: ask(gateway, token).status == 401, "the revocation", 1.5)
    refused(gateway, token, "was revoked")
    assert ask(gateway, other).status == 200


def test_tokens_issued_before_a_moment_are_revoked_and_later_ones_are_not(gateway, issuer):
    old = issuer.token(sub="dave", iat=int(time.time()) - 30, nbf=None)
    assert ask(gateway, old).status == 200
    done = gateway.command("access", "revoke-tokens", "--config", gateway.config, "--principal", "idp:dave")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: ask(gateway, old).status == 401, "the revocation", 1.5)
    time.sleep(1)
    assert ask(gateway, issuer.token(sub="dave", iat=int(time.time()) + 1, nbf=None)).status == 200


def test_a_disabled_principals_tokens_stop_and_come_back(gateway, issuer):
    token = issuer.token(sub="erin")
    assert ask(gateway, token).status == 200
    assert gateway.command("access", "principals", "disable", "idp:erin", "--config", gateway.config).returncode == 0
    wait_for(lambda: ask(gateway, token).status == 401, "the disabling", 1.5)
    assert ask(gateway, issuer.token(sub="erin")).status == 401
    listed = json.loads(gateway.command("access", "principals", "list", "--config", gateway.config, "--json").stdout)
    assert any(r["subject"] == "idp:erin" and r["kind"] == "principal" for r in listed)
    assert gateway.command("access", "principals", "enable", "idp:erin", "--config", gateway.config).returncode == 0
    wait_for(lambda: ask(gateway, token).status == 200, "the enabling", 1.5)

    def acts():
        return {r["operation"] for r in gateway.records(lambda r: r["type"] == "admin.act")}

    # An act is on disk before it is done, and in the log within a tick.
    wait_for(lambda: {"access.principals.disable", "access.principals.enable"} <= acts(), "the acts on record", 10)


def test_a_token_that_expires_is_refused_although_it_is_known(gateway, issuer):
    """The issuer's clock may be a minute off: what is known is forgotten at its end, and judged anew until the minute is over."""
    token = issuer.token(exp=int(time.time()) - 58)
    assert ask(gateway, token).status == 200
    wait_for(lambda: ask(gateway, token).status == 401, "the end of the token", 5)


def test_large_bodies_wait_for_the_keys_too(upstream, make_gateway):
    """The first token ever makes the request wait for discovery; its body, larger than what is queued, must not be lost."""
    issuer = Issuer()
    try:
        gateway = make_gateway(lambda tree: tree.update(identity={"issuers": {"idp": issuer.configuration()}}))
        issuer.keys["RS256"] = make_key("RS256", "late")
        time.sleep(1.1)
        body = {"messages": [{"role": "user", "content": "harbour " * 100_000}]}
        answer = gateway.call(
            "POST", f"/openai/deployments/off/chat/completions?api-version={API}", body, key=None,
            headers=[("authorization", f"Bearer {issuer.token(sub='bulk')}")],
        )  # fmt: skip
        assert answer.status == 200, answer.body[:300]
    finally:
        issuer.stop()


def test_no_keys_at_all_is_a_503_not_a_401(make_gateway):
    issuer = Issuer()
    issuer.is_down = True
    try:
        gateway = make_gateway(lambda tree: tree.update(identity={"issuers": {"idp": issuer.configuration()}}))
        answer = ask(gateway, issuer.token())
        assert answer.status == 503 and answer.header("retry-after")
        issuer.is_down = False
        wait_for(lambda: ask(gateway, issuer.token()).status == 200, "the keys", 5)
    finally:
        issuer.stop()


def test_claims_that_an_issuer_can_be_held_to(make_gateway):
    issuer = Issuer()
    try:
        conditions = {"tenants": ["t1"], "clients": ["app"], "scopes": ["user_impersonation"], "requiredMethods": ["mfa"], "requiredContexts": ["c1"]}
        gateway = make_gateway(lambda tree: tree.update(identity={"issuers": {"idp": issuer.configuration(algorithms=["RS256"], **conditions)}}))
        good = {"tid": "t1", "azp": "app", "scp": "other user_impersonation", "amr": ["pwd", "mfa"], "acrs": ["c1", "c2"]}
        assert ask(gateway, issuer.token(**good)).status == 200
        for name, value, reason in [
            ("tid", "t2", "another directory"), ("tid", None, "another directory"), ("azp", "evil", "application"), ("scp", "openid", "scope"),
            ("amr", ["pwd"], "authentication"), ("amr", None, "authentication"), ("acrs", ["c2"], "authentication"),
        ]:  # fmt: skip
            refused(gateway, issuer.token(**{**good, name: value}), reason)
        # An application signs in without a person: it has no methods to show.
        app = {"tid": "t1", "appid": "app", "idtyp": "app", "oid": "svc", "sub": "svc"}
        assert ask(gateway, issuer.token(**app)).status == 200
        issuer.keys["ES256"] = make_key("ES256", "es")
        refused(gateway, issuer.token("ES256", **good), "algorithm")
    finally:
        issuer.stop()


def test_a_provider_that_others_wrote(make_gateway):
    """oidc-provider-mock: its discovery, its JWKS, its code flow; its id token is what is presented."""
    port = free_port()
    provider = subprocess.Popen([sys.executable, "-m", "oidc_provider_mock", "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://localhost:{port}"
    try:
        def is_up():
            try:
                urllib.request.urlopen(f"{base}/.well-known/openid-configuration", timeout=1).read()
                return True
            except OSError:
                return False

        wait_for(is_up, "the provider", 15)
        described = json.loads(urllib.request.urlopen(f"{base}/.well-known/openid-configuration").read())
        gateway = make_gateway(
            lambda tree: tree.update(
                identity={"issuers": {"mock": {"issuer": described["issuer"], "discovery": f"{base}/.well-known/openid-configuration", "audiences": ["my-app"]}}},
                access={"assignments": [{"principal": "user:mock:alice", "role": "openai-user"}]},
            )
        )
        token = code_flow(described, "alice")
        assert ask(gateway, token).status == 200
        assert ask(gateway, code_flow(described, "mallory")).status == 401
    finally:
        provider.terminate()
        provider.wait(10)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def code_flow(described, subject):
    query = urllib.parse.urlencode({"response_type": "code", "client_id": "my-app", "redirect_uri": "http://localhost/cb", "scope": "openid", "state": "s", "nonce": "n"})
    request = urllib.request.Request(f"{described['authorization_endpoint']}?{query}", urllib.parse.urlencode({"sub": subject}).encode())
    try:
        urllib.request.build_opener(NoRedirect).open(request)
        raise AssertionError("no redirect")
    except urllib.error.HTTPError as answer:
        code = urllib.parse.parse_qs(urllib.parse.urlparse(answer.headers["location"]).query)["code"][0]
    form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": code, "redirect_uri": "http://localhost/cb", "client_id": "my-app", "client_secret": "x"})
    basic = base64.b64encode(b"my-app:x").decode()
    request = urllib.request.Request(described["token_endpoint"], form.encode(), {"authorization": f"Basic {basic}"})
    return json.loads(urllib.request.urlopen(request).read())["id_token"]
