# SPDX-License-Identifier: ISC
"""The cases of two public HTTP/1.1 conformance suites, in our own words.

`d` rows: what dropseed/h1spec asks with --strict; `u` rows: uNetworking/h1spec.
Each names the rule and the section of the RFC that it comes from. What is sent
is our own; what has to come back is what the suite's rule asks, or stricter.
Two rows contradict the suite, with the RFC's leave: see
doc/decisions/repeated-content-length.md.
"""
import json
import socket

import pytest

from worker_rig import Rig, header, read_all, read_until, status

HOST = b"Host: shop.test\r\n"
NEXT = b"GET /next HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
OK = range(200, 300)
REFUSED = range(400, 500)
TAKEN = [n for n in range(100, 600) if n != 400]  # any answer but "malformed"


def get(*lines, line=b"GET /where HTTP/1.1", body=b""):
    return line + b"\r\n" + b"".join(x + b"\r\n" for x in lines) + b"\r\n" + body


def post(*lines, body=b""):
    return get(b"Host: shop.test", *lines, line=b"POST /where HTTP/1.1",
               body=body)


H = b"Host: shop.test"

# id: what is sent (then our side is shut), the statuses that may come back.
ONE = {
    # d: a plain GET has an answer with a valid status (RFC 9112, 3)
    "d-line-get": (get(H), OK),
    # d: a POST with a length is not malformed (RFC 9112, 6.2)
    "d-line-post": (post(b"Content-Length: 4", body=b"abcd"), OK),
    # d: asterisk-form is understood (RFC 9112, 3.2.4)
    "d-line-options-asterisk": (get(H, line=b"OPTIONS * HTTP/1.1"), TAKEN),
    # d: absolute-form is understood (RFC 9112, 3.2.2)
    "d-line-absolute": (
        get(H, line=b"GET http://shop.test/where HTTP/1.1"), OK),
    # d: authority-form is understood, and may be declined (RFC 9110, 9.3.6)
    "d-line-connect": (get(H, line=b"CONNECT mail.test:25 HTTP/1.1"), [405]),
    # d: another major version is refused (RFC 9110, 15.6.6)
    "d-line-version": (get(H, line=b"GET /where HTTP/2.0"), [505]),
    # d: a request line has three parts (RFC 9112, 3)
    "d-line-no-version": (get(H, line=b"GET /where"), [400]),
    # d: HTTP/1.1 needs Host (RFC 9112, 3.2)
    "d-head-no-host": (get(), [400]),
    # d: and only one (RFC 9112, 3.2)
    "d-head-two-hosts": (get(H, b"Host: other.test"), [400]),
    # d: whose value is a host (RFC 9112, 3.2)
    "d-head-bad-host": (get(b"Host: shop .test"), [400]),
    # d: a field name is a token (RFC 9110, 5.1)
    "d-head-bad-name": (get(H, b"Two Words: x"), [400]),
    # d: no folded lines (RFC 9112, 5.2)
    "d-head-fold": (get(H, b" and more"), [400]),
    # d: no space before the colon (RFC 9112, 5.1)
    "d-head-space-before-colon": (get(b"Host : shop.test"), [400]),
    # d: no NUL in a value (RFC 9110, 5.5)
    "d-head-nul": (get(b"Host: shop\0.test"), [400]),
    # d: chunked is taken (RFC 9112, 7.1)
    "d-body-chunked": (
        post(CHUNKED[:-2], body=b"4\r\nabcd\r\n0\r\n\r\n"), OK),
    # d: but not in HTTP/1.0 (RFC 9112, 6.1)
    "d-body-chunked-1.0": (
        get(H, CHUNKED[:-2], line=b"POST /where HTTP/1.0",
            body=b"4\r\nabcd\r\n0\r\n\r\n"), [400]),
    # d: nor beside a length (RFC 9112, 6.1)
    "d-body-both": (
        post(CHUNKED[:-2], b"Content-Length: 4",
             body=b"4\r\nabcd\r\n0\r\n\r\n"), [400]),
    # d: a coding that nobody knows (RFC 9112, 6.1)
    "d-body-unknown-coding": (
        post(b"Transfer-Encoding: unheard-of", body=b"abcd"), [501]),
    # d: a length is a number (RFC 9112, 6.3)
    "d-body-bad-length": (post(b"Content-Length: four", body=b"abcd"), [400]),
    # d: lengths that differ (RFC 9112, 6.3)
    "d-body-lengths-differ": (
        post(b"Content-Length: 4", b"Content-Length: 6", body=b"abcdef"),
        [400]),
    # d (strict): the same length twice may be taken or refused (RFC 9110,
    # 8.6); the suite wants it taken, we refuse
    "d-body-length-list": (post(b"Content-Length: 4, 4", body=b"abcd"), [400]),
    "d-body-length-twice": (
        post(b"Content-Length: 4", b"Content-Length: 4", body=b"abcd"), [400]),
    # u: a request line has three parts (RFC 9112, 3)
    "u-line-no-version": (get(line=b"GET / "), range(400, 600)),
    # u: the version's second digit is no licence either (RFC 9110, 2.5)
    "u-line-version": (get(H, line=b"GET / HTTP/9.9"), range(400, 600)),
    # u: something before the method (RFC 9112, 2.2)
    "u-line-prefix": (
        get(H, line=b"Some words GET / HTTP/1.1"), range(400, 600)),
    # u: an expectation without a body (RFC 9110, 10.1.1)
    "u-head-expect": (get(H, b"Expect: 100-continue"), [100, *OK]),
    # u: a plain GET (RFC 9112, 3)
    "u-line-get": (get(H), OK),
    # u: any case of a name, any space before a value, empty values (RFC 9112,
    # 5.1)
    "u-head-case-tab-empty": (get(b"hOsT:\tshop.test", b"nothing:"), OK),
    # u: a value of spaces (RFC 9110, 5.5)
    "u-head-empty": (get(H, b"X-Nothing: "), OK),
    # u: a field name is a token (RFC 9110, 5.1)
    "u-head-bad-name": (get(H, b"X-Bad[0]: x"), REFUSED),
    # u: no Host, whatever else there is (RFC 9112, 3.2)
    "u-head-no-host": (get(b"Content-Length: 4"), REFUSED),
    # u: two of them (RFC 9112, 3.2)
    "u-head-two-hosts": (get(H, b"Host: other.test"), REFUSED),
    # u: lengths below zero, also far below (RFC 9110, 8.6)
    "u-body-length-negative": (get(H, b"Content-Length: -9876"), REFUSED),
    "u-body-length-negative-overflow": (
        get(H, b"Content-Length: -98765432109876543210987654"), REFUSED),
    # u: a length is a number (RFC 9112, 6.3)
    "u-body-bad-length": (get(H, b"Content-Length: xyz"), REFUSED),
    # u: no control character in a value (RFC 9110, 5.5)
    "u-head-control": (get(H, b"X-Bell: ding\x07"), REFUSED),
    # u: a bare CR where a line begins (RFC 9112, 2.2)
    "u-head-bare-cr": (
        b"GET / HTTP/1.1\r\n" + HOST + b"\rMore: x\r\n\r\n", REFUSED),
    # u: a POST with its body (RFC 9112, 6.2)
    "u-body-post": (post(b"Content-Length: 5", body=b"abcde"), OK),
    # u: both framings (RFC 9112, 6.1), in any case of the names
    "u-body-both": (get(H, CHUNKED[:-2], b"Content-Length: 4"), REFUSED),
    "u-body-both-case": (
        post(b"contenT-lengtH: 4", b"transFer-encodinG: chunked",
             body=b"4\r\nabcd\r\n0\r\n\r\n"), REFUSED),
}

# What is not a whole request: nobody may answer before the rest is there
# (RFC 9112, 2.2). u: all of them.
PARTS = {
    "u-part-method": 1,
    "u-part-method-space": len("GET "),
    "u-part-target": len("GET /hello"),
    "u-part-target-space": len("GET /hello "),
    "u-part-protocol": len("GET /hello HTTP"),
    "u-part-line": len("GET /hello HTTP/1.1"),
    "u-part-line-cr": len("GET /hello HTTP/1.1\r"),
    "u-part-line-crlf": len("GET /hello HTTP/1.1\r\n"),
    "u-part-name": len("GET /hello HTTP/1.1\r\nHos"),
    "u-part-colon": len("GET /hello HTTP/1.1\r\nHost:"),
    "u-part-space": len("GET /hello HTTP/1.1\r\nHost: "),
    "u-part-value": len("GET /hello HTTP/1.1\r\nHost: shop.test"),
    "u-part-value-cr": len("GET /hello HTTP/1.1\r\nHost: shop.test\r"),
    "u-part-value-crlf": len("GET /hello HTTP/1.1\r\nHost: shop.test\r\n"),
    "u-part-last-cr": len("GET /hello HTTP/1.1\r\nHost: shop.test\r\n\r"),
}

# What ends the connection: the request behind it is never answered.
LAST = {
    # d: chunked must be the last coding (RFC 9112, 6.3)
    "d-body-chunked-not-last": (
        post(b"Transfer-Encoding: chunked, gzip",
             body=b"4\r\nabcd\r\n0\r\n\r\n"), 400),
    # d (strict): both framings end the connection (RFC 9112, 6.3)
    "d-body-both-closes": (
        post(CHUNKED[:-2], b"Content-Length: 4",
             body=b"4\r\nabcd\r\n0\r\n\r\n"), 400),
    # d: a chunk's size is hexadecimal (RFC 9112, 7.1)
    "d-body-chunk-size": (
        post(CHUNKED[:-2], body=b"G\r\nabcd\r\n0\r\n\r\n"), 400),
    # d: and its data ends in CRLF (RFC 9112, 7.1)
    "d-body-chunk-end": (
        post(CHUNKED[:-2], body=b"4\r\nabcd0\r\n\r\n"), 400),
    # d: close is honoured (RFC 9112, 9.6)
    "d-connection-close": (get(H, b"Connection: close"), 200),
    # d: HTTP/1.0 closes by itself (RFC 9112, 9.3)
    "d-connection-1.0": (get(H, line=b"GET /where HTTP/1.0"), 200),
}

# d (hardening): what is too large is refused, and the next one is served.
LARGE = {
    "d-large-line": (get(H, line=b"GET /" + b"l" * 9000 + b" HTTP/1.1"), 414),
    "d-large-many": (get(H, *(b"X-N-%d: v" % i for i in range(110))), 431),
    "d-large-header": (get(H, b"X-Large: " + b"l" * 9000), 200),
}


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    r = Rig(tmp_path_factory.mktemp("c"))
    r.simple(r.origin("web.0"))
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def alive(web):
    return web.get("/alive")[0] == 200


def statuses(data):
    return [int(x[:3]) for x in data.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("case", ONE)
def test_one_request(web, case):
    data, allowed = ONE[case]
    got = web.raw(data, shut=True)
    assert status(got) in allowed, got
    if status(got) >= 400:  # every error of ours can be delimited
        size = int(header(got, "content-length"))
        assert len(got.split(b"\r\n\r\n", 1)[1]) == size
        assert json.loads(got.split(b"\r\n\r\n", 1)[1])["status"] == status(got)
    assert alive(web)


@pytest.mark.parametrize("case", PARTS)
def test_a_part_is_waited_for(web, case):
    whole = b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n"
    s = web.connect()
    s.sendall(whole[:PARTS[case]])
    # One loop serves both: when this is answered, that part has been read.
    assert alive(web)
    s.setblocking(False)
    with pytest.raises(BlockingIOError):
        s.recv(1)
    s.settimeout(5)
    s.sendall(whole[PARTS[case]:])
    assert statuses(read_until(s, b"}")) == [200]
    s.close()


@pytest.mark.parametrize("case", LAST)
def test_nothing_is_answered_after_the_last(web, case):
    data, want = LAST[case]
    s = web.connect(timeout=5)
    s.sendall(data + NEXT)
    got = b""
    while part := s.recv(65536):  # it is the worker that closes
        got += part
    s.close()
    assert statuses(got) == [want]
    assert header(got, "connection") == "close"
    assert alive(web)


@pytest.mark.parametrize("case", LARGE)
def test_what_is_large_hurts_nobody(web, case):
    data, want = LARGE[case]
    assert status(web.raw(data, shut=True)) == want
    assert alive(web)


# d: HTTP/1.1 keeps the connection (RFC 9112, 9.3)
def test_d_connection_keep_alive(web):
    s = web.connect()
    for _ in range(2):
        s.sendall(get(H))
        assert statuses(read_until(s, b"}")) == [200]
    s.close()


# d (strict): pipelined answers come in order; HEAD has no body (RFC 9112, 9.3.2)
def test_d_connection_pipelined(web):
    s = web.connect()
    s.sendall(get(H, line=b"HEAD /first HTTP/1.1") + NEXT)
    got = read_all(s)
    s.close()
    first, rest = got.split(b"\r\n\r\n", 1)
    assert status(first) == 200 and rest.startswith(b"HTTP/1.1 200 ")
    assert b'"target": "/next"' in rest


# d: the answer to HEAD has no body (RFC 9110, 9.3.2)
def test_d_response_head(web):
    got = web.raw(get(H, line=b"HEAD /where HTTP/1.1"), shut=True)
    assert status(got) == 200 and got.endswith(b"\r\n\r\n")
    assert int(header(got, "content-length")) > 0


# d: an error can be delimited; here one that a method in small letters earns
# (RFC 9110, 9.1: methods are case-sensitive, and ours pass any token on)
def test_d_response_error_is_delimited(web):
    got = web.raw(get(H, line=b"get /where HTTP/1.1"), shut=True)
    assert statuses(got) == [200] and b'"method": "get"' in got
    assert len(got.split(b"\r\n\r\n", 1)[1]) == int(
        header(got, "content-length"))


# d: 100 comes before the body, the answer after it (RFC 9110, 10.1.1)
def test_d_body_expect(web):
    s = web.connect()
    s.sendall(post(b"Content-Length: 4", b"Expect: 100-continue"))
    assert statuses(read_until(s, b"\r\n\r\n")) == [100]
    s.sendall(b"abcd")
    got = read_until(s, b"}")
    s.close()
    assert statuses(got) == [200] and b'"body": "abcd"' in got


# u: bodies come whole, chunked or not (RFC 9112, 7.1)
@pytest.mark.parametrize("ask", [
    post(b"Content-Length: 5", body=b"abcde"),
    post(CHUNKED[:-2], body=b"5\r\nabcde\r\n0\r\n\r\n"),
    post(CHUNKED[:-2], body=b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")],
    ids=["u-body-length", "u-body-chunk", "u-body-chunks"])
def test_a_body_comes_whole(web, ask):
    got = web.raw(ask, shut=True)
    assert json.loads(got.split(b"\r\n\r\n", 1)[1])["body"] == "abcde"


# u: a part and then nothing: the client goes, and nobody is hurt
def test_a_part_and_a_fin_hurt_nobody(web):
    for size in PARTS.values():
        s = web.connect()
        s.sendall((b"GET /hello HTTP/1.1\r\n" + HOST + b"\r\n")[:size])
        s.shutdown(socket.SHUT_WR)
        assert read_all(s) == b""
        s.close()
    assert alive(web)
