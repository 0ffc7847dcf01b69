# SPDX-License-Identifier: ISC
"""Large bodies: whole, in order, to whoever reads at whatever pace, and cheap."""
import hashlib
import os
import random
import socket
import threading

import pytest

from worker_rig import Rig, read_all, read_until

MIB = 1 << 20


class Source:
    """A service that sends bytes which tell where they stand, over TCP or a Unix socket."""

    def __init__(self, rig, kind, size, cut=0):
        self.name = kind
        self.head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
        self.body = random.Random(1).randbytes(size)
        self.sum = hashlib.sha256(self.body).hexdigest()
        self.cut = cut
        self.listener = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
        path = os.path.join(rig.dir, kind + ".sock")
        self.listener.bind(path if kind == "unix" else ("127.0.0.1", 0))
        self.listener.listen(512)
        self.address = f"unix:{path}" if kind == "unix" else "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.threads = []
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
                while read_until(s, b"\r\n\r\n"):
                    s.sendall(self.head + self.body[:len(self.body) - self.cut])
                    if self.cut:
                        return
            except OSError:
                pass  # the client broke off: so do we

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def fetch(rig, n, pause=None):
    """n answers on one connection, read piece by piece; their sums."""
    sums = []
    with rig.connect(timeout=30) as s:
        for _ in range(n):
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += s.recv(1)
            left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            digest = hashlib.sha256()
            while left:
                part = s.recv(min(left, 300000))
                assert part, left
                digest.update(part)
                left -= len(part)
                if pause is not None:
                    pause.wait(0.002)
            sums.append(digest.hexdigest())
    return sums


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_large_bodies_come_whole_one_after_the_other(rig, kind):
    source = Source(rig, kind, 5 * MIB + 12345)
    rig.simple(source)
    assert fetch(rig, 5) == [source.sum] * 5
    assert rig.ask("endpoint")["connects"] == 1
    source.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_slow_reader_gets_all_of_it_and_costs_no_memory(rig, kind):
    source = Source(rig, kind, 20 * MIB)
    rig.simple(source)
    before = rig.memory()
    assert fetch(rig, 1, threading.Event()) == [source.sum]
    assert rig.memory() - before < 2048
    source.close()


def test_more_at_once_than_there_are_pipes(rig):
    source = Source(rig, "tcp", 2 * MIB)
    rig.simple(source)
    wrong = []

    def one():
        if fetch(rig, 2, threading.Event()) != [source.sum] * 2:
            wrong.append(1)

    threads = [threading.Thread(target=one) for _ in range(150)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
    # None was leaked on the way.
    fds = len(os.listdir(f"/proc/{rig.workers[0].pid}/fd"))
    assert fds < 150 + 40, fds
    source.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_large_body_that_breaks_off_never_looks_whole(rig, kind):
    source = Source(rig, kind, 8 * MIB, cut=3 * MIB)
    rig.simple(source)
    with rig.connect() as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        head, _, body = read_all(s).partition(b"\r\n\r\n")
    assert b"Content-Length: 8388608" in head
    assert len(body) < 8 * MIB and source.body.startswith(body)
    assert rig.ask("service")["cut"] == 1
    source.close()


def test_a_client_that_leaves_in_the_middle_leaves_nothing_to_the_next(rig):
    source = Source(rig, "tcp", 50 * MIB)
    rig.simple(source)
    for _ in range(30):
        with rig.connect() as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            s.recv(100000)
    for _ in range(100):
        if rig.ask("endpoint")["inflight"] == 0:
            break
        threading.Event().wait(0.05)
    assert rig.ask("endpoint")["inflight"] == 0
    assert fetch(rig, 2) == [source.sum] * 2
    fds = len(os.listdir(f"/proc/{rig.workers[0].pid}/fd"))
    assert fds < 60, fds
    source.close()
