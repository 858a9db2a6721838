"""What a claim's words say beside the encoder: how much of it the source does not have.

A word is a longest run of the UTF-8 bytes 0-9, A-Z, a-z and those from 0x80 up; A-Z count as a-z. For a claim (without the question) and the whole source (all passages):
  novel    share of the claim's distinct content words (no stop word) that the source lacks
  pairs    share of the claim's distinct pairs of neighbouring words that the source lacks
  numbers  how many distinct words with a digit the source lacks, at most 3
  names    how many distinct words written with a first letter A-Z (the claim's first word left out) the source lacks, at most 3
A claim without content words has 0 everywhere.
"""
import re

STOP_WORDS = (
    "a an and are as at be been but by can did do does for from had has have he her his i if in into is it its may more no not of on or our she so such than that the their them then there these they this those to "
    "was we were what when which who will with would you your according document text short stated"
).split()
# The encoder's logit counts little, and more as far as it is certain.
ENCODER = {"encoder": 0.1, "certain": 0.6, "certain_from": 1.0}
FEATURES = ("novel", "pairs", "numbers", "names")
STOP = {w.encode() for w in STOP_WORDS}
WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]+")


def words(text: str) -> list:
    return WORD.findall(text.encode())


def source_words(text: str) -> tuple:
    found = [w.lower() for w in words(text)]  # bytes.lower() changes A-Z only
    return set(found), set(zip(found, found[1:]))


def features(claim: str, known: set, known_pairs: set) -> list:
    written = words(claim)
    found = [w.lower() for w in written]
    content = {w for w in found if w not in STOP}
    if not content:
        return [0.0] * len(FEATURES)
    pairs = set(zip(found, found[1:]))
    numbers = {w for w in found if re.search(rb"[0-9]", w)} - known
    names = {w.lower() for w in written[1:] if 65 <= w[0] <= 90} - known
    return [len(content - known) / len(content), len(pairs - known_pairs) / len(pairs) if pairs else 0.0, float(min(3, len(numbers))), float(min(3, len(names)))]


def logit(z: float, weights: dict = ENCODER) -> float:
    """The encoder's share of a claim's score."""
    return weights["encoder"] * z + weights.get("certain", 0.0) * max(0.0, z - weights.get("certain_from", 0.0))
