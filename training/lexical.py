"""What a claim's tokens say beside the encoder: how much of it the source does not have. Everything is counted over token ids, so the gateway needs nothing but its tokens.

For a claim (the tokens of the sentence, without the question) and the whole source (all of its tokens, not only a window):
  novel    share of the claim's distinct content ids that the source lacks (content: no stop id, case class not 5)
  pairs    share of the claim's distinct pairs of neighbouring ids that the source lacks
  numbers  how many distinct ids of words with a digit (case class 4) the source lacks, at most 3
  names    how many distinct ids of capitalised words (case classes 1-3, the first word left out) the source lacks, at most 3
A claim without content ids has 0 everywhere.
"""
from reading import CAPITALISED, CAPITALS, DIGIT, MIXED, SPECIAL

STOP_WORDS = (
    "a an and are as at be been but by can did do does for from had has have he her his i if in into is it its may more no not of on or our she so such than that the their them then there these they this those to "
    "was we were what when which who will with would you your according document text short stated"
).split()
FEATURES = ("novel", "pairs", "numbers", "names")


def stop_ids(encoder) -> list:
    return sorted({e.ids[0] for e in encoder.encode_all(STOP_WORDS) if len(e) == 1})


def features(claim, source_ids: set, source_pairs: set, stop: set) -> list:
    """`claim` is an Encoded without the question."""
    ids, case, words = claim.ids, claim.case, claim.words
    content = {i for i, c in zip(ids, case) if c != SPECIAL and i not in stop}
    if not content:
        return [0.0] * len(FEATURES)
    pairs = set(zip(ids, ids[1:]))
    first = words[0] if words else None
    numbers = {i for i, c in zip(ids, case) if c == DIGIT} - source_ids
    names = {i for i, c, w in zip(ids, case, words) if c in (CAPITALISED, CAPITALS, MIXED) and w != first} - source_ids
    return [len(content - source_ids) / len(content), len(pairs - source_pairs) / len(pairs) if pairs else 0.0, float(min(3, len(numbers))), float(min(3, len(names)))]
