# SPDX-License-Identifier: ISC
"""Workers without the rest of drover: a stand-in for control leads them.

Everything that a Rig starts ends with it, by pid.
"""
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("DROVER_BUILD", os.path.join(TOP, "build"))
WRAP = os.environ.get("DROVER_WRAP", "").split()  # what runs the workers

STRIP, REWRITE, EXACT, INTERNAL = 2, 4, 1, 8


def tool(name):
    return os.path.join(BUILD, "tests", "tools", name)


class Origin:
    """One copy of the service in origin.py."""

    def __init__(self, rig, name, address=None):
        self.name = name
        self.log = os.path.join(rig.dir, "log")
        self.address = address or f"unix:{rig.dir}/{name}.sock"
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "origin.py"), self.address,
             name, self.log], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        if line != "ready":
            self.address = f"127.0.0.1:{line}"
            self.process.stdout.readline()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.kill()
        self.process.stdout.close()


class Endpoint:
    """A Unix socket of the test's own. start() serves connections in threads."""

    def __init__(self, rig, name):
        self.name = name
        path = os.path.join(rig.dir, name + ".sock")
        self.address = f"unix:{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(512)

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def close(self):
        if self.listener.fileno() != -1:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()


class Script(Endpoint):
    """An endpoint whose connections the test holds in its own hands."""

    def __init__(self, rig, name="s"):
        super().__init__(rig, name)
        self.listener.settimeout(10)

    def accept(self):
        s, _ = self.listener.accept()
        s.settimeout(10)
        return s


def eventually(what, timeout=5):
    end = time.monotonic() + timeout
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def held(rig):
    """What the worker says it holds, once that stands still."""
    last = -1
    while True:
        now = rig.ask("limits")["memory"]
        if now == last:
            return now
        last = now
        time.sleep(0.6)


class Rig:
    def __init__(self, path, workers=1):
        self.dir = str(path)
        self.socket = os.path.join(self.dir, "c")
        self.origins = []
        self.workers = {}
        self.lines = queue.Queue()
        self.generation = 0
        self.control = subprocess.Popen(
            [tool("mini_control"), self.socket], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = self.listen(1)
        for i in range(workers):
            self.start_worker(i)

    def _read(self):
        for line in self.control.stdout:
            self.lines.put(line.strip())

    def say(self, text):
        self.control.stdin.write(text + "\n")
        self.control.stdin.flush()

    def wait(self, start, timeout=10):
        """The next line that begins so; others are dropped."""
        end = time.monotonic() + timeout
        while True:
            line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            if line.startswith(start):
                return line

    def listen(self, number, internal=False, http=""):
        """http: http1 for `http2: never`, http2 for `http2: always`."""
        self.say(f"listen {number} 127.0.0.1:0 {'internal' * internal}{http}")
        return int(self.wait("listening").split()[2])

    def start_worker(self, i):
        self.workers[i] = subprocess.Popen(
            [*WRAP, tool("worker"), self.socket, str(i)])
        self.wait(f"hello {i}")

    def origin(self, name, address=None):
        o = Origin(self, name, address)
        self.origins.append(o)
        return o

    def publish(self, text, wait=True):
        """A snapshot; returns when all workers have it in force."""
        self.generation += 1
        lines = [x.strip() for x in text.strip().splitlines()]
        self.say("\n".join(["begin", *lines, f"publish {self.generation}"]))
        if not wait:
            return
        waiting = {i for i, w in self.workers.items() if w.poll() is None}
        while waiting:
            line = self.wait("ack").split()
            if int(line[2]) == self.generation:
                waiting.discard(int(line[1]))

    def simple(self, *origins, options="", first=0, **limits):
        """One service on all paths, with these endpoints."""
        text = "".join(f"limit {k} {v}\n" for k, v in limits.items())
        text += f"service web 0 {options}\n"
        for i, o in enumerate(origins):
            text += f"endpoint {o.name} {first + i} {o.address}\n"
        self.publish(text + "route web /\n")

    def ask(self, what, number=0):
        self.say(f"{what}? {number}")
        words = self.wait(what + " ").split()[1:]
        return {k: int(v) for k, v in (w.split("=") for w in words)}

    def met(self, limit, number=0):
        """How often a worker has met a limit."""
        return self.ask("limits", number).get(limit, 0)

    def forwarded(self):
        """What reached the services."""
        try:
            with open(os.path.join(self.dir, "log")) as f:
                return [json.loads(x) for x in f]
        except FileNotFoundError:
            return []

    def connect(self, port=None, timeout=10):
        return socket.create_connection(
            ("127.0.0.1", port or self.port), timeout=timeout)

    def http(self, port=None, timeout=30):
        return http.client.HTTPConnection(
            "127.0.0.1", port or self.port, timeout=timeout)

    def get(self, target, method="GET", body=None, headers=None, port=None):
        c = self.http(port)
        try:
            c.request(method, target, body=body, headers=headers or {})
            r = c.getresponse()
            data = r.read()
            return r.status, dict(
                (k.lower(), v) for k, v in r.getheaders()), data
        finally:
            c.close()

    def raw(self, data, timeout=5, shut=False):
        """Send bytes; all that comes back until close or silence."""
        s = self.connect(timeout=timeout)
        try:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
            return read_all(s)
        finally:
            s.close()

    def memory(self, i=0):
        """Anonymous memory of a worker, in KiB."""
        with open(f"/proc/{self.workers[i].pid}/status") as f:
            for line in f:
                if line.startswith("RssAnon"):
                    return int(line.split()[1])
        raise AssertionError("no RssAnon")

    def close(self):
        codes = {}
        for i, w in self.workers.items():
            if w.poll() is None:
                w.send_signal(signal.SIGTERM)
        for i, w in self.workers.items():
            try:
                codes[i] = w.wait(10)
            except subprocess.TimeoutExpired:
                w.kill()
                codes[i] = w.wait()
        for o in self.origins:
            o.stop()
        self.control.stdin.close()
        self.control.wait(5)
        self.reader.join()
        self.control.stdout.close()
        return codes


def read_all(s):
    """Until the other side closes, or is silent for the socket's timeout."""
    data = b""
    while True:
        try:
            part = s.recv(65536)
        except (TimeoutError, socket.timeout, ConnectionResetError):
            return data
        if not part:
            return data
        data += part


def read_until(s, mark, limit=1 << 20):
    data = b""
    while mark not in data and len(data) < limit:
        part = s.recv(65536)
        if not part:
            break
        data += part
    return data


def status(data):
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else 0


def header(data, name):
    for line in data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")[1:]:
        k, v = line.split(b":", 1)
        if k.strip().lower() == name.lower().encode():
            return v.strip().decode()
    return None


def http2_rig(path):
    """A fixture's: a worker with one more listener, of HTTP/2."""
    r = Rig(path)
    r.h2_port = r.listen(2, http="http2")
    r.say("hangup")
    r.wait("hello")
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes
