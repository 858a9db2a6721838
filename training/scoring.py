"""Runs the shipped IR over texts, with the gateway's windows, and turns windows into one score per text."""
import json
import math
import pathlib
import sys
import time

import numpy as np
import openvino as ov

import data
import lexical
import store
import tokens
from columns import BIO, COLUMN, HARMS, PAIR_TEXT, SEQUENCE_COLUMNS, SEVERITIES, STRIDE, WINDOW
from reading import SPECIAL, padded_length, windows

INPUTS = ("input_ids", "attention_mask", "token_type_ids", "case_ids")
SHORT_WORDS = 8  # texts of fewer words say little, and a model that learned from sentences says much about them
CORRECTED_WINDOWS = 64  # the correction for many windows stops growing here: one sentence in a very long text must still be found


class Model:
    def __init__(self, folder, precision="f32", threads=1, kept=None):
        """`kept`: a folder in which what is read is kept for the next run."""
        folder = pathlib.Path(folder)
        self.store = store.Store(kept, [folder / "model.xml", folder / "model.bin"], precision, len(SEQUENCE_COLUMNS)) if kept else None
        core = ov.Core()
        self.compiled = core.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads})
        manifest = folder / "manifest.json"
        self.manifest = json.loads(manifest.read_text()) if manifest.exists() else {}
        self.request = self.compiled.create_infer_request()

    def rows(self, rows, batch_tokens=2048, want_tokens=False):
        """`rows` are (ids, types, case); returns sequence logits [N,S] and, when wanted, the token logits of each row."""
        order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
        sequence, token = [None] * len(rows), [None] * len(rows)
        keys = [self.store.key(row) for row in rows] if self.store else []
        if self.store and not want_tokens:
            for i, key in enumerate(keys):
                sequence[i] = self.store.known.get(key)
            order = [i for i in order if sequence[i] is None]
        at, said = 0, time.monotonic()
        while at < len(order):
            length = padded_length(len(rows[order[at]][0]))
            count = max(1, batch_tokens // length)
            part = [i for i in order[at : at + count] if padded_length(len(rows[i][0])) == length]
            at += len(part)
            arrays = {n: np.zeros((len(part), length), np.int32) for n in INPUTS}
            for k, i in enumerate(part):
                ids, types, case = rows[i]
                n = len(ids)
                arrays["input_ids"][k, :n], arrays["token_type_ids"][k, :n], arrays["case_ids"][k, :n], arrays["attention_mask"][k, :n] = ids, types, case, 1
            answer = self.request.infer(arrays)
            s = answer[self.compiled.output("sequence")]
            t = answer[self.compiled.output("tokens")] if want_tokens else None
            for k, i in enumerate(part):
                sequence[i] = s[k].copy()
                if want_tokens:
                    token[i] = t[k, : len(rows[i][0])].copy()
                if self.store:
                    self.store.add(keys[i], sequence[i])
            if self.store:
                self.store.flush()
            if time.monotonic() - said > 30:
                said = time.monotonic()
                print(f"read {at} of {len(order)} windows", file=sys.stderr, flush=True)
        return np.array(sequence), token


class Scorer:
    def __init__(self, model: Model, encoder: tokens.Encoder | None = None, languages=None):
        """`languages`: the LanguageScorer that changes the scores of windows that are not English; None: the encoder's word stands."""
        self.model = model
        self.encoder = encoder or tokens.Encoder()
        self.languages = languages
        self.known = {}

    def texts(self, texts, want_tokens=False):
        """As `read`; without tokens what was read once is remembered."""
        texts = list(texts)
        if want_tokens:
            return self.read(texts, True)
        fresh = list(dict.fromkeys(t for t in texts if t not in self.known))
        if fresh:
            self.known.update(zip(fresh, zip(*self.read(fresh))))
        return np.array([self.known[t][0] for t in texts]), np.array([self.known[t][1] for t in texts])

    def read(self, texts, want_tokens=False):
        """Per text: the highest logit of each column over its windows [N,S], the number of windows [N], and (wanted) token logits per content token."""
        rows, owner, places = [], [], []
        encoded = self.encoder.encode_all(list(texts))
        for i, e in enumerate(encoded):
            for start, end in windows(len(e), WINDOW, STRIDE):
                rows.append(tokens.single(e.slice(start, end)))
                owner.append(i)
                places.append((start, end))
        sequence, token = self.model.rows(rows, want_tokens=want_tokens)
        if self.languages:
            first = np.searchsorted(owner, np.arange(len(encoded) + 1))
            for i, (e, text) in enumerate(zip(encoded, texts)):
                own = slice(first[i], first[i + 1])
                sequence[own] = self.languages.combined(sequence[own], e, text, places[own])
        owner = np.array(owner)
        best = np.full((len(encoded), sequence.shape[1]), -1e9, np.float32)
        np.maximum.at(best, owner, sequence)
        count = np.bincount(owner, minlength=len(encoded))
        if not want_tokens:
            return best, count
        joined = [np.full((len(e), token[0].shape[1]), -1e9, np.float32) for e in encoded]
        for i, (start, end), t in zip(owner, places, token):
            # where windows overlap, the one in which the token stands further from an edge decides
            middle = (start + end) / 2
            own = joined[i]
            fresh = own[start:end, 0] <= -1e8
            own[start:end][fresh] = t[1:-1][fresh]
            nearer = ~fresh & (np.arange(start, end) >= middle - WINDOW / 2 + (WINDOW - STRIDE) / 2)
            own[start:end][nearer] = t[1:-1][nearer]
        return best, count, joined, encoded

    def words(self, texts):
        """How many words each text has, punctuation not counted."""
        return np.array([len({w for w, c in zip(e.words, e.case) if c != SPECIAL}) for e in self.encoder.encode_all(list(texts))])

    def pairs(self, pairs):
        """Raw logits [N,S] of (text, second text), one window."""
        rows = []
        for first, second in zip(self.encoder.encode_all([p[0] for p in pairs]), self.encoder.encode_all([p[1] for p in pairs])):
            first = first.slice(0, PAIR_TEXT)
            rows.append(tokens.pair(first, second.slice(0, tokens.pair_room(len(first)))))
        return self.model.rows(rows)[0]

    def claims(self, rows, looks=2):
        """Per claim of each groundedness row: (row, encoder logit, lexical features). The logit is the lowest of the `looks` best windows' `ungrounded`."""
        made, owner, found = [], [], []
        column = COLUMN["ungrounded"]
        for i, row in enumerate(rows):
            source = self.encoder.encode("\n".join(row["sources"]))
            known, pairs = lexical.source_words("\n".join(row["sources"]))
            for claim in data.claim_rows({**row, "spans": None, "label": 0}):
                text = self.encoder.encode(claim["text"]).slice(0, PAIR_TEXT)
                if not len(text):
                    continue
                for window in data.best_windows(text, source, claim["question"])[:looks]:
                    made.append(tokens.pair(text, window))
                    owner.append(len(found))
                found.append((i, lexical.features(claim["text"][claim["question"] :], known, pairs)))
        logits = np.full(len(found), np.inf, np.float32)
        np.minimum.at(logits, owner, self.model.rows(made)[0][:, column])
        return [(i, float(z), f) for (i, f), z in zip(found, logits)]

    def answers(self, rows, looks=2):
        """Per groundedness row: the highest of its claims' logits; with the manifest's `lexical` weights each claim's logit is w0 + the encoder's share + weights * features."""
        weights = self.model.manifest.get("heads", {}).get("ungrounded", {}).get("lexical")
        return highest(self.claims(rows, looks), len(rows), weights and [weights["intercept"], *(weights[f] for f in lexical.FEATURES)], weights or lexical.ENCODER)


def highest(claims, count, weights=None, encoder=lexical.ENCODER):
    result = np.full(count, -30.0, np.float32)
    for i, logit, features in claims:
        value = logit if weights is None else weights[0] + lexical.logit(logit, encoder) + sum(w * f for w, f in zip(weights[1:], features))
        result[i] = max(result[i], value)
    return result


def decode_names(encoded, logits, text):
    """BIO over words (the first piece of a word decides) -> [(start, end, kind)]."""
    bio = logits[:, 1 : 1 + len(BIO)]
    found, current = [], None
    previous = None
    for i, word in enumerate(encoded.words):
        if word == previous:
            if current:
                current[1] = encoded.offsets[i][1]
            continue
        previous = word
        label = BIO[int(bio[i].argmax())]
        if label == "O":
            current = None
            continue
        kind = label[2:]
        if current and label[0] == "I" and current[2] == kind:
            current[1] = encoded.offsets[i][1]
        else:
            current = [*encoded.offsets[i], kind]
            found.append(current)
    return [tuple(f) for f in found]


def corrected(logit, count, penalty, words=None, short=0.0):
    """`words`: how many words each text has, where texts of fewer than SHORT_WORDS lose `short` for each factor e that they have fewer."""
    lost = penalty * np.log(np.minimum(np.maximum(count, 1), CORRECTED_WINDOWS))
    if words is not None and short:
        lost = lost + short * np.log(SHORT_WORDS / np.clip(words, 1, SHORT_WORDS))
    return logit - lost


def probability(logit, calibration):
    return 1.0 / (1.0 + np.exp(-np.clip(calibration["a"] * logit + calibration["b"], -40, 40)))


def stages(head, best, count, words):
    """Calibrated P(>= 2), P(>= 4), P(>= 6) of an ordinal head [3,N], none above the one before. `best`, `count`: what `Scorer.texts` gives."""
    short = head.get("short_penalty", [0.0] * len(head["columns"]))
    steps = zip(head["columns"], head["calibration"], head["window_penalty"], short)
    return np.minimum.accumulate(np.array([probability(corrected(best[:, COLUMN[c]], count, w, words, s), k) for c, k, w, s in steps]), 0)


def severity(p):
    """0-7 from the calibrated, non-increasing P(>= 2), P(>= 4), P(>= 6): level k is reached where P(>= k) is one half, between levels the next probability says how far."""
    p2, p4, p6 = (np.asarray(x, float) for x in p)
    low, medium, high = 4 * np.minimum(p2, 0.5), 2 + 4 * np.minimum(p4, 0.5), 4 + 4 * np.minimum(p6, 0.5)
    found = np.where(p2 < 0.5, np.minimum(low, 1.999), np.where(p4 < 0.5, np.minimum(medium, 3.999), np.where(p6 < 0.5, np.minimum(high, 5.999), 6 + 2 * (p6 - 0.5))))
    return found
