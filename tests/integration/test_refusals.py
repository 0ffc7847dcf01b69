# SPDX-License-Identifier: ISC
"""What is wrong is said clearly, and what runs goes on as it was."""

import contextlib
import json
import socket
import subprocess

import pytest
from drover import BUILD, alive, all_ok, herdling, wait_for


def running(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    return d, d.pids("a"), d.config.read_text(encoding="utf-8")


def unchanged(d, pids):
    assert d.pids("a") == pids
    assert d.service("a")["restarts"] == 0
    assert [s["name"] for s in d.status()["services"]] == ["a"]
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())


def refused(d, *words):
    """check and reload both refuse, and both say why."""
    check = d.check()
    assert check.returncode == 1, check
    reload = d.cli("reload")
    assert reload.returncode == 1, reload
    for said in (check.stderr + check.stdout, reload.stderr + reload.stdout):
        for word in words:
            assert word in said, (word, said)


def test_broken_yaml(herd):
    d, pids, before = running(herd)
    d.config.write_text("listen: [{address: \"127.0.0.1:1\"\nadmin: {\n", encoding="utf-8")
    refused(d, "drover.yaml:")
    unchanged(d, pids)
    d.config.write_text(before, encoding="utf-8")


def test_an_unknown_key_names_file_line_key_and_what_is_near(herd):
    d, pids, before = running(herd)
    d.write_top(worker=2)
    line = next(n for n, x in enumerate(d.config.read_text(encoding="utf-8").splitlines(), 1) if "worker:" in x)
    refused(d, f"drover.yaml:{line}:", "worker", "workers")
    unchanged(d, pids)
    d.config.write_text(before, encoding="utf-8")


def test_a_wrong_type_and_range_say_found_and_allowed(herd):
    d, pids, _ = running(herd)
    d.write("a", herdling(), replicas="many")
    refused(d, "a.yaml:", "replicas", "many")
    d.write("a", herdling(), replicas=100000)
    refused(d, "a.yaml:", "replicas", "100000", "256")
    unchanged(d, pids)
    d.write("a", herdling())


def test_two_services_with_one_route(herd):
    d, pids, _ = running(herd)
    d.write("b", herdling(), route=[{"path": "/a/"}])
    refused(d, "/a/", "a.yaml", "b.yaml")
    unchanged(d, pids)
    d.remove("b")


def test_a_missing_binary(herd):
    d, pids, _ = running(herd)
    d.write("b", herdling(), command=["/no/such/program"])
    refused(d, "b.yaml:", "command", "/no/such/program")
    unchanged(d, pids)
    d.remove("b")


def test_a_port_in_use(herd):
    d, pids, _ = running(herd)
    other = herd.prepare({"b": herdling()})
    other.port = d.port
    other.write_top(listen=[{"address": f"127.0.0.1:{d.port}"}])
    p = other.launch()
    assert p.wait(20) == 1
    assert f"127.0.0.1:{d.port}" in other.log() and "in use" in other.log()
    unchanged(d, pids)


def test_a_second_run_in_the_same_folder(herd):
    d, pids, _ = running(herd)
    p = d.launch()
    assert p.wait(20) == 1
    assert "already runs" in d.log() and str(d.proc.pid) in d.log()
    unchanged(d, pids)


def test_a_broken_file_at_the_start_says_so_and_exits_1(herd):
    d = herd.prepare({"a": herdling()})
    d.config.write_text("workers: [\n", encoding="utf-8")
    p = d.launch()
    assert p.wait(20) == 1
    assert "drover.yaml:" in d.log()


def test_no_daemon_is_exit_5_and_says_how_to_start_it(tmp_path):
    p = subprocess.run(
        [str(BUILD / "bin/drover"), "--socket", str(tmp_path / "admin.sock"), "status"],
        capture_output=True, text=True, timeout=20, check=False,
    )
    assert p.returncode == 5
    assert "drover run" in p.stderr and str(tmp_path / "admin.sock") in p.stderr


def test_an_unknown_service_is_404_and_exit_1_with_the_near_name(herd):
    d = herd({"image": herdling()})
    d.ready("image")
    for path in ("/v1/services/imago", "/v1/services/imago/restart"):
        answer = d.api("GET" if path.endswith("imago") else "POST", path)
        assert answer.status == 404, answer
        assert "image" in answer.json()["detail"]
        assert answer.headers["Content-Type"].startswith("application/problem+json")
    answer = d.api("POST", "/v1/instances/image.7/restart")
    assert answer.status == 404, answer
    for command in (["restart", "imago"], ["status", "imago"], ["scale", "imago=2"], ["logs", "imago"]):
        p = d.cli(*command)
        assert p.returncode == 1, (command, p)
        assert "image" in p.stderr, (command, p)
    p = d.cli("restart", "image.7")
    assert p.returncode == 1 and "image.7" in p.stderr
    assert d.service("image")["restarts"] == 0


@pytest.mark.parametrize(
    "body, status, word",
    [
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b'{"replicas": "three"}', 400, "replicas"),
        (b'{"replicas": -1}', 400, "replicas"),
        (b'{"replicas": 100000}', 400, "replicas"),
        (b'{"replica": 2}', 400, "replica"),
        (b"{}", 400, "replicas"),
        (b'{"replicas": 2, "x": "' + b"y" * 200000 + b'"}', 413, ""),
    ],
    ids=["cut", "array", "text", "negative", "huge", "mistyped", "empty", "too-large"],
)
def test_a_bad_body_is_refused_with_the_field(herd, body, status, word):
    d = herd({"a": herdling()})
    answer = d.api("POST", "/v1/services/a/scale", body, {"Content-Type": "application/json"})
    assert answer.status == status, answer
    assert word in answer.json()["detail"], answer
    assert d.service("a")["desired"] == 1


def test_unknown_paths_methods_and_commands(herd):
    d = herd({"a": herdling()})
    assert d.api("GET", "/v1/nothing").status == 404
    answer = d.api("DELETE", "/v1/status")
    assert answer.status == 405 and "GET" in answer.headers["Allow"]
    p = d.cli("statsu")
    assert p.returncode == 2 and "status" in p.stderr
    p = d.cli("status", "--jsn")
    assert p.returncode == 2


def test_hostile_bytes_on_the_admin_socket_hurt_nobody(herd):
    d, pids, _ = running(herd)
    for bytes_ in (b"\0" * 4096, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000, b"POST /v1/reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n"):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as s:
            s.settimeout(5)
            s.connect(str(d.socket))
            with contextlib.suppress(OSError):
                s.sendall(bytes_)
                s.recv(4096)
    unchanged(d, pids)
    assert alive(d.proc.pid)


def test_a_reload_changes_all_or_nothing(herd):
    d, pids, _ = running(herd)
    d.write("b", herdling())
    d.write("c", herdling(), replicas="x")
    refused(d, "c.yaml:")
    unchanged(d, pids)
    d.remove("c")
    plan = d.cli("plan", "--json")
    assert plan.returncode == 10, plan
    assert "b" in json.dumps(json.loads(plan.stdout))
    assert d.cli("reload").returncode == 0
    d.ready("a", "b")
    assert d.pids("a") == pids
    assert d.cli("plan").returncode == 0


def test_a_reload_that_drover_cannot_do_changes_nothing(herd):
    """Not even what is right in it, and a plan says so beforehand."""
    d, pids, before = running(herd)
    d.write("b", herdling())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        d.write_top(listen=[*d.top["listen"], {"address": f"127.0.0.1:{port}"}])
        for command in ("plan", "reload"):
            p = d.cli(command)
            assert p.returncode == 1 and f"127.0.0.1:{port}" in p.stderr and "in use" in p.stderr, p
        unchanged(d, pids)
    d.write_top(listen=d.top["listen"][:1], workers=1)
    p = d.cli("reload")
    assert p.returncode == 1 and "workers" in p.stderr and "restart" in p.stderr, p
    unchanged(d, pids)
    d.config.write_text(before, encoding="utf-8")
    assert d.cli("reload").returncode == 0
    d.ready("a", "b")


def test_services_are_added_changed_and_removed_live(herd):
    d = herd({"a": herdling(replicas=2), "b": herdling()})
    d.ready()
    pids = d.pids("a")
    load = d.load("-c", 4, "-d", 60, "--path", "/a/")
    # Added.
    d.write("c", herdling())
    assert d.cli("reload").returncode == 0
    d.ready("a", "b", "c")
    assert d.get("/c/?t=1").status == 200
    # Changed in place: no process is replaced.
    d.write("a", herdling(replicas=2), limits={"queue": 7})
    assert d.cli("reload").returncode == 0
    d.ready("a")
    assert d.pids("a") == pids
    # Changed in what the process depends on: each is replaced, under load.
    d.write("a", herdling(replicas=2), env={"COLOUR": "blue"})
    assert d.cli("reload").returncode == 0
    wait_for(lambda: len(d.pids("a")) == 2 and not set(d.pids("a").values()) & set(pids.values()), 30)
    d.ready("a")
    wait_for(lambda: d.get("/a/env").json().get("COLOUR") == "blue")
    # Scaled by the file.
    d.write("a", herdling(replicas=3), env={"COLOUR": "blue"})
    assert d.cli("reload").returncode == 0
    wait_for(lambda: len(d.pids("a")) == 3)
    # Removed.
    gone = d.pids("b")["b.0"]
    d.remove("b")
    assert d.cli("reload").returncode == 0
    wait_for(lambda: not alive(gone))
    wait_for(lambda: "b" not in [s["name"] for s in d.status()["services"]])
    assert d.get("/b/").status == 404
    verdict = load.end()
    assert all_ok(verdict), verdict
