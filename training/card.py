"""Prints the model card's tables: what trained (rows, licences) and the hashes of the shipped files.

    card.py --data FOLDER --models MODELS
"""
import argparse
import hashlib
import json
import pathlib
from collections import Counter

import data
from sources import DOCUMENT_CAP, GROUNDEDNESS_CAP, HARM_CAP, PII_CAP, PROMPT_CAP, allowed, licence

CAPS = {"prompt_attack": PROMPT_CAP, "document_attack": DOCUMENT_CAP, "harm": HARM_CAP, "groundedness": GROUNDEDNESS_CAP, "pii": PII_CAP}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--models", required=True, type=pathlib.Path)
    a = p.parse_args()
    data.HOLD_OUT_SHARE = data.SHIPPED_HOLD_OUT_SHARE
    print("| task | source | rows | at most an epoch | licence |\n| --- | --- | --- | --- | --- |")
    for task, caps in CAPS.items():
        for source, count in sorted(Counter(r["source"] for r in data.read_rows(a.data, task, "train")).items()):
            if allowed(source, False):
                print(f"| {task} | {source} | {count} | {min(count, caps.get(source, count))} | {licence(source)} |")
    print("\n| authored for this project | train | held out | languages |\n| --- | --- | --- | --- |")
    for task in ("prompt_attack", "document_attack", "harm", "groundedness", "names", "task_adherence"):
        rows = data.authored_rows(task, "train")
        print(f"| {task} | {len(rows)} | {len(data.authored_rows(task, 'dev'))} | {', '.join(sorted({r['language'] for r in rows}))} |")
    print("\n| file | bytes | sha256 |\n| --- | --- | --- |")
    for path in sorted(a.models.rglob("*")):
        if path.is_file() and path.name != "manifest.json":
            print(f"| {path.relative_to(a.models)} | {path.stat().st_size} | {hashlib.sha256(path.read_bytes()).hexdigest()} |")


if __name__ == "__main__":
    main()
