"""The evaluation table: every head of the shipped model, and the linear baseline, on rows that did not train it.

    evaluate.py --data FOLDER --models MODELS [--heads prompt,document,…] [--left-out SOURCE,…] [--out FILE.md] [--scores FOLDER] [--limit N] [--sample N] [--kept FOLDER]

Rows: dev parts, held-out authored groups, and for sources that never trained (flagged by licence, or named by --left-out for a model trained without them) the train part too,
at most --limit rows a source and label; with --sample at most that many rows of any source, label and kind, the same ones each time. Thresholds and calibration are read from the manifest; nothing is fitted here, except that the baseline's threshold is set to the
same false-positive rate on the same benign rows. Intervals: Wilson for rates, 200 bootstrap rounds for areas.
"""
import argparse
import json
import pathlib
import random
from collections import defaultdict

import numpy as np

import calibrate
import cascade
import data
import tokens
from columns import BIO, COLUMN, HARMS, NAMES, SUBKINDS
from intervals import auprc, auroc, bootstrap, show, wilson
from languages import LanguageScorer
from scoring import Model, Scorer, corrected, decode_names, probability, severity, stages
from sources import ASKING, FLAGGED, NATURAL_JAILBREAKS

TEMPLATES = {"authored_attack", "authored_hard_negative", "authored_harm", "authored_pii", "authored_pii_negative", "adaptive_attacks", "fuzzyai_suffix", "identity_templates", "surge_profanity"}
OVER_DEFENCE = {"cyberseceval_mitre_frr", "frr_multilingual", "docs:BerriAI/litellm-docs", "docs:Kong/developer.konghq.com", "docs:MicrosoftDocs/azure-security-docs",
                "docs:NVIDIA/NeMo-Guardrails", "docs:protectai/llm-guard", "docs:swiftlang/swift-org-website"}
CHAT = {"begin_messages", "fuzzyai_benign", "mt_bench", "self_instruct_seeds", "gpteacher_roleplay", "awesome_chatgpt_prompts", "clapnq_questions", "xquad", "counsel_chat", "hh_rlhf_first_turn",
        "harmfulqa", "cyberseceval_instruct"}


class Evaluation:
    def __init__(self, a):
        self.folder, self.limit, self.sample = a.data, a.limit, a.sample
        self.left_out = set(filter(None, a.left_out.split(",")))
        languages = LanguageScorer.load(a.models / "languages") if (a.models / "languages" / "manifest.json").exists() else None
        self.scorer = Scorer(Model(a.models / "guard", a.precision, kept=a.kept), tokens.Encoder(str(a.models / "vocab.txt")), languages)
        self.manifest = self.scorer.model.manifest
        self.heads = self.manifest["heads"]
        self.linear = cascade.Linear.load(a.models / "cascade") if (a.models / "cascade" / "manifest.json").exists() else None
        self.scores = a.scores
        self.lines, self.results = [], {}
        if self.scores:
            self.scores.mkdir(parents=True, exist_ok=True)

    # Rows

    def rows(self, task, label="label"):
        """Dev rows, and train rows of sources that did not train; each with `unseen` and `authored` set."""
        unseen = FLAGGED | self.left_out
        found = data.read_rows(self.folder, task, "dev")
        extra = defaultdict(list)
        for row in data.read_rows(self.folder, task, "train"):
            if row["source"] in unseen:
                extra[row["source"], str(row.get(label))].append(row)
        rng = random.Random(3)
        for group in extra.values():
            rng.shuffle(group)
            found += group[: self.limit]
        found = self.sampled(found, label)
        for row in found:
            row["unseen"], row["authored"] = row["source"] in unseen, row["source"] in TEMPLATES
        return found

    def sampled(self, rows, label="label"):
        """At most --sample rows of each source, label and kind, by hash: the same whatever stands beside them."""
        if not self.sample:
            return rows
        groups = defaultdict(list)
        for i, row in enumerate(rows):
            groups[row.get("source"), str(row.get(label)), row.get("kind")].append(i)
        text = lambda i: rows[i].get("text") or rows[i].get("answer") or ""
        kept = {i for group in groups.values() for i in sorted(group, key=lambda i: data.stable(text(i)))[: self.sample]}
        return [row for i, row in enumerate(rows) if i in kept]

    def authored(self, task):
        rows = data.authored_rows(task, "dev")
        for row in rows:
            row.update(source="authored:" + row["batch"], unseen=True, authored=True)
        return rows

    # Output

    def say(self, line=""):
        self.lines.append(line)
        print(line, flush=True)

    def table(self, header, rows):
        self.say("| " + " | ".join(header) + " |")
        self.say("|" + " --- |" * len(header))
        for row in rows:
            self.say("| " + " | ".join(str(c) for c in row) + " |")
        self.say()

    def write_scores(self, name, rows, scores):
        if self.scores:
            with open(self.scores / f"{name}.jsonl", "w", encoding="utf-8") as out:
                for row, score in zip(rows, scores):
                    out.write(json.dumps({"source": row["source"], "kind": row.get("kind"), "label": row.get("label"), "score": round(float(score), 6), "text": row.get("text")}, ensure_ascii=False) + "\n")

    # Heads

    def texts(self, name, texts):
        head = self.heads[name]
        best, count = self.scorer.texts(texts)
        words, short = self.scorer.words(texts), head.get("short_penalty", 0.0)
        return probability(corrected(best[:, COLUMN[head["column"]]], count, head["window_penalty"], words, short), head["calibration"])

    def binary(self, name, rows, benign, cohorts, by):
        """The tables of a yes/no head: rates by cohort, then by source; the baseline beside them at the same rate on the same benign rows."""
        head = self.heads[name]
        labels = np.array([r["label"] for r in rows])
        p = self.texts(name, [r["text"] for r in rows])
        self.write_scores(name, rows, p)
        limits = {k: head["thresholds"][f"fpr_{k}"] for k in (0.001, 0.01, 0.05)}
        base = base_limit = None
        if self.linear:
            j = cascade.TASKS.index(name)
            base = self.linear.texts([r["text"] for r in rows], self.scorer.encoder)[:, j]
            base_limit = calibrate.threshold(self.linear.texts([r["text"] for r in benign], self.scorer.encoder)[:, j], 0.01)
        benign_p = self.texts(name, [r["text"] for r in benign])
        self.say(f"Thresholds on {len(benign)} benign texts, at their 0.1 / 1 / 5 %: {', '.join(f'{v:.3f}' for v in limits.values())}; share of those above: "
                 + ", ".join(show(wilson(int((benign_p >= v).sum()), len(benign))) for v in limits.values()))
        self.say()
        found = []
        for cohort, pick in cohorts:
            mask = np.array([pick(r) for r in rows])
            own = labels[mask]
            if not len(own):
                continue
            one = own.sum() == len(own)
            none = own.sum() == 0
            cells = [cohort, len(own), "attacks" if one else "benign" if none else f"{own.sum()} attacks"]
            if one or none:
                for limit in limits.values():
                    hits = int((p[mask] >= limit).sum())
                    cells.append(show(wilson(hits if one else len(own) - hits, len(own))))
                cells.append(show(wilson(int((base[mask] >= base_limit).sum()) if one else int((base[mask] < base_limit).sum()), len(own))) if base is not None else "–")
                cells.append("–")
            else:
                for limit in limits.values():
                    cells.append(show(wilson(int(((p[mask] >= limit) & (own == 1)).sum()), int(own.sum()))))
                cells.append(show(wilson(int(((base[mask] >= base_limit) & (own == 1)).sum()), int(own.sum()))) if base is not None else "–")
                cells.append(show(bootstrap(auroc, own, p[mask]), False))
            found.append(cells)
            self.results[f"{name}/{cohort}"] = cells[1:]
        self.table([by, "rows", "what", "right at 0.1 %", "right at 1 %", "right at 5 %", "linear at 1 %", "AUROC"], found)
        return p

    def prompts(self):
        self.say("## User prompt attacks\n")
        rows = self.rows("prompt_attack") + self.authored("prompt_attack")
        benign = self.sampled(calibrate.benign_rows(self.folder)[0])
        attack, calm = (lambda r: r["label"] == 1), (lambda r: r["label"] == 0)
        natural = lambda r: not r["authored"]
        cohorts = [
            ("attacks, natural, sources never trained on", lambda r: attack(r) and natural(r) and r["unseen"]),
            ("— jailbreaks collected in the wild, never trained on", lambda r: attack(r) and r["source"] in NATURAL_JAILBREAKS and r["unseen"]),
            ("— deepset (hand-written)", lambda r: attack(r) and r["source"] == "deepset_prompt_injections"),
            ("attacks, natural, other rows of trained sources", lambda r: attack(r) and natural(r) and not r["unseen"]),
            ("attacks, templates of the data folder", lambda r: attack(r) and r["source"] in TEMPLATES),
            ("attacks, authored, held-out batches", lambda r: attack(r) and r["source"].startswith("authored:")),
            ("— English", lambda r: attack(r) and r["source"].startswith("authored:") and r["language"] == "en"),
            ("— ten other languages", lambda r: attack(r) and r["source"].startswith("authored:") and r["language"] != "en"),
            ("benign chat, natural", lambda r: calm(r) and natural(r) and r["source"] in CHAT),
            ("— of it sources never trained on", lambda r: calm(r) and natural(r) and r["source"] in CHAT and r["unseen"]),
            ("over-defence, natural (security talk, refusal tests)", lambda r: calm(r) and natural(r) and r["source"] in OVER_DEFENCE),
            ("over-defence, templates with trigger words", lambda r: r["source"] == "authored_hard_negative"),
            ("over-defence, authored, held-out batches", lambda r: calm(r) and r["source"].startswith("authored:")),
        ]
        p = self.binary("prompt_attack", rows, benign, cohorts, "cohort")
        languages = sorted({r["language"] for r in rows if "language" in r})
        limit = self.heads["prompt_attack"]["thresholds"]["fpr_0.01"]
        self.say("Authored held-out batches by language (right at 1 %):\n")
        found = []
        for language in languages:
            cells = [language]
            for label in (1, 0):
                mask = [i for i, r in enumerate(rows) if r.get("language") == language and r["label"] == label]
                hits = sum((p[i] >= limit) == bool(label) for i in mask)
                cells += [len(mask), show(wilson(int(hits), len(mask)))]
            found.append(cells)
        self.table(["language", "attacks", "found", "benign", "let through"], found)
        self.blind_prompts(limit)
        self.by_source(rows, p, limit)
        self.say("Sub-kinds (authored held-out attacks; share of attacks of the kind whose kind scores above its 1 % threshold, and of attacks of other kinds that do not):\n")
        attacks = [r for r in rows if r["source"].startswith("authored:") and r["label"]]
        found = []
        for kind in SUBKINDS:
            q = self.texts(kind, [r["text"] for r in attacks])
            own = np.array([kind.removeprefix("attack_") in r["subtypes"] for r in attacks])
            best = q >= self.heads[kind]["thresholds"]["fpr_0.01"]
            found.append([kind, int(own.sum()), show(wilson(int((best & own).sum()), int(own.sum()))), show(wilson(int((~best & ~own).sum()), int((~own).sum()))), show(bootstrap(auroc, own.astype(int), q), False)])
        self.table(["kind", "rows", "named", "rightly not named", "AUROC among attacks"], found)

    def blind_prompts(self, limit):
        self.say("Sets that are measured on and nothing else (right at 1 %):\n")
        found = []
        for name, what in (("prompt_english", "English"), ("prompt", "ten other languages")):
            rows = data.blind_rows(name)
            p = self.texts("prompt_attack", [r["text"] for r in rows])
            for side, label in (("attacks", 1), ("look-alikes", 0)):
                right = [(p[i] >= limit) == bool(label) for i, r in enumerate(rows) if r["label"] == label]
                found.append([f"{what}, {side}", len(right), show(wilson(int(sum(right)), len(right)))])
        self.table(["set", "rows", "right"], found)

    def by_source(self, rows, p, limit):
        self.say("By source (right at 1 %):\n")
        groups = defaultdict(list)
        for i, r in enumerate(rows):
            groups[r["source"], r["label"]].append(i)
        found = []
        for (source, label), picked in sorted(groups.items()):
            hits = sum((p[i] >= limit) == bool(label) for i in picked)
            found.append([source, "never trained" if rows[picked[0]]["unseen"] and not source.startswith("authored:") else "held out" if source.startswith("authored:") else "dev", "attack" if label else "benign", len(picked), show(wilson(int(hits), len(picked)))])
        self.table(["source", "part", "label", "rows", "right"], found)

    def documents(self):
        self.say("## Attacks in documents\n")
        rows = self.rows("document_attack") + self.authored("document_attack")
        benign = self.sampled(calibrate.benign_rows(self.folder)[1])
        carrier = lambda r: r["kind"].split("/")[0].split("_")[0]
        natural = lambda r: not r["source"].startswith("authored:")
        attack, calm = (lambda r: r["label"] == 1), (lambda r: r["label"] == 0)
        cohorts = [("carriers never trained on, attacks", lambda r: attack(r) and natural(r) and r["unseen"]), ("carriers never trained on, benign", lambda r: calm(r) and natural(r) and r["unseen"]),
                   ("e-mails of a public challenge (llmail), attacks", lambda r: attack(r) and r["source"] == "llmail_emails")]
        for kind in ("email", "webpage", "page", "table", "code", "article", "tool"):
            cohorts += [(f"{kind}: attacks", lambda r, k=kind: attack(r) and natural(r) and carrier(r) == k), (f"{kind}: benign", lambda r, k=kind: calm(r) and natural(r) and carrier(r) == k)]
        cohorts += [("benign instructions to people", lambda r: calm(r) and natural(r) and "imperative" in r["kind"]),
                    ("authored, held-out groups, attacks", lambda r: attack(r) and not natural(r)), ("— English", lambda r: attack(r) and not natural(r) and r["language"] == "en"),
                    ("— other languages", lambda r: attack(r) and not natural(r) and r["language"] != "en"), ("authored, held-out groups, benign", lambda r: calm(r) and not natural(r))]
        p = self.binary("document_attack", rows, benign, cohorts, "cohort")
        self.by_source(rows, p, self.heads["document_attack"]["thresholds"]["fpr_0.01"])
        picked = [r for r in rows if r["label"] and r.get("payload_span")][:: 3]
        _, _, token, encoded = self.scorer.texts([r["text"] for r in picked], want_tokens=True)
        inside = outside = hit = wrong = 0
        overlap = []
        for row, t, e in zip(picked, token, encoded):
            said = t[:, 0] > 0
            true = np.array([s < row["payload_span"][1] and x > row["payload_span"][0] for s, x in e.offsets])
            if not len(true):
                continue
            inside, outside, hit, wrong = inside + true.sum(), outside + (~true).sum(), hit + (said & true).sum(), wrong + (said & ~true).sum()
            overlap.append((said & true).sum() / max(1, (said | true).sum()))
        self.say(f"Payload tokens ({len(picked)} attacks): found {show(wilson(int(hit), int(inside)))} of those inside the span; {show(wilson(int(wrong), int(outside)))} of those outside are marked; "
                 f"mean intersection over union {np.mean(overlap):.3f}.")
        self.say()

    def stages(self, texts):
        """For each harm the calibrated P(>= 2), P(>= 4), P(>= 6) of the texts [3,N], none above the one before."""
        best, count = self.scorer.texts(texts)
        words = self.scorer.words(texts)
        found = {}
        for harm in HARMS:
            found[harm] = stages(self.heads[harm], best, count, words)
        return found

    def harms(self):
        self.say("## Harm\n")
        rows = self.rows("harm", "hate") + self.authored("harm")
        p = self.stages([r["text"] for r in rows])
        highest = np.max([p[h][0] for h in HARMS], 0)
        linear = self.linear.texts([r["text"] for r in rows], self.scorer.encoder)[:, 2:] if self.linear else None
        truth = {h: np.array([np.nan if r[h] is None else float(r[h] > 0) for r in rows]) for h in HARMS}
        any_one = np.nanmax(np.array([truth[h] for h in HARMS]), 0)
        natural = np.array([not r["authored"] and not str(r.get("kind", "")).startswith("lexicon") for r in rows])
        strict = np.array([r["source"] not in ("harmfulqa", "hh_rlhf_weak", "pyrit_advbench") for r in rows])
        posts = np.array([r["source"] in ("davidson", "stormfront", "wikipedia_comments") for r in rows])
        unseen = np.array([r["unseen"] for r in rows])
        authored = np.array([r["source"].startswith("authored:") for r in rows])
        found = []
        for name, mask in (("natural dev rows and unseen sources", natural), ("— without keyword-labelled sources", natural & strict), ("— without tweets, forum posts and comments labelled for hate alone", natural & ~posts),
                           ("— sources never trained on", natural & unseen), ("authored, held out", authored)):
            for column, score in [("any", highest)] + [(h, p[h][0]) for h in HARMS]:
                label = any_one if column == "any" else truth[column]
                pick = mask & ~np.isnan(label)
                if label[pick].sum() < 5 or (1 - label[pick]).sum() < 5:
                    continue
                base = "–"
                if linear is not None:
                    b = linear.max(1) if column == "any" else linear[:, HARMS.index(column)]
                    base = f"{auprc(label[pick].astype(int), b[pick]):.3f}"
                cells = [name, column, int(pick.sum()), int(label[pick].sum()), show(bootstrap(auprc, label[pick].astype(int), score[pick]), False), show(bootstrap(auroc, label[pick].astype(int), score[pick]), False), base]
                found.append(cells)
                self.results[f"harm/{name}/{column}"] = cells[2:]
        self.table(["rows", "category", "count", "positive", "AUPRC", "AUROC", "linear AUPRC"], found)
        self.say("By source, at probability 0.5 (calibrated with both classes weighing the same) and at the 1 % threshold on benign prompts:\n")
        found = []
        for source in sorted({r["source"] for r in rows}):
            for harm in HARMS:
                pick = np.array([r["source"] == source for r in rows]) & ~np.isnan(truth[harm])
                label = truth[harm][pick]
                if not len(label) or (harm != "hate" and label.sum() == 0):
                    continue
                limit = self.heads[harm]["thresholds"]["fpr_0.01"]
                half, high = p[harm][0][pick] >= 0.5, p[harm][0][pick] >= limit
                cells = [source, harm, len(label), int(label.sum()), show(wilson(int((half == label).sum()), len(label))), show(wilson(int((high & (label == 1)).sum()), int(label.sum()))),
                         show(wilson(int((high & (label == 0)).sum()), int((1 - label).sum())))]
                found.append(cells)
        self.table(["source", "category", "rows", "positive", "right at 0.5", "found at 1 %", "flagged though 0, at 1 %"], found)
        found = []
        for harm in HARMS:
            pick = [i for i, r in enumerate(rows) if r["source"].startswith("authored:") and r[harm] is not None and r[harm] > 0]
            if pick:
                said = severity(p[harm][:, pick])
                true = np.array([rows[i][harm] for i in pick])
                level = np.clip(2 * np.floor(said / 2), 0, 6)
                found.append([harm, len(pick), show(wilson(int((level == true).sum()), len(pick))), show(wilson(int((np.abs(level - true) <= 2).sum()), len(pick))), f"{np.abs(said - true).mean():.2f}"])
        self.say("Severity of authored held-out harms (levels 2, 4, 6):\n")
        self.table(["category", "rows", "same level", "within one level", "mean difference on 0–7"], found)

        prompts, _ = calibrate.benign_rows(self.folder)
        cohorts = [
            ("benign chat, dev rows (set the levels)", [r["text"] for r in prompts if r["source"] not in ("hh_rlhf_first_turn", "harmfulqa", "authored")]),
            ("questions in many languages, sources never trained on, half that set no level", calibrate.harmless_texts(self.folder, 1)),
            ("harmless authored texts in other languages, held out (half of them set the levels)", [r["text"] for r in data.authored_rows("harm", "dev") + data.authored_rows("prompt_attack", "dev")
                                                                                           if r["language"] != "en" and not any(r.get(h) for h in HARMS) and not r.get("label")]),
        ]
        found = []
        for name, texts in cohorts:
            top = np.max([severity(stages) for stages in self.stages(texts).values()], 0)
            found.append([name, len(texts), *(show(wilson(int((top >= level).sum()), len(texts))) for level in (2, 4, 6))])
            self.results[f"harm/levels/{name}"] = found[-1][1:]
        self.say("Harmless texts at a level or above, any category:\n")
        self.table(["texts", "rows", "low", "medium", "high"], found)
        found = []
        asking = np.array([r["source"] in ASKING and not r["source"].startswith("authored") for r in rows])
        for harm in HARMS:
            pick = asking & (truth[harm] == 1)
            if pick.any():
                said = severity(p[harm][:, pick])
                found.append([harm, int(pick.sum()), *(show(wilson(int((said >= level).sum()), int(pick.sum()))) for level in (2, 4, 6))])
        self.say("Natural requests for harm, dev rows of trained sources, at a level or above:\n")
        self.table(["category", "rows", "low", "medium", "high"], found)
        self.measured_harm()
        self.functions_of_hate()

    def measured_harm(self):
        """Authored rows of which all four labels are known, written to be measured on and nothing else."""
        rows = data.blind_rows("harm")
        p = self.stages([r["text"] for r in rows])
        level = {"any": np.max([severity(p[h]) for h in HARMS], 0), **{h: severity(p[h]) for h in HARMS}}
        score = {"any": np.max([p[h][0] for h in HARMS], 0), **{h: p[h][0] for h in HARMS}}
        true = {h: np.array([r[h] for r in rows]) for h in HARMS}
        true["any"] = np.max([true[h] for h in HARMS], 0)
        self.say("Authored rows with all four labels, measured only:\n")
        found = []
        for column in ("any", *HARMS):
            label = (true[column] > 0).astype(int)
            cells = [column, len(rows), int(label.sum()), show(bootstrap(auprc, label, score[column]), False), show(bootstrap(auroc, label, score[column]), False)]
            cells += [show(wilson(int(((level[column] >= at) & (true[column] >= at)).sum()), int((true[column] >= at).sum()))) for at in (2, 4)]
            cells += [show(wilson(int(((level[column] >= at) & (label == 0)).sum()), int((1 - label).sum()))) for at in (2, 4)]
            found.append(cells)
            self.results[f"harm/measured only/{column}"] = cells[1:]
        self.table(["category", "rows", "harmful", "AUPRC", "AUROC", "of low and above, said low or above", "of medium and above, said medium or above", "of harmless, said low or above", "said medium or above"], found)

    def functions_of_hate(self):
        """Accuracy by functionality. Rows from one sentence (two groups each) are no independent rows: the intervals of the sums draw sentences."""
        rows = data.measured_rows("harm_functional")
        p = self.stages([r["text"] for r in rows])["hate"]
        said = severity(p)
        hateful = np.array([r["hate"] > 0 for r in rows])
        decisions = {"low": said >= 2, "medium": said >= 4, **{f"{100 * float(k[4:]):g} % of benign prompts": p[0] >= v for k, v in self.heads["hate"]["thresholds"].items() if k.startswith("fpr_")}}
        right = {name: decision == hateful for name, decision in decisions.items()}
        sentence = np.unique([r["group"] for r in rows], return_inverse=True)[1]
        members = [np.nonzero(sentence == i)[0] for i in range(sentence.max() + 1)]
        rng = np.random.default_rng(1)
        draws = [np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))]) for _ in range(400)]

        def rate(values, pick):
            shares = [values[d][pick[d]].mean() for d in draws if pick[d].any()]
            return show((values[pick].mean(), *np.percentile(shares, [2.5, 97.5])))

        kinds = np.array([r["kind"] for r in rows])
        targets = np.array([r["target"] or "" for r in rows])
        found = [[name, int(pick.sum()), *(rate(values, pick) for values in right.values())] for name, pick in (("**all**", hateful | True), ("hateful", hateful), ("not hateful", ~hateful))]
        found += [[f"{'hateful' if hateful[kinds == kind][0] else 'not hateful'}: {kind}", int((kinds == kind).sum()), *(show(wilson(int(values[kinds == kind].sum()), int((kinds == kind).sum()))) for values in right.values())]
                  for kind in dict.fromkeys(kinds)]
        found += [[f"{what}, about {target}", int((pick & (targets == target)).sum()), *(show(wilson(int(values[pick & (targets == target)].sum()), int((pick & (targets == target)).sum()))) for values in right.values())]
                  for what, pick in (("hateful", hateful), ("not hateful", ~hateful)) for target in dict.fromkeys(t for t in targets if t)]
        self.results["harm/functions of hate"] = found
        self.say(f"Hate by functionality, authored, measured only; right when hate is said from low, from medium, and at the thresholds of benign prompts. AUROC {show(bootstrap(auroc, hateful.astype(int), p[0]), False)}.\n")
        self.table(["functionality", "rows", *right], found)

    def groundedness(self):
        self.say("## Groundedness\n")
        rows = self.rows("groundedness")
        for r in self.authored("groundedness"):
            rows.append({**data.authored_groundedness(r), "source": r["source"], "unseen": True, "authored": True})
        head = self.heads["ungrounded"]
        p = probability(self.scorer.answers(rows), head["calibration"])
        self.write_scores("ungrounded", [{**r, "text": r["answer"]} for r in rows], p)
        label = np.array([r["label"] for r in rows])
        overlap = np.array([novelty(r) for r in rows])
        found = []
        kinds = [("natural, sources never trained on (mean of sources)", [s for s in {r["source"] for r in rows} if s in FLAGGED and not s.startswith("synthetic")])]
        def balanced(pick, score, limit):
            own = label[pick]
            return 0.5 * ((score[pick][own == 1] >= limit).mean() + (score[pick][own == 0] < limit).mean())
        cells = {}
        for source in sorted({r["source"] for r in rows}):
            pick = np.array([r["source"] == source for r in rows])
            one, zero = int(label[pick].sum()), int((1 - label[pick]).sum())
            if not one or not zero:
                found.append([source, one, zero, "–", "–", "–"])
                continue
            cells[source] = balanced(pick, p, 0.5)
            values = []
            rng = np.random.default_rng(1)
            where = np.nonzero(pick)[0]
            for _ in range(200):
                again = rng.choice(where, len(where))
                if 0 < label[again].sum() < len(again):
                    values.append(0.5 * ((p[again][label[again] == 1] >= 0.5).mean() + (p[again][label[again] == 0] < 0.5).mean()))
            found.append([source, one, zero, show((cells[source], *np.percentile(values, [2.5, 97.5]))), show(bootstrap(auroc, label[pick], p[pick]), False), f"{auroc(label[pick], overlap[pick]):.3f}"])
        for name, sources in kinds:
            own = [cells[s] for s in sources if s in cells]
            found.append([f"**{name}**", "", "", f"{100 * np.mean(own):.1f}", "", ""])
            self.results["groundedness/natural unseen"] = [f"{100 * np.mean(own):.1f}"]
        self.table(["source", "unsupported", "supported", "balanced accuracy at 0.5", "AUROC", "AUROC of word overlap"], found)

    def tasks(self):
        self.say("## Task adherence (authored only: no natural data)\n")
        rows = self.authored("task_adherence")
        p = probability(self.scorer.pairs([(r["request"], r["tool_call"]) for r in rows])[:, COLUMN["off_task"]], self.heads["off_task"]["calibration"])
        label = np.array([r["label"] for r in rows])
        self.table(["rows", "off task", "found at 0.5", "left alone at 0.5", "AUROC"], [[
            len(rows), int(label.sum()), show(wilson(int(((p >= 0.5) & (label == 1)).sum()), int(label.sum()))), show(wilson(int(((p < 0.5) & (label == 0)).sum()), int((1 - label).sum()))),
            show(bootstrap(auroc, label, p), False)]])

    def names(self):
        self.say("## Names (person, location, organization; exact spans; what the head alone says, without the second look of `names.py`)\n")
        rows = self.rows("pii", "none") + [{**r, "source": r["source"]} for r in self.authored("names")]
        _, _, token, encoded = self.scorer.texts([r["text"] for r in rows], want_tokens=True)
        count = defaultdict(lambda: [0, 0, 0, 0])
        for row, t, e in zip(rows, token, encoded):
            said = decode_names(e, t, row["text"])
            blocked = [(a, b) for a, b, k in row["spans"] if k not in NAMES]
            said = [s for s in said if not any(s[0] < b and s[1] > a for a, b in blocked)]
            true = [tuple(s) for s in row["spans"] if s[2] in NAMES]
            source = "authored held out" if row["source"].startswith("authored:") else row["source"]
            for kind in (*NAMES, "all"):
                x = {s for s in said if kind in (s[2], "all")}
                y = {s for s in true if kind in (s[2], "all")}
                for key in ((source, kind), ("natural dev", kind) if not row["authored"] and not row["unseen"] else None, ("natural unseen", kind) if not row["authored"] and row["unseen"] else None):
                    if key:
                        c = count[key]
                        c[0] += len(x & y)
                        c[1] += len(x - y)
                        c[2] += len(y - x)
                        c[3] += sum(any(a < s[1] and b > s[0] and k == s[2] for a, b, k in x) for s in y)
        found = []
        for (source, kind), (hit, wrong, missed, touched) in sorted(count.items()):
            if hit + missed:
                precision, recall = wilson(hit, hit + wrong), wilson(hit, hit + missed)
                f = lambda beta: (1 + beta * beta) * hit / max(1, (1 + beta * beta) * hit + beta * beta * missed + wrong)
                found.append([source, kind, hit + missed, show(precision), show(recall), f"{f(1):.3f}", f"{f(2):.3f}", show(wilson(touched, hit + missed))])
                self.results[f"names/{source}/{kind}"] = found[-1][2:]
        self.table(["source", "type", "names", "precision", "recall", "F1", "F2", "touched (any overlap, same type)"], found)


def novelty(row):
    """Share of an answer's words that its sources do not have: the cheapest detector of unsupported content."""
    words = lambda t: {w.strip(".,;:!?()\"'").lower() for w in t.split()}
    own = words(row["answer"])
    return len(own - words(" ".join(row["sources"]))) / max(1, len(own))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, type=pathlib.Path)
    p.add_argument("--models", required=True, type=pathlib.Path)
    p.add_argument("--heads", default="prompt,document,harm,groundedness,task,names")
    p.add_argument("--left-out", default="")
    p.add_argument("--out", type=pathlib.Path)
    p.add_argument("--scores", type=pathlib.Path)
    p.add_argument("--limit", type=int, default=300)
    p.add_argument("--sample", type=int, default=0, help="rows of each source, label and kind; 0: all")
    p.add_argument("--kept", type=pathlib.Path, help="folder in which what the model read is kept: a run that was stopped goes on")
    p.add_argument("--precision", default="f32")
    p.add_argument("--hold-out", type=int, default=data.SHIPPED_HOLD_OUT_SHARE, help="per cent of the authored groups")
    a = p.parse_args()
    data.HOLD_OUT_SHARE = a.hold_out
    e = Evaluation(a)
    e.say(f"# {e.manifest.get('name')} {e.manifest.get('version')}\n")
    for head, run in (("prompt", e.prompts), ("document", e.documents), ("harm", e.harms), ("groundedness", e.groundedness), ("task", e.tasks), ("names", e.names)):
        if head in a.heads.split(","):
            run()
    if a.out:
        a.out.write_text("\n".join(e.lines) + "\n", encoding="utf-8")
        a.out.with_suffix(".json").write_text(json.dumps(e.results, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
