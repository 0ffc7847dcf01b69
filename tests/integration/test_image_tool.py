# SPDX-License-Identifier: ISC
"""drover-image by itself: its socket, its refusals, its limits, its end."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import time
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DROVER_BUILD", ROOT / "build"))
TOOL = str(BUILD / "bin/drover-image")
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


# --- the tool ---------------------------------------------------------------


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def type(self):
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["title"] and problem["detail"] and problem["request_id"]
        return problem["type"].removeprefix("/errors/")


class Connection(http.client.HTTPConnection):
    def __init__(self, where, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.where = where

    def connect(self):
        kind = socket.AF_UNIX if isinstance(self.where, str) else socket.AF_INET
        self.sock = socket.socket(kind, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.where)


class Tool:
    def __init__(self, process, where, log):
        self.process, self.where, self.log = process, where, log

    def ask(self, method, path, body=None, headers={}):
        connection = Connection(self.where)
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def begin(self, path, body):
        """Send a request and leave it at that."""
        connection = Connection(self.where)
        connection.request("POST", path, body)
        return connection

    def metric(self, name):
        text = self.ask("GET", "/metrics").body.decode()
        lines = [x for x in text.splitlines() if x.startswith(name)]
        assert lines, f"no {name}"
        return sum(float(x.rsplit(" ", 1)[1]) for x in lines)

    def until(self, name, value, seconds=10):
        end = time.monotonic() + seconds
        while (now := self.metric(name)) != value:
            assert time.monotonic() < end, f"{name} is {now}, not {value}"
            time.sleep(0.01)

    def lines(self):
        return [json.loads(x) for x in self.log.read_text().splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture
def start(tmp_path):
    started = []

    def run(*args, env={}, command=None, where=None, wait=True):
        log = tmp_path / f"log{len(started)}"
        path = str(tmp_path / f"s{len(started)}")
        if "PORT" not in env and not command:
            env = {"DROVER_SOCKET": path, **env}
        clean = {k: v for k, v in os.environ.items()
                 if k not in ("PORT", "DROVER_SOCKET", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET")}
        with log.open("wb") as err:
            process = subprocess.Popen(command or [TOOL, *args], env={**clean, **env}, stderr=err,
                                       close_fds=command is None)
        started.append(process)
        tool = Tool(process, where or path, log)
        end = time.monotonic() + 10
        while wait:
            try:
                assert tool.ask("GET", "/readyz").status == 200
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.005)
        return tool

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def tool(start):
    return start()


# --- the contract of the socket ---------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_it_serves_on_a_port(start):
    port = free_port()
    tool = start(env={"PORT": str(port)}, where=("127.0.0.1", port))
    assert tool.ask("POST", "/info", PHOTO).json()["width"] == 1200
    assert tool.stop() == 0


def test_it_serves_on_a_passed_descriptor(start, tmp_path):
    path = str(tmp_path / "passed")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        os.set_inheritable(s.fileno(), True)
        tool = start(command=["bash", "-c", f"exec 3<&{s.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec {TOOL}"],
                     where=path)
    assert tool.ask("POST", "/info", PHOTO).status == 200
    assert tool.stop() == 0
    assert os.path.exists(path), "the socket of another is not ours to remove"


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(start, tmp_path):
    path = str(tmp_path / "again")
    first = start(env={"DROVER_SOCKET": path}, where=path)
    second = start(env={"DROVER_SOCKET": path}, where=path, wait=False)
    assert second.process.wait(10) == 1
    assert "somebody listens there" in second.lines()[-1]["message"]
    assert first.ask("GET", "/healthz").status == 200
    first.process.kill()
    first.process.wait()
    assert os.path.exists(path)
    third = start(env={"DROVER_SOCKET": path}, where=path)
    assert third.stop() == 0
    assert not os.path.exists(path)


def test_without_a_socket_it_says_what_it_needs(start):
    tool = start(command=[TOOL], wait=False)
    assert tool.process.wait(10) == 1
    assert "DROVER_SOCKET" in tool.lines()[-1]["message"]


def test_it_says_when_it_is_ready_and_soon(start, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(10)
        began = time.monotonic()
        start(env={"NOTIFY_SOCKET": path}, wait=False)
        assert "READY=1" in s.recv(100).decode().split("\n")
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("args, say", [
    (["--workers", "0"], "--workers takes 1 to 256"),
    (["--wokers", "1"], "there is no option"),
    (["--deadline", "5"], "100ms"),
])
def test_a_bad_option_is_a_usage_error(args, say):
    run = subprocess.run([TOOL, *args], capture_output=True, text=True, timeout=10)
    assert run.returncode == 2
    assert say in run.stderr


def test_help_lists_every_limit():
    run = subprocess.run([TOOL, "--help"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 0
    for name in ["workers", "queue", "deadline", "body", "memory", "pixels", "pixels-avif", "frames", "side"]:
        assert f"--{name} " in run.stdout


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
    tool = start("--pixels-avif", "10000")
    made = tool.ask("POST", "/process?width=300&format=avif", PHOTO)
    answer = tool.ask("POST", "/process?width=10", made.body)
    assert (answer.status, answer.type()) == (422, "too-many-pixels")


def test_a_parameter_at_fault_is_named(tool):
    problem = tool.ask("POST", "/process?quality=101", PHOTO, {"X-Request-Id": "abc-1"}).json()
    assert (problem["parameter"], problem["request_id"]) == ("quality", "abc-1")
    assert "1 to 100" in problem["detail"]


def test_a_body_over_its_ceiling_is_413(start):
    tool = start("--body", "1000B", "--memory", "1MiB")
    answer = tool.ask("POST", "/info", png(1, 1, b"abc") + b"\0" * 2000)
    assert (answer.status, answer.json()["type"]) == (413, "/errors/body-too-large")
    chunked = tool.ask("POST", "/info", iter([b"x" * 600] * 4))
    assert (chunked.status, chunked.json()["type"]) == (413, "/errors/body-too-large")
    assert tool.ask("POST", "/info", png(1, 1, b"abc")).status == 200
    tool.until("drover_tool_body_bytes{", 0)


def test_bodies_in_flight_have_a_ceiling_in_sum(start):
    tool = start("--body", "1MiB", "--memory", "1536KiB")
    first = socket.socket(socket.AF_UNIX)
    first.connect(tool.where)
    first.sendall(b"POST /info HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    tool.until("drover_tool_body_bytes{", 1000000)
    answer = tool.ask("POST", "/info", b"x" * 1000000)
    assert (answer.status, answer.type()) == (503, "memory-full")
    assert answer.headers["Retry-After"] == "1"
    first.close()
    tool.until("drover_tool_body_bytes{", 0)
    assert tool.ask("POST", "/info", b"x" * 1000000).status == 415


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


# --- the queue, the deadline, the caller that goes --------------------------


def test_a_full_queue_is_503_and_then_goes_on(start, slow):
    tool = start("--workers", "1", "--queue", "1", "--deadline", "60s")
    running = tool.begin("/process?width=7999&format=png", slow)
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.begin("/info", PHOTO)
    tool.until("drover_tool_queue{", 1)
    answer = tool.ask("POST", "/info", PHOTO)
    assert (answer.status, answer.type()) == (503, "queue-full")
    assert answer.headers["Retry-After"] == "1"
    running.close()
    assert Answer(waiting.getresponse()).status == 200
    waiting.close()
    assert tool.ask("POST", "/info", PHOTO).status == 200


def test_work_past_its_deadline_is_504_and_stops(start, slow):
    tool = start("--workers", "1", "--deadline", "300ms")
    began = time.monotonic()
    answer = tool.ask("POST", "/process?width=7999&format=png", slow)
    assert (answer.status, answer.type()) == (504, "timeout")
    assert time.monotonic() - began < 2
    tool.until("drover_tool_workers_busy{", 0, 3)
    tool.until("drover_tool_body_bytes{", 0)
    assert tool.ask("POST", "/info", PHOTO).status == 200


# The encoder of AVIF takes its time, and cannot be stopped in the middle.
STUBBORN = "/process?width=2400&enlarge=1&format=avif&quality=95"


def test_a_wait_past_the_deadline_is_503(start):
    tool = start("--workers", "1", "--deadline", "200ms")
    running = tool.begin(STUBBORN, PHOTO)
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.ask("POST", "/info", PHOTO)
    assert (waiting.status, waiting.type()) == (503, "queue-timeout")
    assert waiting.headers["Retry-After"] == "1"
    assert Answer(running.getresponse()).type() == "timeout"
    running.close()


def test_a_tool_whose_workers_all_hang_is_not_healthy(start):
    tool = start("--workers", "1", "--deadline", "100ms")
    running = tool.begin(STUBBORN, PHOTO)
    tool.until("drover_tool_workers_stuck{", 1)
    assert tool.ask("GET", "/healthz").status == 503
    assert tool.ask("GET", "/readyz").status == 503
    tool.until("drover_tool_workers_busy{", 0, 60)
    assert tool.ask("GET", "/healthz").status == 200
    assert tool.ask("GET", "/readyz").status == 200
    running.close()


def test_a_caller_that_hangs_up_cancels_its_work(start, slow):
    tool = start("--workers", "1", "--deadline", "60s")
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
    tool = start("--queue", "200", "--deadline", "60s")
    probe = Connection(tool.where)
    pictures = [tool.begin("/process?width=1000&format=webp", PHOTO) for _ in range(100)]
    times = []
    while tool.metric("drover_tool_workers_busy{") > 0:
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
    tool = start("--workers", "2")

    def resident():
        return tool.metric("process_resident_memory_bytes") / 1e6

    at_rest = resident()
    big = tool.ask("POST", "/process?width=2400&enlarge=1&format=png", PHOTO).body
    for _ in range(4):
        assert tool.ask("POST", "/process?width=300&format=webp", big).status == 200
    assert resident() < at_rest + 40
    if "WITH_SANITIZERS 1" not in (BUILD / "config.h").read_text():
        assert at_rest < 40


# --- the end ----------------------------------------------------------------


def test_sigterm_finishes_what_was_begun(start, slow):
    tool = start("--deadline", "60s")
    running = tool.begin("/process?width=1000&format=jpeg", slow)
    tool.until("drover_tool_workers_busy{", 1)
    tool.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 5
    while os.path.exists(tool.where):
        assert time.monotonic() < end
        time.sleep(0.005)
    with pytest.raises(OSError):
        tool.ask("GET", "/healthz")
    answer = Answer(running.getresponse())
    running.close()
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert tool.process.wait(15) == 0
    assert [x["message"] for x in tool.lines() if "message" in x][-2:] == ["draining inflight=1", "stopped"]


def test_a_connection_that_idles_does_not_hold_up_the_end(tool):
    idle = Connection(tool.where)
    idle.request("GET", "/healthz")
    assert Answer(idle.getresponse()).status == 200
    assert tool.stop() == 0
    idle.close()


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


def test_what_is_not_there(tool):
    assert tool.ask("GET", "/nowhere").json()["type"] == "/errors/not-found"
    wrong = tool.ask("GET", "/process")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert tool.ask("HEAD", "/healthz").body == b""


def test_each_request_is_one_line_of_json(tool):
    tool.ask("POST", "/info", PHOTO, {"X-Request-Id": "id-7"})
    tool.ask("GET", "/nowhere")
    tool.ask("GET", "/healthz")
    tool.stop()
    lines = [x for x in tool.lines() if "status" in x]
    assert [(x["method"], x["path"], x["status"]) for x in lines] == [("POST", "/info", 200), ("GET", "/nowhere", 404)]
    assert (lines[0]["request_id"], lines[0]["bytes_in"]) == ("id-7", len(PHOTO))
