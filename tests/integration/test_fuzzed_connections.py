# SPDX-License-Identifier: ISC
"""Hostile connections beside real traffic: nobody else may notice.

Four seconds in the ring, a minute with DROVER_LONG. The seed is printed;
DROVER_SEED repeats it.
"""
import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import threading
import time

import pytest

import test_worker_strict as strict
from worker_rig import BUILD, TOP, WRAP, Rig, tool

SECONDS = 60 if os.environ.get("DROVER_LONG") else 4
SEED = int(os.environ.get("DROVER_SEED", "20260117"))
SETTLE_S = 20
PIPES_KEPT = 8  # src/proxy/pipe.h
# What an allocator may keep of it. One that watches every access keeps more,
# and finds what was lost by itself when the worker exits.
SLACK_KIB = 1 << 20 if WRAP or "sanitizers" in BUILD else 4096
CORPUS = ("http_request", "http_chunk", "http_response", "http_differential")

# Shapes of request smuggling and of waste that no table above has.
SHAPES = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n"
    b"GET /token?t=stolen HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nabcde\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 50,
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    b"Content-Length: 10\r\n\r\n",
    b"POST /big HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n"
    + b"x" * 200000,
    b"GET /big?bytes=3000000 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\n\r\n\x81\x05hello",
    b"\r\n", b"", b"\0" * 1000, b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"a" * 40000,
]


class Herdling:
    """The service whose answers carry the token of their request."""

    def __init__(self, rig, i):
        path = os.path.join(rig.dir, f"h{i}.sock")
        self.name, self.address = f"web.{i}", f"unix:{path}"
        self.process = subprocess.Popen([tool("herdling"), "--unix", path])
        deadline = time.monotonic() + 10
        while not os.path.exists(path):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def stop(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    r.origins = [Herdling(r, i) for i in range(2)]
    r.simple(*r.origins)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def seeds():
    """What the mutations start from."""
    found = [row[0] for row in strict.ROWS.values()] + SHAPES
    found += [b"POST / HTTP/1.1\r\n" + strict.H + strict.TE + b"\r\n" + x
              for x in strict.CHUNKS.values()]
    for name in CORPUS:
        folder = os.path.join(TOP, "tests", "fuzz", "corpus", name)
        for file in sorted(os.listdir(folder)):
            with open(os.path.join(folder, file), "rb") as f:
                found.append(f.read()[1:])
    return found


def mutated(rnd, pool):
    data = bytearray(rnd.choice(pool))
    if rnd.random() < 0.3:
        data += rnd.choice(pool)
    for _ in range(rnd.choice((0, 0, 1, 2, 8))):
        at = rnd.randrange(len(data) + 1)
        kind = rnd.randrange(4)
        if kind == 0:
            data[at:at + rnd.randrange(8)] = b""
        elif kind == 1:
            data[at:at] = rnd.choice((b"\r\n", b"\n", b"\r", b"\0", b" ", b":",
                                      b"\r\n ", b";", b"%2e", b"0\r\n\r\n"))
        elif kind == 2 and at < len(data):
            data[at] = rnd.randrange(256)
        else:
            data[at:at] = data[at:at + rnd.randrange(64)]
    return bytes(data)


def attack(rig, rnd, pool):
    """One connection: bytes in pieces, and one of the ways to go."""
    s = rig.connect(timeout=0.2)
    try:
        data = mutated(rnd, pool)
        while data and rnd.random() < 0.97:
            n = rnd.choice((len(data), rnd.randrange(1, len(data) + 1), 1))
            s.send(data[:n])
            data = data[n:]
            if rnd.random() < 0.05:
                time.sleep(0.01)
        end = rnd.randrange(4)
        if end == 0:  # a reset
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
        elif end == 1:
            s.shutdown(socket.SHUT_WR)
            s.recv(65536)
        elif end == 2:
            s.recv(rnd.choice((1, 65536)))
    except OSError:
        pass  # it was refused, as it should be
    finally:
        s.close()


def attacker(rig, number, until, made, failures):
    rnd = random.Random(SEED * 1000 + number)
    pool = seeds()
    held = []  # slow ones: open, with a part of something
    try:
        while time.monotonic() < until:
            attack(rig, rnd, pool)
            made[number] += 1
            if len(held) < 20 or rnd.random() < 0.01:
                s = rig.connect()
                s.send(mutated(rnd, pool)[:rnd.randrange(1, 60)] or b"G")
                held.append(s)
            if len(held) > 40:
                held.pop(0).close()
    except Exception as e:  # pylint: disable=broad-except
        failures.append(repr(e))
    finally:
        for s in held:
            s.close()


def descriptors(rig):
    """All but pipes, of which a few are kept for large bodies to come."""
    fds = f"/proc/{rig.workers[0].pid}/fd"
    where = []
    for fd in os.listdir(fds):
        with contextlib.suppress(FileNotFoundError):
            where.append(os.readlink(f"{fds}/{fd}"))
    pipes = sum(w.startswith("pipe:") for w in where)
    assert pipes <= 2 * (2 + PIPES_KEPT), where  # of its own, and its output
    return len(where) - pipes


def load(rig, *args):
    return subprocess.Popen(
        [tool("load"), "--port", str(rig.port), "--path", "/real", *args],
        stdout=subprocess.PIPE, text=True)


def verdict(process):
    out, _ = process.communicate(timeout=SECONDS + 120)
    return json.loads(out)


def settled(rig, fds, memory):
    """Whether all is given back; what is pooled towards services stays."""
    worker = rig.ask("worker")
    return (worker["connections"] == 0 and
            descriptors(rig) - worker["upstreams"] <= fds and
            rig.memory() <= memory + SLACK_KIB and
            rig.ask("endpoint", 0)["inflight"] == 0 and
            rig.ask("endpoint", 1)["inflight"] == 0)


def test_fuzzed_connections_beside_real_traffic(rig):
    print(f"DROVER_SEED={SEED}")
    # What serving costs at all, before anything hostile comes.
    calm = [load(rig, "-c", "8", "-n", "2000", "--pipeline", "8"),
            load(rig, "-c", "8", "-n", "500", "--body", "3000")]
    assert all(verdict(p)["lost"] == 0 for p in calm)
    fds = descriptors(rig) - rig.ask("worker")["upstreams"]
    memory = rig.memory()
    until = time.monotonic() + SECONDS
    made, failures = [0] * 4, []
    kinds = [("-c", "4"), ("-c", "4", "--pipeline", "8"),
             ("-c", "2", "--reuse", "3"),
             ("-c", "2", "--method", "POST", "--body", "5000"),
             ("-c", "2", "--pipeline", "4", "--reuse", "6", "--method", "POST",
              "--body", "300")]
    real = [load(rig, "-d", str(SECONDS), "-r", "150", *k) for k in kinds]
    threads = [threading.Thread(target=attacker,
                                args=(rig, i, until, made, failures))
               for i in range(len(made))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for p, kind in zip(real, kinds):
        v = verdict(p)
        assert v["ok"] == v["sent"] > 50 and v["doubled"] == 0, (kind, v)
    assert failures == [] and sum(made) > 20 * SECONDS, (failures, made)
    print(f"{sum(made)} hostile connections")
    assert rig.workers[0].poll() is None  # and exits with 0, says the fixture
    deadline = time.monotonic() + SETTLE_S
    while not settled(rig, fds, memory) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert settled(rig, fds, memory), (
        rig.ask("worker"), descriptors(rig), fds, rig.memory(), memory)
