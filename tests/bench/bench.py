#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""./dev bench proxy: what a request costs, beside haproxy and nginx

Each proxy has one thread and the same two backends; wrk asks for the same small
answer over 32 kept connections. CPU is the proxy's own, from /proc, so the
load and the backends on the same machine do not count. One table of ratios,
and build/bench-proxy.json.
"""

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from drover import BUILD, Daemon, cpu_seconds, free_port, herdling, wait_for, ask  # noqa: E402
import http.client  # noqa: E402

SECONDS = 5
ROUNDS = 3

HAPROXY = """
global
    nbthread 1
    maxconn 1000
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    http-reuse always
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    balance leastconn
    server s0 127.0.0.1:{b0}
    server s1 127.0.0.1:{b1}
"""

NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
    fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
    upstream b {{ least_conn; keepalive 64; server 127.0.0.1:{b0}; server 127.0.0.1:{b1}; }}
    server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000000;
        location / {{ proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


def children(pid):
    found = [pid]
    for p in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = p.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(p.parent.name))
    return found


def wrk(port, path):
    out = subprocess.run(
        [shutil.which("wrk"), "-t1", "-c32", f"-d{SECONDS}s", "--latency", f"http://127.0.0.1:{port}{path}"],
        capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL, timeout=60,
    ).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(out)
    return int(re.search(r"(\d+) requests in", out).group(1))


def measure(port, path, pids):
    wrk(port, path)
    best = None
    for _ in range(ROUNDS):
        before = sum(map(cpu_seconds, pids))
        n = wrk(port, path)
        us = (sum(map(cpu_seconds, pids)) - before) * 1e6 / n
        if best is None or us < best[0]:
            best = us, n / SECONDS
    return {"cpu_us_per_request": round(best[0], 2), "requests_per_second": round(best[1])}


@contextlib.contextmanager
def running(*command):
    p = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL)
    try:
        yield p
    finally:
        p.terminate()
        p.wait(10)


def up(port, path="/"):
    wait_for(lambda: ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "GET", path).status == 200)


def bench_proxy(folder):
    results = {}
    ports = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(running(BUILD / "tests/tools/herdling", "--port", port))
            up(port)
        for name, text, command in (
            ("haproxy", HAPROXY, lambda conf: ["haproxy", "-db", "-q", "-f", conf]),
            ("nginx", NGINX, lambda conf: ["/usr/sbin/nginx", "-c", conf]),
        ):
            port = free_port()
            conf = folder / f"{name}.conf"
            conf.write_text(text.format(port=port, folder=folder, b0=ports[0], b1=ports[1]))
            with running(*command(conf)) as p:
                up(port)
                results[name] = measure(port, "/", children(p.pid))
    d = Daemon(folder / "drover", {"a": herdling(replicas=2, listen="port")}, workers=1)
    try:
        d.start()
        d.ready()
        results["drover"] = measure(d.port, "/a/", [w["pid"] for w in d.status()["workers"]])
    finally:
        d.stop()
    return results


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = bench_proxy(Path(folder))
    own = results["drover"]["cpu_us_per_request"]
    print(f"{'PROXY':10} {'CPU/REQUEST':>12} {'RATIO':>6} {'REQUESTS/S':>11}")
    for name, r in results.items():
        r["ratio"] = round(own / r["cpu_us_per_request"], 2)
        print(f"{name:10} {r['cpu_us_per_request']:9.2f} us {r['ratio']:6.2f} {r['requests_per_second']:11}")
    (BUILD / "bench-proxy.json").write_text(json.dumps(results, indent=1) + "\n")


main()
