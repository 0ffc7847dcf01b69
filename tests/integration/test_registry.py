# SPDX-License-Identifier: ISC
"""What is up stands in Redis; traffic does not depend on it."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from drover import RedisServer, alive, all_ok, herdling, registered, wait_for


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path / "redis-of-others")
    server.start()
    yield server
    server.stop()


def up_in(redis_at):
    with contextlib.closing(redis_at()) as r:
        return registered(r)


def test_another_process_reads_from_redis_alone_what_is_up(herd, redis):
    d = herd({"a": herdling(replicas=2), "b": herdling("--never-ready", 1)}, registry=f"redis://127.0.0.1:{redis.port}")
    d.ready("a")
    wait_for(lambda: {k for k, v in up_in(redis.read).items() if v["state"] == "ready"} == {"a.0", "a.1"})
    entry = up_in(redis.read)["a.0"]
    assert entry["address"] == d.instance("a.0")["address"]
    d.cli("scale", "--wait", "a=1")
    wait_for(lambda: "a.1" not in up_in(redis.read))
    assert d.status()["registry"]["state"] == "up"


def test_redis_stopped_and_started_under_traffic_is_noticed_by_nobody(herd, redis, figure):
    d = herd({"a": herdling(replicas=2)}, registry=f"redis://127.0.0.1:{redis.port}")
    d.ready("a")
    wait_for(lambda: len(up_in(redis.read)) == 2)
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    time.sleep(0.5)
    redis.stop()
    wait_for(lambda: d.status()["registry"]["state"] == "down")
    assert d.status()["registry"]["reason"]
    # Supervision goes on without it.
    pid = d.pids("a")["a.0"]
    os.kill(pid, signal.SIGKILL)
    d.ready("a")
    redis.start()  # empty: nothing was saved
    at = time.monotonic()
    wait_for(lambda: {k for k, v in up_in(redis.read).items() if v["state"] == "ready"} == {"a.0", "a.1"}, 10)
    took = time.monotonic() - at
    figure("registry complete after an emptied Redis came back", f"{took:.1f} s")
    assert took < 10
    verdict = load.end()
    assert all_ok(verdict), verdict


def test_the_managed_redis_is_supervised(herd):
    d = herd({"a": herdling(needs_redis=True, depends_on=["redis"])}, registry="managed")
    d.ready("a")
    sock = d.run_folder / "redis.sock"
    wait_for(lambda: d.status()["registry"]["state"] == "up")
    load = d.load("-c", 2, "-d", 60, "--path", "/a/")
    url = d.get("/a/env").json()["DROVER_REDIS_URL"]
    assert url.startswith("unix://") and str(sock) in url
    pids = redis_of(d.folder)
    assert len(pids) == 1
    limits = dict(line.split(":\t", 1) for line in Path(f"/proc/{pids[0]}/status").read_text().splitlines())
    assert limits["Seccomp"] == "2" and limits["NoNewPrivs"] == "1" and int(limits["CapEff"], 16) == 0
    os.kill(pids[0], signal.SIGKILL)
    wait_for(lambda: (now := redis_of(d.folder)) and now != pids, 10)
    wait_for(lambda: d.status()["registry"]["state"] == "up" and sock.exists(), 10)
    verdict = load.end()
    assert all_ok(verdict), verdict
    assert d.service("a")["restarts"] == 0
    assert "redis" not in [s["name"] for s in d.status()["services"]]


def redis_of(folder):
    """The pids of redis-server whose folder is the herd's."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            exe, cwd = os.readlink(f"/proc/{pid}/exe"), os.readlink(f"/proc/{pid}/cwd")
            if "redis" in os.path.basename(exe) and cwd.startswith(str(folder)):
                found.append(int(pid))
    return found


def test_without_redis_server_only_who_needs_it_waits(herd):
    d = herd(
        {"a": herdling(), "b": herdling(needs_redis=True)},
        registry={"url": "managed", "program": "/no/such/redis-server"},
    )
    d.ready("a")
    s = d.status()
    assert s["registry"]["state"] == "down" and "/no/such/redis-server" in s["registry"]["reason"]
    assert d.service("b")["ready"] == 0 and "redis" in d.service("b")["reason"].lower()
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())


def test_needs_redis_without_a_registry_is_an_error(herd):
    d = herd.prepare({"b": herdling(needs_redis=True)}, registry="none")
    p = d.check()
    assert p.returncode == 1
    assert "b.yaml:" in p.stdout + p.stderr and "needs_redis" in p.stdout + p.stderr
