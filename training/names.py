"""The second look at names: a linear model over what the encoder says of a word and its neighbours, how they are written and what stands between them.

    names.py --data FOLDER --models MODELS --out ../Sources/SallyportGuard/Learned/NameWeights.swift [--kept FOLDER]

The names head of the encoder is far from having learned its training rows by heart (F2 is the same on them as on others), so the same rows teach this model what the head leaves open: how much its
words for a neighbour say of this one, what capitals and signs say beside it, and how likely a name is after all. `NameReader.swift` reads the same features.

One logistic regression with four classes (person, location, organisation, none), its weights written relative to `none`. Rows of flagged sources do not train. Tried beside it on half of the dev
rows: the words themselves, their neighbours and endings in 32,768 hashed buckets, and networks with 32 and 64 hidden units in place of the linear model: all within the noise of this one.
"""
import argparse
import collections
import math
import pathlib
import pickle
import random

import numpy as np
from sklearn.linear_model import LogisticRegression

import data
import tokens
from columns import BIO, NAMES
from scoring import Model, Scorer
from sources import allowed

NEIGHBOURS = (-2, -1, 0, 1, 2)
FAR = (-3.0, -3.0, -3.0, 0.0)  # where there is no word
SHAPES = 7
AUTHORED_ROWS = 2500
NATURAL_WEIGHT, AUTHORED_WEIGHT = 1.0, 0.5


# Words

def is_word(character):
    return character.isalnum() or (ord(character) >= 0x100 and not 0x2000 <= ord(character) < 0x2040)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def words(text, offsets, logits):
    """(start, end, mean probabilities of the pieces, probabilities of the first piece) of each word."""
    found, i = [], 0
    p = softmax(np.asarray(logits, np.float64)) if len(offsets) else None
    while i < len(offsets):
        j = i + 1
        while j < len(offsets) and offsets[j][0] == offsets[j - 1][1] and is_word(text[offsets[j][0]]) and is_word(text[offsets[j - 1][0]]):
            j += 1
        if is_word(text[offsets[i][0]]):
            found.append((offsets[i][0], offsets[j - 1][1], p[i:j].mean(0), p[i]))
        i = j
    return found


# Features

def shape(word):
    """0 number, 1 small, 2 capital first, 3 capitals, 4 one capital, 5 mixed; by ASCII letters, others count as small."""
    first = word.encode()[0]
    capital = 65 <= first <= 90
    if 48 <= first <= 57:
        return 0
    rest = word.encode()[1:]
    small = any(97 <= b <= 122 or b >= 128 for b in rest)
    large = any(65 <= b <= 90 for b in rest)
    if not capital:
        return 5 if large else 1
    if not rest:
        return 4
    return 5 if small and large else 3 if large else 2


def features(text, found):
    """Per word its features."""
    said, shapes = [], []
    for start, end, mean, first in found:
        none = max(mean[0], 1e-4)
        said.append([min(max(math.log(max(mean[1 + 2 * k] + mean[2 + 2 * k], 1e-4) / none), -7), 7) for k in range(3)]
                    + [min(max(math.log(max(first[1] + first[3] + first[5], 1e-4) / max(first[2] + first[4] + first[6], 1e-4)), -5), 5)])
        shapes.append(shape(text[start:end]))
    made = []
    for i, (start, end, _, _) in enumerate(found):
        d = []
        for step in NEIGHBOURS:
            d += said[i + step] if 0 <= i + step < len(found) else FAR
        top = max(said[i][:3])
        d += [top, top * top / 10 if top > 0 else 0]
        for step in (-1, 0, 1):
            own = shapes[i + step] if 0 <= i + step < len(found) else 6
            d += [float(own == k) for k in range(SHAPES)]
        before, after = (text[start - 1] if start else "^"), (text[end] if end < len(text) else "$")
        gap = text[found[i - 1][1] : start] if i else "^"
        next_gap = text[end : found[i + 1][0]] if i + 1 < len(found) else "$"
        d += [before == "#", before == "@", before in '"\u201c', after in '"\u201d', before == "(", after == ")", gap == " ", gap == "-", next_gap == " ", next_gap == "-",
              gap in (". ", "^"), "," in gap, "," in next_gap, ":" in next_gap, "'" in next_gap or "\u2019" in next_gap, "&" in gap or "&" in next_gap]
        made.append([float(x) for x in d])
    return made


def kinds(spans, found):
    wanted = []
    for start, end, _, _ in found:
        kind = 3
        for a, b, name in spans:
            if name in NAMES and a < end and start < b:
                kind = NAMES.index(name)
        wanted.append(kind)
    return wanted


# Training

def read(scorer, rows, kept, name):
    """Each row with the offsets and the names head's logits of its tokens."""
    path = kept / f"{name}.pkl" if kept else None
    if path and path.exists():
        return pickle.loads(path.read_bytes())
    _, _, logits, encoded = scorer.texts([r["text"] for r in rows], want_tokens=True)
    made = [{"text": r["text"], "spans": [tuple(s[:3]) for s in r["spans"]], "source": r["source"], "offsets": e.offsets, "logits": k[:, 1 : 1 + len(BIO)].astype(np.float32)}
            for r, k, e in zip(rows, logits, encoded)]
    if path:
        path.write_bytes(pickle.dumps(made))
    return made


def table(rows):
    made, wanted, weight = [], [], []
    for row in rows:
        found = words(row["text"], row["offsets"], row["logits"])
        made += features(row["text"], found)
        wanted += kinds(row["spans"], found)
        weight += [AUTHORED_WEIGHT if row["source"].startswith("authored") else NATURAL_WEIGHT] * len(found)
    return np.array(made), np.array(wanted), np.array(weight)


def swift(model):
    """The weights as Swift source."""
    weights, intercept = model.coef_[:3] - model.coef_[3], model.intercept_[:3] - model.intercept_[3]
    number = lambda v: f"{v:.4f}"

    def wrapped(values):
        rows, row = [], "           "
        for value in values:
            piece = f" {number(value)},"
            if len(row) + len(piece) > 140:
                rows.append(row)
                row = "           "
            row += piece
        return [*rows, row]

    return "\n".join([
        "// Generated by training/names.py: do not edit.", "", "/// The weights of ``NameReader``, relative to a word that is no name.", "enum NameWeights {",
        f"    static let intercept: [Double] = [{', '.join(map(number, intercept))}]", "    /// For person, location and organisation, one for each feature.", "    static let features: [[Double]] = [",
        *(line for row in weights for line in ["        [", *wrapped(row), "        ],"]), "    ]", "}", ""])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--out", required=True, type=pathlib.Path)
    p.add_argument("--kept", type=pathlib.Path, help="folder in which what the model read is kept for the next run")
    a = p.parse_args()
    if a.kept:
        a.kept.mkdir(parents=True, exist_ok=True)
    scorer = Scorer(Model(a.models / "guard"), tokens.Encoder(str(a.models / "vocab.txt")))
    rows = [r for r in data.read_rows(a.data, "pii", "train") if allowed(r["source"], False)]
    filled = [r for r in rows if r["source"] == "authored_pii"]
    parts = {"natural": [r for r in rows if r["source"] in ("btc", "wnut17", "wikigold", "sec_filings")],
             "others": [r for r in rows if r["source"] not in ("btc", "wnut17", "wikigold", "sec_filings", "authored_pii")],
             "filled": random.Random(1).sample(filled, min(AUTHORED_ROWS, len(filled)))}
    made = [row for name, part in parts.items() for row in read(scorer, part, a.kept, name)]
    x, y, weight = table(made)
    print("words", *x.shape, "of each kind", dict(collections.Counter(y.tolist())))
    model = LogisticRegression(C=1.0, max_iter=300).fit(x, y, sample_weight=weight)
    a.out.write_text(swift(model), encoding="utf-8")
    if a.kept:
        (a.kept / "model.pkl").write_bytes(pickle.dumps(model))


if __name__ == "__main__":
    main()
