# SPDX-License-Identifier: ISC
"""drover-image by itself: what it makes, what it refuses, when it stops."""

import os
import struct
import time
import zlib

import pytest

from svc_rig import BUILD, IMAGE, ROOT, Answer, Connection, start  # noqa: F401

PHOTO = (ROOT / "examples/photo.jpg").read_bytes()


# --- pictures, made by hand -------------------------------------------------


def png(width, height, row=None, interlaced=False):
    """A PNG of one repeated row; without one, a head that has no data."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1 if interlaced else 0)
    data = b""
    if row is not None:
        squeeze = zlib.compressobj(1)
        for _ in range(height):
            data += squeeze.compress(b"\0" + row)
        data += squeeze.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def gif(width, height, frames, real=False):
    """A GIF whose frames say their size; real ones hold their pixels, too."""
    def frame(i):
        head = b"\x21\xf9\x04\0\x0a\0\0\0" + b"\x2c\0\0\0\0" + struct.pack("<HH", width, height) + b"\0\x07"
        if not real:
            return head + b"\0"
        # One byte a code: the table is cleared before codes need nine bits.
        pixels = bytes((x + y + 9 * i) % 128 for y in range(height) for x in range(width))
        codes = b"".join(b"\x80" + pixels[at:at + 100] for at in range(0, len(pixels), 100)) + b"\x81"
        return head + b"".join(bytes([len(codes[at:at + 255])]) + codes[at:at + 255]
                               for at in range(0, len(codes), 255)) + b"\0"

    palette = b"".join(bytes([2 * c, 255 - c, c]) for c in range(128))
    return (b"GIF89a" + struct.pack("<HH", width, height) + b"\xf6\0\0" + palette
            + b"".join(frame(i) for i in range(frames)) + b";")


@pytest.fixture(scope="session")
def slow():
    """64 megapixels in a small file: seconds of work that can be stopped."""
    return png(8000, 8000, os.urandom(3000) * 8)


@pytest.fixture
def tool(start):
    return start(IMAGE)


# --- what it does -----------------------------------------------------------


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "gif"])
def test_each_format_goes_out_and_comes_in(tool, format):
    made = tool.ask("POST", f"/process?width=300&format={format}", PHOTO)
    assert (made.status, made.headers["Content-Type"]) == (200, f"image/{format}"), made.body
    info = tool.ask("POST", "/info", made.body).json()
    assert (info["format"], info["width"], info["height"], info["bytes"]) == (format, 300, 200, len(made.body))
    back = tool.ask("POST", "/process?width=30&format=jpg", made.body)
    assert tool.ask("POST", "/info", back.body).json()["height"] == 20


@pytest.mark.parametrize("query, width, height", [
    ("width=300", 300, 200),
    ("height=100", 150, 100),
    ("width=100&height=100", 100, 67),
    ("width=100&height=100&resize=fill", 100, 100),
    ("width=100&height=100&resizing_type=fill", 100, 100),
    ("width=2400", 1200, 800),
    ("width=2400&enlarge=true", 2400, 1600),
    ("", 1200, 800),
])
def test_sizes(tool, query, width, height):
    made = tool.ask("POST", f"/process?{query}", PHOTO)
    info = tool.ask("POST", "/info", made.body).json()
    assert (info["format"], info["width"], info["height"]) == ("jpeg", width, height)


def test_quality_counts(tool):
    low = tool.ask("POST", "/process?width=600&quality=20", PHOTO)
    high = tool.ask("POST", "/process?width=600&quality=95", PHOTO)
    assert len(low.body) * 3 < len(high.body)


def test_an_animation_stays_one(tool):
    made = tool.ask("POST", "/process?width=20&format=webp", gif(40, 30, 5, real=True))
    assert made.status == 200, made.body
    info = tool.ask("POST", "/info", made.body).json()
    assert (info["frames"], info["width"], info["height"]) == (5, 20, 15)
    assert b"ANIM" in made.body
    still = tool.ask("POST", "/process?format=png", gif(40, 30, 5, real=True))
    assert tool.ask("POST", "/info", still.body).json()["frames"] == 1


# --- what it refuses --------------------------------------------------------


@pytest.mark.parametrize("path, body, status, type", [
    ("/process", b"", 415, "unsupported-format"),
    ("/process", b"hello, world\n" * 100, 415, "unsupported-format"),
    ("/process", b"<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>", 415, "unsupported-format"),
    ("/process", b"%PDF-1.7\n", 415, "unsupported-format"),
    ("/info", b"hello", 415, "unsupported-format"),
    ("/process", PHOTO[:len(PHOTO) // 2], 422, "truncated"),
    ("/process?width=2", PHOTO[:-2000], 422, "truncated"),
    ("/process", PHOTO[:100], 422, "truncated"),
    ("/process", png(10, 10), 422, "invalid-image"),
    ("/process", PHOTO[:2] + b"\xff" * 500 + b"\xff\xd9", 422, "invalid-image"),
    ("/process", png(20000, 20000), 422, "too-many-pixels"),
    ("/process?width=9", png(8000, 8000, interlaced=True), 422, "too-many-pixels"),
    ("/process?width=9", gif(10, 10, 257), 422, "too-many-frames"),
    ("/process?width=9", gif(2000, 2000, 26), 422, "too-many-pixels"),
    ("/process", png(9000, 10, b"abc" * 9000), 422, "output-too-large"),
    ("/process?format=bmp", PHOTO, 400, "unknown-value"),
    ("/process?resize=stretch", PHOTO, 400, "unknown-value"),
    ("/process?widht=300", PHOTO, 400, "unknown-parameter"),
    ("/info?width=300", PHOTO, 400, "unknown-parameter"),
    ("/process?width=3&width=3", PHOTO, 400, "repeated-parameter"),
    ("/process?width=abc", PHOTO, 400, "invalid-number"),
    ("/process?width=1.5", PHOTO, 400, "invalid-number"),
    ("/process?width=", PHOTO, 400, "invalid-number"),
    ("/process?width=8193", PHOTO, 400, "out-of-range"),
    ("/process?width=-1", PHOTO, 400, "out-of-range"),
    ("/process?quality=0", PHOTO, 400, "out-of-range"),
    ("/process?quality=99999999999999999999", PHOTO, 400, "out-of-range"),
], ids=lambda x: f"{len(x)}-bytes" if isinstance(x, bytes) else None)
def test_each_refusal_has_its_type_and_costs_nobody_else(tool, path, body, status, type):
    answer = tool.ask("POST", path, body)
    assert (answer.status, answer.type()) == (status, type), answer.body
    assert tool.ask("POST", "/info", PHOTO).status == 200


def test_an_avif_has_a_limit_of_its_own(start):
    tool = start(IMAGE, "--pixels-avif", "10000")
    made = tool.ask("POST", "/process?width=300&format=avif", PHOTO)
    answer = tool.ask("POST", "/process?width=10", made.body)
    assert (answer.status, answer.type()) == (422, "too-many-pixels")


def test_a_parameter_at_fault_is_named(tool):
    problem = tool.ask("POST", "/process?quality=101", PHOTO, {"X-Request-Id": "abc-1"}).json()
    assert (problem["parameter"], problem["request_id"]) == ("quality", "abc-1")
    assert "1 to 100" in problem["detail"]


def test_hostile_bytes_cost_one_request_each(tool):
    """Every prefix and many flips of real files: an answer, and life goes on."""
    seeds = [PHOTO[:3000]]
    for format in ["png", "webp", "avif", "gif", "jpeg"]:
        seeds.append(tool.ask("POST", f"/process?width=40&format={format}", PHOTO).body)
    connection = Connection(tool.where)
    for seed in seeds:
        step = max(1, len(seed) // 40)
        for at in range(0, len(seed), step):
            for body in (seed[:at], seed[:at] + bytes([seed[at] ^ 0x55]) + seed[at + 1:]):
                connection.request("POST", "/process?width=20&format=png", body)
                answer = Answer(connection.getresponse())
                assert answer.status in (200, 415, 422), answer.body
    connection.close()
    assert tool.ask("GET", "/healthz").status == 200


# --- when it stops, and what it costs ---------------------------------------


def test_a_caller_that_hangs_up_cancels_its_work(start, slow):
    tool = start(IMAGE, "--workers", "1", "--deadline", "60s")
    began = time.monotonic()
    whole = tool.ask("POST", "/process?width=4000&format=png", slow)
    took = time.monotonic() - began
    assert whole.status == 200
    running = tool.begin("/process?width=4000&format=png", slow)
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.begin("/process?width=4000&format=png", slow)
    tool.until("drover_tool_queue{", 1)
    waiting.close()
    tool.until("drover_tool_queue{", 0)
    began = time.monotonic()
    running.close()
    tool.until("drover_tool_workers_busy{", 0)
    assert time.monotonic() - began < took / 2, took
    assert tool.metric("drover_tool_cancelled_total") == 2
    assert tool.metric("drover_tool_body_bytes{") == 0
    assert sum(x.get("status") == 499 for x in tool.lines()) == 2


def test_health_never_waits_for_a_hundred_pictures(start):
    tool = start(IMAGE, "--queue", "200", "--deadline", "60s")
    probe = Connection(tool.where)
    pictures = [tool.begin("/process?width=1000&format=webp", PHOTO) for _ in range(100)]
    times = []
    done = 'drover_tool_request_seconds_count{service="image",route="/process"}'
    while tool.metric(done) < len(pictures):
        began = time.monotonic()
        probe.request("GET", "/healthz")
        assert Answer(probe.getresponse()).status == 200
        times.append(time.monotonic() - began)
        time.sleep(0.005)
    probe.close()
    for picture in pictures:
        assert Answer(picture.getresponse()).status == 200
        picture.close()
    times.sort()
    assert len(times) > 10
    assert times[len(times) // 2] < 0.05, times


def test_memory_comes_back(start):
    tool = start(IMAGE, "--workers", "2")

    def resident():
        return tool.metric("process_resident_memory_bytes") / 1e6

    at_rest = resident()
    big = tool.ask("POST", "/process?width=2400&enlarge=1&format=png", PHOTO).body
    for _ in range(4):
        assert tool.ask("POST", "/process?width=300&format=webp", big).status == 200
    if "WITH_SANITIZERS 1" in (BUILD / "config.h").read_text():
        return  # they keep what was freed
    assert at_rest < 40
    assert resident() < at_rest + 40


# --- what it says about itself ----------------------------------------------


def test_the_page_works_under_any_prefix(tool):
    page = tool.ask("GET", "/", headers={"X-Forwarded-Prefix": "/image", "X-Forwarded-Host": "a.example",
                                         "X-Forwarded-Proto": "https"})
    text = page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "https://a.example/image/process?width=300" in text
    assert 'href="/' not in text and 'src="/' not in text
    for name in ["width", "height", "resize", "enlarge", "format", "quality"]:
        assert f"<code>{name}</code>" in text
    hostile = tool.ask("GET", "/", headers={"X-Forwarded-Prefix": "/\"><script>"}).body
    assert b"<script>" not in hostile


def test_openapi_is_the_table(tool):
    paths = tool.ask("GET", "/openapi.json").json()["paths"]
    assert set(paths) == {"/process", "/info"}
    rows = {x["name"]: x["schema"] for x in paths["/process"]["post"]["parameters"]}
    assert rows["width"]["maximum"] == 8192
    assert set(rows["format"]["enum"]) >= {"jpeg", "png", "webp", "avif", "gif"}
