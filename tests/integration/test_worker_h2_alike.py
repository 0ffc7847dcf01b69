# SPDX-License-Identifier: ISC
"""What holds for HTTP/1 to clients holds for HTTP/2: trailers, Via, rules."""
import json
import time

import pytest

from h2_client import (DATA, END, END_HEADERS, HEADERS, INTERNAL, PROTOCOL,
                       WINDOW, Client, block, frame, request, word)
from worker_rig import Script, header, http2_rig, read_until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture
def rig(tmp_path):
    yield from http2_rig(tmp_path)


@pytest.fixture
def web(rig):
    rig.web = rig.origin("web.0")
    rig.simple(rig.web)
    return rig


@pytest.fixture
def played(rig):
    """A worker whose only endpoint is in the test's hands."""
    rig.script = Script(rig)
    rig.simple(rig.script)
    yield rig
    rig.script.close()


@pytest.fixture
def c(rig):
    with Client(rig.h2_port) as client:
        yield client


def told(rig, c, answer, **more):
    """Ask, let the endpoint say this; the answer and what the endpoint got."""
    s = c.ask("/", **more)
    with rig.script.accept() as up:
        head = read_until(up, b"\r\n\r\n")
        for piece in [answer] if isinstance(answer, bytes) else answer:
            up.sendall(piece)
        return c.wait(s), head


# --- trailers of an answer --------------------------------------------------

def test_trailers_of_an_answer_go_on(web, c):
    a = c.get("/chunked?n=2")
    assert a.body == b"part 0;part 1;" and a.ended
    assert a.trailers == {"x-sum": "42"} and a.head["trailer"] == "X-Sum"
    # And on the same connection to the endpoint nothing of them is left.
    assert c.get("/token?t=1").trailers is None


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_trailers_in_pieces_are_the_same(played, c, cut):
    data = b"2\r\nok\r\n0\r\nX-Sum: 1\r\nServer-Timing: a\r\n\r\n"
    a, _ = told(played, c, (CHUNKED + b"\r\n", data[:cut], data[cut:]))
    assert a.body == b"ok" and a.ended
    assert a.trailers == {"x-sum": "1", "server-timing": "a"}


def test_no_trailers_are_none_however_they_come(played, c):
    for data in ((b"2\r\nok\r\n0\r\n\r\n",), (b"2\r\nok\r\n0\r\n\r", b"\n"),
                 (b"2\r\nok\r\n0\r\n", b"\r\n"), (b"2\r\nok\r\n0\r", b"\n\r\n")):
        s = c.ask("/")
        with played.script.accept() as up:
            read_until(up, b"\r\n\r\n")
            up.sendall(CHUNKED + b"\r\n")
            for piece in data:
                up.sendall(piece)
                time.sleep(0.02)
            a = c.wait(s)
            assert a.body == b"ok" and a.ended and a.trailers is None
            # The next answer on this connection begins where this one ended.
            s = c.ask("/")
            read_until(up, b"\r\n\r\n")
            up.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            a = c.wait(s)
            assert a.status == 200 and a.body == b"OK"


@pytest.mark.parametrize("line", [
    b"Set-Cookie: a=b", b"Content-Length: 2", b"Drover_Error: connect",
    b"Connection: x", b":status: 500", b"X : 1", b"X: \x01",
    b"X: " + b"a" * 8200,
], ids=lambda line: line[:16].decode("latin-1"))
def test_a_forbidden_trailer_cuts_the_answer(played, c, line):
    a, _ = told(played, c, CHUNKED + b"\r\n2\r\nok\r\n0\r\n" + line +
                b"\r\n\r\n")
    assert a.reset == INTERNAL and not a.ended and a.trailers is None
    assert played.ask("service")["cut"] == 1


def test_more_trailers_than_a_head_may_have_cut_the_answer(rig):
    rig.script = Script(rig)
    rig.simple(rig.script, head_lines=10)
    with Client(rig.h2_port) as c:
        for n, reset in ((10, None), (11, INTERNAL)):
            a, _ = told(rig, c, CHUNKED + b"\r\n0\r\n" + b"".join(
                b"X-%d: 1\r\n" % i for i in range(n)) + b"\r\n")
            assert a.reset == reset
            assert len(a.trailers or ()) == (0 if reset else n)
    assert rig.met("response_head") == 1
    rig.script.close()


def test_a_connection_that_names_a_trailer_ends_them_all(played, c):
    answer = (CHUNKED + b"Connection: X-Sum\r\nTrailer: X-Sum\r\n\r\n"
              b"2\r\nok\r\n0\r\nX-Sum: 1\r\nX-Other: 2\r\n\r\n")
    a, _ = told(played, c, answer)
    assert a.body == b"ok" and a.ended and a.trailers is None
    assert "trailer" not in a.head and "connection" not in a.head
    # The same towards HTTP/1, whole or in pieces.
    for cut in (len(answer), len(answer) - 30, len(answer) - 1):
        with played.connect() as s:
            s.sendall(GET)
            with played.script.accept() as up:
                read_until(up, b"\r\n\r\n")
                up.sendall(answer[:cut])
                time.sleep(0.05)
                up.sendall(answer[cut:])
                got = read_until(s, b"0\r\n\r\n")
        assert got.endswith(b"\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        assert header(got, "trailer") is None
    # Close and keep-alive name none.
    a, _ = told(played, c, answer.replace(b"tion: X-Sum", b"tion: close"))
    assert a.trailers == {"x-sum": "1", "x-other": "2"}


def test_trailers_wait_behind_a_body_that_no_window_is_open_for(played):
    # SETTINGS_INITIAL_WINDOW_SIZE = 0
    with Client(played.h2_port, settings=b"\0\4\0\0\0\0", credit=False) as c:
        s = c.ask("/")
        with played.script.accept() as up:
            read_until(up, b"\r\n\r\n")
            up.sendall(CHUNKED + b"\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
            while s not in c.answers:
                c.step()
            # The endpoint is free already, and nothing else waits.
            other = c.ask("/", method="HEAD")
            read_until(up, b"\r\n\r\n")
            up.sendall(CHUNKED + b"\r\n")
            assert c.wait(other).status == 200
        assert c.answers[s].trailers is None and not c.answers[s].ended
        c.send(frame(WINDOW, 0, s, word(2)))
        a = c.wait(s)
        assert a.body == b"ok" and a.trailers == {"x-sum": "1"}


def test_an_answer_that_breaks_off_in_its_trailers_looks_broken(played, c):
    s = c.ask("/")
    with played.script.accept() as up:
        read_until(up, b"\r\n\r\n")
        up.sendall(CHUNKED + b"\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n")
    a = c.wait(s)
    assert a.reset == INTERNAL and not a.ended and a.trailers is None


# --- trailers of a request --------------------------------------------------

def trailed(c, fields, more=()):
    """All at once: they are there before there can be an answer."""
    s, c.next = c.next, c.next + 2
    c.send(frame(HEADERS, END_HEADERS, s, request("/head", "POST", more=more))
           + frame(DATA, 0, s, b"abc")
           + frame(HEADERS, END | END_HEADERS, s, block(fields)))
    return c.wait(s)


@pytest.mark.parametrize("name", [
    "content-length", "host", "authorization", "cookie", "x-forwarded-for",
    "drover-caller", "drover_caller", "trailer", "expect"])
def test_a_forbidden_trailer_of_a_request_is_400_as_in_http1(web, c, name):
    a = trailed(c, [(name, "1")])
    assert a.status == 400 and a.head["drover-error"] == "bad-request"
    data = web.raw(b"POST /head HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                   b"chunked\r\n\r\n3\r\nabc\r\n0\r\n" + name.encode() +
                   b": 1\r\n\r\n", timeout=1)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert c.get("/token?t=1").status == 200


@pytest.mark.parametrize("name", ["connection", "te", "upgrade", ":path"])
def test_a_malformed_trailer_of_a_request_is_reset(web, c, name):
    assert trailed(c, [(name, "x")]).reset == PROTOCOL
    assert c.get("/token?t=1").status == 200


def test_trailers_over_the_ceiling_are_refused_as_in_http1(web, c):
    assert trailed(c, [("x-a", "a" * 8200)]).status == 400
    assert json.loads(trailed(c, [("x-a", "a" * 8000)]).body)["trailers"]


def test_behind_a_body_with_a_length_they_are_dropped(web, c):
    seen = json.loads(trailed(
        c, [("x-sum", "1")], more=[("content-length", "3")]).body)
    assert seen["body"] == "abc" and seen["trailers"] == []
    heads = {k.lower() for k, _ in seen["headers"]}
    assert "x-sum" not in heads and "transfer-encoding" not in heads


# --- Via --------------------------------------------------------------------

def test_via_names_the_version_that_a_request_came_by(played, c):
    ok = b" 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
    for version in (b"1.1", b"1.0"):
        answer = b"HTTP/" + version + ok + b"\r\n"
        a, head = told(played, c, answer)
        assert header(head, "via") == "2.0 drover"
        assert "via" not in a.head
        for client in (b"1.1", b"1.0"):
            with played.connect() as s:
                s.sendall(GET.replace(b"1.1", client))
                with played.script.accept() as up:
                    head = read_until(up, b"\r\n\r\n")
                    up.sendall(answer)
                got = read_until(s, b"\r\n\r\n")
            assert header(head, "via") == client.decode() + " drover"
            assert b"\r\nVia:" not in got


def test_via_of_others_stays_where_it_may(played, c):
    answer = (b"HTTP/1.1 200 OK\r\nVia: 1.0 inner\r\n"
              b"Content-Length: 0\r\n\r\n")
    s = c.ask("/", more=[("via", "1.1 me")])
    with played.script.accept() as up:
        assert header(read_until(up, b"\r\n\r\n"), "via") == "2.0 drover"
        up.sendall(answer)
        c.wait(s)
    with played.connect() as s:
        s.sendall(GET)
        with played.script.accept() as up:
            read_until(up, b"\r\n\r\n")
            up.sendall(answer)
        got = read_until(s, b"\r\n\r\n")
    assert [x for x in got.split(b"\r\n") if x.startswith(b"Via:")] == [b"Via: 1.0 inner"]
