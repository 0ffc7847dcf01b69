# SPDX-License-Identifier: ISC
"""Instructions of a worker, those of the process alone, counted by callgrind between two points."""
import os
import re
import subprocess

from worker_rig import read_until, tool

REQUESTS = 500
ASK = b"GET / HTTP/1.1\r\nHost: a\r\nX-Room: lobby\r\n\r\n"


class Counted:
    """A worker whose instructions are counted between begin() and end()."""

    def __init__(self, rig, index):
        self.rig, self.index = rig, index
        self.out = os.path.join(rig.dir, f"callgrind{index}")
        self.process = subprocess.Popen(
            ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={self.out}",
             tool("worker"), rig.socket, str(index)], stderr=subprocess.DEVNULL)
        rig.workers[index] = self.process
        rig.wait(f"hello {index}", 60)
        rig.wait(f"ack {index}", 60)

    def tell(self, *args):
        subprocess.run(
            ["callgrind_control", *args, str(self.process.pid)], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=True)

    def begin(self):
        self.tell("-i", "on")

    def end(self):
        self.tell("-d")
        self.process.terminate()
        self.process.wait(20)
        del self.rig.workers[self.index]
        with open(self.out + ".1", encoding="utf-8") as f:
            return int(re.search(r"^summary: (\d+)", f.read(), re.M).group(1))


def publish(rig, address, endpoints, options=""):
    """One service, which knows its one program by so many names."""
    rig.publish(
        f"service web 0 {options}\n" +
        "".join(f"endpoint web.{i} {i} {address}\n" for i in range(endpoints)) + "route web /\n", wait=False)


def ask(s, n):
    for _ in range(n):
        s.sendall(ASK)
        assert read_until(s, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def of_a_request(rig, index, address, endpoints, options="", warm=200):
    """Of one small request, on connections that are there already."""
    publish(rig, address, endpoints, options)
    worker = Counted(rig, index)
    with rig.connect(timeout=30) as s:
        ask(s, warm)
        worker.begin()
        ask(s, REQUESTS)
        return worker.end() / REQUESTS


# Of many endpoints: until nearly each has a connection, so that what is
# measured is the choice.
MANY, MANY_WARM = 1000, 7000
