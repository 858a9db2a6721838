"""How the index grows: ingest rate, search latency (p50/p99, the question's encoding apart), memory and size on disk, from 1,000 to 1,000,000 chunks.

    python3 Benchmarks/growth.py FOLDER [--texts FOLDER …] [--chunks 1000,10000,100000,1000000] [--documents 200]

The chunks are real texts of about 150 words, each once: first of the rows in FOLDER (*.jsonl.gz), then of text files below --texts (by default
what this machine has of documentation). What they do not suffice for is said, and then texts come again. Vectors are made up (384 bytes, seeded): the
time of an exact scan does not depend on what they hold. `data add` with the real models is measured over --documents Markdown files of ten chunks."""

import argparse
import gzip
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORDS = 150
PLAIN = {".md", ".rst", ".txt", ".html", ".htm", ".gz", ".tex", ".adoc", ".1", ".3", ".7", ".8"}


def pieces(text):
    words = text.split()
    for start in range(0, len(words), WORDS):
        piece = words[start : start + WORDS]
        if len(piece) >= 40:
            yield " ".join(piece)


def of_rows(folder):
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for text in [row.get("text"), row.get("answer"), *(row.get("sources") or [])]:
                    if isinstance(text, str):
                        yield from pieces(text)


def of_files(folders):
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in PLAIN and p.is_file() and not p.is_symlink()):
            try:
                raw = gzip.open(path).read(4 << 20) if path.suffix == ".gz" else path.read_bytes()[: 4 << 20]
            except (OSError, EOFError):
                continue
            text = raw.decode("utf-8", "replace")
            if text.count("\ufffd") > len(text) // 100:
                continue
            if "<html" in text[:2000].lower():
                text = html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?is)<(script|style).*?</\1>", " ", text)))
            # Marks of manual pages and control characters are no words.
            text = re.sub(r"(?m)^[.'].*$|\\f[BIRP]|[\x00-\x08\x0b-\x1f]", " ", text) if ".TH " in text[:4000] else re.sub(r"[\x00-\x08\x0b-\x1f]", " ", text)
            yield from pieces(text)


def collect(sources, wanted):
    seen, texts = set(), []
    for source in sources:
        for text in source:
            if hash(text) not in seen:
                seen.add(hash(text))
                texts.append(text)
                if len(texts) >= wanted:
                    return texts
    return texts


def ingest(binary, texts, documents, work):
    """`data add` from end to end: read, parse in the cage, cut, guards, vectors, store."""
    folder = work / "documents"
    folder.mkdir()
    for number in range(documents):
        parts = texts[number * 10 : number * 10 + 10]
        (folder / f"{number}.md").write_text("".join(f"## Part {n}\n\n{t}\n\n" for n, t in enumerate(parts)))
    for learned in (False, True):
        config = work / f"{learned}.yaml"
        config.write_text(f"data:\n  directory: {work}/{learned}\nguards:\n  learned: {str(learned).lower()}\n")
        began = time.monotonic()
        done = subprocess.run([binary, "data", "add", "growth", folder, "--allow", "everyone", "--config", config], text=True, capture_output=True)
        seconds = time.monotonic() - began
        if done.returncode not in (0, 2):
            sys.exit(done.stderr)
        listed = json.loads(subprocess.run([binary, "data", "list", "growth", "--json", "--config", config], text=True, capture_output=True).stdout)
        chunks = sum(d["chunks"] for d in listed)
        print(f"data add, {'with models' if learned else 'patterns alone'}: {len(listed)} documents, {chunks} chunks in {seconds:.1f} s: {chunks / seconds:.0f} chunks/s", flush=True)  # fmt: skip


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--texts", type=pathlib.Path, nargs="*", default=[pathlib.Path("/usr/share/doc"), pathlib.Path("/usr/share/man"), ROOT / ".build/checkouts"])
    arguments.add_argument("--chunks", default="1000,10000,100000,1000000")
    arguments.add_argument("--documents", type=int, default=200, help="for `data add`; 0: not measured")
    arguments.add_argument("--binary", default=str(ROOT / ".build/release/sallyport"))
    options = arguments.parse_args()
    wanted = min(100_000, max(int(c) for c in options.chunks.split(",")))
    texts = collect([of_rows(options.folder), of_files(options.texts)], max(wanted, options.documents * 10))
    print(f"{len(texts)} texts{'' if len(texts) >= wanted else f': fewer than the {wanted} wanted, so some come again'}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        if options.documents:
            ingest(options.binary, texts, options.documents, work)
        if not options.chunks:
            return
        listed = work / "texts.txt"
        listed.write_text("\n".join(texts) + "\n")
        subprocess.run(
            ["swift", "test", "-c", "release", "--skip-build", "--filter", "GrowthTests"],
            cwd=ROOT, check=True, env={**os.environ, "GROWTH_TEXTS": str(listed), "GROWTH_CHUNKS": options.chunks},
        )  # fmt: skip


if __name__ == "__main__":
    main()
