# SPDX-License-Identifier: ISC
"""A stranger at the sockets that are drover's own, and state that is somebody else's.

Everything goes on: no request fails, nobody loses its pid, no descriptor that
a stranger passed stays open.
"""

import contextlib
import os
import pwd
import random
import shutil
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from drover import BUILD, all_ok, herdling, wait_for

SOCKETS = ("control.sock", "keeper.sock")
ROOT = os.geteuid() == 0
NOBODY = pwd.getpwnam("nobody")
BIN = pwd.getpwnam("bin")


def call(d, name):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect(str(d.run_folder / name))  # waits for its turn in the queue
    s.settimeout(10)
    return s


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def hung_up_on(s):
    """Whatever it says first, in the end it hangs up."""
    with contextlib.suppress(ConnectionResetError):
        while s.recv(1 << 18):
            pass
    return True


def say(s, data, fds=()):
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        if fds:
            socket.send_fds(s, [data], fds)
        else:
            s.send(data)


def lies(rng):
    """Messages that look like something up to the byte that is wrong."""
    for version in (0, 1, 3, 4, 5, 65535):
        for type in range(0, 30):
            yield struct.pack("<HH", version, type)
            yield struct.pack("<HHI", version, type, 0xFFFFFFFF)  # huge lengths
            yield struct.pack("<HHQI", version, type, 2 ** 64 - 1, 0x7FFFFFFF) + b"x" * 40
    for version in (0, 1, 2, 3, 0xFFFFFFFF):
        for type in (0, 1, 2, 3, 4, 16, 17, 18, 19, 20, 255):
            yield struct.pack("<III", 0x6d775244, type, version) + rng.randbytes(rng.randrange(80))
    for _ in range(100):
        yield rng.randbytes(rng.randrange(1, 4096))
    yield b"\0" * (128 << 10)


@pytest.mark.parametrize("name", SOCKETS)
def test_garbage_is_hung_up_on_and_all_goes_on(herd, name):
    d = herd({"a": herdling(replicas=2)})
    status = d.ready()
    pids, owner = d.pids("a"), d.proc.pid if name == "control.sock" else d.keeper_pid
    wait_for(lambda: all(w["state"] == "ready" for w in d.status()["workers"]))
    before = descriptors(owner)
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    with open(os.devnull, "rb") as null:
        for i, data in enumerate(lies(random.Random(seed))):
            with contextlib.closing(call(d, name)) as s:
                say(s, data, [null.fileno()] * 16 if i % 3 == 0 else ())
                if i % 2 == 0:
                    s.shutdown(socket.SHUT_WR)
                    assert hung_up_on(s)
    wait_for(lambda: descriptors(owner) == before)
    after = d.status()
    assert d.pids("a") == pids and after["keeper"]["pid"] == status["keeper"]["pid"] and d.proc.poll() is None
    assert [w["pid"] for w in after["workers"]] == [w["pid"] for w in status["workers"]]
    verdict = load.end()
    assert all_ok(verdict), verdict
    # Orders are still given and obeyed, and a worker still finds in.
    assert d.cli("restart", "a.0", "--wait").returncode == 0
    # A line a second at most, however many come.
    assert d.log().count("hung up on a stranger") < 30


@pytest.mark.parametrize("name", SOCKETS)
def test_who_says_nothing_and_stays_keeps_nobody_out(herd, name):
    d = herd({"a": herdling(replicas=2)})
    d.ready()
    owner = d.proc.pid if name == "control.sock" else d.keeper_pid
    before = descriptors(owner)
    silent = []
    try:
        for _ in range(200):
            silent.append(call(d, name))
        # Nobody of them where no worker is awaited, eight at the keeper's.
        wait_for(lambda: descriptors(owner) <= before + 8)
        # A worker that dies is replaced, and the new one is let in.
        victim = d.status()["workers"][0]["pid"]
        os.kill(victim, 9)
        wait_for(lambda: (w := d.status()["workers"]) and victim not in [x["pid"] for x in w]
                 and all(x["state"] == "ready" for x in w))
        # So is a control.
        pids = d.pids("a")
        d.kill_control()
        d.start()
        d.ready()
        assert d.pids("a") == pids
    finally:
        for s in silent:
            s.close()
    owner = d.proc.pid if name == "control.sock" else d.keeper_pid
    wait_for(lambda: abs(descriptors(owner) - before) <= 4)


@pytest.mark.parametrize("name", SOCKETS)
def test_another_user_is_hung_up_on(herd, name):
    if not ROOT:
        return  # who cannot be somebody else
    d = for_others(herd({"a": herdling()}))
    d.ready()
    script = ("import socket, sys\n"
              "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
              "try:\n s.connect(sys.argv[1])\nexcept PermissionError:\n sys.exit(7)\n"
              "s.settimeout(10)\n"
              "try:\n sys.exit(8 if s.recv(100) == b'' else 1)\nexcept ConnectionResetError:\n sys.exit(8)\n")
    p = subprocess.run(["/usr/bin/python3", "-c", script, str(d.run_folder / name)], user=NOBODY.pw_uid,
                       group=NOBODY.pw_gid, extra_groups=[], cwd="/", check=False, timeout=30)
    assert p.returncode == (8 if name == "control.sock" else 7)
    assert d.status()["pid"] == d.proc.pid


def for_others(d):
    """Its folder, and a program in it, are where somebody else can reach them."""
    d.program = Path(shutil.copy(BUILD / "bin/drover", d.folder / "drover"))
    for folder in [d.folder, *d.folder.parents]:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    if ROOT and d.proc is None:
        os.chown(d.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    return d


def start_of(d, user=None):
    """`drover run` that must refuse: its status and what it says."""
    p = subprocess.run([str(d.program), "run", "--config", str(d.config)], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=20, check=False, cwd="/",
                       **({"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}))
    return p.returncode, p.stdout + p.stderr


@pytest.mark.parametrize("key", ("runtime", "state", "cache", "logs"))
def test_a_folder_of_somebody_else_is_refused_with_its_owner(herd, key):
    if not ROOT:
        return  # who cannot give a folder away
    d = herd.prepare({"a": herdling()})
    folder = d.top["directories"][key]
    os.mkdir(folder)
    os.chown(folder, BIN.pw_uid, BIN.pw_gid)
    code, said = start_of(d)
    assert code == 1
    assert f"directories.{key}: {folder} belongs to bin, and drover runs as root" in said
    assert os.listdir(folder) == []  # nothing was touched
    os.chown(folder, 0, 0)
    d.start()
    d.ready()


@pytest.mark.parametrize("key", ("runtime", "state", "cache", "logs"))
def test_who_may_not_write_is_told_where(herd, key):
    d = for_others(herd.prepare({"a": herdling()}))
    d.write_top(directories={**d.top["directories"], key: "/usr/lib"})
    code, said = start_of(d, NOBODY if ROOT else None)
    who = "nobody" if ROOT else pwd.getpwuid(os.geteuid()).pw_name
    assert code == 1
    assert f"directories.{key}: /usr/lib belongs to root, and drover runs as {who}, which may not write there" in said


def test_somebody_else_in_the_folder_of_a_herd_that_runs(herd):
    if not ROOT:
        return  # who cannot be somebody else
    d = for_others(herd({"a": herdling(replicas=2)}))
    d.ready()
    pids = d.pids("a")
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    code, said = start_of(d, NOBODY)
    assert code == 1 and f"{d.run_folder} belongs to root" in said
    verdict = load.end()
    assert all_ok(verdict), verdict
    assert d.pids("a") == pids
