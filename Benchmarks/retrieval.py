"""How well the embedded upstream finds and answers, per source of questions: recall@5, nDCG@10, exact match and F1 of the answers,
share of unanswerable questions refused, citations that hold what the answer quotes. Words alone, vectors alone and both are run one after the
other over the same index.

    python3 Benchmarks/retrieval.py FOLDER [--binary .build/release/sallyport] [--kinds words,vectors,both] [--sources A,B] [--limit N] [--keep DIR]

FOLDER holds retrieval.passages.jsonl.gz ({id, title, text, source}) and retrieval.dev.jsonl.gz ({id, query, positive_ids, answers, source,
answer_kind}). Questions of a source in another language than English are ranked against its own passages, all others against all English ones."""

import argparse
import collections
import gzip
import json
import math
import pathlib
import re
import string
import subprocess
import sys
import tempfile

OWN_POOL = ("xquad_de", "xquad_es", "xquad_ru", "xquad_zh")


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tokens(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return re.sub(r"([一-鿿])", r" \1 ", text).split()


def f1(answer, expected):
    a, e = tokens(answer), tokens(expected)
    common = sum((collections.Counter(a) & collections.Counter(e)).values())
    if not common:
        return 0.0
    precision, recall = common / len(a), common / len(e)
    return 2 * precision * recall / (precision + recall)


def auc(positive, negative):
    if not positive or not negative:
        return None
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / len(positive) / len(negative)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--binary", default=".build/release/sallyport")
    arguments.add_argument("--kinds", default="words,vectors,both", help="of words, vectors and both; words alone needs no models")
    arguments.add_argument("--sources", help="only questions of these sources")
    arguments.add_argument("--limit", type=int, help="questions per source")
    arguments.add_argument("--keep", type=pathlib.Path, help="a folder for the index, used again by the next run")
    options = arguments.parse_args()
    passages = rows(options.folder / "retrieval.passages.jsonl.gz")
    questions = rows(options.folder / "retrieval.dev.jsonl.gz")
    with tempfile.TemporaryDirectory() as temporary:
        work = options.keep or pathlib.Path(temporary)
        config = work / "config.yaml"
        work.mkdir(parents=True, exist_ok=True)
        config.write_text(f"data:\n  directory: {work}/var\nguards:\n  learned: {'false' if options.kinds == 'words' else 'true'}\n")
        pools = collections.defaultdict(list)
        for passage in passages:
            pools[passage["source"] if passage["source"] in OWN_POOL else "english"].append(passage)
        for pool, members in pools.items():
            folder = work / pool
            folder.mkdir(exist_ok=True)
            for passage in members:
                title = passage.get("title") or ""
                (folder / f"{passage['id']}.md").write_text(f"# {title}\n\n{passage['text']}\n" if title else passage["text"] + "\n")
            done = subprocess.run(
                [options.binary, "data", "add", pool, folder, "--allow", "everyone", "--config", config], text=True, capture_output=True)
            print(f"{pool}: {done.stdout.strip()}{done.stderr.strip()[:500]}", file=sys.stderr)
        by_source = collections.defaultdict(list)
        for question in questions:
            if not options.sources or question["source"] in options.sources.split(","):
                by_source[question["source"]].append(question)
        header = f"{'source':24} {'kind':8} {'n':>5} {'recall@5':>9} {'nDCG@10':>8} {'EM':>6} {'F1':>6} {'contains':>8} {'answered':>9} {'cited':>6} {'refused':>8} {'AUC':>6}"
        print(header)
        confidence = {}
        for source, asked in sorted(by_source.items()):
            asked = asked[: options.limit] if options.limit else asked
            pool = source if source in OWN_POOL else "english"
            listed = work / "questions.txt"
            listed.write_text("\n".join(" ".join(q["query"].split()) for q in asked) + "\n")
            for kind in options.kinds.split(","):
                done = subprocess.run(
                    [options.binary, "data", "ask", pool, "--questions", listed, "--as", "anyone", "--kind", kind, "--config", config],
                    text=True, capture_output=True)  # fmt: skip
                if done.returncode:
                    sys.exit(done.stderr)
                answers = [json.loads(line) for line in done.stdout.splitlines()]
                assert len(answers) == len(asked)
                confidence[source, kind] = [a["confidence"] for a in answers]
                figures = measure(asked, answers)
                base = source.replace("_unanswerable", "").replace("xquad_en_withheld", "xquad_en")
                figures["AUC"] = auc(confidence.get((base, kind), []), confidence[source, kind]) if base != source else None
                show(source, kind, len(asked), figures)


def measure(asked, answers):
    recall, gain, exact, overlap, contains, answered, cited, refused = [], [], [], [], [], [], [], []
    for question, answer in zip(asked, answers):
        text = re.sub(r" \[doc\d+\]", "", answer["answer"])
        positives = set(question["positive_ids"])
        if positives:
            found = []
            for name in answer["sources"]:
                if name.removesuffix(".md") not in found:
                    found.append(name.removesuffix(".md"))
            recall.append(len(positives & set(found[:5])) / len(positives))
            dcg = sum(1 / math.log2(rank + 2) for rank, name in enumerate(found[:10]) if name in positives)
            gain.append(dcg / sum(1 / math.log2(rank + 2) for rank in range(min(10, len(positives)))))
            answered.append(answer["isFound"])
            if answer["isFound"]:
                # Every quoted sentence must stand in a text that is cited.
                quoted = [re.sub(r" \[doc\d+\]$", "", s) for s in answer["sentences"] if not s.startswith("The rest of the question")]
                cited.append(all(any(s in c["content"] for c in answer["citations"]) for s in quoted))
        else:
            refused.append(not answer["isFound"])
        if question["answers"] and question["answer_kind"] in ("span", "short", "long"):
            overlap.append(max(f1(text, e) for e in question["answers"]))
            if question["answer_kind"] != "long":
                exact.append(max(tokens(text) == tokens(e) for e in question["answers"]))
                contains.append(any(e.lower() in text.lower() for e in question["answers"]))
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    return {
        "recall@5": mean(recall), "nDCG@10": mean(gain), "EM": mean(exact), "F1": mean(overlap), "contains": mean(contains),
        "answered": mean(answered), "cited": mean(cited), "refused": mean(refused),
    }  # fmt: skip


def show(source, kind, count, figures):
    cell = lambda name, width: f"{figures[name]:{width}.3f}" if figures[name] is not None else "-".rjust(width)  # noqa: E731
    print(
        f"{source:24} {kind:8} {count:5} {cell('recall@5', 9)} {cell('nDCG@10', 8)} {cell('EM', 6)} {cell('F1', 6)} {cell('contains', 8)} "
        f"{cell('answered', 9)} {cell('cited', 6)} {cell('refused', 8)} {cell('AUC', 6)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
