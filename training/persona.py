"""Prompts put together from authored parts: long personas (jailbreaks as people collect them, and ordinary roles of the same build), and a second request behind an ordinary question."""
import functools
import pathlib

AUTHORED = pathlib.Path(__file__).parent / "authored"
LANGUAGES = ("de", "fr", "es", "it", "pt", "pl", "ru", "tr", "zh", "ar")


@functools.cache
def parts():
    found, current = {}, None
    lines = [line for name in ("persona_parts.txt", "persona_parts_other.txt") for line in (AUTHORED / name).read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line.startswith("== "):
            current = found.setdefault(line[3:].strip(), [])
        elif line and not line.startswith("#"):
            current.append(line)
    return found


def prompt(r, attack):
    p, side = parts(), "attack" if attack else "benign"
    if r.random() < 0.45:
        return foreign(r, side)
    chosen = [r.choice(p[f"{side}.open"])]
    rules = r.sample(p[f"{side}.rule"], r.randrange(1, 7))
    if not attack and r.random() < 0.3:
        rules = rules[:2]
    formats = r.sample(p[f"{side}.format"], r.randrange(0, 3))
    style = r.randrange(4)
    if style == 0:
        body = ["Rules:" if r.random() < 0.6 else "Follow these rules:", *(f"{i}. {t}" for i, t in enumerate(rules + formats, 1))]
    elif style == 1:
        body = ["- " + t for t in rules + formats]
    else:
        body = [" ".join(rules + formats)]
    close = [r.choice(p[f"{side}.close"])] if r.random() < 0.8 else []
    glue = "\n" if style < 2 else r.choice((" ", "\n", "\n\n"))
    text = glue.join(chosen + body + close)
    name = r.choice(p["attack.name"] if attack or r.random() < 0.15 else p["benign.name"])
    topic = r.choice(p[f"{side}.topic"])
    text = text.replace("{n}", name).replace("{t}", topic).replace("{r}", r.choice(p["benign.role"]))
    return text[:1].upper() + text[1:]


def foreign(r, side):
    p, language = parts(), r.choice(LANGUAGES)
    own = lambda part: p[f"{language} {side}.{part}"]
    rules = r.sample(own("rule"), r.randrange(1, 5))
    glue = r.choice((" ", "\n", "\n- "))
    text = r.choice(own("open")) + glue + glue.join(rules)
    if r.random() < 0.7:
        text += ("\n" if glue == "\n- " else glue) + r.choice(own("close"))
    return text.replace("{n}", r.choice(p["attack.name"] if side == "attack" or r.random() < 0.15 else p["benign.name"]))


@functools.cache
def tails():
    found, current = {}, None
    for line in (AUTHORED / "smuggle_parts.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            current = found.setdefault(tuple(line[3:].split()), [])
        elif line and not line.startswith("#"):
            current.append(line)
    return found


def smuggled(r, attack, questions):
    """An ordinary question or two with a second request behind (or before) it; `questions` are texts by language."""
    language = r.choice(("en", "en", "en", "de", "de", "fr", "es", "it", "pt", "pl", "ru", "tr", "zh", "ar"))
    tail = r.choice(tails()[language, "attack" if attack else "benign"])
    before = r.sample(questions[language], r.randrange(1, 4) if r.random() < 0.4 else 1)
    glue = r.choice((" ", " ", "\n", ". ", "? ", " - "))
    parts_ = [*before, tail] if r.random() < 0.8 else [tail, *before]
    text = glue.join(parts_)
    return text.lower() if r.random() < 0.15 else text
