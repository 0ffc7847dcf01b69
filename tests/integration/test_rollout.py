# SPDX-License-Identifier: ISC
"""Rollouts as an operator sees them: watched, held, rolled back, followed."""
import json
import os
import signal
import time

import pytest
from drover import herdling, wait_for

LONG = {"watch": "60s", "errors": "100%"}  # nothing is decided by itself


def service(*args, **more):
    return herdling(*args, replicas=2, **more)


def phase(d):
    return d.service("a")["rollout"]["phase"]


def reaches(d, *phases):
    wait_for(lambda: phase(d) in phases)


def versions(d):
    """What each copy in rotation was started with; two of a place have one name."""
    out = []
    for pid in (i["pid"] for i in d.service("a")["instances"] if i["state"] == "ready"):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            out.append(f.read().split(b"\0")[-2].decode())
    return sorted(out)


def deploy(d, *args, how=(), **more):
    d.write("a", service(*args, **more))
    p = d.cli("reload", *how)
    assert p.returncode == 0, p
    return p


@pytest.fixture
def watched(herd):
    d = herd({"a": service("--unique", 1, rollout=LONG)})
    d.ready()
    return d


def test_errors_of_a_version_on_trial_are_asked_elsewhere(watched):
    d = watched
    deploy(d, "--fail", 1, rollout=LONG)
    reaches(d, "watching")
    # What only reads never sees them ...
    gets = []
    while not d.service("a")["rollout"]["errors"] >= 3:
        gets.append(d.get("/a/", headers={"X-Request-Id": f"g{len(gets)}"}))
        assert len(gets) < 5000
    assert {g.status for g in gets} == {200}
    ids = [g.headers["X-Request-Id"] for g in gets]
    told = next(t for t in (d.cli("explain", i, "--json").stdout for i in reversed(ids)) if "set-aside" in t)
    tried = json.loads(told)["requests"][0]["tried"]
    assert [t["outcome"] for t in tried] == ["set-aside", "answered"]
    # ... and whatever may change something is not sent twice.
    wait_for(lambda: d.ask("POST", "/a/", body=b"once").status == 500)
    assert d.cli("rollout", "undo", "a", "--wait").returncode == 0
    assert {d.ask("POST", "/a/", body=b"once").status for _ in range(50)} == {200}


def test_a_failed_deploy_is_said_and_not_tried_again(watched):
    d = watched
    before = versions(d)
    broken = {"start": {"timeout": "300ms"}, "rollout": LONG}
    deploy(d, "--never-ready", 1, **broken)
    p = d.cli("rollout", "status", "a")
    assert p.returncode == 3 and "a: rolled-back: " in p.stdout and "start timeout" in p.stdout
    assert versions(d) == before
    p = d.cli("plan")
    assert p.returncode == 0 and "= a held at the version before: " in p.stdout and "nothing changes" in p.stdout
    p = d.cli("status")
    assert p.returncode == 0 and "deploy rolled back: new copy not ready: start timeout" in p.stdout
    assert "nothing changes" in d.cli("reload").stdout
    p = d.cli("reload", "--retry", "--wait")
    assert p.returncode == 3 and "start timeout" in p.stderr
    assert d.cli("rollout", "status").returncode == 3
    assert versions(d) == before
    events = d.cli("events").stdout
    assert "a rollout -> failed cause=new copy not ready: start timeout" in events
    assert "a rollout -> rolled back" in events
    d.write("a", service("--unique", 2))
    assert d.cli("reload", "--wait").returncode == 0
    p = d.cli("rollout", "status", "a", "--json")
    assert p.returncode == 0 and json.loads(p.stdout)["rollout"]["phase"] == "done"
    assert d.cli("plan").stdout == "nothing changes\n"


def test_a_canary_is_held_promoted_paused_and_undone(herd):
    short = {"watch": "300ms"}
    d = herd({"a": service("--unique", 1, rollout=short)})
    d.ready()
    p = d.cli("rollout", "promote", "a")
    assert p.returncode == 1 and "no deploy is under way" in p.stderr
    d.write("a", service("--unique", 2, rollout=short))
    assert d.cli("reload", "--canary", "1", "--wait").returncode == 0
    assert phase(d) == "held" and versions(d) == ["1", "1", "2"]
    p = d.cli("rollout", "status", "a", "--once")
    assert p.returncode == 0 and "promote or undo" in p.stdout
    p = d.cli("rollout", "status", "a", "--timeout", "300ms")
    assert p.returncode == 3 and "not done after 300 ms" in p.stderr
    assert d.cli("restart", "a").returncode == 4
    assert d.cli("rollout", "pause", "a").returncode == 0 and phase(d) == "paused"
    assert d.cli("rollout", "resume", "a").returncode == 0 and phase(d) == "held"
    assert d.cli("rollout", "promote", "a", "--wait").returncode == 0
    assert versions(d) == ["2", "2"]
    p = d.cli("rollout", "undo", "a", "--wait")
    assert p.returncode == 0 and "a: undone" in p.stdout
    assert versions(d) == ["1", "1"]
    audit = d.log()
    for verb in ("promote", "undo", "pause", "resume"):
        assert f"POST /v1/services/a/rollout/{verb}" in audit
    assert d.cli("rollout", "undo", "b").returncode == 1
    assert d.cli("rollout", "undo").returncode == 2 and d.cli("rollout", "redo", "a").returncode == 2


def test_control_is_killed_in_each_phase(herd):
    spec = {"rollout": {"watch": "1s"}}
    d = herd({"a": service("--ready-after", 500, "--unique", 1, **spec)})
    d.ready()
    load = d.load("-c", 8, "-r", 500, "-d", 60, "--path", "/a/")
    deploy(d, "--ready-after", 500, "--unique", 2, how=("--canary", "1"), **spec)
    for expected in ("rolling", "watching", "held"):
        reaches(d, expected)
        d.kill_control()
        d.start()
        reaches(d, expected, "held")
        assert versions(d)[:2] == ["1", "1"]
    assert d.cli("rollout", "promote", "a", "--wait").returncode == 0
    assert versions(d) == ["2", "2"]
    assert d.cli("rollout", "undo", "a").returncode == 0
    d.kill_control()
    d.start()
    assert d.cli("rollout", "status", "a").returncode == 3
    assert phase(d) == "undone" and versions(d) == ["1", "1"]
    verdict = load.end()
    assert verdict["sent"] > 500 and verdict["ok"] == verdict["sent"], verdict


def test_a_dead_keeper_does_not_bring_a_failed_version_back(watched):
    d = watched
    deploy(d, "--never-ready", 1, start={"timeout": "300ms"}, rollout=LONG)
    assert d.cli("rollout", "status", "a").returncode == 3
    os.kill(d.keeper_pid, signal.SIGKILL)
    d.keeper_pid = wait_for(lambda: (k := d.status()["keeper"]["pid"]) not in (0, d.keeper_pid) and k)
    d.ready()
    time.sleep(0.2)
    assert versions(d) == ["1", "1"]
    assert "= a held" in d.cli("plan").stdout
