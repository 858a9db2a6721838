"""`image:analyze`: images are checked here, and judged by an upstream where the configuration names one."""

import base64
import pathlib
import struct
import subprocess
import zlib

import pytest

from mock_upstream import fixture

TARGET = "/contentsafety/image:analyze?api-version=2024-09-01"


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(image).decode()


@pytest.mark.parametrize("body", [
    {}, {"image": {}}, {"image": {"content": png(64, 64), "blobUrl": "https://x.example/a.png"}}, {"image": {"blobUrl": "https://x.example/a.png"}},
    {"image": {"content": "Y29udGVudDE="}}, {"image": {"content": "***"}}, {"image": {"content": png(49, 64)}}, {"image": {"content": png(64, 2049)}},
    {"image": {"content": png(64, 64)}, "outputType": "EightSeverityLevels"}, {"image": {"content": png(64, 64)}, "categories": ["Gore"]},
])  # fmt: skip
def test_bad_images_are_refused(gateway, keys, body):
    answer = gateway.call("POST", TARGET, body, key=keys.user)
    assert answer.status == 400 and answer.error["code"] == "InvalidRequestBody"


def test_nobody_says_safe_of_what_nobody_saw(gateway, keys):
    answer = gateway.call("POST", TARGET, {"image": {"content": png(64, 64)}}, key=keys.user)
    assert answer.status == 503 and answer.error["code"] == "ServerBusy"


@pytest.mark.parametrize("records", [True, False])
def test_an_upstream_judges_where_the_policy_lets_images_pass(make_gateway, mock, upstream, records):
    def change(tree):
        tree["upstreams"]["safety"] = {
            "kind": "azure-ai", "endpoint": upstream.url, "apiKey": "${UPSTREAM_KEY}", "paths": ["/contentsafety/image:analyze"],
            "policy": "Marked" if records else "MarkedRefusing",
        }  # fmt: skip

    gateway = make_gateway(change)
    judged = fixture("examples/content-safety/2024-09-01/AnalyzeImage")["responses"]["200"]["body"]
    mock.script("image:analyze", {"json": judged})
    answer = gateway.call("POST", TARGET, {"image": {"content": png(64, 64)}}, key=gateway.user)
    if records:
        assert answer.status == 200 and answer.json() == judged
        assert mock.last().path.startswith("/contentsafety/image:analyze")
    else:
        assert answer.status == 400 and not mock.requests


def worded(text, folder):
    """A picture of a text: a page with one line, drawn by poppler."""
    stream = f"BT /F1 26 Tf 20 30 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 900 80] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream), b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]  # fmt: skip
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    body += b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (table, len(body))
    (folder / "page.pdf").write_bytes(body)
    subprocess.run(["pdftoppm", "-png", "-r", "144", "-singlefile", folder / "page.pdf", folder / "page"], check=True)
    return base64.b64encode((folder / "page.png").read_bytes()).decode()


@pytest.mark.skipif(not pathlib.Path("/usr/bin/tesseract").exists(), reason="Tesseract is not installed")
def test_words_in_images_are_judged_where_the_operator_says_they_are_enough(make_gateway, tmp_path):
    def change(tree):
        tree["guards"] = {"learned": True}
        tree["contentSafety"] = {"imageText": True}

    gateway = make_gateway(change)
    found = {}
    for name, text in (("threat", "I am going to find you and stab you until you stop breathing"), ("plain", "The garden plan lists every bed and what grew there")):
        answer = gateway.call("POST", TARGET, {"image": {"content": worded(text, tmp_path)}}, key=gateway.user, timeout=120)
        assert answer.status == 200, answer.body
        found[name] = {c["category"]: c["severity"] for c in answer.json()["categoriesAnalysis"]}
    assert set(found["plain"]) == {"Hate", "SelfHarm", "Sexual", "Violence"} and found["plain"]["Violence"] in (0, 2)
    assert found["threat"]["Violence"] >= 4
