# SPDX-License-Identifier: ISC
"""What a worker writes down of each request, and the ids that it gives."""
import base64
import json
import os
import re
import subprocess
import threading
import time

import pytest

from h2_client import Client
from worker_rig import INTERNAL, Rig, header, read_until, status, tool

RETRIED, RESENT, REUSED, CANCELLED, CUT = 2, 4, 8, 32, 64
QUEUED, CONTINUED = 256, 512


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c in (0, -9) for c in codes.values()), codes


@pytest.fixture
def web(rig):
    rig.simple(rig.origin("web.0"))
    return rig


def records(rig, worker=0):
    rig.say(f"records? {worker}")
    found = []
    while True:
        line = rig.wait("records ").split(" ", 1)[1]
        if line == "end":
            return found
        found.append(json.loads(line))


def record_of(rig, n, timeout=10):
    """All of them, when there are n: one is written a moment after the client
    has its answer."""
    end = time.monotonic() + timeout
    while True:
        found = records(rig)
        if len(found) >= n or time.monotonic() > end:
            assert len(found) == n, found
            return found
        time.sleep(0.01)


def seen(data):
    return {k.lower(): v for k, v in json.loads(data)["headers"]}


def test_a_request_is_written_down_with_its_ids_and_times(web):
    before = time.monotonic_ns() // 1000
    code, back, data = web.get("/head?q=1", method="GET")
    after = time.monotonic_ns() // 1000
    (rec,) = record_of(web, 1)
    assert code == 200 and rec["status"] == 200 and rec["fault"] == 0
    assert rec["id"] == back["x-request-id"] == seen(data)["x-request-id"]
    assert seen(data)["traceparent"] == f"00-{rec['trace']}-{rec['span']}-01"
    assert rec["path"] == "/head" and rec["method"] == 1
    assert rec["service"] == "web" and rec["route"] == "/"
    assert rec["attempts"] == 1 and rec["hops"] == [["web.0", "answered"]]
    assert rec["candidates"] == 1 and rec["ejected"] == 0
    assert before <= rec["started"] <= after
    assert 0 < rec["first"] <= rec["total"] <= after - rec["started"]
    assert rec["out"] == len(data) and rec["wait"] == 0
    assert rec["target"] == "" and rec["agent"] == ""  # nobody wants it


def test_body_bytes_are_counted_and_a_pooled_connection_shows(web):
    c = web.http()
    for _ in range(2):
        c.request("POST", "/echo", body=b"x" * 1000)
        c.getresponse().read()
    c.close()
    first, second = record_of(web, 2)
    assert first["in"] == second["in"] == 1000
    assert not first["flags"] & REUSED and second["flags"] & REUSED


def test_refusals_before_and_behind_the_route_are_written_down(rig):
    rig.publish(f"""service web 0
        route web /a methods=1""")
    assert status(rig.raw(b"GET / HTTP/9.9\r\n\r\n")) == 505
    assert status(rig.raw(b"GET /x\r\n\r\n")) == 400
    assert rig.get("/nowhere")[0] == 404
    assert rig.get("/a", method="PUT", body=b"")[0] == 405
    code, back, _ = rig.get("/a")
    assert code == 503
    found = record_of(rig, 5)
    assert [r["status"] for r in found] == [505, 400, 404, 405, 503]
    assert [r["fault"] for r in found] == [1, 1, 5, 5, 6]
    assert [r["path"] for r in found] == ["", "", "/nowhere", "/a", "/a"]
    assert found[4]["id"] == back["x-request-id"]
    assert found[4]["service"] == "web" and found[2]["service"] == ""
    assert all(len(r["id"]) == 32 for r in found)


def test_refusals_over_http2_are_written_down_too(rig):
    port = rig.listen(2, http="http2")
    rig.say("hangup")
    rig.wait("hello")
    rig.publish("service web 0\nroute web /a methods=1")
    with Client(port) as c:
        answers = [c.get("/a/../b"), c.get("/", more=[("x-a", "a")] * 101),
                   c.get("/nowhere")]
    found = record_of(rig, 3)
    assert [r["status"] for r in found] == [400, 431, 404]
    assert [r["fault"] for r in found] == [1, 2, 5]
    assert [r["version"] for r in found] == [20, 20, 20]
    assert [r["id"] for r in found] == [a.head["x-request-id"]
                                        for a in answers]


@pytest.mark.parametrize("request_bytes,code", [
    (b"GET / HTTP/9.9\r\n\r\n", 505),
    (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    (b"GET /web HTTP/1.1\r\nHost: a\r\n\r\n", 503),
], ids=["no-head", "no-route", "no-endpoint"])
def test_each_error_of_ours_carries_the_id_of_its_record(
        rig, request_bytes, code):
    rig.publish("""service web 0
        route web /web""")
    answer = rig.raw(request_bytes, timeout=0.5)
    assert status(answer) == code
    (rec,) = record_of(rig, 1)
    assert header(answer, "X-Request-Id") == rec["id"] != ""
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["request_id"] == \
        rec["id"]


def test_a_trusted_clients_id_is_kept_even_where_no_route_leads(rig):
    rig.publish("""trust ::ffff:127.0.0.0/104
        service web 0
        route web /web""")
    code, back, data = rig.get("/x", headers={"X-Request-Id": "mine-1"})
    assert code == 404 and back["x-request-id"] == "mine-1"
    assert json.loads(data)["request_id"] == "mine-1"
    (rec,) = record_of(rig, 1)
    assert rec["id"] == "mine-1" and rec["path"] == "/x"


def test_each_attempt_is_told_with_its_endpoint_and_outcome(rig):
    alive = rig.origin("web.1")
    rig.publish(f"""service web 0 balance=1
        endpoint web.0 0 unix:{rig.dir}/nobody
        endpoint web.1 1 {alive.address}
        route web /""")
    for _ in range(2):
        assert rig.get("/head")[0] == 200
    found = record_of(rig, 2)
    moved = [r for r in found if len(r["hops"]) == 2]
    assert moved and moved[0]["hops"] == [
        ["web.0", "refused"], ["web.1", "answered"]]
    assert moved[0]["flags"] & RESENT and moved[0]["attempts"] == 2
    assert moved[0]["candidates"] == 2
    assert found[-1]["ejected"] == 1


def test_one_that_is_ejected_shows_in_the_next_records(rig):
    rig.simple(rig.origin("good"), rig.origin("bad"),
               options="eject_ms=30000 eject_errors=1 balance=1")
    for _ in range(2):
        rig.get("/status?code=502")
    assert rig.get("/head")[0] == 200
    last = record_of(rig, 3)[-1]
    assert last["candidates"] == 2 and last["ejected"] == 1


def test_a_timeout_names_the_endpoint_that_was_silent(rig):
    o = rig.origin("web.0")
    rig.simple(o, options="request_timeout=200")
    assert rig.get("/token?t=1&ms=2000")[0] == 504
    (rec,) = record_of(rig, 1)
    assert rec["hops"] == [["web.0", "timeout"]] and rec["fault"] == 11
    assert rec["total"] >= 200000 and rec["first"] == 0


def test_a_client_that_leaves_is_told_from_an_answer(web):
    s = web.connect()
    s.sendall(b"GET /token?t=1&ms=3000 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.2)
    s.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER: a reset
    s.close()
    (rec,) = record_of(web, 1)
    assert rec["flags"] & CANCELLED and rec["status"] == 0
    assert rec["hops"] == [["web.0", "abandoned"]]


def test_the_wait_in_the_queue_is_told(rig):
    o = rig.origin("web.0")
    rig.simple(o, options="concurrency=1")
    first = threading.Thread(target=rig.get, args=("/token?t=1&ms=400",))
    first.start()
    time.sleep(0.1)
    assert rig.get("/head")[0] == 200
    first.join()
    slow, queued = record_of(rig, 2)
    assert slow["wait"] == 0 and not slow["flags"] & QUEUED
    assert queued["flags"] & QUEUED
    assert 100000 < queued["wait"] <= queued["first"] <= queued["total"]


def test_texts_are_kept_when_an_access_log_wants_them(rig):
    o = rig.origin("web.0")
    rig.publish(f"""texts 1
        service web 0
        endpoint web.0 0 {o.address}
        route web /""")
    rig.get("/head?q=" + "y" * 300, headers={
        "User-Agent": "curl", "Referer": "http://a/", "Host": "a.org"})
    rig.get("/head", headers={"User-Agent": "z" * 5000})
    rec, big = record_of(rig, 2)
    assert rec["target"] == "/head?q=" + "y" * 300
    assert (rec["agent"], rec["referer"], rec["host"]) == (
        "curl", "http://a/", "a.org")
    assert big["agent"] == "z" * 512


def test_a_long_path_keeps_its_beginning(web):
    path = "/head/" + "p" * 400
    web.get(path)
    (rec,) = record_of(web, 1)
    assert path.startswith(rec["path"]) and len(rec["path"]) > 70


def test_records_outlive_the_worker_and_the_next_goes_on(web):
    web.get("/head")
    record_of(web, 1)
    web.workers[0].kill()
    web.workers[0].wait()
    web.say("reset 0")
    web.start_worker(0)
    web.wait("ack 0")
    web.get("/token?t=1")
    first, second = record_of(web, 2)
    assert (first["path"], second["path"]) == ("/head", "/token")
    assert first["service"] == second["service"] == "web"


def test_the_histogram_of_an_endpoint_counts_its_requests(rig):
    o = rig.origin("web.0")
    rig.simple(o)
    for _ in range(3):
        rig.get("/head")
    rig.get("/token?t=1&ms=30")
    record_of(rig, 4)
    bars = rig.ask("bars")
    assert bars["count"] == 4 and bars["slow"] == 1
    assert bars["sum"] >= 30000


# --- the trace ---------------------------------------------------------------

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


@pytest.fixture
def trusted(rig):
    o = rig.origin("web.0")
    rig.publish(f"""trust ::ffff:127.0.0.0/104
        service web 0
        endpoint web.0 0 {o.address}
        route web /""")
    return rig


def traced(rig, *lines):
    s = rig.connect()
    s.sendall(("GET /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
               + "".join(x + "\r\n" for x in lines) + "\r\n").encode())
    data = read_until(s, b"nothing that comes")
    s.close()
    return seen(data.split(b"\r\n\r\n", 1)[1])


def test_a_trace_goes_on_with_a_span_of_our_own(trusted):
    got = traced(trusted, "traceparent: " + TRACE, "tracestate: a=1")
    version, trace, span, flags = got["traceparent"].split("-")
    assert (version, trace, flags) == ("00", "a" * 32, "01")
    assert span != "b" * 16 and got["tracestate"] == "a=1"
    (rec,) = record_of(trusted, 1)
    assert rec["trace"] == "a" * 32 and rec["span"] == span
    assert rec["flags"] & CONTINUED and rec["id"] != rec["trace"]


def test_flags_are_kept_and_of_a_later_version_only_the_known(trusted):
    for said, flags in [(TRACE[:-2] + "00", "00"), (TRACE[:-2] + "03", "03"),
                        ("cc" + TRACE[2:-2] + "ff", "01"),
                        ("cc" + TRACE[2:] + "-more", "01")]:
        got = traced(trusted, "traceparent: " + said)["traceparent"]
        assert got.startswith("00-" + "a" * 32) and got.endswith("-" + flags)


@pytest.mark.parametrize("said", [
    "ff" + TRACE[2:], TRACE + "-more", TRACE + "0", TRACE[:-1],
    TRACE.replace("a", "0"), TRACE.replace("b", "0"), TRACE.upper(),
    TRACE.replace("-", "_"), TRACE.replace("a", "g"), "cc" + TRACE[2:] + "x",
], ids=["ff", "more", "long", "short", "no-trace", "no-span", "upper",
        "no-dash", "no-digit", "later-no-dash"])
def test_an_invalid_trace_is_replaced_and_its_state_is_dropped(trusted, said):
    got = traced(trusted, "traceparent: " + said, "tracestate: a=1")
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", got["traceparent"])
    assert said[3:35].lower() not in got["traceparent"]
    assert "tracestate" not in got
    assert not record_of(trusted, 1)[0]["flags"] & CONTINUED


def test_two_traces_are_none_and_a_state_alone_is_dropped(trusted):
    got = traced(trusted, "traceparent: " + TRACE, "traceparent: " + TRACE)
    assert "a" * 32 not in got["traceparent"]
    assert "tracestate" not in traced(trusted, "tracestate: a=1")


def test_who_is_not_trusted_cannot_choose_its_trace(web):
    got = traced(web, "traceparent: " + TRACE, "tracestate: a=1",
                 "X-Request-Id: mine")
    assert "a" * 32 not in got["traceparent"] and "tracestate" not in got
    assert got["x-request-id"] == got["traceparent"].split("-")[1]


def test_a_service_that_calls_another_stays_in_its_trace(rig):
    o = rig.origin("web.0")
    port = rig.listen(2, internal=True)
    rig.say("hangup")
    rig.wait("hello")
    rig.publish(f"""service web 0
        endpoint web.0 0 {o.address}
        service me 1 token=secret calls=web
        route web / flags={INTERNAL}""")
    word = base64.b64encode(b"secret:x").decode()
    code, _, data = rig.get("/head", port=port, headers={
        "Authorization": "Basic " + word, "traceparent": TRACE,
        "X-Request-Id": "chain-1"})
    assert code == 200, data
    assert seen(data)["traceparent"].startswith("00-" + "a" * 32)
    assert seen(data)["x-request-id"] == "chain-1"
    assert record_of(rig, 1)[0]["id"] == "chain-1"


# --- what it costs -----------------------------------------------------------


def instructions(rig, n):
    """Instructions of n requests by a worker below callgrind."""
    out = os.path.join(rig.dir, "callgrind")
    w = subprocess.Popen(
        ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
         f"--callgrind-out-file={out}", tool("worker"), rig.socket, "1"],
        stderr=subprocess.DEVNULL)
    rig.workers[1] = w
    rig.wait("hello 1", 60)
    rig.wait("ack 1", 60)
    c = rig.http()
    for _ in range(50):
        c.request("GET", "/")
        c.getresponse().read()
    subprocess.run(["callgrind_control", "-i", "on", str(w.pid)],
                   stdout=subprocess.DEVNULL, check=True)
    for _ in range(n):
        c.request("GET", "/")
        c.getresponse().read()
    subprocess.run(["callgrind_control", "-d", str(w.pid)],
                   stdout=subprocess.DEVNULL, check=True)
    c.close()
    return sum_of(out + ".1")


def sum_of(path):
    total, records, inside = 0, 0, ""
    names = {}
    calls = False
    with open(path) as f:
        for line in f:
            m = re.match(r"fn=\((\d+)\)(?: (.*))?", line)
            if m:
                if m.group(2):
                    names[m.group(1)] = m.group(2).strip()
                inside = names[m.group(1)]
            m = re.match(r"cfn=\((\d+)\) (.*)", line)
            if m:
                names[m.group(1)] = m.group(2).strip()
            if line.startswith("calls="):
                calls = True
                continue
            m = re.match(r"[+\-*\d]+ (\d+)$", line)
            if m and calls:
                calls = False
            elif m:
                total += int(m.group(1))
                if re.match(r"(record|recording|count_bar|put_notes|put_texts|"
                            r"put_peer)", inside):
                    records += int(m.group(1))
    return total, records


@pytest.mark.measured
def test_a_record_costs_few_instructions(tmp_path):
    rig = Rig(tmp_path, workers=0)
    path = os.path.join(rig.dir, "fast.sock")
    fast = subprocess.Popen([tool("origin"), "unix:" + path])
    try:
        while not os.path.exists(path):
            time.sleep(0.01)
        rig.publish(f"""service web 0
            endpoint web.0 0 unix:{path}
            route web /""", wait=False)
        n = 500
        total, spent = instructions(rig, n)
    finally:
        fast.kill()
        fast.wait()
        rig.close()
    assert total > 0 and 0 < spent / n <= 350, (total / n, spent / n)
