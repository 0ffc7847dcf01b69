# SPDX-License-Identifier: ISC
"""Many requests, many endpoints, several workers: what is lost, and what not."""
import collections
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from worker_rig import Endpoint, Rig, read_until, status, tool


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c in (0, -9) for c in codes.values()), codes


@pytest.fixture
def pair(tmp_path):
    """Two workers behind one listener."""
    r = Rig(tmp_path, workers=2)
    yield r
    codes = r.close()
    assert all(c in (0, -9) for c in codes.values()), codes


class Load:
    """Closed loops of requests with tokens of their own; every answer is
    checked."""

    def __init__(self, rig, clients, target="/token?t={}", check=True):
        self.rig, self.target, self.check = rig, target, check
        self.done = threading.Event()
        self.ok, self.bad = 0, []
        self.names = collections.Counter()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(i,))
                        for i in range(clients)]
        for t in self.threads:
            t.start()

    def _run(self, i):
        c = self.rig.http()
        n = 0
        while not self.done.is_set():
            token = f"{i}-{n}"
            n += 1
            try:
                c.request("GET", self.target.format(token))
                r = c.getresponse()
                data = r.read()
                good = r.status == 200
                if good and self.check:
                    got = json.loads(data)
                    good = got["token"] == token
                with self.lock:
                    if good:
                        self.ok += 1
                        if self.check:
                            self.names[got["name"]] += 1
                    else:
                        self.bad.append((r.status, data[:200]))
            except (OSError, ValueError) as e:
                with self.lock:
                    self.bad.append(repr(e))
                c.close()
                c = self.rig.http()
        c.close()

    def stop(self):
        self.done.set()
        for t in self.threads:
            t.join()
        return self.ok, self.bad


@pytest.mark.alone
def test_thousands_of_requests_get_their_own_answers(pair):
    pair.simple(*[pair.origin(f"web.{i}") for i in range(2)])
    load = Load(pair, 16)
    time.sleep(3)
    ok, bad = load.stop()
    assert bad == [] and ok > 1000
    assert len(load.names) == 2
    assert min(load.names.values()) > ok / 4
    total = [pair.ask("worker", i)["requests"] for i in range(2)]
    assert sum(total) == ok and min(total) > 0


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_killed_endpoint_costs_no_get(pair, kind):
    """The control that notices is not there: the worker alone must cope."""
    address = "127.0.0.1:0" if kind == "tcp" else None
    other = pair.origin("web.keep", address)
    for round_ in range(5):
        victim = pair.origin(f"web.{round_}", address)
        pair.simple(other, victim, first=2 * round_)
        load = Load(pair, 16, "/token?t={}&ms=2")
        time.sleep(0.5)
        victim.kill()
        time.sleep(0.5)
        ok, bad = load.stop()
        assert bad == [] and ok > 50
        assert load.names[victim.name] > 0
        pair.wait("down")
        assert pair.ask("endpoint", 2 * round_ + 1)["inflight"] == 0
    assert pair.ask("service")["over"] == 0


def test_requests_in_flight_on_a_killed_endpoint_are_sent_again(rig):
    a, b = rig.origin("web.0"), rig.origin("web.1")
    rig.simple(a)
    results = []

    def ask(i):
        results.append(rig.get(f"/token?t={i}&ms=800"))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(30)]
    for t in threads:
        t.start()
    time.sleep(0.4)
    rig.simple(b, first=1)
    a.kill()
    for t in threads:
        t.join()
    assert [r[0] for r in results] == [200] * 30
    assert {json.loads(r[2])["name"] for r in results} == {"web.1"}
    assert rig.ask("service")["resends"] >= 30


def test_a_post_in_flight_is_not_sent_twice(rig):
    a, b = rig.origin("web.0"), rig.origin("web.1")
    rig.simple(a)
    result = []
    t = threading.Thread(target=lambda: result.append(
        rig.get("/token?t=1&ms=800", "POST", b"x")))
    t.start()
    time.sleep(0.4)
    rig.simple(b, first=1)
    a.kill()
    t.join()
    code, head, _ = result[0]
    assert (code, head["drover-error"]) == (502, "reset")
    assert len(rig.forwarded()) == 1


def test_a_post_that_reached_nobody_goes_elsewhere(rig):
    dead = rig.origin("web.0")
    alive = rig.origin("web.1")
    dead.kill()
    for i in range(10):
        rig.simple(dead, alive, first=2 * i)
        code, _, data = rig.get("/token?t=1", "POST", b"body")
        assert code == 200 and json.loads(data)["name"] == "web.1"


def test_a_connection_closed_while_idle_is_no_error(rig):
    rig.simple(rig.origin("web.0"))
    c = rig.http()
    for i in range(60):
        c.request("GET", "/stale" if i % 2 else f"/token?t={i}")
        r = c.getresponse()
        assert (r.status, bool(r.read())) == (200, True)
    c.close()
    assert rig.ask("service")["retries"] == 0


def test_a_reset_is_retried_once_within_the_budget(rig):
    rig.simple(rig.origin("web.0"), rig.origin("web.1"))
    code, head, _ = rig.get("/reset")
    assert (code, head["drover-error"]) == (502, "reset")
    assert len(rig.forwarded()) == 2
    assert len({row[2] for row in rig.forwarded()}) == 2
    assert rig.ask("service")["retries"] == 1
    code, _, _ = rig.get("/reset", "POST", b"x")
    assert code == 502 and len(rig.forwarded()) == 3


def test_retries_do_not_multiply_the_load(rig):
    rig.simple(rig.origin("web.0"), rig.origin("web.1"))
    load = Load(rig, 40, "/reset")
    time.sleep(2)
    load.stop()
    seen = rig.ask("service")
    assert seen["over"] > 0
    assert len(rig.forwarded()) < seen["requests"] * 1.5


def test_nobody_listens_is_502(rig):
    o = rig.origin("web.0")
    o.kill()
    rig.simple(o)
    code, head, _ = rig.get("/")
    assert (code, head["drover-error"]) == (502, "connect")
    assert rig.wait("down").split()[1:3] == ["0", "0"]
    # The next generation tries again; and nothing was marked for good.
    again = rig.origin("web.0")
    rig.simple(again)
    assert rig.get("/token?t=1")[0] == 200


# --- balance -----------------------------------------------------------------

def names(rig, n, target="/token?t=1", headers=None):
    c = rig.http()
    seen = []
    for _ in range(n):
        c.request("GET", target, headers=headers or {})
        seen.append(json.loads(c.getresponse().read())["name"])
    c.close()
    return seen


def test_round_robin_takes_turns_by_weight(rig):
    a, b = rig.origin("web.0"), rig.origin("web.1")
    rig.publish(f"""service web 0 balance=1
        endpoint web.0 0 {a.address} 300
        endpoint web.1 1 {b.address} 100
        route web /""")
    seen = names(rig, 40)
    assert seen.count("web.0") == 30
    assert "web.1" in seen[:4]


def test_least_avoids_the_busy(rig):
    a, b = rig.origin("web.0"), rig.origin("web.1")
    rig.simple(a)
    busy = [rig.connect() for _ in range(8)]
    for s in busy:
        s.sendall(b"GET /token?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.3)
    rig.simple(a, b)
    assert set(names(rig, 20)) == {"web.1"}
    for s in busy:
        s.close()


@pytest.mark.parametrize("kind,where", [
    (0, lambda k: ("/token?t=1", {"X-Room": k})),
    (1, lambda k: ("/token?t=1", {"Cookie": f"a=b; X-Room={k}; c=d"})),
    (2, lambda k: (f"/token?t=1&X-Room={k}", {}))])
def test_a_key_stays_with_its_endpoint(pair, kind, where):
    origins = [pair.origin(f"web.{i}") for i in range(4)]
    options = f"balance=2 hash_kind={kind} hash=X-Room"
    pair.simple(*origins, options=options)

    def owners():
        out = {}
        for k in range(40):
            target, headers = where(f"room{k}")
            seen = set()
            for _ in range(3):
                _, _, data = pair.get(target, headers=headers)
                seen.add(json.loads(data)["name"])
            assert len(seen) == 1
            out[k] = seen.pop()
        return out

    before = owners()
    assert len(set(before.values())) == 4
    pair.simple(*origins[:3], options=options)
    after = owners()
    for k in before:
        assert before[k] == after[k] or before[k] == "web.3"


@pytest.fixture
def crowd(rig):
    """Publishes endpoints of these cells, all of them one fast origin."""
    path = os.path.join(rig.dir, "fast.sock")
    fast = subprocess.Popen([tool("origin"), "unix:" + path])
    try:
        while not os.path.exists(path):
            time.sleep(0.01)

        def publish(cells, options, weights=None):
            rig.publish(f"service web 0 {options}\n" + "".join(
                f"endpoint web.{i} {i} unix:{path} {(weights or {}).get(i, 100)}\n" for i in cells) + "route web /")

        yield publish
    finally:
        fast.kill()
        fast.wait()


def test_keys_stay_among_many_when_one_goes(rig, crowd):
    def owners(cells):
        seen = {i: rig.ask("endpoint", i)["requests"] for i in cells}
        out = {}
        for k in range(40):
            assert rig.get("/", headers={"X-Room": f"room{k}"})[0] == 200
            now = {i: rig.ask("endpoint", i)["requests"] for i in cells}
            (out[k],) = [i for i in cells if now[i] > seen[i]]
            seen = now
        return out

    options = "balance=2 hash_kind=0 hash=X-Room"
    crowd(range(12), options)
    before = owners(range(12))
    assert len(set(before.values())) > 6
    crowd(range(12), options)  # nobody came or went
    assert owners(range(12)) == before
    gone = before[0]
    crowd([i for i in range(12) if i != gone], options)
    after = owners([i for i in range(12) if i != gone])
    assert all(before[k] in (after[k], gone) for k in before)
    crowd(range(12), options)
    assert owners(range(12)) == before


def test_keys_come_over_to_one_that_warms_up(rig, crowd):
    def mine():
        before = rig.ask("endpoint", 0)["requests"]
        c = rig.http()
        for k in range(400):
            c.request("GET", "/", headers={"X-Room": f"room{k}"})
            assert c.getresponse().read()
        c.close()
        return rig.ask("endpoint", 0)["requests"] - before

    # A tenth of its weight at first, and a tenth more each 1.1 s.
    crowd(range(12), "balance=2 hash_kind=0 hash=X-Room", {0: f"1000 {time.monotonic_ns() // 10**6}"})
    cold = mine()
    assert cold < 120
    end = time.monotonic() + 10
    while mine() < cold + 20:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_turns_go_on_through_snapshots(rig, crowd):
    for _ in range(30):
        crowd(range(3), "balance=1")
        assert rig.get("/")[0] == 200
    assert [rig.ask("endpoint", i)["requests"] for i in range(3)] == [10] * 3
    # Somebody new gets a share, and does not catch up.
    crowd([3, 0, 1, 2], "balance=1")
    for _ in range(40):
        assert rig.get("/")[0] == 200
    counts = [rig.ask("endpoint", i)["requests"] for i in range(4)]
    assert 9 <= counts[3] <= 11 and max(counts) <= 21 and min(counts[:3]) >= 19


# --- limits ------------------------------------------------------------------

def test_concurrency_is_never_overshot_by_two_workers(pair):
    origins = [pair.origin("web.0"), pair.origin("web.1")]
    pair.simple(*origins, options="concurrency=3 queue=500")
    load = Load(pair, 40, "/token?t={}&ms=3")
    time.sleep(3)
    ok, bad = load.stop()
    assert bad == [] and ok > 300
    most = []
    pair.simple(*origins)
    for _ in range(20):
        got = json.loads(pair.get("/state")[2])
        most.append(got["most"])
    assert max(most) == 3
    seen = pair.ask("service")
    assert seen["queued"] == 0 and seen["waited"] > 0
    assert [pair.ask("worker", i)["requests"] > 0 for i in (0, 1)] == [1, 1]


@pytest.mark.alone
def test_the_queue_is_first_in_first_out(rig):
    rig.simple(rig.origin("web.0"), options="concurrency=1")
    order, threads = [], []

    def ask(i):
        rig.get(f"/token?t={i}&ms=60")
        order.append(i)

    for i in range(12):
        t = threading.Thread(target=ask, args=(i,))
        t.start()
        threads.append(t)
        time.sleep(0.02)
    for t in threads:
        t.join()
    assert order == sorted(order)


def test_a_full_queue_is_503_at_once(rig):
    rig.simple(rig.origin("web.0"), options="concurrency=1 queue=2")
    busy = []
    for _ in range(3):
        s = rig.connect()
        s.sendall(b"GET /token?ms=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.append(s)
        time.sleep(0.1)
    assert rig.ask("service")["queued"] == 2
    began = time.monotonic()
    code, head, _ = rig.get("/token")
    assert (code, head["drover-error"]) == (503, "queue-full")
    assert int(head["retry-after"]) >= 1
    assert time.monotonic() - began < 0.5
    for s in busy:
        assert status(read_until(s, b"}")) == 200
        s.close()


def test_waiting_too_long_is_503(rig):
    rig.simple(rig.origin("web.0"),
               options="concurrency=1 queue_timeout=300")
    s = rig.connect()
    s.sendall(b"GET /token?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.2)
    began = time.monotonic()
    code, head, _ = rig.get("/token")
    assert (code, head["drover-error"]) == (503, "queue-timeout")
    assert int(head["retry-after"]) >= 1
    assert 0.25 < time.monotonic() - began < 1
    assert rig.ask("service")["queued"] == 0
    s.close()


def test_who_leaves_the_queue_is_not_served(rig):
    rig.simple(rig.origin("web.0"), options="concurrency=1")
    first = rig.connect()
    first.sendall(b"GET /token?t=1&ms=600 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    gone = rig.connect()
    gone.sendall(b"GET /token?t=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    assert rig.ask("service")["queued"] == 1
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    gone.close()
    time.sleep(0.1)
    assert rig.ask("service")["queued"] == 0
    read_until(first, b"}")
    first.close()
    assert len(rig.forwarded()) == 1


def test_requests_wait_for_a_service_that_starts(rig):
    rig.publish("service web 0 flags=1 start_wait=5000\nroute web /")
    result = []
    t = threading.Thread(
        target=lambda: result.append(rig.get("/token?t=1")))
    t.start()
    time.sleep(0.5)
    assert rig.ask("service")["queued"] == 1
    rig.simple(rig.origin("web.0"))
    t.join()
    assert result[0][0] == 200


def test_a_full_backlog_is_not_an_error(rig):
    path = os.path.join(rig.dir, "full.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    filler = []
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(path)
            filler.append(s)
        except BlockingIOError:
            s.close()
            break
    rig.publish(f"""service web 0 queue_timeout=3000
        endpoint web.0 0 unix:{path}
        route web /""")
    c = rig.connect()
    c.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.3)
    assert rig.ask("service")["queued"] == 1
    for s in filler:
        s.close()
    taken = []
    listener.settimeout(5)
    while True:
        s, _ = listener.accept()
        s.settimeout(0.5)
        taken.append(s)
        try:
            if s.recv(4096).startswith(b"GET / "):
                break
        except (TimeoutError, socket.timeout):
            pass
    s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert status(read_until(c, b"ok")) == 200
    c.close()
    for s in taken:
        s.close()
    listener.close()


# --- snapshots ---------------------------------------------------------------

def test_snapshots_under_load_lose_nothing(pair):
    origins = [pair.origin(f"web.{i}") for i in range(3)]
    load_rig = pair
    pair.simple(*origins)
    load = Load(load_rig, 12)
    for i in range(60):
        some = origins[:1 + i % 3]
        pair.simple(*some, first=3 * (i % 50),
                    options=f"concurrency={50 * (i % 2)}")
        time.sleep(0.02)
    ok, bad = load.stop()
    assert bad == [] and ok > 200
    assert pair.ask("worker")["generation"] == pair.generation


def test_after_the_acknowledgement_nothing_new_goes_there(pair):
    a, b = pair.origin("web.0"), pair.origin("web.1")
    pair.simple(a, b)
    load = Load(pair, 12, "/token?t={}&ms=5")
    time.sleep(0.4)
    pair.simple(b, first=1)
    # What is in flight shows in the cell of the endpoint, and ends.
    end = time.monotonic() + 5
    while pair.ask("endpoint", 0)["inflight"] and time.monotonic() < end:
        time.sleep(0.01)
    count = pair.ask("endpoint", 0)["requests"]
    time.sleep(0.4)
    a.kill()
    time.sleep(0.3)
    ok, bad = load.stop()
    assert bad == [] and ok > 100
    assert pair.ask("endpoint", 0)["requests"] == count
    assert pair.ask("endpoint", 0)["inflight"] == 0


def test_a_service_that_is_gone_answers_404_and_its_queue_503(rig):
    rig.simple(rig.origin("web.0"), options="concurrency=1")
    busy = rig.connect()
    busy.sendall(b"GET /token?t=1&ms=800 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    waits = rig.connect()
    waits.sendall(b"GET /token?t=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.1)
    rig.publish("service other 1\nroute other /other")
    assert status(read_until(waits, b"}")) == 503
    assert rig.get("/token")[0] == 404
    assert b'"token": "1"' in read_until(busy, b"}")
    busy.close()
    waits.close()


def test_a_killed_worker_is_replaced_and_its_cells_are_clean(pair):
    pair.simple(pair.origin("web.0"), options="concurrency=4")
    stuck = []
    for _ in range(8):
        s = pair.connect()
        s.sendall(b"GET /token?ms=60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        stuck.append(s)
    time.sleep(0.5)
    assert pair.ask("endpoint")["inflight"] == 4
    for i in (0, 1):
        pair.workers[i].kill()
        pair.workers[i].wait()
        pair.say(f"reset {i}")
    assert pair.ask("endpoint")["inflight"] == 0
    for i in (0, 1):
        pair.start_worker(i)
        pair.wait("ack")
    assert pair.get("/token?t=1")[0] == 200
    for s in stuck:
        s.close()


# --- ceilings and cost -------------------------------------------------------

def test_clients_over_the_ceiling_wait_and_come_in_later(rig):
    o = rig.origin("web.0")
    rig.publish(f"""limit connections 10
        service web 0
        endpoint web.0 0 {o.address}
        route web /""")
    inside = [rig.connect() for _ in range(10)]
    for s in inside:
        s.sendall(b"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_until(s, b"}")
    late = rig.connect(timeout=0.5)
    late.sendall(b"GET /token?t=2 HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(TimeoutError):
        late.recv(1)
    assert rig.ask("worker")["connections"] == 10
    inside.pop().close()
    late.settimeout(5)
    assert b'"token": "2"' in read_until(late, b"}")
    for s in inside + [late]:
        s.close()


def count_calls(rig, load):
    """System calls of worker 0 while `load` runs."""
    out = os.path.join(rig.dir, "strace")
    tracer = subprocess.Popen(
        ["strace", "-q", "-f", "-c", "-o", out, "-p",
         str(rig.workers[0].pid)], stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    load()
    time.sleep(0.3)
    tracer.terminate()
    tracer.wait(5)
    with open(out) as f:
        rows = re.findall(
            r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(\w+)$",
            f.read(), re.M)
    return {name: int(n) for n, name in rows if name != "total"}


@pytest.mark.measured
def test_a_request_costs_few_system_calls(rig):
    path = os.path.join(rig.dir, "fast.sock")
    fast = subprocess.Popen([tool("origin"), "unix:" + path])
    try:
        while not os.path.exists(path):
            time.sleep(0.01)
        rig.publish(f"""service web 0
            endpoint web.0 0 unix:{path}
            route web /""")
        c = rig.http()

        def ask(n):
            for _ in range(n):
                c.request("GET", "/")
                c.getresponse().read()

        ask(5)
        calls = count_calls(rig, lambda: ask(1000))
        c.close()
    finally:
        fast.kill()
        fast.wait()
    moved = sum(n for k, n in calls.items() if k not in
                ("epoll_wait", "epoll_pwait", "restart_syscall"))
    assert 4000 <= moved < 4100, calls
    assert calls.get("epoll_ctl", 0) < 20, calls
    assert calls.get("epoll_wait", 0) + calls.get("epoll_pwait", 0) < 2200


def gateway_errors(kind):
    """An endpoint that answers each connection in one wrong way."""
    return {
        "502": b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        "503": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        "garbage": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "nothing": b"",
    }[kind]


class Wrong(Endpoint):
    """It answers so while `wrong` is set (each nth time), and well otherwise; it counts."""

    def __init__(self, rig, name, kind, nth=1):
        super().__init__(rig, name)
        self.wrong, self.asked, self.nth = True, 0, nth
        self.answer = gateway_errors(kind)
        threading.Thread(target=self.one_by_one, daemon=True).start()

    def one_by_one(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            with s:
                if not read_until(s, b"\r\n\r\n"):
                    continue  # a look whether somebody listens
                self.asked += 1
                s.sendall(self.answer if self.wrong and self.asked % self.nth == 0 else
                          b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("kind", ["502", "503", "garbage", "cut", "nothing"])
def test_an_endpoint_that_only_fails_is_ejected_and_comes_back(rig, kind):
    bad = Wrong(rig, "bad", kind)
    rig.simple(rig.origin("good"), bad, options="eject_ms=700 balance=1")

    def ask(method):
        try:
            return rig.get("/token?t=1", method=method, body=b"")[0]
        except (OSError, http.client.HTTPException):
            assert kind == "cut"
            return None

    for _ in range(30):
        ask("POST")  # never retried
    assert bad.asked == 5
    assert rig.ask("endpoint", 1)["out_until"] > 0
    bad.wrong = False
    deadline = time.monotonic() + 10
    while bad.asked == 5:
        assert time.monotonic() < deadline
        assert rig.get("/token?t=1")[0] == 200
        time.sleep(0.02)
    # A second time in a row it is out for twice as long.
    bad.wrong = True
    before = bad.asked
    while bad.asked < before + 5:
        ask("POST")
        assert time.monotonic() < deadline + 10
    ended = time.monotonic()
    bad.wrong = False
    seen = bad.asked
    while bad.asked == seen:
        rig.get("/token?t=1")
        time.sleep(0.02)
    assert time.monotonic() - ended > 1.0
    bad.close()


@pytest.mark.parametrize("nth, most", [(2, 20), (3, 100)])
def test_an_endpoint_that_fails_half_of_its_requests_is_ejected(rig, nth, most):
    bad = Wrong(rig, "bad", "502", nth)
    rig.simple(rig.origin("good"), bad, options="balance=1")
    for _ in range(200):
        rig.get("/token?t=1", method="POST", body=b"")
    assert bad.asked == most
    assert (rig.ask("endpoint", 1)["out_until"] > 0) == (nth == 2)
    bad.close()


def test_the_last_endpoint_and_more_than_half_are_never_ejected(rig):
    all_bad = [Wrong(rig, f"bad{i}", "502") for i in range(3)]
    rig.simple(*all_bad, options="balance=1")
    for _ in range(60):
        assert rig.get("/x", method="POST", body=b"")[0] == 502
    out = [rig.ask("endpoint", i)["out_until"] > 0 for i in range(3)]
    assert sum(out) == 1
    assert min(b.asked for b in all_bad) == 5 and sum(b.asked for b in all_bad) == 60
    rig.simple(all_bad[0], first=10)
    for _ in range(10):
        assert rig.get("/x", method="POST", body=b"")[0] == 502
    assert rig.ask("endpoint", 10)["out_until"] == 0
    for b in all_bad:
        b.close()


def test_when_only_ejected_ones_are_left_they_are_asked(rig):
    bad = Wrong(rig, "bad", "502")
    good = rig.origin("good")
    rig.simple(good, bad, options="balance=1")
    while rig.ask("endpoint", 1)["out_until"] == 0:
        rig.get("/token?t=1", method="POST", body=b"")
    bad.wrong = False
    good.kill()
    for _ in range(10):
        assert rig.get("/token?t=1")[0] == 200
    bad.close()


def test_a_new_endpoint_in_the_memory_of_one_that_was_tried_is_a_new_one(rig):
    old = rig.origin("web.0")
    rig.simple(old, options="start_wait=5000")
    for i in range(10):
        old.kill()
        answers = []
        t = threading.Thread(target=lambda: answers.append(rig.get("/token?t=1")[0]))
        t.start()
        time.sleep(0.05)  # it was refused, and waits
        rig.publish("service web 0 flags=1 start_wait=5000\nroute web /\n")
        new = rig.origin(f"web{i}.0")
        rig.simple(new, options="start_wait=5000", first=1 + i)
        t.join()
        assert answers == [200], i
        old = new
