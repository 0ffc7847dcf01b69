# SPDX-License-Identifier: ISC
"""The admin API and the command line of a running herd."""

import json
import os
import re
import signal
import struct
import subprocess

import h2_client
from drover import BUILD, Follower, all_ok, alive, herdling, wait_for


def test_status_is_what_the_contract_says(herd):
    d = herd({"a": herdling(replicas=2)}, node={"name": "n1"})
    d.ready("a")
    d.load("-n", 100, "--path", "/a/").verdict()
    p = d.cli("status", "--json")
    assert p.returncode == 0
    s = json.loads(p.stdout)
    assert s["node"] == "n1" and s["pid"] == d.proc.pid and alive(s["keeper"]["pid"])
    assert isinstance(s["version"], str) and isinstance(s["generation"], int)
    assert s["registry"]["state"] == "off"
    assert len(s["workers"]) == 2 and all(alive(w["pid"]) for w in s["workers"])
    a = s["services"][0]
    for key in ("name", "state", "ready", "desired", "restarts", "rps", "p99_ms", "queue", "inflight", "unenforced", "instances"):
        assert key in a, key
    assert (a["name"], a["state"], a["ready"], a["desired"]) == ("a", "ready", 2, 2)
    i = a["instances"][0]
    for key in ("id", "pid", "state", "restarts", "uptime_s", "address", "mem_bytes", "cpu_pct"):
        assert key in i, key
    assert i["id"] == "a.0" and alive(i["pid"])
    table = d.cli("status").stdout.splitlines()
    assert table[0].split()[:4] == ["SERVICE", "READY", "STATE", "RESTARTS"]
    assert table[1].split()[:3] == ["a", "2/2", "ready"]


def test_numbers_are_as_short_as_they_were_meant(herd):
    d = herd({"bad": herdling("--crash", 1)})
    wait_for(lambda: d.service("bad")["state"] == "backoff" and d.service("bad")["restarts"] >= 3)
    for _ in range(8):
        for text in (d.cli("status", "--json").stdout, d.api("GET", "/v1/status").body.decode()):
            assert not re.search(r"\d\.\d{10}", text), text


def test_an_unhealthy_herd_is_exit_3(herd):
    d = herd({"bad": herdling("--crash", 1), "good": herdling()})
    d.ready("good")
    wait_for(lambda: d.service("bad")["state"] == "backoff")
    assert d.cli("status").returncode == 3
    assert d.cli("status", "good").returncode == 0


def test_start_stop_restart_scale_under_load(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    old = d.pids("a")
    assert d.cli("restart", "--wait", "a").returncode == 0
    assert not set(old.values()) & set(d.pids("a").values())
    assert d.cli("scale", "--wait", "a=4").returncode == 0
    assert d.service("a")["ready"] == 4
    assert d.cli("scale", "--wait", "a=1").returncode == 0
    assert len(d.pids("a")) == 1
    verdict = load.end()
    assert all_ok(verdict), verdict
    assert d.cli("stop", "--wait", "a").returncode == 0
    assert d.service("a")["state"] == "stopped" and not d.pids("a")
    assert not any(i["mem_bytes"] or i["cpu_pct"] for i in d.service("a")["instances"])
    assert d.cli("start", "--wait", "a").returncode == 0
    d.ready("a")


def test_one_instance_can_be_restarted_and_killed(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    pids = d.pids("a")
    assert d.cli("restart", "--wait", "a.1").returncode == 0
    d.ready("a")
    after = d.pids("a")
    assert after["a.0"] == pids["a.0"] and after["a.1"] != pids["a.1"]
    assert d.api("POST", "/v1/instances/a.0/kill").status in (200, 202)
    wait_for(lambda: d.pids("a").get("a.0") not in (None, after["a.0"]))


def test_logs_are_shown_and_followed(herd):
    d = herd({"a": herdling("--say", "first line")})
    d.ready("a")
    wait_for(lambda: "first line" in d.cli("logs", "a").stdout)
    with Follower(d, "logs", "-f", "a") as logs:
        logs.until(lambda got: "first line" in got)
        for n in range(5):
            d.get(f"/a/say?line-{n}")
        logs.until(lambda got: all(f"line-{n}" in got for n in range(5)))


def test_events_tell_what_happened_and_why(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")

    def died(got):
        events = [json.loads(x) for x in got.splitlines() if x.endswith("}")]
        return [e for e in events if e.get("instance") == "a.0" and e.get("from") == "ready"]

    with Follower(d, "events", "-f", "--json") as events:
        events.until(lambda got: "a.1" in got)
        os.kill(d.pids("a")["a.0"], signal.SIGKILL)
        cause = events.until(died)[-1]["cause"]
    assert "SIGKILL" in cause, cause


def test_metrics_are_prometheus_text(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    assert all_ok(d.load("-n", 100, "--path", "/a/").verdict())

    def samples():
        answer = d.api("GET", "/metrics")
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
        lines = [x for x in answer.body.decode().splitlines() if x and not x.startswith("#")]
        return {name: float(value) for name, _, value in (x.rpartition(" ") for x in lines)}

    assert wait_for(lambda: samples().get('drover_service_requests_total{service="a"}') == 100, 5)
    assert samples()['drover_service_replicas_ready{service="a"}'] == 1


def test_limits_come_from_the_file_and_hits_are_in_the_metrics(herd):
    d = herd({"a": herdling()}, limits={"target": "100B"})
    d.ready("a")
    long = "/a/?x=" + 100 * "y"

    def met(limit):
        text = d.api("GET", "/metrics").body.decode()
        return int(text.split(f'drover_limit_hits_total{{limit="{limit}"}} ')[1].split()[0])

    assert d.get(long).status == 414 and met("target") == 1
    d.write_top(limits={"target": "8KiB", "head_lines": 8})
    assert d.cli("reload").returncode == 0
    assert d.get(long).status == 200
    assert d.get("/a/", headers={f"X-{i}": "y" for i in range(9)}).status == 431
    assert met("head_lines") == 1
    assert "drover_memory_bytes " in d.api("GET", "/metrics").body.decode()


def test_the_budgets_of_http2_come_from_the_file_and_a_reload(herd):
    d = herd.prepare({"a": herdling()}, workers=1)
    d.write_top(listen=[{"address": f"127.0.0.1:{d.port}", "http2": "always"}],
                limits={"http2_resets": 100, "http2_controls": 16, "http2_window": "20000B"})
    d.start()
    d.ready("a")

    def told(n, data):
        """The window that it was told, and how it ended after so many of these."""
        with h2_client.Client(d.port) as c:
            window = dict(struct.iter_unpack(">HI", c.until(h2_client.SETTINGS)))[4]
            c.send(b"".join(data(2 * i + 1) for i in range(n)))
            c.send(h2_client.frame(h2_client.HEADERS, 5, 2 * n + 1, h2_client.request("/a/")))
            while 2 * n + 1 not in c.answers and not any(f[0] == h2_client.GOAWAY for f in c.frames):
                assert c.step()
            return window, 2 * n + 1 in c.answers

    def ping(_):
        return h2_client.frame(h2_client.PING, payload=b"12345678")

    def reset(s):
        return (h2_client.frame(h2_client.HEADERS, 5, s, h2_client.request("/a/"))
                + h2_client.frame(h2_client.RST, 0, s, h2_client.word(8)))

    def refused(cause):
        text = d.api("GET", "/metrics").body.decode()
        return int(text.split(f'drover_http2_refused_total{{cause="{cause}"}} ')[1].split()[0])

    assert told(40, ping) == (20000, False) and told(40, reset) == (20000, True)
    assert wait_for(lambda: refused("controls") == 1) and refused("resets") == 0
    d.write_top(limits={"http2_resets": 16, "http2_controls": 100})
    assert d.cli("reload").returncode == 0
    assert told(40, ping) == (131072, True) and told(40, reset) == (131072, False)
    assert wait_for(lambda: refused("resets") == 1) and refused("controls") == 1


def test_openapi_lists_every_path_with_its_role(herd):
    d = herd({"a": herdling()})
    api = d.api("GET", "/v1/openapi.json").json()
    assert api["openapi"].startswith("3.")
    for path in ("/v1/status", "/v1/services/{s}/scale", "/v1/reload", "/metrics"):
        assert any(p.replace("{service}", "{s}") == path for p in api["paths"]), path
    assert d.api("GET", "/healthz").status == 200


def test_a_changed_generation_is_a_conflict(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    etag = d.api("GET", "/v1/services/a").headers["ETag"]
    assert d.api("POST", "/v1/services/a/scale", {"replicas": 2}, {"If-Match": etag}).status in (200, 202)
    stale = d.api("POST", "/v1/services/a/scale", {"replicas": 3}, {"If-Match": etag})
    assert stale.status == 412, stale
    assert d.service("a")["desired"] == 2


def test_shutdown_ends_the_whole_herd(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    pids = list(d.pids("a").values())
    assert d.cli("shutdown").returncode == 0
    assert d.proc.wait(30) == 0
    wait_for(lambda: not alive(d.keeper_pid))
    assert not any(alive(p) for p in pids)
    assert not d.socket.exists()


def test_help_version_and_completion():
    def run(*args):
        return subprocess.run([str(BUILD / "bin/drover"), *args], capture_output=True, text=True, timeout=20, check=False)

    assert run("version").returncode == 0 and run("version").stdout.startswith("drover ")
    assert run("--help").returncode == 0 and "status" in run("--help").stdout
    assert run().returncode == 2
    for command in ("run", "status", "start", "stop", "restart", "scale", "logs", "events", "check", "plan", "reload", "shutdown", "version"):
        p = run(command, "--help")
        assert p.returncode == 0 and command in p.stdout, (command, p)
    bash = run("completion", "bash").stdout
    assert subprocess.run(["bash", "-n"], input=bash, text=True, check=False).returncode == 0
    assert "restart" in bash


def test_the_example_configuration_is_accepted(tmp_path):
    """conf/ is what an operator starts from; programs it names are stood in for."""
    import shutil

    from drover import ROOT

    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    for path in (tmp_path / "conf").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\bdrover-(image|video|realtime|data)\b(?=[\],\s])", "/bin/true", text)
        text = re.sub(r"(user: *)[a-z-]+", r"\1nobody", text)
        path.write_text(text, encoding="utf-8")
    p = subprocess.run(
        [str(BUILD / "bin/drover"), "check", "--config", str(tmp_path / "conf/drover.yaml")],
        capture_output=True, text=True, timeout=20, check=False,
    )
    assert p.returncode == 0, p
