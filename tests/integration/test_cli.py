# SPDX-License-Identifier: ISC
"""What an operator types, against a herd that runs; the plain commands are in test_commands.py."""

import contextlib
import fcntl
import grp
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import pytest

from drover import BUILD, SLOW, UnixConnection, ask, herdling, memory_kib, wait_for

DROVER = str(BUILD / "bin/drover")


def test_status_of_one_service_says_why(herd):
    d = herd({"bad": herdling("--say", "no luck today", "--crash", 3), "good": herdling()})
    d.ready("good")
    wait_for(lambda: d.instance("bad.0")["restarts"] >= 3 and d.service("bad")["state"] == "backoff")
    p = d.cli("status", "bad")
    assert p.returncode == 3
    assert "bad: " in p.stdout and "0 of 1 ready" in p.stdout
    assert "exit 3 at 20" in p.stdout
    assert "bad.0 | no luck today" in p.stdout
    instance = next(x for x in p.stdout.splitlines() if x.startswith("bad.0 "))
    assert "(" in instance and "s)" in instance  # when it is tried again


def test_a_restart_skips_the_wait_after_crashes(herd):
    d = herd({"bad": herdling("--crash", 3, restart={"base": "20s", "first": "10s", "max": "60s"})})
    wait_for(lambda: (d.instance("bad.0")["next_try_s"] or 0) > 5)
    before = d.instance("bad.0")["restarts"]
    assert d.cli("restart", "bad").returncode == 0
    wait_for(lambda: d.instance("bad.0")["restarts"] > before or d.instance("bad.0")["pid"], 3)


def test_an_instance_is_stopped_and_started(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    assert d.cli("stop", "--wait", "a.1").returncode == 0
    assert d.instance("a.1")["state"] == "stopped" and d.instance("a.1")["pid"] is None
    assert d.cli("status", "a").returncode == 3
    old = d.pids("a")
    assert d.cli("start", "--wait", "a.1").returncode == 0
    d.ready("a")
    assert d.cli("start", "--wait", "a.0").stdout == "a.0: ready\n"
    assert d.pids("a")["a.0"] == old["a.0"]


def test_plan_and_reload(herd):
    d = herd({"a": herdling(), "b": herdling()})
    d.ready("a", "b")
    assert d.cli("plan").returncode == 0
    pids = d.pids("b")
    d.write("a", herdling(replicas=2))
    d.write("b", herdling("--say", "anew"))
    d.write("c", herdling())
    p = d.cli("plan")
    assert p.returncode == 10, p
    assert "+ c added" in p.stdout and "~ a changed  replicas" in p.stdout and "! b restarted" in p.stdout
    generation = d.api("GET", "/v1/config").headers["ETag"].strip('"')
    p = d.cli("reload", "--generation", str(int(generation) + 1))
    assert p.returncode == 4, p
    p = d.cli("reload", "--wait", "--generation", generation)
    assert p.returncode == 0, p
    assert {s["name"]: s["ready"] for s in d.status()["services"]} == {"a": 2, "b": 1, "c": 1}
    assert d.pids("b")["b.0"] != pids["b.0"]
    d.write("c", herdling(replicas="many"))
    p = d.cli("reload")
    assert p.returncode == 1 and "c.yaml:" in p.stderr and "replicas" in p.stderr, p
    p = d.cli("plan", "--json")
    assert p.returncode == 1 and json.loads(p.stderr)["status"] == 422
    d.ready("a", "b", "c")


def test_a_wait_that_is_not_met_is_exit_3(herd):
    d = herd({"a": herdling("--never-ready", 1)})
    p = d.cli("restart", "a", "--wait", "--timeout", "1s")
    assert p.returncode == 3 and "not done after 1000 ms: a is " in p.stderr, p
    p = d.cli("stop", "a", "--wait")
    assert p.returncode == 0 and p.stdout == "a: stopped, 0 of 0 ready\n", p


def test_after_the_end_it_is_exit_5(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    p = d.cli("shutdown", "--wait")
    assert p.returncode == 0 and p.stdout == "the herd has ended\n", p
    p = d.cli("status")
    assert p.returncode == 5 and "drover run" in p.stderr
    assert d.proc.wait(10) == 0


def test_a_control_that_is_killed_and_comes_back_is_waited_for(herd):
    d = herd({"a": herdling("--ready-after", 1500)})
    p = subprocess.Popen([DROVER, "--socket", str(d.socket), "scale", "a=2", "--wait"], stdin=subprocess.DEVNULL)
    wait_for(lambda: len(d.pids("a")) == 2)
    d.kill_control()
    d.start()
    assert p.wait(30) == 0


# --- the terminal


def on_a_terminal(*args, rows=24, columns=120):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.environ.pop("NO_COLOR", None)
        os.execv(DROVER, [DROVER, *args])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return pid, fd


def read_until(fd, what, timeout=10):
    got = b""
    end = time.monotonic() + timeout * SLOW
    while what not in got and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                got += os.read(fd, 65536)
            except OSError:
                break
    assert what in got, got
    return got


def test_top_draws_again_until_q(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    pid, fd = on_a_terminal("--socket", str(d.socket), "top")
    try:
        first = read_until(fd, b"a         1/1")
        assert b"\033[2J" in first and b"\033[32mready" in first
        d.cli("scale", "--wait", "a=2")
        read_until(fd, b"a         2/2")
        os.write(fd, b"q")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.close(fd)


def test_top_without_a_terminal_prints_once(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    p = d.cli("top")
    assert p.returncode == 0 and p.stdout.startswith("SERVICE   READY") and "\033" not in p.stdout


def test_colour_is_for_terminals_that_want_it(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    pid, fd = on_a_terminal("--socket", str(d.socket), "status")
    assert b"\033[32mready" in read_until(fd, b"1/1")
    os.waitpid(pid, 0)
    os.close(fd)
    assert "\033" not in d.cli("status").stdout


# --- who may what


def as_user(uid, gid, *args):
    return subprocess.run(
        [DROVER, *args], user=uid, group=gid, extra_groups=[], capture_output=True, text=True, timeout=30 * SLOW,
        check=False, stdin=subprocess.DEVNULL,
    )


def test_a_role_comes_from_a_group(herd, tmp_path):
    if os.geteuid() != 0:  # who cannot be somebody else is drover's own user
        d = herd({"a": herdling()})
        assert d.cli("scale", "a=2", "--wait").returncode == 0
        return
    reader, admin = grp.getgrgid(1).gr_name, grp.getgrgid(2).gr_name
    folder = tmp_path
    while folder != folder.parent:  # pytest's folders are for their owner alone
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
        folder = folder.parent
    sock = tmp_path / "admin.sock"
    d = herd.prepare({"a": herdling()}, admin={"socket": str(sock), "groups": {"admin": admin, "read": reader}})
    d.socket = sock
    d.start()
    d.ready("a")
    at = ("--socket", str(sock))
    p = as_user(4001, 4001, *at, "status")
    assert p.returncode == 1 and "role none here; this needs read" in p.stderr, p
    assert as_user(4001, 1, *at, "status").returncode == 0
    p = as_user(4001, 1, *at, "scale", "a=2")
    assert p.returncode == 1 and "role read here; this needs admin" in p.stderr, p
    assert as_user(4001, 2, *at, "scale", "a=2", "--wait").returncode == 0
    assert d.service("a")["ready"] == 2
    audit = [x for x in d.log().splitlines() if " audit " in x]
    assert any("uid=4001" in x and "/scale status=403 role=read" in x for x in audit), audit
    assert any("uid=4001" in x and "/v1/services/a/scale" in x and "status=202" in x for x in audit), audit


# --- hostile readers


@pytest.mark.measured
def test_readers_that_do_not_read_cost_little(herd, figure):
    d = herd({"a": herdling()})
    d.ready("a")
    before = memory_kib(d.proc.pid)
    stuck = []
    for _ in range(8):
        s = socket.socket(socket.AF_UNIX)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(str(d.socket))
        s.sendall(b"GET /v1/services/a/logs?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        stuck.append(s)
    stop = threading.Event()

    def talk():
        n = 0
        while not stop.is_set():
            with contextlib.suppress(OSError):
                d.get(f"/a/say?{'x' * 1000}{n}")
            n += 1

    talkers = [threading.Thread(target=talk) for _ in range(2)]
    for t in talkers:
        t.start()
    try:
        def cut():
            text = ask(UnixConnection(d.socket), "GET", "/metrics").body.decode()
            return "drover_admin_streams_cut_total 8" in text and "drover_admin_streams 0" in text

        wait_for(cut, 60)
    finally:
        stop.set()
        for t in talkers:
            t.join()
        for s in stuck:
            s.close()
    after = memory_kib(d.proc.pid)
    figure("control, 8 stuck log readers cut", f"{before} KiB before, {after} KiB after")
    assert after - before < 8 * 1024


def test_an_event_stream_resumes_where_it_was(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    text = d.api("GET", "/v1/events?follow=0").body.decode()
    ids = [int(x[4:]) for x in text.splitlines() if x.startswith("id: ")]
    assert ids and ids == sorted(ids)
    rest = d.api("GET", "/v1/events?follow=0", headers={"Last-Event-ID": str(ids[-2])}).body.decode()
    assert [int(x[4:]) for x in rest.splitlines() if x.startswith("id: ")][:1] == [ids[-1]]
