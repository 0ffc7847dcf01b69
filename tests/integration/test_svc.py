# SPDX-License-Identifier: ISC
"""The frame of the tool services: socket, queue, deadline, refusals, end."""

import os
import signal
import socket
import subprocess
import time

import pytest

from svc_rig import SLEEPER, Answer, Connection, start  # noqa: F401


@pytest.fixture
def tool(start):
    return start(SLEEPER)


# --- the contract of the socket ---------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_it_serves_on_a_port(start):
    port = free_port()
    tool = start(SLEEPER, env={"PORT": str(port)}, where=("127.0.0.1", port))
    assert tool.ask("POST", "/sleep", b"abc").body == b"abc"
    assert tool.stop() == 0


def test_it_serves_on_a_passed_descriptor(start, tmp_path):
    path = str(tmp_path / "passed")
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(path)
        s.listen()
        shell = f"exec 3<&{s.fileno()}; LISTEN_FDS=1 LISTEN_PID=$$ exec {SLEEPER}"
        tool = start("bash", "-c", shell, where=path, pass_fds=(s.fileno(),))
    assert tool.ask("POST", "/sleep", b"abc").body == b"abc"
    assert tool.stop() == 0
    assert os.path.exists(path), "the socket of another is not ours to remove"


def test_a_descriptor_for_another_process_is_not_ours(start):
    tool = start(SLEEPER, env={"LISTEN_FDS": "1", "LISTEN_PID": "1"})
    assert tool.stop() == 0


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(start, tmp_path):
    path = str(tmp_path / "again")
    first = start(SLEEPER, env={"DROVER_SOCKET": path}, where=path)
    second = start(SLEEPER, env={"DROVER_SOCKET": path}, where=path, wait=False)
    assert second.process.wait(10) == 1
    assert "somebody listens there" in second.lines()[-1]["message"]
    assert first.ask("GET", "/healthz").status == 200
    first.process.kill()
    first.process.wait()
    assert os.path.exists(path)
    third = start(SLEEPER, env={"DROVER_SOCKET": path}, where=path)
    assert third.stop() == 0
    assert not os.path.exists(path)


def test_a_file_in_the_way_is_left_alone(start, tmp_path):
    path = tmp_path / "file"
    path.write_text("precious")
    tool = start(SLEEPER, env={"DROVER_SOCKET": str(path)}, wait=False)
    assert tool.process.wait(10) == 1
    assert path.read_text() == "precious"


@pytest.mark.parametrize("env, say", [
    ({"PORT": "x"}, "PORT"),
    ({"PORT": "70000"}, "PORT"),
    ({"PORT": "", "DROVER_SOCKET": ""}, "DROVER_SOCKET"),
    ({"DROVER_SOCKET": "/tmp/" + "x" * 200}, "DROVER_SOCKET"),
])
def test_a_socket_that_cannot_be_is_said(start, env, say):
    tool = start(SLEEPER, env=env, wait=False)
    assert tool.process.wait(10) == 1
    assert say in tool.lines()[-1]["message"]


def test_it_says_when_it_is_ready(start, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(10)
        start(SLEEPER, env={"NOTIFY_SOCKET": path}, wait=False)
        assert "READY=1" in s.recv(100).decode().split("\n")


@pytest.mark.parametrize("args, say", [
    (["--workers", "0"], "--workers takes 1 to 256"),
    (["--wokers", "1"], "there is no option"),
    (["--deadline", "5"], "100ms"),
])
def test_a_bad_option_is_a_usage_error(args, say):
    run = subprocess.run([SLEEPER, *args], capture_output=True, text=True, timeout=10)
    assert run.returncode == 2
    assert say in run.stderr


def test_help_lists_every_limit():
    run = subprocess.run([SLEEPER, "--help"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 0
    for name in ["workers", "queue", "deadline", "body", "memory", "connections", "upload"]:
        assert f"--{name} " in run.stdout


# --- bodies -----------------------------------------------------------------


def test_a_body_over_its_ceiling_is_413(start):
    tool = start(SLEEPER, "--body", "1000B", "--memory", "1MiB")
    assert tool.ask("POST", "/sleep", b"x" * 1000).body == b"x" * 1000
    answer = tool.ask("POST", "/sleep", b"x" * 1001)
    assert (answer.status, answer.json()["type"]) == (413, "/errors/body-too-large")
    chunked = tool.ask("POST", "/sleep", iter([b"x" * 600] * 2))
    assert (chunked.status, chunked.json()["type"]) == (413, "/errors/body-too-large")
    tool.until("drover_tool_body_bytes{", 0)


def test_bodies_have_a_ceiling_in_sum_while_they_arrive(start):
    tool = start(SLEEPER, "--body", "1MiB", "--memory", "1536KiB")
    first = socket.socket(socket.AF_UNIX)
    first.connect(tool.where)
    first.sendall(b"POST /sleep HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc")
    tool.until("drover_tool_body_bytes{", 1000000)
    answer = tool.ask("POST", "/sleep", b"x" * 1000000)
    assert (answer.status, answer.type()) == (503, "memory-full")
    assert answer.headers["Retry-After"] == "1"
    first.close()
    tool.until("drover_tool_body_bytes{", 0)
    assert tool.ask("POST", "/sleep", b"x" * 1000000).status == 200


def test_a_body_of_no_stated_length_counts_as_the_longest(start):
    tool = start(SLEEPER, "--body", "1MiB", "--memory", "1MiB")
    first = socket.socket(socket.AF_UNIX)
    first.connect(tool.where)
    first.sendall(b"POST /sleep HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    tool.until("drover_tool_body_bytes{", 1 << 20)
    assert tool.ask("POST", "/sleep", b"x").type() == "memory-full"
    first.sendall(b"3\r\nabc\r\n0\r\n\r\n")
    tool.until("drover_tool_body_bytes{", 0)
    first.close()


# --- the queue, the deadline, the caller that goes --------------------------


def test_a_full_queue_is_503_and_then_goes_on(start):
    tool = start(SLEEPER, "--workers", "1", "--queue", "1", "--deadline", "60s")
    running = tool.begin("/sleep?ms=60000", b"a")
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.begin("/sleep", b"b")
    tool.until("drover_tool_queue{", 1)
    answer = tool.ask("POST", "/sleep")
    assert (answer.status, answer.type()) == (503, "queue-full")
    assert answer.headers["Retry-After"] == "1"
    running.close()
    assert Answer(waiting.getresponse()).body == b"b"
    waiting.close()
    assert tool.ask("POST", "/sleep").status == 200


def test_work_past_its_deadline_is_504_and_stops(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "200ms")
    answer = tool.ask("POST", "/sleep?ms=30000", b"abc")
    assert (answer.status, answer.type()) == (504, "timeout")
    tool.until("drover_tool_workers_busy{", 0)
    tool.until("drover_tool_body_bytes{", 0)
    assert tool.ask("POST", "/sleep").status == 200


def test_work_that_does_not_stop_is_answered_all_the_same(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "200ms")
    began = time.monotonic()
    connection = tool.begin("/sleep?ms=1500&stubborn=true", b"x" * 100000)
    answer = Answer(connection.getresponse())
    assert (answer.status, answer.type()) == (504, "timeout")
    assert time.monotonic() - began < 1.4
    # Its worker reads the body on: it must not have gone with the request.
    assert tool.metric("drover_tool_body_bytes{") == 100000
    connection.close()
    tool.until("drover_tool_body_bytes{", 0)


def test_a_wait_past_the_deadline_is_503(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "200ms")
    running = tool.begin("/sleep?ms=2000&stubborn=true", b"")
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.ask("POST", "/sleep", b"abc")
    assert (waiting.status, waiting.type()) == (503, "queue-timeout")
    assert waiting.headers["Retry-After"] == "1"
    assert Answer(running.getresponse()).type() == "timeout"
    running.close()
    assert tool.metric("drover_tool_queue{") == 0


def test_a_tool_whose_workers_all_hang_is_not_healthy(start):
    tool = start(SLEEPER, "--workers", "2", "--deadline", "100ms")
    hung = [tool.begin("/sleep?ms=3000&stubborn=true", b"") for _ in range(2)]
    tool.until("drover_tool_workers_stuck{", 2)
    assert tool.ask("GET", "/healthz").status == 503
    assert tool.ask("GET", "/readyz").status == 503
    tool.until("drover_tool_workers_busy{", 0)
    assert tool.ask("GET", "/healthz").status == 200
    assert tool.ask("GET", "/readyz").status == 200
    for x in hung:
        x.close()


def test_one_worker_that_hangs_is_no_reason_to_restart(start):
    tool = start(SLEEPER, "--workers", "2", "--deadline", "100ms")
    hung = tool.begin("/sleep?ms=3000&stubborn=true", b"")
    tool.until("drover_tool_workers_stuck{", 1)
    assert tool.ask("GET", "/healthz").status == 200
    assert tool.ask("POST", "/sleep", b"abc").body == b"abc"
    hung.close()


def test_a_caller_that_hangs_up_cancels_its_work(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "60s")
    running = tool.begin("/sleep?ms=60000", b"a")
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.begin("/sleep?ms=60000", b"b")
    tool.until("drover_tool_queue{", 1)
    waiting.close()
    tool.until("drover_tool_queue{", 0)
    assert tool.metric("drover_tool_workers_busy{") == 1
    running.close()
    tool.until("drover_tool_workers_busy{", 0)
    assert tool.metric("drover_tool_cancelled_total") == 2
    assert tool.metric("drover_tool_body_bytes{") == 0
    assert sum(x.get("status") == 499 for x in tool.lines()) == 2


def test_health_does_not_queue_behind_work(start):
    tool = start(SLEEPER, "--workers", "2", "--deadline", "60s")
    begun = [tool.begin("/sleep?ms=60000", b"") for _ in range(20)]
    tool.until("drover_tool_queue{", 18)
    times = []
    for _ in range(50):
        at = time.monotonic()
        assert tool.ask("GET", "/healthz").status == 200
        times.append(time.monotonic() - at)
    assert sorted(times)[25] < 0.05, times
    for x in begun:
        x.close()
    tool.until("drover_tool_workers_busy{", 0)


def test_a_hundred_callers_at_once_are_all_answered(start):
    tool = start(SLEEPER, "--workers", "4", "--queue", "200", "--deadline", "60s")
    begun = [tool.begin("/sleep?ms=20", b"%d" % i) for i in range(100)]
    assert [Answer(x.getresponse()).body for x in begun] == [b"%d" % i for i in range(100)]
    for x in begun:
        x.close()


# --- the end ----------------------------------------------------------------


def test_sigterm_finishes_what_was_begun(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "60s")
    running = tool.begin("/sleep?ms=700", b"a")
    tool.until("drover_tool_workers_busy{", 1)
    waiting = tool.begin("/sleep", b"b")
    tool.until("drover_tool_queue{", 1)
    tool.process.send_signal(signal.SIGTERM)
    end = time.monotonic() + 5
    while os.path.exists(tool.where):
        assert time.monotonic() < end
        time.sleep(0.005)
    with pytest.raises(OSError):
        tool.ask("GET", "/healthz")
    answers = [Answer(x.getresponse()) for x in (running, waiting)]
    assert [(x.status, x.body, x.headers["Connection"]) for x in answers] == [
        (200, b"a", "close"), (200, b"b", "close")]
    assert tool.process.wait(15) == 0
    assert [x["message"] for x in tool.lines() if "message" in x][-2:] == ["draining inflight=2", "stopped"]
    running.close()
    waiting.close()


def test_work_that_nobody_waits_for_does_not_hold_up_the_end(start):
    tool = start(SLEEPER, "--workers", "1", "--deadline", "100ms")
    assert tool.ask("POST", "/sleep?ms=30000&stubborn=true").status == 504
    began = time.monotonic()
    assert tool.stop() == 0
    assert time.monotonic() - began < 5


def test_a_connection_that_idles_does_not_hold_up_the_end(tool):
    idle = Connection(tool.where)
    idle.request("GET", "/healthz")
    assert Answer(idle.getresponse()).status == 200
    assert tool.stop() == 0
    idle.close()


# --- what it says -----------------------------------------------------------


def test_what_is_not_there(tool):
    assert tool.ask("GET", "/nowhere").json()["type"] == "/errors/not-found"
    wrong = tool.ask("GET", "/sleep")
    assert (wrong.status, wrong.headers["Allow"]) == (405, "POST")
    assert tool.ask("HEAD", "/healthz").body == b""
    assert tool.metric('drover_tool_requests_total{service="sleeper",route="(nowhere)"') == 2


def test_a_parameter_at_fault_is_named(tool):
    problem = tool.ask("POST", "/sleep?ms=60001", b"", {"X-Request-Id": "abc-1"}).json()
    assert (problem["parameter"], problem["request_id"]) == ("ms", "abc-1")
    assert "0 to 60000" in problem["detail"]


def test_a_request_id_that_could_forge_a_line_is_not_used(tool):
    problem = tool.ask("POST", "/sleep?ms=x", b"", {"X-Request-Id": 'a","level":"error'}).json()
    assert "level" not in problem["request_id"] and problem["request_id"]


def test_each_request_is_one_line_of_json(tool):
    tool.ask("POST", "/sleep", b"abc", {"X-Request-Id": "id-7"})
    tool.ask("GET", "/nowhere")
    tool.ask("GET", "/healthz")
    tool.stop()
    lines = [x for x in tool.lines() if "status" in x]
    assert [(x["method"], x["path"], x["status"]) for x in lines] == [("POST", "/sleep", 200), ("GET", "/nowhere", 404)]
    assert (lines[0]["request_id"], lines[0]["bytes_in"], lines[0]["bytes_out"]) == ("id-7", 3, 3)
