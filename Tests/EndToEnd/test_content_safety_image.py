"""`image:analyze`: images are checked here, and judged by an upstream where the configuration names one."""

import base64
import struct
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
