"""Rows of the data folder and of `authored/` as training examples: token windows with masked targets.

A target that a row does not answer stays out of the loss: sequence targets are a dictionary column -> (value, weight), token labels use -100.
"""
import gzip
import hashlib
import json
import pathlib
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import edits
import hate_templates
import persona
import tokens
import transformations
from columns import BIO, HARMS, PAIR_TEXT, SEVERITIES, SUBKINDS, WINDOW
from sources import (
    ASKING, DOCUMENT_CAP, FLAGGED, GROUNDEDNESS_CAP, HARM_CAP, HARM_WEIGHT, HARMLESS, PII_CAP, PROMPT_CAP, PROMPT_COPIES, PROMPT_WEIGHT, SUBKIND_OF, TASK_SHARE, allowed,
)

AUTHORED = pathlib.Path(__file__).parent / "authored"
HOLD_OUT_SHARE = 12  # per cent of the authored groups, while sources are left out
SHIPPED_HOLD_OUT_SHARE = 7  # of these, what the shipped model has not trained on either
MEASURED_ONLY = ("_blind", "_functional")  # authored files that are measured on and nothing else
SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"')\]]*\s+|\n+")

WORD = re.compile(r"\w+")
# Pieces of benign look-alikes that would be attacks if they stood alone.
ATTACKING = re.compile(r"ignor|disregard|forget|overrid|bypass|jailbreak|pretend|reveal|system prompt|developer mode|unrestricted|instructions", re.IGNORECASE)
# Words that stand alone in every exchange: values of the API and of tools' arguments.
LONE_WORDS = """auto none required disabled enabled default mp3 wav json text low medium high Paris Berlin London Warsaw celsius fahrenheit whisper assistant user city string object
number integer boolean array yes no ok en de fr en-US true false null get_weather search_documents Ann Piotr Bob Alice Friday Monday 1 42 2026-11-30 EUR USD a b x id name title url alloy
verbose_json transcription b64_json 1024x1024 vivid natural hd standard concise detailed in_progress completed queued failed""".split()


@dataclass
class Example:
    ids: list
    types: list
    case: list
    targets: dict
    payload: list | None = None
    bio: list | None = None
    unsupported: list | None = None
    source: str = ""
    task: str = ""
    weight: float = 1.0


@dataclass
class Options:
    data: pathlib.Path
    include_flagged: bool = False
    leave_out: set = field(default_factory=set)
    tasks: set = field(default_factory=lambda: {"prompt", "pieces", "document", "harm", "names", "groundedness", "task"})
    seed: int = 1
    small: float = 1.0  # share of every cap, for trial runs


def read_rows(folder, task: str, part: str) -> list:
    with gzip.open(pathlib.Path(folder) / f"{task}.{part}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def stable(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def held_out(row: dict) -> bool:
    """Authored rows are held out by group or by batch and kind, never one by one."""
    key = row.get("group") or f"{row.get('batch', '')}/{row.get('kind', row.get('request', ''))}/{row.get('language', '')}"
    if row.get("task") == "groundedness":
        key = row["source"] if isinstance(row["source"], str) else "".join(row["source"])
    if row.get("task") == "task_adherence":
        key = row["request"]
    return stable(key) % 100 < HOLD_OUT_SHARE


def authored_rows(kind: str, part: str) -> list:
    """`part` is "train" or "dev"; `file` says where a row stands. Files of MEASURED_ONLY are in neither part."""
    rows = []
    for path in sorted(AUTHORED.glob("*.jsonl")):
        if path.stem.endswith(MEASURED_ONLY):
            continue
        for line in open(path, encoding="utf-8"):
            row = json.loads(line)
            if row["task"] == kind and held_out(row) == (part == "dev"):
                rows.append({**row, "file": path.stem})
    return rows


def measured_rows(name: str) -> list:
    """Rows of a file of MEASURED_ONLY: they never train and fix no threshold."""
    return [json.loads(line) for line in open(AUTHORED / f"{name}.jsonl", encoding="utf-8")]


def blind_rows(name: str) -> list:
    """Rows written to be measured on and nothing else, of which nobody reads the ones that are missed."""
    return measured_rows(f"{name}_blind")


def sentences(text: str) -> list:
    """(start, end) of each sentence."""
    found, start = [], 0
    for m in SENTENCE_END.finditer(text):
        if text[start : m.start()].strip():
            found.append((start, m.start()))
        start = m.end()
    if text[start:].strip():
        found.append((start, len(text)))
    return found


class Builder:
    def __init__(self, options: Options, epoch: int, encoder: tokens.Encoder):
        self.options, self.encoder = options, encoder
        self.random = random.Random(options.seed * 1000 + epoch)
        self.examples = []

    # Helpers

    def capped(self, rows: list, caps: dict, default: int | None = None) -> list:
        groups = defaultdict(list)
        for row in rows:
            groups[row["source"]].append(row)
        kept = []
        for source, group in sorted(groups.items()):
            self.random.shuffle(group)
            cap = caps.get(source, default)
            count = len(group) if cap is None else min(cap, len(group))
            kept += group[: count if count <= 320 else int(count * self.options.small)]
        return kept

    def usable(self, rows: list) -> list:
        return [r for r in rows if allowed(r["source"], self.options.include_flagged) and r["source"] not in self.options.leave_out]

    def add(self, encoded, targets, source, task, weight=1.0, payload=None, bio=None):
        ids, types, case = tokens.single(encoded)
        pad = lambda labels: None if labels is None else [-100, *labels, -100]
        self.examples.append(Example(ids, types, case, targets, pad(payload), pad(bio), None, source, task, weight))

    def augmented(self, text: str, share: float) -> str:
        if self.random.random() < share:
            return transformations.apply(self.random.choice(transformations.READABLE), text, self.random.randrange(1 << 30))
        return text

    def crop(self, encoded, at=None):
        """A window as the gateway might cut it; often smaller, which trains the same thing for less."""
        size = self.random.choice((46, 62, 94, WINDOW))
        if len(encoded) <= size:
            return encoded
        start = self.random.randrange(len(encoded) - size + 1) if at is None else at
        return encoded.slice(start, start + size)

    # Prompts

    def prompts(self):
        rows = self.usable(read_rows(self.options.data, "prompt_attack", "train"))
        rows = self.capped(rows, PROMPT_CAP)
        for row in rows:
            row["targets"] = self.prompt_targets(row)
            row["weight"] = PROMPT_WEIGHT.get(row["source"], 1.0)
        copies = [dict(r) for r in rows for _ in range(PROMPT_COPIES.get(r["source"], 0))]
        authored = [] if "authored" in self.options.leave_out else authored_rows("prompt_attack", "train")
        for row in authored:
            row["source"] = "authored:" + row["batch"]
            row["weight"] = 1.5
            targets = {"prompt_attack": (row["label"], 1.0)}
            for kind in SUBKINDS:
                targets[kind] = (float(kind.removeprefix("attack_") in row["subtypes"]), 0.5)
            if row["label"]:
                targets["document_attack"] = (1.0, 0.2)
            targets.update(harm_zero(0.3 if row["label"] else 0.6))  # their goals are mild: in every language, nobody is harmed by them
            row["targets"] = targets
        first = {id(r) for r in rows}
        rows += copies + authored
        rows += [dict(r) for r in authored]  # a second, always changed copy of what was written for this project
        for _ in range(int(700 * self.options.small)):
            for label in (1, 0):
                targets = {"prompt_attack": (float(label), 1.0), "attack_role_play": (float(label), 0.5), **harm_zero(0.0 if label else 0.3)}
                rows.append({"text": persona.prompt(self.random, label), "label": label, "source": "persona", "targets": targets, "weight": 0.8})
        questions = defaultdict(list)
        for row in rows:
            if not row["label"] and 15 < len(row["text"]) < 120 and row["source"] not in ("hh_rlhf_first_turn", "harmfulqa", "counsel_chat", "frr_multilingual"):
                questions[row.get("language", "en")].append(row["text"])
        for _ in range(int(700 * self.options.small)):
            for label in (1, 0):
                targets = {"prompt_attack": (float(label), 1.0), **({} if label else harm_zero(0.3))}
                rows.append({"text": persona.smuggled(self.random, label, questions), "label": label, "source": "smuggled", "targets": targets, "weight": 0.8})
        benign = [r["text"] for r in rows if not r["label"] and len(r["text"]) < 500]
        for row in rows:
            text, targets, weight = row["text"], row["targets"], row["weight"]
            roll = self.random.random()
            if len(text) < 400:
                share = 0.22 if row["label"] else 0.12  # attack or not: neither length nor padding may give it away
                if roll < share:
                    other = self.random.choice(benign)
                    place = self.random.randrange(3)
                    glue = self.random.choice(("\n\n", "\n", " "))
                    text = text + glue + other if place == 0 else other + glue + text if place == 1 else other + glue + text + glue + self.random.choice(benign)
                elif roll < share + 0.04:
                    text = transformations.apply(self.random.choice(transformations.ENCODING), text, 0)
                    targets = {**targets, "attack_encoding": (float(row["label"]), 1.0)}
                    weight *= 0.7
            text = self.augmented(text, 0.12 if id(row) in first else 0.5)
            self.add_prompt(self.encoder.encode(text), row["label"], targets, row["source"], weight)

    def prompt_targets(self, row):
        label, source = row["label"], row["source"]
        targets = {"prompt_attack": (float(label), 1.0)}
        if not label:
            targets.update({kind: (0.0, 0.3) for kind in SUBKINDS})
            if source in HARMLESS:
                targets.update(harm_zero(0.4))
            if source.startswith("docs:"):
                targets["document_attack"] = (0.0, 0.5)
            return targets
        kind = SUBKIND_OF.get(row["kind"].split("/")[0])
        if kind:
            targets[kind] = (1.0, 0.5)
            if source == "authored_attack":
                targets.update({k: (0.0, 0.3) for k in SUBKINDS if k != kind})
        if source in ("authored_attack", "promptinject") and row["kind"] in ("override", "authority", "fake_structure"):
            targets["document_attack"] = (1.0, 0.2)
        return targets

    def add_prompt(self, encoded, label, targets, source, weight):
        if len(encoded) <= WINDOW:
            self.add(encoded, targets, source, "prompt", weight)
            return
        self.add(encoded.slice(0, WINDOW), targets, source, "prompt", weight)
        starts = range(30, len(encoded) - 60)
        for start in self.random.sample(list(starts), min(2 if label else 1, len(starts))):
            part = self.crop(encoded.slice(start, start + WINDOW), 0)
            if label:  # not every window of a long jailbreak is one
                self.add(part, {k: (v[0] * 0.9, v[1] * 0.4) for k, v in targets.items()}, source, "prompt", weight)
            else:
                self.add(part, targets, source, "prompt", weight)

    # Few words

    def pieces(self):
        """One to six words out of texts that nobody could call harmful, also words that stand alone in calls: values of tool arguments and of the API. Words that stand in harmful texts
        far more often than in harmless ones are left out, and pieces that could be the core of an attack."""
        harmful, harmless = Counter(), Counter()
        for row in self.usable(read_rows(self.options.data, "harm", "train")) + authored_rows("harm", "train"):
            harmed = any(row[h] for h in HARMS)
            (harmful if harmed else harmless).update(set(WORD.findall(row["text"].lower())))
        prompts = [r for r in self.usable(read_rows(self.options.data, "prompt_attack", "train")) if not r["label"] and r["source"] in HARMLESS]
        prompts += [r for r in authored_rows("prompt_attack", "train") if not r["label"]]
        for row in prompts:
            harmless.update(set(WORD.findall(row["text"].lower())))
        doubtful = {w for w, n in harmful.items() if n > 0.5 * harmless[w]}
        texts = [r["text"] for r in prompts] + [r["text"] for r in self.usable(read_rows(self.options.data, "document_attack", "train")) if not r["label"]]
        targets = {"prompt_attack": (0.0, 0.7), "document_attack": (0.0, 0.3), **harm_zero(0.8)}
        for _ in range(int(1800 * self.options.small)):
            if self.random.random() < 0.15:
                piece = " ".join(self.random.sample(LONE_WORDS, self.random.choice((1, 1, 1, 2))))
            else:
                words = self.random.choice(texts).split()
                count = self.random.choice((1, 1, 1, 2, 2, 3, 4, 5, 6))
                start = self.random.randrange(max(1, len(words) - count + 1))
                piece = " ".join(words[start : start + count])[:80]
            if self.random.random() < 0.3:
                piece = piece.strip(".,;:!?()\"'")
            if piece and not doubtful & set(WORD.findall(piece.lower())) and not ATTACKING.search(piece):
                self.add(self.encoder.encode(piece), targets, "pieces", "pieces", 0.8)

    # Documents

    def documents(self):
        rows = self.usable(read_rows(self.options.data, "document_attack", "train"))
        rows = self.capped(rows, DOCUMENT_CAP)
        authored = [] if "authored" in self.options.leave_out else authored_rows("document_attack", "train")
        for row in authored:
            row["source"] = "authored:" + row["batch"]
        pool = [r["text"][slice(*r["payload_span"])] for r in rows + authored if r["label"] and r["payload_span"]]
        pool = [p for p in dict.fromkeys(pool) if 20 < len(p) < 400]
        attacks = self.usable(read_rows(self.options.data, "prompt_attack", "train"))
        attacks = [r["text"] for r in attacks if r["label"] and len(r["text"]) < 250 and r["kind"] in ("override", "authority", "fake_structure", "leak", "injection")]
        attacks += [r["text"] for r in authored_rows("prompt_attack", "train") if r["label"] and len(r["text"]) < 300 and "role_play" not in r["subtypes"]]
        clean = [r for r in rows + authored if not r["label"]]
        for row in rows:
            self.add_document(row["text"], row["label"], row["payload_span"], row["source"], 1.0)
        for _ in range(2):
            for row in authored:
                self.add_document(row["text"], row["label"], row["payload_span"], row["source"], 1.5)
        for _ in range(int(1100 * self.options.small)):  # known payloads and prompt attacks in other carriers, and harmless instructions in the same places
            row = self.random.choice(clean)
            places = [0, *(m.end() for m in SENTENCE_END.finditer(row["text"])), len(row["text"])]
            at = self.random.choice(places)
            roll = self.random.random()
            insert = self.random.choice(pool) if roll < 0.35 else self.random.choice(attacks) if roll < 0.6 else benign_instruction(self.random)
            label = int(roll < 0.6)
            insert = self.augmented(insert, 0.1)
            glue = self.random.choice((" ", "\n", "\n\n"))
            text = row["text"][:at] + glue + insert + glue + row["text"][at:]
            self.add_document(text, label, [at + len(glue), at + len(glue) + len(insert)], "remixed", 0.8, focus=True)
        for _ in range(int(700 * self.options.small)):
            roll = self.random.random()
            insert = self.random.choice(pool) if roll < 0.35 else self.random.choice(attacks) if roll < 0.5 else benign_instruction(self.random) if roll < 0.8 else None
            text, span = table(self.random, insert)
            self.add_document(text, int(roll < 0.5), span, "synthetic_table", 0.8, focus=True)

    def add_document(self, text, label, span, source, weight, focus=False):
        encoded = self.encoder.encode(text)
        inside = [bool(span) and s < span[1] and e > span[0] for s, e in encoded.offsets]
        marked = [int(x and label) for x in inside]
        zeros = {"document_attack": (0.0, 1.0), "prompt_attack": (0.0, 0.8 if source.startswith("authored:") else 0.4)}
        if source.startswith(("docs:", "code:", "authored")):
            zeros.update(harm_zero(0.2))
        if not label:
            at = None
            if focus and any(inside):
                at = self.start_around(inside, len(encoded))
            for _ in range(2 if len(encoded) > 200 and not focus else 1):
                part = self.crop(encoded, at)
                self.add(part, zeros, source, "document", weight, payload=[0] * len(part))
            return
        if not any(marked):
            return
        total = sum(marked)
        size = self.random.choice((62, 94, WINDOW, WINDOW))
        start = self.start_around(inside, len(encoded), size)
        part, labels = encoded.slice(start, start + size), marked[start : start + size]
        seen = sum(labels)
        if seen >= min(0.6 * total, 14):
            self.add(part, {"document_attack": (1.0, 1.0)}, source, "document", weight, payload=labels)
        elif seen:
            self.add(part, {}, source, "document", weight, payload=labels)
        if len(encoded) > 160 and self.random.random() < 0.5:
            part_start = self.random.randrange(len(encoded) - 60)
            size = self.random.choice((62, 94, WINDOW))
            if not any(marked[part_start : part_start + size]):
                part = encoded.slice(part_start, part_start + size)
                self.add(part, zeros, source, "document", weight, payload=[0] * len(part))

    def start_around(self, inside, count, size=WINDOW):
        """Where a window starts that holds the marked tokens at a random place (or their beginning, when they are longer)."""
        first = inside.index(True)
        last = len(inside) - inside[::-1].index(True)
        if last - first >= size:
            return max(0, self.random.randrange(first - size // 3, max(first - size // 3 + 1, last - size // 2)))
        low, high = max(0, last - size), min(first, max(0, count - size))
        return self.random.randrange(low, max(low, high) + 1)

    # Harm

    def harms(self):
        rows = self.usable(read_rows(self.options.data, "harm", "train"))
        davidson = [r for r in rows if r["source"] == "davidson"]
        hate = [r for r in davidson if r["hate"]]
        rest = self.capped([r for r in davidson if not r["hate"]], {"davidson": HARM_CAP["davidson"] - len(hate)})
        rows = self.capped([r for r in rows if r["source"] != "davidson"], HARM_CAP) + hate[: max(1, int(len(hate) * self.options.small))] + rest
        for row in rows:
            targets = {}
            for harm in HARMS:
                severity = (row["severity"] or {}).get(harm)
                if row[harm] == 1:
                    targets[f"{harm}_2"] = (1.0, 1.0)
                    if severity:
                        targets[f"{harm}_4"] = (float(severity >= 4), 0.5)
                        targets[f"{harm}_6"] = (float(severity >= 6), 0.5)
                    elif row["source"] in ASKING:  # by the rubric asking for harm is at least medium
                        targets[f"{harm}_4"] = (0.9, 0.4)
                elif row[harm] == 0:
                    if severity != 2:
                        targets[f"{harm}_2"] = (0.0, 1.0)
                    targets[f"{harm}_4"] = (0.0, 0.3)
                    targets[f"{harm}_6"] = (0.0, 0.3)
            self.harm_row(row["text"], targets, row["source"], HARM_WEIGHT.get(row["source"], 1.0), 0.05)
        authored = [] if "authored" in self.options.leave_out else authored_rows("harm", "train")
        for copy in range(2):
            for row in authored:
                targets = {}
                for harm in HARMS:
                    if row[harm] is not None:
                        for severity in SEVERITIES:
                            targets[f"{harm}_{severity}"] = (float(row[harm] >= severity), 1.0 if severity == 2 else 0.6)
                self.harm_row(row["text"], targets, "authored:" + row["batch"], 1.3, 0.05 if copy == 0 else 0.4)

        for text, levels in hate_templates.rows(self.random, int(1100 * self.options.small)):
            targets = {f"{harm}_{s}": (float(level >= s), 0.8 if s == 2 else 0.4) for harm, level in levels.items() if level is not None for s in SEVERITIES}
            self.harm_row(text, targets, "hate_templates", 0.8, 0.05)

    def harm_row(self, text, targets, source, weight, share):
        encoded = self.encoder.encode(self.augmented(text, share))
        targets = {**targets, "prompt_attack": (0.0, 0.4), **{k: (0.0, 0.15) for k in SUBKINDS}}
        if source in ("davidson", "identity_templates", "toxigen_demonstrations", "realtoxicityprompts", "surge_toxicity", "counsel_chat"):
            targets["document_attack"] = (0.0, 0.3)
        self.add(self.crop(encoded) if len(encoded) > WINDOW else encoded, targets, source, "harm", weight)

    # Names

    def names(self):
        rows = self.usable(read_rows(self.options.data, "pii", "train"))
        rows = self.capped(rows, PII_CAP, None)
        authored = [] if "authored" in self.options.leave_out else authored_rows("names", "train")
        for row in authored:
            row["source"] = "authored:" + row["batch"]
        for row in rows + authored + authored:
            text = row["text"]
            roll = self.random.random()
            text = text.lower() if roll < 0.06 and len(text.lower()) == len(text) else text.upper() if roll < 0.1 and len(text.upper()) == len(text) else text
            encoded = self.encoder.encode(text)
            labels = bio_labels(encoded, row["spans"])
            if len(encoded) > WINDOW:
                start = self.random.randrange(len(encoded) - WINDOW)
                encoded, labels = encoded.slice(start, start + WINDOW), labels[start : start + WINDOW]
            targets = {"prompt_attack": (0.0, 0.3), "document_attack": (0.0, 0.3)}
            if row["source"].startswith("authored:") or row["source"] in ("authored_pii", "authored_pii_negative", "sec_filings", "wikigold"):
                targets.update(harm_zero(0.3))
            self.add(encoded, targets, row["source"], "names", 1.2 if row["source"].startswith("authored:") else 1.0, bio=labels)

    # Pairs

    def groundedness(self):
        rows = self.usable(read_rows(self.options.data, "groundedness", "train"))
        wow = [r for r in rows if r["source"] == "begin_wow"]  # its unsupported answers are chatty: too many of them, and the tone decides
        self.random.shuffle(wow)
        rows = self.capped([r for r in rows if r["source"] != "begin_wow"], GROUNDEDNESS_CAP)
        for label in (0, 1):
            rows += [r for r in wow if r["label"] == label][: int(500 * self.options.small)]
        for row in rows:
            self.claims(row, row["source"], 1.3 if row["source"].startswith("summedits") else 1.0)
        authored = [] if "authored" in self.options.leave_out else authored_rows("groundedness", "train")
        for row in authored:
            self.claims(authored_groundedness(row), "authored:" + row["batch"], 1.5)
            self.claims(authored_groundedness(row), "authored:" + row["batch"], 1.5)

        self.edited_sentences(rows + [authored_groundedness(r) for r in authored])

    def edited_sentences(self, rows):
        """Claims made from the sources' own sentences: the wording gives nothing away, only the comparison does."""
        documents = [r["text"] for r in self.usable(read_rows(self.options.data, "document_attack", "train")) if not r["label"] and not r["source"].startswith("code:")]
        passages = ["\n".join(r["sources"]) for r in rows if sum(map(len, r["sources"])) > 60] + self.random.sample(documents, min(700, len(documents)))
        pool = sorted({m.group() for p in passages[:600] for m in re.finditer(r"(?<=[a-z,;] )[A-Z][A-Za-z]{2,}", p)})
        for _ in range(int(2000 * self.options.small)):
            passage = self.random.choice(passages)
            spans = [s for s in sentences(passage) if 35 < s[1] - s[0] < 260]
            if not spans:
                continue
            place = self.random.randrange(len(spans))
            start, end = spans[place]
            made = edits.claim(passage[start:end], self.random, pool)
            if made is None:
                continue
            around = self.random.randrange(1, 5)  # a part of the source about the sentence: shorter pairs, the same comparison
            low, high = spans[max(0, place - around)][0], spans[min(len(spans) - 1, place + around)][1]
            self.claims({"query": "", "task": "summary", "sources": [passage[low:high]], "answer": made[0], "label": made[1], "spans": made[2]}, "edited", 1.0)

    def claims(self, row, source, weight):
        passages = [self.encoder.encode("\n".join(row["sources"]))]
        made = claim_rows(row)
        if len(made) > 3:  # long answers: the wrong sentences and a few right ones
            self.random.shuffle(made)
            made = sorted(made, key=lambda c: -c["label"])[:3]
        for claim in made:
            text = self.encoder.encode(claim["text"]).slice(0, PAIR_TEXT)
            if not len(text):
                continue
            best = best_windows(text, passages[0], claim["question"])
            window = best[0]
            labels = None
            if claim["spans"] is not None:
                labels = [int(any(s < b and e > a for a, b in claim["spans"])) if s >= claim["question"] else 0 for s, e in text.offsets]
            ids, types, case = tokens.pair(text, window)
            unsupported = None if labels is None else [-100, *labels, *[-100] * (len(window) + 2)]
            self.examples.append(Example(ids, types, case, {"ungrounded": (float(claim["label"]), 1.0)}, None, None, unsupported, source, "groundedness", weight))

    def calls(self):
        rows = [] if "authored" in self.options.leave_out else authored_rows("task_adherence", "train")
        by_request = defaultdict(list)
        for row in rows:
            by_request[row["request"]].append(row)
        requests = sorted(by_request)
        for copy in range(3):
            for row in rows:
                call = row["tool_call"]
                self.call(row["request"], call, row["label"], "authored:" + row["batch"])
            if copy == 0 and len(requests) > 3:
                for request in requests:
                    other = self.random.choice(requests)
                    served = [r for r in by_request[other] if not r["label"]]
                    if other != request and served:
                        self.call(request, self.random.choice(served)["tool_call"], 1, "authored:other_request")

    def call(self, request, call, label, source):
        first = self.encoder.encode(self.augmented(request, 0.2)).slice(0, PAIR_TEXT)
        second = self.encoder.encode(call)
        ids, types, case = tokens.pair(first, second.slice(0, tokens.pair_room(len(first))))
        self.examples.append(Example(ids, types, case, {"off_task": (float(label), 1.0)}, None, None, None, source, "task", 1.5))

    def build(self) -> list:
        wanted = self.options.tasks
        if "prompt" in wanted:
            self.prompts()
        if "pieces" in wanted:
            self.pieces()
        if "document" in wanted:
            self.documents()
        if "harm" in wanted:
            self.harms()
        if "names" in wanted:
            self.names()
        if "groundedness" in wanted:
            self.groundedness()
        if "task" in wanted:
            self.calls()
        return [e for e in self.examples if self.random.random() < TASK_SHARE.get(e.task, 1.0)]


def harm_zero(weight):
    return {f"{h}_{s}": (0.0, weight if s == 2 else weight / 3) for h in HARMS for s in SEVERITIES}


def bio_labels(encoded, spans) -> list:
    """One BIO label per token. Addresses hold places without saying where: they stay out of the loss."""
    labels = []
    for index, (s, e) in enumerate(encoded.offsets):
        label = 0
        for a, b, kind in spans:
            if s < b and e > a:
                if kind in ("PERSON", "LOCATION", "ORGANIZATION"):
                    begins = not any(x < b and y > a for x, y in encoded.offsets[max(0, index - 1) : index])
                    label = BIO.index(("B-" if begins else "I-") + kind)
                elif kind == "ADDRESS":
                    label = -100
                break
        labels.append(label)
    return labels


def authored_groundedness(row) -> dict:
    source = row["source"]
    return {
        "query": row.get("query") or "", "answer": row["claim_or_answer"], "sources": [source] if isinstance(source, str) else source, "label": row["label"], "spans": row.get("spans"),
        "task": "qa" if row.get("query") else "summary",
    }


def claim_rows(row) -> list:
    """The claims of an answer: each sentence, and the whole where it is one sentence or where nobody knows which sentence is wrong.

    `text` is the claim, for questions with the question before it; `question` says how many code points of `text` are the question.
    """
    answer, spans = row["answer"], row["spans"]
    question = row["query"].strip() + " " if row["task"] == "qa" and row["query"] and len(row["query"]) < 160 else ""
    parts = sentences(answer) or [(0, len(answer))]
    spans = [[s[0], s[1]] for s in spans] if spans is not None else None
    if row["label"] and not spans:
        spans = None
    whole = len(parts) == 1 or (spans is None and row["label"]) or len(answer) < 60
    if whole:
        parts = [(0, len(answer))]
    found = []
    for start, end in parts:
        own = None
        label = row["label"]
        if spans is not None:
            own = [(max(a, start) - start + len(question), min(b, end) - start + len(question)) for a, b in spans if a < end and b > start]
            label = int(bool(own)) if not whole else row["label"]
        elif not row["label"]:
            own = []
        found.append({"text": question + answer[start:end], "question": len(question), "label": label, "spans": own})
    return found


def best_windows(claim, source, question_length=0) -> list:
    """The windows of a source that fit beside a claim, the one sharing most tokens with the claim first."""
    room = tokens.pair_room(len(claim))
    if len(source) <= room:
        return [source]
    wanted = {i for i, (s, _) in zip(claim.ids, claim.offsets) if s >= question_length} or set(claim.ids)
    starts = list(range(0, max(1, len(source) - room + 30), max(1, room - 30)))
    windows = [source.slice(s, s + room) for s in starts]
    counts = defaultdict(int)
    for i in source.ids:
        counts[i] += 1
    score = lambda w: sum(1.0 / counts[i] ** 0.5 for i in set(w.ids) & wanted)
    return sorted(windows, key=score, reverse=True)


def benign_instruction(r) -> str:
    """An instruction meant for people, as documents have them."""
    who = r.choice(["all staff", "the night shift", "our guests", "new members", "the finance team", "drivers", "volunteers", "parents", "the reviewer", "everyone on call"])
    what = r.choice([
        "please return the key to the front desk", "remember to sign the attendance list", "forward the signed form to the office by Friday", "do not share your PIN with anyone",
        "ignore the earlier version of this table", "send the corrected figures to accounting", "check the total before you approve it", "delete the old file once the copy is done",
        "click the link in the invitation to confirm", "keep this page confidential", "restart the service after the update", "reply to this message with your size",
        "use the side entrance while the works last", "disregard the previous reminder if you already paid", "update the address in the system", "call the number below in an emergency",
        "do not run this script as root", "follow the instructions on the label", "write your name in capital letters", "summarise the meeting in two sentences for the minutes",
        "print two copies and file one", "never reveal your password on the phone", "include the ticket number in the subject", "translate the leaflet before the fair",
    ])
    return r.choice([f"Note to {who}: {what}.", f"{what[0].upper()}{what[1:]}.", f"{who[0].upper()}{who[1:]}: {what}!", f"Reminder: {what}.", f"TODO: {what}", f"Important: {what}. Thank you."])


def table(r, insert) -> tuple:
    """A markdown, CSV or HTML table of invented values, with `insert` in one cell."""
    columns = {
        "Date": lambda: f"20{r.randrange(15, 27)}-{r.randrange(1, 13):02}-{r.randrange(1, 29):02}", "Item": lambda: r.choice("desk lamp,filter,bolt M6,paper A4,toner,cable 2 m,chair,monitor,valve,gasket".split(",")),
        "Qty": lambda: str(r.randrange(1, 900)), "Price": lambda: f"{r.random() * 400:.2f}", "City": lambda: r.choice("Lyon,Porto,Graz,Turin,Lodz,Izmir,Ghent,Bergen,Leeds,Malmö".split(",")),
        "Status": lambda: r.choice("open,closed,shipped,returned,waiting,paid".split(",")), "Name": lambda: r.choice("A. Berger,M. Costa,T. Nowak,L. Duval,E. Kaya,J. Lind,R. Moore,S. Petrov".split(",")),
        "Points": lambda: f"{r.randrange(0, 60)}–{r.randrange(0, 60)}", "Year": lambda: str(r.randrange(1950, 2026)), "Notes": lambda: r.choice(["", "", "late", "see p. 4", "n/a", "checked", "second attempt"]),
        "Id": lambda: f"{r.choice('ABKX')}-{r.randrange(1000, 9999)}", "Team": lambda: r.choice("Falcons,Rovers,United,Harbour,Lions".split(",")),
    }
    names = r.sample(list(columns), r.randrange(3, 7))
    rows = [[columns[n]() for n in names] for _ in range(r.randrange(3, 14))]
    style = r.randrange(3)
    mark = "\u0000"
    if insert:
        row, column = r.randrange(len(rows)), r.randrange(len(names))
        rows[row][column] = mark if r.random() < 0.6 else rows[row][column] + " " + mark
    if style == 0:
        text = "\n".join("| " + " | ".join(row) + " |" for row in [names, ["---"] * len(names)][: r.randrange(1, 3)] + rows)
    elif style == 1:
        text = "\n".join(",".join(row) for row in [names] + rows)
    else:
        text = "<table>" + "".join("<tr>" + "".join(f"<td>{c}</td>" for c in row) + "</tr>\n" for row in [names] + rows) + "</table>"
    if not insert:
        return text, None
    at = text.index(mark)
    return text.replace(mark, insert), [at, at + len(insert)]


if __name__ == "__main__":
    import sys
    import time
    from collections import Counter

    begun = time.time()
    made = Builder(Options(pathlib.Path(sys.argv[1])), 0, tokens.Encoder()).build()
    print(len(made), "examples", sum(len(e.ids) for e in made), "tokens", f"{time.time() - begun:.0f} s")
    for task in sorted({e.task for e in made}):
        group = [e for e in made if e.task == task]
        print(task, len(group), "tokens", sum(len(e.ids) for e in group), "mean", sum(len(e.ids) for e in group) // len(group))
        positives = Counter(c for e in group for c, (v, w) in e.targets.items() if v > 0.5)
        print("   positives", dict(positives), "sources", len({e.source for e in group}))
