# SPDX-License-Identifier: ISC
"""An endpoint that fails under constant load: who had bytes under way to it may fail, in time; nobody else notices.

Two workers, two good endpoints and a bad one; the load is an open loop whose
every answer has to bring the token of its request.
"""
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from worker_rig import Rig, read_until, tool

SECONDS, RATE = 4, 400
DEADLINE_MS = 500


class Herdling:
    def __init__(self, rig, name, *options):
        self.name = name
        path = os.path.join(rig.dir, name + ".sock")
        self.address = f"unix:{path}"
        self.process = subprocess.Popen([tool("herdling"), "--unix", path, *options], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            with socket.socket(socket.AF_UNIX) as s:
                if s.connect_ex(path) == 0:
                    return
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def fail(self, kind):
        self.process.send_signal({"killed": signal.SIGKILL, "hung": signal.SIGSTOP}[kind])

    def heal(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        self.process.kill()
        self.process.wait()


class Liar:
    """It answers well until it is told to fail, and then in one wrong way."""

    ANSWERS = {
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it",
        "garbage": b"\x16\x03\x01 this is no HTTP\r\n\r\n",
        "silent": b"",
    }

    def __init__(self, rig, name):
        self.name, self.answer = name, None
        path = os.path.join(rig.dir, name + ".sock")
        self.address = f"unix:{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(512)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s:
            try:
                while asked := read_until(s, b"\r\n\r\n"):
                    if self.answer is not None:
                        s.sendall(self.answer)
                        return
                    token = asked.split(b"X-Token: ")[1].split(b"\r\n")[0]
                    body = b'{"token": "%s"}' % token
                    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            except OSError:
                pass

    def fail(self, kind):
        self.answer = self.ANSWERS[kind]

    def heal(self):
        self.answer = None

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path, workers=2)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def load(rig, method, seconds=SECONDS):
    return subprocess.Popen(
        [tool("load"), "--port", str(rig.port), "-c", "32", "-r", str(RATE), "-d", str(seconds), "--method", method,
         "--path", "/x", "--reuse", "50"], stdout=subprocess.PIPE, text=True)


def served(rig):
    return rig.ask("endpoint", 2)["requests"]


# fmt: off
@pytest.mark.parametrize("kind, method, may_fail, status", [
    ("killed",  "GET",  False, None),
    ("killed",  "POST", True,  502),
    ("hung",    "GET",  True,  504),
    ("hung",    "POST", True,  504),
    ("cut",     "GET",  True,  None),
    ("garbage", "GET",  True,  502),
    ("silent",  "GET",  False, None),
    ("silent",  "POST", True,  502),
])
# fmt: on
def test_only_what_was_under_way_to_it_fails(rig, kind, method, may_fail, status):
    bad = Herdling(rig, "bad") if kind in ("killed", "hung") else Liar(rig, "bad")
    good = [Herdling(rig, f"good{i}") for i in range(2)]
    rig.simple(*good, bad, options=f"request_timeout={DEADLINE_MS} eject_ms=60000")
    try:
        running = load(rig, method)
        time.sleep(1)
        before = served(rig)
        assert before > 50  # it had its share
        bad.fail(kind)
        out = running.communicate()[0]
        verdict = json.loads(out)
        wrong = verdict["failed"] + verdict["lost"]
        asked = served(rig) - before
        assert verdict["swapped"] == verdict["doubled"] == 0, out
        assert verdict["sent"] > 0.9 * SECONDS * RATE, out
        # Nobody but who was at the bad one; and soon nobody is sent there.
        if not may_fail:
            assert wrong == 0, out
        in_flight = 2 * 32
        assert wrong <= asked + in_flight, (asked, out)
        assert asked < 150, (asked, out)
        if status is not None:
            assert set(verdict["status"]) <= {"200", str(status)}, out
        # The others are as fast as ever: 99 in 100 took a part of the deadline.
        assert verdict["p50_us"] < 50_000, out
        assert wrong > verdict["sent"] // 100 or verdict["p99_us"] < DEADLINE_MS * 1000, out
    finally:
        for one in (*good, bad):
            one.end()


def test_a_slow_one_is_asked_less_and_fails_nobody(rig):
    good = [Herdling(rig, f"good{i}") for i in range(2)]
    slow = Herdling(rig, "slow", "--delay", "300")
    rig.simple(*good, slow, options=f"request_timeout={DEADLINE_MS}")
    try:
        verdict = json.loads(load(rig, "GET").communicate()[0])
        assert verdict["failed"] + verdict["lost"] == 0, verdict
        assert served(rig) < 0.2 * SECONDS * RATE
        assert verdict["p50_us"] < 50_000, verdict
    finally:
        for one in (*good, slow):
            one.end()


def test_a_hung_one_that_wakes_up_gets_its_share_again(rig):
    bad = Herdling(rig, "bad")
    good = [Herdling(rig, f"good{i}") for i in range(2)]
    rig.simple(*good, bad, options="request_timeout=200 eject_ms=1000")
    try:
        running = load(rig, "GET", 8)
        time.sleep(0.5)
        bad.fail("hung")
        time.sleep(2)
        bad.heal()
        until = time.monotonic() + 5
        start = served(rig)
        while served(rig) < start + 100:
            assert time.monotonic() < until, "it is not asked again"
            time.sleep(0.05)
        verdict = json.loads(running.communicate()[0])
        assert verdict["swapped"] == verdict["doubled"] == 0, verdict
    finally:
        for one in (*good, bad):
            one.end()
