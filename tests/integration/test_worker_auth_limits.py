# SPDX-License-Identifier: ISC
"""The ceilings of authentication: met, counted, and changed by a reload."""
import socket
import struct
import time

import pytest

from test_worker_auth import BASIC, Judge, bearer, basic, crypt, guard_forward, soon, write
from test_worker_auth import BEARER, HS256, SECRET
from worker_rig import Rig, header, held, read_all, status

FAST = "$6$rounds=1000$salt$"
SLOW = "$2b$14$abcdefghijklmnopqrstuu"


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    r.origin("a")
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def limit(rig, auth, **limits):
    """A reload: the same policy, other limits."""
    o = rig.origins[0]
    rig.publish("".join(f"limit {k} {v}\n" for k, v in limits.items()) +
                f"service web 0\nendpoint {o.name} 0 {o.address}\nroute web /\n{auth}\n")


def passwords(rig, method, names):
    path = write(rig, "users", "".join(f"{n}:{crypt(n, method)}\n" for n in names))
    return f"auth flags={BASIC} users={path}"


def tokens(rig):
    return f"auth flags={BEARER} algorithms={HS256} secret={write(rig, 'secret', SECRET)} claims=sub=X-Sub"


def comes(rig, name, password=None):
    return rig.get("/head", headers=basic(name, password or name))[0]


def checked(rig):
    return rig.ask("worker")["checked"]


def beat(rig, what, value):
    """A gauge of the worker's, which it says twice a second."""
    end = time.monotonic() + 5
    while rig.ask("worker")[what] != value:
        assert time.monotonic() < end, rig.ask("worker")
        time.sleep(0.05)


def test_verdicts(rig):
    auth = passwords(rig, FAST, "abc")
    limit(rig, auth, auth_verdicts=2)
    assert [comes(rig, n) for n in "abcb"] == [200] * 4  # a made room for c
    assert checked(rig) == 3 and rig.met("auth_verdicts") == 1
    assert comes(rig, "a") == 200
    assert checked(rig) == 4 and rig.met("auth_verdicts") == 2
    beat(rig, "verdicts", 2)
    limit(rig, auth, auth_verdicts=3)
    assert comes(rig, "c") == 200
    assert [comes(rig, n) for n in "abc"] == [200] * 3
    assert checked(rig) == 5 and rig.met("auth_verdicts") == 2
    beat(rig, "verdicts", 3)
    limit(rig, auth, auth_verdicts=1)
    beat(rig, "verdicts", 1)
    assert comes(rig, "c") == 200
    assert checked(rig) == 5


def test_refusals(rig):
    auth = passwords(rig, FAST, "a")
    limit(rig, auth, auth_refusals=1)
    assert comes(rig, "a") == 200
    assert [comes(rig, "a", p) for p in "xyyx"] == [401] * 4
    assert checked(rig) == 4 and rig.met("auth_refusals") == 2
    limit(rig, auth, auth_refusals=2)
    assert [comes(rig, "a", p) for p in "xyxy"] == [401] * 4
    assert checked(rig) == 5 and rig.met("auth_refusals") == 2
    # Guesses pushed out nobody who is known.
    assert comes(rig, "a") == 200 and checked(rig) == 5
    assert rig.met("auth_verdicts") == 0


def test_how_long_a_verdict_is_kept(rig):
    auth = passwords(rig, FAST, "a")
    limit(rig, auth, auth_keep=1)
    for n in range(1, 4):
        assert comes(rig, "a") == 200 and comes(rig, "a", "wrong") == 401
        time.sleep(0.005)
        assert checked(rig) == 2 * n
    limit(rig, auth, auth_keep=60000)
    for _ in range(3):
        assert comes(rig, "a") == 200 and comes(rig, "a", "wrong") == 401
    assert checked(rig) == 8


def start(rig, name, password):
    c = rig.connect(timeout=60)
    value = basic(name, password)["Authorization"]
    c.sendall(f"GET /token?t=1 HTTP/1.1\r\nHost: a\r\nAuthorization: {value}\r\n"
              "Connection: close\r\n\r\n".encode())
    return c


def shed(rig, n):
    end = time.monotonic() + 10
    while rig.ask("worker")["shed"] != n:
        assert time.monotonic() < end


def test_passwords_that_wait(rig):
    auth = passwords(rig, SLOW, "a")
    limit(rig, auth, auth_queue=1, auth_timeout=60000)
    clients = [start(rig, "a", "first")]
    while checked(rig) != 1:
        pass
    late = start(rig, "a", "second")
    answer = read_all(late)
    late.close()
    assert (status(answer), header(answer, "Drover-Error")) == (503, "queue-full")
    assert int(header(answer, "Retry-After")) > 0
    assert rig.met("auth_queue") == 1 and rig.ask("worker")["shed"] == 1
    # Who brings the same waits for the same hash, and takes no place.
    clients.append(start(rig, "a", "first"))
    limit(rig, auth, auth_queue=2, auth_timeout=60000)
    clients.append(start(rig, "a", "third"))
    for c in clients:
        assert status(read_all(c)) == 401
        c.close()
    assert checked(rig) == 2 and rig.met("auth_queue") == 1
    assert rig.met("auth_timeout") == 0


def test_how_long_a_password_waits(rig):
    auth = passwords(rig, SLOW, "a")
    limit(rig, auth, auth_timeout=50)
    c = start(rig, "a", "a")
    answer = read_all(c)
    c.close()
    assert (status(answer), header(answer, "Drover-Error")) == (503, "queue-timeout")
    assert rig.met("auth_timeout") == 1 and rig.met("auth_queue") == 0
    limit(rig, auth, auth_timeout=60000)
    assert comes(rig, "a") == 200
    assert rig.met("auth_timeout") == 1


def test_a_question_that_nobody_answers_is_counted(rig):
    judge = Judge(rig)
    try:
        guard_forward(rig, judge, "timeout=50")
        judge.gate.clear()
        assert rig.get("/head")[0] == 504
        w = rig.ask("worker")
        assert (w["unanswered"], w["shed"]) == (1, 0)
        assert rig.met("auth_timeout") == 0
    finally:
        judge.stop()


# --- memory ------------------------------------------------------------------

def test_what_is_remembered_counts_and_a_reload_with_less_memory_applies(rig):
    auth, n = tokens(rig), 1000
    limit(rig, auth)
    c = rig.http()

    def ask(i):
        c.request("GET", "/head", headers=bearer({"exp": soon(), "sub": f"{i}".ljust(1900, "x")}))
        r = c.getresponse()
        r.read()
        return r.status

    assert ask(0) == 200
    before = held(rig)
    assert all(ask(i) == 200 for i in range(1, n))
    full = held(rig)
    assert 1900 * n < full - before < 2300 * n
    beat(rig, "verdicts", n)
    # With less memory an eighth of that is less, too: the oldest go at once.
    c.close()
    limit(rig, auth, memory_kib=8192)
    assert held(rig) < before + 8192 * 1024 // 8
    beat(rig, "verdicts", 8192 * 1024 // 8 // ((full - before) // (n - 1)))
    assert rig.met("memory_idle") == 0 and rig.met("auth_verdicts") == 0


def test_what_is_remembered_has_a_share_of_the_memory_and_no_more(rig):
    auth = tokens(rig)
    limit(rig, auth, memory_kib=4096)
    for i in range(3000):
        h = bearer({"exp": soon(), "sub": f"{i}".ljust(1900, "x")})
        assert rig.get("/token?t=1", headers=h)[0] == 200
    assert held(rig) < 4096 * 1024 // 4
    assert rig.met("memory_idle") == 0 and rig.met("memory_requests") == 0
    beat(rig, "verdicts", 3000 - rig.met("auth_verdicts"))
    assert 200 < rig.ask("worker")["verdicts"] < 300


def crowd(rig, n, base):
    """So many wait for different hashes, and leave; what was held meanwhile, at least base."""
    before = checked(rig)
    clients = [start(rig, "a", f"wrong {before} {i}") for i in range(n)]
    while checked(rig) < before + n:
        pass
    end = time.monotonic() + 5
    while rig.ask("limits")["memory"] < base:  # said twice a second
        assert time.monotonic() < end, rig.ask("limits")
    for c in clients:  # with a reset: after a FIN they could still be answered
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        c.close()
    while rig.ask("worker")["connections"] > 0:
        assert time.monotonic() < end


def test_waits_for_a_hash_count_and_are_given_back(rig):
    auth, n = passwords(rig, SLOW, "a"), 50
    limit(rig, auth, auth_timeout=60000)
    crowd(rig, n, 0)
    before = held(rig)  # with the memory of exchanges, which is kept
    crowd(rig, n, before + n * 1800)
    assert abs(held(rig) - before) < 8192
