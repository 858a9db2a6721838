"""Long persona prompts put together from parts (`authored/persona_parts.txt`): jailbreaks as people collect them, and ordinary roles with the same build."""
import functools
import pathlib

PARTS = pathlib.Path(__file__).parent / "authored" / "persona_parts.txt"


@functools.cache
def parts():
    found, current = {}, None
    for line in PARTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            current = found.setdefault(line[3:].strip(), [])
        elif line and not line.startswith("#"):
            current.append(line)
    return found


def prompt(r, attack):
    p, side = parts(), "attack" if attack else "benign"
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
