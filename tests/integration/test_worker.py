# SPDX-License-Identifier: ISC
"""What one worker does with one exchange after another."""
import base64
import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from worker_rig import (EXACT, INTERNAL, REWRITE, STRIP, Rig, header,
                        read_all, read_until, status, tool)


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


@pytest.fixture
def web(rig):
    rig.simple(rig.origin("web.0"))
    return rig


def test_connections_are_kept_on_both_sides(web):
    c = web.http()
    for i in range(50):
        c.request("GET", f"/token?t={i}")
        assert json.loads(c.getresponse().read())["token"] == str(i)
    c.close()
    assert web.ask("endpoint")["connects"] == 1
    assert web.ask("worker")["accepted"] == 1
    assert web.ask("endpoint")["inflight"] == 0


def test_pipelined_requests_are_answered_in_their_order(web):
    n = 200
    slow = b"".join(
        b"GET /token?t=%d&ms=%d HTTP/1.1\r\nHost: a\r\n\r\n"
        % (i, (7 * i) % 3) for i in range(n))
    s = web.connect()
    s.sendall(slow[:-1])
    s.sendall(slow[-1:])
    data = b""
    while data.count(b'"token"') < n:
        part = s.recv(65536)
        assert part, data[-500:]
        data += part
    s.close()
    tokens = [int(x.split(b'"')[1]) for x in data.split(b'"token": ')[1:]]
    assert tokens == list(range(n))


@pytest.mark.parametrize("first", ["get", "length", "chunked"])
def test_whoever_sends_far_ahead_waits_and_loses_nothing(web, first):
    """More than a worker keeps for one client, behind a request of each kind."""
    n = 6000
    big = b"z" * 150000
    head = {
        "get": b"GET /token?t=first&ms=50 HTTP/1.1\r\nHost: a\r\n\r\n",
        "length": b"POST /token?t=first HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" + big,
        "chunked": b"POST /token?t=first HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"249f0\r\n" + big + b"\r\n0\r\n\r\n",
    }[first]
    rest = b"".join(b"GET /token?t=%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(n))
    s = web.connect(timeout=30)
    sender = threading.Thread(target=s.sendall, args=(head + rest,))
    sender.start()
    data = bytearray()
    while data.count(b'"token"') < n + 1:
        part = s.recv(1 << 20)
        assert part, data[-500:]
        data += part
    sender.join()
    s.close()
    tokens = [x.split(b'"')[1] for x in bytes(data).split(b'"token": ')[1:]]
    assert tokens == [b"first"] + [b"%d" % i for i in range(n)]


def test_a_pipelined_error_stands_in_its_place(web):
    data = web.raw(b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                   b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
                   b"GET /token?t=3 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert data.index(b'"token": "1"') < data.index(b"400 Bad Request")
    assert b'"token": "3"' not in data


def test_heads_arrive_byte_by_byte(web):
    s = web.connect()
    for b in b"GET /token?t=drop HTTP/1.1\r\nHost: a\r\n\r\n":
        s.send(bytes([b]))
    assert b'"token": "drop"' in read_until(s, b"}")
    s.close()


def test_methods_pass(web):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH",
                   "PROPFIND"):
        code, _, data = web.get("/token?t=m", method)
        assert code == 200
        assert (data == b"") == (method == "HEAD")


def test_a_head_answer_keeps_its_length_and_has_no_body(web):
    s = web.connect()
    s.sendall(b"HEAD /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n"
              b"GET /token?t=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    data = read_until(s, b"}")
    s.close()
    first, rest = data.split(b"\r\n\r\n", 1)
    assert int(header(first + b"\r\n\r\n", "content-length")) > 0
    assert rest.startswith(b"HTTP/1.1 200") and b'"token": "2"' in rest


@pytest.mark.parametrize("code", ["204", "304"])
def test_answers_without_a_body_do_not_wait_for_one(web, code):
    c = web.http()
    for _ in range(2):
        c.request("GET", "/status?code=" + code)
        r = c.getresponse()
        assert (r.status, r.read()) == (int(code), b"")
    c.close()
    assert web.ask("endpoint")["connects"] == 1


def test_range_and_unknown_headers_pass(web):
    _, _, data = web.get("/head", headers={"Range": "bytes=0-1", "X-Odd": "1"})
    seen = dict(json.loads(data)["headers"])
    assert seen["Range"] == "bytes=0-1" and seen["X-Odd"] == "1"


def test_a_service_gets_what_the_contract_says(web):
    _, back, data = web.get("/head?a=b", headers={
        "X-Forwarded-For": "6.6.6.6", "X-Request-Id": "evil",
        "X-Forwarded-Proto": "https", "traceparent": "x", "Via": "1.1 me",
        "Drover-Caller": "evil", "Forwarded": "for=6.6.6.6",
        "X_Forwarded_For": "6.6.6.6", "X-Real-IP": "6.6.6.6",
        "Drover-Deadline-Ms": "5", "Connection": "x-gone, keep-alive",
        "X-Gone": "1", "Keep-Alive": "timeout=3", "TE": "trailers",
        "Proxy-Connection": "keep-alive", "Host": "example.org"})
    got = json.loads(data)
    seen = {}
    for k, v in got["headers"]:
        seen.setdefault(k.lower(), []).append(v)
    assert got["target"] == "/head?a=b"
    assert seen["host"] == ["example.org"]
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["http"]
    assert seen["x-forwarded-host"] == ["example.org"]
    assert seen["via"] == ["1.1 drover"]
    assert seen["drover-deadline-ms"] == ["60000"]
    trace = seen["traceparent"][0].split("-")
    assert [len(p) for p in trace] == [2, 32, 16, 2]
    assert seen["x-request-id"] == [back["x-request-id"]]
    assert len(back["x-request-id"]) == 32
    for name in ("forwarded", "x_forwarded_for", "x-real-ip", "x-gone", "te",
                 "drover-caller", "keep-alive", "proxy-connection"):
        assert name not in seen, name
    assert "drover-error" not in back and "keep-alive" not in back
    assert back["x-kept"] == "yes"


def test_a_trusted_proxy_is_believed(rig):
    o = rig.origin("web.0")
    rig.publish(f"""trust ::ffff:127.0.0.0/104
        service web 0
        endpoint web.0 0 {o.address}
        route web /""")
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    _, back, data = rig.get("/head", headers={
        "X-Forwarded-For": "1.2.3.4", "X-Request-Id": "kept-id",
        "X-Forwarded-Proto": "https", "traceparent": trace,
        "X-Forwarded-Host": "a.org", "Via": "1.1 front"})
    seen = {k.lower(): v for k, v in json.loads(data)["headers"]}
    assert seen["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == "a.org"
    assert seen["x-request-id"] == back["x-request-id"] == "kept-id"
    assert seen["via"] == "1.1 front, 1.1 drover"
    assert seen["traceparent"].split("-")[1] == "a" * 32
    assert seen["traceparent"].split("-")[2] != "b" * 16


def test_request_ids_never_repeat(web):
    c = web.http()
    seen = set()
    for _ in range(300):
        c.request("GET", "/token?t=1")
        r = c.getresponse()
        r.read()
        seen.add(r.getheader("x-request-id"))
    c.close()
    assert len(seen) == 300


# --- routes ------------------------------------------------------------------

def routed(rig, target, **kw):
    code, head, data = rig.get(target, **kw)
    if code != 200:
        return code, head.get("drover-error")
    got = json.loads(data)
    return got["name"], got["target"]


def test_routes_lead_where_they_say(rig):
    names = ["root.0", "img.0", "deep.0", "one.0", "host.0", "wild.0", "v2.0",
             "get.0"]
    text = ""
    for i, name in enumerate(names):
        o = rig.origin(name)
        text += f"service {name[:-2]} {i}\nendpoint {name} {i} {o.address}\n"
    rig.publish(text + f"""
        route root /
        route img /image/ flags={STRIP}
        route deep /image/deep flags={STRIP}
        route one /one flags={EXACT}
        route host / host=a.org
        route wild / host=*.a.org
        route v2 /old/ flags={REWRITE} rewrite=/new/v2/
        route get /only methods=1
        route root /secret flags={INTERNAL}""")
    rows = {
        "/": ("root.0", "/"), "/x?y": ("root.0", "/x?y"),
        "/image/a?b=c": ("img.0", "/a?b=c"), "/image/": ("img.0", "/"),
        "/image": ("root.0", "/image"),
        "/imagex": ("root.0", "/imagex"),
        "/image//a%2Fb": ("img.0", "//a%2Fb"),
        "/image/deep": ("deep.0", "/"), "/image/deep/x": ("deep.0", "/x"),
        "/image/deeper": ("img.0", "/deeper"),
        "/one": ("one.0", "/one"), "/one/": ("root.0", "/one/"),
        "/old/a/b": ("v2.0", "/new/v2/a/b"), "/old/": ("v2.0", "/new/v2/"),
        "/only/x": ("get.0", "/only/x"),
    }
    for target, want in rows.items():
        assert routed(rig, target) == want, target
    for host, want in {"a.org": "host.0", "A.ORG:80": "host.0",
                       "b.a.org": "wild.0", "c.b.a.org": "wild.0",
                       "xa.org": "root.0"}.items():
        assert routed(rig, "/", headers={"Host": host})[0] == want, host
    _, head, data = rig.get("/image/a")
    seen = {k.lower(): v for k, v in json.loads(data)["headers"]}
    assert seen["x-forwarded-prefix"] == "/image"


def test_no_route_is_404_and_another_method_405(rig):
    o = rig.origin("web.0")
    rig.publish(f"""service web 0
        endpoint web.0 0 {o.address}
        route web /only methods=3""")
    assert routed(rig, "/none") == (404, "no-route")
    code, head, data = rig.get("/only", "POST", b"x")
    assert (code, head["allow"]) == (405, "GET, HEAD")
    assert head["drover-error"] == "no-route"
    assert rig.forwarded() == []


def test_an_error_of_ours_says_what_and_which(rig):
    rig.publish("service web 0\nroute web /")
    code, head, data = rig.get("/a")
    text = json.loads(data)
    assert (code, text["status"]) == (503, 503)
    assert text["type"] == "/errors/no-endpoint"
    assert text["request_id"] == head["x-request-id"]
    assert head["content-type"] == "application/problem+json"
    assert head["cache-control"] == "no-store"
    assert head["drover-error"] == "no-endpoint"
    assert int(head["retry-after"]) > 0
    code, head, data = rig.get("/a", "HEAD")
    assert (code, data) == (503, b"") and int(head["content-length"]) > 0


# --- bodies ------------------------------------------------------------------

@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bodies_arrive_whole(web, method):
    for size in (0, 1, 65535, 65536, 65537, 1 << 20, 5 << 20):
        data = os.urandom(size)
        _, _, back = web.get("/sink", method, data)
        assert json.loads(back) == {"n": size,
                                    "sha": hashlib.sha256(data).hexdigest()}


def test_chunked_bodies_arrive_whole(web):
    for size in (1, 1000, 70000, 3 << 20):
        data = os.urandom(size)
        c = web.http()
        pieces = [data[i:i + 30000] for i in range(0, size, 30000)]
        c.request("POST", "/sink", body=iter(pieces), encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked"})
        back = json.loads(c.getresponse().read())
        c.close()
        assert back == {"n": size, "sha": hashlib.sha256(data).hexdigest()}


def test_trailers_pass_both_ways(web):
    data = web.raw(b"POST /head HTTP/1.1\r\nHost: a\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n"
                   b"3\r\nabc\r\n0\r\nX-Mine: 7\r\n\r\n", timeout=1)
    got = json.loads(data.split(b"\r\n\r\n", 1)[1])
    assert got["body"] == "abc" and got["trailers"] == ["X-Mine: 7"]
    data = web.raw(b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\n", timeout=1)
    assert header(data, "transfer-encoding") == "chunked"
    assert data.endswith(b"0\r\nX-Sum: 42\r\n\r\n")


def test_a_chunked_answer_streams(web):
    s = web.connect()
    s.sendall(b"GET /chunked?n=3&gap=0.3 HTTP/1.1\r\nHost: a\r\n\r\n")
    began = time.monotonic()
    first = read_until(s, b"part 0")
    assert b"part 1" not in first
    assert time.monotonic() - began < 0.25
    assert b"part 2" in read_until(s, b"0\r\nX-Sum")
    s.close()


def test_http10_gets_plain_bodies_and_a_close(web):
    data = web.raw(b"GET /chunked HTTP/1.0\r\n\r\n")
    assert data.split(b"\r\n\r\n", 1)[1] == b"part 0;part 1;part 2;"
    assert header(data, "transfer-encoding") is None
    assert header(data, "connection") == "close"
    data = web.raw(b"GET /token?t=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                   b"GET /token?t=2 HTTP/1.0\r\n\r\n")
    assert b"Connection: keep-alive" in data and b'"token": "2"' in data


def test_a_body_until_close_is_chunked_to_http11(web):
    c = web.http()
    for _ in range(2):
        c.request("GET", "/until_close")
        r = c.getresponse()
        assert r.getheader("transfer-encoding") == "chunked"
        assert r.read() == b"until close"
    c.close()
    assert web.ask("worker")["accepted"] == 1


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_truncated_body_never_looks_whole(web, framing):
    data = web.raw(b"GET /truncated?framing=%s HTTP/1.1\r\nHost: a\r\n\r\n"
                   % framing.encode())
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"200 OK" in head and b"0\r\n\r\n" not in body
    assert web.ask("service")["cut"] == 1


def test_a_bad_response_is_502(web):
    for kind in ("both", "twice", "garbage", "lf", "switch", "huge", "fold"):
        code, head, _ = web.get("/bad?kind=" + kind)
        assert (code, head["drover-error"]) == (502, "bad-response"), kind


def test_half_a_response_head_is_502(web):
    code, head, _ = web.get("/bad?kind=partial")
    assert (code, head["drover-error"]) == (502, "reset")


def test_both_directions_stream_at_once(web):
    s = web.connect()
    s.sendall(b"POST /duplex HTTP/1.1\r\nHost: a\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n")
    for word in (b"one", b"two", b"three"):
        s.sendall(b"%x\r\n%s\r\n" % (len(word), word))
        assert word.upper() in read_until(s, word.upper())
    s.sendall(b"0\r\n\r\n")
    assert read_until(s, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
    s.close()


def test_hints_pass_and_100_is_ours(web):
    data = web.raw(b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\n", timeout=1)
    assert data.startswith(b"HTTP/1.1 103 ") and b"done" in data
    s = web.connect()
    s.sendall(b"POST /head HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
              b"Expect: 100-continue\r\n\r\n")
    assert read_until(s, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    s.sendall(b"abc")
    got = read_until(s, b"}")
    assert b'"body": "abc"' in got and b"Expect" not in got
    s.close()


def test_a_body_over_the_limit_is_413(rig):
    rig.simple(rig.origin("web.0"), options="body=1000")
    code, head, _ = rig.get("/sink", "POST", b"x" * 1001)
    assert (code, head["drover-error"]) == (413, "body-too-large")
    assert rig.get("/sink", "POST", b"x" * 1000)[0] == 200
    part = b"%x\r\n%s\r\n" % (500, b"y" * 500)
    start = (b"POST /sink HTTP/1.1\r\nHost: a\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n")
    assert status(rig.raw(start + 2 * part + b"0\r\n\r\n", timeout=1)) == 200
    assert status(rig.raw(start + 3 * part + b"0\r\n\r\n", timeout=1)) == 413
    s = rig.connect()
    s.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n"
              b"Expect: 100-continue\r\n\r\n")
    assert status(read_all(s)) == 413
    s.close()


def test_an_early_answer_ends_the_upload(web):
    s = web.connect()
    s.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\n"
              b"Content-Length: 50000000\r\n\r\n" + b"x" * 100000)
    data = b""
    s.settimeout(5)
    sent = 0
    try:
        for _ in range(20):
            sent += s.send(b"x" * 100000)
    except OSError:
        pass
    data = read_all(s)
    s.close()
    assert status(data) == 403 and b"no thanks" in data
    assert header(data, "connection") == "close"


def test_after_a_fin_the_answer_still_comes(web):
    data = web.raw(b"GET /token?t=half&ms=300 HTTP/1.1\r\nHost: a\r\n\r\n",
                   shut=True)
    assert b'"token": "half"' in data
    assert header(data, "connection") == "close"


def test_a_client_that_leaves_frees_its_place(rig):
    rig.simple(rig.origin("web.0"), options="concurrency=1")
    s = rig.connect()
    s.sendall(b"GET /token?ms=5000 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.3)
    assert rig.ask("endpoint")["inflight"] == 1
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 b"\1\0\0\0\0\0\0\0")
    s.close()
    began = time.monotonic()
    assert rig.get("/token?t=next")[0] == 200
    assert time.monotonic() - began < 2
    assert rig.ask("service")["cancelled"] == 1


def test_half_a_body_is_never_sent_as_a_whole_one(web):
    web.raw(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc",
            shut=True)
    assert web.ask("endpoint")["inflight"] == 0
    assert web.get("/token?t=1")[0] == 200


# --- memory ------------------------------------------------------------------

def test_a_slow_reader_does_not_fill_the_worker(web):
    size = 1 << 30
    before = web.memory()
    s = web.connect()
    s.sendall(b"GET /bytes?n=%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
    time.sleep(1)
    assert web.memory() - before < 2048
    head = read_until(s, b"\r\n\r\n")
    got = len(head.split(b"\r\n\r\n", 1)[1])
    room = memoryview(bytearray(1 << 20))
    while got < size:
        n = s.recv_into(room)
        assert n > 0
        got += n
    s.close()
    assert got == size
    assert web.memory() - before < 2048


def test_a_slow_service_does_not_fill_the_worker(rig):
    web = rig
    web.simple(web.origin("web.0"), options="body=1000000000")
    before = web.memory()
    s = web.connect()
    size = 200 << 20
    s.sendall(b"POST /sink?pause=1 HTTP/1.1\r\nHost: a\r\n"
              b"Content-Length: %d\r\n\r\n" % size)
    done = threading.Event()

    def send():
        part = b"x" * (1 << 20)
        for _ in range(200):
            s.sendall(part)
        done.set()

    t = threading.Thread(target=send)
    t.start()
    time.sleep(0.7)
    assert not done.is_set()
    assert web.memory() - before < 2048
    s.settimeout(60)
    data = read_until(s, b"}")
    t.join()
    s.close()
    assert b'"n": %d' % size in data
    assert web.memory() - before < 2048


def test_thousands_of_idle_clients_are_cheap(web):
    before = web.memory()
    clients = [web.connect() for _ in range(400)]
    for s in clients:
        s.sendall(b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_until(s, b"}")
    assert web.ask("worker")["connections"] == 400
    assert web.memory() - before < 400 * 8 + 1024
    for s in clients:
        s.close()


# --- time --------------------------------------------------------------------

def test_a_service_that_does_not_answer_is_504(rig):
    rig.simple(rig.origin("web.0"), options="request_timeout=300")
    began = time.monotonic()
    code, head, _ = rig.get("/token?ms=5000")
    assert (code, head["drover-error"]) == (504, "timeout")
    assert 0.25 < time.monotonic() - began < 2
    assert rig.ask("endpoint")["timeouts"] == 1


def test_a_stream_that_stands_still_is_cut(rig):
    rig.simple(rig.origin("web.0"), options="idle_timeout=300")
    began = time.monotonic()
    data = rig.raw(b"GET /chunked?gap=3 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"part 0" in data and b"0\r\n" not in data.split(b"part 0;")[1]
    assert time.monotonic() - began < 2


def test_a_body_that_does_not_come_is_408(rig):
    rig.simple(rig.origin("web.0"), options="idle_timeout=300")
    data = rig.raw(b"POST /sink HTTP/1.1\r\nHost: a\r\n"
                   b"Content-Length: 10\r\n\r\nabc")
    assert status(data) == 408


# --- inside ------------------------------------------------------------------

@pytest.fixture
def inside(rig):
    """An internal listener: a may call b, b nobody."""
    port = rig.listen(2, internal=True)
    a, b = rig.origin("a.0"), rig.origin("b.0")
    rig.say("hangup")
    rig.wait("hello")
    rig.publish(f"""service b 1 token=tok-b
        endpoint b.0 1 {b.address}
        service a 0 token=tok-a calls=b
        endpoint a.0 0 {a.address}
        route a /a
        route b /b
        route b /inner flags={INTERNAL}""")
    rig.inside = port
    return rig


def basic(token):
    return {"Authorization":
            "Basic " + base64.b64encode(f"{token}:x".encode()).decode()}


def test_a_caller_is_known_by_its_token(inside):
    code, _, data = inside.get("/inner/x", headers={
        **basic("tok-a"), "Drover-Deadline-Ms": "1500"}, port=inside.inside)
    seen = {k.lower(): v for k, v in json.loads(data)["headers"]}
    assert code == 200 and seen["drover-caller"] == "a"
    assert seen["drover-deadline-ms"] == "1500"
    assert "authorization" not in seen


def test_who_may_not_call_is_403(inside):
    for target, token in (("/b", "tok-b"), ("/a", "tok-a"), ("/a", "tok-b")):
        code, head, _ = inside.get(
            target, headers=basic(token), port=inside.inside)
        assert (code, head["drover-error"]) == (403, "unauthorized")
    assert inside.forwarded() == []


def test_without_a_token_nobody_comes_in(inside):
    for headers in ({}, basic("wrong"), {"Authorization": "Bearer tok-a"},
                    {"Authorization": "Basic ????"}):
        code, head, _ = inside.get("/b", headers=headers, port=inside.inside)
        assert (code, head["drover-error"]) == (401, "unauthorized")
    assert inside.forwarded() == []


def test_internal_routes_do_not_exist_outside(inside):
    code, head, _ = inside.get("/inner/x", headers=basic("tok-a"))
    assert (code, head["drover-error"]) == (404, "no-route")


# --- the process -------------------------------------------------------------

def test_a_worker_shows_what_it_is(web):
    pid = web.workers[0].pid
    with open(f"/proc/{pid}/cmdline") as f:
        assert f.read().rstrip("\0") == "drover: proxy 0"
    first = web.ask("worker")
    time.sleep(1.1)
    assert web.ask("worker")["heartbeat"] > first["heartbeat"]
    assert first["generation"] == 1 and first["pid"] == pid


def test_sigterm_finishes_what_is_under_way(web):
    s, idle = web.connect(), web.connect()
    s.sendall(b"GET /token?t=last&ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.3)
    web.workers[0].send_signal(signal.SIGTERM)
    data = read_all(s)
    assert b'"token": "last"' in data
    assert header(data, "connection") == "close"
    s.close()
    assert web.workers[0].wait(5) == 0
    idle.close()


def test_without_control_a_worker_serves_on_and_comes_back(web):
    web.say("hangup")
    assert web.get("/token?t=1")[0] == 200
    assert web.wait("hello 0").split()[3] == "1"
    assert web.get("/token?t=2")[0] == 200


def test_who_waits_at_zero_is_told_to_control_and_again_to_the_next(rig):
    origin = rig.origin("web.0")
    rig.publish("""service web 5 flags=1 wake=1 start_wait=9000
        route web /""")
    s = rig.connect()
    s.sendall(b"GET /token?t=first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert rig.wait("wake") == "wake 0 5"
    rig.say("hangup")
    rig.wait("hello 0")
    assert rig.wait("wake") == "wake 0 5"
    rig.publish(f"""service web 5
        endpoint web.0 0 {origin.address}
        route web /""")
    assert b'"token": "first"' in read_all(s)
    s.close()


def test_a_snapshot_of_the_future_is_refused_with_the_reason(web):
    # magic, version 3
    web.say("raw 9 " + (0x6e735244).to_bytes(4, "little").hex() + "03000000")
    line = web.wait("refused")
    assert "version 3" in line
    web.say("raw 10 0011223300000000")
    assert "not a snapshot" in web.wait("refused")
    assert web.get("/token?t=1")[0] == 200


def test_usage_is_2():
    for args in ([], ["x"], ["x", "64"], ["x", "y"], ["x", "0", "z"]):
        assert subprocess.run([tool("worker"), *args]).returncode == 2
