#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""./dev bench proxy: what a request costs, beside haproxy, nginx and caddy

Each proxy has one thread on a core of its own; the load and the service behind
it, the same for all, have the other cores. A round measures each case with
each proxy in turn, so that what else the machine does falls on all of them
alike; what is printed are medians of the rounds, with the interval that holds
the median with 96 % (9 rounds). CPU is the proxy's own, to the nanosecond, as
the scheduler counts it. Ratios are taken within a round.
"""

import argparse
import contextlib
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import peers  # noqa: E402
import probes  # noqa: E402
from peers import BUILD  # noqa: E402

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


@dataclass
class Case:
    name: str
    door: str
    load: str  # blast, wrk or h2load
    path: str = "/100"
    args: tuple = ()
    conns: int = 64
    peers: tuple = ("drover", "haproxy", "nginx")
    target: float | None = None  # of drover's CPU
    against: tuple = ("haproxy",)  # the better of these


LARGE = ("drover", "haproxy", "nginx", "haproxy-64k", "nginx-64k")
BOTH = ("haproxy", "nginx")
ALL = ("drover", "haproxy", "nginx", "caddy")

# clang-format has no say here: one row a case.
# fmt: off
CASES = [
    Case("small",   "tcp",     "wrk",    peers=ALL, target=0.85),
    Case("unix",    "unix",    "blast",  target=0.95),
    Case("default", "default", "wrk",    target=0.75),
    Case("headers", "tcp",     "wrk",    args=BROWSER),
    Case("16k",     "tcp",     "wrk",    "/16384", target=0.75),
    Case("1m",      "tcp",     "blast",  "/1048576", conns=16, peers=LARGE, target=0.9, against=("haproxy-64k", "nginx-64k")),
    Case("post",    "tcp",     "blast",  args=("--body", 65536), peers=LARGE, target=1.0, against=LARGE[1:]),
    Case("ws",      "tcp",     "blast",  args=("--ws", 125), target=1.0, against=BOTH),
    Case("log",     "log",     "wrk",    peers=ALL),
    Case("tls",     "tls",     "wrk",    peers=ALL, target=1.0, against=BOTH),
    Case("h2",      "h2",      "h2load", peers=ALL, target=1.0, against=BOTH),
]
# fmt: on

KINDS = {
    "drover": peers.Worker,
    "haproxy": peers.Haproxy,
    "nginx": peers.Nginx,
    "caddy": peers.Caddy,
    "haproxy-64k": peers.Haproxy64,
    "nginx-64k": peers.Nginx64,
}


# --- one measurement


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def path_of(case, door):
    return ("/unix" if door in ("unix", "default") else "/tcp") + case.path


def run_blast(case, peer, path, seconds, *more):
    args = case.args
    if case.load != "blast":
        args = ("--header", "|".join(case.args)) if case.args else ()
    p = peers.blast(*peer.where[case.door], "--path", path, "-t", int(seconds * 1000), "-c", case.conns, *args, *more)
    said = json.loads(p.communicate()[0])
    if said["failed"]:
        raise RuntimeError(f"{peer.name} {case.name}: {said}")
    return said


def run_wrk(case, peer, path, seconds):
    scheme = "https" if case.door == "tls" else "http"
    headers = [x for line in case.args for x in ("-H", line)]
    out = subprocess.run(
        ["taskset", "-c", ",".join(map(str, peers.OTHER_CORES)), "wrk", "-t1", f"-c{case.conns}", f"-d{seconds}s",
         "--latency", *headers, f"{scheme}://localhost:{peer.where[case.door][1]}{path}"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=seconds + 60).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"{peer.name} {case.name}: {out}")
    return {
        "requests": int(re.search(r"(\d+) requests in", out).group(1)),
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p50_us": microseconds(re.search(r"\n +50% +(\S+)", out).group(1)),
        "p99_us": microseconds(re.search(r"\n +99% +(\S+)", out).group(1)),
    }


def run_h2load(case, peer, path, seconds):
    log = peer.folder / "h2load"
    log.unlink(missing_ok=True)
    out = subprocess.run(
        ["taskset", "-c", ",".join(map(str, peers.OTHER_CORES)), "h2load", "-t1", "-c8", "-m16", f"-D{seconds}",
         f"--log-file={log}", f"https://localhost:{peer.where[case.door][1]}{path}"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=seconds + 60).stdout
    ok, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", out).groups())
    if failed or not ok or "Application protocol: h2" not in out:
        raise RuntimeError(f"{peer.name} {case.name}: {out}")
    took = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    return {
        "requests": ok,
        "rps": float(re.search(r"([\d.]+) req/s", out).group(1)),
        "p50_us": took[len(took) // 2],
        "p99_us": took[len(took) * 99 // 100],
    }


def measure(case, peer, seconds, load=None, *more):
    path = path_of(case, case.door if isinstance(peer, (peers.Worker, peers.Herd)) else "tcp")
    if case.door == "unix":
        path = path_of(case, "unix")
    run = {"blast": run_blast, "wrk": run_wrk, "h2load": run_h2load}[load or case.load]
    pids = peer.pids()
    before = probes.cpu_ns(pids)
    said = run(case, peer, path, seconds, *more)
    said["cpu_us"] = (probes.cpu_ns(pids) - before) / 1000 / max(1, said["requests"])
    return said


# --- rounds


def interval(values):
    """The median, and the order statistics that hold it with about 96 %."""
    v = sorted(values)
    k = max(0, len(v) // 2 - 3 if len(v) >= 9 else 0)
    return statistics.median(v), v[k], v[-1 - k]


class Bench:
    def __init__(self, options, folder):
        self.o = options
        self.folder = folder
        self.origins = peers.Origins(folder)
        self.running = {}
        self.samples = {}  # case, peer -> measurements
        self.notes = []
        self.result = {"cases": {}}
        if options.herd:
            KINDS["drover"] = peers.Herd

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(f"note: {text}", flush=True)

    def peer(self, name):
        if name not in self.running:
            self.running[name] = KINDS[name](self.folder, self.origins)
        return self.running[name]

    def cases(self):
        wanted = self.o.only.split(",") if self.o.only else [c.name for c in CASES]
        return [c for c in CASES if c.name in wanted]

    def who(self, case):
        for name in case.peers:
            if self.o.peers and name not in self.o.peers.split(","):
                continue
            if case.door in self.peer(name).where:
                yield name
            else:
                self.note(f"{name} cannot do {case.door}")

    def round(self, number):
        for case in self.cases():
            names = list(self.who(case))
            turn = number % max(1, len(names))
            for name in names[turn:] + names[:turn]:
                if (case.name, name) in self.samples and self.samples[case.name, name] is None:
                    continue
                self.sample(case, name)

    def sample(self, case, name):
        key = case.name, name
        try:
            if key not in self.samples:
                measure(case, self.peer(name), 1)
                self.samples[key] = []
            self.samples[key].append(measure(case, self.peer(name), self.o.seconds))
        except (RuntimeError, subprocess.SubprocessError, ValueError) as e:
            self.note(f"{name} fails {case.name}: {str(e)[:300]}")
            self.samples[key] = None

    def rounds(self):
        for i in range(self.o.rounds):
            start = time.monotonic()
            self.round(i)
            print(f"round {i + 1} of {self.o.rounds}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    # --- the tables

    def rows(self, case):
        mine = self.samples.get((case.name, "drover"))
        for name in case.peers:
            s = self.samples.get((case.name, name))
            if not s:
                continue
            row = {k: interval([x[k] for x in s]) for k in ("cpu_us", "rps", "p50_us", "p99_us")}
            if mine and name != "drover":
                row["ratio"] = interval([a["cpu_us"] / b["cpu_us"] for a, b in zip(mine, s)])
            yield name, row

    def verdict(self, case, rows):
        against = [n for n in case.against if n in rows and "ratio" in rows[n]]
        if case.target is None or not against:
            return None
        best = max(against, key=lambda n: rows[n]["ratio"][0])
        ratio = rows[best]["ratio"][0]
        return {"against": best, "ratio": ratio, "target": case.target, "holds": ratio <= case.target}

    def table(self):
        print(f"{'CASE':9} {'PROXY':12} {'CPU/100k':>9} {'DROVER/IT':>20} {'REQ/S':>8} {'P50':>8} {'P99':>8}")
        for case in self.cases():
            rows = dict(self.rows(case))
            for name, r in rows.items():
                ratio = "{:5.3f} [{:.3f} {:.3f}]".format(*r["ratio"]) if "ratio" in r else ""
                print(f"{case.name:9} {name:12} {r['cpu_us'][0] / 10:7.3f} s {ratio:>20} {r['rps'][0]:8.0f}"
                      f" {r['p50_us'][0] / 1000:5.2f} ms {r['p99_us'][0] / 1000:5.2f} ms")
            self.result["cases"][case.name] = rows
            v = self.verdict(case, rows)
            if v:
                self.result["cases"][case.name]["verdict"] = v
                print(f"{case.name:9} {'holds' if v['holds'] else 'MISSED':12} {v['ratio']:.3f} of {v['against']},"
                      f" {v['target']} wanted")


def machine():
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": os.uname().release,
        "cores": len(peers.CORES),
        "load": os.getloadavg(),
    }


def options():
    p = argparse.ArgumentParser(prog="./dev bench proxy", description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--seconds", type=int, default=3, help="of each measurement")
    p.add_argument("--only", help="these cases alone: " + ",".join(c.name for c in CASES))
    p.add_argument("--peers", help="these proxies alone")
    p.add_argument("--quick", action="store_true", help="3 rounds of 1 s")
    p.add_argument("--herd", action="store_true", help="the whole of drover, not its proxy process alone")
    p.add_argument("--json", default=str(BUILD / "bench-proxy.json"))
    o = p.parse_args()
    if o.quick:
        o.rounds, o.seconds = 3, 1
    return o


def main():
    o = options()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        peers.certificate(folder)
        b = Bench(o, folder)
        stack.callback(lambda: [p.stop() for p in (*b.running.values(), b.origins)])
        b.result["machine"] = machine()
        b.rounds()
        b.table()
    b.result["notes"] = b.notes
    Path(o.json).write_text(json.dumps(b.result, indent=1) + "\n")


main()
