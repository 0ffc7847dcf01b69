# SPDX-License-Identifier: ISC
"""What a small herd costs when it does nothing: time to be up, memory, CPU.

Four services of two copies, the image tool among them, with the managed Redis
and every default. Asserted are ceilings of five times the figure for time; for
memory, which does not depend on the machine's load, the figure itself.
"""

import time
from pathlib import Path

import pytest
from drover import BUILD, herdling, memory_kib, wait_for

IDLE_S = 15


def cpu_ns(pid):
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])


def plain(**spec):
    """A herdling that is checked as often as any service, not as a test wants it."""
    return {k: v for k, v in herdling(**spec).items() if k != "readiness"}


@pytest.mark.measured
def test_four_tools_are_up_at_once_and_cost_nothing_while_idle(herd, figure):
    d = herd.prepare({
        "image": {"command": [str(BUILD / "bin/drover-image")], "replicas": 2, "readiness": {"path": "/readyz"}},
        **{name: {**plain(replicas=2), "needs_redis": name == "a"} for name in "abc"},
    }, registry="managed", workers=2)
    at = time.monotonic()
    d.start()
    status = d.ready()
    wait_for(lambda: d.status()["registry"]["state"] == "up")
    up_ms = (time.monotonic() - at) * 1000
    pids = {"control": status["pid"], "keeper": status["keeper"]["pid"],
            **{f"worker {i}": w["pid"] for i, w in enumerate(status["workers"])}}
    time.sleep(1)
    before = {name: cpu_ns(pid) for name, pid in pids.items()}
    time.sleep(IDLE_S)
    percent = {name: (cpu_ns(pid) - before[name]) / IDLE_S / 1e7 for name, pid in pids.items()}
    kib = {name: memory_kib(pid) for name, pid in pids.items()}
    figure("four tools of two copies and Redis, start to ready", f"{up_ms:.0f} ms with the tools' own start")
    figure("resident memory", f"keeper and control {(kib['keeper'] + kib['control']) / 1024:.1f} MiB, "
           f"a worker {max(kib['worker 0'], kib['worker 1']) / 1024:.1f} MiB")
    figure("CPU while idle", ", ".join(f"{name} {p:.3f} %" for name, p in percent.items()) + " of a core")
    assert up_ms < 5 * 400
    assert kib["keeper"] + kib["control"] <= 12 * 1024, kib
    assert max(kib["worker 0"], kib["worker 1"]) <= 6 * 1024, kib
    assert max(percent.values()) < 5 * 0.2, percent
