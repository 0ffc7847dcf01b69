# SPDX-License-Identifier: ISC
"""drover becomes another program: the same processes, not a request lost."""

import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from drover import BUILD, alive, all_ok, herdling, wait_for

TIMES = 10


def program_of(pid):
    return os.readlink(f"/proc/{pid}/exe")


def workers_of(status):
    return [w["pid"] for w in status["workers"] if w["state"] == "ready"]


def upgrade(d, *args, **kw):
    p = d.cli("upgrade", *args, "--wait", timeout=60, **kw)
    assert p.returncode == 0, (p, d.log()[-4000:])


def another(folder, name="drover-new"):
    """The same program in another file, as a package would bring it."""
    return shutil.copy(BUILD / "bin/drover", folder / name)


def test_ten_upgrades_under_load_lose_nothing(herd, tmp_path, figure):
    d = herd({"a": herdling(replicas=2), "b": herdling(listen="port")})
    status = d.ready()
    pids = d.pids("a"), d.pids("b")
    workers = set(workers_of(status))
    load = d.load("-c", 16, "-r", 2000, "-d", 120, "--path", "/a/")
    at = time.monotonic()
    for i in range(TIMES):
        path = another(tmp_path, f"drover-{i % 2}.new")
        os.rename(path, tmp_path / f"drover-{i % 2}")
        upgrade(d, tmp_path / f"drover-{i % 2}")
        after = d.ready()
        now = set(workers_of(after))
        assert len(now) == 2 and not now & workers
        workers = now
        for pid in (d.proc.pid, d.keeper_pid, *now):
            assert program_of(pid) == str(tmp_path / f"drover-{i % 2}")
        assert after["pid"] == d.proc.pid and after["keeper"]["pid"] == d.keeper_pid
        assert after["upgrade"] == {"phase": "none", "epoch": i + 1, "failed": ""}
    figure("an upgrade under 2,000 requests a second", f"{(time.monotonic() - at) / TIMES * 1000:.0f} ms")
    verdict = load.end()
    assert all_ok(verdict), verdict
    assert (d.pids("a"), d.pids("b")) == pids
    assert all(s["restarts"] == 0 for s in d.status()["services"])
    # It supervises what it took along, and the keeper knows whose exit it was.
    os.kill(pids[0]["a.0"], signal.SIGKILL)
    wait_for(lambda: d.pids("a").get("a.0") not in (None, pids[0]["a.0"]))
    assert d.instance("a.0")["last_exit"]["signal"] == signal.SIGKILL


def test_without_a_path_it_is_what_stands_there_now(herd, tmp_path):
    d = herd.prepare({"a": herdling()})
    path = tmp_path / "drover"
    shutil.copy(BUILD / "bin/drover", path)
    d.program = path
    d.start()
    d.ready()
    inode = os.stat(f"/proc/{d.keeper_pid}/exe").st_ino
    os.rename(another(tmp_path), path)
    upgrade(d)
    for pid in (d.proc.pid, d.keeper_pid, *workers_of(d.ready())):
        assert program_of(pid) == str(path)
        assert os.stat(f"/proc/{pid}/exe").st_ino != inode
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())


ECHO = """
import os, socket, threading
def serve(c):
    head = c.recv(65536)
    up = b"upgrade" in head.lower()
    c.sendall(b"HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: websocket\\r\\n\\r\\n" if up
              else b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n")
    while up and (got := c.recv(65536)):
        c.sendall(got)
    c.close()
s = socket.socket(socket.AF_UNIX)
s.bind(os.environ["DROVER_SOCKET"])
s.listen(64)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


def websocket(port, path):
    s = socket.create_connection(("127.0.0.1", port), timeout=20)
    s.sendall(
        f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    assert s.recv(65536).startswith(b"HTTP/1.1 101 ")
    return s


def echo(s, text):
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        piece = s.recv(65536)
        assert piece, "the tunnel has ended"
        got += piece
    return got == text


def test_websockets_stay_where_they_are(herd, tmp_path):
    d = herd({"a": {"command": [sys.executable, "-c", ECHO], "readiness": {"path": "/"}, "stop": {"timeout": "1s"}}})
    old = set(workers_of(d.ready()))
    tunnels = [websocket(d.port, "/a/upgrade") for _ in range(8)]
    upgrade(d, another(tmp_path))
    new = set(workers_of(d.ready()))
    assert not new & old
    assert all(echo(s, b"after") for s in tunnels)
    # The next control knows that they are on their way out.
    d.kill_control()
    d.start()
    wait_for(lambda: set(workers_of(d.status())) == new)
    assert all(echo(s, b"after a takeover") for s in tunnels)
    for s in tunnels:
        s.close()
    wait_for(lambda: not any(alive(pid) for pid in old))
    assert set(workers_of(d.status())) == new
    wait_for(lambda: len(d.status()["workers"]) == 2)


@pytest.mark.parametrize("path, why", (
    ("/bin/true", "cannot read"), ("/bin/false", "cannot read"), ("/etc", "Permission denied"),
    ("/etc/passwd", "Permission denied"), ("/no/such", "No such file")))
def test_what_cannot_take_over_is_refused_and_all_goes_on(herd, path, why):
    d = herd({"a": herdling()})
    before = d.ready()
    pids = [before["pid"], before["keeper"]["pid"], *(w["pid"] for w in before["workers"])]
    p = d.cli("upgrade", path, "--wait")
    assert p.returncode == 1 and why in p.stderr
    a = d.api("POST", "/v1/upgrade", {"path": path})
    assert a.status == 422 and why in a.json()["detail"]
    after = d.status()
    assert [after["pid"], after["keeper"]["pid"], *(w["pid"] for w in after["workers"])] == pids
    assert after["upgrade"]["phase"] == "none" and after["upgrade"]["epoch"] == 0
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())


def test_control_killed_at_any_moment_of_it_goes_on_with_it(herd, tmp_path):
    d = herd({"a": herdling(replicas=2)})
    d.ready()
    pids = d.pids("a")
    load = d.load("-c", 8, "-r", 1000, "-d", 120, "--path", "/a/")
    for i in range(8):
        path = another(tmp_path, f"drover-{i}")
        assert d.cli("upgrade", path).returncode == 0
        time.sleep(i * 0.05)
        d.kill_control()
        d.program = path
        d.start()
        done = wait_for(lambda: (s := d.status())["upgrade"]["phase"] == "none" and s, 30)
        assert done["upgrade"] == {"phase": "none", "epoch": i + 1, "failed": ""}
        d.ready()
        for pid in (d.keeper_pid, *workers_of(d.status())):
            assert program_of(pid) == str(path)
    verdict = load.end()
    assert all_ok(verdict), verdict
    assert d.pids("a") == pids


def test_the_old_program_started_in_the_middle_becomes_the_new_one(herd, tmp_path):
    d = herd({"a": herdling(replicas=2)})
    d.ready()
    load = d.load("-c", 8, "-r", 1000, "-d", 60, "--path", "/a/")
    path = another(tmp_path)
    assert d.cli("upgrade", path).returncode == 0
    d.kill_control()
    d.start()  # where it came from
    wait_for(lambda: d.status()["upgrade"] == {"phase": "none", "epoch": 1, "failed": ""}, 30)
    d.ready()
    for pid in (d.proc.pid, d.keeper_pid, *workers_of(d.status())):
        assert program_of(pid) == str(path)
    verdict = load.end()
    assert all_ok(verdict), verdict


def test_a_program_that_went_meanwhile_is_given_up(herd, tmp_path):
    d = herd({"a": herdling()})
    pids = {w["pid"] for w in d.ready()["workers"]}
    path = another(tmp_path)
    assert d.cli("upgrade", path).returncode == 0
    d.kill_control()
    os.unlink(path)
    d.start()
    wait_for(lambda: str(path) in d.status()["upgrade"]["failed"], 30)
    assert d.status()["upgrade"]["phase"] == "none"
    assert "given up" in d.cli("status").stdout
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())
    assert program_of(d.keeper_pid) == str(BUILD / "bin/drover")
    assert pids


def test_one_at_a_time_and_only_for_admins(herd, tmp_path):
    d = herd({"a": herdling()})
    d.ready()
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 30\n", encoding="utf-8")
    slow.chmod(0o755)
    answers = []
    t = threading.Thread(target=lambda: answers.append(d.api("POST", "/v1/upgrade", {"path": str(slow)}, timeout=20)))
    t.start()
    wait_for(lambda: d.status()["upgrade"]["phase"] == "trial")
    a = d.api("POST", "/v1/upgrade", {"path": str(slow)})
    assert a.status == 409 and "under way" in a.json()["detail"]
    t.join()
    assert answers[0].status == 422 and "too long" in answers[0].json()["detail"]
    a = d.api("POST", "/v1/upgrade", {"path": "bin/drover"})
    assert a.status == 400
    a = d.api("POST", "/v1/upgrade", {"path": 7})
    assert a.status == 400 and "path" in json.dumps(a.json())


def test_who_hangs_up_on_a_trial_hurts_nobody(herd, tmp_path):
    d = herd({"a": herdling()})
    d.ready()
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 30\n", encoding="utf-8")
    slow.chmod(0o755)
    with pytest.raises(TimeoutError):
        d.api("POST", "/v1/upgrade", {"path": str(slow)}, timeout=0.5)
    wait_for(lambda: d.status()["upgrade"]["phase"] == "none")
    upgrade(d, another(tmp_path))


def test_lines_of_the_log_go_on(herd, tmp_path):
    d = herd({"a": herdling()})
    d.ready()
    for i in range(3):
        assert d.get(f"/a/say?line-{i}").status == 200
        upgrade(d, another(tmp_path, f"drover-{i}"))
    wait_for(lambda: d.cli("logs", "a").stdout.count("line-") == 3)
    with open(Path(d.top["directories"]["logs"]) / "a.log", encoding="utf-8") as f:
        assert f.read().count("line-") == 3


def test_while_all_places_drain_the_next_upgrade_waits_for_one(herd, tmp_path):
    d = herd({"a": {"command": [sys.executable, "-c", ECHO], "readiness": {"path": "/"}, "stop": {"timeout": "1s"}}},
             workers=1)
    d.ready()
    tunnels = []
    for i in range(8):
        tunnels.append(websocket(d.port, "/a/upgrade"))
        upgrade(d, another(tmp_path, f"drover-{i}"))
    tunnels.append(websocket(d.port, "/a/upgrade"))
    assert d.cli("upgrade", another(tmp_path, "drover-8")).returncode == 0
    wait_for(lambda: d.status()["upgrade"] == {"phase": "workers", "epoch": 9, "failed": ""})
    assert all(echo(s, b"still here") for s in tunnels)
    tunnels.pop(0).close()
    wait_for(lambda: d.status()["upgrade"]["phase"] == "none")
    assert all(echo(s, b"still here") for s in tunnels)
    for s in tunnels:
        s.close()
    wait_for(lambda: len(d.status()["workers"]) == 1)
