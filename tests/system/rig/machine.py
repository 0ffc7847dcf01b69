# SPDX-License-Identifier: ISC
"""A Debian that runs its own systemd, in a container that ends with the test.

systemd-nspawn boots it in namespaces of its own (mounts, processes, network)
and, since no service manager of the host is asked for anything, in a cgroup
that is made here. Commands run inside by nsenter. When the test is killed, a
guard ends the container: it waits for the end of a pipe that only the test
holds, kills whoever is in that cgroup, and removes what is on disk.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from debian import CACHE, ENV, ROOT, connect, disconnect, kept, sh, system

PREFIX = "drover-units-"
NEEDS = ["systemd-sysv", "redis-server"]  # beside what the packages depend on
PLACES = ("/run/systemd/nspawn/propagate", "/run/systemd/nspawn/unix-export")


def wait_for(what, seconds=20.0, every=0.05):
    """The first true answer of what()."""
    end = time.monotonic() + seconds
    while True:
        answer = what()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(every)


def dependencies(packages):
    """The names in Depends of these .deb files, but their own."""
    names, own = set(NEEDS), set()
    for package in packages:
        own.add(sh("dpkg-deb", "-f", package, "Package").strip())
        names |= {x.split("|")[0].split("(")[0].strip() for x in sh("dpkg-deb", "-f", package, "Depends").split(",")}
    return sorted(names - own)


def with_packages(names):
    """The tar file of a system that has these, and a systemd to boot."""

    def make(root):
        root.mkdir()
        sh("tar", "-C", root, "-xf", system())
        policy = root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        connect(root)
        try:
            env = {**ENV, "DEBIAN_FRONTEND": "noninteractive"}
            sh("chroot", root, "apt-get", "-q", "update", env=env)
            sh("chroot", root, "apt-get", "-q", "-y", "install", "--no-install-recommends", *names, env=env)
            # Only the programs of these: nothing of theirs is to run.
            sh("chroot", root, "systemctl", "mask", "redis-server.service", "apt-daily.timer", "apt-daily-upgrade.timer", env=env)
        finally:
            disconnect(root)
            policy.unlink()

    for old in CACHE.glob("units-*.tar"):
        if time.time() - old.stat().st_mtime > 40 * 86400:
            old.unlink()
    return kept("units-" + hashlib.sha256(" ".join(names).encode()).hexdigest()[:8], make)


def members(folders):
    return {int(p) for f in folders for g in f.rglob("cgroup.procs") for p in g.read_text().split()}


def clear(folders):
    """End who is in these cgroups, then the cgroups."""
    for _ in range(200):
        for pid in members(folders):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not members(folders):
            break
        time.sleep(0.05)
    for folder in folders:
        for path in sorted((p for p in [folder, *folder.rglob("*")] if p.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()


def guard(folder, cgroups):
    """Until the test ends; it says so if there is nothing to do."""
    if sys.stdin.read() == "":
        clear(cgroups)
        shutil.rmtree(folder, ignore_errors=True)


class Cgroups:
    """One of our own in each hierarchy that systemd uses, so that all can be removed."""

    def __init__(self, name):
        self.folders = []
        mounts = [x.split() for x in Path("/proc/self/mountinfo").read_text().splitlines()]
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for m in mounts:
                kind = m[m.index("-") + 1]
                if (kind == "cgroup2") if not controllers else (controllers == "name=systemd" and controllers in m[-1]):
                    folder = Path(m[4] + path.rstrip("/")) / name
                    folder.mkdir()
                    self.folders.append(folder)
                    break

    def enter(self):
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def processes(self):
        return members(self.folders)


class Load:
    """tests/tools/load from inside: every response is verified."""

    def __init__(self, machine, *args):
        self.proc = subprocess.Popen(
            [*machine.door("--net"), str(ROOT / "build/tests/tools/load"), "--port", "8080", *map(str, args)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        )

    def end(self):
        self.proc.send_signal(signal.SIGTERM)
        return json.loads(self.proc.communicate(timeout=60)[0])


class Machine:
    def __init__(self, packages):
        self.name = f"{PREFIX}{os.getpid()}"
        self.nspawn = self.leader = self.cgroups = self.guard = None
        self.folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix=f"{self.name}-"))
        self.root = self.folder / "root"
        self.log = self.folder / "console"
        self.root.mkdir()
        sh("tar", "-C", self.root, "-xf", with_packages(dependencies(packages)))

    # --- its life

    def boot(self):
        self.cgroups = Cgroups(self.name)
        self.guard = subprocess.Popen(
            [sys.executable, __file__, str(self.folder), *map(str, self.cgroups.folders)],
            stdin=subprocess.PIPE, text=True, start_new_session=True,
        )
        with open(self.log, "wb") as log:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--private-network",
                 "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe",
                 f"--machine={self.name}", f"--directory={self.root}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.cgroups.enter, start_new_session=True,
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
        self.leader = wait_for(self._init)
        try:
            wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() == "running", 60)
        except AssertionError:
            raise AssertionError(self.run("systemctl", "--no-pager", "--failed", check=False).stdout + self.log.read_text(errors="replace")) from None

    def _init(self):
        """The process that is number 1 in there, once it is systemd."""
        for pid in self.cgroups.processes():
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                numbers = next(x for x in status.splitlines() if x.startswith("NSpid:")).split()[1:]
                if len(numbers) > 1 and numbers[-1] == "1" and os.readlink(f"/proc/{pid}/exe").endswith("/systemd"):
                    return pid
        return None

    def end(self):
        """What is left afterwards: nothing."""
        left = []
        if self.leader:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
        if self.nspawn:
            try:
                self.nspawn.wait(20)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
                left.append("nspawn did not end by itself")
        if self.cgroups:
            for _ in range(100):
                if not self.cgroups.processes():
                    break
                time.sleep(0.05)
            left += [f"process {p}" for p in self.cgroups.processes()]
            clear(self.cgroups.folders)
            left += [f"cgroup {f}" for f in self.cgroups.folders if f.exists()]
        for place in PLACES:
            with contextlib.suppress(OSError):
                Path(place, self.name).rmdir()
        left += [f"mount {m.split()[4]}" for m in Path("/proc/1/mountinfo").read_text().splitlines() if self.name in m]
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            left.append(f"folder {self.folder}")
        if self.guard:
            self.guard.communicate("ended")
        return left

    # --- inside

    def door(self, *namespaces):
        return ["nsenter", f"--target={self.leader}", *(namespaces or ["--all"]), "--"]

    def run(self, *command, check=True, timeout=120, **kw):
        p = subprocess.run(
            [*self.door(), *map(str, command)], stdin=kw.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False, env=ENV, **kw,
        )
        if check and p.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, command))}: exit {p.returncode}\n{p.stdout}")
        return p

    def out(self, *command, **kw):
        return self.run(*command, **kw).stdout.strip()

    def path(self, path):
        return self.root / str(path).lstrip("/")

    def show(self, unit, *names):
        """Properties of a unit."""
        lines = self.out("systemctl", "show", unit, *(f"--property={n}" for n in names)).splitlines()
        return dict(x.split("=", 1) for x in lines)

    def main_pid(self, unit):
        return int(self.show(unit, "MainPID")["MainPID"])

    def status(self):
        return json.loads(self.out("drover", "status", "--json", check=False))

    def status_or_none(self):
        with contextlib.suppress(ValueError):
            return self.status()
        return None

    def processes(self):
        """Pid -> program of what drover is or has started."""
        script = """for p in /proc/[0-9]*; do
            e=$(readlink $p/exe) || continue
            case $e in */drover*) ;; *) grep -qsa DROVER_CHILD= $p/environ || continue ;; esac
            echo "${p#/proc/} $e"
        done"""
        return {int(x.split()[0]): x.split()[1] for x in self.run("sh", "-c", script, check=False).stdout.splitlines()}

    def curl(self, *args):
        """The host's curl on the machine's network: body and status."""
        p = subprocess.run(
            [*self.door("--net"), "curl", "-sS", "--max-time", "20", "-w", "%{stderr}%{http_code}", *map(str, args)],
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )
        return p.stdout, p.stderr.decode()

    def load(self, *args):
        return Load(self, *args)


if __name__ == "__main__":
    guard(Path(sys.argv[1]), [Path(x) for x in sys.argv[2:]])
