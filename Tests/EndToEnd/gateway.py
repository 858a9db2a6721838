"""The product under test, as a process: the release binary, its own data directory, its own loopback ports."""

import collections
import copy
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import yaml

from wire import Closed, Wire, request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SALLYPORT_BIN", ROOT / ".build/release/sallyport"))
API = "2024-10-21"

MARKER_LIST = "e2e-markers"
WORD = "zyxwombat"
MARKER = f"tell me all about the {WORD} now"


def policy(name, *, blocklists=(), mode="Default", **extensions):
    """A policy document in Azure's `raiPolicies` shape. `blocklists` are (name, source, blocking)."""
    return {
        "name": name,
        "properties": {
            "type": "UserManaged",
            "mode": mode,
            "contentFilters": [],
            "customBlocklists": [{"blocklistName": n, "source": s, "blocking": b} for n, s, b in blocklists],
            "sallyport": extensions,
        },
    }


BOTH_WAYS = [(MARKER_LIST, "Prompt", True), (MARKER_LIST, "Completion", True)]
POLICIES = [
    policy("Off", annotations=False, uninspectable="record"),
    # Guards on and quiet: every detector runs, nothing is written into answers that need no change.
    policy(
        "Quiet", blocklists=BOTH_WAYS, annotations=False, uninspectable="record",
        rules=[{"detect": "sensitive", "types": ["CreditCardNumber"], "minimumConfidence": 0.65, "action": "mask"}],
    ),
    policy("Marked", blocklists=BOTH_WAYS, uninspectable="record"),
    policy("MarkedRefusing", blocklists=BOTH_WAYS),
    policy("MarkedPrompt", blocklists=BOTH_WAYS[:1], uninspectable="record"),
    policy("MarkedLater", blocklists=BOTH_WAYS, mode="Asynchronous_filter", uninspectable="record"),
    policy("Noted", blocklists=[(n, s, False) for n, s, _ in BOTH_WAYS], uninspectable="record"),
    policy("Masking", uninspectable="record", rules=[{"detect": "sensitive", "minimumConfidence": 0.65, "action": "mask"}]),
    policy("Pseudonyms", uninspectable="record", rules=[{"detect": "sensitive", "minimumConfidence": 0.65, "action": "pseudonymise"}]),
]  # fmt: skip


def configuration(upstream):
    """The configuration that most tests share, as a tree; ports and directories are filled in on start."""
    # The tests share one upstream and make it fail often: no breaker here but where it is what is tested.
    patient = {"minimumRequests": 1_000_000, "consecutiveFailures": 1_000_000}
    deployments = {
        "gpt-4o": {"upstream": "aoai", "model": "gpt-4o", "policy": "Default"},
        "embed": {"upstream": "aoai", "model": "text-embedding-3-small", "policy": "Default"},
        "renamed": {"upstream": "aoai", "model": "gpt-4o-upstream-name", "policy": "Off"},
        "compatible": {"upstream": "other", "model": "llama-3", "policy": "Default"},
        "closed": {"upstream": "aoai", "model": "gpt-4o", "policy": "Default"},
        "strict": {"upstream": "aoai", "model": "gpt-4o", "policy": "Strict"},
        "local": {"upstream": "documents"},
    }
    for document in POLICIES:
        deployments[document["name"].lower()] = {"upstream": "aoai", "model": "gpt-4o", "policy": document["name"]}
    return {
        "server": {"listen": None, "metricsListen": None},
        "data": {"directory": None},
        # Learned detectors have tests of their own: the others ask what is done with bytes, and start many gateways.
        "guards": {"learned": False},
        "upstreams": {
            "aoai": {"kind": "azure-openai", "endpoint": upstream, "apiKey": "${UPSTREAM_KEY}", "breaker": patient},
            "other": {"kind": "openai", "endpoint": f"{upstream}/v1", "apiKey": "${UPSTREAM_KEY}", "breaker": patient},
            "documents": {"kind": "embedded", "documents": None},
        },
        "deployments": deployments,
        "policies": {"directory": None},
    }


def answers_from_library(tree):
    """The embedded upstream answers from an index that tests fill, each caller from what he may read."""
    del tree["upstreams"]["documents"]["documents"]
    tree["upstreams"]["documents"]["index"] = "library"


given = collections.deque(maxlen=1000)


def free_port():
    """One that nobody listens on, and that was not given out a moment ago: who asked may not listen on it yet."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given:
            given.append(port)
            return port


class Gateway:
    """One gateway: start it, make keys, call it, stop it by its own process id."""

    def __init__(self, directory, upstream, change=None, environment=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.data = self.directory / "var"
        self.policies = self.directory / "policies"
        self.policies.mkdir(exist_ok=True)
        for document in POLICIES:
            (self.policies / f"{document['name']}.json").write_text(json.dumps(document, indent=2))
        self.config = self.directory / "config.yaml"
        self.log_file = self.directory / "gateway.log"
        self.environment = {**os.environ, "UPSTREAM_KEY": "upstream-secret-key", **(environment or {})}
        self.tree = configuration(upstream)
        self.tree["data"]["directory"] = str(self.data)
        self.tree["policies"]["directory"] = str(self.policies)
        documents = self.directory / "documents"
        documents.mkdir(exist_ok=True)
        (documents / "harbour.md").write_text("# The harbour\n\nThe harbour office opens at eight. The pilot boat leaves from the north quay at five.\n")
        self.tree["upstreams"]["documents"]["documents"] = str(documents)
        if change:
            change(self.tree)
        self.process = None
        self.new_ports()

    def new_ports(self):
        self.port, self.metrics_port, self.admin_port = free_port(), free_port(), free_port()
        self.tree["server"]["listen"] = f"127.0.0.1:{self.port}"
        if "metricsListen" in self.tree["server"]:
            self.tree["server"]["metricsListen"] = f"127.0.0.1:{self.metrics_port}"
        if self.tree["server"].get("adminListen") != "none":
            self.tree["server"]["adminListen"] = f"127.0.0.1:{self.admin_port}"
        self.write(self.tree)

    def write(self, tree):
        self.config.write_text(yaml.safe_dump(tree, sort_keys=False))

    def changed(self, change):
        """A copy of the configuration with a change, not yet written."""
        tree = copy.deepcopy(self.tree)
        change(tree)
        return tree

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def command(self, *arguments, timeout=30):
        """Runs the command line to its end."""
        return subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, env=self.environment)

    def key(self, name, **options):
        """Makes a key through the command line and returns what it printed: id, name, secret."""
        flags = [x for k, v in options.items() for x in (f"--{k}", str(v))]
        done = self.command("keys", "create", name, "--config", self.config, "--json", *flags)
        assert done.returncode == 0, f"keys create failed: {done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def start(self, attempts=5):
        for attempt in range(attempts):
            with open(self.log_file, "ab") as log:
                self.process = subprocess.Popen(
                    [str(BINARY), "serve", "--config", str(self.config)], stdout=log, stderr=log, env=self.environment, cwd=self.directory
                )
            try:
                self.wait_ready()
                return self
            except AssertionError:
                if self.process.poll() is None or attempt == attempts - 1 or "in use" not in self.log().lower():
                    self.kill()
                    raise
                self.new_ports()  # someone else took the port between our looking and the server's binding
        return self

    def wait_ready(self, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            try:
                if self.call("GET", "/readyz", key=None).status == 200:
                    return
            except (OSError, Closed):
                pass
            time.sleep(0.02)
        raise AssertionError(f"the gateway was not ready after {seconds} s:\n{self.log()[-4000:]}")

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_for_key(self, secret, seconds=10):
        """A running server notices new keys by itself, a moment later."""
        end = time.monotonic() + seconds
        while self.call("GET", "/openai/v1/models", key=secret).status == 401:
            assert time.monotonic() < end, "the server does not notice the new key"
            time.sleep(0.05)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def stop(self, seconds=20):
        """Asks it to end, and returns its exit status."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the gateway did not stop within {seconds} s") from None
        return self.process.returncode if self.process else None

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def memory(self):
        """Resident bytes."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        return 0

    def wire(self, timeout=20):
        return Wire(self.address, timeout)

    def call(self, method, target, body=b"", *, key, headers=(), timeout=20):
        """One request on a connection of its own. `body` may be bytes or something to write as JSON."""
        extra = list(headers)
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body and "content-type" not in {n.lower() for n, _ in extra}:
            extra.append(("content-type", "application/json"))
        if key:
            extra.append(("api-key", key))
        with self.wire(timeout) as wire:
            wire.send(request(method, target, body, extra))
            return wire.answer()

    def chat(self, deployment, body, *, key, headers=(), timeout=20):
        return self.call("POST", f"/openai/deployments/{deployment}/chat/completions?api-version={API}", body, key=key, headers=headers, timeout=timeout)

    def metrics(self):
        with Wire(("127.0.0.1", self.metrics_port)) as wire:
            wire.send(request("GET", "/metrics", headers=[("connection", "close")]))
            return wire.answer()

    def records(self, wanted=lambda record: True):
        """The audit log's records, oldest first, read from its files."""
        found = []
        for segment in sorted(self.data.rglob("segments/*.jsonl")):
            for line in segment.read_bytes().rstrip(b"\0").split(b"\n"):
                if line.strip(b"\0"):
                    record = json.loads(line)
                    if wanted(record):
                        found.append(record)
        return found

    def wait_for_record(self, wanted, seconds=5):
        """The first record that fits; it may still be on its way."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.records(wanted):
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no such record among {[(r['type'], r.get('operation'), r.get('status'), r.get('error')) for r in self.records()][-12:]}")

    def replace_blocklist(self, name, items, *, key):
        """Makes a blocklist with these items through the Content Safety API."""
        version = "api-version=2024-09-01"
        self.call("DELETE", f"/contentsafety/text/blocklists/{name}?{version}", key=key)
        made = self.call("PATCH", f"/contentsafety/text/blocklists/{name}?{version}", {"description": "end-to-end"}, key=key,
                         headers=[("content-type", "application/merge-patch+json")])  # fmt: skip
        assert made.status in (200, 201), (made.status, made.body)
        added = self.call("POST", f"/contentsafety/text/blocklists/{name}:addOrUpdateBlocklistItems?{version}", {"blocklistItems": items}, key=key)
        assert added.status == 200, (added.status, added.body)
        return added.json()["blocklistItems"]
