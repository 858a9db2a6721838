"""An upstream that speaks from recorded fixtures, keeps every byte it was sent, and misbehaves on demand.

It is its own HTTP/1.1 server over asyncio transports: the standard library only, and no code of the product. Tests run it in a thread
(`MockUpstream().start()`); by hand it is `python3 mock_upstream.py --port 9100`. Paths under `/__mock/` control it:

    GET  /__mock/requests   every request received, heads and bodies in base64
    POST /__mock/script     {"path": REGEX, "method"?: "POST", "behaviours": [...], "repeat"?: bool}
    POST /__mock/open       {"gate": NAME}: lets behaviours that wait at that gate go on
    POST /__mock/reset      forgets requests, scripts, gates and stored objects

A behaviour answers one request:

    wait_ms, gate            what to wait for before the head
    fault                    "reset" (RST), "close" (FIN) or "stall" (silence) instead of an answer
    fixture                  the answer of a fixture file, e.g. "errors/429"
    status, headers          headers as an object or a list of pairs
    json | text | bytes      the body (bytes: base64)
    events                   the body as SSE: objects, or strings sent as they stand behind `data: `
    parts                    the body in pieces: {text|bytes|event|raw, pause_ms?, gate?, fault?}; `raw` (base64) goes to the socket unframed
    framing                  "length" (default for whole bodies), "chunked" (default for parts and events) or "close"
    declared_length          a content-length that need not be true
    gzip                     true: the body is compressed
    split, split_ms          cut the body into writes of so many bytes, with a pause between
    cut_after, then          stop after so many body bytes, then "reset", "close", "stall" or "half-chunk"
    raw                      base64: these bytes and nothing else, then the connection is closed
"""

import argparse
import asyncio
import base64
import gzip
import itertools
import json
import pathlib
import re
import socket
import struct
import threading
import time
import urllib.parse

FIXTURES = pathlib.Path(__file__).parent / "fixtures"
REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    408: "Request Timeout", 409: "Conflict", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip


def fixture(name):
    """A fixture file, parsed. `name` has no suffix."""
    return json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))


def compact(value):
    """JSON as the service writes it: no spaces, text unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(event, with_names=False):
    """One event as bytes: a string stands as it is, an object is compact JSON; typed events get their `event:` line."""
    data = event.encode() if isinstance(event, str) else compact(event)
    name = event.get("type") if with_names and isinstance(event, dict) else None
    return (b"event: " + name.encode() + b"\n" if name else b"") + b"data: " + data + b"\n\n"


class Received:
    """One request, byte for byte, and what became of it."""

    def __init__(self, number, connection, head):
        self.number = number
        self.connection = connection
        self.head = head
        self.raw_body = b""
        self.body = b""
        self.complete = False
        self.received_at = time.monotonic()
        self.outcome = "pending"
        self.ended_at = None
        lines = head.split(b"\r\n")
        self.method, self.target, self.version = (lines[0].decode("latin-1").split(" ", 2) + ["", ""])[:3]
        self.headers = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(b":")
                self.headers.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))
        self.path, _, self.query = self.target.partition("?")

    def header(self, name, default=None):
        return next((v for n, v in self.headers if n == name.lower()), default)

    def json(self):
        return json.loads(self.body)

    def end(self, outcome):
        if self.outcome == "pending":
            self.outcome, self.ended_at = outcome, time.monotonic()

    def summary(self):
        return {
            "number": self.number, "connection": self.connection, "method": self.method, "target": self.target, "path": self.path,
            "query": self.query, "headers": self.headers, "head": base64.b64encode(self.head).decode(),
            "body": base64.b64encode(self.body).decode(), "rawBody": base64.b64encode(self.raw_body).decode(),
            "complete": self.complete, "outcome": self.outcome,
        }  # fmt: skip


class Gone(Exception):
    """The peer left."""


class Connection(asyncio.Protocol):
    """One accepted socket: reads requests, runs their answers, notices at once when the peer leaves."""

    def __init__(self, mock):
        self.mock = mock
        self.number = next(mock.connection_numbers)
        self.buffer = bytearray()
        self.news = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.gone = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.mock.connections.add(self)
        self.task = asyncio.get_running_loop().create_task(self.serve())

    def data_received(self, data):
        self.buffer += data
        self.news.set()

    def eof_received(self):
        self.leave()

    def connection_lost(self, error):
        self.leave()
        self.mock.connections.discard(self)

    def leave(self):
        self.gone.set()
        self.news.set()
        self.writable.set()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    async def more(self):
        if self.gone.is_set():
            raise Gone
        self.news.clear()
        await self.news.wait()

    async def take_until(self, mark):
        while (at := self.buffer.find(mark)) < 0:
            await self.more()
        taken = bytes(self.buffer[: at + len(mark)])
        del self.buffer[: at + len(mark)]
        return taken

    async def take(self, count):
        while len(self.buffer) < count:
            await self.more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    async def write(self, data):
        if self.gone.is_set() or self.transport.is_closing():
            raise Gone
        self.transport.write(data)
        await self.writable.wait()

    def reset(self):
        """Closes with RST, so that the peer sees an error and not an end."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    async def serve(self):
        try:
            while True:
                head = await self.take_until(b"\r\n\r\n")
                request = Received(next(self.mock.request_numbers), self.number, head[:-2])
                control = request.path.startswith("/__mock/")
                if not control:
                    self.mock.requests.append(request)
                try:
                    await self.read_body(request)
                except Gone:
                    request.end("client-gone")
                    raise
                request.complete = True
                if control:
                    await self.answer_control(request)
                elif not await self.answer(request):
                    return
                if (request.header("connection") or "").lower() == "close":
                    return
        except Gone:
            pass
        finally:
            self.transport.close()

    async def read_body(self, request):
        if (request.header("expect") or "").lower() == "100-continue":
            await self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in (request.header("transfer-encoding") or "").lower():
            raw, body = bytearray(), bytearray()
            while True:
                line = await self.take_until(b"\r\n")
                raw += line
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    while (line := await self.take_until(b"\r\n")) != b"\r\n":
                        raw += line
                    raw += line
                    break
                data = await self.take(size + 2)
                raw += data
                body += data[:-2]
            request.raw_body, request.body = bytes(raw), bytes(body)
        else:
            request.raw_body = request.body = await self.take(int(request.header("content-length") or 0))

    async def answer(self, request):
        """Runs the scripted or recorded answer. False: the connection is over."""
        behaviour = self.mock.behaviour_for(request)
        work = asyncio.ensure_future(self.perform(request, behaviour))
        leaving = asyncio.ensure_future(self.gone.wait())
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if work.done() and not isinstance(work.exception(), Gone):
            if error := work.exception():
                request.end("mock-failed")
                self.mock.failures.append(f"{request.method} {request.target}: {error!r}")
                raise error
            request.end(work.result() or "answered")
            return work.result() is None
        work.cancel()
        request.end("client-gone")
        raise Gone

    async def pause(self, step):
        if step.get("wait_ms") or step.get("pause_ms"):
            await asyncio.sleep((step.get("wait_ms") or step.get("pause_ms")) / 1000)
        if step.get("gate"):
            await self.mock.gate(step["gate"]).wait()

    async def fail(self, fault):
        """Misbehaves; the result is the request's outcome."""
        if fault == "reset":
            self.reset()
            return "reset"
        if fault == "close":
            self.transport.close()
            return "closed"
        if fault == "half-chunk":
            await self.write(b"40\r\n" + b'data: {"choices":[{"index":0,')
            self.transport.close()
            return "closed"
        await self.gone.wait()
        raise Gone

    async def perform(self, request, behaviour):
        await self.pause(behaviour)
        if "raw" in behaviour:
            await self.write(base64.b64decode(behaviour["raw"]))
            self.transport.close()
            return "closed"
        if "fault" in behaviour:
            return await self.fail(behaviour["fault"])
        if "fixture" in behaviour:
            recorded = fixture(behaviour["fixture"])
            behaviour = {**self.mock.recorded(recorded), **{k: v for k, v in behaviour.items() if k != "fixture"}}
        return await self.send(request, behaviour)

    async def send(self, request, behaviour):
        parts, kind = self.parts(behaviour)
        headers = behaviour.get("headers", {})
        headers = list(headers.items()) if isinstance(headers, dict) else [tuple(pair) for pair in headers]
        names = {name.lower() for name, _ in headers}
        framing = behaviour.get("framing") or ("chunked" if "parts" in behaviour or "events" in behaviour else "length")
        if behaviour.get("gzip"):
            parts = [{"data": gzip.compress(b"".join(part.get("data", b"") for part in parts), mtime=0)}]
            headers.append(("content-encoding", "gzip"))
        lines = list(headers)
        if kind and "content-type" not in names:
            lines.append(("content-type", kind))
        for name, value in self.mock.standard_headers(request):
            if name not in names:
                lines.append((name, value))
        status = behaviour.get("status", 200)
        if status == 204:
            framing, parts = "none", []
        if framing == "length":
            length = behaviour.get("declared_length", sum(len(part.get("data", b"")) for part in parts))
            lines.append(("content-length", str(length)))
        elif framing == "chunked":
            lines.append(("transfer-encoding", "chunked"))
        elif framing == "close":
            lines.append(("connection", "close"))
        head = f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines) + "\r\n"
        await self.write(head.encode("latin-1"))
        sent, limit = 0, behaviour.get("cut_after")
        for part in parts:
            await self.pause(part)
            if "fault" in part:
                return await self.fail(part["fault"])
            if "raw" in part:
                await self.write(base64.b64decode(part["raw"]))
                continue
            data = part["data"] if limit is None else part["data"][: max(0, limit - sent)]
            for start in range(0, len(data), step := behaviour.get("split") or max(1, len(data))):
                piece = data[start : start + step]
                await self.write(b"%x\r\n%s\r\n" % (len(piece), piece) if framing == "chunked" else piece)
                if behaviour.get("split_ms"):
                    await asyncio.sleep(behaviour["split_ms"] / 1000)
                else:
                    await asyncio.sleep(0)
            sent += len(data)
            if limit is not None and sent >= limit:
                return await self.fail(behaviour.get("then", "reset"))
        if framing == "chunked":
            await self.write(b"0\r\n\r\n")
        if framing == "close" or "close" in [v.lower() for n, v in headers if n.lower() == "connection"]:
            self.transport.close()
            return "answered"
        return None

    @staticmethod
    def parts(behaviour):
        """The body's pieces, each with its bytes under `data`, and the content type that goes with them."""
        if "parts" in behaviour:
            pieces, kind = [], "text/event-stream; charset=utf-8"
            for part in behaviour["parts"]:
                piece = dict(part)
                if "event" in part:
                    piece["data"] = sse(part["event"], behaviour.get("event_names", False))
                elif "bytes" in part:
                    piece["data"] = base64.b64decode(part["bytes"])
                elif "text" in part:
                    piece["data"] = part["text"].encode()
                else:
                    piece.setdefault("data", b"")
                pieces.append(piece)
            return pieces, kind
        if "events" in behaviour:
            names = behaviour.get("event_names", any(isinstance(e, dict) and "type" in e for e in behaviour["events"]))
            return [{"data": sse(event, names)} for event in behaviour["events"]], "text/event-stream; charset=utf-8"
        if "bytes" in behaviour:
            return [{"data": base64.b64decode(behaviour["bytes"])}], None
        if "text" in behaviour:
            return [{"data": behaviour["text"].encode()}], "application/json"
        if "json" in behaviour:
            return [{"data": compact(behaviour["json"])}], "application/json"
        return [{"data": b""}], None

    async def answer_control(self, request):
        status, value = 200, {"ok": True}
        word = request.path.removeprefix("/__mock/")
        if word == "requests":
            value = [r.summary() for r in self.mock.requests]
        elif word == "script":
            asked = request.json()
            self.mock.script(asked["path"], *asked["behaviours"], method=asked.get("method"), repeat=asked.get("repeat", False))
        elif word == "open":
            self.mock.gate(request.json()["gate"]).set()
        elif word == "reset":
            self.mock.clear()
        else:
            status, value = 404, {"ok": False}
        await self.send(request, {"status": status, "json": value})


class Script:
    def __init__(self, path, behaviours, method, repeat):
        self.path, self.method, self.repeat = re.compile(path), method, repeat
        self.behaviours = list(behaviours)

    def next(self, request):
        if not self.behaviours or (self.method and self.method != request.method) or not self.path.search(request.path):
            return None
        return self.behaviours[0] if self.repeat and len(self.behaviours) == 1 else self.behaviours.pop(0)


class MockUpstream:
    """The server and its state. Methods without an underscore may be called from any thread."""

    def __init__(self, host="127.0.0.1", port=0):
        self.host, self.port = host, port
        self.connection_numbers, self.request_numbers = itertools.count(1), itertools.count(1)
        self.connections = set()
        self.failures = []
        self.clear()

    # What tests ask and tell.

    def clear(self):
        self.requests, self.scripts, self.gates, self.objects = [], [], {}, {}
        self.minted = itertools.count(1)

    def script(self, path, *behaviours, method=None, repeat=False):
        """Answers the next requests whose path matches with `behaviours`, one each; with `repeat` the last one goes on for ever.

        In process a behaviour may also be a function from the request to a behaviour.
        """
        self.scripts.append(Script(path, behaviours, method, repeat))

    def open(self, gate):
        self.loop.call_soon_threadsafe(lambda: self.gate(gate).set())

    def wait_for(self, condition, seconds=10, what="the mock upstream"):
        """Polls until `condition(self)` is truthy and returns it; fails with the reason otherwise."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition(self):
                return found
            time.sleep(0.005)
        raise AssertionError(f"waited {seconds} s for {what}; requests: {[(r.method, r.target, r.outcome) for r in self.requests]}")

    def last(self):
        return self.requests[-1]

    @property
    def url(self):
        return f"http://{self.host}:{self.port}"

    # Running.

    def start(self):
        ready = threading.Event()

        def run():
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            self.server = self.loop.run_until_complete(self.loop.create_server(lambda: Connection(self), self.host, self.port, backlog=1024))
            self.port = self.server.sockets[0].getsockname()[1]
            ready.set()
            self.loop.run_forever()

        self.thread = threading.Thread(target=run, name="mock-upstream", daemon=True)
        self.thread.start()
        if not ready.wait(10):
            raise RuntimeError("the mock upstream did not start")
        return self

    def stop(self):
        """Stops listening and drops every connection."""

        def close():
            self.server.close()
            for connection in list(self.connections):
                connection.transport.abort()
            self.loop.call_later(0.02, self.loop.stop)

        self.loop.call_soon_threadsafe(close)
        self.thread.join(10)

    def gate(self, name):
        if name not in self.gates:
            self.gates[name] = asyncio.Event()
        return self.gates[name]

    # Answers from fixtures.

    def standard_headers(self, request):
        """What the service puts on every answer, things that must not reach a client included."""
        number = f"{request.number:012d}"
        return [
            ("apim-request-id", f"a1b2c3d4-0000-4000-8000-{number}"),
            ("x-request-id", f"d4c3b2a1-0000-4000-8000-{number}"),
            ("x-ms-region", "North Central US"),
            ("x-ratelimit-remaining-requests", "249"),
            ("x-ratelimit-remaining-tokens", "249984"),
            ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
            ("x-content-type-options", "nosniff"),
            ("set-cookie", "ARRAffinity=upstream-session; Path=/; HttpOnly"),
            ("openai-organization", "upstream-account-4711"),
            ("azureml-model-session", "d140-20251114"),
            ("x-upstream-internal", "rack-7"),
        ]

    def behaviour_for(self, request):
        for script in self.scripts:
            if (behaviour := script.next(request)) is not None:
                return behaviour(request) if callable(behaviour) else behaviour
        return self.from_fixture(request)

    @staticmethod
    def recorded(found):
        """A fixture's answer as a behaviour."""
        if "events" in found:
            return {"events": found["events"]}
        answer = dict(found["response"])
        if "body" in answer:
            answer["json"] = answer.pop("body")
        return answer

    def from_fixture(self, request):
        path = urllib.parse.unquote(request.path)
        for prefix in (r"/openai/deployments/[^/]+/", r"/openai/v1/", r"/openai/", r"/v1/"):
            if found := re.match(prefix, path):
                operation = path[found.end() :].rstrip("/")
                break
        else:
            return self.other_service(path, request)
        try:
            body = json.loads(request.body) if request.body and "json" in (request.header("content-type") or "") else {}
        except ValueError:
            return {"fixture": "errors/400_context_length"}
        if not isinstance(body, dict):
            body = {}
        parts = operation.split("/")
        answer = self.by_operation(request, operation, parts, body)
        return answer if answer is not None else {"fixture": "errors/404"}

    def by_operation(self, request, operation, parts, body):
        if operation == "chat/completions":
            return {"fixture": self.chat_fixture(body)}
        if operation == "completions":
            kind = "stream" if body.get("stream") else "many" if isinstance(body.get("prompt"), list) and len(body["prompt"]) > 1 else "basic"
            return {"fixture": f"completions/{kind}"}
        if operation == "embeddings":
            return self.embeddings(body)
        if parts[0] == "responses":
            return self.responses(request, parts, body)
        if parts[0] == "models":
            models = fixture("models/list")["response"]["body"]
            if len(parts) == 1:
                return {"json": models}
            return next(({"json": m} for m in models["data"] if m["id"] == parts[1]), None)
        if operation in ("images/generations", "images/edits"):
            return {"fixture": "images/generation" if operation.endswith("generations") else "images/edit"}
        if operation in ("audio/transcriptions", "audio/translations"):
            fields = self.form(request)
            if fields.get("response_format") in ("text", "srt", "vtt"):
                return {"bytes": base64.b64encode(b"The pilot boat leaves at five.\n").decode(), "headers": {"content-type": "text/plain; charset=utf-8"}}
            return {"fixture": "audio/transcription_verbose" if fields.get("response_format") == "verbose_json" else "audio/transcription"}
        if operation == "audio/speech":
            return {"fixture": "audio/speech"}
        if parts[0] in ("files", "batches", "vector_stores"):
            return getattr(self, parts[0])(request, parts, body)
        if operation.startswith("fine_tuning/jobs"):
            return self.fine_tuning(request, parts[2:], body)
        return None

    @staticmethod
    def chat_fixture(body):
        many = (body.get("n") or 1) > 1
        if body.get("stream"):
            if body.get("tools"):
                return "chat/stream_tools"
            if many:
                return "chat/stream_many"
            return "chat/stream_usage" if (body.get("stream_options") or {}).get("include_usage") else "chat/stream"
        messages = body.get("messages") or [{}]
        if isinstance(messages[-1], dict) and messages[-1].get("role") == "tool":
            return "chat/tool_result"
        if body.get("tools"):
            return "chat/tools"
        if (body.get("response_format") or {}).get("type") == "json_schema":
            return "chat/structured"
        if body.get("logprobs"):
            return "chat/logprobs"
        return "chat/many" if many else "chat/basic"

    def embeddings(self, body):
        answer = fixture("embeddings/basic")["response"]["body"]
        vector = answer["data"][0]["embedding"]
        inputs = body.get("input")
        single = isinstance(inputs, str) or (isinstance(inputs, list) and inputs and isinstance(inputs[0], int))
        encoded = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        value = encoded if body.get("encoding_format") == "base64" else vector
        count = 1 if single else len(inputs or [])
        answer["data"] = [{"object": "embedding", "index": i, "embedding": value} for i in range(count)]
        return {"json": answer}

    # Objects that live from one request to the next.

    def mint(self, kind, prefix, value):
        value["id"] = f"{prefix}{next(self.minted):08x}{'5e' * 8}"
        self.objects.setdefault(kind, {})[value["id"]] = value
        return value

    def listing(self, kind, request):
        query = dict(urllib.parse.parse_qsl(request.query))
        values = list(self.objects.get(kind, {}).values())
        ids = [v["id"] for v in values]
        if query.get("after") in ids:
            values = values[ids.index(query["after"]) + 1 :]
        limit = int(query.get("limit", 100))
        page = values[:limit]
        first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
        return {"json": {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": len(values) > limit}}

    def one(self, kind, id, request, deleted_object=None):
        if id not in self.objects.get(kind, {}):
            return None
        if request.method == "DELETE":
            del self.objects[kind][id]
            return {"json": {"id": id, "object": deleted_object or kind, "deleted": True}}
        return {"json": self.objects[kind][id]}

    def responses(self, request, parts, body):
        if len(parts) == 1 and request.method == "POST":
            if body.get("stream"):
                return {"fixture": "responses/stream_function_call" if body.get("tools") else "responses/stream"}
            found = fixture("responses/function_call" if body.get("tools") else "responses/basic")
            answer = found["response"]["body"]
            answer["previous_response_id"] = body.get("previous_response_id")
            if body.get("store", True):
                self.mint("response", "resp_", answer)
            return {"json": answer}
        if len(parts) == 1:
            return None
        known = self.one("response", parts[1], request)
        if known is None or len(parts) == 2:
            return known
        if parts[2] == "input_items":
            return {"fixture": "responses/input_items"}
        if parts[2] == "cancel":
            return {"json": {**self.objects["response"][parts[1]], "status": "cancelled"}}
        return None

    @staticmethod
    def form(request):
        """The text fields of a multipart body, and `file` as (name, bytes)."""
        found = re.search(r'boundary="?([^";]+)"?', request.header("content-type") or "")
        fields = {}
        if not found:
            return fields
        for part in request.body.split(b"--" + found.group(1).encode()):
            head, mark, data = part.partition(b"\r\n\r\n")
            name = re.search(rb'name="([^"]*)"', head)
            if not mark or not name:
                continue
            filename = re.search(rb'filename="([^"]*)"', head)
            data = data.removesuffix(b"\r\n")
            fields[name.group(1).decode()] = (filename.group(1).decode(), data) if filename else data.decode("utf-8", "replace")
        return fields

    def files(self, request, parts, body):
        if len(parts) == 1:
            if request.method != "POST":
                return self.listing("file", request)
            fields = self.form(request)
            name, data = fields.get("file", ("file", b""))
            made = fixture("files/object")["response"]
            made["body"].update(filename=name, bytes=len(data), purpose=fields.get("purpose", ""))
            self.mint("file", "file-", made["body"])
            self.objects.setdefault("content", {})[made["body"]["id"]] = data
            return {"status": made["status"], "json": made["body"], "headers": {"location": f"{self.url}/openai/files/{made['body']['id']}"}}
        if len(parts) == 3 and parts[2] == "content":
            if parts[1] not in self.objects.get("file", {}):
                return None
            data = self.objects["content"][parts[1]]
            return {"bytes": base64.b64encode(data).decode(), "headers": {"content-type": "application/octet-stream"}}
        return self.one("file", parts[1], request, "file")

    def batches(self, request, parts, body):
        if len(parts) == 1:
            if request.method != "POST":
                return self.listing("batch", request)
            made = fixture("batches/object")["response"]["body"]
            made.update(input_file_id=body.get("input_file_id"), endpoint=body.get("endpoint"), metadata=body.get("metadata"))
            return {"json": self.mint("batch", "batch_", made)}
        known = self.one("batch", parts[1], request)
        if known and len(parts) == 3 and parts[2] == "cancel":
            known["json"]["status"] = "cancelling"
        return known

    def fine_tuning(self, request, parts, body):
        if not parts:
            if request.method != "POST":
                return self.listing("job", request)
            made = fixture("fine_tuning/job")["response"]
            made["body"].update(model=body.get("model"), training_file=body.get("training_file"))
            return {"status": made["status"], "json": self.mint("job", "ftjob-", made["body"])}
        known = self.one("job", parts[0], request)
        if known and len(parts) == 2:
            if parts[1] == "cancel":
                known["json"]["status"] = "cancelled"
            elif parts[1] == "events":
                return {"fixture": "fine_tuning/events"}
            elif parts[1] == "checkpoints":
                return {"json": {"object": "list", "data": [], "has_more": False}}
        return known

    def vector_stores(self, request, parts, body):
        if len(parts) == 1:
            if request.method != "POST":
                return self.listing("store", request)
            made = fixture("vector_stores/object")["response"]["body"]
            made.update(name=body.get("name"), metadata=body.get("metadata") or {})
            return {"json": self.mint("store", "vs_", made)}
        known = self.one("store", parts[1], request, "vector_store.deleted")
        if known is None or len(parts) == 2:
            if known and request.method == "POST":
                known["json"].update({k: v for k, v in body.items() if k in ("name", "metadata")})
            return known
        if parts[2] == "search":
            return {"fixture": "vector_stores/search"}
        kind = f"{parts[2]}:{parts[1]}"
        if len(parts) == 3 and request.method == "POST":
            noun = "vector_store.file" if parts[2] == "files" else "vector_store.files_batch"
            made = {"object": noun, "created_at": 1763913600, "vector_store_id": parts[1], "status": "completed", "usage_bytes": 12}
            if parts[2] == "files":
                made["id"] = body.get("file_id")
                self.objects.setdefault(kind, {})[made["id"]] = made
                return {"json": made}
            return {"json": self.mint(kind, "vsfb_", made)}
        return self.listing(kind, request) if len(parts) == 3 else self.one(kind, parts[3], request, "vector_store.file.deleted")

    @staticmethod
    def other_service(path, request):
        """Azure AI services that are no language models: the official examples' answers."""
        example = None
        if path.startswith("/indexes"):
            example = "IndexDocuments" if path.endswith("index") else "SearchDocumentsPost" if request.method == "POST" else "SearchDocumentsGet"
            example = f"examples/search/2024-07-01/SearchIndex{example}"
        elif path.startswith("/language/"):
            example = "examples/language/2023-04-01/SuccessfulPiiEntityRecognitionRequest"
        return {"json": fixture(example)["responses"]["200"]["body"]} if example else {"fixture": "errors/404"}


def main():
    options = argparse.ArgumentParser(description="a mock of Azure OpenAI, with faults on demand")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=9100)
    chosen = options.parse_args()
    mock = MockUpstream(chosen.host, chosen.port).start()
    print(f"mock upstream on {mock.url}", flush=True)
    try:
        mock.thread.join()
    except KeyboardInterrupt:
        mock.stop()


if __name__ == "__main__":
    main()
