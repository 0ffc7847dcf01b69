# SPDX-License-Identifier: ISC
"""What a worker refuses, and never passes on."""
import json
import os
import random
import signal
import socket
import time

import pytest

from worker_rig import Rig, Script, header, read_all, read_until, status

H = b"Host: a\r\n"
CL = b"Content-Length: "
TE = b"Transfer-Encoding: chunked\r\n"

# What comes, and the status. Nothing of it may reach a service.
ROWS = {
    "both framings": (b"POST / HTTP/1.1\r\n" + H + CL + b"6\r\n" + TE +
                      b"\r\n0\r\n\r\nG", 400),
    "both, other order": (b"POST / HTTP/1.1\r\n" + H + TE + CL + b"6\r\n"
                          b"\r\n0\r\n\r\nG", 400),
    "two lengths": (b"POST / HTTP/1.1\r\n" + H + CL + b"1\r\n" + CL +
                    b"2\r\n\r\nab", 400),
    "the same length twice": (b"POST / HTTP/1.1\r\n" + H + CL + b"1\r\n" + CL +
                              b"1\r\n\r\na", 400),
    "a list of lengths": (b"POST / HTTP/1.1\r\n" + H + CL +
                          b"1, 1\r\n\r\na", 400),
    "a signed length": (b"POST / HTTP/1.1\r\n" + H + CL + b"+1\r\n\r\na", 400),
    "a hex length": (b"POST / HTTP/1.1\r\n" + H + CL + b"0x1\r\n\r\na", 400),
    "a padded length": (b"POST / HTTP/1.1\r\n" + H + CL + b"01\r\n\r\na", 400),
    "no length": (b"POST / HTTP/1.1\r\n" + H + CL + b"\r\n\r\na", 400),
    "a huge length": (b"POST / HTTP/1.1\r\n" + H + CL +
                      b"18446744073709551617\r\n\r\na", 400),
    "gzip, chunked not last": (b"POST / HTTP/1.1\r\n" + H +
                               b"Transfer-Encoding: chunked, gzip\r\n\r\n",
                               400),
    "identity": (b"POST / HTTP/1.1\r\n" + H +
                 b"Transfer-Encoding: identity\r\n\r\n", 501),
    "xchunked": (b"POST / HTTP/1.1\r\n" + H +
                 b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "chunked twice": (b"POST / HTTP/1.1\r\n" + H +
                      b"Transfer-Encoding: chunked, chunked\r\n\r\n"
                      b"0\r\n\r\n", 400),
    "a tab before chunked": (b"POST / HTTP/1.1\r\n" + H +
                             b"Transfer-Encoding:\tchunked\r\n\r\n"
                             b"0\r\n\r\n", 400),
    "chunked in two lines": (b"POST / HTTP/1.1\r\n" + H + TE + TE +
                             b"\r\n0\r\n\r\n", 400),
    "coding in 1.0": (b"POST / HTTP/1.0\r\n" + TE + b"\r\n0\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\n" + H + b"\n", 400),
    "bare LF in a line": (b"GET / HTTP/1.1\r\n" + H + b"A: b\nC: d\r\n\r\n",
                          400),
    "bare CR": (b"GET / HTTP/1.1\r\n" + H + b"A: b\rC: d\r\n\r\n", 400),
    "a fold": (b"GET / HTTP/1.1\r\n" + H + b"A: b\r\n c\r\n\r\n", 400),
    "space before the colon": (b"GET / HTTP/1.1\r\n" + H +
                               b"Content-Length : 1\r\n\r\n", 400),
    "NUL in a value": (b"GET / HTTP/1.1\r\n" + H + b"A: \0\r\n\r\n", 400),
    "NUL in a name": (b"GET / HTTP/1.1\r\n" + H + b"A\0: b\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    "a bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "dot segments": (b"GET /a/../b HTTP/1.1\r\n" + H + b"\r\n", 400),
    "encoded dot segments": (b"GET /a/%2e%2E/b HTTP/1.1\r\n" + H + b"\r\n",
                             400),
    "dot segments behind %3B": (b"GET /a/..%3Bx/b HTTP/1.1\r\n" + H + b"\r\n",
                                400),
    "dot segments in an absolute target": (
        b"GET http://a/b/%2e%2e HTTP/1.1\r\n" + H + b"\r\n", 400),
    "a fragment": (b"GET /a#b HTTP/1.1\r\n" + H + b"\r\n", 400),
    "a user in the target": (b"GET http://u:p@a/ HTTP/1.1\r\n" + H + b"\r\n",
                             400),
    "a user in the host": (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    "a port out of range": (b"GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400),
    "a target's port out of range": (
        b"GET http://a:65536/ HTTP/1.1\r\n" + H + b"\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "an absolute target and no host": (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    "an asterisk for GET": (b"GET * HTTP/1.1\r\n" + H + b"\r\n", 400),
    "Connection names Host": (b"GET / HTTP/1.1\r\n" + H +
                              b"Connection: host\r\n\r\n", 400),
    "Connection names Content-Length": (
        b"POST / HTTP/1.1\r\n" + H + CL + b"1\r\n"
        b"Connection: close, content-length\r\n\r\na", 400),
    "Connection names Transfer-Encoding": (
        b"POST / HTTP/1.1\r\n" + H + TE +
        b"Connection: Transfer-Encoding\r\n\r\n0\r\n\r\n", 400),
    "another expectation": (b"POST / HTTP/1.1\r\n" + H + CL + b"1\r\n"
                            b"Expect: a-miracle\r\n\r\na", 417),
    "one expectation too many": (
        b"POST / HTTP/1.1\r\n" + H + CL + b"1\r\n"
        b"Expect: 100-continue, a-miracle\r\n\r\na", 417),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\n" + H + b"\r\n", 505),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\n" + H + b"\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\n" + H + b"\r\n", 405),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + H + b"\r\n", 405),
    "a long target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + H + b"\r\n",
                      414),
    "a big head": (b"GET / HTTP/1.1\r\n" + H + b"A: " + b"a" * 20000 +
                   b"\r\n\r\n", 431),
    "many headers": (b"GET / HTTP/1.1\r\n" + H + b"A: b\r\n" * 200 + b"\r\n",
                     431),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
            400),
}

# Chunked bodies: the head is fine, so it may be with the service already, but
# never the end of a request.
CHUNKS = {
    "size overflows": b"10000000000000001\r\n",
    "size is signed": b"+1\r\na\r\n",
    "size is hex with 0x": b"0x1\r\na\r\n",
    "size is empty": b"\r\n\r\n",
    "LF for CRLF": b"1\na\r\n0\r\n\r\n",
    "data is longer": b"1\r\nab\r\n0\r\n\r\n",
    "a forbidden trailer": b"0\r\nContent-Length: 5\r\n\r\n",
    "space in the size": b"1 1\r\na\r\n",
    "space behind the size": b"1 \r\na\r\n",
    "control character in an extension": b"1;a\x01\r\na\r\n",
    "LF in an extension": b"1;a\nb\r\na\r\n",
    "a folded trailer": b"0\r\nX: a\r\n b\r\n\r\n",
    "a trailer about who sent it": b"0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n",
    "a trailer in disguise": b"0\r\nDrover_Caller: me\r\n\r\n",
}

# Answers of a service, none of which may reach a client.
ANSWERS = {
    "both framings": b"Content-Length: 2\r\n" + TE + b"\r\n2\r\nok\r\n"
                     b"0\r\n\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "the same length twice": b"Content-Length: 2\r\nContent-Length: 2\r\n"
                             b"\r\nok",
    "a list of lengths": b"Content-Length: 2, 2\r\n\r\nok",
    "a signed length": b"Content-Length: +2\r\n\r\nok",
    "a huge length": b"Content-Length: 9223372036854775808\r\n\r\nok",
    "chunked not last": b"Transfer-Encoding: chunked, gzip\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "another coding": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\nok",
    "a fold": b"A: b\r\n c\r\n\r\n",
    "bare LF": b"A: b\nB: c\r\n\r\n",
    "bare CR": b"A: b\rB: c\r\n\r\n",
    "NUL": b"A: \0\r\n\r\n",
    "space before the colon": b"Content-Length : 2\r\n\r\nok",
    "no name": b": a\r\n\r\n",
    "Connection names Content-Length": b"Connection: content-length\r\n"
                                       b"Content-Length: 2\r\n\r\nok",
}
LINES = {
    "another protocol": b"ICY 200 OK\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + TE + b"\r\n0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 Low\r\n\r\n",
    "status 20": b"HTTP/1.1 20 Short\r\n\r\n",
    "an empty line first": b"\r\nHTTP/1.1 200 OK\r\n\r\n",
    "a hint with a body": b"HTTP/1.1 103 Hint\r\nContent-Length: 2\r\n\r\nok"
                          b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "101 out of nothing": b"HTTP/1.1 101 Go\r\nUpgrade: x\r\n"
                          b"Connection: upgrade\r\n\r\n",
}
GET = b"GET / HTTP/1.1\r\n" + H + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def web(tmp_path):
    r = Rig(tmp_path)
    r.simple(r.origin("web.0"))
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def test_what_is_not_strict_is_refused_and_never_forwarded(web):
    for name, (data, want) in ROWS.items():
        smuggled = data + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        got = web.raw(smuggled, timeout=3)
        assert status(got) == want, (name, got[:200])
        assert status(got) >= 400, name
        assert header(got, "connection") == "close", name
        assert header(got, "drover-error"), name
        assert got.count(b"HTTP/1.1 ") == 1, (name, got)
    assert web.forwarded() == []


def test_a_bad_chunk_is_400_and_ends_the_connection(web):
    for name, data in CHUNKS.items():
        got = web.raw(b"POST /sink HTTP/1.1\r\n" + H + TE + b"\r\n" + data +
                      b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", timeout=3)
        assert status(got) == 400, (name, got)
        assert got.count(b"HTTP/1.1 ") == 1, name
    assert all("smuggled" not in row[1] for row in web.forwarded())
    assert web.ask("endpoint")["inflight"] == 0
    assert web.get("/token?t=1")[0] == 200


def test_a_bad_chunk_behind_a_good_one_never_ends_the_request(web):
    s = web.connect(timeout=3)
    s.sendall(b"POST /sink HTTP/1.1\r\n" + H + TE + b"\r\n5\r\nhello\r\n")
    time.sleep(0.2)
    s.sendall(b"zz\r\n")
    got = read_all(s)
    s.close()
    assert status(got) == 400
    assert b'"sha"' not in got
    assert web.ask("endpoint")["inflight"] == 0


def test_a_lone_empty_line_is_skipped_and_a_silent_client_is_not_answered(web):
    got = web.raw(b"\r\nGET /token?t=1 HTTP/1.1\r\n" + H + b"\r\n", timeout=1)
    assert status(got) == 200
    assert web.raw(b"", timeout=1, shut=True) == b""


def test_an_absolute_target_replaces_the_host(web):
    got = web.raw(b"GET http://real.org/head?q HTTP/1.1\r\nHost: other\r\n\r\n",
                  timeout=1)
    assert b'"Host", "real.org"' in got
    assert b'"target": "/head?q"' in got
    assert b"other" not in got


def test_garbage_leaves_the_worker_alive(web):
    rnd = random.Random(1)
    for _ in range(200):
        data = bytes(rnd.choice(b"GET /HTP1.\r\n: \0\xffabc\t%")
                     for _ in range(rnd.randrange(1, 300)))
        web.raw(data, timeout=2, shut=True)
    assert web.get("/token?t=1")[0] == 200
    assert web.ask("worker")["connections"] <= 1


# --- the other direction -----------------------------------------------------

@pytest.fixture
def played(tmp_path):
    """A worker whose only endpoint is in the test's hands."""
    r = Rig(tmp_path)
    r.script = Script(r)
    r.simple(r.script)
    yield r
    r.script.listener.close()
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def asked(rig, data=GET):
    """A client that asked, and the endpoint's side of it with its head."""
    c = rig.connect()
    c.sendall(data)
    s = rig.script.accept()
    return c, s, read_until(s, b"\r\n\r\n")


def test_an_answer_that_is_not_strict_is_502_and_never_passed_on(played):
    rows = {k: b"HTTP/1.1 200 Secret\r\n" + v for k, v in ANSWERS.items()}
    for name, data in {**rows, **LINES}.items():
        c, s, _ = asked(played)
        s.sendall(data)
        got = read_until(c, b"}")
        assert status(got) == 502, (name, got)
        assert header(got, "drover-error") == "bad-response", name
        assert b"Secret" not in got and got.count(b"HTTP/1.1 ") == 1, name
        assert s.recv(1) == b"", name  # it is not used again
        s.close()
        # The client's connection is.
        c.sendall(GET)
        s = played.script.accept()
        read_until(s, b"\r\n\r\n")
        s.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_until(c, b"ok").endswith(b"ok"), name
        s.close()
        c.close()
    assert played.ask("endpoint")["bad"] == len(ANSWERS) + len(LINES)


@pytest.mark.parametrize("said", [b"Content-Length: 5", TE[:-2]],
                         ids=["length", "chunked"])
def test_a_204_has_no_body_whatever_it_announces(played, said):
    c, s, _ = asked(played, GET + GET)
    s.sendall(b"HTTP/1.1 204 No Content\r\nX-Kept: yes\r\n" + said +
              b"\r\n\r\nhello")
    other = played.script.accept()
    read_until(other, b"\r\n\r\n")
    other.sendall(OK)
    got = read_until(c, b"ok")
    first, rest = got.split(b"\r\n\r\n", 1)
    assert status(first) == 204 and rest.startswith(b"HTTP/1.1 200 ")
    assert header(first, "x-kept") == "yes"
    assert header(first, "content-length") is None
    assert header(first, "transfer-encoding") is None
    assert b"hello" not in got
    for x in (c, s, other):
        x.close()


def test_a_body_where_none_may_be_reaches_nobody(played):
    for ask, line in ((GET, b"HTTP/1.1 304 Not Modified\r\n"),
                      (GET.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\n")):
        c, s, _ = asked(played, ask)
        s.sendall(line + b"Content-Length: 5\r\n\r\nhello")
        got = read_until(c, b"\r\n\r\n")
        assert header(got, "content-length") == "5"
        assert got.endswith(b"\r\n\r\n")
        assert s.recv(1) == b""  # five bytes that nobody asked for
        c.sendall(GET)
        other = played.script.accept()
        read_until(other, b"\r\n\r\n")
        other.sendall(OK.replace(b"ok", b"OK"))
        assert read_until(c, b"OK\r\n").startswith(b"HTTP/1.1 200 ")
        for x in (c, s, other):
            x.close()


NO_BODY = {
    "HEAD": (GET.replace(b"GET", b"HEAD"), b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n"),
    "204": (GET, b"HTTP/1.1 204 No Content\r\n\r\n"),
    "304": (GET, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n"),
}
LATE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"


@pytest.mark.parametrize("when", ["idle", "at the moment of the next request", "in pieces"])
@pytest.mark.parametrize("name", NO_BODY)
def test_a_late_body_where_none_may_be_is_never_the_next_answer(played, name, when):
    ask, answer = NO_BODY[name]
    c, s, _ = asked(played, ask)
    s.sendall(answer)
    assert read_until(c, b"\r\n\r\n").endswith(b"\r\n\r\n")
    worker = played.workers[0]
    if when == "idle":
        s.sendall(LATE)
        assert read_all(s) == b""
        c.sendall(GET)
    else:
        # The worker hears of the request first, and of the bytes, which were there, too late.
        worker.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
        c.sendall(GET)
        for part in [LATE] if when[:2] == "at" else [LATE[:1], LATE[1:]]:
            s.sendall(part)
        worker.send_signal(signal.SIGCONT)
    other = played.script.accept()
    read_until(other, b"\r\n\r\n")
    other.sendall(OK)
    got = read_until(c, b"ok")
    assert got.endswith(b"ok") and b"poison" not in got
    # It closed the other one, to which the request never went.
    assert read_all(s) == b""
    for x in (c, s, other):
        x.close()


def test_after_an_answer_without_a_body_a_silent_connection_is_used_again(played):
    c, s, _ = asked(played)
    for ask, answer in NO_BODY.values():
        s.sendall(OK)
        assert read_until(c, b"ok").endswith(b"ok")
        c.sendall(ask)
        read_until(s, b"\r\n\r\n")
        s.sendall(answer)
        assert read_until(c, b"\r\n\r\n").endswith(b"\r\n\r\n")
        c.sendall(GET)
        read_until(s, b"\r\n\r\n")
    assert played.ask("endpoint")["connects"] == 1
    c.close()
    s.close()


def test_interim_answers_go_on_but_100_and_not_to_http10(played):
    hints = b"".join(b"HTTP/1.1 %d Wait\r\nX-Step: %d\r\n\r\n" % (n, n)
                     for n in (100, 102, 103, 100, 199))
    c, s, _ = asked(played)
    s.sendall(hints + OK)
    got = read_until(c, b"\r\n\r\nok")
    assert [int(x[:3]) for x in got.split(b"HTTP/1.1 ")[1:]] == [
        102, 103, 199, 200]
    assert got.count(b"X-Step: ") == 3
    c.close()
    s.close()
    c, s, _ = asked(played, GET.replace(b"1.1", b"1.0"))
    s.sendall(hints + OK)
    assert [int(x[:3]) for x in read_all(c).split(b"HTTP/1.1 ")[1:]] == [200]
    c.close()
    s.close()


def test_a_forbidden_trailer_of_a_service_cuts_the_answer(played):
    c, s, _ = asked(played)
    s.sendall(b"HTTP/1.1 200 OK\r\n" + TE + b"\r\n2\r\nok\r\n")
    assert b"2\r\nok\r\n" in read_until(c, b"ok\r\n")
    s.sendall(b"0\r\nSet-Cookie: a=b\r\n\r\n")
    rest = read_all(c)
    assert b"\r\n\r\n" not in rest and b"a=b" not in rest
    assert played.ask("service")["cut"] == 1
    c.close()
    s.close()


def test_trailers_that_cannot_go_on_are_not_announced(played):
    answer = (b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" + TE +
              b"\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n")
    c, s, head = asked(played, GET.replace(b"1.1", b"1.0"))
    assert header(head, "via") == "1.0 drover"
    s.sendall(answer)
    got = read_all(c)
    assert header(got, "trailer") is None and got.endswith(b"\r\n\r\nok")
    c.close()
    s.close()
    c, s, head = asked(played)
    assert header(head, "via") == "1.1 drover"
    s.sendall(answer)
    got = read_until(c, b"X-Sum: 1\r\n\r\n")
    assert header(got, "trailer") == "X-Sum"
    c.close()
    s.close()


def test_framing_in_disguise_stays_here(web):
    _, _, data = web.get("/head", "POST", b"abc", headers={
        "Content_Length": "7", "Transfer_Encoding": "chunked", "X_Y": "z"})
    got = json.loads(data)
    names = [k.lower() for k, _ in got["headers"]]
    assert got["body"] == "abc" and names.count("content-length") == 1
    assert "content_length" not in names and "transfer_encoding" not in names
    assert "x_y" in names


# --- targets -----------------------------------------------------------------

def test_options_for_the_server_go_where_the_root_leads(web):
    for target, host in (b"*", "a"), (b"http://b", "b"):
        got = web.raw(b"OPTIONS " + target + b" HTTP/1.1\r\n" + H + b"\r\n",
                      timeout=1)
        seen = json.loads(got.split(b"\r\n\r\n", 1)[1])
        assert (seen["method"], seen["target"]) == ("OPTIONS", "*")
        assert dict(seen["headers"])["Host"] == host


def test_options_for_the_server_without_a_root_is_404(tmp_path):
    r = Rig(tmp_path)
    o = r.origin("web.0")
    r.publish(f"""service web 0
        endpoint web.0 0 {o.address}
        route web /only""")
    got = r.raw(b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n", timeout=1)
    assert (status(got), header(got, "drover-error")) == (404, "no-route")
    assert r.forwarded() == []
    r.close()


@pytest.fixture
def hops(tmp_path):
    r = Rig(tmp_path)
    o = r.origin("web.0")
    r.publish(f"""service web 0
        endpoint web.0 0 {o.address}
        route web / methods=65
        route web /any
        route web /any methods=64""")
    yield r
    r.close()


def options(rig, *lines, target=b"/x", method=b"OPTIONS"):
    return rig.raw(method + b" " + target + b" HTTP/1.1\r\n" + H + b"Connection: close\r\n" +
                   b"".join(b"Max-Forwards:%s\r\n" % x for x in lines) + b"\r\n")


def test_the_last_hop_of_an_options_answers_it(hops):
    for target, allowed in {
            b"/x": "GET, OPTIONS", b"*": "GET, OPTIONS",
            b"/any": "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS"}.items():
        for zero in (b" 0", b"0", b" 000 "):
            got = options(hops, zero, target=target)
            assert status(got) == 204 and header(got, "allow") == allowed, got
            assert header(got, "x-request-id") and got.endswith(b"\r\n\r\n")
    assert status(options(hops, b"0", target=b"/nowhere", method=b"POST")) == 405
    assert hops.forwarded() == []


def test_an_options_goes_on_with_one_hop_less(hops):
    for came, went in {b" 1": "0", b" 10": "9", b" 0002": "1", b" 4294967295": "4294967294",
                       b" 99999999999999999999999": "4294967294"}.items():
        got = options(hops, came)
        assert status(got) == 200
        seen = json.loads(got.split(b"\r\n\r\n", 1)[1])["headers"]
        assert [v for k, v in seen if k.lower() == "max-forwards"] == [went]
    seen = json.loads(options(hops).split(b"\r\n\r\n", 1)[1])["headers"]
    assert "max-forwards" not in [k.lower() for k, _ in seen]


def test_hops_that_are_no_number_are_refused(hops):
    for bad in ([b""], [b" "], [b" -1"], [b" +1"], [b" 1.0"], [b" 0x1"], [b" 1,1"], [b" 1 1"], [b" a"], [b" 1", b" 1"],
                [b" 99999999999999999999999x"], [b' "1"']):
        got = options(hops, *bad)
        assert (status(got), header(got, "drover-error")) == (400, "bad-request"), bad
    assert hops.forwarded() == []


def test_hops_are_nothing_to_other_methods(hops):
    for value in (b" 0", b" a"):
        got = options(hops, value, method=b"GET", target=b"/head")
        seen = json.loads(got.split(b"\r\n\r\n", 1)[1])["headers"]
        assert [v for k, v in seen if k.lower() == "max-forwards"] == [value.strip().decode()]


# --- ends --------------------------------------------------------------------

def test_all_requests_before_a_fin_are_answered(web):
    asks = b"".join(b"GET /token?t=%d&ms=20 HTTP/1.1\r\nHost: a\r\n\r\n" % i
                    for i in range(5))
    got = web.raw(asks, shut=True)
    tokens = [int(x.split(b'"')[1]) for x in got.split(b'"token": ')[1:]]
    assert tokens == list(range(5))
    heads = got.split(b"HTTP/1.1 ")[1:]
    closes = [b"Connection: close" in h for h in heads]
    assert closes == [False] * 4 + [True]


def test_after_a_fin_the_answer_may_take_five_seconds(played):
    c, s, _ = asked(played)
    began = time.monotonic()
    c.shutdown(socket.SHUT_WR)
    assert read_all(c) == b""
    assert 4.5 < time.monotonic() - began < 9
    assert s.recv(1) == b""  # the endpoint is free again
    c.close()
    s.close()


def test_after_an_early_answer_little_is_read_and_not_for_long(played):
    ask = (b"POST / HTTP/1.1\r\n" + H + CL + b"60000000\r\n\r\n")
    for flood in (False, True):
        c, s, _ = asked(played, ask)
        s.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        got = b""
        while part := c.recv(65536):
            got += part
        began = time.monotonic()
        assert status(got) == 403 and got.endswith(b"no")
        assert header(got, "connection") == "close"
        sent = 0
        with pytest.raises(OSError):
            while time.monotonic() - began < 10:
                sent += c.send(b"x" * (65536 if flood else 1))
                time.sleep(0 if flood else 0.05)
        took = time.monotonic() - began
        if flood:
            assert sent > 1 << 20 and took < 1.5, (sent, took)
        else:
            assert 1.5 < took < 5, took
        c.close()
        s.close()
