# SPDX-License-Identifier: ISC
"""Two hundred services, and what a herd costs when it rests."""

import json
import os
import time

import pytest
from drover import alive, all_ok, cpu_seconds, herdling, memory_kib, wait_for

pytestmark = pytest.mark.measured


def cost(d, seconds):
    """KiB of keeper and control, and their share of a core: the quietest third of the time, since others run here too."""
    pids = d.keeper_pid, d.proc.pid
    spent = []
    for _ in range(3):
        before = sum(map(cpu_seconds, pids))
        time.sleep(seconds / 3)
        spent.append(sum(map(cpu_seconds, pids)) - before)
    return sum(map(memory_kib, pids)), 100 * min(spent) / (seconds / 3)


def test_four_services_cost_little(herd, figure):
    d = herd({f"s{n}": herdling(readiness={"path": "/readyz"}) for n in range(4)})
    d.ready()
    kib, cpu = cost(d, 6)
    figure("keeper and control with 4 services", f"{kib / 1024:.1f} MiB, {cpu:.1f} % of a core")
    assert kib < 12 * 1000 * 1000 / 1024


def test_two_hundred_services_start_reload_and_stop(herd, figure):
    services = {f"s{n:03}": herdling(readiness={"path": "/readyz"}) for n in range(200)}
    began = time.monotonic()
    d = herd(services)
    d.ready(timeout=90)
    figure("200 services ready after", f"{time.monotonic() - began:.1f} s")
    began = time.monotonic()
    status = json.loads(d.cli("status", "--json").stdout)
    took = time.monotonic() - began
    assert len(status["services"]) == 200 and took < 2
    kib, cpu = cost(d, 12)
    figure("keeper and control with 200 services", f"{kib / 1024:.1f} MiB, {cpu:.1f} % of a core, status in {took * 1000:.0f} ms")
    before = {s["name"]: s["instances"][0]["pid"] for s in status["services"]}
    d.write("s100", services["s100"], env={"NEW": "1"})
    began = time.monotonic()
    assert d.cli("reload").returncode == 0

    def renewed():
        now = d.service("s100")
        pids = [i["pid"] for i in now["instances"]]
        return now["state"] == "ready" and len(pids) == 1 and pids[0] != before["s100"]

    wait_for(renewed)
    figure("reload of one of 200 services", f"{(time.monotonic() - began) * 1000:.0f} ms to its new process ready")
    after = {s["name"]: s["instances"][0]["pid"] for s in d.status()["services"]}
    assert {n for n in before if before[n] != after[n]} == {"s100"}
    assert all_ok(d.load("-n", 100, "--path", "/s199/").verdict())
    began = time.monotonic()
    d.stop()
    figure("200 services stopped after", f"{time.monotonic() - began:.1f} s")
    assert not any(alive(p) for p in after.values())
    assert kib < 20 * 1000 * 1000 / 1024
    assert cpu < 2
