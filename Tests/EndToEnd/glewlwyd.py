"""Glewlwyd, Debian's OpenID provider, on loopback: its own process and database, set up over its own API."""

import pathlib
import shutil
import sqlite3
import subprocess
import time

import httpx
from joserfc.jwk import RSAKey

SCHEMA = pathlib.Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")
IS_HERE = bool(shutil.which("glewlwyd")) and SCHEMA.exists()


class Glewlwyd:
    """`people` are made with their passwords; one client may use the code flow and client credentials."""

    CLIENT, SECRET = "sallyport", "client-secret-of-the-gateway"

    def __init__(self, folder, port, people):
        self.folder, self.port = pathlib.Path(folder), port
        self.url = f"http://localhost:{port}"
        self.issuer = f"{self.url}/api/oidc"
        self.folder.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self.folder / "db") as db:
            db.executescript(SCHEMA.read_text())
        modules = "/usr/lib/glewlwyd"
        (self.folder / "glewlwyd.conf").write_text(f"""
port={port}
bind_address="127.0.0.1"
external_url="{self.url}"
login_url="login.html"
api_prefix="api"
log_mode="file"
log_level="WARNING"
log_file="{self.folder}/log"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{modules}/user"
client_module_path="{modules}/client"
user_auth_scheme_module_path="{modules}/scheme"
plugin_module_path="{modules}/plugin"
hash_algorithm="SHA512"
database = {{ type = "sqlite3"; path = "{self.folder}/db"; }};
""")
        self.process = subprocess.Popen(["glewlwyd", "--config-file", str(self.folder / "glewlwyd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{self.url}/api/", timeout=2)
                break
            except httpx.HTTPError:
                assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.1)
        self.set_up(people)

    def set_up(self, people):
        with httpx.Client(base_url=f"{self.url}/api") as admin:

            def done(answer):
                assert answer.status_code == 200, (answer.request.url, answer.status_code, answer.text)
                return answer

            done(admin.post("/auth/", json={"username": "admin", "password": "password"}))
            key = RSAKey.generate_key(2048, {"kid": "glw-1"}, auto_kid=False)
            done(admin.post("/mod/plugin/", json={
                "module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "enabled": True, "parameters": {
                    "iss": self.issuer, "jwt-type": "rsa", "jwt-key-size": "256", "key": key.as_pem(private=True).decode(), "cert": key.as_pem(private=False).decode(),
                    "access-token-duration": 600, "refresh-token-duration": 1200, "code-duration": 60, "refresh-token-rolling": True, "allow-non-oidc": True,
                    "auth-type-code-enabled": True, "auth-type-token-enabled": False, "auth-type-id-token-enabled": True, "auth-type-none-enabled": False,
                    "auth-type-password-enabled": False, "auth-type-client-enabled": True, "auth-type-device-enabled": False, "auth-type-refresh-enabled": True,
                    "scope": [], "additional-parameters": [], "claims": [], "pkce-allowed": True, "pkce-required": True, "pkce-method-plain-allowed": False,
                    "jwks-show": True, "subject-type": "public", "name-claim": "on-demand", "email-claim": "no", "scope-claim": "no", "request-parameter-allow": False,
                    "oauth-rar-allowed": False, "resource-allowed": False, "introspection-revocation-allowed": False, "register-client-allowed": False,
                }}))  # fmt: skip
            done(admin.post("/scope/", json={"name": "models", "display_name": "models", "password_required": False}))
            done(admin.post("/client/", json={
                "client_id": self.CLIENT, "name": "The gateway", "enabled": True, "confidential": True, "client_secret": self.SECRET, "password": self.SECRET,
                "redirect_uri": [], "authorization_type": ["code", "client_credentials", "id_token"], "token_endpoint_auth_method": ["client_secret_basic", "client_secret_post"],
                "scope": ["models"],
            }))  # fmt: skip
            for name, password in people.items():
                done(admin.post("/user/", json={"username": name, "name": name.capitalize(), "password": password, "enabled": True, "scope": ["openid", "g_profile"]}))

    def allow(self, redirect):
        """The client's redirect address: known once the gateway has its port."""
        with httpx.Client(base_url=f"{self.url}/api") as admin:
            assert admin.post("/auth/", json={"username": "admin", "password": "password"}).status_code == 200
            client = admin.get(f"/client/{self.CLIENT}").json()
            client["redirect_uri"] = [redirect]
            assert admin.put(f"/client/{self.CLIENT}", json=client).status_code == 200

    def sign_in(self, url, name, password):
        """What the person does in a browser: signs in, lets the client in, and is sent back. Returns where to."""
        with httpx.Client(base_url=self.url) as browser:
            assert browser.post("/api/auth/", json={"username": name, "password": password}).status_code == 200
            granted = browser.put(f"/api/auth/grant/{self.CLIENT}", json={"scope": "openid"})
            assert granted.status_code == 200, granted.text
            answer = browser.get(url + "&g_continue=1", follow_redirects=False)
            assert answer.status_code == 302, (answer.status_code, answer.text)
            return answer.headers["location"]

    def token(self):
        """A token of the client's own, for the data plane."""
        answer = httpx.post(f"{self.issuer}/token", data={"grant_type": "client_credentials", "scope": "models"}, auth=(self.CLIENT, self.SECRET))
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
