# SPDX-License-Identifier: ISC
"""What a process has used, and what it does: read from outside."""

import functools
import re
import subprocess
from pathlib import Path

import peers

CALLS = "raw_syscalls:sys_enter"


def cpu_ns(pids):
    """On a processor, of all threads, user and system, as the scheduler counts."""
    total = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def memory(pids):
    """Bytes of its own in memory: what no file stands behind, and its part of
    what it shares with others. Code is not in it."""
    text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids)
    return 1024 * sum(int(x) for x in re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB", text, re.M))


def descriptors(pids):
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


# --- system calls: counted by the kernel's tracepoint, which costs little; by
# strace where that is not allowed


@functools.cache
def counter():
    try:
        p = subprocess.run(["perf", "stat", "-x,", "-e", CALLS, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "strace"
    return "perf" if re.search(rf"^\d+,.*{CALLS}", p.stderr, re.M) else "strace"


def calls_during(pids, command, file):
    """How many of them a command saw, and what it said."""
    return {"perf": calls_by_perf, "strace": calls_by_strace}[counter()](pids, command, file)


def calls_by_perf(pids, command, file):
    out = subprocess.run(
        peers.pinned(["perf", "stat", "-x,", "-o", file, "-e", CALLS, "-p", ",".join(map(str, pids)), "--", *command]),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=120).stdout
    return sum(int(n) for n in re.findall(rf"^(\d+),.*{CALLS}", file.read_text(), re.M)), out


def calls_by_strace(pids, command, file):
    which = [x for pid in pids for x in ("-p", pid)]
    tracer = peers.spawn("strace", "-f", "-c", "-o", file, *which, stderr=subprocess.PIPE, text=True)
    try:
        if "attached" not in (line := tracer.stderr.readline()):
            raise RuntimeError(f"strace: {line}")
        out = subprocess.run(
            peers.pinned(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
            timeout=120).stdout
    finally:
        peers.end(tracer)
    rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$", file.read_text(), re.M)
    return sum(int(n) for n, name in rows if name != "total"), out
