"""TLS, client certificates, network rules, proxies: against the running gateway."""

import datetime
import json
import socket
import ssl
import struct
import time

import pytest

from certificates import Authority
from gateway import API
from wire import Closed, Wire, request

BODY = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}
CHAT = f"/openai/deployments/local/chat/completions?api-version={API}"


class SecureWire(Wire):
    """A connection over TLS."""

    def __init__(self, address, context, timeout=20):
        super().__init__(address, timeout)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def client_context(authority, certificate=None):
    context = ssl.create_default_context(cafile=authority.file)
    if certificate:
        context.load_cert_chain(certificate[0], certificate[1])
    return context


def call(gateway, context, method="POST", target=CHAT, headers=()):
    body = json.dumps(BODY).encode() if method == "POST" else b""
    with SecureWire(gateway.address, context) as wire:
        wire.send(request(method, target, body, [("content-type", "application/json"), *headers]))
        return wire.answer()


def plain(gateway, target=CHAT, headers=(), prefix=b""):
    with gateway.wire() as wire:
        wire.send(prefix + request("POST", target, json.dumps(BODY).encode(), [("content-type", "application/json"), *headers]))
        return wire.answer()


def start(gateway, context, attempts=200):
    """The shared helper asks over plain HTTP whether the gateway is ready; this one asks over TLS."""
    import subprocess

    from gateway import BINARY

    with open(gateway.log_file, "ab") as log:
        gateway.process = subprocess.Popen(
            [str(BINARY), "serve", "--config", str(gateway.config)], stdout=log, stderr=log, env=gateway.environment, cwd=gateway.directory
        )
    for _ in range(attempts):
        assert gateway.process.poll() is None, gateway.log()[-3000:]
        try:
            if call(gateway, context, "GET", "/readyz").status == 200:
                return gateway
        except (OSError, Closed):
            time.sleep(0.1)
    raise AssertionError(gateway.log()[-3000:])


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pki")
    server, mesh, other = Authority(directory / "a", "server-ca"), Authority(directory / "b", "mesh-ca"), Authority(directory / "c", "other-ca")
    server.issued = server.issue("gateway", dns=["localhost"], addresses=["127.0.0.1"])
    mesh.good = mesh.issue("good", uris=["spiffe://corp.example/app"], dns=["app.corp.example"])
    mesh.bad = mesh.issue("bad", uris=["spiffe://corp.example/bad"])
    mesh.revocation_list()
    return server, mesh, other


def secure(pki, **authority):
    server, mesh, _ = pki

    def change(tree):
        tree["network"] = {
            "tls": {
                "certificate": server.issued[0], "key": server.issued[1], "clientCertificates": "optional",
                "clientAuthorities": {"mesh": {"caFile": mesh.file, "prefix": "spiffe://corp.example/", **authority}},
            }
        }  # fmt: skip
        tree["access"] = {"assignments": [{"principal": "service:mesh:spiffe://corp.example/app", "role": "openai-user"}]}

    return change


@pytest.fixture
def secured(pki, make_gateway):
    gateway = make_gateway(secure(pki, crlFile=str(pki[1].directory / "mesh-ca.crl")), start=False)
    pki[1].revocation_list()
    start(gateway, client_context(pki[0]))
    return gateway


def test_keys_work_over_tls_and_old_versions_do_not(secured, pki):
    assert call(secured, client_context(pki[0]), headers=[("api-key", secured.user)]).status == 200
    old = client_context(pki[0])
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        call(secured, old)
    weak = client_context(pki[0])
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises((ssl.SSLError, OSError)):
        call(secured, weak)
    with pytest.raises((Closed, OSError)):
        plain(secured)


def test_a_certificate_stands_for_its_spiffe_id(secured, pki):
    answer = call(secured, client_context(pki[0], pki[1].good))
    assert answer.status == 200, answer.body
    outcome = secured.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("principal") == "mesh:spiffe://corp.example/app")
    assert outcome["details"]["credential"] == "certificate"
    denied = call(secured, client_context(pki[0], pki[1].bad))
    assert denied.status == 401 and denied.error["code"] == "PermissionDenied"
    assert "`mesh:spiffe://corp.example/bad`" in denied.error["message"]


def test_without_certificate_key_or_token_nobody_is_recognised(secured, pki):
    assert call(secured, client_context(pki[0])).status == 401


def test_attack_a_certificate_of_another_authority(secured, pki):
    forged = pki[2].issue("forged", uris=["spiffe://corp.example/app"])
    with pytest.raises((ssl.SSLError, OSError, Closed)):
        call(secured, client_context(pki[0], forged))


def test_attack_an_expired_certificate(secured, pki):
    past = pki[1].issue("past", uris=["spiffe://corp.example/app"], valid_for=datetime.timedelta(minutes=-1), starts=datetime.timedelta(hours=-2))
    with pytest.raises((ssl.SSLError, OSError, Closed)):
        call(secured, client_context(pki[0], past))


def test_attack_names_that_are_not_the_principals(secured, pki):
    two = pki[1].issue("two", uris=["spiffe://corp.example/app", "spiffe://corp.example/bad"])
    elsewhere = pki[1].issue("elsewhere", uris=["spiffe://evil.example/app"])
    none = pki[1].issue("none", dns=["app.corp.example"])
    for certificate in (two, elsewhere, none):
        answer = call(secured, client_context(pki[0], certificate))
        assert answer.status == 401 and "name" in answer.error["message"], answer.body


def test_a_revoked_certificate_is_refused_as_soon_as_the_list_says_so(secured, pki):
    context = client_context(pki[0], pki[1].good)
    assert call(secured, context).status == 200
    pki[1].revocation_list(pki[1].good[2])
    end = time.monotonic() + 5
    while (answer := call(secured, context)).status == 200:
        assert time.monotonic() < end, "the revocation is not noticed"
        time.sleep(0.1)
    assert answer.status == 401 and "revoked" in answer.error["message"]
    # A list that somebody else signed changes nothing.
    pki[1].revocation_list(signer=pki[2].key)
    time.sleep(1.5)
    assert call(secured, context).status == 401
    pki[1].revocation_list()


def test_a_list_that_ran_out_lets_nobody_in(pki, make_gateway):
    pki[1].revocation_list(valid_for=datetime.timedelta(minutes=-1))
    gateway = make_gateway(secure(pki, crlFile=str(pki[1].directory / "mesh-ca.crl")), start=False)
    start(gateway, client_context(pki[0]))
    answer = call(gateway, client_context(pki[0], pki[1].good))
    assert answer.status == 401 and "too old" in answer.error["message"]
    pki[1].revocation_list()


def test_a_new_server_certificate_is_taken_into_use_and_a_broken_one_is_not(pki, make_gateway, tmp_path):
    server = pki[0]
    file, key = tmp_path / "own.pem", tmp_path / "own.key"

    def change(tree):
        tree["network"] = {"tls": {"certificate": str(file), "key": str(key)}}

    def install(issued):
        key.write_bytes(open(issued[1], "rb").read())
        file.write_bytes(open(issued[0], "rb").read())

    install(server.issue("first", dns=["localhost"]))
    gateway = make_gateway(change, start=False)
    start(gateway, client_context(server))

    def serial():
        with SecureWire(gateway.address, client_context(server)) as wire:
            return int(wire.socket.getpeercert()["serialNumber"], 16)

    first = serial()
    second = server.issue("second", dns=["localhost"])
    install(second)
    end = time.monotonic() + 8
    while serial() == first:
        assert time.monotonic() < end, "the new certificate is not taken into use"
        time.sleep(0.1)
    assert serial() == second[2].serial_number
    file.write_text("nonsense")
    time.sleep(1.5)
    assert serial() == second[2].serial_number


def test_denied_networks_get_azures_answer(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(network={"allow": ["10.0.0.0/8"], "trustedProxies": ["127.0.0.0/8"]}), start=False)
    key = gateway.user
    gateway.tree["network"]["deny"] = ["10.9.0.0/16"]
    gateway.write(gateway.tree)
    gateway.tree["network"]["allow"].append("127.0.0.0/8")
    gateway.write(gateway.tree)
    gateway.start()
    allowed = plain(gateway, headers=[("api-key", key), ("x-forwarded-for", "10.1.2.3")])
    assert allowed.status == 200
    record = gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 200)
    assert record["source"] == "10.1.2.3"
    for address in ("192.0.2.1", "10.9.0.1", "2001:db8::1", "10.1.2.3, 192.0.2.1"):
        answer = plain(gateway, headers=[("api-key", key), ("x-forwarded-for", address)])
        assert answer.status == 403, address
        assert answer.error["message"] == "Access denied due to Virtual Network/Firewall rules." and answer.error["code"] == "403"
        assert answer.header("policy-id") == "ThrowExceptionDueToTrafficDenied"
    assert plain(gateway, headers=[("api-key", key), ("x-forwarded-for", "nonsense")]).status == 400
    assert b"sallyport_network_denials_total 4" in gateway.metrics().body


def test_private_only_refuses_the_internet(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(network={"publicAccess": "disabled", "trustedProxies": ["127.0.0.0/8"]}))
    assert plain(gateway, headers=[("api-key", gateway.user)]).status == 200
    answer = plain(gateway, headers=[("api-key", gateway.user), ("x-forwarded-for", "8.8.8.8")])
    assert answer.status == 403 and answer.error["message"] == "Public access is disabled. Please configure private endpoint."


def test_attack_forwarded_for_from_an_untrusted_peer(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(network={"deny": ["127.0.0.0/8"]}), start=False)
    gateway.tree["network"] = {"allow": ["127.0.0.0/8"]}
    gateway.write(gateway.tree)
    gateway.start()
    confined = gateway.key("confined", **{"from": "10.0.0.0/8"})["secret"]
    gateway.wait_for_key(gateway.key("ready")["secret"])
    for field in ("x-forwarded-for", "X-Forwarded-For", "x-real-ip", "forwarded", "true-client-ip"):
        value = "for=10.0.0.1" if field == "forwarded" else "10.0.0.1"
        answer = plain(gateway, headers=[("api-key", confined), (field, value)])
        assert answer.status == 403, (field, answer.status)


def test_a_key_works_from_its_networks_only(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(network={"trustedProxies": ["127.0.0.0/8"]}))
    confined = gateway.key("confined", **{"from": "10.0.0.0/8,2001:db8::/32"})["secret"]
    gateway.wait_for_key(gateway.key("ready")["secret"])
    for address, status in [("10.1.1.1", 200), ("2001:db8::9", 200), ("192.0.2.1", 403)]:
        assert plain(gateway, headers=[("api-key", confined), ("x-forwarded-for", address)]).status == status


def proxy_v2(address):
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", 12) + socket.inet_aton(address) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 4711, 443)


def test_the_proxy_protocol_tells_the_caller_and_is_required_of_proxies(make_gateway):
    def change(tree):
        tree["network"] = {"trustedProxies": ["127.0.0.1"], "proxyProtocol": "required", "deny": ["192.0.2.0/24"]}

    gateway = make_gateway(change, start=False)
    key = gateway.user
    ready = gateway.wait_ready
    gateway.wait_ready = lambda: None
    gateway.start()
    gateway.wait_ready = ready
    end = time.monotonic() + 20
    while True:
        try:
            answer = plain(gateway, headers=[("api-key", key)], prefix=b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n")
            break
        except (OSError, Closed):
            assert time.monotonic() < end, gateway.log()[-2000:]
            time.sleep(0.1)
    assert answer.status == 200
    assert gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome")["source"] == "203.0.113.9"
    assert plain(gateway, headers=[("api-key", key)], prefix=proxy_v2("203.0.113.10")).status == 200
    assert plain(gateway, headers=[("api-key", key)], prefix=proxy_v2("192.0.2.1")).status == 403
    with pytest.raises((Closed, OSError)):
        plain(gateway, headers=[("api-key", key)])


def test_attack_a_proxy_header_from_an_untrusted_peer(gateway, keys):
    with gateway.wire() as wire:
        wire.send(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n" + request("GET", "/openai/v1/models", b"", [("api-key", keys.user)]))
        assert wire.answer().status == 400


def test_the_metrics_listener_has_rules_of_its_own(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(network={"metrics": {"deny": ["127.0.0.0/8"]}}))
    assert gateway.metrics().status == 403
    assert plain(gateway, headers=[("api-key", gateway.user)]).status == 200


def test_keys_can_be_switched_off(make_gateway):
    gateway = make_gateway(lambda tree: tree.update(identity={"keys": "disabled"}), start=False)
    gateway.start()
    answer = plain(gateway, headers=[("api-key", gateway.user)])
    assert answer.status == 403 and answer.error["code"] == "AuthenticationTypeDisabled"
    assert answer.error["message"] == "Key based authentication is disabled for this resource."


@pytest.mark.parametrize("key", ["listen", "adminListen", "metricsListen"])
def test_a_listener_whose_address_is_taken_is_named(make_gateway, key):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        gateway = make_gateway(start=False)
        gateway.tree["server"][key] = f"127.0.0.1:{port}"
        gateway.write(gateway.tree)
        done = gateway.command("serve", "--config", gateway.config, timeout=60)
    assert done.returncode == 1
    assert f"cannot start: server.{key} (127.0.0.1:{port}): the address is in use by another process" in done.stdout + done.stderr


def test_certificates_that_are_not_there_are_named_before_the_start(make_gateway):
    gateway = make_gateway(start=False)
    gateway.tree["network"] = {"tls": {"certificate": "/nowhere/gateway.pem", "key": "/nowhere/gateway.key"}}
    gateway.write(gateway.tree)
    done = gateway.command("config", "check", gateway.config)
    assert done.returncode == 1
    assert "network.tls.certificate: /nowhere/gateway.pem: there is no such file" in done.stdout


def test_a_reload_names_what_waits_for_the_next_start(make_gateway):
    gateway = make_gateway()
    gateway.write(gateway.changed(lambda tree: tree["guards"].update(tenantShare=0.5)))
    end = time.monotonic() + 10
    while "wait for the next start" not in gateway.log():
        assert time.monotonic() < end, gateway.log()[-2000:]
        time.sleep(0.05)
    line = next(line for line in gateway.log().splitlines() if "wait for the next start" in line)
    assert json.loads(line)["config.keys"] == "guards"


def test_a_key_for_what_does_not_exist_is_warned_of(make_gateway):
    gateway = make_gateway(start=False)
    done = gateway.command("keys", "create", "app", "--config", gateway.config, "--deployments", "gpt-4o,gpt-5", "--policies", "Strcit")
    assert done.returncode == 0 and "spk_" in done.stdout
    assert "has no deployment 'gpt-5'" in done.stderr and "'gpt-4o'" not in done.stderr
    assert "there is no policy 'Strcit'" in done.stderr
    refused = gateway.command("keys", "create", "app", "--config", gateway.config, "--expires", "soon")
    assert refused.returncode == 64 and refused.stderr.startswith("Error: 'soon' is neither") and "Usage" not in refused.stderr
