# SPDX-License-Identifier: ISC
"""Hundreds and thousands of hostile clients, beside traffic that is checked."""
import json
import os
import select
import socket
import subprocess
import threading
import time

import pytest

from worker_rig import Rig, read_until, tool

P50_MS, P99_MS = 50, 400  # coarse: the machine is shared
SANITIZED = "sanitizers" in os.environ.get("DROVER_BUILD", "")


@pytest.fixture
def rig(tmp_path):
    """A service that brings tokens back, and one that takes and gives bytes."""
    r = Rig(tmp_path, workers=2)
    path = os.path.join(r.dir, "fast.sock")
    fast = subprocess.Popen(
        [tool("herdling"), "--unix", path],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not os.path.exists(path):
        time.sleep(0.01)
    bulk = r.origin("bulk.0")

    def publish(**limits):
        r.publish("".join(f"limit {k} {v}\n" for k, v in limits.items()) +
                  f"service web 0\nendpoint web.0 0 unix:{path}\n"
                  f"service bulk 1\nendpoint bulk.0 1 {bulk.address}\n"
                  "route web /\nroute bulk /sink\nroute bulk /bytes\n")

    r.limits = publish
    publish()
    yield r
    fast.kill()
    fast.wait()
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def checked(rig, seconds=4):
    """Real traffic: each answer brings its own token back, and soon."""
    out = subprocess.run(
        [tool("load"), "--port", str(rig.port), "-c", "4", "-r", "400",
         "-d", str(seconds), "--path", "/"],
        stdout=subprocess.PIPE, text=True, timeout=60, check=False).stdout
    v = json.loads(out)
    assert v["ok"] == v["sent"] > 300 * seconds, v
    if not SANITIZED:
        assert v["p50_us"] < P50_MS * 1000 and v["p99_us"] < P99_MS * 1000, v
    return v


class Flood:
    """Connections in a thread of their own; `turn` is called for each, always."""

    def __init__(self, rig, n, first, turn):
        self.clients = []
        for _ in range(n):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            s.settimeout(10)
            s.connect(("127.0.0.1", rig.port))
            if first:
                s.sendall(first)
            s.setblocking(False)
            self.clients.append(s)
        self.turn = turn
        self.ended = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        live = list(self.clients)
        while not self.over.wait(0.05):
            for s in list(live):
                try:
                    self.turn(s)
                except BlockingIOError:
                    pass
                except OSError:
                    live.remove(s)
                    self.ended += 1

    def end(self):
        self.over.set()
        self.thread.join()
        for s in self.clients:
            s.close()


def both(rig, limit):
    return rig.met(limit, 0) + rig.met(limit, 1)


def memory(rig):
    """Of both workers, in KiB; what a sanitizer adds is not theirs."""
    return 0 if SANITIZED else rig.memory(0) + rig.memory(1)


def test_slowloris_leaves_other_traffic_alone(rig):
    rig.limits(head_timeout=2000)
    before = memory(rig)
    flood = Flood(rig, 500, b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
                  lambda s: s.send(b"x"))
    try:
        checked(rig)
        assert both(rig, "head_timeout") == 500
        assert memory(rig) - before < 500 * 4 + 2048
    finally:
        flood.end()


def test_slow_bodies_leave_other_traffic_alone(rig):
    rig.limits(body_rate=1000, body_grace=1000)
    before = memory(rig)
    flood = Flood(rig, 300, b"POST /sink HTTP/1.1\r\nHost: a\r\n"
                  b"Content-Length: 1000000\r\n\r\n", lambda s: s.send(b"x"))
    try:
        checked(rig)
        assert both(rig, "body_rate") == 300
        assert memory(rig) - before < 300 * 8 + 2048
    finally:
        flood.end()


def test_slow_readers_leave_other_traffic_alone(rig):
    rig.limits(send_timeout=2000)
    before = memory(rig)
    flood = Flood(rig, 300, b"GET /bytes?n=50000000 HTTP/1.1\r\nHost: a\r\n\r\n",
                  lambda s: None)
    try:
        checked(rig)
        assert memory(rig) - before < 300 * 128 + 4096
        end = time.monotonic() + 10
        while both(rig, "send_timeout") < 300:
            assert time.monotonic() < end, both(rig, "send_timeout")
            time.sleep(0.1)
        assert both(rig, "memory_requests") == 0
    finally:
        flood.end()


def answered(clients):
    """Each has asked, and gets its answer."""
    waiting = {s.fileno(): s for s in clients}
    poll = select.epoll()
    for fd in waiting:
        poll.register(fd, select.EPOLLIN)
    end = time.monotonic() + 30
    while waiting and time.monotonic() < end:
        for fd, _ in poll.poll(1):
            assert b"200 OK" in read_until(waiting.pop(fd), b"}")
            poll.unregister(fd)
    poll.close()
    assert not waiting


@pytest.mark.alone
def test_ten_thousand_idle_connections(rig):
    n, at_once = 10000, 100
    checked(rig, 1)
    clients = []

    def ask(part):
        for s in part:
            s.sendall(b"GET /?t=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        answered(part)

    try:
        # What is under way at once, and is kept for the next, is not of an idle one.
        clients += [rig.connect() for _ in range(at_once)]
        ask(clients)
        before = memory(rig)
        clients += [rig.connect() for _ in range(n - at_once)]
        for part in range(at_once, n, at_once):
            ask(clients[part:part + at_once])
        assert rig.ask("worker", 0)["connections"] + \
            rig.ask("worker", 1)["connections"] == n
        grown = memory(rig) - before
        checked(rig)
        figure = grown * 1024 / (n - at_once)
        print(f"{figure:.0f} bytes of a worker for an idle connection")
        assert figure < 0.6 * 1024
    finally:
        for s in clients:
            s.close()
