"""The retrieval benchmark's own conscience: what it says of citations is true of right ones and of wrong ones."""

import copy
import json
import pathlib
import sys

import pytest

from gateway import BINARY
from test_on_your_data import data, files, library  # noqa: F401

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Benchmarks"))
import retrieval  # noqa: E402

TEXTS = {
    "crane.md": "# The north crane\n\nThe north crane lifts forty tonnes. Ada Keller designed it in 1931.\n",
    "größe.md": "# Maße\n\nDas Tor ist zwölf Meter hoch. The gate of the south quay is twelve metres high.\n",
}
QUESTIONS = ["What does the north crane lift?", "Who designed the north crane?", "How high is the gate of the south quay?"]


@pytest.fixture
def answers(library, files):  # noqa: F811
    for name, text in TEXTS.items():
        (files / name).write_text(text)
    (files.parent / "questions.txt").write_text("\n".join(QUESTIONS) + "\n")
    data(library, "add", "bench", files, "--allow", "everyone")
    told = data(library, "ask", "bench", "--questions", files.parent / "questions.txt", "--as", "anyone", "--kind", "words")
    retrieval.EXTRACTED.clear()
    return [json.loads(line) for line in told.splitlines()]


def test_wrong_citations_are_found_and_right_ones_are_not(answers, files):  # noqa: F811
    worker = BINARY.with_name("sallyport-worker")

    def wrong(change=None):
        changed = copy.deepcopy(answers)
        if change:
            change(changed)
        return retrieval.check(changed, files, worker)

    count, found = wrong()
    assert found == [] and count >= 3 and all(a["citations"] for a in answers)
    assert any(a.get("short") for a in answers), "a short answer is there to be checked"

    def every(*changes):
        for change in changes:
            assert wrong(change)[1], change.__name__

    def shifted(a):
        a[0]["citations"][0]["spans"][0]["start"] += 1

    def too_long(a):
        a[0]["citations"][0]["spans"][0]["end"] += 1

    def of_another_document(a):
        a[0]["citations"][0]["source"] = a[2]["citations"][0]["source"]

    def of_no_sentence(a):
        a[0]["citations"][0]["spans"].append({"start": 0, "end": 3})

    def in_characters(a):
        # As many characters as there are, where bytes are meant: two of the letters before are longer.
        for span in a[2]["citations"][0]["spans"]:
            span["start"] -= 2
            span["end"] -= 2

    def made_up(a):
        a[0]["sentences"][0] = a[0]["sentences"][0].replace("forty", "fifty")

    def not_in_what_is_shown(a):
        a[0]["citations"][0]["content"] = "Something else."

    def short_elsewhere(a):
        short = next(x["short"] for x in a if x.get("short"))
        short["span"]["start"] += 1

    every(shifted, too_long, of_another_document, of_no_sentence, in_characters, made_up, not_in_what_is_shown, short_elsewhere)
