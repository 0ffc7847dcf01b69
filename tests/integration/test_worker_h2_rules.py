# SPDX-License-Identifier: ISC
"""What a route asks of a client, and the limits for one, over HTTP/2."""
import json
import re
import socket
import time

import pytest

from h2_client import (CANCEL, DATA, NO_ERROR, RST, SETTINGS, WINDOW, Client,
                       frame, word)
from test_worker_auth import (Judge, basic, bearer, crypt, guard_basic,
                              guard_forward, guard_secret, said, soon)
from test_worker_rules import cors
from test_worker_rules import limited as rated
from worker_rig import eventually, header, http2_rig


@pytest.fixture
def rig(tmp_path):
    yield from http2_rig(tmp_path)


@pytest.fixture
def judge(rig):
    j = Judge(rig)
    yield j
    j.stop()


@pytest.fixture
def c(rig):
    with Client(rig.h2_port) as client:
        yield client


def low(headers):
    return [(k.lower(), v) for k, v in headers.items()]


# --- slow bodies ------------------------------------------------------------

def limited(rig, options="", **limits):
    rig.web = rig.origins[0] if rig.origins else rig.origin("web.0")
    rig.simple(rig.web, options=options, **limits)


def test_a_body_that_stands_still_is_408_and_costs_its_stream_alone(rig, c):
    limited(rig, "idle_timeout=400")
    slow = c.ask("/sink", method="POST", end=False)
    c.send(frame(DATA, 0, slow, b"a"))
    started = time.monotonic()
    assert c.get("/token?t=1").status == 200
    a = c.wait(slow)
    assert 0.3 < time.monotonic() - started < 3
    assert a.status == 408 and a.head["drover-error"] == "timeout"
    while a.reset is None:
        assert c.step()
    assert a.reset == NO_ERROR and rig.met("body_idle") == 1
    eventually(lambda: rig.ask("endpoint")["inflight"] == 0)
    assert c.get("/token?t=2").status == 200


def test_a_body_that_drips_is_408(rig, c):
    limited(rig, body_rate=1000, body_grace=200)
    s = c.ask("/sink", method="POST", end=False)
    c.s.settimeout(0.03)
    end = time.monotonic() + 8
    while s not in c.answers or not c.answers[s].ended:
        assert time.monotonic() < end
        c.send(frame(DATA, 0, s, b"a"))
        try:
            c.step()
        except TimeoutError:
            pass
    assert c.answers[s].status == 408
    assert rig.met("body_rate") == 1 and rig.met("body_idle") == 0
    c.s.settimeout(10)
    assert c.get("/token?t=1").status == 200


# --- connections ------------------------------------------------------------

def test_connections_of_one_address_count_those_of_http2(rig):
    limited(rig, connections_per_address=2)
    with Client(rig.h2_port) as one, Client(rig.h2_port) as two:
        streams = [one.ask(f"/token?t={i}") for i in range(50)]
        assert all(one.wait(s).status == 200 for s in streams)
        assert two.get("/token?t=1").status == 200
        for port in (rig.h2_port, rig.port):  # of either protocol
            with rig.connect(port) as s:
                assert s.recv(1) == b""
        assert rig.met("connections_per_address") == 2
        s = socket.create_connection(("127.0.0.1", rig.h2_port), timeout=5,
                                     source_address=("127.0.0.2", 0))
        other = Client(rig.h2_port, hello=False, wrap=lambda plain: (
            plain.close(), s)[1])
        other.send(b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
        other.close()
        one.close()
        eventually(lambda: rig.ask("worker")["connections"] == 1)
        with Client(rig.h2_port) as again:
            assert again.get("/token?t=1").status == 200


# --- who may ----------------------------------------------------------------

def test_passwords_over_http2(rig, c):
    guard_basic(rig, {"ann": crypt("right", "$6$rounds=1000$salt")},
                "user_header=X-User")
    a = c.get("/head")
    assert a.status == 401
    assert a.head["www-authenticate"].startswith('Basic realm="den"')
    assert a.head["drover-error"] == "unauthorized"
    assert c.get("/head", more=low(basic("ann", "wrong"))).status == 401
    assert rig.forwarded() == []
    a = c.get("/head", more=[*low(basic("ann", "right")), ("x-user", "root"),
                             ("x_user", "root")])
    assert a.status == 200 and said(a.body, "X-User") == ["ann"]
    assert said(a.body, "x_user") == said(a.body, "Authorization") == []


def test_tokens_over_http2(rig, c):
    guard_secret(rig, "claims=sub=X-User")
    for more in ([], low(bearer({"sub": "ann", "exp": soon()}, secret="x")),
                 low(bearer({"sub": "ann", "exp": soon(-600)}))):
        a = c.get("/head", more=more)
        assert a.status == 401 and "Bearer" in a.head["www-authenticate"]
    assert rig.forwarded() == []
    a = c.get("/head", more=[*low(bearer({"sub": "ann", "exp": soon()})),
                             ("x-user", "root")])
    assert a.status == 200 and said(a.body, "X-User") == ["ann"]


def test_a_service_is_asked_over_http2(rig, judge, c):
    guard_forward(rig, judge, "answers=X-User,X-Roles")
    judge.says("200 OK", "X-User: ann", "X-Other: no")
    a = c.get("/head?a=%2F", method="POST", body=b"data", host="a.org",
              more=[("authorization", "Bearer abc"), ("cookie", "a=b"),
                    ("cookie", "c=d"), ("x-roles", "admin"),
                    ("x_roles", "admin"), ("x_user", "root")])
    assert a.status == 200 and json.loads(a.body)["body"] == "data"
    assert said(a.body, "X-User") == ["ann"]
    assert not any(said(a.body, n)
                   for n in ("x-roles", "x_roles", "x_user", "x-other"))
    asked = judge.asked[0]
    assert asked.startswith(b"GET /check HTTP/1.1\r\n")
    for name, value in (("X-Forwarded-Method", "POST"), ("Cookie", "a=b; c=d"),
                        ("X-Forwarded-Uri", "/head?a=%2F"),
                        ("X-Forwarded-Host", "a.org"), ("Via", "2.0 drover"),
                        ("Authorization", "Bearer abc")):
        assert header(asked, name) == value


def test_a_no_comes_before_the_body_is_read(rig, judge, c):
    guard_forward(rig, judge)
    judge.says("403 Forbidden", "Set-Cookie: a=b", body=b"no")
    judge.gate.clear()
    assert c.step()[0] == SETTINGS
    s = c.ask("/sink", method="POST", end=False,
              more=[("expect", "100-continue"), ("content-length", "999999")])
    judge.wait()
    for _ in range(8):
        c.send(frame(DATA, 0, s, b"a" * 16384))
    # All of its window is used up, and nothing of it comes back.
    eventually(lambda: rig.met("http2_window") == 1)
    c.s.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            assert c.step()[:3] != (WINDOW, 0, s)
    assert s not in c.answers  # nor was it told to go on
    c.s.settimeout(10)
    judge.gate.set()
    a = c.wait(s)
    while a.reset is None:
        assert c.step()
    assert [h[":status"] for h in a.heads] == ["403"]
    assert a.head["set-cookie"] == "a=b" and a.reset == NO_ERROR
    assert rig.forwarded() == [] and rig.ask("endpoint")["requests"] == 0


def test_what_a_refused_body_held_goes_back_to_the_connection(rig, judge, c):
    guard_forward(rig, judge)
    judge.says("403 Forbidden")
    assert c.step()[0] == SETTINGS
    for i in range(12):  # 128 KiB each, of a window of 1 MiB
        judge.gate.clear()
        s = c.ask("/sink", method="POST", end=False)
        judge.wait()
        for _ in range(8):
            c.send(frame(DATA, 0, s, b"a" * 16384))
        eventually(lambda: rig.met("http2_window") == i + 1)
        judge.gate.set()
        assert c.wait(s).status == 403
    judge.says("200 OK")
    a = c.get("/sink", method="POST", body=b"a" * 16384)
    assert json.loads(a.body)["n"] == 16384


def test_a_client_that_resets_takes_its_question_along(rig, judge, c):
    guard_forward(rig, judge)
    judge.gate.clear()
    s = c.ask("/head")
    judge.wait()
    c.send(frame(RST, 0, s, word(CANCEL)))
    eventually(lambda: rig.ask("endpoint", 1)["inflight"] == 0)
    judge.gate.set()
    assert c.get("/head").status == 200
    assert len(rig.forwarded()) == 1


# --- rates ------------------------------------------------------------------

def test_a_rate_is_told_and_kept_over_http2(rig, c):
    rated(rig)
    for left in (2, 1, 0):
        a = c.get("/head")
        assert a.status == 200
        assert a.head["ratelimit-policy"] == '"default";q=3;w=10800'
        assert a.head["ratelimit"].startswith(f'"default";r={left};t=')
    a = c.get("/head")
    assert a.status == 429 and a.head["drover-error"] == "rate-limited"
    assert a.head["ratelimit"].startswith('"default";r=0;t=')
    assert 3590 <= int(a.head["retry-after"]) <= 3600
    # One client, whatever it speaks, and on however many connections.
    assert rig.get("/head")[0] == 429
    with Client(rig.h2_port) as other:
        assert other.get("/head").status == 429
    assert len(rig.forwarded()) == 3


# --- CORS -------------------------------------------------------------------

def test_a_preflight_is_answered_over_http2(rig, c):
    cors(rig)
    a = c.get("/head", method="OPTIONS", more=[
        ("origin", "https://a.org"), ("access-control-request-method", "PUT")])
    assert a.status == 204 and a.body == b"" and a.ended
    assert a.head["access-control-allow-origin"] == "https://a.org"
    assert a.head["access-control-allow-methods"] == "GET, PUT"
    assert a.head["access-control-max-age"] == "600"
    a = c.get("/head", method="OPTIONS", more=[
        ("origin", "https://x.org"), ("access-control-request-method", "PUT")])
    assert a.status == 204 and "access-control-allow-origin" not in a.head
    assert rig.forwarded() == []
    a = c.get("/head", more=[("origin", "https://b.org:8443")])
    assert a.head["access-control-allow-origin"] == "https://b.org:8443"
    assert a.head["access-control-expose-headers"] == "X-Kept"


# --- ids and traces ---------------------------------------------------------

TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
SAID = [("x-request-id", "mine"), ("traceparent", TRACE),
        ("tracestate", "a=1"), ("x-forwarded-for", "1.2.3.4")]


def test_ids_and_traces_are_our_own_over_http2(rig, c):
    limited(rig)
    ids = set()
    for _ in range(3):
        a = c.get("/head", more=SAID)
        (id,) = said(a.body, "X-Request-Id")
        assert a.head["x-request-id"] == id != "mine"
        (trace,) = said(a.body, "traceparent")
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace)
        assert "a" * 32 not in trace and not said(a.body, "tracestate")
        assert said(a.body, "X-Forwarded-For") == ["127.0.0.1"]
        ids.add(id)
    assert len(ids) == 3
    # Also where no request came of it.
    assert len(c.get("/a/../b", more=SAID).head["x-request-id"]) == 32


def test_a_trusted_clients_ids_and_traces_go_on_over_http2(rig, c):
    o = rig.origin("web.0")
    rig.publish(f"""trust ::ffff:127.0.0.0/104
        service web 0
        endpoint web.0 0 {o.address}
        route web /""")
    a = c.get("/head", more=SAID)
    assert a.head["x-request-id"] == "mine"
    assert said(a.body, "X-Request-Id") == ["mine"]
    version, trace, span, flags = said(a.body, "traceparent")[0].split("-")
    assert (version, trace, flags) == ("00", "a" * 32, "01")
    assert span != "b" * 16 and said(a.body, "tracestate") == ["a=1"]
    assert said(a.body, "X-Forwarded-For") == ["1.2.3.4, 127.0.0.1"]
