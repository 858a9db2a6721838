"""Rates, areas and their 95 % intervals."""
import numpy as np


def wilson(hits: int, count: int, z: float = 1.96):
    if count == 0:
        return (float("nan"),) * 3
    p = hits / count
    d = 1 + z * z / count
    centre, half = (p + z * z / (2 * count)) / d, z * np.sqrt(p * (1 - p) / count + z * z / (4 * count * count)) / d
    return p, max(0.0, centre - half), min(1.0, centre + half)


def auroc(label, score):
    label, score = np.asarray(label), np.asarray(score, float)
    positives, negatives = int(label.sum()), int((1 - label).sum())
    if not positives or not negatives:
        return float("nan")
    order = np.argsort(score, kind="mergesort")
    ranks = np.empty(len(score))
    s = score[order]
    start = 0
    while start < len(s):
        end = start
        while end + 1 < len(s) and s[end + 1] == s[start]:
            end += 1
        ranks[order[start : end + 1]] = (start + end) / 2 + 1
        start = end + 1
    return (ranks[label == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)


def auprc(label, score):
    """Average precision; equal scores count as one threshold."""
    label, score = np.asarray(label), np.asarray(score, float)
    if not label.sum():
        return float("nan")
    order = np.argsort(-score, kind="mergesort")
    label, score = label[order], score[order]
    hits = np.cumsum(label)
    last = np.r_[np.nonzero(np.diff(score))[0], len(score) - 1]
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(np.r_[0.0, recall]) * precision))


def bootstrap(function, label, score, rounds=200, seed=1):
    label, score = np.asarray(label), np.asarray(score)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        pick = rng.integers(0, len(label), len(label))
        value = function(label[pick], score[pick])
        if np.isfinite(value):
            values.append(value)
    point = function(label, score)
    return (point, *np.percentile(values, [2.5, 97.5])) if values else (point, float("nan"), float("nan"))


def show(triple, percent=True):
    p, low, high = triple
    if not np.isfinite(p):
        return "–"
    return f"{100 * p:.1f} [{100 * low:.1f}, {100 * high:.1f}]" if percent else f"{p:.3f} [{low:.3f}, {high:.3f}]"
