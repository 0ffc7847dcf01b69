# SPDX-License-Identifier: ISC
"""What a worker refuses, and never passes on."""
import random
import time

import pytest

from worker_rig import Rig, header, read_all, status

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
}


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
