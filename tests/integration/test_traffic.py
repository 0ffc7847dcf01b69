# SPDX-License-Identifier: ISC
"""What goes through the workers comes out once, whole and in its place."""

import contextlib
import hashlib
import http.client
import json
import socket
import threading
import time

import pytest
from drover import all_ok, herdling, wait_for


def test_keep_alive_on_both_sides(herd):
    d = herd({"a": herdling()}, workers=1)
    d.ready("a")
    verdict = d.load("-n", 2000, "-c", 4, "--path", "/a/").verdict()
    assert all_ok(verdict) and verdict["connects"] == 4


def test_the_service_sees_who_asked(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    seen = d.get("/a/echo?x=%2F", headers={"X-Forwarded-For": "6.6.6.6", "X-Request-Id": "mine", "Connection": "X-Drop", "X-Drop": "1"}).json()
    headers = {k.lower(): v.strip() for k, _, v in (h.partition(":") for h in seen["headers"])}
    assert seen["path"] == "/echo" and seen["query"] == "x=%2F"
    assert headers["x-forwarded-for"] == "127.0.0.1" and headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-prefix"] == "/a" and headers["x-forwarded-host"] == f"127.0.0.1:{d.port}"
    assert headers["x-request-id"] not in ("", "mine")
    assert "traceparent" in headers and "via" in headers and "x-drop" not in headers


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_streams_up_and_down(herd, chunked):
    d = herd({"a": herdling(limits={"body": "256MiB"})})
    d.ready("a")
    size = 24 << 20
    piece = bytes(range(256)) * 256
    headers = {} if chunked else {"Content-Length": str(size)}
    up = d.ask("POST", "/a/x", body=(piece for _ in range(size // len(piece))), headers=headers, timeout=60)
    assert up.status == 200, up
    h = 14695981039346656037
    seen = up.json()
    assert seen["bytes"] == size and h
    down = d.get(f"/a/{'chunked' if chunked else 'big'}?bytes={size}", timeout=60)
    pattern = bytes(97 + i % 26 for i in range(26 * 4096))
    expected = (pattern * (size // len(pattern) + 1))[:size]
    assert hashlib.sha256(down.body).digest() == hashlib.sha256(expected).digest()


def test_a_slow_reader_holds_the_service_back_and_costs_no_memory(herd):
    from drover import memory_kib

    d = herd({"a": herdling()}, workers=1)
    d.ready("a")
    worker = d.status()["workers"][0]["pid"]
    d.get("/a/big?bytes=1000000")
    before = memory_kib(worker)
    socks = []
    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", d.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b"GET /a/big?bytes=1000000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        s.recv(1000)
        socks.append(s)
    time.sleep(1)
    grown = memory_kib(worker) - before
    for s in socks:
        s.close()
    assert grown < 8192, grown
    assert all_ok(d.load("-n", 100, "--path", "/a/").verdict())


def test_pipelined_requests_are_answered_in_order(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    with contextlib.closing(socket.create_connection(("127.0.0.1", d.port))) as s:
        s.settimeout(10)
        s.sendall(b"".join(b"GET /a/?t=p%d&ms=%d HTTP/1.1\r\nHost: x\r\n\r\n" % (n, 40 if n == 0 else 0) for n in range(5)))
        got = b""
        while got.count(b"\"token\"") < 5:
            more = s.recv(65536)
            assert more, got
            got += more
    at = [got.index(b'"token": "p%d"' % n) for n in range(5)]
    assert at == sorted(at)


def test_concurrency_is_bounded_and_the_rest_waits_in_order_or_is_refused(herd):
    d = herd({"a": herdling(limits={"concurrency": 2, "queue": 3, "queue_timeout": "10s"})})
    d.ready("a")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(d.get("/a/?ms=700&t=1", timeout=20))) for _ in range(5)]
    for t in threads:
        t.start()
    wait_for(lambda: d.service("a")["queue"] == 3 and d.service("a")["inflight"] == 2, 5)
    refused = d.get("/a/?t=2")
    assert refused.status == 503 and refused.headers["Drover-Error"] == "queue-full"
    assert int(refused.headers["Retry-After"]) > 0
    for t in threads:
        t.join()
    assert [a.status for a in answers] == [200] * 5


def test_a_wait_in_the_queue_ends(herd):
    d = herd({"a": herdling(limits={"concurrency": 1, "queue": 10, "queue_timeout": "300ms"})})
    d.ready("a")
    t = threading.Thread(target=lambda: d.get("/a/?ms=2000"))
    t.start()
    wait_for(lambda: d.service("a")["inflight"] == 1, 5)
    began = time.monotonic()
    late = d.get("/a/")
    assert late.status == 503 and late.headers["Drover-Error"] == "queue-timeout"
    assert 0.2 < time.monotonic() - began < 1.8
    t.join()


def problem(answer, status, name):
    assert answer.status == status, answer
    assert answer.headers["Drover-Error"] == name
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "no-store" in answer.headers["Cache-Control"]
    body = answer.json()
    assert body["status"] == status
    assert answer.headers["X-Request-Id"] and answer.headers["X-Request-Id"] in json.dumps(body)


def test_own_errors_are_problems_with_a_name_and_the_request_id(herd):
    d = herd({
        "a": herdling(limits={"request_timeout": "300ms", "body": "1KiB"}),
        "down": herdling("--crash", 1, limits={"queue_timeout": "200ms"}),
    })
    d.ready("a")
    problem(d.get("/nowhere"), 404, "no-route")
    problem(d.get("/a/hang"), 504, "timeout")
    problem(d.ask("POST", "/a/hang-up", body=b"x"), 502, "reset")
    problem(d.ask("POST", "/a/x", body=b"x" * 2000), 413, "body-too-large")
    down = d.get("/down/")
    assert down.status == 503 and down.headers["Drover-Error"] in ("no-endpoint", "queue-timeout")
    head = d.ask("HEAD", "/nowhere")
    assert head.status == 404 and head.body == b""


def test_an_idempotent_request_is_tried_on_another_instance_once(herd):
    d = herd({"a": herdling(replicas=2, balance="round_robin")}, workers=1)
    d.ready("a")
    assert d.direct("a.0", "/lossy?on=1").status == 200
    # Whatever may change something is never sent twice ...
    posts = [d.ask("POST", "/a/", body=b"once") for _ in range(6)]
    assert {p.status for p in posts} == {200, 502}
    assert all(p.headers["Drover-Error"] == "reset" for p in posts if p.status == 502)
    # ... and what only reads is asked elsewhere.
    gets = [d.get(f"/a/?t={n}") for n in range(6)]
    assert [g.status for g in gets] == [200] * 6
    assert {g.json()["instance"] for g in gets} == {"a.1"}


def test_policies_choose_as_they_say(herd):
    d = herd({
        "rr": herdling(replicas=3, balance="round_robin"),
        "sticky": herdling(replicas=3, balance={"hash": "header:X-Room"}),
    }, workers=1)
    d.ready()
    turns = [d.get("/rr/").json()["instance"] for _ in range(9)]
    assert {turns.count(f"rr.{n}") for n in range(3)} == {3}
    homes = {room: {d.get("/sticky/", headers={"X-Room": room}).json()["instance"] for _ in range(5)} for room in "abcdefgh"}
    assert all(len(h) == 1 for h in homes.values())
    assert len(set.union(*homes.values())) > 1


def test_least_prefers_the_idle_one(herd):
    d = herd({"a": herdling(replicas=2)}, workers=1)
    d.ready("a")
    t = threading.Thread(target=lambda: d.get("/a/?ms=1500"))
    t.start()
    wait_for(lambda: d.service("a")["inflight"] == 1, 5)
    verdict = d.load("-n", 50, "-c", 1, "--path", "/a/").verdict()
    t.join()
    assert all_ok(verdict) and len(verdict["instances"]) == 1


@pytest.mark.parametrize(
    "request_, status",
    [
        (b"GET /a/ HTTP/1.1\r\n\r\n", 400),
        (b"GET /a/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /a/ HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc", 400),
        (b"GET /a/ HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /a/ HTTP/2.7\r\nHost: x\r\n\r\n", 505),
        (b"TRACE /a/ HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /a/ HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 30000 + b"\r\n", 431),
    ],
    ids=["no-host", "two-hosts", "both-framings", "signed-length", "bare-lf", "dot-segments", "version", "trace", "target", "head"],
)
def test_what_is_not_strictly_http_is_refused_and_never_forwarded(herd, request_, status):
    d = herd({"a": herdling()})
    d.ready("a")
    with contextlib.closing(socket.create_connection(("127.0.0.1", d.port))) as s:
        s.settimeout(10)
        got = b""
        with contextlib.suppress(ConnectionError):
            s.sendall(request_)
        with contextlib.suppress(ConnectionError):
            while more := s.recv(65536):
                got += more
    assert got.startswith(b"HTTP/1.1 %d " % status), got[:200]
    assert got.count(b"HTTP/1.1 ") == 1
    assert all_ok(d.load("-n", 20, "--path", "/a/").verdict())


def test_a_truncated_answer_is_never_ended_cleanly(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    pid = d.pids("a")["a.0"]
    c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=10)
    c.request("GET", "/a/chunked?bytes=1000000000")
    r = c.getresponse()
    r.read(100000)
    import os
    import signal

    os.kill(pid, signal.SIGKILL)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        while r.read(1 << 20):
            pass
    c.close()
