#!/usr/bin/env python3
"""What detectors cost, in one run on one machine.

1. The encoder behind `text:shieldPrompt`: latency by length of text, one caller and eight.
2. Batches: `sallyport eval` over many short rows: rows a minute.
3. Patterns: personal data by this gateway (Azure Language's PII call, learned detectors off and on) beside the pattern recognizers of Presidio and the
   pattern scanners of llm-guard, in their own processes without a network. Their learned models cannot be had without a download from a model
   hub, so they are not compared: only patterns with patterns.

Usage: detectors.py [--seconds N] [--rows N]. Needs .deps/venv (make setup); Presidio and llm-guard are put into .deps/peers when they are missing.
"""

import argparse
import concurrent.futures
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
PEERS = ROOT / ".deps/peers"
# Chosen from what these recognize by patterns, with values that pass their checksums, between plain words.
SAMPLES = [
    "Please charge card 4111 1111 1111 1111 and send the receipt to ann.miller@harbour.example before Friday.",
    "The invoice goes to GB29 NWBK 6016 1331 9268 19; call +44 20 7946 0958 if the amount differs.",
    "Login of 192.0.2.44 failed twice, the account of bob@quay.example is locked until further notice.",
    "Her social security number is 536-90-4399 and she was born on 12 March 1984.",
    "The minutes of last week's meeting list five open questions about the garden plan and its costs.",
    "See https://intranet.example/wiki/travel for the rules on flights, trains and hotels.",
]


def text_of(characters, seed):
    generator = random.Random(seed)
    words = "the plan lists every bed and what grew there before rain fell on stones near old walls while people spoke of quiet work".split()
    out = []
    while sum(map(len, out)) + len(out) < characters:
        out.append(generator.choice(words))
    return " ".join(out)[:characters]


def table(title, head, rows):
    print(f"\n### {title}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |")
    sys.stdout.flush()


def start(folder, upstream, learned):
    from gateway import Gateway

    def change(tree):
        tree["guards"] = {"learned": learned}
        tree["contentSafety"] = {"maximumPrompt": 1_000_000}

    gateway = Gateway(folder, upstream, change)
    gateway.user = gateway.key("user", roles="model-user,safety-operator")["secret"]
    gateway.start()
    return gateway


def shield(gateway, options):
    seeds = iter(range(10**9))

    def once(characters):
        body = {"userPrompt": text_of(characters, next(seeds)), "documents": []}
        began = time.perf_counter()
        answer = gateway.call("POST", "/contentsafety/text:shieldPrompt?api-version=2024-09-01", body, key=gateway.user, timeout=120)
        assert answer.status == 200, answer.body
        return 1000 * (time.perf_counter() - began)

    rows = []
    for characters in (250, 800, 4_000, 32_000):
        for callers in (1, 8):
            once(characters)
            taken, end = [], time.monotonic() + options.seconds
            with concurrent.futures.ThreadPoolExecutor(callers) as pool:
                began = time.monotonic()
                while time.monotonic() < end:
                    taken += list(pool.map(lambda _: once(characters), range(callers)))
                elapsed = time.monotonic() - began
            taken.sort()
            rows.append([f"{characters:,}", callers, f"{statistics.median(taken):.1f}", f"{taken[int(len(taken) * 0.99)]:.1f}", f"{len(taken) / elapsed:,.1f}", f"{len(taken) * characters / 4 / elapsed:,.0f}", f"{gateway.memory() / 2**20:.0f}"])
    table("text:shieldPrompt, texts never seen before", ["characters", "callers", "p50 ms", "p99 ms", "calls/s", "about tokens/s", "RSS MB"], rows)


def batches(options):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "rows.jsonl"
        file.write_text("".join(json.dumps({"text": text_of(120, n), "label": 0}) + "\n" for n in range(options.rows)))
        rows = []
        for threads in (1, 2):
            began = time.monotonic()
            done = subprocess.run([ROOT / ".build/release/sallyport", "eval", file, "--head", "prompt_attack", "--threads", str(threads)], capture_output=True, text=True, cwd=ROOT)
            assert done.returncode == 0, done.stderr
            rows.append([threads, options.rows, f"{time.monotonic() - began:.1f}", f"{60 * options.rows / (time.monotonic() - began):,.0f}"])
        table("sallyport eval, rows of 120 characters, start and self-test included", ["threads", "rows", "seconds", "rows/min"], rows)


def language(name, gateway, options):
    sizes, end, began = 0, time.monotonic() + options.seconds, time.monotonic()
    documents = [{"id": str(n), "language": "en", "text": text} for n, text in enumerate(SAMPLES[:5])]
    body = {"kind": "PiiEntityRecognition", "analysisInput": {"documents": documents}}
    count = found = 0
    from wire import Wire, request

    payload = json.dumps(body).encode()
    message = request("POST", "/language/:analyze-text?api-version=2023-04-01", payload, [("content-type", "application/json"), ("api-key", gateway.user)])
    with Wire(gateway.address, 60) as wire:
        while time.monotonic() < end:
            wire.send(message)
            answer = wire.answer()
            assert answer.status == 200, answer.body
            count += len(documents)
            sizes += sum(len(d["text"]) for d in documents)
            found = sum(len(d["entities"]) for d in answer.json()["results"]["documents"])
    elapsed = time.monotonic() - began
    return [name, f"{count / elapsed:,.0f}", f"{1e6 * elapsed / count:,.0f}", f"{sizes / elapsed / 1e6:.2f}", found, f"{gateway.memory() / 2**20:.0f}"]


PEER = r"""
import json, resource, sys, time
name, seconds, samples = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
if name == "presidio":
    from presidio_analyzer import RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts
    registry = RecognizerRegistry(); registry.load_predefined_recognizers()
    recognizers = [r for r in registry.recognizers if type(r).__mro__[1].__name__ == "PatternRecognizer" and r.supported_language == "en"]
    def scan(text):
        return sum(len([x for x in (r.analyze(text, r.supported_entities, None) or []) if x.score >= 0.5]) for r in recognizers)
else:
    from llm_guard.input_scanners.secrets import Secrets
    from llm_guard.input_scanners.invisible_text import InvisibleText
    from llm_guard.input_scanners.regex import Regex
    scanners = [Secrets(), InvisibleText(), Regex(patterns=[r"\b(?:\d[ -]?){13,16}\b", r"[\w.+-]+@[\w-]+\.[\w.]+", r"\b\d{3}-\d{2}-\d{4}\b"])]
    def scan(text):
        return sum(not s.scan(text)[1] for s in scanners)
for text in samples: scan(text)
count = size = 0; began = time.monotonic(); found = 0
while time.monotonic() - began < seconds:
    found = sum(scan(text) for text in samples); count += len(samples); size += sum(map(len, samples))
elapsed = time.monotonic() - began
print(json.dumps([f"{count/elapsed:,.0f}", f"{1e6*elapsed/count:,.0f}", f"{size/elapsed/1e6:.2f}", found, f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024:.0f}"]))
"""


def peer(name, title, options):
    python = PEERS / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS], check=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", "-r", ROOT / "Benchmarks/requirements-peers.txt"], capture_output=True, text=True)
        if done.returncode:
            return [title, "could not be installed: " + done.stderr.strip().splitlines()[-1][:80], "", "", "", ""]
    environment = {"PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1", "HOME": tempfile.gettempdir()}
    done = subprocess.run([python, "-c", PEER, name, str(options.seconds), json.dumps(SAMPLES[:5])], capture_output=True, text=True, env=environment)
    if done.returncode:
        return [title, "could not be run: " + done.stderr.strip().splitlines()[-1][:80], "", "", "", ""]
    return [title, *json.loads(done.stdout.splitlines()[-1])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rows", type=int, default=2000)
    options = parser.parse_args()
    from mock_upstream import MockUpstream

    upstream = MockUpstream().start()
    with tempfile.TemporaryDirectory() as folder:
        gateways = []
        try:
            gateways.append(start(pathlib.Path(folder) / "learned", upstream.url, True))
            gateways.append(start(pathlib.Path(folder) / "patterns", upstream.url, False))
            shield(gateways[0], options)
            rows = [
                language("Sallyport over HTTP, patterns", gateways[1], options), language("Sallyport over HTTP, patterns and names (remembered)", gateways[0], options),
                peer("presidio", "Presidio, pattern recognizers, in process", options), peer("llm-guard", "llm-guard, Secrets, InvisibleText, Regex, in process", options),
            ]  # fmt: skip
            table("personal data in five short texts, one caller", ["what", "texts/s", "µs/text", "MB/s", "found", "RSS MB"], rows)
        finally:
            for gateway in gateways:
                gateway.kill()
            upstream.stop()
    batches(options)


if __name__ == "__main__":
    main()
