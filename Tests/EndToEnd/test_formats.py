"""Documents of every format, good and hostile, through the command line into the running gateway."""

import csv
import io
import json
import shutil
import struct
import zipfile
import zlib
from email.message import EmailMessage

import pytest

from test_on_your_data import ask, data, library, sdk, wait_for  # noqa: F401 (library is a fixture)

REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def archive(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return out.getvalue()


def xlsx(*rows, extra=None):
    cells = "".join("<row>" + "".join(f'<c t="inlineStr"><is><t>{value}</t></is></c>' for value in row) + "</row>" for row in rows)
    return archive({
        "[Content_Types].xml": "<Types/>",
        "xl/workbook.xml": f'<workbook xmlns:r="{REL}"><sheets><sheet name="Cranes" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships><Relationship Id="r1" Type="{REL}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet><sheetData>{cells}</sheetData></worksheet>",
        **(extra or {}),
    })  # fmt: skip


def pptx(title, text):
    shape = '<p:sp><p:nvSpPr><p:nvPr>{0}</p:nvPr></p:nvSpPr><p:txBody><a:p><a:r><a:t>{1}</a:t></a:r></a:p></p:txBody></p:sp>'
    shapes = shape.format('<p:ph type="title"/>', title) + shape.format("", text)
    return archive({
        "[Content_Types].xml": "<Types/>",
        "ppt/presentation.xml": f'<p:presentation xmlns:p="urn:p" xmlns:r="{REL}"><p:sldIdLst><p:sldId id="256" r:id="r1"/></p:sldIdLst></p:presentation>',
        "ppt/_rels/presentation.xml.rels": f'<Relationships><Relationship Id="r1" Type="{REL}/slide" Target="slides/slide1.xml"/></Relationships>',
        "ppt/slides/slide1.xml": f'<p:sld xmlns:p="urn:p" xmlns:a="urn:a"><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>',
    })  # fmt: skip


def mail(subject, text, *attachments):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@harbour.example", "bob@harbour.example", subject
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p><p style='display:none'>The vault code is kept by the cook.</p>", subtype="html")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n"))


def picture_bomb():
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(bytes(30_001) * 3000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 240_000, 60_000, 1, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def table(rows):
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


GOOD = {
    "load.xlsx": xlsx(("Crane", "Tonnes"), ("Goliath", "forty tonnes")),
    "talk.pptx": pptx("Night shift", "The night shift begins at ten in the evening."),
    "dues.csv": table([("Ship", "Dues"), ("Meduza", "ninety crowns")]),
    "letter.eml": mail("Ferry", "The ferry to Hel leaves at noon.", ("rules.txt", b"Visitors wear yellow helmets.\n"), ("tool.exe", b"MZ")),
    "pack.zip": archive({"inner/fog.md": "# Fog\n\nThe fog horn sounds every thirty seconds.\n", "letter2.eml": mail("Ice", "Ice breakers are on duty until April.")}),
}
QUESTIONS = [
    ("How many tonnes does the crane Goliath lift?", "forty tonnes", "load.xlsx"),
    ("When does the night shift begin?", "ten in the evening", "talk.pptx"),
    ("What are the dues of the ship Meduza?", "ninety crowns", "dues.csv"),
    ("When does the ferry to Hel leave?", "noon", "letter.eml"),
    ("What do visitors wear?", "yellow helmets", "letter.eml!/rules.txt"),
    ("How often does the fog horn sound?", "thirty seconds", "pack.zip!/inner/fog.md"),
    ("Until when are ice breakers on duty?", "April", "pack.zip!/letter2.eml"),
]
ENTITIES = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
HOSTILE = {
    "bomb.xlsx": xlsx(("x",), extra={"xl/worksheets/sheet2.xml": b" " * (80 << 20)}),
    "bomb.zip": archive({"a.md": b"a" * (70 << 20)}),
    "bomb.png": picture_bomb(),
    "cut.eml": GOOD["letter.eml"][: len(GOOD["letter.eml"]) // 2],
    "cut.pptx": GOOD["talk.pptx"][:-40],
    "cut.xlsx": GOOD["load.xlsx"][:200],
    "entities.xlsx": archive({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": ENTITIES + "<workbook>&a;</workbook>"}),
    "escape.zip": archive({"../../etc/cron.d/x.md": "words"}),
    "empty.zip": archive({"a.exe": "MZ"}),
    "polyglot.csv": b"%PDF-1.4\na,b\n",
    "polyglot.eml": GOOD["pack.zip"],
    "polyglot.zip": GOOD["load.xlsx"],
    "old.xlsx": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "message.msg": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "open.csv": b'a,b\n"never closed,c\n',
    "nothing.png": b"no picture at all",
}


def test_every_format_answers_and_nothing_hostile_harms(library, tmp_path):  # noqa: F811
    files = tmp_path / "files"
    files.mkdir()
    for name, content in {**GOOD, **HOSTILE}.items():
        (files / name).write_bytes(content)
    done = library.command("data", "add", "library", files, "--allow", "everyone", "--config", library.config, timeout=170)
    assert done.returncode == 2, done.stdout + done.stderr
    refused = {line.split()[1] for line in done.stderr.splitlines() if line.startswith("refused: ")}
    assert refused == set(HOSTILE)
    assert "8 added" in done.stdout, done.stdout
    # The gateway has been serving all the time, and knows the rest.
    client = sdk(library, library.user)
    for question, words, source in QUESTIONS:
        message = wait_for(lambda q=question, w=words: (m := ask(client, q).choices[0].message) and w in (m.content or "") and m)
        assert message, question
        assert message.model_extra["context"]["citations"][0]["filepath"] == source
    # Hidden text of a mail waits for its owner's reviewer; nothing of it is in the log.
    waiting = json.loads(data(library, "quarantine", "list", "library", "--json"))
    assert {(w["source"], w["reason"]) for w in waiting} >= {("letter.eml", "hidden text (not-displayed)")}
    assert "vault code" not in library.log()
    # Again: what is there is passed over, what was refused is said again.
    again = library.command("data", "add", "library", files, "--allow", "everyone", "--config", library.config, timeout=170)
    assert "8 unchanged" in again.stdout and f"{len(HOSTILE)} refused" in again.stdout, again.stdout
    data(library, "remove", "library", "pack.zip")
    listed = [d["source"] for d in json.loads(data(library, "list", "library", "--json"))]
    assert "pack.zip" not in listed and not [s for s in listed if s.startswith("pack.zip!/")]


def test_labels_are_raised_listed_and_lowered_with_a_reason(library, tmp_path):  # noqa: F811
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "cards.md").write_text("# Cards\n\nThe card 4111 1111 1111 1111 pays for diesel.\n")
    (folder / "menu.md").write_text("# Menu\n\nHerring on Thursday.\n")
    assert "1 documents have a higher label" in data(library, "add", "library", folder, "--allow", "everyone")
    listed = {d["source"]: (d["label"], d["labelOrigin"]) for d in json.loads(data(library, "list", "library", "--json"))}
    assert listed == {"cards.md": ("confidential", "detected: CreditCardNumber"), "menu.md": ("general", "default")}
    refused = library.command("data", "label", "library", "cards.md", "general", "--config", library.config)
    assert refused.returncode != 0 and "--reason" in refused.stderr
    data(library, "label", "library", "cards.md", "general", "--reason", "a test number")
    assert json.loads(data(library, "list", "library", "--json"))[0]["labelOrigin"] == "lowered"
    assert library.wait_for_record(lambda r: r.get("operation") == "data.label.lower" and "a test number" in json.dumps(r), seconds=20)


@pytest.mark.skipif(not shutil.which("tesseract"), reason="OCR is not installed")
def test_pictures_of_text_are_read(library, tmp_path):  # noqa: F811
    import subprocess

    text = "BT /F1 24 Tf 72 700 Td (The harbour master is called Martin Stone.) Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]  # fmt: skip
    body = "%PDF-1.4\n" + "".join(f"{n + 1} 0 obj\n{o}\nendobj\n" for n, o in enumerate(objects)) + "trailer << /Size 6 /Root 1 0 R >>\n%%EOF\n"
    picture = subprocess.run(["pdftoppm", "-png", "-r", "100", "-"], input=body.encode(), capture_output=True, check=True, timeout=60).stdout
    (tmp_path / "scan.png").write_bytes(picture)
    data(library, "add", "library", tmp_path / "scan.png", "--allow", "everyone")
    client = sdk(library, library.user)
    assert wait_for(lambda: "Martin Stone" in (ask(client, "What is the harbour master called?").choices[0].message.content or ""))
