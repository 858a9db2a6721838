#!/usr/bin/env python3
"""Protected material at size: works of random words are taken in until the index holds the fingerprints asked for, then copies of them are looked for
through the gateway, whole, in part, in another layout, and with words changed, beside texts that are no copies. Prints size, memory, time, recall.

Usage: material.py [--fingerprints 10000000] [--queries 200]. About 3.5 words stand behind a fingerprint. Needs .deps/venv (make setup)."""

import argparse
import pathlib
import random
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
SYLLABLES = "ba be bo da de di do fa fe ga go ka ke ki la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se so ta te ti to va ve".split()


def vocabulary():
    generator = random.Random(1)
    return sorted({"".join(generator.choices(SYLLABLES, k=generator.choice([2, 3, 4]))) for _ in range(30_000)})


def work(words, seed, count):
    return random.Random(seed).choices(words, k=count)


def laid_out(words, seed):
    """Other line lengths, case and punctuation."""
    generator = random.Random(seed)
    out = []
    for word in words:
        word = word.upper() if generator.random() < 0.1 else word.capitalize() if generator.random() < 0.2 else word
        out.append(word + generator.choice([" ", " ", " ", ", ", "\n", "  ", ".\n", '" ', " - "]))
    return "".join(out).strip()


def changed(words, every, vocabulary, seed):
    generator = random.Random(seed)
    return [generator.choice(vocabulary) if number % every == every - 1 else word for number, word in enumerate(words)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fingerprints", type=int, default=10_000_000)
    parser.add_argument("--queries", type=int, default=200)
    options = parser.parse_args()
    from gateway import Gateway
    from mock_upstream import MockUpstream

    words = vocabulary()
    upstream = MockUpstream().start()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        gateway = Gateway(folder / "gateway", upstream.url, lambda tree: tree.update(guards={"learned": False}))
        gateway.user = gateway.key("user", roles="model-user,safety-operator")["secret"]
        length, batch, seeds, held = 20_000, 100, 0, 0
        began = time.monotonic()
        while held < options.fingerprints:
            taken = folder / f"works{seeds}"
            taken.mkdir()
            for _ in range(min(batch, max(1, int((options.fingerprints - held) * 3.5 / length) + 1))):
                (taken / f"work{seeds}.txt").write_text(" ".join(work(words, seeds, length)))
                seeds += 1
            done = gateway.command("protected", "add", taken, "--config", gateway.config, "--licence", "CC-BY-4.0", "--url", "https://works.example/", timeout=3600)
            assert done.returncode == 0, done.stderr
            for file in taken.iterdir():
                file.unlink()
            listed = gateway.command("protected", "list", "--config", gateway.config, timeout=600).stdout
            held = int(listed.rsplit(" works, ", 1)[1].split()[0])
        built = time.monotonic() - began
        index = sum(f.stat().st_size for f in gateway.data.rglob("*") if "protected" in str(f) and f.is_file())
        gateway.start()
        before = gateway.memory()
        taken = []

        def found(text):
            start = time.perf_counter()
            answer = gateway.call("POST", "/contentsafety/text:detectProtectedMaterial?api-version=2024-09-01", {"text": text[:1000]}, key=gateway.user, timeout=60)
            taken.append(1000 * (time.perf_counter() - start))
            assert answer.status == 200, answer.body
            return answer.json()["protectedMaterialAnalysis"]["detected"]

        def share(make):
            return f"{100 * sum(found(make(n)) for n in range(options.queries)) / options.queries:.1f}"

        def excerpt(number, count):
            generator = random.Random(f"place{number}")
            whole = work(words, generator.randrange(seeds), length)
            start = generator.randrange(length - count)
            return whole[start : start + count]

        rows = [(f"copied run of {count} words", share(lambda n: " ".join(excerpt(n, count)))) for count in (12, 16, 20, 26, 60)]
        rows += [
            ("60 words in another layout, case and punctuation", share(lambda n: laid_out(excerpt(n, 60), n))),
            ("26 copied words between 80 others", share(lambda n: " ".join(work(words, f"a{n}", 40) + excerpt(n, 26) + work(words, f"b{n}", 40)))),
            ("100 words, every 30th changed", share(lambda n: " ".join(changed(excerpt(n, 100), 30, words, n)))),
            ("100 words, every 12th changed", share(lambda n: " ".join(changed(excerpt(n, 100), 12, words, n)))),
            ("no copy, 120 words", share(lambda n: " ".join(work(words, f"new{n}", 120)))),
        ]  # fmt: skip
        taken.sort()
        print(f"{held:,} fingerprints of {seeds} works; index {index / 2**20:.0f} MB, built in {built:.0f} s; gateway {before / 2**20:.0f} MB before, {gateway.memory() / 2**20:.0f} MB after the queries (pages of the mapped index that were touched included)")
        print(f"{len(taken)} calls, p50 {statistics.median(taken):.2f} ms, p99 {taken[int(len(taken) * 0.99)]:.2f} ms\n\n| text | found, % |\n| --- | --- |")
        for name, value in rows:
            print(f"| {name} | {value} |")
        gateway.kill()
    upstream.stop()


if __name__ == "__main__":
    main()
