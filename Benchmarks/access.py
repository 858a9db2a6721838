#!/usr/bin/env python3
"""What access costs at size: 100,000 keys and their principals, 100,000 provisioned people, 10,000 role assignments.

1. A start of the gateway with them, and how soon a new key, a role assignment, a disabled principal and a revoked key are heeded while it
   serves: from the end of the command that says so to the first answer that heeds it; taking back also while everything is read anew, and
   at a second gateway that shares the identities of the first (`data.identity`).
2. `BENCH_AUTH=1 swift test --filter AccessCost`: who is calling, and may he: median and 99th percentile in microseconds.

Usage: access.py [--keys N] [--people N] [--assignments N] [--part size|cost]. Needs .deps/venv (make setup) and a build.
"""

import argparse
import hashlib
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
BODY = {"messages": [{"role": "user", "content": "When does the harbour office open?"}]}


def fill(database, options):
    """Rows as the gateway writes them: copies of one that it made."""
    with sqlite3.connect(database) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(api_key)")]
        model = dict(zip(columns, db.execute("SELECT * FROM api_key LIMIT 1").fetchone()))
        rows = (
            {**model, "id": f"bulk{n:08}", "principal": f"app-{n}", "name": f"n{n}", "secret_hash": hashlib.sha256(b"%d" % n).digest()}
            for n in range(options.keys)
        )
        db.executemany(f"INSERT INTO api_key ({','.join(columns)}) VALUES ({','.join(':' + c for c in columns)})", rows)
        db.executemany(
            "INSERT INTO role_assignment (tenant, id, principal, role, scope, effect, created_at) VALUES (?, ?, ?, ?, ?, 'allow', 0)",
            ((model["tenant"], f"a{n}", f"service:app-{n}", "openai-user", "/" if n % 2 else "/deployments/local") for n in range(options.assignments)))
        db.executemany(
            "INSERT INTO provisioned_user (tenant, id, user_name, folded_name, is_active, principal, attributes, version, created_at, modified_at)"
            " VALUES (?, ?, ?, ?, 1, ?, '{}', 1, 0, 0)",
            ((model["tenant"], f"u{n}", f"person{n}", f"person{n}", f"scim:person{n}") for n in range(options.people)))
        groups = max(1, options.people // 100)
        db.executemany(
            "INSERT INTO provisioned_group (tenant, id, display_name, reference, version, created_at, modified_at) VALUES (?, ?, ?, ?, 1, 0, 0)",
            ((model["tenant"], f"g{n}", f"group{n}", f"scim:group{n}") for n in range(groups)))
        db.executemany(
            "INSERT INTO provisioned_member (tenant, group_id, member, position) VALUES (?, ?, ?, ?)",
            ((model["tenant"], f"g{n % groups}", f"u{n}", n // groups) for n in range(options.people)))


def until(condition, limit=60):
    began = time.perf_counter()
    while not condition():
        assert time.perf_counter() - began < limit, "it did not come about"
        time.sleep(0.01)
    return time.perf_counter() - began


def size(options):
    from gateway import Gateway
    from mock_upstream import MockUpstream

    mock = MockUpstream().start()
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(folder, mock.url)
        user = gateway.key("user")["secret"]
        rows = []

        def start():
            began = time.perf_counter()
            gateway.start()
            rows.append((name, f"{time.perf_counter() - began:.2f} s", f"{gateway.memory() >> 20} MiB"))

        name = "start, 1 key"
        start()
        gateway.stop()
        fill(gateway.data / "sallyport.sqlite", options)
        name = f"start, {options.keys:,} keys, {options.people:,} people, {options.assignments:,} assignments"
        start()

        def sharing(tree):
            tree["data"]["identity"] = str(gateway.data)
            tree["server"]["adminListen"] = "none"

        replica = Gateway(f"{folder}/second", mock.url, sharing)
        began = time.perf_counter()
        replica.start()
        rows.append(("start of a second gateway that shares them", f"{time.perf_counter() - began:.2f} s", f"{replica.memory() >> 20} MiB"))
        chat = lambda key: gateway.chat("local", BODY, key=key).status  # noqa: E731
        assert chat(user) == 200
        made = gateway.key("late", roles="usages-reader", principal="late")
        rows.append(("a new key is known after", f"{until(lambda: chat(made['secret']) == 401 and b'PermissionDenied' in gateway.chat('local', BODY, key=made['secret']).body):.2f} s", ""))
        run = lambda *words: gateway.command(*words, "--config", gateway.config).returncode == 0 or sys.exit("the command failed")  # noqa: E731
        run("access", "assignments", "add", "--principal", "service:late", "--role", "openai-user")
        rows.append(("a role assignment holds after", f"{until(lambda: chat(made['secret']) == 200):.2f} s", ""))
        run("access", "principals", "disable", "late")

        def taken_back(what, act, give_back, rounds=7):
            """Each round also right after a new key and a new role, when all keys, roles and people are read again."""
            for busy in (False, True):
                times, there = [], []
                for number in range(rounds):
                    secret, subject = give_back(number)
                    until(lambda: chat(secret) == 200)
                    until(lambda: replica.chat("local", BODY, key=secret).status == 200)
                    time.sleep(2)
                    if busy:
                        gateway.key(f"busy-{what}-{number}")
                        run("access", "assignments", "add", "--principal", f"user:busy-{number}", "--role", "auditor")
                    run(*act, subject)
                    began = time.perf_counter()
                    times.append(until(lambda: chat(secret) == 401))
                    until(lambda: replica.chat("local", BODY, key=secret).status == 401)
                    there.append(time.perf_counter() - began)
                name = f"{what} is refused after{', while all is read anew' if busy else ''} ({rounds} times)"
                for where, found in (("", times), ("; at the second gateway", there)):
                    rows.append((name + where, f"{statistics.median(found):.2f} s, at most {max(found):.2f} s", ""))

        def enabled(_):
            if chat(made["secret"]) != 200:
                run("access", "principals", "enable", "late")
            return made["secret"], "late"

        def another(_):
            key = gateway.key("gone")
            return key["secret"], key["id"]

        taken_back("a disabled principal", ("access", "principals", "disable"), enabled)
        taken_back("a revoked key", ("keys", "revoke"), another)
        replica.stop(120)
        gateway.stop(120)
    mock.stop()
    print("\n### Access at size\n\n| | | memory |\n| --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def cost():
    print("\n### Who is calling, and may he: microseconds\n\n| | median | p99 |\n| --- | --- | --- |", flush=True)
    done = subprocess.run(
        ["swift", "test", "-c", "release", "--skip-build", "--filter", "AccessCost"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "BENCH_AUTH": "1"})  # fmt: skip
    for line in done.stdout.splitlines():
        if line.startswith("bench-auth |"):
            print(line.removeprefix("bench-auth ").rstrip(" |") + " |")
    if done.returncode:
        print(done.stdout[-2000:] + done.stderr[-2000:], file=sys.stderr)
    return done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--assignments", type=int, default=10_000)
    parser.add_argument("--part", choices=["size", "cost"], help="one of the two alone")
    options = parser.parse_args()
    if options.part != "cost":
        size(options)
    return cost() if options.part != "size" else 0


if __name__ == "__main__":
    sys.exit(main())
