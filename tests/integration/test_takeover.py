# SPDX-License-Identifier: ISC
"""Control is killed; services and traffic do not notice, and the next one takes them over."""

import http.client
import os
import re
import select
import shutil
import signal
import time
from pathlib import Path

import pytest
from drover import UnixConnection, alive, all_ok, ask, herdling, wait_for


def test_a_killed_control_loses_nothing_and_the_next_takes_over(herd, figure):
    d = herd({"a": herdling(replicas=2), "b": herdling(listen="port")})
    status = d.ready()
    pids = d.pids("a"), d.pids("b")
    workers = [w["pid"] for w in status["workers"]]
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    before = d.status()["generation"]
    d.kill_control()
    time.sleep(0.5)
    assert all(alive(p) for group in pids for p in group.values())
    at = time.monotonic()
    d.start()
    figure("takeover after kill -9 of control", f"{(time.monotonic() - at) * 1000:.0f} ms to a status")
    after = d.ready()
    assert (d.pids("a"), d.pids("b")) == pids
    assert [w["pid"] for w in after["workers"]] == workers
    assert after["keeper"]["pid"] == status["keeper"]["pid"]
    assert after["generation"] > before
    assert all(s["restarts"] == 0 for s in after["services"])
    verdict = load.end()
    assert all_ok(verdict), verdict
    # It supervises what it took over.
    os.kill(pids[0]["a.0"], signal.SIGKILL)
    wait_for(lambda: d.pids("a").get("a.0") not in (None, pids[0]["a.0"]))
    d.ready("a")


def test_an_instance_that_died_meanwhile_is_started_anew(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    pids = d.pids("a")
    d.kill_control()
    os.kill(pids["a.1"], signal.SIGKILL)
    time.sleep(0.2)
    d.start()
    d.ready("a")
    after = d.pids("a")
    assert after["a.0"] == pids["a.0"] and after["a.1"] != pids["a.1"]


def answered(d, service="a"):
    text = d.api("GET", "/metrics").body.decode()
    return sum(int(n) for n in re.findall(rf'^drover_service_responses_total\{{service="{service}",.*\}} (\d+)$', text, re.M))


def test_counters_exits_and_logs_go_on_through_the_time_without_control(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    os.kill(d.pids("a")["a.0"], signal.SIGKILL)
    wait_for(lambda: d.instance("a.0")["restarts"] == 1)
    d.ready("a")
    d.load("-n", 100, "--path", "/a/").verdict()
    wait_for(lambda: answered(d) >= 100)
    address = d.instance("a.1")["address"].removeprefix("unix:")
    d.kill_control()
    for _ in range(50):
        assert d.get("/a/").status == 200
    alone = UnixConnection(address)
    assert ask(alone, "GET", "/say?nobody-listens").status == 200
    with pytest.raises(OSError):
        ask(alone, "GET", "/exit?code=42")
    d.start()
    d.ready("a")
    one, other = d.instance("a.0"), d.instance("a.1")
    assert one["restarts"] == 1 and one["last_exit"]["signal"] == 9, one
    assert other["restarts"] == 1 and (other["last_exit"]["kind"], other["last_exit"]["code"]) == ("exited", 42), other
    assert answered(d) >= 150
    assert "nobody-listens" in d.cli("logs", "a").stdout


def test_a_broken_file_does_not_prevent_the_takeover(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    pids = d.pids("a")
    d.kill_control()
    d.config.write_text(d.config.read_text(encoding="utf-8") + "\nlisten: [\n", encoding="utf-8")
    d.start()
    d.ready("a")
    assert d.pids("a") == pids
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())
    d.write_top()


def test_what_the_file_says_by_then_is_a_reload(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    pids = d.pids("a")
    d.kill_control()
    d.write("b", herdling())
    d.start()
    d.ready("a", "b")
    assert d.pids("a") == pids


def test_a_killed_worker_is_replaced(herd):
    d = herd({"a": herdling()})
    status = d.ready("a")
    old = [w["pid"] for w in status["workers"]]
    os.kill(old[0], signal.SIGKILL)
    wait_for(lambda: len([w for w in d.status()["workers"] if w["pid"]]) == 2
             and old[0] not in [w["pid"] for w in d.status()["workers"]])
    wait_for(lambda: all_ok(d.load("-n", 200, "-c", 8, "--path", "/a/").verdict()), 10)


def test_a_killed_workers_listen_queue_is_kept_and_other_workers_do_not_notice(herd):
    d = herd({"a": herdling()})
    victim = d.ready("a")["workers"][0]["pid"]

    def connect():
        c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=10)
        c.connect()
        c.request("GET", "/a/")
        return c

    old = [connect() for _ in range(16)]
    for c in old:
        assert c.getresponse().read()
    os.kill(victim, signal.SIGSTOP)
    waiting = [connect() for _ in range(16)]  # some of them with the one that is stopped
    wait_for(lambda: 0 < len(select.select([c.sock for c in waiting], [], [], 0.2)[0]) < len(waiting))
    os.kill(victim, signal.SIGKILL)
    for c in waiting:
        assert c.getresponse().status == 200
    lost = 0
    for c in old:
        try:
            c.request("GET", "/a/")
            assert c.getresponse().status == 200
        except OSError:
            lost += 1
    assert 0 < lost < len(old)  # those that were with the victim, and no other


def test_a_killed_keeper_leaves_no_process_and_the_herd_begins_anew(herd):
    d = herd({"a": herdling("--forks", 1, "--setsid", 1, replicas=2)})
    d.ready("a")
    pids, keeper = d.pids("a"), d.keeper_pid
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: not any(alive(p) for p in pids.values()))
    wait_for(lambda: d.status()["keeper"]["pid"] not in (0, keeper))
    d.keeper_pid = d.status()["keeper"]["pid"]
    d.ready("a")
    assert not set(d.pids("a").values()) & set(pids.values())
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())


PYTHON = "/usr/bin/python3"
NODE = shutil.which("node")
NODE_SERVER = """
const http = require('http');
http.createServer((q, s) => { console.log('served', q.url); s.end('from node ' + q.url); })
    .listen(process.env.PORT, '127.0.0.1', () => console.log('listening'));
"""


def test_pythons_and_nodes_own_servers_run_unmodified_and_log_on(herd, tmp_path):
    (tmp_path / "page.txt").write_text("from python", encoding="utf-8")
    ready = {"tcp": True, "interval": "200ms"}
    d = herd({
        "py": {"command": [PYTHON, "-u", "-m", "http.server", "${PORT}", "--bind", "127.0.0.1",
                           "--directory", str(tmp_path)], "listen": "port", "readiness": ready},
        "js": {"command": [NODE, "-e", NODE_SERVER], "listen": "port", "readiness": ready},
    })
    d.ready()
    pids = d.pids("py"), d.pids("js")
    assert d.get("/py/page.txt").body == b"from python"
    assert d.get("/js/x").body == b"from node /x"
    d.kill_control()
    assert d.get("/py/page.txt?alone").body == b"from python"
    assert d.get("/js/alone").body == b"from node /alone"
    d.start()
    d.ready()
    assert (d.pids("py"), d.pids("js")) == pids
    assert d.get("/js/after").status == 200
    for name, line in (("py", "page.txt?alone"), ("js", "/alone"), ("js", "/after")):
        wait_for(lambda name=name, line=line: line in d.cli("logs", name).stdout)


def test_logs_reach_rotated_files(herd):
    d = herd({"a": herdling("--say", "here I am")})
    d.ready("a")
    files = lambda: [p for p in Path(d.folder / "logs").rglob("*") if p.is_file()]
    wait_for(lambda: any("here I am" in p.read_text(encoding="utf-8") for p in files()))
