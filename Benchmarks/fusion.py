"""How words and vectors are weighed against each other: every setting of a grid on one half of the questions, the best ones on the other half too.

    python3 Benchmarks/retrieval.py FOLDER --kinds words,vectors,both --json answers.jsonl
    python3 Benchmarks/fusion.py FOLDER answers.jsonl [--foreign]

What was found for each question carries its BM25, likeness and coverage; a setting orders it anew by
`words / best × reach + likeness weight × likeness + coverage weight × coverage` (decision 19). Printed is the smallest lead over the better of words and
vectors alone on any source, and the lead on each."""

import argparse
import collections
import hashlib
import itertools
import json
import math
import pathlib

from retrieval import OWN_POOL, rows


def gain(found, positives):
    names = list(dict.fromkeys(f["source"].removesuffix(".md") for f in found))[:10]
    dcg = sum(1 / math.log2(rank + 2) for rank, name in enumerate(names) if name in positives)
    return dcg / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(positives))))


def ordered(found, likeness, coverage):
    best = max((f["words"] for f in found), default=0) or 1
    reach = max((f["coverage"] for f in found if f["words"] > 0), default=0)
    return sorted(found, key=lambda f: -(f["words"] / best * reach + likeness * max(0, f["likeness"]) + coverage * f["coverage"]))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("answers", type=pathlib.Path)
    arguments.add_argument("--foreign", action="store_true", help="the sources in other languages than English")
    options = arguments.parse_args()
    positives = {q["id"]: set(q["positive_ids"]) for q in rows(options.folder / "retrieval.dev.jsonl.gz")}
    asked = collections.defaultdict(dict)
    for line in options.answers.open():
        answer = json.loads(line)
        if positives[answer["id"]] and (answer["source"] in OWN_POOL) == options.foreign:
            asked[answer["source"], answer["id"]][answer["kind"]] = answer["found"]
    sources = sorted({source for source, _ in asked})

    def means(half, order):
        sums = {source: [] for source in sources}
        for (source, name), found in asked.items():
            if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 == half:
                sums[source].append(gain(order(found), positives[name]))
        return {source: sum(values) / len(values) for source, values in sums.items()}

    alone = [{s: max(w, v) for (s, w), v in zip(means(h, lambda f: f["words"]).items(), means(h, lambda f: f["vectors"]).values())} for h in (0, 1)]
    settings = []
    for likeness, coverage in itertools.product((0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 3), (0, 0.15, 0.3, 0.45, 0.6)):
        leads = [{s: g - alone[h][s] for s, g in means(h, lambda f: ordered(f["both"], likeness, coverage)).items()} for h in (0, 1)]
        settings.append((min(leads[0].values()) + sum(leads[0].values()) / len(sources) / 2, likeness, coverage, leads))
    print("better of the two alone:", *(f"half {h}: " + " ".join(f"{s} {g:.3f}" for s, g in alone[h].items()) for h in (0, 1)), sep="\n  ")
    for _, likeness, coverage, leads in sorted(settings, key=lambda s: -s[0])[:10]:
        print(f"likeness {likeness}, coverage {coverage}:", "; held out:".join(" ".join(f"{s} {d:+.3f}" for s, d in half.items()) for half in leads))


if __name__ == "__main__":
    main()
