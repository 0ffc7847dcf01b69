#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""./dev bench proxy: what a request costs, beside haproxy, nginx and caddy

Each proxy has one thread on a core of its own; the load and the service behind
it, the same for all, have the other cores. A round measures each case with
each proxy in turn, so that what else the machine does falls on all of them
alike; what is printed are medians of the rounds, with the interval that holds
the median with 96 % (9 rounds). CPU is the proxy's own, to the nanosecond, as
the scheduler counts it. Ratios are taken within a round. What is asked of each
case and how it is measured stands in cases.py.
"""

import argparse
import contextlib
import datetime
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "bench"), str(TESTS / "integration")]
import cases  # noqa: E402
import figures  # noqa: E402
import peers  # noqa: E402
import probes  # noqa: E402

GIVEN_UP = 2  # failures of one program in one case
DESCRIPTORS = 65536


class Bench:
    def __init__(self, options, folder):
        self.o = options
        self.folder = folder
        self.origins = peers.Origins(folder)
        self.running = {}
        self.samples = {}  # case, program -> round -> numbers
        self.failures = {}
        self.rate = None
        self.folders = 0
        self.notes = []

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(f"note: {text}", flush=True)

    # --- what the ways of measuring need

    def new_folder(self):
        self.folders += 1
        path = self.folder / str(self.folders)
        path.mkdir()
        return path

    def fresh(self, name):
        return peers.KINDS[name](self.new_folder(), self.origins)

    def peer(self, name):
        """One that runs until the bench is over."""
        if name not in self.running:
            self.running[name] = self.fresh(name)
        return self.running[name]

    def half_rate(self):
        """Half of the small requests a second that would fill haproxy's core; the
        load may have less to give than that."""
        if self.rate is None:
            small = next(c for c in cases.CASES if c.name == "small")
            got = [small.way(self, small, "haproxy", self.o.seconds) for _ in range(1 if self.o.quick else 5)]
            self.rate = round(statistics.median(x["rps"] / x["busy"] for x in got) / 2)
            self.note(f"half of haproxy's rate is {self.rate} requests a second")
        return self.rate

    # --- rounds

    def cases(self):
        wanted = self.o.only.split(",") if self.o.only else [c.name for c in cases.CASES]
        return [c for c in cases.CASES if c.name in wanted]

    def who(self, case):
        """Of --peers; drover is meant in each of its forms."""
        if not self.o.peers:
            return list(case.peers)
        wanted = self.o.peers.split(",")
        own = ("drover", "endpoints")
        return [n for n in case.peers if n in wanted or ("drover" in wanted and any(x in n for x in own))]

    def round(self, number):
        for case in self.cases():
            if case.rounds is not None and number >= case.rounds:
                continue
            names = self.who(case)
            turn = number % max(1, len(names))
            for name in names[turn:] + names[:turn]:
                if self.failures.get((case.name, name), 0) < GIVEN_UP:
                    self.sample(number, case, name)

    def sample(self, number, case, name):
        key = case.name, name
        try:
            if key not in self.samples:
                if case.rounds is None and not self.o.quick:
                    case.way(self, case, name, 1)
                self.samples[key] = {}
            self.samples[key][number] = case.way(self, case, name, self.o.seconds)
        except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError, ValueError) as e:
            self.note(f"{name} fails {case.name}: {str(e)[:300]}")
            self.failures[key] = self.failures.get(key, 0) + 1

    def rounds(self):
        for i in range(self.o.rounds):
            start = time.monotonic()
            self.round(i)
            print(f"round {i + 1} of {self.o.rounds}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    # --- what came of it

    def missing(self):
        return [(c.name, n) for c in self.cases() for n in self.who(c) if not self.samples.get((c.name, n))]

    def result(self):
        out = {}
        for case in self.cases():
            table = figures.rows(case, self.samples)
            print("\n".join(figures.lines(case, table)))
            v = figures.verdict(case, table)
            out[case.name] = {"what": case.what, "proxies": table} | ({"verdict": v} if v else {})
        return out

    def stop(self):
        for p in (*self.running.values(), self.origins):
            p.stop()


def versions():
    out = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "caddy", "haproxy", "nghttp2-client", "nginx-light", "wrk"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    return dict(line.split() for line in out.splitlines() if " " in line)


def machine():
    return {
        "when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": os.uname().release,
        "cores": len(peers.CORES),
        "load": os.getloadavg(),
        "system calls by": probes.counter(),
        "versions": versions(),
    }


def options():
    names = [c.name for c in cases.CASES]
    p = argparse.ArgumentParser(prog="./dev bench proxy", description=__doc__.splitlines()[0])
    p.add_argument("--rounds", type=int, default=9)
    p.add_argument("--seconds", type=float, default=1, help="of each measurement (1)")
    p.add_argument("--only", help="these cases alone: " + ",".join(names))
    p.add_argument("--peers", help="these proxies alone: " + ",".join(peers.KINDS))
    p.add_argument("--quick", action="store_true", help="one short round, to see that all works")
    p.add_argument("--json", default=str(peers.BUILD / "bench-proxy.json"))
    o = p.parse_args()
    for given, known in ((o.only, names), (o.peers, peers.KINDS)):
        unknown = [x for x in (given or "").split(",") if x and x not in known]
        if unknown:
            p.error("what is " + ", ".join(unknown) + "?")
    if o.rounds < 1 or o.seconds <= 0:
        p.error("at least one round, and some time")
    if o.quick:
        o.rounds, o.seconds = 1, 0.2
    return o


def more_descriptors():
    """As many as the idle connections of a proxy need, where that is allowed."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, DESCRIPTORS),) * 2)


def main():
    o = options()
    more_descriptors()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        peers.certificate(folder)
        b = Bench(o, folder)
        stack.callback(b.stop)
        result = {"machine": machine(), "rounds": o.rounds, "seconds": o.seconds}
        b.rounds()
        result["cases"] = b.result()
    result["notes"] = b.notes
    Path(o.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for case, name in b.missing():
        print(f"bench: {case}: no figure of {name}", file=sys.stderr)
    return 1 if b.missing() else 0


if __name__ == "__main__":
    sys.exit(main())
