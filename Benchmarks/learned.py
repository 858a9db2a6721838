#!/usr/bin/env python3
"""What learned guards cost: the gateway with the policy `Default` and its encoder beside the same gateway with guards off, interleaved, on prompts
of about 200, 1,000 and 8,000 tokens, no two alike. Usage: learned.py [--seconds N] [--rounds N] [--connections 1,16,64]; see bench.py."""

import argparse
import pathlib
import shutil
import sys
import tempfile

from bench import BUILD, LOAD_CORE, PROXY_CORE, ROOT, Sallyport, chat, free_port, long_text, median, nginx, rounds, table, wait_http, wrk, ANSWER


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=ROOT / ".build/release/sallyport", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=lambda text: [int(x) for x in text.split(",")], default=[1, 16, 64])
    parser.add_argument("--tokens", type=lambda text: [int(x) for x in text.split(",")], default=[200, 1000, 8000])
    options = parser.parse_args()
    if not options.binary.exists():
        sys.exit(f"{options.binary} does not exist: 'make build' makes it")
    BUILD.mkdir(exist_ok=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="learned-", dir=BUILD))
    options.directory, options.sync_times = directory, []
    processes = []
    try:
        upstream = free_port()
        processes.append(nginx("upstream", directory, LOAD_CORE, f"""
            server {{ listen 127.0.0.1:{upstream} backlog=4096; default_type application/json; location / {{ return 200 '{ANSWER}'; }} }}"""))
        wait_http(f"http://127.0.0.1:{upstream}/", processes[0])
        peers = []
        for name, policy, learned in (("guards off", "Off", False), ("Default with encoder", "Default", True)):
            peer = Sallyport(name, directory, upstream, upstream, policy, "strict", options, learned)
            processes.append(peer.process)
            peers.append(peer)
        print(f"gateway on core {PROXY_CORE}, upstream and load on core {LOAD_CORE}; {options.rounds} rounds of {options.seconds} s (longer for long prompts), medians; strict")
        body = directory / "prompt.json"
        for tokens in options.tokens:
            # About four characters a token; the script writes a number into the mark, so that nothing is remembered.
            body.write_bytes(chat("MARK0000 " + long_text(tokens * 4)))
            rows = []
            # Long enough for several of the longest prompts one after another, on a processor without bf16 too.
            seconds = max(options.seconds, tokens // 500)
            for connections in options.connections:
                results = rounds(peers, options, lambda peer: wrk(peer, connections, seconds, body, "unique.lua"))
                for peer in peers:
                    r = results[peer.name]
                    rows.append([
                        f"{peer.name}, {connections}", f"{median(r, 'rate'):,.1f}", f"{median(r, 'cpu') / 1000:.2f}", f"{median(r, 'p50') / 1000:.2f}",
                        f"{median(r, 'p99') / 1000:.2f}", f"{peer.process.memory():.0f}", sum(x["errors"] for x in r),
                    ])  # fmt: skip
            table(f"prompts of about {tokens:,} tokens", ["gateway, connections", "requests/s", "CPU ms/request", "p50 ms", "p99 ms", "RSS MB", "errors"], rows)
    finally:
        for process in reversed(processes):
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
