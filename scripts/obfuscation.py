#!/usr/bin/env python3
"""Each attack under each obfuscation: how many are found, with the gateway's normaliser and without it, and how many benign texts are reported.

    scripts/obfuscation.py DATA [--attacks N] [--benign N] [--out docs/obfuscation.md] [--binary .build/release/sallyport]

DATA is the folder with `prompt_attack.dev.jsonl.gz`. The transformations are those of training/transformations.py; the scores are the gateway's own
(`sallyport eval --head prompt_attack`), at the shipped model's threshold for 1 % false positives. Choices are made by hash: the same rows each time.
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "training"))
from transformations import TRANSFORMATIONS, apply  # noqa: E402


def chosen(rows, count):
    return sorted(rows, key=lambda row: hashlib.sha256(row["text"].encode()).digest())[:count]


def scores(binary, lines, normalises, folder):
    rows, out = folder / "rows.jsonl", folder / "scores.jsonl"
    rows.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    command = [binary, "eval", rows, "--head", "prompt_attack", "--scores", out] + ([] if normalises else ["--without-normaliser"])
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(done.stderr)
    return [json.loads(line)["score"] for line in out.read_text().splitlines()], time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--attacks", type=int, default=60)
    parser.add_argument("--benign", type=int, default=60)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / ".build/release/sallyport")
    parser.add_argument("--longest", type=int, default=1000, help="characters of a text before it is transformed")
    options = parser.parse_args()
    manifest = json.loads((ROOT / "Models/guard/manifest.json").read_text())
    threshold = manifest["heads"]["prompt_attack"]["thresholds"]["fpr_0.01"]
    with gzip.open(options.data / "prompt_attack.dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if len(row["text"]) <= options.longest]
    attacks = chosen([r for r in rows if r["label"] == 1], options.attacks)
    benign = chosen([r for r in rows if r["label"] == 0], options.benign)
    cells = [(None, row) for row in attacks + benign] + [(name, row) for name in TRANSFORMATIONS for row in attacks + benign]
    lines = [{"text": apply(name, row["text"]) if name else row["text"], "label": row["label"], "source": row["source"], "kind": name or "as it is"} for name, row in cells]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for normalises in (True, False):
            values, seconds = scores(options.binary, lines, normalises, pathlib.Path(folder))
            print(f"{len(lines)} rows {'with' if normalises else 'without'} the normaliser in {seconds:.0f} s", file=sys.stderr)
            for line, value in zip(lines, values):
                counts = found.setdefault(line["kind"], {}).setdefault((normalises, line["label"]), [0, 0])
                counts[0] += value >= threshold
                counts[1] += 1

    def share(kind, normalises, label):
        hit, count = found[kind][normalises, label]
        return f"{100 * hit / count:.0f}"

    out = [
        "# Obfuscation", "",
        f"{len(attacks)} attacks and {len(benign)} benign prompts of `prompt_attack.dev`, at most {options.longest} characters, chosen by hash; model {manifest['version']}, threshold for 1 %. "
        "Each under each of the transformations of `training/transformations.py`. \"With\" reads a text as the gateway does: folded, joined, decoded; \"without\" as it stands.",
        "Made by `make obfuscation DATA=folder`. A share of 60 rows has an interval of about ±12 points.", "",
        "| transformation | found with, % | found without, % | benign reported with, % | benign reported without, % |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for kind in ["as it is", *TRANSFORMATIONS]:
        out.append(f"| {kind} | {share(kind, True, 1)} | {share(kind, False, 1)} | {share(kind, True, 0)} | {share(kind, False, 0)} |")

    def mean(normalises, label):
        return sum(found[k][normalises, label][0] / found[k][normalises, label][1] for k in TRANSFORMATIONS) / len(TRANSFORMATIONS)

    out.append(f"| **mean of {len(TRANSFORMATIONS)}** | {100 * mean(True, 1):.1f} | {100 * mean(False, 1):.1f} | {100 * mean(True, 0):.1f} | {100 * mean(False, 0):.1f} |")
    text = "\n".join(out) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
