"""The administrative surface, as programs and as a browser's engine would use it."""

import json
import re
import urllib.parse

import pyotp

from wire import Wire, request


def admin_call(gateway, method, target, body=b"", *, key=None, headers=(), timeout=20, host=None):
    """One request to the administrative surface on a connection of its own."""
    extra = list(headers)
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if body and "content-type" not in {n.lower() for n, _ in extra}:
        extra.append(("content-type", "application/json"))
    if key:
        extra.append(("api-key", key))
    connect = getattr(gateway, "admin_wire", None) or (lambda: Wire(("127.0.0.1", gateway.admin_port), timeout))
    with connect() as wire:
        raw = request(method, target, body, extra)
        if host is not None:
            raw = re.sub(rb"(?i)\r\nhost: [^\r]*", b"\r\nhost: " + host.encode(), raw, count=1)
        wire.send(raw)
        return wire.answer()


def totp(secret):
    """A second implementation of RFC 6238."""
    return pyotp.TOTP(secret).now()


class Browser:
    """Cookies, forms and redirects of one browser, without one."""

    def __init__(self, gateway, agent="test-browser/1", host=None):
        self.gateway, self.agent, self.cookies = gateway, agent, {}
        self.host = host or f"localhost:{gateway.admin_port}"
        self.page = None

    @property
    def origin(self):
        return f"{'https' if hasattr(self.gateway, 'admin_wire') else 'http'}://{self.host}"

    def send(self, method, target, body=b"", headers=(), follow=True, origin=True):
        extra = [("user-agent", self.agent), *headers]
        if not any(n.lower() == "accept" for n, _ in extra):
            extra.append(("accept", "text/html"))
        if self.cookies:
            extra.append(("cookie", "; ".join(f"{n}={v}" for n, v in self.cookies.items())))
        if method != "GET" and origin and not any(n.lower() == "origin" for n, _ in extra):
            extra.append(("origin", self.origin))
        answer = admin_call(self.gateway, method, target, body, headers=extra, host=self.host)
        for name, value in answer.headers:
            if name == "set-cookie":
                pair, *attributes = value.split("; ")
                cookie, _, content = pair.partition("=")
                assert "HttpOnly" in attributes and any(a.startswith("SameSite=") for a in attributes), value
                if "Max-Age=0" in attributes:
                    self.cookies.pop(cookie, None)
                else:
                    self.cookies[cookie] = content
        self.page = answer
        if follow and answer.status == 303:
            return self.send("GET", answer.header("location"))
        return answer

    def get(self, target, **options):
        return self.send("GET", target, **options)

    def fields(self):
        """The hidden fields of the page."""
        text = self.page.body.decode()
        return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', text))

    def post(self, target, fields=None, token=True, **options):
        """Sends a form, with the hidden fields of the page that it stands on."""
        values = {**(self.fields() if token else {}), **(fields or {})}
        options.setdefault("headers", [("content-type", "application/x-www-form-urlencoded")])
        return self.send("POST", target, urllib.parse.urlencode(values).encode(), **options)

    def session(self):
        return next((v for n, v in self.cookies.items() if "session" in n), None)
