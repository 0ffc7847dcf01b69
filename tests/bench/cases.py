# SPDX-License-Identifier: ISC
"""What is measured, of whom, and how: a row for each case, a function for each way.

A way takes the bench, the case, the name of the program and for how many
seconds; it gives the numbers that the case's columns name. The first of them is
the one that ratios are taken of.
"""

import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

import instructions
import loads
import peers
import probes
import worker_rig

IDLE = 10000  # connections, where descriptors allow as many
RESERVED = 500  # of them, for all else; drover keeps as many for upstreams as for clients
WORKED = 20000  # requests until all is filled that has one size whoever comes
WORKED_SECONDS = 60  # at most
KEPT_UP = 0.95  # of an open loop's rate
SETTLED = 1.0  # seconds until buffers of what has become idle are given back

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://www.example.org/some/page?with=a&query=string",
    "Cookie: session=5f2b8c1e9a7d4036; theme=dark; consent=1; _ga=GA1.2.1283718231.1700000000",
    "DNT: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i",
)


def path_of(case):
    return ("/unix" if case.door in ("unix", "default") else "/tcp") + case.path


def priced(peer, run):
    """What run() says, with the processor time of the proxy for each request,
    and how much of a core it had meanwhile."""
    pids = peer.pids()
    before = probes.cpu_ns(pids)
    said = run()
    time.sleep(peer.settle)
    cpu_us = (probes.cpu_ns(pids) - before) / 1000 / said["requests"]
    return said | {"cpu_us": cpu_us, "busy": cpu_us * said["rps"] / 1e6}


def saturated(bench, case, who, seconds):
    """As many requests as it can take; each connection asks when it has its answer."""
    peer = bench.peer(who)
    return priced(peer, lambda: loads.RUN[case.load](case, peer, path_of(case), seconds))


def logged(bench, case, who, seconds):
    """And each has its line in the log, which is part of the price."""
    peer = bench.peer(who)
    before = peer.lines()

    def run():
        said = loads.RUN[case.load](case, peer, path_of(case), seconds)
        peers.wait_until(lambda: peer.lines() - before >= said["requests"], "the log lacks lines", every=0.1)
        return said

    return priced(peer, run)


def half(bench, case, who, seconds):
    """Requests that are due at fixed times, half as many as fill haproxy's core."""
    peer, rate = bench.peer(who), bench.half_rate()
    said = priced(peer, lambda: loads.run_blast(case, peer, path_of(case), seconds, rate=rate))
    if said["rps"] < KEPT_UP * rate:
        bench.note(f"{case.name}: {who} or the load did not keep up with what was due, in some rounds")
    return said


def workers(bench, case, who, seconds):
    """Each has a core and as many connections; the load and the service have
    the others, or where there are none, share those two in either case."""
    peer = bench.peer(who)
    cores = peers.CORES[2:] or peers.CORES
    bench.origins.pin(cores)
    try:
        return priced(peer, lambda: loads.run_blast(
            case, peer, path_of(case), seconds, cores=cores, conns=case.conns * peer.workers))
    finally:
        bench.origins.pin(peers.OTHER_CORES)


def calls(bench, case, who, seconds):
    """Few connections arrive in that time, and what they cost is counted, too."""
    peer = bench.peer(who)
    command = [str(x) for x in loads.blast_command(case, peer.where[case.door], path_of(case), seconds)]

    def run():
        n, said = probes.calls_during(peer.pids(), command, bench.folder / "calls")
        return loads.blast_said(said) | {"n": n}

    got = priced(peer, run)
    return got | {"calls": got["n"] / got["requests"]}


def most_idle():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(IDLE, hard // 2 - RESERVED)


def idle(bench, case, who, _seconds):
    """Of a new one that has worked already: what it grows by when so many
    connections have come, asked once each, and stay."""
    peer, n = bench.fresh(who), most_idle()
    try:
        loads.run_blast(case, peer, path_of(case), WORKED_SECONDS, count=WORKED)
        time.sleep(SETTLED)
        pids = peer.pids()
        before = probes.memory(pids)
        holder = peers.blast(
            *peer.where[case.door], "--path", path_of(case), "--idle", 1, "-c", n, stdin=subprocess.PIPE)
        try:
            said = holder.stdout.readline().strip()
            time.sleep(SETTLED)
            grown, have = probes.memory(pids) - before, probes.descriptors(pids)
        finally:
            holder.communicate()
        if said != f"ready {n}" or holder.returncode or have < n:
            raise RuntimeError(f"{said or 'no answer'}, {have} descriptors for {n} connections")
    finally:
        peer.stop()
    return {"bytes": grown / n, "base": before, "conns": n}


def endpoints(bench, _case, who, _seconds):
    """Below valgrind, so the seconds do not matter."""
    n = int(who.split("-")[0])
    rig = worker_rig.Rig(bench.new_folder(), workers=0)
    try:
        return {"instructions": instructions.of_a_request(
            rig, 1, f"unix:{bench.origins.path}", n, warm=instructions.MANY_WARM if n > 2 else 200)}
    finally:
        rig.close()


@dataclass
class Case:
    name: str
    what: str
    door: str = "tcp"
    load: str = "wrk"  # or blast, or h2load
    path: str = "/100"
    args: tuple = ()
    conns: int = 64
    way: Callable = saturated
    columns: tuple = ("cpu_us", "rps", "p50_us", "p99_us", "busy")
    peers: tuple = ("drover", "haproxy", "nginx", "caddy")
    mine: str = "drover"
    target: float | None = None  # of mine over the better of `against`
    against: tuple = ("haproxy", "nginx")
    ceiling: float | None = None  # of mine
    rounds: int | None = None  # at most; what does not vary needs few


LARGE = ("drover", "haproxy", "nginx", "haproxy-64k", "nginx-64k", "caddy")
LOGGED = ("drover-log", "drover-json", "haproxy", "nginx", "caddy")
WHOLE = ("drover-all", "haproxy", "nginx", "caddy")
TIMES = ("p99_us", "p50_us", "rps", "cpu_us", "busy")
MANY = f"{instructions.MANY}-endpoints"

# One row a case.
# fmt: off
CASES = [
    Case("small",     "GET, 100 B", target=0.85, against=("haproxy",)),
    Case("unix",      "GET, 100 B, Unix to Unix", "unix", "blast", target=0.95, against=("haproxy",)),
    Case("default",   "GET, 100 B, TCP to drover's default of a Unix socket; the others TCP to TCP", "default",
         target=0.75, against=("haproxy",)),
    Case("headers",   "GET, 100 B, a browser's 12 headers", args=BROWSER),
    Case("16k",       "GET, 16 KiB", path="/16384", target=0.75, against=("haproxy",)),
    Case("1m",        "GET, 1 MiB", load="blast", path="/1048576", conns=16, peers=LARGE, target=0.9,
         against=("haproxy-64k", "nginx-64k")),
    Case("post",      "POST, 64 KiB", load="blast", args=("--body", 65536), peers=LARGE, target=1.0,
         against=LARGE[1:5]),
    Case("ws",        "WebSocket, 125 B and its echo", load="blast", args=("--ws", 125), target=1.0),
    Case("tls",       "GET, 100 B, TLS 1.3", "tls", target=1.0),
    Case("h2",        "GET, 100 B, HTTP/2 over TLS", "h2", "h2load", target=1.0),
    Case("all",       "GET, 100 B, all processes of drover counted", peers=WHOLE, mine="drover-all"),
    Case("log",       "GET, 100 B, access log, all processes counted", "log", way=logged, peers=LOGGED, mine="drover-log"),
    Case("half",      "GET, 100 B, due at fixed times, half as many as fill haproxy's core", way=half, columns=TIMES,
         target=1.1, against=("haproxy",)),
    Case("calls",     "system calls of a GET, 100 B, at saturation", load="blast", way=calls, columns=("calls", "busy"),
         ceiling=4.1),
    Case("idle",      "memory of an idle connection that has asked once", load="blast", way=idle,
         columns=("bytes", "base", "conns"), ceiling=614.4, rounds=3),
    Case("workers",   "GET, 100 B, two workers over one", load="blast", way=workers, peers=("drover-2w", "drover"),
         mine="drover-2w", target=1.1, against=("drover",)),
    Case("endpoints", "instructions of a GET, many endpoints over two", way=endpoints, columns=("instructions",),
         peers=(MANY, "2-endpoints"), mine=MANY, target=1.05, against=("2-endpoints",), rounds=1),
]
# fmt: on
