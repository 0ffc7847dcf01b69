# SPDX-License-Identifier: ISC
"""A client that resets is heard of at once, also while nothing is read from it."""
import os
import select
import socket
import time

import pytest
from worker_rig import Rig, Script, read_all, read_until, status

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SOON = 2
HELD = 300_000  # more than a Unix socket takes, little enough that a FIN comes behind it


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    r.script = Script(r)
    r.simple(r.script, options="concurrency=1 body=1000000000")
    yield r
    r.script.listener.close()
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def until(true_of, seconds=SOON):
    end = time.monotonic() + seconds
    while not true_of():
        assert time.monotonic() < end
        time.sleep(0.005)


def fill(s):
    """Send until nothing goes any more: nobody reads at the other end."""
    s.setblocking(False)
    sent = 0
    while select.select([], [s], [], 0.3)[1]:
        sent += s.send(b"x" * 65536)
    s.settimeout(10)
    return sent


def ended(s):
    """An endpoint's side was closed; what it had been sent is read first."""
    began = time.monotonic()
    read_all(s)
    s.close()
    return time.monotonic() - began < SOON


def cpu(rig):
    with open(f"/proc/{rig.workers[0].pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check_gone(rig, cancelled=1):
    until(lambda: rig.ask("service")["cancelled"] == cancelled)
    assert rig.ask("service")["inflight"] == rig.ask("service")["queued"] == 0
    until(lambda: rig.ask("worker")["connections"] == 0)


def test_a_reset_while_the_endpoint_takes_no_more_of_the_body(rig):
    c = rig.connect()
    c.sendall(POST % (b"", 500_000_000))
    s = rig.script.accept()
    assert fill(c) < 100_000_000
    reset(c)
    check_gone(rig)
    assert ended(s)


def test_a_reset_while_the_next_request_waits_behind_the_first(rig):
    c = rig.connect()
    c.sendall(GET % b"1")
    s = rig.script.accept()
    read_until(s, b"\r\n\r\n")
    c.sendall(GET % b"2")
    time.sleep(0.1)  # it was read, and reading was paused
    reset(c)
    check_gone(rig)
    assert ended(s)


def test_a_reset_after_a_fin(rig):
    c = rig.connect()
    c.sendall(GET % b"1")
    s = rig.script.accept()
    read_until(s, b"\r\n\r\n")
    c.shutdown(socket.SHUT_WR)
    time.sleep(0.1)
    reset(c)
    check_gone(rig)
    assert ended(s)


@pytest.mark.parametrize("what", ["whole", "half a body", "and the next"])
def test_a_reset_in_the_queue(rig, what):
    first = rig.connect()
    first.sendall(GET % b"1")
    s = rig.script.accept()
    read_until(s, b"\r\n\r\n")
    c = rig.connect()
    if what == "half a body":
        c.sendall(POST % (b"2", 500_000_000))
        until(lambda: rig.ask("service")["queued"] == 1)
        fill(c)
    else:
        c.sendall(GET % b"2")
        until(lambda: rig.ask("service")["queued"] == 1)
    if what == "and the next":
        c.sendall(GET % b"3")
        time.sleep(0.1)
    reset(c)
    until(lambda: rig.ask("service")["queued"] == 0)
    assert rig.ask("service")["cancelled"] == 1
    # The place in front of it was never its own.
    s.sendall(OK)
    assert status(read_until(first, b"ok")) == 200
    first.close()
    s.close()


def test_a_reset_while_an_answer_waits_for_the_client(rig):
    """Both ways are stuck: it is writing that hears of it."""
    c = rig.connect()
    c.sendall(GET % b"1" + GET % b"2")
    s = rig.script.accept()
    read_until(s, b"\r\n\r\n")
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
    fill(s)
    reset(c)
    check_gone(rig)
    s.close()


def test_a_fin_while_reading_is_paused_is_no_reset_and_costs_nothing(rig):
    c = rig.connect()
    size = 8 << 20
    c.sendall(POST % (b"", size))
    s = rig.script.accept()
    left = size - fill(c)
    before = cpu(rig)
    time.sleep(0.5)
    assert cpu(rig) - before < 0.1  # nothing turns
    got = read_until(s, b"\r\n\r\n").split(b"\r\n\r\n", 1)[1]
    n = len(got)
    c.setblocking(False)
    while n < size:
        readable, writable, _ = select.select([s], [c] if left else [], [], 10)
        if readable:
            n += len(s.recv(1 << 20))
        if writable:
            left -= c.send(b"x" * min(left, 65536))
            if left == 0:
                c.shutdown(socket.SHUT_WR)
    c.settimeout(10)
    time.sleep(0.1)  # the FIN was seen, and reading is paused for good
    before = cpu(rig)
    time.sleep(0.5)
    assert cpu(rig) - before < 0.1
    s.sendall(OK)
    assert read_all(c).endswith(b"ok")
    c.close()
    s.close()
    assert rig.ask("service")["cancelled"] == 0


def test_after_being_held_a_client_goes_on(rig):
    """Held and read again many times, on one connection."""
    c, s = rig.connect(), None
    for i in range(50):
        c.sendall(GET % (b"%d" % i))
        if s is None:
            s = rig.script.accept()
        read_until(s, b"\r\n\r\n")
        c.sendall(GET % (b"%d-next" % i))
        time.sleep(0.002)
        s.sendall(OK)
        assert status(read_until(c, b"ok")) == 200
        assert b"-next" in read_until(s, b"\r\n\r\n")
        s.sendall(OK)
        assert status(read_until(c, b"ok")) == 200
    reset(c)
    until(lambda: rig.ask("worker")["connections"] == 0)
    assert rig.ask("service")["cancelled"] == 0
    s.close()


def test_two_ends_that_said_all_are_no_reset(rig):
    """Of a WebSocket: the endpoint's end came first, and it is slow to take the client's last bytes."""
    rig.publish(f"""service web 0
        endpoint s 0 {rig.script.address}
        route web / upgrade=websocket""")
    c = rig.connect()
    c.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    s = rig.script.accept()
    read_until(s, b"\r\n\r\n")
    s.sendall(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert status(read_until(c, b"\r\n\r\n")) == 101
    s.shutdown(socket.SHUT_WR)
    assert read_all(c) == b""  # its end came
    c.sendall(b"x" * HELD)
    c.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    assert len(read_all(s)) == HELD
    c.close()
    s.close()
