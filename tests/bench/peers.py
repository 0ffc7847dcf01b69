# SPDX-License-Identifier: ISC
"""The proxies that are compared, each with the same doors and the same work.

A door is where the load comes in: tcp (to an endpoint over TCP), default (TCP,
and drover's default of an endpoint on a Unix socket; the others go over TCP),
unix (Unix sockets on both sides), log (tcp with an access log into a file), tls
and h2 (TLS, to an endpoint over TCP). Everybody has one thread, adds
X-Forwarded-For, -Proto and -Host, and keeps connections on both sides.
"""

import os
import re
import subprocess
import time
from pathlib import Path

import worker_rig
from drover import BUILD, Daemon, free_port

DOORS = ("tcp", "default", "unix", "log", "tls", "h2")
CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = {CORES[0]}
OTHER_CORES = set(CORES[1:]) or PROXY_CORE
TOOLS = BUILD / "tests/tools"
given = set()  # ports


def port_of_its_own():
    """That no other program of this run has been given, whether it listens yet or not."""
    while (port := free_port()) in given:
        pass
    given.add(port)
    return port


def pinned(command, cores=OTHER_CORES):
    return ["taskset", "-c", ",".join(map(str, sorted(cores))), *map(str, command)]


def spawn(*command, cores=OTHER_CORES, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(pinned(command, cores), **kw)


def pin(pids, cores):
    """Processes that run already, with all of their threads."""
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def end(p, timeout=10):
    if p.poll() is None:
        p.terminate()
    try:
        p.wait(timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


def family(pid):
    """A process and its children."""
    found = [pid]
    for p in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = p.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(p.parent.name))
    return found


def wait_until(what, otherwise="a program did not come up", timeout=20, every=0.05):
    until = time.monotonic() + timeout
    while not what():
        if time.monotonic() > until:
            raise RuntimeError(otherwise)
        time.sleep(every)


def blast(*args, **kw):
    return spawn(TOOLS / "blast", *args, stdout=subprocess.PIPE, text=True, **kw)


def answers(where):
    p = blast(*where, "-c", 1, "-n", 1, "--path", "/tcp/100", stderr=subprocess.DEVNULL)
    p.communicate()
    return p.returncode == 0


def certificate(folder):
    """A certificate of our own; haproxy wants it in one file with its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
         "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
        check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (folder / "both.pem").write_bytes(cert.read_bytes() + key.read_bytes())


class Origins:
    """One on a port and one on a Unix socket; everybody asks the same two."""

    def __init__(self, folder):
        self.folder, self.port, self.path = folder, port_of_its_own(), folder / "origin.sock"
        self.running = [
            spawn(TOOLS / "origin", address, "100") for address in (f"127.0.0.1:{self.port}", f"unix:{self.path}")]
        wait_until(lambda: answers(("--port", self.port)) and answers(("--unix", self.path)))

    def pin(self, cores):
        pin([p.pid for p in self.running], cores)

    def stop(self):
        for p in self.running:
            end(p)


class Peer:
    """A program with a configuration file; where[door] is how blast gets there."""

    name = ""
    settle = 0  # seconds until what the load left to do is done
    log = "log"  # the file

    def __init__(self, folder, origins):
        self.folder = folder / self.name
        self.folder.mkdir()
        self.log_read = self.log_lines = 0
        self.ports = {door: port_of_its_own() for door in DOORS}
        self.socket = self.folder / "s"
        self.origins = origins
        self.where = {door: ("--port", self.ports[door]) for door in DOORS} | {"unix": ("--unix", self.socket)}
        self.p = spawn(*self.command(), cores=PROXY_CORE, stderr=open(self.folder / "stderr", "wb"),
                       stdout=open(self.folder / "stdout", "wb"))
        try:
            wait_until(lambda: self.p.poll() is not None or answers(self.where["tcp"]), timeout=60)
        finally:
            if not answers(self.where["tcp"]):
                end(self.p)
        if self.p.poll() is not None:
            raise RuntimeError(f"{self.name}: " + (self.folder / "stderr").read_text()[-1000:])

    def text(self, template):
        words = {f"p_{door}": port for door, port in self.ports.items()}
        return template.format(
            folder=self.folder, top=self.origins.folder, socket=self.socket, port=self.origins.port,
            path=self.origins.path, **words)

    def write(self, name, template):
        path = self.folder / name
        path.write_text(self.text(template))
        return path

    def pids(self):
        return family(self.p.pid)

    def lines(self):
        """Of the access log, so far."""
        with open(self.folder / self.log, "rb") as f:
            f.seek(self.log_read)
            new = f.read()
        self.log_read += len(new)
        self.log_lines += new.count(b"\n")
        return self.log_lines

    def stop(self):
        end(self.p)


HAPROXY = """
global
    nbthread 1
    maxconn 15000
    no strict-limits
    {tune}
defaults
    mode http
    timeout connect 5s
    timeout client 75s
    timeout server 60s
    timeout tunnel 1h
    option forwardfor
    http-reuse always
    balance leastconn
frontend tcp
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    bind 127.0.0.1:{p_tcp}
    bind 127.0.0.1:{p_default}
    default_backend tcp
frontend unix
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    bind unix@{socket}
    default_backend unix
frontend log
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    bind 127.0.0.1:{p_log}
    log stdout format raw local0 info
    option httplog
    default_backend tcp
frontend tls
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(Host)]
    bind 127.0.0.1:{p_tls} ssl crt {top}/both.pem alpn http/1.1
    bind 127.0.0.1:{p_h2} ssl crt {top}/both.pem alpn h2
    default_backend tcp
backend tcp
    server s0 127.0.0.1:{port}
backend unix
    server s0 unix@{path}
"""


class Haproxy(Peer):
    name, tune, log = "haproxy", "", "stdout"

    def command(self):
        return "haproxy", "-db", "-f", self.write("conf", HAPROXY.replace("{tune}", self.tune))


class Haproxy64(Haproxy):
    """With buffers that suit large bodies."""

    name, tune = "haproxy-64k", "tune.bufsize 65536"


NGINX = """
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit; worker_rlimit_nofile 60000;
events {{ worker_connections 30000; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    keepalive_requests 1000000000; client_max_body_size 64m;
    {tune}
    upstream by_tcp {{ least_conn; keepalive 256; keepalive_requests 1000000000; server 127.0.0.1:{port}; }}
    upstream by_unix {{ least_conn; keepalive 256; keepalive_requests 1000000000; server unix:{path}; }}
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    proxy_http_version 1.1;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
    ssl_certificate {top}/cert.pem; ssl_certificate_key {top}/key.pem; ssl_session_cache shared:a:1m;
    server {{ listen 127.0.0.1:{p_tcp} backlog=4096; listen 127.0.0.1:{p_default}; location / {{ proxy_pass http://by_tcp; }} }}
    server {{ listen unix:{socket}; location / {{ proxy_pass http://by_unix; }} }}
    server {{ listen 127.0.0.1:{p_log}; access_log {folder}/log combined; location / {{ proxy_pass http://by_tcp; }} }}
    server {{ listen 127.0.0.1:{p_tls} ssl; location / {{ proxy_pass http://by_tcp; }} }}
    server {{ listen 127.0.0.1:{p_h2} ssl http2; location / {{ proxy_pass http://by_tcp; }} }}
}}
"""


class Nginx(Peer):
    name, tune = "nginx", ""

    def command(self):
        return "/usr/sbin/nginx", "-c", self.write("conf", NGINX.replace("{tune}", self.tune))

    def pids(self):
        return super().pids()[1:] or super().pids()


class Nginx64(Nginx):
    """With buffers that suit large bodies."""

    name, tune = "nginx-64k", "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"


CADDY = """{{
    admin off
    auto_https off
    storage file_system {folder}
}}
(to) {{ reverse_proxy 127.0.0.1:{port} }}
http://127.0.0.1:{p_tcp}, http://127.0.0.1:{p_default}, http://localhost:{p_tcp}, http://localhost:{p_default} {{
    import to
}}
http://localhost {{
    bind unix/{socket}
    reverse_proxy unix/{path}
}}
http://127.0.0.1:{p_log}, http://localhost:{p_log} {{
    log {{
        output file {folder}/log {{
            roll_disabled
        }}
    }}
    import to
}}
https://127.0.0.1:{p_tls}, https://localhost:{p_tls}, https://127.0.0.1:{p_h2}, https://localhost:{p_h2} {{
    tls {top}/cert.pem {top}/key.pem
    import to
}}
"""


class Caddy(Peer):
    """One thread of Go code; its collector has some of its own."""

    name = "caddy"

    def command(self):
        path = self.write("Caddyfile", CADDY)
        env = ("env", "GOMAXPROCS=1", f"XDG_DATA_HOME={self.folder}", f"XDG_CONFIG_HOME={self.folder}")
        return *env, "caddy", "run", "--config", path, "--adapter", "caddyfile"


class Worker:
    """drover's proxy process alone, led by a stand-in for control."""

    name = "drover"
    settle = 0
    workers = 1

    def __init__(self, folder, origins):
        self.folder = folder / self.name
        self.folder.mkdir()
        self.rig = worker_rig.Rig(self.folder, workers=0)
        try:
            self.start(origins)
        except BaseException:
            self.rig.close()
            raise

    def start(self, origins):
        pin([self.rig.control.pid], OTHER_CORES)
        self.socket = self.folder / "s"
        self.rig.say(f"listen 2 unix:{self.socket}")
        self.rig.wait("listening 2")
        secure = self.rig.listen(3)
        self.rig.say(f"tls 3 {origins.folder}/cert.pem {origins.folder}/key.pem")
        self.rig.say("tickets 1")
        for i in range(self.workers):
            self.rig.workers[i] = spawn(
                worker_rig.tool("worker"), self.rig.socket, i, cores={CORES[i % len(CORES)]},
                stderr=open(self.folder / f"stderr{i}", "wb"))
            self.rig.wait(f"hello {i}", 60)
        self.rig.publish(
            f"service tcp 0\nendpoint tcp.0 0 127.0.0.1:{origins.port}\n"
            f"service unix 1\nendpoint unix.0 4000 unix:{origins.path}\n"
            "route tcp /tcp/\nroute unix /unix/\n")
        here = ("--port", self.rig.port)
        self.where = {"tcp": here, "default": here, "unix": ("--unix", self.socket),
                      "tls": ("--port", secure), "h2": ("--port", secure)}
        wait_until(lambda: answers(here), timeout=60)

    def pids(self):
        return [w.pid for w in self.rig.workers.values()]

    def stop(self):
        self.rig.close()


class TwoWorkers(Worker):
    """One to a core; where there are but two, the load has to share them."""

    name = "drover-2w"
    workers = 2


class Herd:
    """All of drover with its defaults, its processes together on the core, and
    a service of its own on the same program."""

    name = "drover-all"
    settle = 0.3  # control looks for records ten times a second
    access_log = "off"

    def __init__(self, folder, _origins):
        self.folder = folder / self.name
        service = {"command": [str(TOOLS / "origin"), "127.0.0.1:${PORT}", "100"], "listen": "port",
                   "readiness": {"path": "/100"}, "route": [{"path": "/tcp/"}]}
        self.d = Daemon(self.folder, {"tcp": service}, workers=1, access_log=self.access_log)
        try:
            self.start()
        except BaseException:
            self.d.stop()
            raise

    def start(self):
        self.d.start()
        status = self.d.ready()
        self.processes = [status["pid"], status["keeper"]["pid"], *(w["pid"] for w in status["workers"])]
        pin(self.processes, PROXY_CORE)
        pin([i["pid"] for s in status["services"] for i in s["instances"]], OTHER_CORES)
        here = ("--port", self.d.port)
        self.where = {"tcp": here, "log": here}

    def pids(self):
        return self.processes

    def lines(self):
        """Of the access log, so far."""
        text = self.d.api("GET", "/metrics").body.decode()
        return int(re.search(r"^drover_access_log_lines_total (\d+)", text, re.M).group(1))

    def stop(self):
        self.d.stop()


class HerdLog(Herd):
    name, access_log = "drover-log", "combined"


class HerdJson(Herd):
    name, access_log = "drover-json", "json"


KINDS = {
    kind.name: kind
    for kind in (Worker, TwoWorkers, Herd, HerdLog, HerdJson, Haproxy, Haproxy64, Nginx, Nginx64, Caddy)}
