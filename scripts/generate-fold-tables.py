#!/usr/bin/env python3
"""Writes Sources/SallyportGuard/Normalisation/FoldTables.swift from Python's unicodedata.

Usage: python3 scripts/generate-fold-tables.py > Sources/SallyportGuard/Normalisation/FoldTables.swift
The data is derived from the Unicode Character Database (Unicode License V3); the lookalikes are hand-picked.
"""
import sys
import unicodedata as u

LIMIT = 0x20000

# Letters that a reader takes for a Latin one at a glance.
STRICT = {}
# Letters that resemble a Latin one closely enough to be used for it in a mixed word.
LOOSE = {}


def pairs(table, text):
    for item in text.split():
        table[ord(item[0])] = item[1]


pairs(STRICT, "аa еe оo рp сc уy хx іi јj ѕs һh ԁd ԛq ԝw ѵv ӏl АA ВB ЕE КK МM НH ОO РP СC ТT ХX УY ІI ЈJ ЅS Ԛq ԜW Ԍg ҮY ԍg ғf ҽe")
pairs(LOOSE, "вb гr дd зe иu йu кk лn мm нh пn тt фo цu чu шw щw ъb ыb ьb эe яr ёe ґr єe ўy ГF ДA ЗE ИN ЙN ЛJ ПN ФO ЧU ЯR ЁE ҝk қk ҳx ҵu әe өo ұy үy ҚK ҲX ӨO ћh ђh ќk ЌK Һh һh")
pairs(STRICT, "αa ιi νv οo ρp υu χx κk γy ωw ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϲc ϳj Ϳj ϜF")
pairs(LOOSE, "βb δd εe ζz ηn θo λl μu ξe πn σo ςs τt φo ψw ΔA ΘO ΛA ΞE ΠN ΣE ΦO ΨW ΩO άa έe ήn ίi όo ύu ώw ϊi ϋu")
pairs(STRICT, "օo սu հh ոn ցg զq յj ՕO ՍU ԼL")
pairs(LOOSE, "աw գq եt ըp լl կk մu նu պw ռn վu տu րn քp ֆf ՏS ՈN ՀR")
pairs(STRICT, "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎥI ᎫJ ᏦK ᏞL ᎷM ᏢP ᎡR ᏚS ᎢT ᏙV ᎳW ᏃZ ᎽY ᏒR ᏎS")
# Coptic and Lisu stand for whole alphabets of Latin shapes.
pairs(STRICT, "ⲟo ⲞO ⲣp ⲢP ⲥc ⲤC ⲭx ⲬX ⲓi ⲒI ⲔK ⲘM ⲚN ⲏh ⲎH ⲦT ⲨY ⲃb ⲂB ⲀA ⲈE ⲌZ")
pairs(STRICT, "ꓐB ꓑP ꓓD ꓔT ꓖG ꓗK ꓙJ ꓚC ꓜZ ꓝF ꓟM ꓠN ꓡL ꓢS ꓣR ꓦV ꓧH ꓪW ꓫX ꓬY ꓮA ꓰE ꓲI ꓳO ꓴU")

# Latin letters beyond ASCII that stand for plain ones, though NFKC keeps them apart.
LATIN = {}
pairs(LATIN, "ɡg ɩi ʟl ı1 ɑa ʀr ʏy ʙb ɢg ʜh ɪi ɴn ꜰf ꜱs ᴀa ᴄc ᴅd ᴇe ᴊj ᴋk ᴍm ᴏo ᴘp ᴛt ᴜu ᴠv ᴡw ᴢz ꞯq ɐa ɔc ǝe ɟf ɓb ɥh ᴉi ɾj ʞk ɯm ɹr ʇt ʌv ʍw ʎy ƅb ƙk ʋu ᶄk ɋq ƴy ƶz ᵃa ƒf")
LATIN.pop(ord("ı"), None)  # a genuine letter of Turkish

INVISIBLE = {}  # code point -> sort
ZERO, BIDI, JOINER, SELECTOR, TAG, HARD = 1, 2, 3, 4, 5, 6
for first, last, sort in [
    (0x00AD, 0x00AD, ZERO), (0x034F, 0x034F, JOINER), (0x061C, 0x061C, JOINER), (0x115F, 0x1160, HARD), (0x17B4, 0x17B5, JOINER),
    (0x180B, 0x180F, JOINER), (0x200B, 0x200B, ZERO), (0x200C, 0x200F, JOINER), (0x202A, 0x202E, BIDI), (0x2060, 0x2065, ZERO),
    (0x2066, 0x2069, BIDI), (0x206A, 0x206F, HARD), (0x3164, 0x3164, HARD), (0xFE00, 0xFE0F, SELECTOR), (0xFEFF, 0xFEFF, ZERO),
    (0xFFA0, 0xFFA0, HARD), (0xFFF9, 0xFFFB, HARD), (0x1BCA0, 0x1BCA3, JOINER), (0x1D173, 0x1D17A, JOINER),
]:
    for cp in range(first, last + 1):
        INVISIBLE[cp] = sort

ALWAYS, QUIET, BETWEEN_WORDS, BETWEEN_DIGITS = 0, 1, 2, 3
MANNER = {}
for cp in [0x2026, 0x2122, 0xAA, 0xBA, 0xB2, 0xB3, 0x2018, 0x2019, 0x201C, 0x201D, 0x201A, 0x201E, 0xB4, 0xA8, 0xAF, 0xB8, 0x2033, 0x2032]:
    MANNER[cp] = QUIET
EXTRA = {0x2018: "'", 0x2019: "'", 0x201A: "'", 0x201B: "'", 0x201C: '"', 0x201D: '"', 0x201E: '"', 0x2032: "'", 0x2033: '"',
         0x02B9: "'", 0x02BC: "'", 0x2010: "-", 0x2011: "-", 0x2012: "-", 0x2013: "-", 0x2014: "-", 0x2015: "-", 0x2212: "-",
         0x2043: "-", 0x2028: "\n", 0x2029: "\n", 0x0085: "\n", 0x1680: " ", 0x2800: " ", 0x2044: "/", 0x2215: "/", 0x29F8: "/",
         0x2024: ".", 0x00B7: ".", 0x2022: ".", 0x2027: ".", 0x2219: ".", 0x22C5: ".", 0x30FB: ".", 0x3002: ".",
         0x2236: ":", 0xA789: ":", 0x01C3: "!", 0x2223: "|", 0x2758: "|", 0x01C0: "|", 0x066B: ".", 0x066C: ","}
for cp in [0x00B7, 0x2022, 0x2027, 0x2219, 0x22C5, 0x30FB, 0x3002]:
    MANNER[cp] = BETWEEN_WORDS
for cp in [0x2013, 0x2014, 0x2015]:
    MANNER[cp] = BETWEEN_DIGITS
for i in range(26):
    EXTRA[0x1F150 + i] = chr(65 + i)  # negative circled
    EXTRA[0x1F170 + i] = chr(65 + i)  # negative squared
    EXTRA[0x249C + i] = chr(97 + i)   # parenthesised
    EXTRA[0x1F110 + i] = chr(65 + i)
for i in range(20):
    EXTRA[0x2460 + i] = EXTRA[0x2474 + i] = EXTRA[0x2488 + i] = str(i + 1)
for base in [0x2776, 0x2780, 0x278A]:
    for i in range(10):
        EXTRA[base + i] = str(i + 1)


def is_latin(c):
    return u.name(c, "").startswith("LATIN ") and u.category(c)[0] == "L"


def plain(cp):
    """The ASCII text that a character stands for, or None."""
    if cp in EXTRA:
        return EXTRA[cp]
    if cp in LATIN:
        return LATIN[cp]
    c = chr(cp)
    if u.category(c) == "Nd":
        return str(u.digit(c))
    if u.category(c) == "Zs":
        return " "
    k = u.normalize("NFKC", c).replace("⁄", "/")
    if k != c and k.isascii() and 0 < len(k) <= 6 and cp not in (0xB4, 0xA8, 0xAF, 0xB8) and k.strip() != "":
        return k
    if u.name(c, "").startswith("LATIN LETTER SMALL CAPITAL ") and len(u.name(c)) == 28:
        return u.name(c)[-1].lower()
    return None


singles, several, others, latin = {}, {}, {}, {}
marks, lookalikes, bare = [], {}, []
for cp in range(0x80, LIMIT):
    c = chr(cp)
    if cp in INVISIBLE or 0xD800 <= cp < 0xE000:
        continue
    p = plain(cp)
    if p is not None:
        (singles if len(p) == 1 else several)[cp] = p
    elif cp in STRICT or cp in LOOSE:
        lookalikes[cp] = STRICT.get(cp) or LOOSE[cp]
    elif any(a <= cp <= b for a, b in [(0x300, 0x36F), (0x483, 0x489), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)]):
        marks.append(cp)
    elif is_latin(c):
        k = u.normalize("NFKC", c)
        d = u.normalize("NFKD", c)
        if k != c and len(k) == 1:
            others[cp] = ord(k)
        else:
            latin[cp] = d[0] if d[0].isascii() and d[0].isalpha() else {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ı": "i", "ħ": "h", "ŧ": "t"}.get(c, "\0")
    elif any(a <= cp <= b for a, b in [(0x370, 0x3FF), (0x400, 0x52F), (0x531, 0x58F), (0x13A0, 0x13F5), (0x1F00, 0x1FFF), (0x2C80, 0x2CFF), (0xA4D0, 0xA4F7)]) and u.category(c)[0] == "L":
        k = u.normalize("NFKC", c)
        if k != c and len(k) == 1 and u.category(c) != "Lm" and u.decomposition(c).startswith("<"):
            others[cp] = ord(k)
        else:
            bare.append(cp)
    elif 0x1D400 <= cp <= 0x1D7FF:
        k = u.normalize("NFKC", c)
        if k != c and len(k) == 1:
            others[cp] = ord(k)

compositions = []
for cp in range(0xC0, 0x2000):
    d = u.decomposition(chr(cp))
    if d and not d.startswith("<"):
        parts = [int(x, 16) for x in d.split()]
        if len(parts) == 2 and 0x300 <= parts[1] <= 0x36F and u.normalize("NFC", chr(cp)) == chr(cp):
            compositions.append(parts[0] << 24 | (parts[1] - 0x300) << 16 | cp)
compositions.sort()


def swift(text):
    out = ""
    for c in text:
        if c in "\\\"":
            out += "\\" + c
        elif c == "\n":
            out += "\\n"
        elif c == "\0":
            out += "\\0"
        else:
            out += c
    return out


def stretches(table, gap):
    """Groups consecutive code points; a hole is written as `gap`."""
    result = []
    for cp in sorted(table):
        if result and cp - (result[-1][0] + len(result[-1][1])) < 4:
            start, text = result[-1]
            result[-1] = (start, text + gap * (cp - start - len(text)) + table[cp])
        else:
            result.append((cp, table[cp]))
    return result


def emit_stretches(name, doc, table, gap="\u0001"):
    print(f"    /// {doc}")
    print(f"    static let {name}: [(UInt32, String)] = [")
    line = ""
    for start, text in stretches(table, gap):
        while text:
            piece, text = text[:48], text[48:]
            item = f"(0x{start:X}, \"{swift(piece).replace(gap, '~' if name != 'singles' else '`')}\"), "
            start += len(piece)
            if len(line) + len(item) > 126:
                print("        " + line.rstrip())
                line = ""
            line += item
    print("        " + line.rstrip())
    print("    ]")


def emit_numbers(name, doc, type_, numbers):
    print(f"    /// {doc}")
    print(f"    static let {name}: [{type_}] = [")
    line = ""
    for n in numbers:
        item = f"0x{n:X}, "
        if len(line) + len(item) > 126:
            print("        " + line.rstrip())
            line = ""
        line += item
    print("        " + line.rstrip())
    print("    ]")


def ranges(cps):
    out = []
    for cp in sorted(cps):
        if out and out[-1][1] == cp - 1:
            out[-1][1] = cp
        else:
            out.append([cp, cp])
    return [v for pair in out for v in pair]


# A backtick that is itself a value would read as a hole.
singles = {k: v for k, v in singles.items() if v != "`"}
print("// Generated by scripts/generate-fold-tables.py from the Unicode Character Database " + u.unidata_version + "; do not edit.")
print("// Derived from Unicode data files, copyright Unicode, Inc., under the Unicode License V3 (https://www.unicode.org/license.txt).")
print()
print("/// What ``FoldTrie`` is built from. Consecutive code points are written as one string, holes as a back-tick or a tilde.")
print("enum FoldTables {")
emit_stretches("singles", "Characters that stand for one ASCII character (back-tick: none).", singles)
print("    /// Characters that stand for several ASCII characters.")
print("    static let several: [(UInt32, String)] = [")
line = ""
for cp in sorted(several):
    item = f"(0x{cp:X}, \"{swift(several[cp])}\"), "
    if len(line) + len(item) > 126:
        print("        " + line.rstrip())
        line = ""
    line += item
print("        " + line.rstrip())
print("    ]")
emit_numbers("others", "Compatibility forms of letters that are not ASCII: form and letter by turns.", "UInt32", [x for cp in sorted(others) for x in (cp, others[cp])])
emit_stretches("lookalikes", "Letters of other scripts that look like Latin ones (tilde: none).", lookalikes)
emit_numbers("strictLookalikes", "Those that a reader cannot tell apart, as ranges.", "UInt32", ranges([cp for cp in lookalikes if cp in STRICT]))
emit_numbers("otherLetters", "Further letters of the scripts with lookalikes, as ranges.", "UInt32", ranges(bare))
emit_stretches("latin", "Latin letters beyond ASCII and the letter under the accents (NUL: none).", latin)
emit_numbers("marks", "Combining marks that belong to no one script, as ranges.", "UInt32", ranges(marks))
emit_numbers("invisible", "Code points that show nothing: code point << 4 | sort, see ``Invisible``.", "UInt32", [cp << 4 | s for cp, s in sorted(INVISIBLE.items())])
emit_numbers("manners", "When a mapping counts: code point << 4 | manner, see ``FoldManner``.", "UInt32", [cp << 4 | m for cp, m in sorted(MANNER.items())])
emit_numbers("compositions", "Letter << 24 | (mark - 0x300) << 16 | composed letter, sorted.", "UInt64", compositions)
print("}")
