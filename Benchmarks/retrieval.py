"""How well the embedded upstream finds and answers, per source of questions: recall@5, nDCG@10, exact match and F1 of the answers, share of
unanswerable questions refused. Words alone, vectors alone and both are run one after the other over the same index.

Every citation is held against its source: the parser is run anew on the file, and the bytes that a span names must be the sentence that the
answer quotes. A wrong one is printed and makes the exit status 1.

    python3 Benchmarks/retrieval.py FOLDER [--binary .build/release/sallyport] [--kinds words,vectors,both] [--sources A,B] [--limit N] [--keep DIR]
                                    [--half 0|1] [--json FILE]

FOLDER holds retrieval.passages.jsonl.gz ({id, title, text, source}) and retrieval.dev.jsonl.gz ({id, query, positive_ids, answers, source,
answer_kind}). Questions of a source in another language than English are ranked against its own passages, all others against all English ones.
Settings were chosen on --half 0 of the questions (by a hash of their id); --half 1 was only looked at."""

import argparse
import collections
import gzip
import hashlib
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
    arguments.add_argument("--half", type=int, choices=(0, 1), help="only the questions of one half, by a hash of their id")
    arguments.add_argument("--json", type=pathlib.Path, help="a file for every answer, a line each")
    arguments.add_argument("--keep", type=pathlib.Path, help="a folder for the index, used again by the next run")
    options = arguments.parse_args()
    worker = pathlib.Path(options.binary).with_name("sallyport-worker")
    wrong = []
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
            if options.half is not None and int(hashlib.sha256(question["id"].encode()).hexdigest(), 16) % 2 != options.half:
                continue
            if not options.sources or question["source"] in options.sources.split(","):
                by_source[question["source"]].append(question)
        header = (
            f"{'source':24} {'kind':8} {'n':>5} {'recall@5':>9} {'nDCG@10':>8} {'EM':>6} {'F1':>6} {'contains':>8} {'short':>6} {'its EM':>6} "
            f"{'answered':>9} {'spans':>6} {'wrong':>6} {'refused':>8} {'AUC':>6}"
        )
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
                figures["spans"], found = check(answers, work / pool, worker)
                figures["wrong"] = len(found)
                wrong += [f"{source}, {kind}: {text}" for text in found]
                if options.json:
                    with options.json.open("a") as out:
                        out.writelines(json.dumps({"id": q["id"], "source": source, "kind": kind, **a}) + "\n" for q, a in zip(asked, answers))
                base = source.replace("_unanswerable", "").replace("xquad_en_withheld", "xquad_en")
                figures["AUC"] = auc(confidence.get((base, kind), []), confidence[source, kind]) if base != source else None
                show(source, kind, len(asked), figures)
    for text in wrong[:20]:
        print(f"wrong citation: {text}", file=sys.stderr)
    if wrong:
        sys.exit(f"{len(wrong)} wrong citations")


EXTRACTED = {}


def extracted(path, worker):
    """The text that spans are places in, as the parser reads it from the file: what is seen, without headings, a line break between blocks."""
    if path not in EXTRACTED:
        limits = [str(2 << 30), "30", str(64 << 20)]
        done = subprocess.run([worker, "markdown", *limits], stdin=path.open("rb"), capture_output=True, check=True)
        blocks = json.loads(done.stdout)["document"]["_0"]["blocks"]
        EXTRACTED[path] = "\n".join(b["text"] for b in blocks if b.get("hiding") is None and b["kind"] != "heading").encode()
    return EXTRACTED[path]


def plain(text):
    """Letters and digits: what a passage and its text without marks have in common."""
    return "".join(c for c in text.lower() if c.isalnum())


def check(answers, folder, worker):
    """How many spans there are, and what is wrong with which."""
    count, wrong = 0, []
    for answer in answers:
        cited, pending = [[] for _ in answer["citations"]], []
        for sentence in answer["sentences"]:
            # A quotation without a mark of its own belongs to the next mark: they come in the order of the citations.
            mark = re.search(r" \[doc(\d+)\]$", sentence)
            text = sentence[: mark.start()] if mark else sentence
            pending.append(text)
            if mark:
                cited[int(mark.group(1)) - 1] += pending
                pending = []
        for citation, sentences in zip(answer["citations"], cited):
            path = folder / citation["source"]
            text, passage = extracted(path, worker), plain(path.read_text())
            if len(citation["spans"]) != len(sentences):
                wrong.append(f"{citation['source']}: {len(citation['spans'])} spans for {len(sentences)} sentences")
            for span, sentence in zip(citation["spans"], sentences):
                count += 1
                there = text[span["start"] : span["end"]].decode("utf-8", "replace")
                if there != sentence:
                    wrong.append(f"{citation['source']} {span}: quotes {sentence!r}, there stands {there!r}")
                elif sentence not in citation["content"] or plain(sentence) not in passage:
                    wrong.append(f"{citation['source']} {span}: {sentence!r} is not in its source")
        if short := answer.get("short"):
            count += 1
            holders = [
                extracted(folder / c["source"], worker)[short["span"]["start"] : short["span"]["end"]].decode("utf-8", "replace")
                for c in answer["citations"]
                if any(s["start"] <= short["span"]["start"] and short["span"]["end"] <= s["end"] for s in c["spans"])
            ]
            if short["text"] not in holders:
                wrong.append(f"the short answer {short['text']!r} does not stand in what is cited: {holders}")
    return count, wrong


def measure(asked, answers):
    recall, gain, exact, overlap, contains, answered, refused, shorts, right = [], [], [], [], [], [], [], [], []
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
        else:
            refused.append(not answer["isFound"])
        if question["answers"] and question["answer_kind"] in ("span", "short", "long"):
            # Of a question that wants a few words, the short answer is the answer, where there is one.
            short = answer["short"]["text"] if answer.get("short") and question["answer_kind"] != "long" else None
            overlap.append(max(f1(short or text, e) for e in question["answers"]))
            if question["answer_kind"] != "long":
                exact.append(max(tokens(short or text) == tokens(e) for e in question["answers"]))
                shorts.append(short is not None)
                if short is not None:
                    right.append(exact[-1])
                contains.append(any(e.lower() in text.lower() for e in question["answers"]))
    mean = lambda values: sum(values) / len(values) if values else None  # noqa: E731
    return {
        "recall@5": mean(recall), "nDCG@10": mean(gain), "EM": mean(exact), "F1": mean(overlap), "contains": mean(contains),
        "short": mean(shorts), "its EM": mean(right), "answered": mean(answered), "refused": mean(refused),
    }  # fmt: skip


def show(source, kind, count, figures):
    cell = lambda name, width: f"{figures[name]:{width}.3f}" if figures[name] is not None else "-".rjust(width)  # noqa: E731
    print(
        f"{source:24} {kind:8} {count:5} {cell('recall@5', 9)} {cell('nDCG@10', 8)} {cell('EM', 6)} {cell('F1', 6)} {cell('contains', 8)} "
        f"{cell('short', 6)} {cell('its EM', 6)} {cell('answered', 9)} {figures['spans']:6} {figures['wrong']:6} {cell('refused', 8)} {cell('AUC', 6)}",
        flush=True,
    )


if __name__ == "__main__":
    main()
