# SPDX-License-Identifier: ISC
"""TLS below a worker: which certificate, whole bytes, and ends that are ends."""
import hashlib
import json
import os
import signal
import socket
import ssl
import struct
import threading
import time

import pytest
from certs import Certificate, Tls, client, fingerprint
from worker_rig import Rig, header, read_all, read_until, status

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
ASK = b"GET /head HTTP/1.1\r\nHost: a.test\r\n\r\n"
LAST = b"GET /head HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    return {
        "a": Certificate(folder, "a", ["a.test", "both.test"]),
        "b": Certificate(folder, "b", ["b.test", "*.b.test"]),
        "exact": Certificate(folder, "exact", ["www.b.test"]),
        "rsa": Certificate(folder, "rsa", ["both.test", "rsa.test"], kind="rsa"),
        "bare": Certificate(folder, "bare"),
    }


class TlsRig(Rig):
    """One more listener, number 2, with TLS."""

    def __init__(self, path, certs, *which, options="", workers=1):
        super().__init__(path, workers=0)
        self.secure = self.listen(2)
        self.certs = certs
        self.use(*which, options=options)
        self.say("tickets 1")
        for i in range(workers):
            self.start_worker(i)

    def use(self, *which, options=""):
        self.say(f"tls 2 {options} " + " ".join(str(self.certs[w]) for w in which))

    def dial(self, name="a.test", context=None, session=None, timeout=10):
        s = self.connect(self.secure, timeout)
        return (context or client()).wrap_socket(s, server_hostname=name, session=session)

    def shown(self, name, context=None):
        with self.dial(name, context) as s:
            return fingerprint(s.getpeercert(True))

    def handshakes(self, i=0):
        return self.ask("handshakes", i)

    def counted(self, what, n=1, i=0):
        self.until("handshakes", what, n, i)

    def until(self, room, what, n, i=0):
        end = time.monotonic() + 10
        while self.ask(room, i)[what] != n:
            assert time.monotonic() < end, self.ask(room, i)
            time.sleep(0.01)


@pytest.fixture
def make(tmp_path, certs):
    rigs = []

    def start(*which, **kw):
        r = TlsRig(tmp_path, certs, *(which or ("a", "b")), **kw)
        rigs.append(r)
        r.simple(r.origin("o1"))
        return r

    yield start
    for r in rigs:
        codes = r.close()
        assert all(c in (0, -9) for c in codes.values()), codes


def all_of(s):
    """Until close_notify; without one it raises."""
    data = b""
    while part := s.recv(65536):
        data += part
    return data


# --- which certificate


def test_the_name_chooses_the_certificate(make, certs):
    rig = make("a", "b", "exact")
    for name, cert in [("a.test", "a"), ("b.test", "b"), ("x.b.test", "b"), ("X.B.TEST", "b"), ("www.b.test", "exact"),
                       ("x.y.b.test", "a"), ("c.test", "a"), (None, "a")]:
        assert rig.shown(name) == certs[cert].print, name


def test_a_certificate_without_names_is_for_all_who_ask_for_no_other(make, certs):
    rig = make("bare", "b")
    assert rig.shown("b.test") == certs["b"].print
    assert rig.shown("bare") == rig.shown(None) == certs["bare"].print


def test_rsa_and_ecdsa_stand_side_by_side_for_the_names_that_both_have(make, certs):
    rig = make("a", "rsa")
    ec = client((V12, V12), "ECDHE-ECDSA-AES128-GCM-SHA256")
    rsa = client((V12, V12), "ECDHE-RSA-AES128-GCM-SHA256")
    assert rig.shown("both.test", ec) == certs["a"].print
    assert rig.shown("both.test", rsa) == certs["rsa"].print
    assert rig.shown("rsa.test", rsa) == certs["rsa"].print
    with pytest.raises(ssl.SSLError):
        rig.shown("rsa.test", ec)  # its ECDSA twin has another name
    rig.counted("cipher")


# --- versions


def test_tls_1_2_and_1_3_are_spoken_and_1_1_is_not(make):
    rig = make()
    for version, name in [(V12, "TLSv1.2"), (V13, "TLSv1.3")]:
        with rig.dial(context=client((version, version))) as s:
            assert s.version() == name
            assert s.compression() is None
            s.sendall(ASK)
            assert status(s.recv(65536)) == 200
    old = client((ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1), "ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError) as e:
        rig.dial(context=old)
    assert "protocol version" in str(e.value).lower().replace("_", " ")
    rig.counted("version")


def test_the_lowest_version_can_be_set(make):
    rig = make("a", options="tls13=1")
    with pytest.raises(ssl.SSLError):
        rig.dial(context=client((V12, V12)))
    with rig.dial() as s:
        assert s.version() == "TLSv1.3"


def test_only_ciphers_with_forward_secrecy_are_taken(make):
    rig = make("rsa")
    for cipher in ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"]:
        with pytest.raises(ssl.SSLError):
            rig.dial(context=client((V12, V12), cipher))
    with rig.dial(context=client((V12, V12))) as s:
        assert s.cipher()[0].startswith("ECDHE-RSA-")


def test_a_client_that_wants_to_renegotiate_is_refused(make):
    import subprocess

    rig = make()
    p = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{rig.secure}", "-tls1_2", "-legacy_renegotiation"],
        input=b"R\n", capture_output=True, timeout=20, check=False)
    assert b"no renegotiation" in p.stderr, p.stderr
    assert rig.handshakes()["done"] == 1


def test_a_protocol_is_agreed_upon_and_what_nobody_speaks_is_refused(make):
    rig = make()
    for offered, agreed in ((["http/1.1"], "http/1.1"), (["spdy/3", "http/1.1"], "http/1.1"),
                            (["http/1.1", "h2"], "h2")):
        with rig.dial(context=client(alpn=offered)) as s:
            assert s.selected_alpn_protocol() == agreed
    with pytest.raises(ssl.SSLError):
        rig.dial(context=client(alpn=["acme-tls/1"]))


# --- sessions


def session_of(rig, context, name="a.test"):
    with rig.dial(name, context) as s:
        s.sendall(LAST)
        all_of(s)
        return s.session


@pytest.mark.parametrize("version", [V12, V13])
def test_a_ticket_resumes_its_session_on_whatever_worker(make, version):
    rig = make(workers=2)
    context = client((version, version))
    session = session_of(rig, context)
    for _ in range(30):
        with rig.dial(context=context, session=session) as s:
            assert s.session_reused
            s.sendall(LAST)
            session = s.session if version == V13 else session
            all_of(s)
        resumed = [rig.handshakes(i)["resumed"] for i in (0, 1)]
        if all(resumed):
            break
        if max(resumed) == 6:  # leave the rest to the other
            os.kill(rig.workers[resumed.index(6)].pid, signal.SIGSTOP)
    for w in rig.workers.values():
        w.send_signal(signal.SIGCONT)
    assert all(resumed), resumed


def test_tickets_outlive_a_reload_and_one_turn_of_their_keys(make):
    rig = make("a")
    context = client((V12, V12))
    session = session_of(rig, context)
    rig.use("b")
    rig.say("tickets 2 1")
    rig.simple(rig.origins[0])
    with rig.dial(context=context, session=session) as s:
        assert s.session_reused
        newer = s.session
    rig.say("tickets 3 2")
    rig.simple(rig.origins[0])
    with rig.dial(context=context, session=session) as s:
        assert not s.session_reused
    with rig.dial(context=context, session=newer) as s:
        assert s.session_reused  # it was renewed with the key of then


# --- reload


def test_new_handshakes_get_new_certificates_and_old_connections_go_on(make, certs):
    rig = make("a")
    with rig.dial() as old:
        old.sendall(ASK)
        assert status(old.recv(65536)) == 200
        rig.use("b")
        rig.simple(rig.origins[0])
        assert rig.shown("a.test") == certs["b"].print
        old.sendall(ASK)
        assert status(old.recv(65536)) == 200


def test_a_snapshot_without_certificates_leaves_those_that_are_there(make, certs):
    rig = make("a")
    rig.use()
    rig.simple(rig.origins[0])
    assert rig.shown("a.test") == certs["a"].print


def test_without_a_certificate_clients_wait_and_are_not_turned_away(make):
    rig = make("a")
    rig.say("listen 3 127.0.0.1:0")
    port = int(rig.wait("listening 3").split()[2])
    rig.say("tls 3")
    rig.simple(rig.origins[0])
    rig.start_worker(1)
    s = rig.connect(port)
    end = threading.Timer(0.3, lambda: (rig.say(f"tls 3 {rig.certs['a']}"), rig.simple(rig.origins[0])))
    end.start()
    with client().wrap_socket(s, server_hostname="a.test") as s:
        s.sendall(ASK)
        assert status(s.recv(65536)) == 200
    end.join()


def test_a_reload_under_load_fails_no_request(make, certs):
    rig = make("a", workers=2)
    wrong, done, stop = [], [0], threading.Event()

    def go():
        context = client()
        while not stop.is_set():
            try:
                with rig.dial(context=context) as s:
                    for _ in range(3):
                        s.sendall(ASK)
                        if status(read_until(s, b"}")) != 200:
                            raise AssertionError("no answer")
                        done[0] += 1
            except Exception as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for t in threads:
        t.start()
    for i in range(10):
        rig.use("ab"[i % 2])
        rig.simple(rig.origins[0])
        before = done[0]
        while done[0] < before + 10 and not wrong:
            time.sleep(0.01)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong and done[0] >= 100


# --- handshakes that are none


def test_a_handshake_that_does_not_come_to_its_end_is_cut(make):
    rig = make("a", options="time=300")
    s = rig.connect(rig.secure)
    s.sendall(b"\x16\x03\x01\x02\x00\x01")
    t0 = time.monotonic()
    assert read_all(s) == b""
    assert 0.25 < time.monotonic() - t0 < 5
    silent = rig.connect(rig.secure)
    assert read_all(silent) == b""
    rig.counted("timeout", 2)
    rig.until("worker", "connections", 0)


def test_one_handshake_too_many_ends_the_oldest(make):
    rig = make("a", options="most=3")
    slow = [rig.connect(rig.secure) for _ in range(3)]
    for s in slow:
        s.sendall(b"\x16\x03\x01")
    rig.until("worker", "connections", 3)
    assert status(exchange(rig, ASK)) == 200
    assert read_all(slow[0]) == b""
    rig.counted("crowded")
    slow[1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        slow[1].recv(1)


def exchange(rig, data):
    with rig.dial() as s:
        s.sendall(data)
        return s.recv(65536)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05hello", b"\x00" * 64, b"\x80\x2e\x01\x03\x01" + b"a" * 60,
                                  b"\x16\x03\x01\xff\xff" + b"a" * 1000, b"\x17\x03\x03\x00\x10" + b"a" * 16])
def test_garbage_is_no_handshake(make, data):
    rig = make()
    s = rig.connect(rig.secure)
    s.sendall(data)
    assert not read_all(s).startswith(b"HTTP")
    assert status(exchange(rig, ASK)) == 200
    got = rig.handshakes()
    assert got["done"] == 1 and got["garbage"] + got["protocol"] + got["version"] == 1, got


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PRI"])
def test_http_without_tls_is_told_so(make, method):
    rig = make()
    s = rig.connect(rig.secure)
    s.sendall(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    answer = read_all(s)
    assert status(answer) == 400 and header(answer, "drover-error") == "bad-request"
    assert b"HTTPS" in answer and header(answer, "connection") == "close"
    s.close()
    rig.counted("plain-http")
    assert rig.forwarded() == []
    rig.until("worker", "connections", 0)


def test_a_client_that_goes_in_the_middle_leaves_nothing(make):
    rig = make()
    for n in (0, 1, 30):
        s = rig.connect(rig.secure)
        s.sendall((b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"r" * 40)[:n])
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    rig.counted("closed", 3)
    rig.until("worker", "connections", 0)


# --- requests


def test_the_service_hears_that_it_was_https(make):
    rig = make()
    with rig.dial() as s:
        s.sendall(LAST)
        seen = json.loads(all_of(s).split(b"\r\n\r\n", 1)[1])
    headers = {k.lower(): v for k, v in seen["headers"]}
    assert headers["x-forwarded-proto"] == "https"


def test_requests_in_one_record_and_a_request_in_many(make):
    rig = make()
    with rig.dial() as s:
        s.sendall(b"".join(b"GET /token?t=%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(20)))
        data = b""
        while data.count(b'"name"') < 20:
            data += s.recv(65536)
        at = [data.index(b'"token": "%d"' % i) for i in range(20)]
        assert at == sorted(at)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in ASK:
            s.sendall(bytes([byte]))
        assert status(s.recv(65536)) == 200


@pytest.mark.parametrize("version", [V12, V13])
def test_a_request_right_behind_the_handshake_is_heard(make, version):
    rig = make()
    context = client((version, version))
    if version == V12:  # there the server has the last word, unless it is resumed
        session = session_of(rig, context)
        with rig.dial(context=context, session=session) as s:
            assert s.session_reused
            s.sendall(ASK)
            assert status(s.recv(65536)) == 200
    t = Tls(rig.connect(rig.secure), context=context, first=ASK)
    assert status(t.recv()) == 200


@pytest.mark.parametrize("version", [V12, V13])
def test_a_large_body_goes_up_whole(make, version):
    rig = make()
    body = bytes(range(256)) * 4096 * 24
    with rig.dial(context=client((version, version)), timeout=60) as s:
        s.sendall(b"POST /sink?pause=0.3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
        s.sendall(body)
        seen = json.loads(all_of(s).split(b"\r\n\r\n", 1)[1])
    assert seen == {"n": len(body), "sha": hashlib.sha256(body).hexdigest()}


@pytest.mark.parametrize("version", [V12, V13])
def test_a_large_body_comes_down_whole_to_a_slow_reader(make, version):
    rig = make()
    n = 24 << 20
    with rig.dial(context=client((version, version)), timeout=60) as s:
        s.sendall(b"GET /bytes?n=%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % n)
        time.sleep(0.5)
        assert rig.memory() < 40 * 1024  # what it does not take is not held
        body = all_of(s).split(b"\r\n\r\n", 1)[1]
    assert len(body) == n


def test_chunks_both_ways_at_once(make):
    rig = make()
    with rig.dial() as s:
        s.sendall(b"POST /duplex HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i in range(50):
            part = b"part %d;" % i
            s.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            assert read_until(s, part.upper())
        s.sendall(b"0\r\n\r\n")
        assert read_until(s, b"0\r\n\r\n")


# --- ends


def test_every_end_is_said(make):
    rig = make()
    for request in (LAST, b"GET / HTTP/1.1\r\n\r\n"):
        t = Tls(rig.connect(rig.secure))
        t.send(request)
        assert t.all().startswith(b"HTTP/1.1 ")  # it raises without a close_notify


def test_a_broken_answer_does_not_end_like_a_whole_one(make):
    rig = make()
    t = Tls(rig.connect(rig.secure))
    t.send(b"GET /truncated?framing=length HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        t.all()


def test_a_client_that_said_its_end_still_gets_its_answer(make):
    rig = make()
    t = Tls(rig.connect(rig.secure))
    t.send(b"GET /token?t=x&ms=300 HTTP/1.1\r\nHost: a\r\n\r\n")
    t.say_end()
    t.sock.shutdown(socket.SHUT_WR)
    assert b'"token": "x"' in t.all()


def test_an_end_that_was_not_said_is_a_break(make):
    rig = make()
    t = Tls(rig.connect(rig.secure))
    t.send(b"GET /token?t=x&ms=2000 HTTP/1.1\r\nHost: a\r\n\r\n")
    rig.until("endpoint", "inflight", 1)
    t0 = time.monotonic()
    t.sock.shutdown(socket.SHUT_WR)
    rig.until("endpoint", "inflight", 0)
    assert time.monotonic() - t0 < 1.5
    assert rig.ask("service")["cancelled"] == 1


def test_a_body_without_its_end_is_never_a_whole_one(make):
    rig = make()
    for said in (True, False):
        t = Tls(rig.connect(rig.secure))
        t.send(b"POST /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        rig.until("endpoint", "inflight", 1)
        if said:
            t.say_end()
        t.sock.shutdown(socket.SHUT_WR)
        rig.until("endpoint", "inflight", 0)
    assert rig.ask("service")["ok"] == 0


def test_a_client_that_vanishes_leaves_nothing(make):
    rig = make()
    s = rig.dial()
    s.sendall(b"GET /bytes?n=50000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    s.recv(1000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
    rig.until("worker", "connections", 0)
    rig.until("endpoint", "inflight", 0)


# --- WebSockets


UPGRADE = (b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ACCEPT = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


def test_a_websocket_over_tls_both_ways_and_to_both_ends(make, tmp_path):
    rig = make()
    path = str(tmp_path / "script")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(5)
        listener.settimeout(10)
        rig.publish(f"service web 0\nendpoint s 50 unix:{path}\nroute web /\n")
        t = Tls(rig.connect(rig.secure))
        t.send(UPGRADE + b"early")
        s, _ = listener.accept()
        s.settimeout(10)
        assert read_until(s, b"\r\n\r\n")
        s.sendall(ACCEPT + b"behind")
        assert s.recv(10) == b"early"
        data = t.recv()
        while not data.endswith(b"behind"):
            data += t.recv()
        big = os.urandom(3 << 20)
        sender = threading.Thread(target=s.sendall, args=(big,))
        sender.start()
        got = b""
        while len(got) < len(big):
            got += t.recv()
        sender.join()
        assert got == big
        t.send(b"one")
        assert s.recv(10) == b"one"
        t.say_end()
        assert s.recv(10) == b""
        s.sendall(b"last")
        s.close()
        assert t.all() == b"last"


# --- memory


@pytest.mark.measured
def test_an_idle_connection_holds_little(make, record_property):
    rig = make()
    exchange(rig, ASK)
    before = rig.memory()
    idle = []
    for _ in range(500):
        s = rig.dial()
        s.sendall(ASK)
        assert status(s.recv(65536)) == 200
        idle.append(s)
    each = (rig.memory() - before) / 500
    record_property("KiB of an idle TLS connection", f"{each:.1f}")
    print(f"{each:.1f} KiB each")
    assert each < 24
    for s in idle:
        s.close()


def test_what_tls_holds_counts_as_memory(make):
    rig = make()
    rig.publish(f"limit memory_kib 4096\nservice web 0\nendpoint o1 0 {rig.origins[0].address}\nroute web /\n")
    idle = [rig.dial() for _ in range(400)]
    assert rig.ask("limits")["memory_idle"] > 50
    end = time.monotonic() + 10
    while not 1024 * 1024 < rig.ask("limits")["memory"] < 4096 * 1024:  # told twice a second
        assert time.monotonic() < end
        time.sleep(0.05)
    for s in idle:
        s.close()
    rig.until("worker", "connections", 0)
    rig.until("limits", "memory", 0)
