#!/usr/bin/env python3
"""Writes the character table of the gateway's tokenizer, read off the reference normaliser character by character.

    generate_character_tables.py > Sources/SallyportInference/Tokenizer/CharacterTables.swift

Needs the PyPI package `tokenizers`. Every code point is normalised alone and beside others; whatever the compact form cannot express fails
here, not in the gateway. Hangul syllables are left out: they are taken apart by arithmetic.
"""
import sys
import unicodedata

from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

DROP, SPACE, ALONE, ORDER = "drop", "space", "alone", "order"
normaliser = BertNormalizer(clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=True)
splitter = BertPreTokenizer()


def normal(text):
    return normaliser.normalize_str(text)


def splits(character):
    """How many words "a<character>a" makes: 1 a letter, 2 a space, 3 a word of its own."""
    return len(splitter.pre_tokenize_str("a" + character + "a"))


def ranges(codes):
    found = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return found


def text(entries):
    """Entries as the lines of a Swift string literal."""
    lines, line = [], ""
    for entry in entries:
        if len(line) + len(entry) + 1 > 130:
            lines.append(line)
            line = ""
        line += (" " if line else "") + entry
    return lines + [line]


sets = {DROP: [], SPACE: [], ALONE: []}
mapped, alone_mapped = {}, {}
for code in range(0x80, 0x110000):
    if 0xD800 <= code <= 0xDFFF or 0xAC00 <= code <= 0xD7A3:
        continue
    character = chr(code)
    result = normal(character)
    if result == "":
        sets[DROP].append(code)
    elif result.strip(" ") == "":
        sets[SPACE].append(code)
    elif result.startswith(" "):
        # The normaliser puts spaces around it: CJK.
        inner = result.strip(" ")
        assert len(inner) == 1, hex(code)
        if inner == character:
            sets[ALONE].append(code)
        else:
            alone_mapped[code] = inner
    elif len(result) == 1 and splits(result) != 1:
        kind = splits(result)
        assert result == character or kind == 3, hex(code)
        if kind == 2:
            sets[SPACE].append(code)
        elif result == character:
            sets[ALONE].append(code)
        else:
            alone_mapped[code] = result
    else:
        assert all(splits(c) == 1 for c in result), hex(code)
        if result != character:
            mapped[code] = result
        assert len(result) <= len(character.encode()), hex(code)

# Marks that survive are put in canonical order: each such mark goes before those of a higher class. The reference's own order is found
# by trying every mark against one of each class.
survivors = [c for c in range(0x80, 0x110000) if not 0xD800 <= c <= 0xDFFF and unicodedata.combining(chr(c)) and normal(chr(c)) == chr(c)]
candidates = survivors
classes = sorted({unicodedata.combining(chr(c)) for c in candidates})
order = {}
for code in candidates:
    own = unicodedata.combining(chr(code))
    for other in candidates:
        theirs = unicodedata.combining(chr(other))
        swapped = normal("a" + chr(code) + chr(other)) != "a" + chr(code) + chr(other)
        # An older table in the reference may not know a mark; then it never moves, and nothing moves across it.
        if own != theirs and swapped:
            assert own > theirs, (hex(code), hex(other))
            order[code] = own
            order[other] = theirs
for first in order:
    for second in order:
        given = "a" + chr(first) + chr(second)
        wanted = "a" + "".join(sorted(given[1:], key=lambda c: order[ord(c)]))
        assert normal(given) == wanted, (hex(first), hex(second))
# Of what is dropped, some go before marks are ordered and some after; the latter keep marks on either side apart if they are no marks themselves.
high, low = (next(chr(c) for c in sorted(order) if order[c] == wanted) for wanted in (226, 216))
breaking = [c for c in sets[DROP] if normal("a" + high + chr(c) + low) == "a" + high + low]
assert not [c for c in sets[DROP] if unicodedata.category(chr(c)) in ("Lu", "Lt", "Ll", "Nd")]
# Characters that come apart into something that is moved.
for code, result in mapped.items():
    for index, piece in enumerate(result):
        assert index == 0 or ord(piece) not in order or ord(result[0]) not in order, hex(code)

upper = [c for c in range(0x80, 0x110000) if unicodedata.category(chr(c)) in ("Lu", "Lt")]
lower = [c for c in range(0x80, 0x110000) if unicodedata.category(chr(c)) == "Ll"]
digits = [c for c in range(0x80, 0x110000) if unicodedata.category(chr(c)) == "Nd"]
punctuation = [c for c in range(0x80, 0x110000) if unicodedata.category(chr(c))[0] == "P"]

span = lambda r: f"{r[0]:x}" if r[0] == r[1] else f"{r[0]:x}-{r[1]:x}"


def runs(codes):
    """Ranges, and runs with one code point between each: "100/12e" is 100, 102, … 12e."""
    found = []
    for first, last in ranges(codes):
        if found and first == last and found[-1][2] == 2 and found[-1][1] + 2 == first:
            found[-1][1] = first
        elif found and first == last and found[-1][0] == found[-1][1] and found[-1][1] + 2 == first:
            found[-1] = [found[-1][0], first, 2]
        else:
            found.append([first, last, 1])
    return [f"{a:x}" if a == b else f"{a:x}{'-' if step == 1 else '/'}{b:x}" for a, b, step in found]


def mapping(table):
    """"from=to,to", and for runs of single characters "first-last>to" or "first/last>to" (every second), all moved by as much."""
    found, codes = [], sorted(table)
    index = 0
    while index < len(codes):
        code, result = codes[index], table[codes[index]]
        if len(result) == 1:
            best = (index, 1)
            for step in (1, 2):
                end = index
                while (end + 1 < len(codes) and codes[end + 1] == codes[end] + step and len(table[codes[end + 1]]) == 1
                       and ord(table[codes[end + 1]]) - codes[end + 1] == ord(result) - code):
                    end += 1
                if end > best[0]:
                    best = (end, step)
            if best[0] > index:
                found.append(f"{code:x}{'-' if best[1] == 1 else '/'}{codes[best[0]]:x}>{ord(result):x}")
                index = best[0] + 1
                continue
        found.append(f"{code:x}=" + ",".join(f"{ord(c):x}" for c in result))
        index += 1
    return found


def emit(name, doc, entries):
    print(f"    /// {doc}")
    print(f'    static let {name} = """')
    for line in text(entries):
        print("        " + line)
    print('        """')


print("// Generated by training/generate_character_tables.py from the reference normaliser; do not edit.")
print(f"// Case and digits are derived from the Unicode Character Database {unicodedata.unidata_version}, © Unicode, Inc., Unicode License V3.")
print()
print("/// What ``CharacterTable`` is built from: code points beyond ASCII, hexadecimal. `a-b` is a range, `a/b` every second one.")
print("enum CharacterTables {")
emit("dropped", "Gone after normalisation.", [span(r) for r in ranges(sets[DROP])])
emit("breaking", "Of those, the ones that marks are not moved across.", [span(r) for r in ranges(breaking)])
emit("spaces", "Between words.", [span(r) for r in ranges(sets[SPACE])])
emit("alone", "Words of their own: CJK and punctuation.", [span(r) for r in ranges(sets[ALONE])])
emit("mapped", "Lower case without accents: `from=to,…`; `a-b>c` and `a/b>c` are runs that start at c.", mapping(mapped))
emit("aloneMapped", "The same for words of their own.", mapping(alone_mapped))
emit("ordered", "Marks that are put in order, with their class: `mark=class`.", [f"{c:x}={order[c]:x}" for c in sorted(order)])
emit("upper", "Capital and title-case letters.", runs(upper))
emit("lower", "Small letters.", runs(lower))
emit("digits", "Decimal digits.", runs(digits))
emit("punctuation", "Punctuation by today's table; of what stands alone, this counts as punctuation.", runs(punctuation))
print("}")
print({k: len(v) for k, v in sets.items()}, len(mapped), len(alone_mapped), {hex(k): v for k, v in order.items()}, len(candidates), file=sys.stderr)
