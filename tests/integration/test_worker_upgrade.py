# SPDX-License-Identifier: ISC
"""WebSockets and streams: bytes both ways, at once, with an end of their own."""
import socket
import struct
import threading
import time

import pytest

from worker_rig import Rig, Script, header, read_all, read_until, status

ASK = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
       b"Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
       b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ACCEPT = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
          b"Upgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c in (0, -9) for c in codes.values()), codes


@pytest.fixture
def script(rig):
    s = Script(rig)
    yield s
    s.listener.close()


def opened(rig, script, behind=b"", early=b""):
    """A client and its endpoint, switched to WebSocket."""
    c = rig.connect()
    c.sendall(ASK + early)
    s = script.accept()
    asked = read_until(s, b"\r\n\r\n")
    s.sendall(ACCEPT + behind)
    answer = read_until(c, b"\r\n\r\n")
    return c, s, asked, answer


def exactly(s, n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        assert part, (len(data), n)
        data += part
    return data


def test_a_websocket_is_switched_and_bytes_go_both_ways(rig, script):
    rig.simple(script, options="concurrency=1")
    c, s, asked, answer = opened(rig, script)
    assert header(asked, "upgrade") == "WebSocket"
    assert header(asked, "connection") == "Upgrade"
    assert header(asked, "sec-websocket-key") == "dGhlIHNhbXBsZSBub25jZQ=="
    assert b"keep-alive" not in asked.lower()
    assert status(answer) == 101
    assert header(answer, "upgrade") == "WebSocket"
    assert header(answer, "connection") == "Upgrade"
    assert header(answer, "sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    for i in range(100):
        frame = b"\x81\x05%05d" % i
        c.sendall(frame)
        assert exactly(s, 7) == frame
        s.sendall(frame[::-1])
        assert exactly(c, 7) == frame[::-1]
    cell = rig.ask("endpoint")
    assert (cell["tunnels"], cell["inflight"]) == (1, 0)
    # It does not take the one place that requests have.
    done = []
    t = threading.Thread(target=lambda: done.append(rig.get("/x")[0]))
    t.start()
    other = script.accept()
    read_until(other, b"\r\n\r\n")
    other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    t.join()
    assert done == [200]
    for x in (c, s, other):
        x.close()
    deadline = time.monotonic() + 5
    while rig.ask("endpoint")["tunnels"] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rig.ask("endpoint")["tunnels"] == 0


def test_what_comes_with_the_switch_is_not_lost_and_comes_in_order(rig, script):
    rig.simple(script)
    c = rig.connect()
    c.sendall(ASK + b"early")
    s = script.accept()
    read_until(s, b"\r\n\r\n")
    # Held until the endpoint has switched (it may yet refuse).
    s.settimeout(0.2)
    with pytest.raises(socket.timeout):
        s.recv(10)
    s.settimeout(10)
    c.sendall(b" and more")
    s.sendall(ACCEPT + b"greeting")
    got = read_until(c, b"greeting")
    assert status(got) == 101 and got.endswith(b"\r\n\r\ngreeting")
    assert exactly(s, 14) == b"early and more"
    c.close()
    s.close()


def test_only_what_the_route_lists_is_switched_and_never_h2c(rig, script):
    rig.publish(f"service web 0\nendpoint s 0 {script.address}\n"
                "route web / upgrade=other\n")
    for token in (b"websocket", b"h2c", b"h2c, websocket"):
        c = rig.connect()
        c.sendall(ASK.replace(b"WebSocket\r\n", token + b"\r\n", 1))
        s = script.accept()
        asked = read_until(s, b"\r\n\r\n")
        assert header(asked, "upgrade") is None
        assert header(asked, "connection") is None
        # 101 that nobody asked for is no answer.
        s.sendall(ACCEPT)
        got = read_until(c, b"}\n")
        assert status(got) == 502 and header(got, "drover-error") == "bad-response"
        c.close()
        s.close()
    c = rig.connect()
    c.sendall(ASK.replace(b"WebSocket\r\n", b"h2c, other\r\n", 1))
    s = script.accept()
    assert header(read_until(s, b"\r\n\r\n"), "upgrade") == "other"
    s.sendall(ACCEPT)  # to websocket: not what was asked for
    assert status(read_until(c, b"}\n")) == 502
    c.close()
    s.close()


def test_a_refused_switch_is_an_answer_like_any_other(rig, script):
    rig.simple(script)
    c = rig.connect()
    c.sendall(ASK)
    s = script.accept()
    read_until(s, b"\r\n\r\n")
    s.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    assert read_until(c, b"\r\n\r\nno").endswith(b"no")
    c.sendall(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
    assert read_until(s, b"\r\n\r\n").startswith(b"GET /again ")
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert status(read_until(c, b"ok")) == 200
    c.close()
    s.close()


def test_http_1_0_and_requests_with_a_body_are_not_switched(rig, script):
    rig.simple(script)
    for ask in (ASK.replace(b"HTTP/1.1", b"HTTP/1.0", 1),
                ASK.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx", 1)):
        c = rig.connect()
        c.sendall(ask)
        s = script.accept()
        assert header(read_until(s, b"\r\n\r\n"), "upgrade") is None
        c.close()
        s.close()


def test_the_end_of_one_direction_leaves_the_other(rig, script):
    rig.simple(script)
    c, s, _, _ = opened(rig, script)
    c.sendall(b"last words")
    c.shutdown(socket.SHUT_WR)
    assert read_all(s) == b"last words"
    s.sendall(b"x" * 300000)
    s.close()
    assert read_all(c) == b"x" * 300000
    c.close()
    c, s, _, _ = opened(rig, script)
    s.shutdown(socket.SHUT_WR)
    assert read_all(c) == b""
    c.sendall(b"still heard")
    assert exactly(s, 11) == b"still heard"
    c.close()
    assert read_all(s) == b""
    s.close()


def test_a_break_on_one_side_breaks_the_other(rig, script):
    rig.simple(script)
    c, s, _, _ = opened(rig, script)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    assert read_all(s) == b""
    s.close()


def test_whoever_does_not_read_holds_the_other_back(rig, script):
    rig.simple(script)
    c, s, _, _ = opened(rig, script)
    before = rig.memory()
    chunk = b"y" * 65536
    for sender, reader in ((s, c), (c, s)):
        sender.settimeout(1)
        sent = 0
        with pytest.raises(socket.timeout):
            while sent < 64 << 20:
                sent += sender.send(chunk)
        assert sent < 32 << 20
        assert rig.memory() - before < 4096
        sender.settimeout(10)
        exactly(reader, sent)
    c.sendall(b"fine")
    assert exactly(s, 4) == b"fine"
    c.close()
    s.close()


def test_a_silent_websocket_ends_and_one_that_speaks_does_not(rig, script):
    rig.simple(script, options="websocket_idle=400")
    c, s, _, _ = opened(rig, script)
    for side in (c, s, c, s):
        time.sleep(0.25)
        side.sendall(b"ping")
        exactly(s if side is c else c, 4)
    began = time.monotonic()
    assert read_all(c) == b""
    assert 0.3 < time.monotonic() - began < 3
    assert read_all(s) == b""
    c.close()
    s.close()


def test_a_draining_worker_waits_for_its_websockets(rig, script):
    rig.simple(script)
    c, s, _, _ = opened(rig, script)
    rig.workers[0].terminate()
    time.sleep(0.5)
    assert rig.workers[0].poll() is None
    c.sendall(b"on")
    assert exactly(s, 2) == b"on"
    c.close()
    assert read_all(s) == b""
    s.close()
    assert rig.workers[0].wait(5) == 0


def test_each_event_of_a_stream_comes_at_once(rig, script):
    rig.simple(script)
    heads = (b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n")
    for head in heads:
        c = rig.connect()
        c.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
        s = script.accept()
        read_until(s, b"\r\n\r\n")
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" +
                  head + b"\r\n")
        read_until(c, b"\r\n\r\n")
        for i in range(20):
            event = b"data: %d\n\n" % i
            began = time.monotonic()
            s.sendall(event if b"close" in head
                      else b"%x\r\n%s\r\n" % (len(event), event))
            read_until(c, event)
            assert time.monotonic() - began < 0.1
        # A client that leaves is noticed, and the endpoint hears of it.
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
        assert read_all(s) == b""
        s.close()


def test_hundreds_of_streams_leave_other_traffic_alone(rig, script):
    fast = rig.origin("fast")
    rig.publish(f"service events 0\nendpoint s 0 {script.address}\n"
                f"service web 1\nendpoint fast 1 {fast.address}\n"
                "route events /events\nroute web /\n")
    held = []
    try:
        for _ in range(400):
            c = rig.connect()
            c.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            s = script.accept()
            read_until(s, b"\r\n\r\n")
            s.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            held += [c, s]
        took = []
        for i in range(200):
            began = time.monotonic()
            assert rig.get(f"/token?t={i}")[0] == 200
            took.append(time.monotonic() - began)
        assert sorted(took)[100] < 0.05
    finally:
        for x in held:
            x.close()
