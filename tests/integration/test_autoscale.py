# SPDX-License-Identifier: ISC
"""Copies follow the load, and the first request at zero starts one."""

import concurrent.futures
import json
import sys
import time

import pytest
from drover import all_ok, alive, cpu_seconds, herdling, wait_for
from test_upgrade import ECHO, echo, websocket

# As short as it may be: a look each 100 ms.
QUICK = {"window": "1s", "grace": "500ms"}
ASLEEP = {"window": "1h"}  # never to zero by itself


def scaled(*args, min=0, max=4, autoscale=None, **spec):
    return herdling(*args, replicas={"min": min, "max": max}, autoscale=autoscale or QUICK, **spec)


def idle(d, name="a"):
    return wait_for(lambda: (s := d.service(name)) and s["state"] == "idle" and not d.pids(name) and s)


def events(d, kind="scale"):
    answer = d.api("GET", "/v1/events?follow=false").body.decode()
    every = [json.loads(line[5:]) for line in answer.splitlines() if line.startswith("data:")]
    return [e for e in every if e["type"] == kind]


def at_once(n, what):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: what(), range(n)))


@pytest.mark.parametrize("listen", ["unix", "port", "fd"])
def test_a_first_request_at_zero_is_answered(herd, figure, listen):
    d = herd({"a": scaled(listen=listen)})
    s = idle(d)
    assert s["desired"] == s["ready"] == 0 and s["reason"] == "at zero: the next request starts it", s
    assert d.cli("status").returncode == 0
    at = time.monotonic()
    answer = d.get("/a/")
    took = (time.monotonic() - at) * 1000
    assert answer.status == 200, answer
    s = d.service("a")
    assert s["desired"] == 1 and s["restarts"] == 0, s
    assert s["autoscale"]["last"]["why"] == "a request waits" and s["autoscale"]["wakes"] == 1, s
    figure(f"first request at zero, listen: {listen}", f"{took:.0f} ms, of which the service takes some to listen")
    # drover's own checks are no traffic; and the next time it is as the first.
    idle(d)
    assert d.get("/a/").status == 200
    assert [(e["from"], e["to"]) for e in events(d)] == [("0", "1"), ("1", "0"), ("0", "1")]


@pytest.mark.measured
def test_a_first_request_costs_the_start_of_the_service(herd, figure):
    spec = scaled("--notify", 1, ready="notify")
    del spec["readiness"]  # asked each 100 ms, which is its time and not ours
    d = herd({"a": spec})
    took = []
    for i in range(3):
        idle(d)
        at = time.time() * 1000
        assert d.get("/a/").status == 200
        end = time.time() * 1000
        ready = [e for e in events(d, "instance") if e["to"] == "ready"]
        starting = [e for e in events(d, "instance") if e["to"] == "starting"]
        assert len(ready) == len(starting) == i + 1
        took.append((end - at, ready[-1]["ms"]))
    ours = sorted(whole - start for whole, start in took)
    figure("first request at zero, ready: notify", f"{sorted(took)[1][0]:.1f} ms, {ours[1]:.1f} more than from its "
           "start to its word")
    assert ours[1] < 5 * 5


def test_200_first_requests_at_once_start_few_copies(herd):
    d = herd({"a": scaled("--ready-after", 300, limits={"queue": 300}, max=8)})
    idle(d)
    answers = at_once(200, lambda: d.get("/a/"))
    assert [a.status for a in answers] == [200] * 200
    assert len({a.json()["pid"] for a in answers}) <= 1 + 4
    assert d.service("a")["desired"] <= 1 + 4
    assert d.service("a")["autoscale"]["wakes"] == 1


def test_copies_follow_the_load_up_and_down(herd):
    d = herd({"a": scaled("--delay", 20, min=1, max=4, limits={"concurrency": 4, "queue": 100})})
    d.ready()
    load = d.load("-c", 24, "-d", 60, "--path", "/a/")
    s = wait_for(lambda: (s := d.service("a"))["ready"] == 4 and s)
    assert "in flight over" in s["autoscale"]["last"]["why"] or "waited" in s["autoscale"]["last"]["why"], s
    assert s["autoscale"]["target"] == pytest.approx(2.8) and s["autoscale"]["max"] == 4
    wait_for(lambda: d.service("a")["autoscale"]["held"] == "max is 4")
    assert "scale       4 of 1 to 4: " in d.cli("status", "a").stdout
    assert all_ok(load.end())
    before = len(events(d))
    wait_for(lambda: len(d.pids("a")) == 1 and d.service("a")["state"] == "ready")
    seen = [int(e["to"]) for e in events(d)]
    assert max(seen) == 4 and seen[-1] == 1 and seen[before:] == sorted(seen[before:], reverse=True), seen


def test_control_killed_while_idle_and_then_a_request(herd):
    d = herd({"a": scaled()})
    idle(d)
    d.kill_control()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        answer = pool.submit(d.get, "/a/")
        time.sleep(0.3)  # it waits: nobody is there to start anything
        assert not answer.done()
        d.start()
        assert answer.result().status == 200
    assert d.service("a")["autoscale"]["last"]["why"] in ("a request waits", "requests wait")


def test_the_next_control_goes_on_with_what_is_wanted(herd):
    d = herd({"a": scaled("--delay", 20, min=1, max=3, limits={"concurrency": 2, "queue": 100},
                          autoscale={"window": "3s", "panic_window": "500ms", "grace": "2s"})})
    d.ready()
    load = d.load("-c", 12, "-d", 60, "--path", "/a/")
    wait_for(lambda: d.service("a")["ready"] == 3)
    pids, last = d.pids("a"), d.service("a")["autoscale"]["last"]
    d.kill_control()
    assert all_ok(load.end())
    at = time.monotonic()
    d.start()
    s = d.service("a")
    assert s["desired"] == 3 and s["autoscale"]["last"] == last and d.pids("a") == pids, s
    wait_for(lambda: d.service("a")["desired"] < 3)
    assert time.monotonic() - at > 2.5  # a whole window had to be seen again


def test_one_that_cannot_start_fails_its_requests_in_time_and_says_why(herd):
    d = herd({"a": scaled("--crash", 3, "--say", "no such table", limits={"queue": 4},
                          autoscale={**QUICK, "wake_timeout": "2s"})})
    idle(d)
    at = time.monotonic()
    answers = at_once(8, lambda: d.get("/a/"))
    full = [a for a in answers if a.headers["Drover-Error"] == "queue-full"]
    late = [a for a in answers if a.headers["Drover-Error"] == "queue-timeout"]
    assert len(full) == len(late) == 4 and all(a.status == 503 and a.headers["Retry-After"] for a in answers), answers
    assert b"got ready in time" in late[0].body
    assert 2 <= time.monotonic() - at < 10
    s = wait_for(lambda: (s := d.service("a"))["state"] == "backoff" and s)
    assert "exit 3" in s["reason"] and s["desired"] == 1, s
    idle(d)  # nobody asks any more


def test_a_number_of_an_operators_stands_until_it_is_given_back(herd):
    d = herd({"a": scaled(min=0, max=4)})
    idle(d)
    assert d.cli("restart", "a", "--wait").returncode == 0  # nothing ran
    assert d.cli("start", "a", "--wait").returncode == 0
    assert d.service("a")["autoscale"]["last"]["why"] == "started by an operator"
    p = d.cli("scale", "a=2", "--wait")
    assert p.returncode == 0, p
    time.sleep(1.7)  # it would be at zero by itself by now
    s = d.service("a")
    assert s["ready"] == 2 and s["autoscale"]["pinned"] and s["reason"] == "scaled to 2 by an operator", s
    d.kill_control()
    d.start()
    assert d.service("a")["desired"] == 2 and d.service("a")["autoscale"]["pinned"]
    assert d.cli("scale", "a=0", "--wait").returncode == 0
    assert d.get("/a/").headers["Drover-Error"] == "no-endpoint"
    p = d.cli("scale", "a=auto", "--wait")
    assert p.returncode == 0, p
    assert d.get("/a/").status == 200
    assert d.cli("stop", "a", "--wait").returncode == 0
    assert d.get("/a/").status == 503
    assert d.cli("start", "a", "--wait").returncode == 0
    assert d.get("/a/").status == 200
    refused = d.cli("scale", "a=many")
    assert refused.returncode == 2 and "service=auto" in refused.stderr
    for body in ({}, {"auto": False}, {"auto": True, "replicas": 2}, {"auto": 1}):
        assert d.api("POST", "/v1/services/a/scale", body).status == 400, body


def test_a_reload_moves_the_bounds_and_between_number_and_mapping(herd):
    d = herd({"a": herdling(replicas=3)})
    pids = d.ready() and d.pids("a")

    def reload(replicas):
        d.write("a", herdling(), replicas=replicas, autoscale=ASLEEP)
        p = d.cli("reload", "--wait")
        assert p.returncode == 0, p
        return d.service("a")

    s = reload({"min": 0, "max": 8})
    assert s["desired"] == 3 and s["autoscale"]["max"] == 8 and d.pids("a") == pids
    assert reload({"min": 0, "max": 2})["desired"] == 2
    assert reload({"min": 5, "max": 8})["ready"] == 5
    s = reload(2)
    assert s["ready"] == 2 and s["autoscale"] is None
    assert {i: p for i, p in d.pids("a").items() if i in ("a.0", "a.1")} == {i: pids[i] for i in ("a.0", "a.1")}
    d.write("a", herdling(), replicas={"min": 5, "max": 2})
    p = d.cli("reload")
    assert p.returncode == 1 and "a.yaml:" in p.stderr and "replicas.max: found 2; allowed an integer from 5" in p.stderr


CALLER = """
import base64, http.client, os, socket, urllib.parse
url = urllib.parse.urlsplit(os.environ["DROVER_URL"])
me = {"Authorization": "Basic " + base64.b64encode(f"{url.username}:".encode()).decode()}
s = socket.socket(socket.AF_UNIX)
s.bind(os.environ["DROVER_SOCKET"])
s.listen(8)
while True:
    c, _ = s.accept()
    head = c.recv(65536)
    if b"GET /call" in head:
        b = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
        b.request("GET", "/b/", headers=me)
        text = str(b.getresponse().status).encode()
    else:
        text = b"ok"
    c.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(text), text))
    c.close()
"""


def test_another_services_call_wakes_it_and_who_depends_on_it_need_not_wait(herd):
    d = herd({
        "a": {"command": [sys.executable, "-c", CALLER], "readiness": {"path": "/"}, "calls": ["b"],
              "depends_on": ["b"], "stop": {"timeout": "1s"}},
        "b": scaled(),
    })
    d.ready("a")
    assert idle(d, "b")["autoscale"]["wakes"] == 0
    answer = d.get("/a/call")
    assert answer.body == b"200", answer
    assert d.service("b")["autoscale"]["wakes"] == 1


def test_a_websocket_keeps_the_last_copy(herd):
    d = herd({"a": {"command": [sys.executable, "-c", ECHO], "readiness": {"path": "/"}, "stop": {"timeout": "1s"},
                    "replicas": {"min": 0, "max": 2}, "autoscale": QUICK}})
    idle(d)
    s = websocket(d.port, "/a/upgrade")
    pids = d.pids("a")
    time.sleep(2)  # of window and grace 1.5 s
    assert echo(s, b"still there") and d.pids("a") == pids
    s.close()
    idle(d)


def test_what_comes_while_the_last_copy_drains_waits_for_the_next(herd):
    d = herd({"a": scaled("--linger", 400)})
    for _ in range(2):
        wait_for(lambda: d.service("a")["state"] == "idle")
        answers = at_once(4, lambda: d.get("/a/"))  # the old one is about to exit
        assert [a.status for a in answers] == [200] * 4, answers
    assert d.service("a")["restarts"] == 0


def test_a_surge_is_bounded_by_memory_and_says_so(herd):
    d = herd({"a": scaled("--delay", 50, min=1, max=8, limits={"concurrency": 1, "queue": 200},
                          resources={"memory": "1024GiB"})})
    d.ready()
    load = d.load("-c", 20, "-d", 60, "--path", "/a/")
    s = wait_for(lambda: (s := d.service("a"))["autoscale"]["held"].endswith("there is no memory for them") and s)
    assert s["desired"] == 1 and s["reason"].endswith("there is no memory for them"), s
    metrics = d.api("GET", "/metrics").body.decode()
    held = [line for line in metrics.splitlines() if line.startswith('drover_autoscale_held_total{service="a"}')]
    assert held and float(held[0].split()[1]) > 0
    assert 'drover_autoscale_max{service="a"} 8' in metrics
    assert load.end()["lost"] == 0


@pytest.mark.measured
def test_at_rest_it_costs_nothing(herd, figure):
    d = herd({"a": scaled(min=0, autoscale={"window": "1s", "grace": "0ms"}),
              **{f"b{i}": scaled(min=1, max=4, autoscale={"window": "60s"}) for i in range(10)}})
    idle(d)
    d.ready(*(f"b{i}" for i in range(10)))
    who = [d.proc.pid, d.keeper_pid, *(w["pid"] for w in d.status()["workers"])]
    before = [cpu_seconds(p) for p in who]
    time.sleep(3)
    spent = [cpu_seconds(p) - b for p, b in zip(who, before)]
    assert all(alive(p) for p in who)
    figure("ten autoscaled services at rest", f"control {spent[0] / 3 * 100:.1f} % of a core, with their checks")
    assert max(spent) / 3 < 5 * 0.01
