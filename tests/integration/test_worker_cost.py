# SPDX-License-Identifier: ISC
"""What a request costs a worker, in instructions and system calls: what does not depend on the machine's mood."""
import os
import socket
import subprocess

import pytest

from test_worker_records import sum_of
from worker_rig import Rig, read_until, tool

REQUESTS = 500
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path, workers=0)
    r.fast = os.path.join(r.dir, "fast.sock")
    origin = subprocess.Popen([tool("origin"), "unix:" + r.fast])
    try:
        while not os.path.exists(r.fast):
            assert origin.poll() is None
        yield r
    finally:
        r.close()
        origin.kill()
        origin.wait()


def ask(s, n):
    for _ in range(n):
        s.sendall(ASK)
        read_until(s, b"\r\n\r\n")


def instructions(rig, index, endpoints, options="", warm=200):
    """Of one small request, on connections that are there already."""
    out = os.path.join(rig.dir, f"callgrind{index}")
    rig.publish(
        f"service web 0 {options}\n" +
        "".join(f"endpoint web.{i} {i} unix:{rig.fast}\n" for i in range(endpoints)) + "route web /\n", wait=False)
    w = subprocess.Popen(
        ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", tool("worker"),
         rig.socket, str(index)], stderr=subprocess.DEVNULL)
    rig.workers[index] = w
    rig.wait(f"hello {index}", 60)
    rig.wait(f"ack {index}", 60)
    with socket.create_connection(("127.0.0.1", rig.port), timeout=30) as s:
        ask(s, warm)
        subprocess.run(["callgrind_control", "-i", "on", str(w.pid)], stdout=subprocess.DEVNULL, check=True)
        ask(s, REQUESTS)
        subprocess.run(["callgrind_control", "-d", str(w.pid)], stdout=subprocess.DEVNULL, check=True)
    w.terminate()
    w.wait(20)
    return sum_of(out + ".1")[0] / REQUESTS


@pytest.mark.measured
def test_a_thousand_endpoints_cost_what_two_do(rig, figure):
    two = instructions(rig, 1, 2)
    # Until nearly each has a connection: what is measured is the choice.
    many = instructions(rig, 2, 1000, warm=7000)
    figure("instructions of a small request", f"{two:.0f} with 2 endpoints, {many:.0f} with 1,000")
    assert many < 1.05 * two
