"""An OpenID provider on loopback: real discovery, real JWKS, tokens signed with joserfc in every way a test needs."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

CHAT_ACTION = "Microsoft.CognitiveServices/accounts/OpenAI/deployments/chat/completions/action"
AUDIENCE = "https://cognitiveservices.azure.com"


def b64(data):
    if not isinstance(data, bytes):
        data = json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_key(algorithm, kid):
    if algorithm.startswith(("RS", "PS")):
        return RSAKey.generate_key(2048, {"kid": kid}, auto_kid=False)
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", {"kid": kid}, auto_kid=False)
    return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm], {"kid": kid}, auto_kid=False)


class Issuer:
    def __init__(self):
        self.keys = {"RS256": make_key("RS256", "rsa-1")}
        self.fetches = 0
        self.is_down = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if outer.is_down:
                    self.send_response(503)
                    self.end_headers()
                    return
                if self.path == "/.well-known/openid-configuration":
                    body = {"issuer": outer.url, "jwks_uri": outer.url + "/keys"}
                elif self.path == "/keys":
                    outer.fetches += 1
                    body = {"keys": [dict(key.as_dict(private=False), use="sig") for key in outer.keys.values()]}
                else:
                    self.send_error(404)
                    return
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def claims(self, **changes):
        now = int(time.time())
        claims = {
            "iss": self.url, "aud": AUDIENCE, "sub": "alice", "iat": now, "nbf": now, "exp": now + 600, "jti": f"j-{time.monotonic_ns()}",
            "roles": ["Cognitive Services OpenAI User"],
        }  # fmt: skip
        claims.update(changes)
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, algorithm="RS256", header=None, key=None, **changes):
        key = key or self.keys[algorithm]
        head = {"alg": algorithm, "kid": key.kid, "typ": "JWT", **(header or {})}
        head = {k: v for k, v in head.items() if v is not None}
        return jwt.encode(head, self.claims(**changes), key, algorithms=[algorithm])

    def configuration(self, **changes):
        return {"issuer": self.url, "audiences": [AUDIENCE], "refetchCooldown": "1s", **changes}
