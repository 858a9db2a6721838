#!/usr/bin/env python3
"""Compares Sallyport with nginx and with no proxy at all: one run, one machine, interleaved, medians.

The proxy under test is pinned to one core, the load generator and the upstream to another. The upstream is nginx (answers of 1 KB) or
`sse_upstream` (streams), the load comes from wrk or `sse_load`: nothing here is the test suites' mock. Standard library only.
"""

import argparse
import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BUILD = HERE / ".build"
TICK = os.sysconf("SC_CLK_TCK")
PROXY_CORE, LOAD_CORE = 0, 1
PRIORITY = []  # with --realtime: what puts the servers above the load, which may spin
PACED_INTERVAL = 200  # milliseconds between the events of streams that are opened one by one
API = "/openai/deployments/{}/chat/completions?api-version=2024-10-21"
WORDS = "the harbour office opens at eight and ships over forty metres need a pilot before they leave the north quay".split()

ANSWER = json.dumps(
    {
        "choices": [
            {
                "content_filter_results": {
                    c: {"filtered": False, "severity": "safe"} for c in ("hate", "self_harm", "sexual", "violence")
                },
                "finish_reason": "stop",
                "index": 0,
                "logprobs": None,
                "message": {"content": " ".join(WORDS * 3).capitalize() + ".", "refusal": None, "role": "assistant"},
            }
        ],
        "created": 1763913600,
        "id": "chatcmpl-CfB1v0Qk2mJxY7aPq1dRw8LhT3uZs",
        "model": "gpt-4o-2024-08-06",
        "object": "chat.completion",
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}],
        "usage": {"completion_tokens": 66, "prompt_tokens": 40, "total_tokens": 106},
    },
    separators=(",", ":"),
)


def chat(text, **more):
    messages = [{"role": "system", "content": "You answer questions about the harbour."}, {"role": "user", "content": text}]
    return json.dumps({"messages": messages, "max_tokens": 64, **more}, separators=(",", ":")).encode()


def long_text(size):
    """Plain prose of about so many bytes, no sentence like another."""
    lines, total, n = [], 0, 0
    while total < size:
        turn = n % len(WORDS)
        lines.append(f"Entry {n}: " + " ".join(WORDS[turn:] + WORDS[:turn]) + ".")
        total += len(lines[-1]) + 1
        n += 1
    return " ".join(lines)[:size]


def nested_text(size):
    """A body made of encodings within encodings."""
    parts, total, n = [], 0, 0
    while total < size:
        inner = long_text(600 + n % 7 * 40).encode()
        kind = n % 4
        if kind == 0:
            part = base64.b64encode(base64.b64encode(inner)).decode()
        elif kind == 1:
            part = base64.b64encode(inner.hex().encode()).decode()
        elif kind == 2:
            part = urllib.parse.quote(base64.b64encode(inner).decode(), safe="")
        else:
            part = "".join(f"&#{b};" for b in base64.b64encode(inner)[:300])
        parts.append(part)
        total += len(part) + 1
        n += 1
    return " ".join(parts)[:size]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children(pid):
    try:
        return [int(x) for x in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


class Process:
    """A process and its children: their CPU time and memory."""

    def __init__(self, arguments, core, log, environment=None):
        self.log = open(log, "wb")
        self.log_path = log
        self.popen = subprocess.Popen(
            ["taskset", "-c", str(core), *PRIORITY, *map(str, arguments)], stdout=self.log, stderr=self.log, env={**os.environ, **(environment or {})}
        )

    @property
    def pids(self):
        return [self.popen.pid, *children(self.popen.pid)]

    def cpu(self):
        """Seconds on a processor so far: the scheduler's nanoseconds of each thread, else the clock ticks of user and system time."""
        total = 0
        for pid in self.pids:
            with contextlib.suppress(OSError):
                try:
                    total += sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
                except (FileNotFoundError, IndexError):
                    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                    total += (int(fields[11]) + int(fields[12])) / TICK
        return total

    def memory(self, word="VmRSS"):
        """Resident MB."""
        total = 0
        for pid in self.pids:
            with contextlib.suppress(OSError):
                for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith(word + ":"):
                        total += int(line.split()[1])
        return total / 1024

    def settle(self, seconds=15):
        """Waits until it has nothing left to do."""
        end = time.monotonic() + seconds
        before = self.cpu()
        while time.monotonic() < end:
            time.sleep(0.15)
            now = self.cpu()
            if now - before < 0.003:
                return
            before = now

    def stop(self):
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.log.close()


def wait_http(url, process, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.popen.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing answers at {url}:\n{pathlib.Path(process.log_path).read_text(errors='replace')[-3000:]}")


def nginx(name, directory, core, servers):
    prefix = directory / name
    prefix.mkdir()
    (prefix / "nginx.conf").write_text(
        f"""
        daemon off; worker_processes 1; pid {prefix}/pid; error_log {prefix}/error.log error;
        worker_rlimit_nofile 8192;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; keepalive_requests 100000000; keepalive_timeout 600s; client_max_body_size 64m; client_body_buffer_size 1m;
            client_body_temp_path {prefix}/b; proxy_temp_path {prefix}/p; fastcgi_temp_path {prefix}/f; uwsgi_temp_path {prefix}/u; scgi_temp_path {prefix}/s;
            {servers}
        }}"""
    )
    return Process([shutil.which("nginx") or "/usr/sbin/nginx", "-p", prefix, "-c", prefix / "nginx.conf"], core, prefix / "log")


class Peer:
    """One way to the upstream."""

    def __init__(self, name, port, target, process=None, key="none", stream=None, paced=None):
        """`stream` and `paced` are where streams come from: with the usual pace, and with the slower one of streams opened one by one."""
        self.name, self.port, self.target, self.process, self.key = name, port, target, process, key
        self.stream, self.paced = stream or (port, target), paced or (port, target)


class Sallyport(Peer):
    def __init__(self, name, directory, upstream, stream_upstream, policy, durability, options, learned=False, paced_upstream=None):
        home = directory / name.replace(" ", "-").replace(",", "")
        (home / "policies").mkdir(parents=True)
        (home / "policies/Off.json").write_text(json.dumps(OFF))
        (home / "policies/Guarded.json").write_text(json.dumps(GUARDED))
        port, metrics = free_port(), free_port()
        configuration = {
            "server": {"listen": f"127.0.0.1:{port}", "metricsListen": f"127.0.0.1:{metrics}", "adminListen": "none", "threads": 1},
            "data": {"directory": str(home / "var")},
            "upstreams": {
                name: {"kind": "azure-openai", "endpoint": f"http://127.0.0.1:{port}", "apiKey": "upstream-secret", "pool": {"maximumConnections": 4096}}
                for name, port in (("fixed", upstream), ("streaming", stream_upstream), ("paced", paced_upstream or stream_upstream))
            },
            "deployments": {
                "gpt-4o": {"upstream": "fixed", "model": "gpt-4o", "policy": policy},
                "stream": {"upstream": "streaming", "model": "gpt-4o", "policy": policy},
                "paced": {"upstream": "paced", "model": "gpt-4o", "policy": policy},
            },
            "policies": {"directory": str(home / "policies")},
            "audit": {"durability": durability},
            # The encoder has a benchmark of its own: learned.py.
            "guards": {"learned": learned},
        }
        (home / "config.yaml").write_text(json.dumps(configuration, indent=2))  # YAML reads JSON
        made = subprocess.run(
            [options.binary, "keys", "create", "bench", "--config", home / "config.yaml", "--roles", "model-user,safety-operator", "--json"],
            capture_output=True, text=True,
        )  # fmt: skip
        if made.returncode:
            sys.exit(f"keys create failed: {made.stderr}{made.stdout}")
        key = json.loads(made.stdout)["secret"]
        process = Process([options.binary, "serve", "--config", home / "config.yaml"], PROXY_CORE, home / "log")
        wait_http(f"http://127.0.0.1:{port}/readyz", process)
        self.blocklist(port, key)
        super().__init__(name, port, API.format("gpt-4o"), process, key, stream=(port, API.format("stream")), paced=(port, API.format("paced")))

    @staticmethod
    def blocklist(port, key):
        """A blocklist of a thousand terms, so that the guards have something to look for."""
        base = f"http://127.0.0.1:{port}/contentsafety/text/blocklists/bench"
        version = "?api-version=2024-09-01"

        def call(method, url, body, kind="application/json"):
            request = urllib.request.Request(url, json.dumps(body).encode(), {"api-key": key, "content-type": kind}, method=method)
            with urllib.request.urlopen(request, timeout=30):
                pass

        call("PATCH", base + version, {"description": "bench"}, "application/merge-patch+json")
        for start in range(0, 1000, 100):
            items = [{"text": f"forbidden codename {n:04d}"} for n in range(start, start + 100)]
            call("POST", base + ":addOrUpdateBlocklistItems" + version, {"blocklistItems": items})


def policy(name, **properties):
    return {"name": name, "properties": {"mode": "Default", "contentFilters": [], **properties}}


OFF = policy("Off", sallyport={"annotations": False, "uninspectable": "record"})
GUARDED = policy(
    "Guarded",
    customBlocklists=[{"blocklistName": "bench", "blocking": True, "source": s} for s in ("Prompt", "Completion")],
    sallyport={
        "rules": [
            {"detect": "secret", "minimumConfidence": 0.65, "action": "redact"},
            {"detect": "sensitive", "minimumConfidence": 0.65, "action": "mask"},
            {"detect": "output", "source": "Completion", "minimumConfidence": 0.5, "action": "redact"},
            {"detect": "invisible", "minimumConfidence": 0.5, "action": "annotate"},
        ]
    },
)


def wrk(peer, connections, seconds, body, script="post.lua"):
    before = peer.process.cpu() if peer.process else 0
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", HERE / script,
         f"http://127.0.0.1:{peer.port}{peer.target}"],
        capture_output=True, text=True, env={**os.environ, "BENCH_BODY": str(body), "BENCH_KEY": peer.key, "BENCH_SCRIPTS": str(HERE)},
    )  # fmt: skip
    line = next((x for x in done.stdout.splitlines() if x.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk failed against {peer.name}: {done.stdout}{done.stderr}")
    result = json.loads(line.removeprefix("RESULT "))
    used = peer.process.cpu() - before if peer.process else 0
    result["rate"] = result["requests"] / result["seconds"]
    result["cpu"] = used / max(1, result["requests"]) * 1e6
    return result


def streams(peer, count, directory, ramp=1000, skipped=0, paced=False):
    """Opens streams over `ramp` milliseconds; times are those of the streams after the first `skipped`."""
    body = chat("Tell me about the harbour.", stream=True)
    port, target = peer.paced if paced else peer.stream
    request = directory / "stream-request"
    request.write_bytes(
        f"POST {target} HTTP/1.1\r\nhost: bench\r\napi-key: {peer.key}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    )
    before = peer.process.cpu() if peer.process else 0
    done = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), BUILD / "sse_load", str(port), str(count), str(ramp), str(ramp + 60_000), request, str(skipped)],
        capture_output=True, text=True,
    )  # fmt: skip
    if not done.stdout.startswith("{"):
        sys.exit(f"sse_load failed against {peer.name}: {done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    used = peer.process.cpu() - before if peer.process else 0
    result["cpu"] = used / max(1, result["events"]) * 1e6
    result["rate"] = result["events"] / result["seconds"]
    return result


def median(results, key):
    return statistics.median(r[key] for r in results)


def fdatasync_time(directory, times=50):
    """Median milliseconds of fdatasync after 4 KB written into reserved space, where the gateways keep their data."""
    file = directory / "sync-probe"
    if not file.exists():
        with open(file, "wb") as f:
            f.write(bytes(4096 * times))
            f.flush()
            os.fsync(f.fileno())
    measured = []
    with open(file, "r+b", buffering=0) as f:
        for turn in range(times):
            f.write(bytes([turn + 1]) * 4096)
            start = time.perf_counter()
            os.fdatasync(f.fileno())
            measured.append((time.perf_counter() - start) * 1000)
    return statistics.median(measured)


def table(title, head, rows):
    print(f"\n{title}")
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print("  " + "  ".join(str(x).ljust(w) if i == 0 else str(x).rjust(w) for i, (x, w) in enumerate(zip(row, widths))))
    sys.stdout.flush()


def rounds(peers, options, measure):
    """Every peer once per round, in turn; each is left until it is idle again."""
    results = {peer.name: [] for peer in peers}
    for turn in range(options.rounds):
        options.sync_times.append(fdatasync_time(options.directory, 20))
        for peer in peers[turn % len(peers) :] + peers[: turn % len(peers)]:
            results[peer.name].append(measure(peer))
            if peer.process:
                peer.process.settle()
    return results


def small_requests(peers, options, directory, report):
    body = directory / "small.json"
    body.write_bytes(chat("When does the harbour office open, and which ships need a pilot? " + " ".join(WORDS)))
    for connections in options.connections:
        results = rounds(peers, options, lambda peer: wrk(peer, connections, options.seconds, body))
        direct = median(results["direct"], "p50")
        base = median(results["nginx"], "rate")
        rows = []
        for peer in peers:
            r = results[peer.name]
            rows.append([
                peer.name, f"{median(r, 'rate'):,.0f}", f"{median(r, 'rate') / base:.2f}", f"{median(r, 'cpu'):.1f}" if peer.process else "-",
                f"{median(r, 'p50') / 1000:.3f}", f"{(median(r, 'p50') - direct) / 1000:+.3f}", f"{median(r, 'p99') / 1000:.3f}",
                f"{peer.process.memory():.0f}" if peer.process else "-", sum(x["errors"] for x in r),
            ])  # fmt: skip
        table(
            f"1 KB answers, {connections} connection{'s' if connections > 1 else ''}",
            ["peer", "requests/s", "x nginx", "CPU us/request", "p50 ms", "added p50", "p99 ms", "RSS MB", "errors"], rows,
        )  # fmt: skip
        report[f"small/{connections}"] = {n: {k: median(r, k) for k in ("rate", "cpu", "p50", "p99", "errors")} for n, r in results.items()}


def large_requests(peers, options, directory, report):
    for title, text in (("400 KB of plain text", long_text(400_000)), ("400 KB of nested encodings", nested_text(400_000))):
        body = directory / "large.json"
        body.write_bytes(chat(text))
        results = rounds(peers, options, lambda peer: wrk(peer, 16, max(options.seconds, 3), body))
        rows = [
            [p.name, f"{median(r, 'rate'):,.0f}", f"{median(r, 'cpu'):,.0f}" if p.process else "-", f"{median(r, 'p50') / 1000:.1f}",
             f"{p.process.memory('VmHWM'):.0f}" if p.process else "-", sum(x["errors"] for x in r)]
            for p in peers for r in [results[p.name]]
        ]  # fmt: skip
        table(f"{title}, 16 connections", ["peer", "requests/s", "CPU us/request", "p50 ms", "peak RSS MB", "errors"], rows)
        report[title] = {n: {k: median(r, k) for k in ("rate", "cpu", "p50", "p99", "errors")} for n, r in results.items()}


def streaming(peers, options, directory, report):
    for count in options.streams:
        results = rounds(peers, options, lambda peer: streams(peer, count, directory))
        direct = {k: median(results["direct"], k) for k in ("first_p50", "text_p50", "end_p50")}
        rows = []
        for peer in peers:
            r = results[peer.name]
            rows.append([
                peer.name, f"{min(x['finished'] for x in r)}/{count}", f"{median(r, 'rate'):,.0f}", f"{median(r, 'cpu'):.1f}" if peer.process else "-",
                f"{median(r, 'first_p50'):.2f}", f"{median(r, 'first_p50') - direct['first_p50']:+.2f}", f"{median(r, 'first_p99'):.2f}",
                f"{median(r, 'text_p50') - direct['text_p50']:+.1f}", f"{median(r, 'end_p50') - direct['end_p50']:+.1f}",
                f"{peer.process.memory():.0f}" if peer.process else "-",
            ])  # fmt: skip
        table(
            f"{count} streams opened within a second, {options.events} events each, 50 ms apart",
            ["peer", "finished", "chunks/s", "CPU us/chunk", "first byte p50 ms", "added", "p99", "added to first text", "added to end", "RSS MB"], rows,
        )  # fmt: skip
        report[f"streams/{count}"] = {
            n: {k: median(r, k) for k in ("rate", "cpu", "first_p50", "first_p99", "text_p50", "end_p50", "finished")} for n, r in results.items()
        }


def paced_streams(peers, options, directory, report):
    """What one more stream waits for its first byte while many are open: opened at a steady pace, as many more when the first begin to end."""
    count, pace = options.open, options.pace
    total, ramp = 2 * count, 2 * count * 1000 // pace
    results = rounds(peers, options, lambda peer: streams(peer, total, directory, ramp, skipped=count, paced=True))
    direct = {k: median(results["direct"], k) for k in ("first_p50", "first_p99")}
    rows = []
    for peer in peers:
        r = results[peer.name]
        rows.append([
            peer.name, f"{min(x['finished'] for x in r)}/{total}", f"{median(r, 'open'):,.0f}", f"{median(r, 'rate'):,.0f}",
            f"{median(r, 'cpu'):.1f}" if peer.process else "-", f"{median(r, 'first_p50'):.2f}", f"{median(r, 'first_p50') - direct['first_p50']:+.2f}",
            f"{median(r, 'first_p99'):.2f}", f"{median(r, 'first_p99') - direct['first_p99']:+.2f}", f"{peer.process.memory():.0f}" if peer.process else "-",
        ])  # fmt: skip
    table(
        f"{pace} streams opened a second, {paced_events(options)} events each, {PACED_INTERVAL} ms apart: those opened while {count} others run",
        ["peer", "finished", "open", "chunks/s", "CPU us/chunk", "first byte p50 ms", "added", "p99", "added to p99", "RSS MB"], rows,
    )  # fmt: skip
    report[f"paced/{count}"] = {
        n: {k: median(r, k) for k in ("rate", "cpu", "first_p50", "first_p99", "open", "finished")} for n, r in results.items()
    }


def paced_events(options):
    """So many that a stream ends when as many as wanted are open."""
    return options.open * 1000 // options.pace // PACED_INTERVAL


def ratios(report, names):
    """What the targets speak of."""
    found = report.get("small/16")
    if not found or "Sallyport plain, strict" not in found:
        return
    plain, guarded, peer = found["Sallyport plain, strict"], found["Sallyport guarded, strict"], found["nginx"]
    print("\nRatios, 16 connections, same run")
    print(f"  plain, strict: {plain['cpu']:.0f} us CPU per request, {plain['rate'] / peer['rate']:.2f} x nginx's rate")
    print(f"  guarded, strict: {guarded['rate'] / plain['rate']:.2f} x the plain rate")
    if one := report.get("small/1"):
        direct = one["direct"]["p50"]
        for name in names:
            print(f"  {name}: added p50 at 1 connection {(one[name]['p50'] - direct) / 1000:.3f} ms (fdatasync {report['fdatasync_ms']:.3f} ms, median between the runs)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=os.environ.get("SALLYPORT_BIN", str(ROOT / ".build/release/sallyport")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2, help="of each wrk run")
    parser.add_argument("--connections", type=lambda s: [int(x) for x in s.split(",")], default=[1, 16, 64, 256])
    parser.add_argument("--streams", type=lambda s: [int(x) for x in s.split(",")], default=[100, 1000])
    parser.add_argument("--events", type=int, default=60)
    parser.add_argument("--open", type=int, default=1000, help="streams that are open while others are opened one by one")
    parser.add_argument("--pace", type=int, default=100, help="of these, opened a second")
    parser.add_argument("--only", choices=["small", "large", "streams", "paced"], action="append", help="parts to run; all by default")
    parser.add_argument("--without-sallyport", action="store_true", help="only the peers: to try the tools")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument(
        "--realtime", action="store_true", help="keep other work of this machine off both cores while a peer runs (SCHED_RR; needs root)"
    )
    options = parser.parse_args()
    if options.realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))  # the load inherits it
        PRIORITY[:] = ["chrt", "-r", "2"]
    if options.quick:
        options.rounds, options.seconds = 1, 1
    for tool in ("wrk", "taskset", "cc"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: scripts/setup.sh bench")
    BUILD.mkdir(exist_ok=True)
    for tool in ("sse_upstream", "sse_load"):
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", BUILD / tool, HERE / f"{tool}.c"], check=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=BUILD))
    options.directory, options.sync_times = directory, []
    report, processes = {}, []
    try:
        upstream, stream_upstream, paced_upstream, proxy, stream_proxy, paced_proxy = (free_port() for _ in range(6))
        processes.append(nginx("upstream", directory, LOAD_CORE, f"""
            server {{ listen 127.0.0.1:{upstream} backlog=4096; default_type application/json;
                      add_header apim-request-id 0b1c2d3e-0000-4000-8000-000000000001; add_header x-ms-region "North Central US";
                      location / {{ return 200 '{ANSWER}'; }} }}"""))  # fmt: skip
        sse = Process([BUILD / "sse_upstream", stream_upstream, options.events, 50], LOAD_CORE, directory / "sse.log")
        processes.append(sse)
        paced = Process([BUILD / "sse_upstream", paced_upstream, paced_events(options), PACED_INTERVAL], LOAD_CORE, directory / "paced.log")
        processes.append(paced)
        pass_on = "proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off; proxy_read_timeout 60s;"
        front = nginx("proxy", directory, PROXY_CORE, f"""
            upstream fixed {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
            upstream streaming {{ server 127.0.0.1:{stream_upstream}; keepalive 512; }}
            upstream paced {{ server 127.0.0.1:{paced_upstream}; keepalive 512; }}
            server {{ listen 127.0.0.1:{proxy} backlog=4096; location / {{ {pass_on.format('fixed').replace('proxy_buffering off;', '')} }} }}
            server {{ listen 127.0.0.1:{stream_proxy} backlog=4096; location / {{ {pass_on.format('streaming')} }} }}
            server {{ listen 127.0.0.1:{paced_proxy} backlog=4096; location / {{ {pass_on.format('paced')} }} }}""")  # fmt: skip
        processes.append(front)
        wait_http(f"http://127.0.0.1:{upstream}/", processes[0])
        wait_http(f"http://127.0.0.1:{proxy}/", front)
        target = API.format("gpt-4o")
        peers = [
            Peer("direct", upstream, target, stream=(stream_upstream, target), paced=(paced_upstream, target)),
            Peer("nginx", proxy, target, front, stream=(stream_proxy, target), paced=(paced_proxy, target)),
        ]
        names = []
        if not options.without_sallyport:
            for guards, name in (("Off", "plain"), ("Guarded", "guarded")):
                for durability in ("strict", "relaxed"):
                    peer = Sallyport(
                        f"Sallyport {name}, {durability}", directory, upstream, stream_upstream, guards, durability, options, paced_upstream=paced_upstream
                    )
                    processes.append(peer.process)
                    peers.append(peer)
                    names.append(peer.name)
        print(f"fdatasync of 4 KB in the data directory: median {fdatasync_time(directory):.3f} ms before the runs")
        print(f"proxy on core {PROXY_CORE}, upstream and load on core {LOAD_CORE}; {options.rounds} rounds of {options.seconds} s, medians")
        parts = options.only or ["small", "large", "streams", "paced"]
        if "small" in parts:
            small_requests(peers, options, directory, report)
        if "large" in parts:
            large_requests(peers, options, directory, report)
        if "streams" in parts:
            # Durability does not matter to a stream's chunks: one of each is enough.
            streaming([p for p in peers if "relaxed" not in p.name], options, directory, report)
        if "paced" in parts:
            paced_streams([p for p in peers if "relaxed" not in p.name], options, directory, report)
        report["fdatasync_ms"] = statistics.median(options.sync_times)
        ratios(report, names)
        (BUILD / "report.json").write_text(json.dumps(report, indent=1))
        print(f"\nall figures: {BUILD.relative_to(ROOT)}/report.json")
    finally:
        for process in reversed(processes):
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
