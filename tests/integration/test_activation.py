# SPDX-License-Identifier: ISC
"""The public socket comes from outside, as from a systemd socket unit."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from drover import BUILD, all_ok, herdling, wait_for

DROVER = BUILD / "bin/drover"


class Unit:
    """What systemd does with drover.socket, drover.service, drover-control.service."""

    def __init__(self, d):
        self.d = d
        self.socket = socket.create_server(("127.0.0.1", d.port), backlog=64)
        self.keeper = None
        d.launch = self.launch
        d.run_folder.mkdir()

    def start(self):
        shell = f"exec 3<&{self.socket.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec {DROVER} keeper --runtime {self.d.run_folder}"
        with open(self.d.log_path, "ab") as log:
            self.keeper = subprocess.Popen(
                ["bash", "-c", shell], pass_fds=[self.socket.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        wait_for((self.d.run_folder / "keeper.sock").exists)
        self.d.start()

    def launch(self):
        with open(self.d.log_path, "ab") as log:
            return subprocess.Popen(
                [str(DROVER), "run", "--attach", "--config", str(self.d.config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def stop(self):
        if self.d.proc is not None:
            self.d.cli("shutdown")
        elif self.keeper is not None:
            self.keeper.send_signal(signal.SIGTERM)
        for p in (self.d.proc, self.keeper):
            assert p is None or p.wait(30) == 0
        self.d.proc = self.keeper = None


@contextlib.contextmanager
def unit(d):
    u = Unit(d)
    try:
        u.start()
        yield u
    finally:
        u.stop()
        u.socket.close()


def sockets(d):
    """How many sockets listen on the public port, by the kernel's word."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        lines = [x.split() for x in f]
    return sum(x[1].endswith(f":{d.port:04X}") and x[3] == "0A" for x in lines)


def holders(d, s):
    """The workers that have this socket."""
    name = f"socket:[{os.fstat(s.fileno()).st_ino}]"
    pids = [w["pid"] for w in d.status()["workers"]]
    return {p for p in pids for x in Path(f"/proc/{p}/fd").iterdir() if os.readlink(x) == name}


def test_it_is_shared_by_all_workers_and_outlives_control_and_an_upgrade(herd):
    d = herd.prepare({"a": herdling(replicas=2)})
    with unit(d) as u:
        workers = {w["pid"] for w in d.ready()["workers"]}
        wait_for(lambda: holders(d, u.socket) == workers)
        assert sockets(d) == 1
        load = d.load("-c", 8, "-r", 200, "-d", 60, "--reuse", 1, "--path", "/a/")
        d.kill_control()
        d.start()
        d.ready()
        assert d.cli("upgrade", "--wait", timeout=60).returncode == 0
        d.ready()
        verdict = load.end()
        assert all_ok(verdict), verdict
        assert sockets(d) == 1


def test_whoever_comes_while_nobody_runs_waits(herd):
    d = herd.prepare({"a": herdling(replicas=2)})
    with unit(d) as u:
        d.ready()
        u.stop()
        with socket.create_connection(("127.0.0.1", d.port), timeout=20) as s:
            s.sendall(b"GET /a/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            time.sleep(0.1)
            u.start()
            assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
