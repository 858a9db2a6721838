"""Upstreams over TLS, by HTTP/1.1 and HTTP/2, with nginx as the peer that speaks TLS: authorities, names, pins, client certificates."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from certificates import Authority
from gateway import free_port
from mock_upstream import fixture

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
BODY = {"messages": [{"role": "user", "content": "hi"}]}

pytestmark = pytest.mark.skipif(not pathlib.Path(NGINX).exists(), reason="nginx is not installed: scripts/setup.sh tests installs it")


class Peer:
    """nginx that ends TLS before the mock upstream, and tells it what it saw."""

    def __init__(self, directory, upstream, certificate, key, *, http2=True, clients=None, protocols="TLSv1.2 TLSv1.3"):
        self.port, self.directory = free_port(), directory
        directory.mkdir(parents=True, exist_ok=True)
        verify = f"ssl_client_certificate {clients}; ssl_verify_client on;" if clients else ""
        (directory / "nginx.conf").write_text(f"""
            daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error.log;
            events {{ worker_connections 256; }}
            http {{
                access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
                fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
                server {{
                    listen 127.0.0.1:{self.port} ssl{" http2" if http2 else ""};
                    ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols {protocols}; {verify}
                    location / {{
                        proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
                        proxy_set_header x-seen-protocol $server_protocol; proxy_set_header x-seen-tls $ssl_protocol;
                        proxy_set_header x-seen-client $ssl_client_s_dn; proxy_set_header x-seen-connection $connection;
                    }}
                }}
            }}""")
        self.process = subprocess.Popen([NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf")], stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while True:
            import socket

            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end, (directory / "error.log").read_text()
                time.sleep(0.05)

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    directory = tmp_path_factory.mktemp("upstream-pki")
    servers, clients, other = Authority(directory / "s", "upstream-ca"), Authority(directory / "c", "client-ca"), Authority(directory / "o", "other-ca")
    servers.issued = servers.issue("upstream", dns=["localhost"])
    servers.misnamed = servers.issue("elsewhere", dns=["elsewhere.example"], addresses=["127.0.0.1"])
    clients.issued = clients.issue("gateway-client", uris=["spiffe://corp.example/gateway"])
    other.issued = other.issue("stranger", dns=["localhost"])
    return servers, clients, other


@pytest.fixture
def peer(request, upstream, tmp_path):
    made = []

    def make(certificate, **options):
        made.append(Peer(tmp_path / f"nginx{len(made)}", upstream.url, certificate[0], certificate[1], **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def behind(peer, tls, http2="auto", kind="azure-openai"):
    """A configuration whose only model upstream is the peer."""

    def change(tree):
        upstream = tree["upstreams"]["aoai"]
        upstream.update(endpoint=peer.url, tls=tls, pool={"http2": http2})

    return change


def public_key_pin(certificate):
    key = certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key).hexdigest()


@pytest.mark.parametrize("choice,spoken", [("auto", "HTTP/2.0"), ("never", "HTTP/1.1")])
def test_a_private_authority_is_trusted_and_http2_is_chosen_by_alpn(make_gateway, mock, pki, peer, choice, spoken):
    servers, _, _ = pki
    gateway = make_gateway(behind(peer(servers.issued), {"caFile": servers.file}, choice))
    for _ in range(6):
        answer = gateway.chat("off", BODY, key=gateway.user)
        assert (answer.status, answer.json()) == (200, fixture("chat/basic")["response"]["body"])
        assert mock.last().header("x-seen-protocol") == spoken and mock.last().header("x-seen-tls") == "TLSv1.3"
        assert mock.last().header("api-key") == "upstream-secret-key"
    # Each event loop keeps its own.
    assert len({r.header("x-seen-connection") for r in mock.requests}) <= 2, "connections are kept"


def test_a_peer_without_http2_is_spoken_to_in_http1(make_gateway, mock, pki, peer):
    gateway = make_gateway(behind(peer(pki[0].issued, http2=False), {"caFile": pki[0].file}))
    assert gateway.chat("off", BODY, key=gateway.user).status == 200
    assert mock.last().header("x-seen-protocol") == "HTTP/1.1"


def test_streams_and_many_requests_share_one_http2_connection(make_gateway, mock, pki, peer):
    from concurrent.futures import ThreadPoolExecutor

    gateway = make_gateway(behind(peer(pki[0].issued), {"caFile": pki[0].file}))
    gateway.chat("off", BODY, key=gateway.user)
    mock.script("chat/completions", {"wait_ms": 300, "fixture": "chat/stream"}, repeat=True)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: gateway.chat("quiet", {**BODY, "stream": True}, key=gateway.user), range(16)))
    assert {a.status for a in answers} == {200} and all(a.events()[-1] == "[DONE]" for a in answers)
    assert len({a.body for a in answers}) == 1
    # One connection for each event loop at most.
    assert len({r.header("x-seen-connection") for r in mock.requests}) <= 2


def test_a_stream_that_its_caller_leaves_is_reset_at_the_peer(make_gateway, mock, pki, peer):
    from wire import request

    gateway = make_gateway(behind(peer(pki[0].issued), {"caFile": pki[0].file}))
    mock.script("chat/completions", {"parts": [{"event": {"choices": [{"index": 0, "delta": {"content": "One. "}, "finish_reason": None}]}}, {"fault": "stall"}]})
    wire = gateway.wire()
    wire.send(request("POST", "/openai/deployments/off/chat/completions?api-version=2024-10-21", json.dumps({**BODY, "stream": True}).encode(), [("api-key", gateway.user)]))
    answer = wire.head()
    wire.event(answer, wire.pieces(answer), b"One.")
    wire.close()
    mock.wait_for(lambda m: m.last().outcome == "client-gone", what="the call to end")
    assert gateway.chat("off", BODY, key=gateway.user).status == 200, "the connection serves others"


def refused(gateway, mock):
    """No prompt leaves, and the answer says nothing of certificates."""
    answer = gateway.chat("off", {"messages": [{"role": "user", "content": "puffins"}]}, key=gateway.user)
    assert answer.status == 503 and int(answer.header("retry-after")) >= 1, (answer.status, answer.body)
    assert mock.requests == [] and b"certificate" not in answer.body.lower()
    return answer


def test_attack_an_authority_that_is_not_trusted(make_gateway, mock, pki, peer):
    servers, _, other = pki
    refused(make_gateway(behind(peer(other.issued), {"caFile": servers.file})), mock)


def test_attack_a_certificate_of_the_systems_authorities_is_needed_without_a_file(make_gateway, mock, pki, peer):
    refused(make_gateway(behind(peer(pki[0].issued), {})), mock)


def test_attack_a_certificate_for_another_name(make_gateway, mock, pki, peer):
    servers, _, _ = pki
    refused(make_gateway(behind(peer(servers.misnamed), {"caFile": servers.file})), mock)


def test_a_pinned_key_or_certificate_is_accepted(make_gateway, mock, pki, peer):
    servers, _, _ = pki
    certificate = servers.issued[2]
    whole = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()
    at = peer(servers.issued)
    for pin in (public_key_pin(certificate), whole):
        gateway = make_gateway(behind(at, {"caFile": servers.file, "pins": ["0" * 64, pin]}))
        assert gateway.chat("off", BODY, key=gateway.user).status == 200


def test_attack_a_valid_certificate_that_is_not_pinned(make_gateway, mock, pki, peer):
    servers, _, _ = pki
    renewed = servers.issue("upstream-renewed", dns=["localhost"])
    gateway = make_gateway(behind(peer(renewed), {"caFile": servers.file, "pins": [public_key_pin(servers.issued[2])]}))
    refused(gateway, mock)
    gateway.wait_for_record(lambda r: r["type"] == "exchange.outcome" and r.get("status") == 503)


def test_the_peer_is_shown_a_client_certificate(make_gateway, mock, pki, peer):
    servers, clients, _ = pki
    at = peer(servers.issued, clients=clients.file)
    gateway = make_gateway(behind(at, {"caFile": servers.file, "clientCertificate": clients.issued[0], "clientKey": clients.issued[1]}))
    assert gateway.chat("off", BODY, key=gateway.user).status == 200
    assert mock.last().header("x-seen-client") == "CN=gateway-client"


@pytest.mark.parametrize("which", ["none", "stranger"])
def test_without_the_right_client_certificate_the_peer_sends_us_away(make_gateway, mock, pki, peer, which):
    servers, clients, other = pki
    tls = {"caFile": servers.file}
    if which == "stranger":
        tls.update(clientCertificate=other.issued[0], clientKey=other.issued[1])
    gateway = make_gateway(behind(peer(servers.issued, clients=clients.file), tls))
    # nginx answers 400 in the request's stead; what it says reaches the caller as an upstream's error, or as none at all.
    assert gateway.chat("off", BODY, key=gateway.user).status in (400, 502, 503)
    assert mock.requests == []


def test_old_tls_is_not_spoken(make_gateway, mock, pki, peer):
    servers, _, _ = pki
    at = peer(servers.issued, protocols="TLSv1.2")
    assert make_gateway(behind(at, {"caFile": servers.file})).chat("off", BODY, key=None).status == 401
    gateway = make_gateway(behind(at, {"caFile": servers.file, "minimumVersion": "1.3"}))
    refused(gateway, mock)
    gateway = make_gateway(behind(at, {"caFile": servers.file}))
    assert gateway.chat("off", BODY, key=gateway.user).status == 200 and mock.last().header("x-seen-tls") == "TLSv1.2"


def test_a_new_authority_is_taken_with_a_reload(make_gateway, mock, pki, peer):
    servers, _, other = pki
    at = peer(other.issued)
    gateway = make_gateway(behind(at, {"caFile": servers.file}))
    refused(gateway, mock)
    gateway.write(gateway.changed(lambda tree: tree["upstreams"]["aoai"].update(tls={"caFile": other.file})))
    end = time.monotonic() + 10
    while gateway.chat("off", BODY, key=gateway.user).status != 200:
        assert time.monotonic() < end, gateway.log()[-2000:]
        time.sleep(0.2)
    assert x509.load_pem_x509_certificate(pathlib.Path(other.file).read_bytes()).subject == other.subject
