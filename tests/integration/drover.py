# SPDX-License-Identifier: ISC
"""What the tests know about a running drover: its sockets, pids and answers."""

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("DROVER_BUILD", ROOT / "build")).resolve()
HERDLING = str(BUILD / "tests/tools/herdling")
SLOW = 4 if "sanitizers" in str(BUILD) else 1  # what a wait is stretched by


def free_port():
    """A port below the ephemeral range, so that no client's socket takes it."""
    for _ in range(200):
        port = random.randrange(10000, 19000)
        with contextlib.closing(socket.socket()) as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


def wait_for(what, timeout=15.0, every=0.02):
    """The first true answer of what(); the last one is in the message."""
    end = time.monotonic() + timeout * SLOW
    answer = None
    while time.monotonic() < end:
        try:
            answer = what()
        except (OSError, http.client.HTTPException, ValueError) as e:
            answer = None
            last = e
        else:
            last = answer
        if answer:
            return answer
        time.sleep(every)
    raise AssertionError(f"not in {timeout} s; at last: {last!r}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout * SLOW)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def ask(connection, method, path, body=None, headers=None):
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers or {})
        return Answer(connection.getresponse())


def herdling(*args, **spec):
    """A service that runs the test service; spec is its configuration."""
    service = {
        "command": [HERDLING, *map(str, args)],
        "listen": "unix",
        "readiness": {"path": "/readyz", "interval": "200ms", "timeout": "2s"},
        "stop": {"timeout": "5s"},
        "rollout": {"watch": "0s"},
    }
    service.update(spec)
    return service


def yaml(value):
    """JSON is YAML, too; only its keys look better without quotes."""
    return re.sub(r'^( *)"(\w+)":', r"\1\2:", json.dumps(value, indent=1), flags=re.M) + "\n"


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def memory_kib(pid):
    """Resident memory, what it shares with others included."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"no memory figure for {pid}")


def born(pid):
    """When it was started, in ticks: pids come again. None: it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[19]
    except OSError:
        return None


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def processes_of(folder):
    """The pids whose command line, environment or folder names `folder`."""
    mark = str(folder).encode()
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        text = b""
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                text += Path(f"/proc/{entry}/{name}").read_bytes()
        with contextlib.suppress(OSError):
            text += os.readlink(f"/proc/{entry}/cwd").encode()
        if mark in text and alive(entry):
            found[int(entry)] = Path(f"/proc/{entry}/cmdline").read_bytes()
    return found


def leftovers(folder):
    """What no herd may leave behind it."""
    left = []
    end = time.monotonic() + 2 * SLOW
    while True:
        processes = processes_of(folder)
        if not processes or time.monotonic() > end:
            break
        time.sleep(0.05)
    left += [f"process {pid} {cmd!r}" for pid, cmd in processes.items()]
    for path in Path(folder).rglob("*"):
        if path.is_socket():
            left.append(f"socket {path}")
        elif "/run/" in str(path) and path.name != "lock" and not path.is_dir():
            left.append(f"file {path}")
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    left += [f"mount {line}" for line in mounts.splitlines() if str(folder) in line]
    return left


class Redis:
    """One connection, spoken by hand: what another program sees of the registry."""

    def __init__(self, path=None, port=None):
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(5)
            self.sock.connect(str(path))
        else:
            self.sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.file = self.sock.makefile("rb")

    def close(self):
        self.file.close()
        self.sock.close()

    def __call__(self, *args):
        out = [f"*{len(args)}\r\n".encode()]
        for a in args:
            a = str(a).encode()
            out.append(b"$%d\r\n%s\r\n" % (len(a), a))
        self.sock.sendall(b"".join(out))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise ValueError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            n = int(rest)
            return None if n < 0 else self.file.read(n + 2)[:-2].decode()
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        raise ConnectionError(f"Redis said {line!r}")


def registered(redis, cluster="drover"):
    """Instance id -> its entry, of the nodes whose lease lives; from Redis alone."""
    p = f"{{drover:{cluster}}}:"
    living = {n: redis("HGET", f"{p}node:{n}", "incarnation") for n in redis("SMEMBERS", f"{p}nodes")}
    found = {}
    for service in redis("SMEMBERS", f"{p}services"):
        flat = redis("HGETALL", f"{p}inst:{service}")
        for id, text in zip(flat[::2], flat[1::2]):
            entry = json.loads(text)
            if living.get(entry["node"]) == entry["incarnation"]:
                found[id] = entry
    return found


class RedisServer:
    def __init__(self, folder, *args):
        self.folder, self.port, self.proc, self.args = folder, free_port(), None, args
        folder.mkdir()

    def start(self):
        self.proc = subprocess.Popen(
            [shutil.which("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
             "--dir", str(self.folder), "--save", "", "--daemonize", "no", *self.args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
        )
        wait_for(lambda: self.read()("PING") == "PONG")

    def read(self):
        return Redis(port=self.port)

    def stop(self):
        if self.proc and self.proc.poll() is None:
            self.proc.terminate()
            self.proc.wait(10)


class Daemon:
    def __init__(self, folder, services, registry="none", listen=True, **top):
        self.folder = Path(folder)
        self.port = free_port()
        self.run_folder = self.folder / "run"
        self.socket = self.run_folder / "admin.sock"
        self.config = self.folder / "drover.yaml"
        self.log_path = self.folder / "log"
        self.proc = None
        self.keeper_pid = None
        self.wrong = []
        self.program = BUILD / "bin/drover"
        self.seen = {}  # pid of keeper, worker or instance -> when it was born
        (self.folder / "services.d").mkdir(parents=True)
        self.top = {
            "listen": [{"address": f"127.0.0.1:{self.port}"}] if listen else [],
            "admin": {"socket": str(self.socket)},
            "registry": registry,
            "workers": 2,
            "directories": {
                "runtime": str(self.run_folder),
                "state": str(self.folder / "state"),
                "cache": str(self.folder / "cache"),
                "logs": str(self.folder / "logs"),
            },
        }
        self.top.update(top)
        self.write_top()
        for name, spec in services.items():
            self.write(name, spec)

    # --- configuration

    def write_top(self, **changes):
        self.top.update(changes)
        self.config.write_text(yaml(self.top), encoding="utf-8")

    def write(self, name, spec, **changes):
        spec = {
            "service": name,
            "route": [{"path": f"/{name}/", "strip": True}],
            **spec,
            **changes,
        }
        path = self.folder / "services.d" / f"{name}.yaml"
        path.write_text(yaml(spec), encoding="utf-8")

    def remove(self, name):
        (self.folder / "services.d" / f"{name}.yaml").unlink()

    # --- the process

    def launch(self):
        """One more `drover run`, as it is."""
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(
                [str(self.program), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, timeout=20):
        self.proc = self.launch()
        wait_for(self._up, timeout)
        self.keeper_pid = self.status()["keeper"]["pid"]

    def _up(self):
        if self.proc.poll() is not None:
            raise AssertionError(f"drover run ended with {self.proc.returncode}: {self.log()[-3000:]}")
        status = self.status()
        return status["pid"] == self.proc.pid and all(w["pid"] for w in status["workers"])

    def kill_control(self):
        self.proc.kill()
        self.proc.wait()

    def stop(self, timeout=30):
        """As Ctrl-C does. Takes over first where control was killed."""
        if self.proc is None:
            return
        if self.proc.poll() is None:
            self.proc.send_signal(signal.SIGINT)
            try:
                status = self.proc.wait(timeout * SLOW)
                if status != 0:
                    self.wrong.append(f"drover run ended with {status}")
            except subprocess.TimeoutExpired:
                self.wrong.append(f"drover run did not end in {timeout} s")
                self.proc.kill()
                self.proc.wait()
        if self.keeper_pid and alive(self.keeper_pid):
            with contextlib.suppress(AssertionError):
                wait_for(lambda: not alive(self.keeper_pid), 3)
        if self.keeper_pid and alive(self.keeper_pid):
            os.kill(self.keeper_pid, signal.SIGTERM)
            wait_for(lambda: not alive(self.keeper_pid), timeout)
        self.proc = None

    def log(self):
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def complaints(self):
        """What no log may say, whatever the test was about."""
        bad = ("Sanitizer", "runtime error:", "assertion", "Assertion")
        return self.wrong + [
            line for line in self.log().splitlines() if any(b in line for b in bad)
        ]

    # --- what it says

    def api(self, method, path, body=None, headers=None, timeout=10):
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        return ask(UnixConnection(self.socket, timeout), method, path, body, headers)

    def status(self):
        answer = self.api("GET", "/v1/status")
        assert answer.status == 200, answer
        status = answer.json()
        for who in [status["keeper"], *status["workers"], *(i for s in status["services"] for i in s["instances"])]:
            if who["pid"] and who["pid"] not in self.seen:
                self.seen[who["pid"]] = born(who["pid"])
        return status

    def outlived(self):
        """Those ever seen in a status that run on."""
        return [p for p, at in self.seen.items() if at and born(p) == at and alive(p)]

    def service(self, name):
        return next(s for s in self.status()["services"] if s["name"] == name)

    def instance(self, id):
        name = id.rpartition(".")[0]
        return next(i for i in self.service(name)["instances"] if i["id"] == id)

    def pids(self, name):
        return {i["id"]: i["pid"] for i in self.service(name)["instances"] if i["pid"]}

    def ready(self, *names, timeout=20):
        """Wait until these services are ready; the status then."""

        def all_ready():
            services = {s["name"]: s for s in self.status()["services"]}
            wanted = names or services
            return all(n in services and services[n]["state"] == "ready" for n in wanted)

        try:
            wait_for(all_ready, timeout)
        except AssertionError:
            raise AssertionError(f"not ready: {json.dumps(self.status()['services'])}") from None
        return self.status()

    def cli(self, *args, timeout=30, **kw):
        return subprocess.run(
            [str(BUILD / "bin/drover"), "--socket", str(self.socket), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout * SLOW,
            check=False,
            **kw,
        )

    def check(self):
        return subprocess.run(
            [str(BUILD / "bin/drover"), "check", "--config", str(self.config)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20 * SLOW,
            check=False,
        )

    # --- through the gateway

    def ask(self, method, path, body=None, headers=None, timeout=10):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * SLOW)
        return ask(connection, method, path, body, headers)

    def get(self, path, **kw):
        return self.ask("GET", path, **kw)

    def direct(self, id, path):
        """Ask an instance on its own socket."""
        address = self.instance(id)["address"]
        if address.startswith("unix:"):
            return ask(UnixConnection(address[5:]), "GET", path)
        host, _, port = address.rpartition(":")
        return ask(http.client.HTTPConnection(host, int(port), timeout=10), "GET", path)

    def load(self, *args):
        """A load in the background; .verdict() ends when it does."""
        return Load(self.port, *args)


class Follower:
    """A command that goes on talking: `until` reads it as far as asked."""

    def __init__(self, daemon, *args):
        self.got = ""
        self.proc = subprocess.Popen(
            [str(BUILD / "bin/drover"), "--socket", str(daemon.socket), *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        os.set_blocking(self.proc.stdout.fileno(), False)

    def until(self, true_of, timeout=15):
        def more():
            with contextlib.suppress(BlockingIOError):
                self.got += os.read(self.proc.stdout.fileno(), 65536).decode(errors="replace")
            return true_of(self.got)

        return wait_for(more, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()


def catches(pid, signum):
    """Whether the process has come so far as to handle the signal."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        caught = next(line for line in f if line.startswith("SigCgt:"))
    return int(caught.split()[1], 16) >> (signum - 1) & 1


class Load:
    def __init__(self, port, *args):
        self.proc = subprocess.Popen(
            [str(BUILD / "tests/tools/load"), "--port", str(port), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )

    def verdict(self, timeout=60):
        try:
            out, _ = self.proc.communicate(timeout=timeout * SLOW)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.communicate()
            raise
        return json.loads(out)

    def end(self):
        """Ask it to end now; the verdict of what it had."""
        wait_for(lambda: catches(self.proc.pid, signal.SIGTERM))
        self.proc.send_signal(signal.SIGTERM)
        return self.verdict()


def all_ok(verdict):
    return verdict["ok"] == verdict["sent"] > 0 and verdict["doubled"] == 0
