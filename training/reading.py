"""How a text becomes the rows that a model reads: tokens, case classes, windows. The gateway's Swift code gives the same rows.

Tokens: BERT's uncased WordPiece. Literal `[CLS]`, `[SEP]` and the like in a text are plain text: this tokenizer knows no special tokens.
Case: of the whole word that a token is a piece of, taken from the original spelling.
Windows: see `windows` and `rows`.
"""
import unicodedata
from typing import NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

PAD, UNKNOWN, CLS, SEP = 0, 100, 101, 102
PLAIN, CAPITALISED, CAPITALS, MIXED, DIGIT, SPECIAL = range(6)


class Token(NamedTuple):
    id: int
    start: int  # code points of the original text
    end: int
    word: int
    case: int


def tokenizer(vocabulary):
    """The reference tokenizer over a vocab.txt."""
    model = WordPiece.from_file(str(vocabulary), unk_token="[UNK]", max_input_chars_per_word=100)
    made = Tokenizer(model)
    made.normalizer = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
    made.pre_tokenizer = BertPreTokenizer()
    return made


def is_punctuation(character):
    """What BERT splits off: ASCII symbols and Unicode punctuation."""
    code = ord(character)
    return 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126 or unicodedata.category(character)[0] == "P"


def case_class(word):
    """The case of one word as it was spelled."""
    if len(word) == 1 and is_punctuation(word):
        return SPECIAL
    upper = lower = 0
    first_is_upper = None
    for character in word:
        kind = unicodedata.category(character)
        if kind == "Nd":
            return DIGIT
        if kind in ("Lu", "Lt"):
            upper += 1
            first_is_upper = True if first_is_upper is None else first_is_upper
        elif kind == "Ll":
            lower += 1
            first_is_upper = False if first_is_upper is None else first_is_upper
    if upper == 0:
        return PLAIN
    if lower == 0:
        return CAPITALS if upper >= 2 else CAPITALISED
    return CAPITALISED if upper == 1 and first_is_upper else MIXED


def read(made, text):
    """The tokens of a text."""
    encoding = made.encode(text, add_special_tokens=False)
    spans = {}
    for word, (start, end) in zip(encoding.word_ids, encoding.offsets):
        first, last = spans.get(word, (start, end))
        spans[word] = (min(first, start), max(last, end))
    cases = {word: case_class(text[start:end]) for word, (start, end) in spans.items()}
    return [
        Token(identifier, start, end, word, cases[word])
        for identifier, word, (start, end) in zip(encoding.ids, encoding.word_ids, encoding.offsets)
    ]


def windows(count, size, step):
    """Ranges of at most `size` of `count` tokens, `step` apart; the last one reaches the end. One empty window for an empty text."""
    found, start = [], 0
    while True:
        found.append((start, min(start + size, count)))
        if start + size >= count:
            return found
        start += step


def rows(tokens, pair=None, max_tokens=128, window=126, stride=96):
    """The model's rows for a text, or for a text with windows over a second one: (ids, token types, cases) each.

    A pair is [CLS] text [SEP] window of the second [SEP]: the text is cut to half of what remains beside the three special tokens, the
    window takes the rest, and windows overlap by as many tokens as those of a single text do.
    """
    found = []
    if pair is None:
        for start, end in windows(len(tokens), window, stride):
            part = tokens[start:end]
            found.append(([CLS, *(t.id for t in part), SEP], [0] * (len(part) + 2), [SPECIAL, *(t.case for t in part), SPECIAL]))
        return found
    room = max_tokens - 3
    first = tokens[: room // 2]
    size = room - len(first)
    step = max(1, size - (window - stride))
    for start, end in windows(len(pair), size, step):
        part = pair[start:end]
        found.append((
            [CLS, *(t.id for t in first), SEP, *(t.id for t in part), SEP],
            [0] * (len(first) + 2) + [1] * (len(part) + 1),
            [SPECIAL, *(t.case for t in first), SPECIAL, *(t.case for t in part), SPECIAL],
        ))
    return found


def padded_length(count):
    """The length that a row of so many tokens is padded to."""
    return next(length for length in (16, 32, 64, 128, 256, 512) if count <= length)
