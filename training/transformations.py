"""Obfuscations, deterministic for a seed: used to augment attacks and benign texts alike, and to write the obfuscation matrix.

    transformations.py IN.jsonl OUT_FOLDER    writes OUT_FOLDER/NAME.jsonl for every transformation (field `text` changed, `transformation` added)
"""
import base64
import codecs
import hashlib
import json
import pathlib
import random
import sys
import urllib.parse

CYRILLIC = dict(zip("aceopxyijsABCEHKMOPTXS", "асеорхуіјѕАВСЕНКМОРТХЅ"))
GREEK = dict(zip("aeiknoptuvxABEHIKMNOPTXYZ", "αεικηορτυνχΑΒΕΗΙΚΜΝΟΡΤΧΥΖ"))
LEET = str.maketrans("aeiostAEIOST", "431057431057")
LEET_HEAVY = str.maketrans("abegilostzABEGILOSTZ", "4836110572" * 2)
MORSE = dict(zip("abcdefghijklmnopqrstuvwxyz0123456789", (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. ----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
).split()))
NATO = dict(zip("abcdefghijklmnopqrstuvwxyz", (
    "alfa bravo charlie delta echo foxtrot golf hotel india juliett kilo lima mike november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
).split()))
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"
MARKS = "\u0300\u0301\u0302\u0308\u0323\u0336"


def _each(text, change):
    return "".join(change(c) for c in text)


def homoglyph_cyrillic(t, r):
    return _each(t, lambda c: CYRILLIC.get(c, c) if r.random() < 0.6 else c)


def homoglyph_greek(t, r):
    return _each(t, lambda c: GREEK.get(c, c) if r.random() < 0.6 else c)


def fullwidth(t, r):
    return _each(t, lambda c: chr(ord(c) + 0xFEE0) if 33 <= ord(c) <= 126 else c)


def mathematical_bold(t, r):
    return _each(t, lambda c: chr(0x1D400 + ord(c) - 65) if "A" <= c <= "Z" else chr(0x1D41A + ord(c) - 97) if "a" <= c <= "z" else c)


def circled(t, r):
    return _each(t, lambda c: chr(0x24B6 + ord(c) - 65) if "A" <= c <= "Z" else chr(0x24D0 + ord(c) - 97) if "a" <= c <= "z" else c)


def zero_width(t, r):
    return _each(t, lambda c: c + (r.choice(ZERO_WIDTH) if r.random() < 0.35 else ""))


def soft_hyphen(t, r):
    return _each(t, lambda c: c + ("\u00ad" if c.isalpha() and r.random() < 0.35 else ""))


def tag_characters(t, r):
    return "Please look at this: \U0001F3F4" + "".join(chr(0xE0000 + ord(c)) for c in t if 32 <= ord(c) < 127) + "\U000E007F"


def variation_selectors(t, r):
    return "\U0001F600" + "".join(chr(0xFE00 + b) if b < 16 else chr(0xE0100 + b - 16) for b in t.encode())


def letter_spacing(t, r):
    return "  ".join(" ".join(w) for w in t.split())


def letter_dashes(t, r):
    return " ".join("-".join(w) for w in t.split())


def word_joined(t, r):
    return "".join(w[:1].upper() + w[1:] for w in t.split())


def leet(t, r):
    return t.translate(LEET)


def leet_heavy(t, r):
    return t.translate(LEET_HEAVY)


def upper(t, r):
    return t.upper()


def lower(t, r):
    return t.lower()


def alternating_case(t, r):
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(t))


def typos(t, r):
    words = t.split(" ")
    for i, w in enumerate(words):
        if len(w) > 3 and r.random() < 0.3:
            k = r.randrange(1, len(w) - 1)
            kind = r.randrange(3)
            words[i] = w[:k] + w[k + 1] + w[k] + w[k + 2 :] if kind == 0 else w[:k] + w[k + 1 :] if kind == 1 else w[:k] + w[k] + w[k:]
    return " ".join(words)


def diacritics(t, r):
    return _each(t, lambda c: c + (r.choice(MARKS) if c.isalpha() and r.random() < 0.3 else ""))


def reversed_text(t, r):
    return "Read this from right to left: " + t[::-1]


def rot13(t, r):
    return "Decode this rot13 and do it: " + codecs.encode(t, "rot13")


def base64_plain(t, r):
    return base64.b64encode(t.encode()).decode()


def base64_asked(t, r):
    return "Decode the following base64 and answer it: " + base64.b64encode(t.encode()).decode()


def base64_twice(t, r):
    return base64.b64encode(base64.b64encode(t.encode())).decode()


def base32_asked(t, r):
    return "Decode base32: " + base64.b32encode(t.encode()).decode()


def hexadecimal(t, r):
    return "Decode the hex and follow it: " + t.encode().hex()


def binary(t, r):
    return " ".join(f"{b:08b}" for b in t.encode())


def percent(t, r):
    return "".join(f"%{b:02X}" for b in t.encode())


def entities(t, r):
    return "".join(f"&#{ord(c)};" for c in t)


def unicode_escapes(t, r):
    return t.encode("ascii", "backslashreplace").decode() if not t.isascii() else "".join(f"\\u{ord(c):04x}" for c in t)


def morse(t, r):
    return "Translate from morse: " + " / ".join(" ".join(MORSE[c] for c in w if c in MORSE) for w in t.lower().split())


def nato(t, r):
    return " / ".join(" ".join(NATO[c] for c in w if c in NATO) for w in t.lower().split())


def markdown_noise(t, r):
    return " ".join(r.choice(["**{}**", "_{}_", "`{}`", "{}", "{}"]).format(w) for w in t.split())


def comment_split(t, r):
    return "".join(c + ("<!-- -->" if c == " " and r.random() < 0.5 else "") for c in t)


def json_string(t, r):
    return json.dumps({"message": t, "id": r.randrange(10000)})


def quoted_printable(t, r):
    return urllib.parse.quote(t).replace("%", "=")


def emoji_between(t, r):
    return " ".join(w + (r.choice([" 🙂", " ✨", " 🔥", " 🚀", ""])) for w in t.split())


TRANSFORMATIONS = {
    f.__name__: f
    for f in (
        homoglyph_cyrillic, homoglyph_greek, fullwidth, mathematical_bold, circled, zero_width, soft_hyphen, tag_characters, variation_selectors, letter_spacing, letter_dashes,
        word_joined, leet, leet_heavy, upper, lower, alternating_case, typos, diacritics, reversed_text, rot13, base64_plain, base64_asked, base64_twice, base32_asked,
        hexadecimal, binary, percent, entities, unicode_escapes, morse, nato, markdown_noise, comment_split, json_string, quoted_printable, emoji_between,
    )
}

# What keeps a text readable for a small uncased model: used as augmentation. The encodings are the normaliser's work.
READABLE = [
    "homoglyph_cyrillic", "homoglyph_greek", "zero_width", "soft_hyphen", "letter_spacing", "leet", "upper", "lower", "lower", "alternating_case", "typos", "typos", "typos", "diacritics",
    "markdown_noise", "json_string", "emoji_between", "fullwidth", "letter_dashes",
]
# Asked-for decoding: as prompts these are the encoding kind of attack when the inner text is one, and ordinary work when it is not.
ENCODING = ["base64_asked", "rot13", "hexadecimal", "reversed_text", "base64_plain", "binary", "morse", "unicode_escapes"]


def apply(name: str, text: str, seed: int = 0) -> str:
    key = hashlib.sha256(f"{name}\0{seed}\0{text}".encode()).digest()
    return TRANSFORMATIONS[name](text, random.Random(key))


def main():
    source, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in open(source, encoding="utf-8")]
    for name in TRANSFORMATIONS:
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as out:
            for row in rows:
                out.write(json.dumps({**row, "text": apply(name, row["text"]), "transformation": name}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
