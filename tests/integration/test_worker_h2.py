# SPDX-License-Identifier: ISC
"""HTTP/2 to clients: the same exchanges, and what a client may try."""
import hashlib
import json
import signal
import subprocess
import time

import pytest

from certs import Certificate, client
from h2_client import (CALM, CANCEL, CONT, DATA, END, END_HEADERS, FLOW, GOAWAY,
                       HEADERS, INTERNAL, NO_ERROR, PING, PREFACE, PROTOCOL,
                       RST, SETTINGS, WINDOW, Client, block, frame, request,
                       text, word)
from worker_rig import Rig, eventually, read_all, status


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    r.h2_port = r.listen(2, http="http2")
    r.web = r.origin("web.0")
    r.say("hangup")
    r.wait("hello")
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


@pytest.fixture
def web(rig):
    rig.simple(rig.web)
    return rig


@pytest.fixture
def c(web):
    with Client(web.h2_port) as client:
        yield client


# --- requests and answers ---------------------------------------------------

def test_a_request_goes_on_as_one_of_http1(c):
    a = c.get("/head?x=1", more=[("cookie", "a=1"), ("x-own", "yes"),
                                 ("cookie", "b=2"), ("te", "trailers")])
    seen = json.loads(a.body)
    heads = {k.lower(): v for k, v in seen["headers"]}
    assert a.status == 200 and seen["target"] == "/head?x=1"
    assert heads["host"] == "a" and heads["x-own"] == "yes"
    assert heads["cookie"] == "a=1; b=2"
    assert "te" not in heads
    assert a.head["x-kept"] == "yes" and "drover-error" not in a.head
    assert "keep-alive" not in a.head and "connection" not in a.head


def test_many_streams_are_answered_each_with_its_own(web, c):
    streams = {c.ask(f"/token?t={i}&ms={(7 * i) % 5}"): i for i in range(100)}
    for s, i in streams.items():
        assert json.loads(c.wait(s).body)["token"] == str(i)
    assert web.ask("worker")["streams"] == 100
    assert web.ask("worker")["h2"] == 1
    assert web.ask("endpoint")["inflight"] == 0


def test_head_204_and_304_have_no_body(c):
    a = c.get("/token?t=1", method="HEAD")
    assert a.ended and a.body == b"" and int(a.head["content-length"]) > 0
    for code in ("204", "304"):
        a = c.get(f"/status?code={code}")
        assert a.head[":status"] == code and a.body == b"" and a.ended


def test_early_hints_come_before_the_answer(c):
    a = c.get("/hints")
    assert [h[":status"] for h in a.heads] == ["103", "200"]
    assert a.heads[0]["link"] == "</a.css>"
    assert a.body == b"done"


@pytest.mark.parametrize("path", ["/chunked?n=4", "/until_close"])
def test_a_body_of_unknown_length_ends_with_its_stream(c, path):
    a = c.get(path)
    assert a.ended and a.reset is None
    assert a.body in (b"until close", b"part 0;part 1;part 2;part 3;")
    assert "transfer-encoding" not in a.head


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_truncated_answer_never_looks_complete(c, framing):
    a = c.get(f"/truncated?framing={framing}")
    assert a.reset == INTERNAL and not a.ended
    assert c.get("/token?t=1").status == 200


def test_a_body_comes_through_with_and_without_a_length(c):
    body = bytes(range(256)) * 64
    want = {"n": len(body), "sha": hashlib.sha256(body).hexdigest()}
    a = c.get("/sink", method="POST", body=body)
    assert json.loads(a.body) == want
    a = c.get("/sink", method="POST", body=body,
              more=[("content-length", str(len(body)))])
    assert json.loads(a.body) == want


def test_trailers_of_a_request_go_on(c):
    s = c.ask("/head", method="POST", body=b"abc", end=False)
    c.send(frame(HEADERS, END | END_HEADERS, s, block([("x-sum", "1")])))
    seen = json.loads(c.wait(s).body)
    assert seen["body"] == "abc" and seen["trailers"] == ["x-sum: 1"]


def test_a_large_answer_comes_whole(c):
    a = c.get("/bytes?n=5000000")
    assert len(a.body) == 5000000 and a.body.count(b"x") == 5000000


def test_an_early_answer_drops_the_rest_of_the_body(web, c):
    s = c.ask("/early", method="POST", body=b"a" * 100, end=False)
    a = c.wait(s)
    while a.reset is None:
        assert c.step()
    assert a.status == 403 and a.body == b"no thanks"
    assert a.ended and a.reset == NO_ERROR
    assert c.get("/token?t=1").status == 200


def test_expect_is_answered_by_100(c):
    s = c.ask("/sink", method="POST", end=False,
              more=[("expect", "100-continue"), ("content-length", "3")])
    while not c.answers.get(s) or not c.answers[s].heads:
        assert c.step()
    assert c.answers[s].head[":status"] == "100"
    c.send(frame(DATA, END, s, b"abc"))
    assert c.wait(s).status == 200


def test_http1_is_spoken_where_http2_may_be(web):
    get = b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    s = web.connect(web.h2_port)
    s.sendall(get)
    assert status(read_all(s)) == 200
    s.close()
    # It begins as the preface does, byte by byte, and then goes its own way.
    s = web.connect(web.h2_port)
    for b in (b"P", b"R", b"I", b" /token HTTP/1.1\r\n", b"Host: a\r\n",
              b"Connection: close\r\n\r\n"):
        s.sendall(b)
    assert status(read_all(s)) == 200
    s.close()


def test_where_it_may_not_be_the_preface_is_refused(web):
    assert status(web.raw(PREFACE + frame(SETTINGS))) == 505


def test_a_preface_in_pieces_is_one(web):
    with Client(web.h2_port, hello=False) as c:
        for b in PREFACE + frame(SETTINGS):
            c.send(bytes([b]))
        assert c.get("/token?t=1").status == 200


# --- what is refused --------------------------------------------------------

REFUSED = {
    "dots": (400, "/a/../b", "GET", []),
    "dots encoded": (400, "/a/%2e%2E/b", "GET", []),
    "absolute": (400, "http://b/", "GET", []),
    "space": (400, "/a b", "GET", []),
    "host differs": (400, "/", "GET", [("host", "b")]),
    "two lengths": (400, "/", "GET",
                    [("content-length", "0"), ("content-length", "0")]),
    "trace": (405, "/", "TRACE", []),
    "target": (414, "/" + "a" * 9000, "GET", []),
    "head": (431, "/", "GET", [("x-a", "a" * 17000)]),
    "lines": (431, "/", "GET", [("x-a", "a")] * 101),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_http1_refuses_is_refused_alike(web, c, name):
    code, path, method, more = REFUSED[name]
    s, c.next = c.next, c.next + 2
    data = request(path, method, more=more)
    c.send(frame(HEADERS, END | (END_HEADERS if len(data) < 16384 else 0), s,
                 data[:16384]))
    if len(data) >= 16384:
        c.send(frame(CONT, END_HEADERS, s, data[16384:]))
    a = c.wait(s)
    assert a.status == code and a.head["drover-error"]
    assert json.loads(a.body)["status"] == code
    assert web.forwarded() == []
    assert c.get("/token?t=1").status == 200


def test_connect_is_refused(c):
    s, c.next = c.next, c.next + 2
    c.send(frame(HEADERS, END_HEADERS, s,
                 block([(":method", "CONNECT"), (":authority", "a:1")])))
    assert c.wait(s).status == 405


@pytest.mark.parametrize("more", [
    ("X-Upper", "1"), ("connection", "close"), ("upgrade", "websocket"),
    ("transfer-encoding", "chunked"), ("te", "gzip"), ("keep-alive", "1"),
    (":path", "/"), (":new", "x"), ("x", "a\r\nb: c"), ("content-length", "5"),
], ids=lambda m: m[0])
def test_what_is_malformed_is_reset_and_never_goes_on(web, c, more):
    assert c.get("/", more=[more]).reset == PROTOCOL
    assert web.forwarded() == []
    assert c.get("/token?t=1").status == 200
    assert web.ask("worker")["malformed"] == 1


def test_a_body_that_is_not_its_length_is_cut_off(web, c):
    for body in (b"ab", b"abcd"):
        a = c.get("/sink", method="POST", body=body,
                  more=[("content-length", "3")])
        assert a.reset == PROTOCOL
    assert c.get("/token?t=1").status == 200


def test_a_body_over_the_limit_is_413(rig):
    rig.simple(rig.web, options="body=1000")
    with Client(rig.h2_port) as c:
        a = c.get("/sink", method="POST", body=b"a" * 2000)
        assert a.status == 413
        assert c.get("/token?t=1").status == 200


# --- back-pressure ----------------------------------------------------------

def test_a_window_opens_only_as_the_endpoint_takes_the_body(web, c):
    s = c.ask("/sink?pause=0.5", method="POST", end=False)
    sent = 0
    while sent < 131072:
        c.send(frame(DATA, 0, s, b"a" * 16384))
        sent += 16384
    opened = 0
    while sent < 1 << 20:
        payload = c.until(WINDOW)
        opened = int.from_bytes(payload, "big")
        if c.frames[-1][2] != s:
            continue
        assert opened <= 131072
        for _ in range(opened // 16384):
            c.send(frame(DATA, 0, s, b"a" * 16384))
            sent += 16384
    c.send(frame(DATA, END, s))
    assert json.loads(c.wait(s).body)["n"] == sent


def test_answers_that_nobody_reads_hold_little_memory(web):
    with Client(web.h2_port, settings=b"\0\4\x7f\xff\xff\xff",
                credit=False) as c:
        c.send(frame(WINDOW, 0, 0, word(0x7fff0000)))
        before = web.memory()
        for _ in range(64):
            c.ask("/bytes?n=20000000")
        eventually(lambda: web.ask("endpoint")["requests"] == 64)
        time.sleep(0.5)
        # A read each of what the endpoints say, and the connection's own.
        assert web.memory() - before < 64 * 300 + 4096
        assert web.get("/token?t=1")[0] == 200


def test_a_window_that_stays_shut_holds_one_stream_alone(web):
    with Client(web.h2_port, settings=b"\0\4\0\0\0\0", credit=False) as c:
        slow = c.ask("/bytes?n=100000")
        other = c.ask("/token?t=1")
        c.send(frame(WINDOW, 0, other, word(1000)))
        assert c.wait(other).status == 200
        assert c.answers[slow].body == b""


def test_a_cancelled_stream_frees_its_place_at_once(rig):
    rig.simple(rig.web, options="concurrency=1")
    with Client(rig.h2_port) as c:
        s = c.ask("/token?t=1&ms=60000")
        eventually(lambda: rig.ask("endpoint")["inflight"] == 1)
        c.send(frame(RST, 0, s, word(CANCEL)))
        assert c.get("/token?t=2").status == 200


def test_a_client_that_goes_frees_all_its_places(rig):
    rig.simple(rig.web)
    c = Client(rig.h2_port)
    for _ in range(20):
        c.ask("/token?t=1&ms=60000")
    eventually(lambda: rig.ask("endpoint")["inflight"] == 20)
    c.close()
    eventually(lambda: rig.ask("endpoint")["inflight"] == 0)
    eventually(lambda: rig.ask("worker")["connections"] == 0)


# --- the end ----------------------------------------------------------------

def test_a_drain_says_goaway_twice_and_answers_what_was_asked(web, c):
    s = c.ask("/token?t=1&ms=1500")
    eventually(lambda: web.ask("endpoint")["inflight"] == 1)
    web.workers[0].send_signal(signal.SIGTERM)
    assert c.goaway() == (0x7fffffff, NO_ERROR)
    late = c.ask("/token?t=2")
    assert c.wait(late).status == 200
    assert c.goaway() == (late, NO_ERROR)
    assert json.loads(c.wait(s).body)["token"] == "1"
    assert c.closed()
    assert web.workers[0].wait(10) == 0


# --- abuse ------------------------------------------------------------------

def calm(web, c, counter):
    assert c.goaway()[1] == CALM
    assert c.closed()
    assert web.ask("worker")[counter] == 1
    assert web.ask("endpoint")["inflight"] == 0
    assert web.get("/token?t=1")[0] == 200


def flood(c, data):
    try:
        c.send(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def test_rapid_reset_ends_the_connection(web, c):
    flood(c, b"".join(
        frame(HEADERS, END | END_HEADERS, 2 * i + 1,
              request("/token?t=1&ms=1000")) +
        frame(RST, 0, 2 * i + 1, word(CANCEL)) for i in range(1000)))
    calm(web, c, "resets")
    assert len(web.forwarded()) < 400


def test_resets_that_the_client_provokes_end_the_connection(web, c):
    flood(c, b"".join(
        frame(HEADERS, END | END_HEADERS, 2 * i + 1,
              request(more=[("X", "1")])) for i in range(1000)))
    calm(web, c, "resets")


def test_a_continuation_flood_ends_the_connection(web, c):
    flood(c, frame(HEADERS, 0, 1, request()) + b"".join(
        frame(CONT, 0, 1, block([("x-a", "a" * 100)])) for _ in range(1000)))
    calm(web, c, "heads")


def test_a_bomb_of_indexed_fields_ends_the_connection(web, c):
    # One field of 3,991 bytes for the table, then said again a byte each.
    field = b"\x40" + text("x-a") + text("a" * 3988)
    flood(c, frame(HEADERS, END | END_HEADERS, 1,
                   request() + field + b"\xbe" * 10000))
    calm(web, c, "heads")


@pytest.mark.parametrize("data", [
    frame(PING, 0, 0, b"12345678"), frame(SETTINGS), frame(2, 0, 3, b"\0" * 5),
    frame(0x55, 0, 0, b"x"), frame(WINDOW, 0, 0, word(1)),
], ids=["ping", "settings", "priority", "unknown", "window"])
def test_frames_that_carry_nothing_are_bounded(web, c, data):
    flood(c, data * 5000)
    calm(web, c, "controls")


def test_empty_data_is_bounded(web, c):
    s = c.ask("/sink", method="POST", end=False)
    flood(c, frame(DATA, 0, s) * 5000)
    calm(web, c, "controls")


def test_more_streams_than_allowed_end_the_connection(web, c):
    # Its SETTINGS have been acknowledged with this.
    assert c.get("/token?t=1").status == 200
    streams = [c.ask("/token?t=1&ms=1000") for _ in range(128)]
    for s in streams:
        assert c.wait(s).status == 200
    flood(c, b"".join(
        frame(HEADERS, END | END_HEADERS, c.next + 2 * i,
              request("/token?t=1&ms=2000")) for i in range(129)))
    assert c.goaway()[1] == PROTOCOL
    assert c.closed()
    eventually(lambda: web.ask("endpoint")["inflight"] == 0)


def test_a_head_that_does_not_come_to_its_end_is_cut_off(web):
    with Client(web.h2_port) as c:
        started = time.monotonic()
        c.s.settimeout(15)
        c.send(frame(HEADERS, 0, 1, request())[:-1])
        assert c.closed(15)
        assert 9 < time.monotonic() - started < 13


# --- deadlines and ceilings -------------------------------------------------

def limited(rig, **limits):
    rig.publish("".join(f"limit {k} {v}\n" for k, v in limits.items()) +
                f"service web 0\nendpoint web.0 0 {rig.web.address}\n"
                "route web /\n")


def test_a_window_that_stays_shut_is_reset_in_time(rig):
    limited(rig, send_timeout=600)
    with Client(rig.h2_port, settings=b"\0\4\0\0\0\0", credit=False) as c:
        started = time.monotonic()
        a = c.get("/token?t=1")
        assert a.status == 200 and a.reset == CANCEL
        assert 0.5 < time.monotonic() - started < 3
        assert rig.ask("worker")["stalls"] == 1
        eventually(lambda: rig.ask("endpoint")["inflight"] == 0)


def test_a_window_that_opens_by_bytes_is_reset_in_time(rig):
    limited(rig, send_timeout=600)
    with Client(rig.h2_port, settings=b"\0\4\0\0\0\0", credit=False) as c:
        s = c.ask("/bytes?n=100000")
        c.s.settimeout(0.05)
        end = time.monotonic() + 5
        while s not in c.answers or c.answers[s].reset is None:
            assert time.monotonic() < end
            c.send(frame(WINDOW, 0, s, word(1)))
            time.sleep(0.01)
            try:
                c.step()
            except TimeoutError:
                pass
        assert 0 < len(c.answers[s].body) < 1000
        eventually(lambda: rig.ask("endpoint")["inflight"] == 0)


def test_a_connection_that_takes_nothing_is_cut_off_in_time(rig):
    limited(rig, send_timeout=600)
    with Client(rig.h2_port, settings=b"\0\4\x7f\xff\xff\xff",
                credit=False) as c:
        c.send(frame(WINDOW, 0, 0, word(0x7fff0000)))
        for _ in range(8):
            c.ask("/bytes?n=20000000")
        eventually(lambda: rig.ask("worker")["stalls"] == 1)
        eventually(lambda: rig.ask("worker")["connections"] == 0)
        eventually(lambda: rig.ask("endpoint")["inflight"] == 0)


def test_a_slow_reader_that_keeps_taking_is_not_cut_off(rig):
    limited(rig, send_timeout=1000)
    with Client(rig.h2_port) as c:
        s = c.ask("/bytes?n=3000000")
        started = time.monotonic()
        while not c.answers.get(s) or not c.answers[s].ended:
            assert c.step() is not None
            assert c.answers.get(s) is None or c.answers[s].reset is None
            time.sleep(0.012)
        assert time.monotonic() - started > 2
        assert len(c.answers[s].body) == 3000000


def test_an_idle_connection_is_told_and_closed(rig):
    limited(rig, idle_timeout=500)
    with Client(rig.h2_port) as c:
        started = time.monotonic()
        assert c.get("/token?t=1").status == 200
        assert c.goaway() == (1, NO_ERROR)
        assert c.closed()
        assert 0.4 < time.monotonic() - started < 1.7


def test_the_last_request_of_a_connection_is_followed_by_goaway(rig):
    limited(rig, requests_per_connection=3)
    with Client(rig.h2_port) as c:
        for i in range(3):
            assert c.get(f"/token?t={i}").status == 200
        # The first stands before the last answer.
        assert (GOAWAY, 0, 0, word(0x7fffffff) + word(0)) in c.frames
        assert c.goaway() == (5, NO_ERROR)
        assert c.closed()


def test_the_ceilings_of_heads_are_those_of_the_limits(rig):
    limited(rig, head_size=1000, head_lines=10, target=100)
    with Client(rig.h2_port) as c:
        assert c.get("/" + "a" * 200).status == 414
        assert c.get("/", more=[("x-a", "a" * 1500)]).status == 431
        assert c.get("/", more=[("x-a", "a")] * 12).status == 431
        assert c.get("/token?t=1").status == 200


def resets(c, n):
    flood(c, b"".join(
        frame(HEADERS, END | END_HEADERS, s, request("/token?t=1&ms=1000")) +
        frame(RST, 0, s, word(CANCEL))
        for s in range(c.next, c.next + 2 * n, 2)))
    c.next += 2 * n


def test_the_budget_of_resets_is_a_limit_and_a_reload_changes_it(rig):
    limited(rig, http2_resets=16)
    with Client(rig.h2_port) as c:
        resets(c, 16)
        assert c.get("/token?t=1").status == 200
        resets(c, 8)  # some came back meanwhile
        calm(rig, c, "resets")
    limited(rig, http2_resets=200)
    with Client(rig.h2_port) as c:
        resets(c, 190)
        assert c.get("/token?t=1").status == 200
    assert rig.ask("worker")["resets"] == 1


def test_the_budget_of_empty_frames_is_a_limit_and_a_reload_changes_it(rig):
    ping = frame(PING, 0, 0, b"12345678")
    limited(rig, http2_controls=16)
    with Client(rig.h2_port) as c:
        flood(c, ping * 12)
        assert c.get("/token?t=1").status == 200
        flood(c, ping * 16)
        calm(rig, c, "controls")
    limited(rig, http2_controls=1000)
    with Client(rig.h2_port) as c:
        flood(c, ping * 900)
        assert c.get("/token?t=1").status == 200
    assert rig.ask("worker")["controls"] == 1


def test_the_window_of_a_body_is_a_limit_and_a_reload_changes_it(rig):
    for window in (20000, 40000):
        before = rig.met("http2_window")
        rig.simple(rig.web, options="concurrency=1", http2_window=window)
        with Client(rig.h2_port) as c:
            assert c.get("/token?t=1").status == 200  # SETTINGS are known
            first = c.ask("/token?t=1&ms=60000")
            eventually(lambda: rig.ask("endpoint")["inflight"] == 1)
            # It waits in the queue, and so does its body.
            s = c.ask("/sink", method="POST", end=False)
            for n in range(window, 0, -16384):
                assert rig.met("http2_window") == before
                c.send(frame(DATA, 0, s, b"a" * min(n, 16384)))
            eventually(lambda: rig.met("http2_window") == before + 1)
            c.send(frame(DATA, 0, s, b"a"))
            assert c.wait(s).reset == FLOW
            c.send(frame(RST, 0, first, word(CANCEL)))
            assert c.get("/token?t=1").status == 200


def test_all_memory_is_given_back(web):
    def held():
        return web.ask("limits")["memory"]

    eventually(lambda: web.ask("worker")["connections"] == 0)
    with Client(web.h2_port) as c:
        for i in range(20):
            assert c.get(f"/token?t={i}").status == 200
    eventually(lambda: web.ask("worker")["connections"] == 0)
    time.sleep(0.6)
    before = held()
    for _ in range(3):
        with Client(web.h2_port) as c:
            for i in range(20):
                c.ask(f"/bytes?n={i * 10000}")
            c.get("/token?t=1")
    eventually(lambda: web.ask("worker")["connections"] == 0)
    eventually(lambda: held() <= before + 65536)


# --- with TLS ---------------------------------------------------------------

@pytest.fixture
def secure(rig, tmp_path):
    rig.tls_port = rig.listen(3)
    rig.certificate = Certificate(tmp_path, "a", ["a.test"])
    rig.say(f"tls 3 {rig.certificate}")
    rig.say("hangup")
    rig.wait("hello")
    rig.simple(rig.web)
    return rig


def test_alpn_leads_to_http2_and_to_http1(secure):
    for alpn, want in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"),
                       ([], None)):
        with secure.connect(secure.tls_port) as plain:
            with client(alpn=alpn).wrap_socket(plain) as s:
                assert s.selected_alpn_protocol() == want

    def wrap(s):
        return client(alpn=["h2"]).wrap_socket(s)

    body = bytes(range(256)) * 2000
    with Client(secure.tls_port, wrap=wrap) as c:
        seen = json.loads(c.get("/head").body)
        assert ["X-Forwarded-Proto", "https"] in seen["headers"]
        assert len(c.get("/bytes?n=3000000").body) == 3000000
        s = c.ask("/sink", method="POST", end=False)
        for i in range(0, 114688, 16384):
            c.send(frame(DATA, 0, s, body[i:i + 16384]))
        c.send(frame(DATA, END, s))
        assert json.loads(c.wait(s).body)["n"] == 114688


def test_where_it_never_may_be_alpn_agrees_on_http1(rig, tmp_path):
    port = rig.listen(3, http="http1")
    rig.say(f"tls 3 {Certificate(tmp_path, 'a')}")
    rig.say("hangup")
    rig.wait("hello")
    rig.simple(rig.web)
    with rig.connect(port) as plain:
        with client(alpn=["h2", "http/1.1"]).wrap_socket(plain) as s:
            assert s.selected_alpn_protocol() == "http/1.1"


def test_curl_speaks_it_with_tls(secure):
    out = subprocess.run(
        ["curl", "-sk", "--http2", "-w", "%{http_version}", "-d", "hello",
         f"https://127.0.0.1:{secure.tls_port}/head",
         f"https://127.0.0.1:{secure.tls_port}/sink"],
        capture_output=True, text=True, timeout=20).stdout
    assert '"body": "hello"' in out and '"n": 5' in out and out.endswith("2")


# --- with others' clients ---------------------------------------------------

def test_curl_speaks_it(web):
    for path, want in (("/head", '"method": "POST"'), ("/sink", '"n": 5')):
        out = subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-w", "%{http_version}",
             "-d", "hello", f"http://127.0.0.1:{web.h2_port}{path}"],
            capture_output=True, text=True, timeout=20).stdout
        assert want in out and out.endswith("2")
