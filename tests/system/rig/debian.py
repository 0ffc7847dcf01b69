# SPDX-License-Identifier: ISC
"""What the system tests share: a bare Debian, and what is said of it.

A minimal system is made with debootstrap at most once a month, and kept as a
tar file in the cache folder, with the packages that apt fetched.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drover-tests"
SUITE = "bookworm"
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/tmp", "LC_ALL": "C"}


class Verdicts:
    """PASS: or FAIL: for each thing looked at; the exit status at the end."""

    def __init__(self, program):
        self.program, self.failed = program, False

    def say(self, good, what, why=""):
        self.failed |= not good
        print(f"{'PASS' if good else 'FAIL'}: {self.program}: {what}" + (f"\n{why}" if why and not good else ""), flush=True)


def sh(*args, **kw):
    return subprocess.run(
        [str(a) for a in args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=True, timeout=900, **kw,
    ).stdout


def in_own_mounts(program):
    """Again in a mount namespace, which ends with it; returns only inside it."""
    if "--inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, program, "--inside", *sys.argv[1:]])


def mirror():
    """Where the host gets the suite from; nothing: debootstrap's own default."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    ).stdout
    return [x.split()[0] for x in targets.splitlines() if x.split()[1:] == [SUITE]][:1]


def kept(name, make):
    """The tar file of a system that make(root) fills, made at most once a month."""
    CACHE.mkdir(parents=True, exist_ok=True)
    tar = CACHE / f"{name}-{time.strftime('%Y-%m')}.tar"
    if not tar.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as folder:
            make(Path(folder) / "root")
            sh("tar", "-C", f"{folder}/root", "--exclude=./var/cache/apt/archives/*.deb", "-cf", f"{folder}/tar", ".")
            os.rename(f"{folder}/tar", tar)
        for old in CACHE.glob(f"{name}-????-??.tar"):
            if old != tar:
                old.unlink()
    return tar


def system():
    return kept(SUITE, lambda root: sh("debootstrap", "--variant=minbase", SUITE, root, *mirror()))


def connect(root):
    """The host's network names and package sources; apt keeps what it fetches."""
    for name in ("etc/resolv.conf", "etc/hosts", "etc/apt/apt.conf", "etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources"):
        with contextlib.suppress(FileNotFoundError):
            (root / name).unlink(missing_ok=True)
            shutil.copy(f"/{name}", root / name)
    sh("mount", "-t", "proc", "proc", root / "proc")
    for name in ("dev", "sys"):
        sh("mount", "--rbind", f"/{name}", root / name)
    archives = CACHE / "archives"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    sh("mount", "--bind", archives, root / "var/cache/apt/archives")


def mounts_below(root):
    return [x.split()[1] for x in Path("/proc/self/mounts").read_text().splitlines() if str(root) in x]


def disconnect(root):
    for path in sorted(mounts_below(root), reverse=True):
        subprocess.run(["umount", "--lazy", path], check=False)


def webp_width(data):
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    if data[12:16] == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1
    return (int.from_bytes(data[21:25], "little") & 0x3FFF) + 1
