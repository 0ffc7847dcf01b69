# SPDX-License-Identifier: ISC
"""The real daemon, with real children, in a folder of its own.

`herd(services)` starts `drover run` on a free port and waits until its admin
socket answers. When the test is over the herd is stopped as an operator would
stop it, and must leave nothing: no process, no socket, no mount.
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from drover import BUILD, Daemon, leftovers


def pytest_configure(config):
    config.addinivalue_line("markers", "measured: asserts a figure; left out under sanitizers")
    config.addinivalue_line("markers", "alone: takes all of the machine, so it runs beside nothing else")


@pytest.fixture
def figure(request):
    """Say a measured number: figure("restart", "7 ms")."""

    def say(name, value):
        line = f"{name}: {value}"
        print(line)
        path = os.environ.get("DROVER_FIGURES")
        if path:
            with open(path, "a", encoding="utf-8") as f:
                f.write(line + "\n")

    return say


@pytest.fixture
def herd(tmp_path):
    daemons = []

    def start(services=None, **kw):
        daemon = Daemon(tmp_path / f"h{len(daemons)}", services or {}, **kw)
        daemons.append(daemon)
        daemon.start()
        return daemon

    def prepare(services=None, **kw):
        daemon = Daemon(tmp_path / f"h{len(daemons)}", services or {}, **kw)
        daemons.append(daemon)
        return daemon

    start.prepare = prepare
    try:
        yield start
    finally:
        said = []
        for daemon in daemons:
            try:
                daemon.stop()
            except Exception as e:  # the log below says more
                said.append(f"stop: {e!r}")
            said += daemon.complaints()
        left = leftovers(tmp_path)
        left += [f"process {pid} of {d.folder}" for d in daemons for pid in d.outlived()]
        for pid in [int(m.group(1)) for m in (re.match(r"process (\d+)", x) for x in left) if m]:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        for daemon in daemons:
            print(f"--- {daemon.log_path}\n{daemon.log()[-6000:]}")
        assert not said + left


@pytest.fixture
def spawn(tmp_path):
    """Start a program of the build; it is killed when the test is over."""
    running = []

    def start(program, *args, **kw):
        p = subprocess.Popen(
            [str(BUILD / program), *map(str, args)], stdin=subprocess.DEVNULL, **kw
        )
        running.append(p)
        return p

    yield start
    for p in running:
        if p.poll() is None:
            p.kill()
        p.wait()
