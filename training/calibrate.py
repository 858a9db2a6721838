"""Fits each head's calibration and thresholds and writes the manifest's `heads`.

    calibrate.py --models MODELS --data FOLDER --out FIELDS.json --version 2026.11.1 [--kept FOLDER]

With --kept a run that was stopped goes on where it was. With --branch only what the branch answers (prompts and harm) is fitted: the other heads, and the correction for many windows, stay as that manifest has them.

Order: (1) the correction for many windows and (2) the thresholds come from benign traffic alone (benign.dev plus held-out authored hard negatives);
(3) attacks and harms are read only for the slope of the probabilities, which moves no row across a threshold.
"""
import argparse
import json
import math
import pathlib
import random

import numpy as np

import data
import lexical
import tokens
from columns import BIO, COLUMN, HARMS, SEVERITIES, SUBKINDS
from scoring import Model, Scorer, corrected, highest, probability, stages

RATES = (0.001, 0.01, 0.05)
# Share of the supported answers of dev sources that trained at which groundedness decides: that of 2026.12.1, whose point was the middle of where these sources are judged best. Their mean balanced accuracy has two
# tops since, at 3 and at 27 %, so "best" says little.
SUPPORTED_REPORTED = 0.256
LEVEL_RATES = {2: 0.005, 4: 0.001, 6: 0.0005}  # share of harmless texts that a harm category may put at low, medium, high or above
# Files whose look-alikes are harder than any traffic: they are measured, and fix no threshold.
HARDER = {"prompt_varied", "prompt_tongues", "harm_contrast"}
QUOTING = {"security_article", "llm_docs", "agent_config"}  # documents about attacks that quote one: benign, but not ordinary traffic


def platt(logits, labels):
    """p = sigmoid(a * logit + b), both classes weighing the same, slope kept positive."""
    logits, labels = np.asarray(logits, float), np.asarray(labels, float)
    if labels.sum() < 3 or (1 - labels).sum() < 3:
        return {"a": 1.0, "b": 0.0}
    weight = np.where(labels > 0, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())
    a, b = 1.0, 0.0
    prior = 0.002  # keeps the slope finite when the classes separate
    for _ in range(200):
        p = 1 / (1 + np.exp(-np.clip(a * logits + b, -30, 30)))
        g = weight * (p - labels)
        ga, gb = (g * logits).sum() + prior * (a - 1), g.sum() + prior * b
        w = weight * p * (1 - p)
        haa, hab, hbb = (w * logits * logits).sum() + prior, (w * logits).sum(), w.sum() + prior
        d = haa * hbb - hab * hab
        da, db = (hbb * ga - hab * gb) / d, (haa * gb - hab * ga) / d
        a, b = a - max(-1, min(1, da)), b - max(-1, min(1, db))
    return {"a": round(float(max(a, 0.05)), 5), "b": round(float(b), 5)}


def threshold(scores, rate):
    """The smallest value that at most `rate` of the benign scores reach."""
    scores = np.sort(np.asarray(scores, float))
    allowed = int(np.floor(rate * len(scores)))
    return float(np.nextafter(scores[len(scores) - 1 - allowed], 2))


def window_penalty(scorer, texts, columns, rng):
    """The smallest penalty per column with which long benign texts (joined from short ones) are not flagged much more often than short ones:
    at the 1 % threshold of single windows, at most 3 % of texts of 4 to 32 windows."""
    main = [COLUMN[c] for c in ("prompt_attack", "document_attack", *(f"{h}_2" for h in HARMS))]
    own, counts = scorer.texts(texts)
    hot = (own[:, main] >= np.quantile(own[:, main], 0.985, axis=0)).any(1)  # what is flagged by itself would say nothing about length
    texts = [t for t, h in zip(texts, hot) if not h]
    made = []
    for goal in (4, 8, 16, 32):
        for _ in range(80 if goal < 32 else 40):
            parts, length = [], 0
            while length < goal * 420:
                parts.append(rng.choice(texts))
                length += len(parts[-1])
            made.append("\n\n".join(parts)[: goal * 420])
    long, windows_ = scorer.texts(made)
    found = {}
    for c in columns:
        limit = np.quantile(own[counts == 1, COLUMN[c]], 0.99)
        for penalty in np.arange(0, 1.21, 0.05):
            if (corrected(long[:, COLUMN[c]], windows_, penalty) >= limit).mean() <= 0.03:
                break
        found[c] = round(float(penalty), 2)
    return found


# For prompts by hand: of 389 dev prompts of fewer than eight words it lets 0.9 % of the harmless ones be blocked instead of 1.9 % and finds 35 % of 65 attacks instead of 37 %; "stop",
# "show me" and "fix this code" pass.
SHORT_PROMPTS = 1.5
LOW_OF_WORDS, MEDIUM_OF_WORDS = 0.15, 0.0025  # shares of single harmless words that may be put at low and at medium


def short_penalty(scorer, texts, heads, rng):
    """Per harm the penalties of its three columns for texts of few words, from single words of benign texts: the smallest for "at least low" (2 at the most) with which at most
    LOW_OF_WORDS of them reach low, then the smallest for the higher steps with which at most MEDIUM_OF_WORDS reach medium."""
    found = set(data.LONE_WORDS)
    while len(found) < 900:
        pieces = rng.choice(texts).split()
        if pieces:
            found.add(pieces[rng.randrange(len(pieces))])
    found = sorted(found)
    best, count = scorer.texts(found)
    words = scorer.words(found)

    def sums(harm, low, high):
        return stages({**heads[harm], "short_penalty": (low, high, high)}, best, count, words).sum(0)

    for harm in HARMS:
        low = next((k for k in np.arange(0, 2.01, 0.2) if (sums(harm, k, 0) >= 0.5).mean() <= LOW_OF_WORDS), 2.0)
        high = next((k for k in np.arange(0, 4.01, 0.2) if (sums(harm, low, k) >= 1.5).mean() <= MEDIUM_OF_WORDS), 4.0)
        before, after = sums(harm, 0, 0), sums(harm, low, high)
        print(f"{harm}: of {len(found)} single harmless words low {(before >= 0.5).mean():.3f} -> {(after >= 0.5).mean():.3f}, medium {(before >= 1.5).mean():.3f} -> {(after >= 1.5).mean():.3f}")
        heads[harm]["short_penalty"] = [round(float(k), 2) for k in (low, high, high)]


def fit_lexical(claims, rows, labels):
    """Weights of the lexical features beside the encoder's logit: logistic regression on each row's highest claim, every source and both classes weighing the same, no weight below zero.

    The encoder's share is fixed (`lexical.logit`): fitted freely it follows the sources that trained it, whose scores tell more than those of new ones. Authored rows stay out: near copies with one change, on purpose.
    """
    kind = np.array(["docs" if r["source"].startswith("synthetic:docs") else r["source"] for r in rows])
    weight = np.zeros(len(rows))
    for k in set(kind) - {"authored"}:
        for label in (0, 1):
            pick = (kind == k) & (labels == label)
            if pick.sum():
                weight[pick] = (0.5 if pick.sum() < 30 else 1.0) / pick.sum()
    weight /= weight.sum()
    w = np.array([0.0, 0.5, 0.5, 0.5, 0.5])
    for _ in range(10):  # which claim is the highest depends on the weights: a few rounds
        top = {}
        for i, z, f in claims:
            x, offset = np.array([1.0, *f]), lexical.logit(z)
            if i not in top or x @ w + offset >= top[i][0] @ w + top[i][1]:
                top[i] = (x, offset)
        none = (np.array([1.0, 0, 0, 0, 0]), lexical.logit(-5.0))
        x = np.array([top.get(i, none)[0] for i in range(len(rows))])
        offset = np.array([top.get(i, none)[1] for i in range(len(rows))])
        for _ in range(300):
            p = 1 / (1 + np.exp(-np.clip(x @ w + offset, -30, 30)))
            w -= 0.5 * (x.T @ (weight * (p - labels)) + 0.002 * np.r_[0, w[1:]]) / np.r_[1, 0.4, 0.4, 0.4, 0.4]
            w[1:] = np.maximum(w[1:], 0)
    return [round(float(v), 4) for v in w]


def traffic_like(task, is_benign):
    """Held-out authored rows that stand for traffic."""
    return [r for r in data.authored_rows(task, "dev") if is_benign(r) and r["file"] not in HARDER]


def benign_rows(folder):
    """Benign traffic for thresholds: benign.dev and held-out authored hard negatives."""
    rows = data.read_rows(folder, "benign", "dev")
    authored = [{"text": r["text"], "kind": "prompt/authored", "source": "authored"} for r in traffic_like("prompt_attack", lambda r: not r["label"])]
    documents = [{"text": r["text"], "kind": "document/authored", "source": "authored"} for r in data.authored_rows("document_attack", "dev") if not r["label"] and r["kind"] not in QUOTING]
    return [r for r in rows if r["kind"].startswith("prompt/")] + authored, [r for r in rows if r["kind"].startswith("document/")] + documents


def harmless_texts(folder, half):
    """Questions in many languages from sources that never train (by hash one half for the levels, the other for the table) and held-out authored texts without harm."""
    rows = [r["text"] for part in ("train", "dev") for r in data.read_rows(folder, "prompt_attack", part) if r["source"] in ("xquad", "clapnq_questions") and not r["label"]]
    rows += [r["text"] for r in traffic_like("prompt_attack", lambda r: not r["label"])]
    rows += [r["text"] for r in traffic_like("harm", lambda r: not any(r[h] for h in HARMS))]
    return sorted({t for t in rows if data.stable(t) % 2 == half})


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--name", default="sallyport-guard")
    p.add_argument("--version", required=True)
    p.add_argument("--hold-out", type=int, default=data.SHIPPED_HOLD_OUT_SHARE, help="per cent of the authored groups")
    p.add_argument("--kept", type=pathlib.Path, help="folder in which what the model read is kept for the next run")
    p.add_argument("--branch", type=pathlib.Path, metavar="MANIFEST", help="fit the branch's heads alone; the others are taken from this manifest")
    a = p.parse_args()
    data.HOLD_OUT_SHARE = a.hold_out
    scorer = Scorer(Model(a.models / "guard", kept=a.kept), tokens.Encoder(str(a.models / "vocab.txt")))
    rng = random.Random(5)
    prompts, documents = benign_rows(a.data)
    single = ["prompt_attack", "document_attack", *SUBKINDS, *(f"{h}_{s}" for h in HARMS for s in SEVERITIES)]
    texts = [r["text"] for r in (prompts if a.branch else prompts + documents)]
    if a.branch:
        kept_heads = json.loads(a.branch.read_text())["heads"]
        penalty = {head["column"]: head["window_penalty"] for head in kept_heads.values() if head["kind"] == "sigmoid" and "window_penalty" in head}
        penalty |= {column: value for harm in HARMS for column, value in zip(kept_heads[harm]["columns"], kept_heads[harm]["window_penalty"])}
    else:
        penalty = window_penalty(scorer, [r["text"] for r in documents], single, rng)  # joined prompts would be what they are not: a document full of instructions
    benign, benign_count = scorer.texts(texts)
    for column, rows in [("prompt_attack", prompts)] + [("document_attack", documents)] * (not a.branch):
        for value, r in sorted(zip(scorer.texts([r["text"] for r in rows])[0][:, COLUMN[column]], rows), key=lambda x: -x[0])[:8]:
            print(f"highest benign {column} {value:.2f} {r['source']} {r['kind']} {r['text'][:150]!r}")
    is_prompt = np.arange(len(texts)) < len(prompts)
    calm = np.array([r["source"] not in ("hh_rlhf_first_turn", "harmfulqa") for r in prompts + documents][: len(texts)])
    heads = {}

    def rates(column, pick, calibration):
        own = corrected(benign[pick, COLUMN[column]], benign_count[pick], penalty[column])
        own = probability(own, calibration)
        return {f"fpr_{r}": round(threshold(own, r), 6) for r in RATES}, int(pick.sum())

    def documents_and_payloads():
        rows = data.read_rows(a.data, "document_attack", "dev") + data.authored_rows("document_attack", "dev")
        best, count = scorer.texts([r["text"] for r in rows])
        own = corrected(best[:, COLUMN["document_attack"]], count, penalty["document_attack"])
        calibration = platt(own, [r["label"] for r in rows])
        ordinary = np.array([r["source"] != "authored" for r in prompts + documents])  # authored benign documents are twins of attacks: the table shows them, traffic hardly has them
        thresholds, used = rates("document_attack", ~is_prompt & ordinary, calibration)
        heads["document_attack"] = {"column": "document_attack", "kind": "sigmoid", "calibration": calibration, "thresholds": thresholds, "window_penalty": penalty["document_attack"], "benign_rows": used}
        heads["payload"] = {"column": "payload", "kind": "token-sigmoid", "calibration": {"a": 1.0, "b": 0.0}, "thresholds": {"default": 0.5}}

    def answered_pairs():
        rows = data.read_rows(a.data, "groundedness", "dev") + [{**data.authored_groundedness(r), "source": "authored"} for r in data.authored_rows("groundedness", "dev")]
        rows = [r for r in rows if r["source"] not in data.FLAGGED]  # sources that never train stay unseen here too
        labels = np.array([r["label"] for r in rows])
        claims = scorer.claims(rows)
        weights = fit_lexical(claims, rows, labels)
        scores = highest(claims, len(rows), weights)
        natural = np.array([r["source"] != "authored" for r in rows])
        shift = float(np.quantile(scores[natural & (labels == 0)], 1 - SUPPORTED_REPORTED))
        weights[0], scores = round(weights[0] - shift, 4), scores - shift
        calibration = {"a": 1.0, "b": 0.0}  # the fit gives log-odds
        supported = probability(scores[labels == 0], calibration)
        heads["ungrounded"] = {
            "column": "ungrounded", "kind": "sigmoid", "calibration": calibration, "thresholds": {"default": 0.5, **{f"fpr_{r}": round(threshold(supported, r), 6) for r in RATES}},
            "lexical": {"intercept": weights[0], **lexical.ENCODER, **dict(zip(lexical.FEATURES, weights[1:])), "stop_words": lexical.STOP_WORDS}, "benign_rows": len(supported),
        }
        heads["unsupported"] = {"column": "unsupported", "kind": "token-sigmoid", "calibration": {"a": 1.0, "b": 0.0}, "thresholds": {"default": 0.5}}
        rows = data.authored_rows("task_adherence", "dev")
        logits = scorer.pairs([(r["request"], r["tool_call"]) for r in rows])[:, COLUMN["off_task"]]
        labels = np.array([r["label"] for r in rows])
        calibration = platt(logits, labels)
        serving = probability(logits[labels == 0], calibration)
        heads["off_task"] = {
            "column": "off_task", "kind": "sigmoid", "calibration": calibration, "thresholds": {"default": 0.5, **{f"fpr_{r}": round(threshold(serving, r), 6) for r in RATES}},
            "benign_rows": len(serving),
        }
        heads["names"] = {"columns": BIO, "kind": "bio"}

    # Prompt attack
    rows = [r for r in data.read_rows(a.data, "prompt_attack", "dev")] + data.authored_rows("prompt_attack", "dev")
    best, count = scorer.texts([r["text"] for r in rows])
    labels = np.array([r["label"] for r in rows])
    own = corrected(best[:, COLUMN["prompt_attack"]], count, penalty["prompt_attack"])
    calibration = platt(own, labels)
    thresholds, used = rates("prompt_attack", is_prompt, calibration)
    heads["prompt_attack"] = {"column": "prompt_attack", "kind": "sigmoid", "calibration": calibration, "thresholds": thresholds, "window_penalty": penalty["prompt_attack"], "short_penalty": SHORT_PROMPTS, "benign_rows": used}
    for kind in SUBKINDS:
        own_rows = [i for i, r in enumerate(rows) if "subtypes" in r or r["label"] == 0]
        own_labels = np.array([int(kind.removeprefix("attack_") in rows[i].get("subtypes", [])) for i in own_rows])
        own_logits = corrected(best[own_rows, COLUMN[kind]], count[own_rows], penalty[kind])
        own_calibration = platt(own_logits, own_labels)
        own_thresholds, used = rates(kind, is_prompt, own_calibration)
        heads[kind] = {"column": kind, "kind": "sigmoid", "calibration": own_calibration, "thresholds": own_thresholds, "window_penalty": penalty[kind], "benign_rows": used}
    if not a.branch:
        documents_and_payloads()
    # Harm
    rows = data.read_rows(a.data, "harm", "dev")
    data.HOLD_OUT_SHARE = 12  # grades of violence and self-harm come from authored rows alone: the smaller hold-out has too few
    authored = data.authored_rows("harm", "dev")
    data.HOLD_OUT_SHARE = a.hold_out
    best, count = scorer.texts([r["text"] for r in rows + authored])
    quiet_texts = [r["text"] for r, c in zip(prompts, calm) if c] + harmless_texts(a.data, 0)
    harmless, harmless_count = scorer.texts(quiet_texts)
    for harm in HARMS:
        fits, own_thresholds = [], None
        for s in SEVERITIES:
            column = f"{harm}_{s}"
            picked, labels = [], []
            for i, r in enumerate(rows):
                grade = (r["severity"] or {}).get(harm)
                if s == 2 and r[harm] is not None and not (r[harm] == 0 and grade == 2):
                    picked.append(i), labels.append(int(r[harm] == 1))
                elif s > 2 and (grade is not None or r[harm] == 0):
                    picked.append(i), labels.append(int(r[harm] == 1 and (grade or 0) >= s))
            for i, r in enumerate(authored):
                if r[harm] is not None:
                    picked.append(len(rows) + i), labels.append(int(r[harm] >= s))
            fit = platt(corrected(best[picked, COLUMN[column]], count[picked], penalty[column]), labels)
            quiet = probability(corrected(harmless[:, COLUMN[column]], harmless_count, penalty[column]), fit)
            strict = threshold(quiet, LEVEL_RATES[s])
            if strict > 0.5:  # one half is where both classes weigh the same, or the level's rate on harmless texts, whichever is stricter
                fit["b"] = round(fit["b"] - math.log(strict / (1 - min(strict, 1 - 1e-6))), 5)
            fits.append(fit)
            if s == 2:
                own_thresholds, used = rates(column, is_prompt & calm, fit)
        heads[harm] = {
            "columns": [f"{harm}_{s}" for s in SEVERITIES], "kind": "ordinal", "calibration": fits, "thresholds": {"default": 0.5, **own_thresholds}, "threshold_column": f"{harm}_2",
            "window_penalty": [penalty[f"{harm}_{s}"] for s in SEVERITIES], "benign_rows": used, "harmless_rows": len(harmless), "level_rates": {str(k): v for k, v in LEVEL_RATES.items()},
        }
    short_penalty(scorer, [r["text"] for r in data.read_rows(a.data, "benign", "dev")], heads, random.Random(4))
    if a.branch:
        heads = {name: heads.get(name, head) for name, head in kept_heads.items()}
    else:
        answered_pairs()
    a.out.write_text(json.dumps({"name": a.name, "version": a.version, "heads": heads}, indent=1))
    for name, head in heads.items():
        print(name, json.dumps({k: v for k, v in head.items() if k in ("calibration", "thresholds", "window_penalty", "benign_rows")}))


if __name__ == "__main__":
    main()
