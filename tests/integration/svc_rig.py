# SPDX-License-Identifier: ISC
"""A tool service by itself: started on a socket, asked, stopped, its log read."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DROVER_BUILD", ROOT / "build"))
IMAGE = str(BUILD / "bin/drover-image")
SLEEPER = str(BUILD / "tests/tools/sleeper")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def type(self):
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["title"] and problem["detail"] and problem["request_id"]
        return problem["type"].removeprefix("/errors/")


class Connection(http.client.HTTPConnection):
    def __init__(self, where, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.where = where

    def connect(self):
        kind = socket.AF_UNIX if isinstance(self.where, str) else socket.AF_INET
        self.sock = socket.socket(kind, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.where)


class Tool:
    def __init__(self, process, where, log):
        self.process, self.where, self.log = process, where, log

    def ask(self, method, path, body=None, headers={}):
        connection = Connection(self.where)
        try:
            connection.request(method, path, body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def begin(self, path, body):
        """Send a request and leave it at that."""
        connection = Connection(self.where)
        connection.request("POST", path, body)
        return connection

    def metric(self, name):
        text = self.ask("GET", "/metrics").body.decode()
        lines = [x for x in text.splitlines() if x.startswith(name)]
        assert lines, f"no {name}"
        return sum(float(x.rsplit(" ", 1)[1]) for x in lines)

    def until(self, name, value, seconds=10):
        end = time.monotonic() + seconds
        while (now := self.metric(name)) != value:
            assert time.monotonic() < end, f"{name} is {now}, not {value}"
            time.sleep(0.01)

    def lines(self):
        return [json.loads(x) for x in self.log.read_text().splitlines()]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture
def start(tmp_path):
    """start(SLEEPER, "--workers", "1"): runs until the end of the test."""
    started = []

    def run(*args, env={}, where=None, wait=True, pass_fds=()):
        log = tmp_path / f"log{len(started)}"
        path = str(tmp_path / f"s{len(started)}")
        if "PORT" not in env and not pass_fds:
            env = {"DROVER_SOCKET": path, **env}
        clean = {k: v for k, v in os.environ.items()
                 if k not in ("PORT", "DROVER_SOCKET", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET")}
        with log.open("wb") as err:
            process = subprocess.Popen(args, env={**clean, **env}, stderr=err, pass_fds=pass_fds)
        started.append(process)
        tool = Tool(process, where or path, log)
        end = time.monotonic() + 10
        while wait:
            try:
                assert tool.ask("GET", "/readyz").status == 200
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, log.read_text()
                time.sleep(0.005)
        return tool

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
