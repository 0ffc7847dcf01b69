# SPDX-License-Identifier: ISC
"""The image tool behind the gateway: real pictures go through, hostile bytes do not."""

import struct
import zlib

import pytest
from drover import BUILD, ROOT, alive

PHOTO = (ROOT / "examples/photo.jpg").read_bytes()


@pytest.fixture
def image(herd):
    d = herd({"image": {
        "command": [str(BUILD / "bin/drover-image")],
        "env": {"VIPS_CONCURRENCY": "1"},
        "listen": "unix",
        "replicas": 2,
        "readiness": {"path": "/readyz"},
        # A program below /tmp would be hidden from itself.
        "sandbox": {"private_tmp": not str(BUILD).startswith("/tmp/"), "network": False, "optional": True},
    }})
    d.ready("image")
    return d


def size_of(data):
    """Format, width and height, read from the bytes by hand."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        if data[12:16] == b"VP8 ":
            return "webp", *(x & 0x3FFF for x in struct.unpack("<HH", data[26:30]))
        if data[12:16] == b"VP8X":
            return "webp", *(int.from_bytes(data[n : n + 3], "little") + 1 for n in (24, 27))
        bits = int.from_bytes(data[21:25], "little")
        return "webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "png", *struct.unpack(">II", data[16:24])
    if data[:3] == b"GIF":
        return "gif", *struct.unpack("<HH", data[6:10])
    if data[:2] == b"\xff\xd8":
        at = 2
        while data[at + 1] not in (0xC0, 0xC1, 0xC2):
            at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
        height, width = struct.unpack(">HH", data[at + 5:at + 9])
        return "jpeg", width, height
    if data[4:12] == b"ftypavif":
        at = data.index(b"ispe")
        return "avif", *struct.unpack(">II", data[at + 8:at + 16])
    raise AssertionError(f"unknown picture {data[:16]!r}")


def png(width, height, rows=None):
    """A PNG head that claims a size, with as much data as is given."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(rows if rows is not None else b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_photograph_becomes_a_300_px_webp(image):
    answer = image.ask("POST", "/image/process?width=300&format=webp", PHOTO)
    assert answer.status == 200, answer
    assert answer.headers["Content-Type"] == "image/webp"
    kind, width, _ = size_of(answer.body)
    assert (kind, width) == ("webp", 300)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "gif"])
def test_each_format_comes_out_and_is_known_again(image, format):
    answer = image.ask("POST", f"/image/process?width=64&format={format}&quality=70", PHOTO, timeout=30)
    assert answer.status == 200, answer
    kind, width, height = size_of(answer.body)
    assert (kind, width) == (format, 64)
    info = image.ask("POST", "/image/info", answer.body)
    assert info.status == 200, info
    assert (info.json()["format"], info.json()["width"], info.json()["height"]) == (format, 64, height)


def test_fit_keeps_the_whole_and_fill_covers(image):
    fit = image.ask("POST", "/image/process?width=80&height=80&resize=fit&format=png", PHOTO)
    fill = image.ask("POST", "/image/process?width=80&height=80&resize=fill&format=png", PHOTO)
    assert size_of(fill.body) == ("png", 80, 80)
    _, width, height = size_of(fit.body)
    assert max(width, height) == 80 and min(width, height) < 80


def problem(answer, status, type_):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["type"].endswith(type_), answer
    assert answer.json()["status"] == status


def test_hostile_input_is_refused_by_its_own_type_and_the_service_lives_on(image):
    pids = image.pids("image")
    process = "/image/process?width=100&format=webp"
    problem(image.ask("POST", process, b"this is no image at all" * 50), 415, "unsupported-format")
    problem(image.ask("POST", process, PHOTO[: len(PHOTO) // 2]), 422, "truncated")
    problem(image.ask("POST", process, png(20000, 20000)), 422, "too-many-pixels")
    unknown = image.ask("POST", "/image/process?width=100&format=bmp", PHOTO)
    assert unknown.status == 400 and "format" in unknown.json()["detail"], unknown
    unknown = image.ask("POST", "/image/process?wdith=100", PHOTO)
    assert unknown.status == 400 and "wdith" in unknown.json()["detail"], unknown
    unknown = image.ask("POST", "/image/process?width=-5", PHOTO)
    assert unknown.status == 400 and "width" in unknown.json()["detail"], unknown
    types = {a.json()["type"] for a in (
        image.ask("POST", process, b"no"),
        image.ask("POST", process, PHOTO[: len(PHOTO) // 2]),
        image.ask("POST", process, png(20000, 20000)),
        image.ask("POST", "/image/process?format=bmp", PHOTO),
        image.ask("POST", "/image/process?wdith=1", PHOTO),
    )}
    assert len(types) >= 4
    assert image.pids("image") == pids and all(alive(p) for p in pids.values())
    assert image.service("image")["restarts"] == 0
    assert image.ask("POST", process, PHOTO).status == 200


def test_get_shows_a_page_for_people(image):
    answer = image.get("/image/")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")
    assert b"/process" in answer.body
