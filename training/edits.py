"""Sentences of a source as claims: copied or slightly reworded (supported), or changed in one place (not supported)."""
import re

OPPOSITES = [p.split("/") for p in (
    "increase/decrease increased/decreased more/less before/after first/last always/never all/no minimum/maximum enable/disable enabled/disabled allow/forbid allowed/forbidden above/below north/south east/west "
    "early/late won/lost accept/reject accepted/rejected open/closed high/low higher/lower large/small larger/smaller new/old true/false required/optional with/without inside/outside buy/sell rise/fall rose/fell "
    "start/end started/ended add/remove added/removed public/private manual/automatic success/failure support/oppose supported/opposed positive/negative only/also most/least often/rarely faster/slower best/worst "
    "import/export up/down left/right male/female younger/older many/few include/exclude includes/excludes before/after can/cannot must/may next/previous"
).split()]
OPPOSITE = {a: b for x, y in OPPOSITES for a, b in ((x, y), (y, x))}
VERB = re.compile(r"\b(is|are|was|were|can|will|should|has|have|could|would|must|may|did|does)\b(?! not|n't)")
LEADS = ("According to the text, ", "In short: ", "The document says that ", "As stated there, ", "", "", "", "", "", "So, ")


def replace(text, start, end, new):
    return text[:start] + new + text[end:], [[start, start + len(new)]]


def number(text, r, pool):
    found = [m for m in re.finditer(r"\d+", text)]
    if not found:
        return None
    m = r.choice(found)
    old = m.group()
    for _ in range(5):
        new = "".join(r.choice("123456789" if i == 0 else "0123456789") for i in range(len(old)))
        if new != old:
            return replace(text, m.start(), m.end(), new)
    return None


def negation(text, r, pool):
    m = re.search(r"\b(is|are|was|were|can|will|should|could|would|must|may|did|does) not\b", text)
    if m and r.random() < 0.7:
        return replace(text, m.start(), m.end(), m.group(1))
    found = [m for m in VERB.finditer(text)]
    if not found:
        return None
    m = r.choice(found)
    return replace(text, m.start(), m.end(), m.group() + " not")


def opposite(text, r, pool):
    found = [m for m in re.finditer(r"[A-Za-z]+", text) if m.group().lower() in OPPOSITE]
    if not found:
        return None
    m = r.choice(found)
    new = OPPOSITE[m.group().lower()]
    return replace(text, m.start(), m.end(), new.capitalize() if m.group()[0].isupper() else new)


def name(text, r, pool):
    found = [m for m in re.finditer(r"(?<=[a-z,;] )[A-Z][A-Za-z]{2,}", text)]
    if not found or not pool:
        return None
    m = r.choice(found)
    new = r.choice(pool)
    return replace(text, m.start(), m.end(), new) if new.lower() not in text.lower() else None


def addition(text, r, pool):
    stem = text.rstrip(" .!?")
    extra = r.choice((
        ", which was announced last year", " in most European countries", ", according to the manufacturer", " free of charge", " within two weeks", ", mainly for financial reasons", " for the first time",
        ", although experts disagree", " without any further cost", ", and sales doubled afterwards", " at the request of the customer", ", as the committee had asked", " every Monday", " by more than half",
        ", because the older version was unsafe", " together with its partners", " after a long delay", ", which many users had wanted", " on weekdays only", ", thanks to new funding",
    ))
    return stem + extra + ".", [[len(stem), len(stem) + len(extra)]]


def reworded(text, r):
    roll = r.random()
    if roll < 0.2 and ", " in text:
        first, rest = text.split(", ", 1)
        if len(rest.split()) > 5:
            text = rest[0].upper() + rest[1:]
    elif roll < 0.35:
        text = re.sub(r"\b(is|are|was|were|does|did|could|would|should) not\b", r"\1n't", text).replace("cannot", "can't")
    elif roll < 0.5:
        text = re.sub(r"\b(the|a|an) ", "", text, count=2, flags=re.I)
    elif roll < 0.6:
        text = text.lower()
    lead = r.choice(LEADS)
    return lead + (text[:1].lower() + text[1:] if lead and lead.endswith(("that ", ", ")) and not text[:2].isupper() else text)


def claim(sentence, r, pool):
    """(text, label, spans) or None."""
    sentence = " ".join(sentence.split())
    text = reworded(sentence, r)
    if r.random() < 0.45:
        return text, 0, []
    for make in r.sample((number, number, negation, opposite, opposite, name, name, addition), 5):
        made = make(text, r, pool)
        if made:
            return made[0], 1, made[1]
    return None
