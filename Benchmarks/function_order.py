#!/usr/bin/env python3
"""Writes which functions a request runs, hottest first, for the linker to place side by side (Sources/sallyport/function-order.txt).

The gateway runs under callgrind and is given small requests and streams, with all pattern guards. Needs valgrind and the tools of bench.py.
"""

import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import bench

LINE = re.compile(r"(fn|ob|cfn|cob)=\((\d+)\)(?: (.*))?$")
RECURSION = re.compile(r"'\d+$")


def costs(parts, binary):
    """Instructions spent in each function of the binary itself."""
    total = collections.Counter()
    for part in parts:
        names, objects, function, home, called = {}, {}, None, None, False
        for line in part.read_text(errors="replace").splitlines():
            if found := LINE.match(line):
                kind, number, name = found.groups()
                table = objects if kind in ("ob", "cob") else names
                if name is not None:
                    table[number] = name
                if kind == "fn":
                    function = table[number]
                elif kind == "ob":
                    home = table[number]
            elif line.startswith("calls="):
                called = True
            elif line[:1] in "+-*0123456789" and line and function:
                if not called and home == binary:
                    total[RECURSION.sub("", function)] += int(line.split()[-1])
                called = False
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=os.environ.get("SALLYPORT_BIN", str(bench.ROOT / ".build/release/sallyport")))
    parser.add_argument("--out", type=pathlib.Path, default=bench.ROOT / "Sources/sallyport/function-order.txt")
    parser.add_argument("--seconds", type=int, default=20, help="of small requests; callgrind is some fifty times slower")
    options = parser.parse_args()
    for tool in ("valgrind", "callgrind_control", "objcopy", "wrk", "taskset", "cc"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: scripts/setup.sh bench, and valgrind")
    bench.BUILD.mkdir(exist_ok=True)
    for tool in ("sse_upstream", "sse_load"):
        subprocess.run(["cc", "-O2", "-o", bench.BUILD / tool, bench.HERE / f"{tool}.c"], check=True)
    directory = pathlib.Path(tempfile.mkdtemp(prefix="order-", dir=bench.BUILD))
    # Callgrind would read the debugger's tables for minutes; the names stay.
    binary = directory / "sallyport"
    subprocess.run(["objcopy", "--strip-debug", options.binary, binary], check=True)
    for beside in pathlib.Path(options.binary).resolve().parent.glob("*.resources"):
        (directory / beside.name).symlink_to(beside)
    worker = pathlib.Path(options.binary).resolve().parent / "sallyport-worker"
    if worker.exists():
        (directory / worker.name).symlink_to(worker)
    tool = [
        "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes", "--demangle=no", f"--callgrind-out-file={directory}/cost",
    ]  # fmt: skip
    start = bench.Process.__init__

    def under_callgrind(self, arguments, *rest):
        start(self, [*tool, *arguments] if "serve" in arguments else arguments, *rest)

    bench.Process.__init__ = under_callgrind
    wait = bench.wait_http
    bench.wait_http = lambda url, process: wait(url, process, 300)
    processes = []
    try:
        upstream, stream = bench.free_port(), bench.free_port()
        server = f"server {{ listen 127.0.0.1:{upstream}; default_type application/json; location / {{ return 200 '{bench.ANSWER}'; }} }}"
        processes.append(bench.nginx("upstream", directory, bench.LOAD_CORE, server))
        processes.append(bench.Process([bench.BUILD / "sse_upstream", stream, 30, 50], bench.LOAD_CORE, directory / "sse.log"))
        options.binary = str(binary)
        peer = bench.Sallyport("gateway", directory, upstream, stream, "Guarded", "strict", options)
        processes.append(peer.process)
        body = directory / "small.json"
        body.write_bytes(bench.chat("When does the harbour office open, and which ships need a pilot? " + " ".join(bench.WORDS)))
        bench.wrk(peer, 16, 3, body)
        control = ["callgrind_control", "-i"]
        pid = str(peer.process.popen.pid)
        subprocess.run([*control, "on", pid], check=True, stdout=subprocess.DEVNULL)
        requests = bench.wrk(peer, 16, options.seconds, body)["requests"]
        bench.streams(peer, 20, options, directory)
        subprocess.run([*control, "off", pid], check=True, stdout=subprocess.DEVNULL)
        peer.process.stop()
        total = costs(sorted(directory.glob("cost*")), str(binary))
        names = [name for name, cost in total.most_common() if cost >= requests and " " not in name and not name.startswith("0x")]
        if requests < 100 or len(names) < 500:
            sys.exit(f"{requests} requests and {len(names)} functions are too few to tell")
        options.out.write_text("\n".join(names) + "\n")
        print(f"{len(names)} functions of {requests} requests: {options.out}")
    finally:
        for process in reversed(processes):
            process.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
