# SPDX-License-Identifier: ISC
"""An endpoint that fails under constant load: who had bytes under way to it may fail, in time; nobody else notices.

Two workers, two good endpoints and a bad one, by Unix sockets and by TCP. The
load is four open loops, one for each method, and every answer has to bring the
token of its request. What failed is told by the record that the worker wrote
of it: where it was, how it ended there, and how long it took.
"""
import http.client
import json
import os
import re
import signal
import subprocess
import time

import pytest

from drover import HERDLING, SLOW, UnixConnection, free_port, herdling, wait_for
from test_worker_records import records
from worker_rig import Rig, tool

METHODS = ("GET", "HEAD", "PUT", "POST")
RATE = 80  # of each method
WORK_MS = 30  # of each answer: at any time some are under way
DEADLINE_MS = 500
GRACE_MS = 250 * SLOW  # what a busy machine may add
CALM_US = 150_000 * SLOW  # 99 in 100 of those that were not at the bad one


class Endpoint:
    """The test service on a socket of its own, and ways to spoil it."""

    SWITCHES = {
        "slow": ("/slow?ms=300", f"/slow?ms={WORK_MS}"),
        "too slow": (f"/slow?ms={3 * DEADLINE_MS}", f"/slow?ms={WORK_MS}"),
        "cut": ("/cutting", "/cutting?on=0"),
        "cut bodies": ("/cutting-bodies", "/cutting-bodies?on=0"),
        "garbage": ("/lying", "/lying?on=0"),
        "silent": ("/lossy", "/lossy?on=0"),
    }

    def __init__(self, folder, name, kind="unix"):
        self.name = name
        self.path = os.path.join(folder, name + ".sock") if kind == "unix" else None
        self.port = None if kind == "unix" else free_port()
        self.address = f"unix:{self.path}" if self.path else f"127.0.0.1:{self.port}"
        self.process = None
        self.begin()

    def begin(self):
        where = ["--unix", self.path] if self.path else ["--port", str(self.port)]
        self.process = subprocess.Popen([HERDLING, *where, "--delay", str(WORK_MS)], stderr=subprocess.DEVNULL)
        wait_for(lambda: self.ask("/healthz") == 200)

    def ask(self, target):
        c = UnixConnection(self.path) if self.path else http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            c.request("GET", target)
            return c.getresponse().status
        finally:
            c.close()

    def spoil(self, fault):
        if fault == "killed":
            self.end()
        elif fault == "hung":
            self.process.send_signal(signal.SIGSTOP)
        else:
            assert self.ask(self.SWITCHES[fault][0]) == 200

    def heal(self, fault):
        if fault == "killed":
            self.begin()
        elif fault == "hung":
            self.process.send_signal(signal.SIGCONT)
        else:
            assert self.ask(self.SWITCHES[fault][1]) == 200

    def end(self):
        self.process.kill()
        self.process.wait()


class Loads:
    """An open loop for each method, at once."""

    def __init__(self, port, folder, path="/x"):
        self.logs = {m: os.path.join(folder, f"load.{m}") for m in METHODS}
        self.running = {
            m: subprocess.Popen(
                [tool("load"), "--port", str(port), "--method", m, "--path", path, "-c", "48", "-r", str(RATE), "-d",
                 "60", "--reuse", "5", "--log", self.logs[m], *(["--body", "3000"] if m[0] == "P" else [])],
                stdout=subprocess.PIPE, text=True) for m in METHODS}

    def end(self):
        """No more requests; the verdict for each method, and what was not well."""
        for p in self.running.values():
            p.terminate()
        verdicts = {m: json.loads(p.communicate(timeout=30 * SLOW)[0]) for m, p in self.running.items()}
        wrong = []
        for path in self.logs.values():
            with open(path) as f:
                wrong += [json.loads(line) for line in f]
        return verdicts, wrong

    def kill(self):
        for p in self.running.values():
            if p.poll() is None:
                p.kill()
            p.communicate()


class Scene:
    def __init__(self, folder):
        self.rig = Rig(folder, workers=2)
        self.endpoints, self.loads, self.first = [], None, 0

    def begin(self, kind, options):
        folder = self.rig.dir
        self.endpoints = [Endpoint(folder, "good0"), Endpoint(folder, "good1", "tcp"), Endpoint(folder, "bad", kind)]
        self.publish(options)
        self.loads = Loads(self.rig.port, folder)
        self.until(lambda: self.asked() >= 30)  # it has its share
        return self.endpoints[2]

    def publish(self, options):
        """On cells of their own: what was counted before is another's."""
        self.rig.simple(*self.endpoints, options=options, first=self.first)

    def asked(self, i=2):
        return self.rig.ask("endpoint", self.first + i)["requests"]

    def quiet(self, seconds=1.5 + DEADLINE_MS / 1000):
        """Until the bad one was not asked for so long: longer than four errors count as load."""
        since = [self.asked(), time.monotonic()]

        def is_quiet():
            if self.asked() != since[0]:
                since[:] = self.asked(), time.monotonic()
            return time.monotonic() - since[1] > seconds

        self.until(is_quiet)

    def more(self, n):
        """Until each of the good ones had so many more."""
        before = [self.asked(i) for i in (0, 1)]
        self.until(lambda: all(self.asked(i) >= b + n for i, b in enumerate(before)))

    @staticmethod
    def until(true_of, seconds=20):
        wait_for(true_of, seconds)

    def records(self):
        return {r["id"]: r for i in (0, 1) for r in records(self.rig, i)}

    def close(self):
        if self.loads is not None:
            self.loads.kill()
        for e in self.endpoints:
            e.end()
        codes = self.rig.close()
        assert all(c == 0 for c in codes.values()), codes


@pytest.fixture
def scene(tmp_path):
    s = Scene(tmp_path)
    yield s
    s.close()


def check_answers(verdicts):
    for method, v in verdicts.items():
        assert v["swapped"] == v["doubled"] == v["refused"] == 0, (method, v)
        assert v["sent"] > 50 and v["p50_us"] < CALM_US, (method, v)


def check_wrong(wrong, known, fault):
    """Each was at the bad one, failed in the way that this fault has, and in time."""
    for w in wrong:
        record = known[w["id"]]
        assert w["method"] in FAULTS[fault], (w, record)
        status, outcome = FAULTS[fault][w["method"]]
        assert record["hops"][-1] == ["bad", outcome], (w, record)
        assert w["status"] == record["status"] == status, (w, record)
        assert record["total"] < (DEADLINE_MS + GRACE_MS) * 1000, (w, record)
        assert w["took_us"] < (DEADLINE_MS + 4 * GRACE_MS) * 1000, (w, record)
        if fault == "silent" and w["method"] != "POST":
            assert record["over_budget"], (w, record)


def check_others(wrong, known):
    """Whoever was not there was answered, and as soon as ever."""
    failed = {w["id"] for w in wrong}
    took = []
    for r in known.values():
        assert (r["hops"][-1][1] == "answered" and r["status"] == 200) == (r["id"] not in failed), r
        if all(name != "bad" for name, _ in r["hops"]):
            took.append(r["total"])
    assert len(took) > 200
    assert sorted(took)[len(took) * 99 // 100] < CALM_US


# Which may fail, with what, and how it ended at the endpoint. A slow one is in
# time; what a killed one leaves without a byte is asked elsewhere, and what a
# silent one leaves, too, within the budget of retries.
# fmt: off
FAULTS = {
    "killed":   {"POST": (502, "reset")},
    "hung":     dict.fromkeys(METHODS, (504, "timeout")),
    "too slow": dict.fromkeys(METHODS, (504, "timeout")),
    "slow":     {},
    "cut":      {**dict.fromkeys(METHODS, (200, "cut")), "HEAD": (502, "reset")},
    "cut bodies": dict.fromkeys(("GET", "PUT", "POST"), (200, "cut")),
    "garbage":  dict.fromkeys(METHODS, (502, "bad-response")),
    "silent":   dict.fromkeys(METHODS, (502, "reset")),
}
# fmt: on


@pytest.mark.parametrize("kind", ["unix", "tcp"])
@pytest.mark.parametrize("fault", FAULTS)
def test_only_what_was_under_way_to_it_fails(scene, fault, kind):
    bad = scene.begin(kind, f"request_timeout={DEADLINE_MS} eject_ms=60000")
    bad.spoil(fault)
    before = [scene.asked(i) for i in range(3)]
    if fault != "slow":
        # Refused once, or five errors in a row at either worker, or ten of twenty where some are well: then nothing
        # goes there.
        scene.quiet()
        last = scene.asked()
    scene.more(100)
    asked = [scene.asked(i) - n for i, n in enumerate(before)]
    verdicts, wrong = scene.loads.end()
    if fault == "slow":
        assert asked[2] < min(asked[:2]) / 3
    else:
        assert scene.asked() == last
        assert wrong or fault in ("killed", "silent")
    known = scene.records()
    check_answers(verdicts)
    check_wrong(wrong, known, fault)
    check_others(wrong, known)


@pytest.mark.measured
@pytest.mark.parametrize("ejected", [False, True])
def test_one_that_fails_at_once_draws_no_load(scene, figure, ejected):
    """It has nothing in flight, so it looks like the best choice; what it failed counts as load."""
    bad = scene.begin("unix", f"request_timeout={DEADLINE_MS} eject_ms=60000 eject_errors={5 * ejected}")
    bad.spoil("silent")
    before = [scene.asked(i) for i in range(3)]
    scene.more(600)
    asked = [scene.asked(i) - n for i, n in enumerate(before)]
    verdicts, wrong = scene.loads.end()
    known = scene.records()
    check_answers(verdicts)
    check_wrong(wrong, known, "silent")
    check_others(wrong, known)
    figure(f"requests to one that fails at once, ejection {'on' if ejected else 'off'}", f"{asked[2]} of {sum(asked)}")
    # Each GET, HEAD and PUT was answered by another, within the budget of retries;
    # but for what a worker that stood still chose before it heard of the first error.
    assert len([w for w in wrong if w["method"] != "POST"]) <= 2
    assert 0 < asked[2] <= (20 if ejected else sum(asked) / 20), asked


@pytest.mark.parametrize("fault", ["killed", "hung", "garbage", "silent"])
def test_when_it_is_well_again_it_gets_its_share(scene, fault):
    """The ejection is over, or the next snapshot names a killed one again."""
    options = f"request_timeout={DEADLINE_MS} eject_ms=3000"
    bad = scene.begin("unix", options)
    bad.spoil(fault)
    scene.quiet()
    bad.heal(fault)
    if fault == "killed":
        scene.first = 3
        scene.publish(options)
    start = scene.asked()
    scene.until(lambda: scene.asked() >= start + 30)
    before = [scene.asked(i) for i in range(3)]
    scene.more(150)
    shares = [scene.asked(i) - n for i, n in enumerate(before)]
    verdicts, wrong = scene.loads.end()
    assert shares[2] > sum(shares) / 5, shares
    known = scene.records()
    check_answers(verdicts)
    check_wrong(wrong, known, fault)
    check_others(wrong, known)


# fmt: off
@pytest.mark.parametrize("fault, rounds", [
    ("killed", 3),
    ("hung",   1),
])
# fmt: on
def test_a_herd_keeps_its_promise_when_a_copy_is_killed_or_hangs(herd, tmp_path, fault, rounds):
    """The real daemon, which restarts a killed one and takes a hung one out of rotation."""
    d = herd({"a": herdling(
        "--delay", WORK_MS, replicas=3, limits={"request_timeout": f"{DEADLINE_MS}ms"}, ejection={"time": "1s"},
        readiness={"path": "/readyz", "interval": "200ms", "timeout": "500ms"})}, workers=2)
    d.ready("a")

    def served():
        text = d.api("GET", "/metrics").body.decode()
        found = re.search(r'^drover_endpoint_latency_seconds_count\{service="a",instance="a.1"\} (\d+)$', text, re.M)
        return int(found.group(1)) if found else 0

    def serves(n):
        start = served()
        wait_for(lambda: served() > start + n)

    loads = Loads(d.port, tmp_path, "/a/x")
    try:
        for _ in range(rounds):
            serves(15)
            victim = d.pids("a")["a.1"]
            os.kill(victim, {"killed": signal.SIGKILL, "hung": signal.SIGSTOP}[fault])
            if fault == "hung":
                wait_for(lambda: d.instance("a.1")["state"] != "ready")
                os.kill(victim, signal.SIGCONT)
            else:
                wait_for(lambda: d.pids("a").get("a.1", victim) != victim)
            d.ready("a")
        serves(15)
        verdicts, wrong = loads.end()
    finally:
        loads.kill()
    check_answers(verdicts)
    for w in wrong:
        status, outcome = FAULTS[fault][w["method"]]
        (record,) = json.loads(d.cli("explain", "--json", w["id"]).stdout)["requests"]
        assert record["tried"][-1] == {"endpoint": "a.1", "outcome": outcome}, (w, record)
        assert w["status"] == status, (w, record)
        assert w["took_us"] < (DEADLINE_MS + 4 * GRACE_MS) * 1000, (w, record)
    assert wrong or fault == "killed"
