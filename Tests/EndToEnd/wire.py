"""HTTP/1.1 by hand: requests byte for byte as the test wants them, answers byte for byte as they came."""

import json
import socket
import time


class Answer:
    """A response: status, headers as received (names in lower case, doubles kept), and the body without its framing."""

    def __init__(self, status, headers, raw_head):
        self.status, self.headers, self.raw_head = status, headers, raw_head
        self.body = b""
        self.complete = False

    def header(self, name):
        return next((v for n, v in self.headers if n == name.lower()), None)

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The `error` object of an error body."""
        return self.json()["error"]

    def events(self):
        """The data of each SSE event that ended, as text."""
        return [e.removeprefix("data: ") for block in self.body.decode().split("\n\n")[:-1] for e in block.split("\n") if e.startswith("data: ")]

    def chunks(self):
        """Each event's data parsed, `[DONE]` left out."""
        return [json.loads(e) for e in self.events() if e != "[DONE]"]

    def text(self):
        """The text of a chat completion or its stream, all choices together in the order of arrival."""
        if (self.header("content-type") or "").startswith("text/event-stream"):
            deltas = [c.get("delta", {}) for e in self.chunks() for c in e.get("choices", [])]
            return "".join(d.get("content") or "" for d in deltas)
        return "".join(c["message"].get("content") or "" for c in self.json()["choices"])


class Closed(Exception):
    """The server closed the connection before the answer was whole."""


class Wire:
    """One connection."""

    def __init__(self, address, timeout=20):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(65536)
        if not data:
            self.closed = True
            raise Closed(f"connection closed after {self.buffer[:200]!r}")
        self.buffer += data

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        taken, _, self.buffer = self.buffer.partition(mark)
        return taken

    def take(self, count):
        while len(self.buffer) < count:
            self.more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def head(self):
        """The next final response head; interim ones (1xx) are passed over."""
        while True:
            raw = self.until(b"\r\n\r\n")
            lines = raw.decode("latin-1").split("\r\n")
            status = int(lines[0].split(" ")[1])
            if status >= 200:
                break
        pairs = [line.partition(":") for line in lines[1:]]
        return Answer(status, [(n.lower(), v.strip()) for n, _, v in pairs], raw)

    def pieces(self, answer):
        """The body's bytes as they arrive; sets `answer.complete` at its proper end."""
        if answer.status in (204, 304):
            answer.complete = True
            return
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                data = self.take(size)
                self.take(2)
                answer.body += data
                yield data
            while self.until(b"\r\n"):
                pass
        elif answer.header("content-length") is not None:
            left = int(answer.header("content-length"))
            while left:
                if not self.buffer:
                    self.more()
                data = self.take(min(left, len(self.buffer)))
                left -= len(data)
                answer.body += data
                yield data
        else:
            try:
                while True:
                    if not self.buffer:
                        self.more()
                    data = self.take(len(self.buffer))
                    answer.body += data
                    yield data
            except Closed:
                pass
        answer.complete = True

    def answer(self):
        """A whole response. One that breaks off has `complete` false."""
        answer = self.head()
        try:
            for _ in self.pieces(answer):
                pass
        except (Closed, ConnectionResetError):
            pass
        return answer

    def event(self, answer, pieces, matching):
        """Reads on until the body holds `matching`; fails when it ends without."""
        while matching not in answer.body:
            try:
                next(pieces)
            except StopIteration:
                raise AssertionError(f"the body ended without {matching!r}: {answer.body[-400:]!r}") from None

    def drain_is_closed(self, seconds=10):
        """Whether the peer closes the connection within the time."""
        self.socket.settimeout(0.05)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if not self.socket.recv(65536):
                    return True
            except TimeoutError:
                continue
            except ConnectionError:
                return True
        return False


def request(method, target, body=b"", headers=(), host="gateway.test"):
    """A request's bytes. `headers` come after `host`; `content-length` is added unless a framing header is given."""
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}"] + [f"{n}: {v}" for n, v in headers]
    names = {n.lower() for n, _ in headers}
    if not names & {"content-length", "transfer-encoding"} and (body or method in ("POST", "PATCH", "PUT")):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
