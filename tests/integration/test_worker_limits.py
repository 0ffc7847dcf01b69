# SPDX-License-Identifier: ISC
"""Each ceiling and each deadline of a worker: met, counted, and reloaded."""
import hashlib
import json
import os
import socket
import struct
import threading
import time

import pytest

from worker_rig import (Rig, Script, eventually, header, held, read_all,
                        read_until, status)

ASK = b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


@pytest.fixture
def web(rig):
    """A service on all paths; web.limit(name=value) is a reload of limits."""
    origin = rig.origin("web.0")
    rig.limit = lambda options="", **limits: rig.simple(
        origin, options=options, **limits)
    rig.limit()
    return rig


def served(s):
    s.sendall(ASK)
    return status(read_until(s, b"}")) == 200


def ended(s, within):
    """Closed by the other side in that time, without a byte."""
    s.settimeout(within)
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False


# --- connections -------------------------------------------------------------

def test_connections_of_a_worker(web):
    web.limit(connections=4)
    inside = [web.connect() for _ in range(4)]
    assert all(served(s) for s in inside)
    late = web.connect()
    late.sendall(ASK)
    assert not ended(late, 0.3)
    assert web.met("connections") == 1
    web.limit(connections=6)
    late.settimeout(5)
    assert status(read_until(late, b"}")) == 200
    assert all(served(s) for s in inside)
    for s in inside + [late]:
        s.close()


def connect_from(rig, source):
    return socket.create_connection(
        ("127.0.0.1", rig.port), timeout=5, source_address=(source, 0))


def test_connections_of_one_address(web):
    web.limit(connections_per_address=2)
    first, second = web.connect(), web.connect()
    assert served(first) and served(second)
    third = web.connect()
    assert ended(third, 2)
    assert web.met("connections_per_address") == 1
    # Another address has as many of its own.
    others = [connect_from(web, "127.0.0.2") for _ in range(2)]
    assert all(served(s) for s in others)
    refused = connect_from(web, "127.0.0.2")
    assert ended(refused, 2)
    # Who leaves makes room.
    first.close()
    eventually(lambda: web.ask("worker")["connections"] == 3)
    again = web.connect()
    assert served(again)
    web.limit(connections_per_address=3)
    more = web.connect()
    assert served(more)
    assert served(second) and web.met("connections_per_address") == 2
    for s in [second, third, refused, again, more, *others]:
        s.close()


def test_trusted_proxies_and_unix_sockets_have_no_such_limit(web):
    path = os.path.join(web.dir, "in.sock")
    web.say(f"listen 2 unix:{path}")
    web.wait("listening")
    web.say("hangup")
    web.wait("hello")
    web.limit(connections_per_address=1)
    local = []
    for _ in range(3):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        local.append(s)
    assert all(served(s) for s in local)
    web.publish("""limit connections_per_address 1
        trust ::ffff:127.0.0.0/104
        service web 0
        endpoint web.0 0 """ + web.origins[0].address + """
        route web /""")
    trusted = [web.connect() for _ in range(3)]
    assert all(served(s) for s in trusted)
    assert web.met("connections_per_address") == 0
    for s in local + trusted:
        s.close()


def test_requests_on_one_connection(web):
    web.limit(requests_per_connection=3)
    s = web.connect()
    s.sendall(3 * ASK + b"GET /head?never HTTP/1.1\r\nHost: a\r\n\r\n")
    answers = read_all(s).split(b"HTTP/1.1 200")[1:]
    s.close()
    assert len(answers) == 3
    assert [b"Connection: close" in a for a in answers] == [False, False, True]
    assert web.ask("endpoint")["requests"] == 3
    assert web.met("requests_per_connection") == 1
    web.limit(requests_per_connection=4)
    s = web.connect()
    assert [served(s) for _ in range(4)] == 4 * [True]
    assert ended(s, 2)
    s.close()


def test_an_idle_connection_ends_without_a_word(web):
    web.limit(idle_timeout=300)
    fresh, used = web.connect(), web.connect()
    assert served(used)
    began = time.monotonic()
    assert ended(fresh, 3) and ended(used, 3)
    assert 0.2 < time.monotonic() - began < 1.5
    assert web.met("idle_timeout") == 2
    web.limit(idle_timeout=60000)
    s = web.connect()
    assert not ended(s, 0.6)
    s.settimeout(5)
    assert served(s)
    for x in (fresh, used, s):
        x.close()


# --- heads -------------------------------------------------------------------

def refused(rig, data):
    answer = rig.raw(data)
    return status(answer), header(answer, "drover-error")


def test_the_size_of_a_head(web):
    web.limit(head_size=2048)
    head = b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n"
    assert refused(web, head % (3000 * b"x")) == (431, "head-too-large")
    assert web.met("head_size") == 1
    web.limit(head_size=4096)
    assert web.get("/token?t=1", headers={"X": 3000 * "x"})[0] == 200
    assert refused(web, head % (5000 * b"x"))[0] == 431


def test_the_lines_of_a_head(web):
    web.limit(head_lines=20)
    head = b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n%s\r\n"
    assert refused(web, head % (20 * b"X: y\r\n")) == (431, "head-too-large")
    assert web.met("head_lines") == 1 and web.met("head_size") == 0
    web.limit(head_lines=200)
    assert web.raw(head % (190 * b"X: y\r\n"), timeout=0.5).startswith(
        b"HTTP/1.1 200")


def test_the_length_of_a_target(web):
    web.limit(target=100)
    long = b"GET /token?t=%s HTTP/1.1\r\nHost: a\r\n\r\n" % (100 * b"x")
    assert refused(web, long) == (414, "uri-too-long")
    assert web.met("target") == 1
    web.limit(target=200)
    assert web.raw(long, timeout=0.5).startswith(b"HTTP/1.1 200")


def drip(s, data, gap, most):
    """One byte after the other; all that came back."""
    end = time.monotonic() + most
    s.settimeout(gap)
    answer = b""
    for b in data:
        try:
            s.send(bytes([b]))
            part = s.recv(65536)
            if not part:
                return answer
            answer += part
        except TimeoutError:
            pass
        except OSError:
            return answer
        if time.monotonic() > end:
            return answer
    return answer


def test_a_head_has_its_time_from_its_first_byte(web):
    web.limit(head_timeout=400)
    s = web.connect()
    began = time.monotonic()
    data = drip(s, b"GET / HTTP/1.1\r\nHost: a\r\nX: " + 1000 * b"x", 0.05, 5)
    assert 0.3 < time.monotonic() - began < 2
    assert (status(data), header(data, "drover-error")) == (408, "timeout")
    assert header(data, "connection") == "close"
    assert web.met("head_timeout") == 1 and web.met("idle_timeout") == 0
    s.close()
    web.limit(head_timeout=60000)
    s = web.connect()
    s.sendall(ASK[:-1])
    assert not ended(s, 0.8)
    s.sendall(ASK[-1:])
    s.settimeout(5)
    assert status(read_until(s, b"}")) == 200
    s.close()


def test_the_time_for_a_head_is_its_own_though_as_long_as_the_idle_one(web):
    web.limit(head_timeout=600, idle_timeout=600)
    s = web.connect()
    time.sleep(0.4)
    s.sendall(ASK[:10])
    time.sleep(0.4)
    s.sendall(ASK[10:])
    assert status(read_until(s, b"}")) == 200
    s.close()


# --- bodies ------------------------------------------------------------------

UPLOAD = b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"


def test_a_body_that_drips_is_ended(web):
    web.limit(body_rate=1000, body_grace=200)
    s = web.connect()
    s.sendall(UPLOAD)
    began = time.monotonic()
    data = drip(s, 1000 * b"x", 0.05, 10)
    assert 0.2 < time.monotonic() - began < 4
    assert (status(data), header(data, "drover-error")) == (408, "timeout")
    assert web.met("body_rate") == 1 and web.met("body_idle") == 0
    assert web.ask("endpoint")["inflight"] == 0
    s.close()
    web.limit(body_rate=0)
    s = web.connect()
    s.sendall(UPLOAD)
    assert drip(s, 60 * b"x", 0.03, 10) == b""
    s.sendall(940 * b"x")
    s.settimeout(5)
    assert status(read_until(s, b"}")) == 200
    s.close()


def test_a_chunked_body_of_nothing_but_framing_is_ended(web):
    web.limit(body_rate=1000, body_grace=200)
    s = web.connect()
    s.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n1;a=")
    data = drip(s, 1000 * b"x", 0.05, 10)
    assert status(data) == 408 and web.met("body_rate") == 1
    s.close()


def test_a_body_that_keeps_its_pace_is_taken(web):
    web.limit(body_rate=1000, body_grace=200)
    s = web.connect()
    s.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 8000\r\n\r\n")
    for _ in range(20):
        s.sendall(400 * b"x")
        time.sleep(0.1)
    assert b'"n": 8000' in read_until(s, b"}")
    assert web.met("body_rate") == 0
    s.close()


def test_a_service_that_is_slow_to_take_a_body_is_not_the_clients_fault(web):
    web.limit(options="body=1000000000", body_rate=50000000, body_grace=1)
    data = os.urandom(8 << 20)
    code, _, back = web.get("/sink?pause=1.5", "POST", data)
    assert code == 200
    assert json.loads(back)["sha"] == hashlib.sha256(data).hexdigest()
    assert web.met("body_rate") == 0


def test_a_conversation_may_be_slow(web):
    web.limit(body_rate=1000, body_grace=100)
    s = web.connect()
    s.sendall(b"POST /duplex HTTP/1.1\r\nHost: a\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    assert b"ONE" in read_until(s, b"ONE")
    time.sleep(1.5)
    for _ in range(5):
        s.sendall(b"1\r\nx\r\n")
        assert b"X" in read_until(s, b"X")
        time.sleep(0.3)
    s.sendall(b"0\r\n\r\n")
    assert read_until(s, b"0\r\n\r\n").endswith(b"0\r\n\r\n")
    assert web.met("body_rate") == 0
    s.close()


@pytest.mark.parametrize("limit,options,ask,code", [
    ("request_timeout", "request_timeout=200", b"GET /token?ms=3000", 504),
    ("stream_idle", "idle_timeout=200", b"GET /chunked?gap=3", 200),
    ("body_idle", "idle_timeout=200", b"POST /sink", 408),
    ("body", "body=5", b"POST /sink", 413)])
def test_limits_of_a_service_are_counted_too(web, limit, options, ask, code):
    web.limit(options=options)
    data = web.raw(ask + b" HTTP/1.1\r\nHost: a\r\n" + (
        b"Content-Length: 9\r\n" if ask[0] == b"P"[0] else b"") + b"\r\n")
    assert status(data) == code
    assert web.met(limit) == 1


# --- answers -----------------------------------------------------------------

def test_a_client_that_takes_nothing_is_cut_off(web):
    web.limit(send_timeout=400)
    s = web.connect()
    s.sendall(b"GET /bytes?n=100000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    eventually(lambda: web.met("send_timeout") == 1)
    eventually(lambda: web.ask("worker")["connections"] == 0)
    assert len(read_all(s)) < 100000000
    assert web.met("stream_idle") == 0
    s.close()
    web.limit(send_timeout=60000)
    s = web.connect()
    s.sendall(b"GET /bytes?n=30000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(1)
    assert len(read_until(s, b"never", limit=30000000)) >= 30000000
    s.close()


def test_a_client_that_takes_a_little_each_time_is_served(web):
    web.limit(send_timeout=500)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(5)
    s.connect(("127.0.0.1", web.port))
    size = 5 << 20
    s.sendall(b"GET /bytes?n=%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
    began, got = time.monotonic(), 0
    while got < size:
        part = s.recv(30000)
        assert part, (got, time.monotonic() - began)
        got += len(part)
        time.sleep(0.02)
    assert time.monotonic() - began > 1
    assert web.met("send_timeout") == 0
    s.close()


def test_after_a_fin_an_answer_has_its_time(web):
    web.limit(half_close_timeout=200)
    ask = b"GET /token?t=late&ms=700 HTTP/1.1\r\nHost: a\r\n\r\n"
    assert web.raw(ask, shut=True) == b""
    assert web.met("half_close_timeout") == 1
    web.limit(half_close_timeout=5000)
    assert b'"late"' in web.raw(ask, shut=True)


def test_what_comes_after_the_end_has_a_size_and_a_time(web):
    web.limit(options="body=10", linger_timeout=300, linger_size=100000)
    early = (b"POST /sink HTTP/1.1\r\nHost: a\r\n"
             b"Content-Length: 100000000\r\n\r\n")
    s = web.connect()
    s.sendall(early)
    assert status(read_all(s)) == 413
    eventually(lambda: web.met("linger") == 1)  # the time
    s.close()
    web.limit(options="body=10", linger_timeout=60000, linger_size=100000)
    s = web.connect()
    s.sendall(early)
    with pytest.raises(OSError):
        for _ in range(1000):
            s.sendall(100000 * b"x")
    assert web.met("linger") == 2  # the size
    s.close()


# --- endpoints ---------------------------------------------------------------

def test_idle_connections_to_a_copy_are_few_and_get_old(web):
    web.limit(pool=1)

    def both():
        threads = [threading.Thread(
            target=web.get, args=("/token?ms=300&t=1",)) for _ in range(2)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    both()
    assert web.ask("endpoint")["connects"] == 2
    eventually(lambda: web.met("pool") == 1)
    both()
    assert web.ask("endpoint")["connects"] == 3
    web.limit(pool=1, pool_timeout=200)
    assert web.get("/token?t=1")[0] == 200
    before = web.ask("endpoint")["connects"]
    eventually(lambda: web.met("pool_timeout") == 1)
    assert web.ask("worker")["upstreams"] == 0
    assert web.get("/token?t=1")[0] == 200
    assert web.ask("endpoint")["connects"] == before + 1


def test_a_connect_has_its_time(rig):
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    port = full.getsockname()[1]
    crowd = []
    for _ in range(4):  # what its backlog takes, and more
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        crowd.append(s)
    time.sleep(0.1)
    rig.publish(f"""limit connect_timeout 300
        service web 0
        endpoint web.0 0 127.0.0.1:{port}
        route web /""")
    began = time.monotonic()
    code, head, _ = rig.get("/")
    assert (code, head["drover-error"]) == (502, "connect")
    assert 0.2 < time.monotonic() - began < 3
    assert rig.met("connect_timeout") >= 1
    for s in crowd + [full]:
        s.close()


def test_the_head_of_an_answer_has_its_size(rig):
    script = Script(rig)

    def answer(size):
        got = []
        t = threading.Thread(target=lambda: got.append(rig.get("/")))
        t.start()
        s = script.accept()
        read_until(s, b"\r\n\r\n")
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: %s\r\n\r\n"
                  % (size * b"x"))
        t.join()
        s.close()
        return got[0][0], got[0][1].get("drover-error")

    rig.simple(script, response_head=1500)
    assert answer(2000) == (502, "bad-response")
    assert rig.met("response_head") == 1
    rig.simple(script, response_head=3000)
    assert answer(2000) == (200, None)
    script.listener.close()


@pytest.mark.parametrize("code", [100, 103])
def test_interim_answers_without_end_are_no_answer(rig, code):
    script = Script(rig)

    def answer(n, gap=0):
        c = rig.connect()
        c.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        s = script.accept()
        read_until(s, b"\r\n\r\n")
        heads = [b"HTTP/1.1 %d Wait\r\n\r\n" % code] * n + [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
        for part in heads if gap else [b"".join(heads)]:
            s.sendall(part)
            time.sleep(gap)
        got = [int(x[:3]) for x in read_all(c).split(b"HTTP/1.1 ")[1:]]
        c.close()
        s.close()
        return got

    passed = [code] * (code != 100)
    rig.simple(script)
    assert answer(32) == 32 * passed + [200]
    assert rig.met("interims") == 0
    assert answer(33) == 32 * passed + [502]
    assert rig.met("interims") == rig.ask("endpoint")["bad"] == 1
    rig.simple(script, interims=2)
    assert answer(2, 0.02) == 2 * passed + [200]
    assert answer(3) == 2 * passed + [502]
    script.listener.close()


# --- memory ------------------------------------------------------------------

def reader(rig, n):
    s = rig.connect()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.sendall(b"GET /bytes?n=%d HTTP/1.1\r\nHost: a\r\n\r\n" % n)
    return s


@pytest.mark.alone
def test_what_is_shed_before_memory_runs_out(web):
    size, n = 10 << 20, 110  # some of which find a pipe, and hold nothing
    readers = [reader(web, size) for _ in range(n)]
    eventually(lambda: web.ask("endpoint")["requests"] == n)
    idle = web.connect()
    assert served(idle)
    used = held(web) // 1024
    assert used > 40 * 30
    # Small pieces: nothing is noticed but that.
    web.limit(memory_kib=used * 2)
    assert served(idle)
    # Idle connections go, and none stays.
    web.limit(memory_kib=used * 100 // 67)
    assert ended(idle, 3) and web.met("memory_idle") == 1
    code, head, _ = web.get("/token?t=1")
    assert (code, head["connection"]) == (200, "close")
    assert web.met("memory_requests") == 0
    # Then new requests.
    web.limit(memory_kib=used * 100 // 80)
    code, head, _ = web.get("/token?t=1")
    assert (code, head["drover-error"]) == (503, "queue-full")
    assert int(head["retry-after"]) > 0 and head["connection"] == "close"
    assert web.met("memory_requests") == 1 and web.met("memory_accept") == 0
    # Then connections.
    web.limit(memory_kib=used * 100 // 90)
    assert web.met("memory_accept") == 1
    late = web.connect()
    late.sendall(ASK)
    assert not ended(late, 0.3)
    # What is under way comes to its end, whatever was given up.
    for s in readers:
        got = len(read_until(s, b"\r\n\r\n").split(b"\r\n\r\n", 1)[1])
        while got < size:
            n = len(s.recv(1 << 20))
            assert n > 0
            got += n
        s.close()
    late.settimeout(5)
    assert status(read_until(late, b"}")) in (200, 503)  # let in early or late
    late.close()
    eventually(lambda: web.get("/token?t=1")[1].get("connection") != "close")
    eventually(lambda: held(web) < (used << 10) // 4)


def uploads(rig):
    """50 bodies that are kept for a retry: half end well, half break off."""
    clients = [rig.connect() for _ in range(50)]
    for s in clients:
        s.sendall(b"PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 50000"
                  b"\r\n\r\n" + 30000 * b"x")
    eventually(lambda: rig.ask("endpoint")["inflight"] == 50)
    for s in clients[:25]:
        s.sendall(20000 * b"x")
        assert read_until(s, b"}")
    for s in clients:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
    eventually(lambda: rig.ask("worker")["connections"] == 0)


def test_memory_that_is_given_back_is_not_counted(web):
    uploads(web)
    before = held(web)
    for _ in range(5):
        uploads(web)
    assert abs(held(web) - before) < 8192


def test_an_idle_connection_holds_no_buffer(web):
    assert web.get("/token?t=1")[0] == 200
    before = held(web)
    clients = [web.connect() for _ in range(50)]
    for s in clients:
        s.sendall(ASK[:-2] + b"X: " + 8000 * b"x")
    time.sleep(0.3)
    for s in clients:
        s.sendall(b"\r\n\r\n")
        assert status(read_until(s, b"}")) == 200
    assert 50 * 400 < held(web) - before < 50 * 1024
    for s in clients:
        s.close()
