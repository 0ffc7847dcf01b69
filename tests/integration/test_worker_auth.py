# SPDX-License-Identifier: ISC
"""Who may use a route: passwords, tokens, and services that are asked."""
import base64
import ctypes
import hashlib
import hmac
import json
import os
import socket
import subprocess
import threading
import time

import pytest

from worker_rig import Endpoint, Rig, header, read_all, read_until, status

BASIC, BEARER, FORWARD, PASS = 1, 2, 4, 8
HS256, RS256, ES256 = 1, 2, 4
SECRET = "a secret of thirty-two bytes, ok"


def crypt(password, method):
    """As mkpasswd and htpasswd write it, by libcrypt itself."""
    lib = ctypes.CDLL("libcrypt.so.1")
    lib.crypt.restype = ctypes.c_char_p
    return lib.crypt(password.encode(), method.encode()).decode()


def basic(user, password):
    text = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": "Basic " + text}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, head=None, secret=SECRET, key=None):
    """Signed with the secret, or by openssl with a private key."""
    head = head or {"alg": "HS256", "typ": "JWT"}
    text = b64(json.dumps(head).encode()) + "." + b64(
        json.dumps(claims).encode())
    if key is None:
        mac = hmac.new(secret.encode(), text.encode(), hashlib.sha256)
        return text + "." + b64(mac.digest())
    sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key],
                         input=text.encode(), capture_output=True,
                         check=True).stdout
    if head["alg"] == "ES256":
        sig = raw_ecdsa(sig)
    return text + "." + b64(sig)


def raw_ecdsa(der):
    """SEQUENCE of two INTEGERs -> r and s of 32 bytes each."""
    at, out = 2, b""
    for _ in range(2):
        n = der[at + 1]
        out += int.from_bytes(der[at + 2:at + 2 + n], "big").to_bytes(32, "big")
        at += 2 + n
    return out


def bearer(*args, **kw):
    return {"Authorization": "Bearer " + token(*args, **kw)}


def soon(seconds=600):
    return int(time.time()) + seconds


class Judge(Endpoint):
    """A service that is asked, in a thread: one answer for every question."""

    def __init__(self, rig, name="judge"):
        super().__init__(rig, name)
        self.asked = []
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        self.gate = threading.Event()  # holds answers back while clear
        self.gate.set()
        self.heard = threading.Semaphore(0)
        self.start()

    def serve(self, s):
        with s:
            while True:
                head = read_until(s, b"\r\n\r\n")
                if not head.endswith(b"\r\n\r\n"):
                    return
                self.asked.append(head)
                self.heard.release()
                self.gate.wait(20)
                try:
                    s.sendall(self.answer)
                except OSError:
                    return
                if b"Content-Length" not in self.answer:
                    return

    def says(self, line, *headers, body=b""):
        text = f"HTTP/1.1 {line}\r\n" + "".join(h + "\r\n" for h in headers)
        self.answer = (text + f"Content-Length: {len(body)}\r\n\r\n"
                       ).encode() + body

    def wait(self):
        assert self.heard.acquire(timeout=10)

    def stop(self):
        self.gate.set()
        self.close()


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c in (0, -9) for c in codes.values()), codes


@pytest.fixture
def judge(rig):
    j = Judge(rig)
    yield j
    j.stop()


def write(rig, name, text):
    path = os.path.join(rig.dir, name)
    with open(path, "w") as f:
        f.write(text)
    return path


def guard(rig, auth, judges=(), options=""):
    """The echo service behind that policy; judges are asked."""
    if not rig.origins:
        rig.origin("a")
    o = rig.origins[0]
    text = f"service web 0 {options}\nendpoint {o.name} 0 {o.address}\n"
    for i, j in enumerate(judges):
        text += (f"service {j.name} {i + 1} queue_timeout=500\n"
                 f"endpoint {j.name}.0 {i + 1} {j.address}\n")
    rig.publish(text + "route web /\n" + auth + "\n")


def guard_basic(rig, users, extra=""):
    path = write(rig, "users", "".join(f"{n}:{h}\n" for n, h in users.items()))
    guard(rig, f"auth flags={BASIC} users={path} realm=den {extra}")


def guard_forward(rig, judge, extra="", options=""):
    guard(rig, f"auth flags={FORWARD} service={judge.name} path=/check "
          f"asks=Authorization,Cookie timeout=2000 {extra}", [judge], options)


def guard_secret(rig, extra="", flags=BEARER):
    path = write(rig, "secret", SECRET)
    guard(rig, f"auth flags={flags} algorithms={HS256} secret={path} {extra}")


def names(echo):
    return [k.lower() for k, _ in json.loads(echo)["headers"]]


def said(echo, name):
    return [v for k, v in json.loads(echo)["headers"]
            if k.lower() == name.lower()]


# --- basic -------------------------------------------------------------------

def test_the_right_password_is_let_in_in_every_format(rig):
    guard_basic(rig, {
        "ann": crypt("one", "$6$rounds=1000$salt$"),
        "bob": crypt("two", "$2b$04$abcdefghijklmnopqrstuu"),
        "cat": crypt("thr:ee", "$y$j75$saltsalt")},
        extra="user_header=X-User")
    for user, password in (("ann", "one"), ("bob", "two"), ("cat", "thr:ee")):
        code, _, body = rig.get("/head", headers=basic(user, password))
        assert code == 200
        assert said(body, "X-User") == [user]
        assert "authorization" not in names(body)


def test_what_is_not_right_is_401_and_never_says_which_part(rig):
    guard_basic(rig, {"ann": crypt("one", "$6$rounds=1000$salt$")})
    answers = []
    for headers in ({}, basic("ann", "two"), basic("eve", "one"),
                    basic("ann", ""), basic("", "one"),
                    {"Authorization": "Basic !!!"},
                    {"Authorization": "Basic"},
                    {"Authorization": "Digest x"},
                    {"Authorization": "Basic YW5u"}):  # without a colon
        code, head, body = rig.get("/head", headers=headers)
        assert code == 401
        assert head["www-authenticate"] == 'Basic realm="den", charset="UTF-8"'
        assert head["drover-error"] == "unauthorized"
        body = json.loads(body)
        body.pop("request_id")
        answers.append(body)
    assert all(a == answers[0] for a in answers)
    assert rig.forwarded() == []


def test_two_authorization_headers_are_no_credentials(rig):
    guard_basic(rig, {"ann": crypt("one", "$6$rounds=1000$salt$")})
    line = "Authorization: " + basic("ann", "one")["Authorization"] + "\r\n"
    ask = "GET /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\n"
    assert status(rig.raw(ask.format(line).encode())) == 200
    assert status(rig.raw(ask.format(line * 2).encode())) == 401


def test_a_password_is_hashed_once_and_then_known(rig):
    guard_basic(rig, {"ann": crypt("one", "$6$rounds=1000$salt$")})
    for _ in range(5):
        assert rig.get("/head", headers=basic("ann", "one"))[0] == 200
    for _ in range(5):
        assert rig.get("/head", headers=basic("ann", "two"))[0] == 401
    w = rig.ask("worker")
    assert (w["checked"], w["cached"], w["refused"]) == (2, 4, 5)


def test_the_same_password_at_once_is_hashed_once(rig):
    guard_basic(rig, {"ann": crypt("one", "$2b$10$abcdefghijklmnopqrstuu")})
    auth = "Authorization: " + basic("ann", "one")["Authorization"]
    clients = [rig.connect() for _ in range(8)]
    for c in clients:
        c.sendall(f"GET /token?t=1 HTTP/1.1\r\nHost: a\r\n{auth}\r\n\r\n"
                  .encode())
    for c in clients:
        assert status(read_until(c, b"}")) == 200
        c.close()
    assert rig.ask("worker")["checked"] == 1


def test_a_slow_hash_stalls_nobody_else(rig):
    path = write(rig, "users",
                 "ann:" + crypt("one", "$2b$13$abcdefghijklmnopqrstuu") + "\n")
    o = rig.origin("a")
    rig.publish(f"""service web 0
        endpoint {o.name} 0 {o.address}
        route web /open
        route web /token
        auth flags={BASIC} users={path}""")
    c = rig.connect(timeout=20)
    auth = "Authorization: " + basic("ann", "one")["Authorization"]
    began = time.monotonic()
    c.sendall(f"GET /token HTTP/1.1\r\nHost: a\r\n{auth}\r\n\r\n".encode())
    served = 0
    c.setblocking(False)
    while True:  # as long as the hash takes, others are served
        try:
            if c.recv(1, socket.MSG_PEEK):
                break
        except BlockingIOError:
            pass
        assert rig.get("/open")[0] == 200
        served += 1
    took = time.monotonic() - began
    assert served >= 5, (served, took)
    c.setblocking(True)
    assert status(read_until(c, b"}")) == 200
    c.close()


def test_more_passwords_than_the_queue_holds_are_503(rig):
    guard_basic(rig, {"ann": crypt("one", "$2b$14$abcdefghijklmnopqrstuu")})
    clients = []
    for i in range(80):
        c = rig.connect(timeout=30)
        auth = basic("ann", f"wrong {i}")["Authorization"]
        c.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {auth}\r\n"
                  "Connection: close\r\n\r\n".encode())
        clients.append(c)
    answers = [read_all(c) for c in clients]
    for c in clients:
        c.close()
    shed = [a for a in answers if status(a) == 503]
    words = [header(a, "Drover-Error") for a in shed]
    # 64 wait or are at work (one may be done by then); what waits over 5 s
    # has waited too long.
    assert words.count("queue-full") in (15, 16)
    assert set(words) == {"queue-full", "queue-timeout"}
    assert all(header(a, "Retry-After") for a in shed)
    assert all(status(a) in (401, 503) for a in answers)
    assert rig.ask("worker")["shed"] == len(shed)
    assert rig.forwarded() == []


def test_a_client_that_goes_while_its_password_is_hashed_leaves_nothing(rig):
    guard_basic(rig, {"ann": crypt("one", "$2b$12$abcdefghijklmnopqrstuu")})
    for i in range(4):
        c = rig.connect()
        auth = basic("ann", f"w{i}")["Authorization"]
        c.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {auth}\r\n\r\n"
                  .encode())
        c.close()
    assert rig.get("/head", headers=basic("ann", "one"))[0] == 200


def test_the_thread_is_there_only_while_a_route_wants_passwords(rig):
    def threads():
        return len(os.listdir(f"/proc/{rig.workers[0].pid}/task"))
    rig.simple(rig.origin("a"))
    alone = threads()
    guard_basic(rig, {"ann": crypt("one", "$6$rounds=1000$salt$")})
    assert threads() == alone + 1
    rig.simple(rig.origins[0])
    assert threads() == alone


def test_a_password_that_is_being_hashed_outlives_its_route(rig):
    guard_basic(rig, {"ann": crypt("one", "$2b$12$abcdefghijklmnopqrstuu")})
    c = rig.connect()
    auth = basic("ann", "one")["Authorization"]
    c.sendall("GET /token HTTP/1.1\r\nHost: a\r\n"
              f"Authorization: {auth}\r\n\r\n".encode())
    while rig.ask("worker")["checked"] != 1:
        pass
    rig.simple(rig.origins[0])
    assert status(read_until(c, b"}")) == 200
    c.close()
    assert len(os.listdir(f"/proc/{rig.workers[0].pid}/task")) == 1


def test_the_service_sees_the_credentials_where_it_should(rig):
    guard_secret(rig, flags=BEARER | PASS)
    h = bearer({"exp": soon()})
    assert said(rig.get("/head", headers=h)[2], "Authorization") == [
        h["Authorization"]]


# --- bearer ------------------------------------------------------------------

def test_a_good_token_is_let_in_and_its_claims_are_told(rig):
    guard_secret(rig, extra="claims=sub=X-User,group=X-Group")
    h = bearer({"exp": soon(), "sub": "ann", "group": "a\r\nX-Evil: 1"})
    h |= {"X-User": "root", "x_user": "root", "X-Group": "all",
          "X-GROUP": "all"}
    code, _, body = rig.get("/head", headers=h)
    assert code == 200
    assert said(body, "X-User") == ["ann"]
    for gone in ("x_user", "x-group", "x-evil", "authorization"):
        assert gone not in names(body)
    # And from what was judged before.
    assert said(rig.get("/head", headers=h)[2], "X-User") == ["ann"]
    assert rig.ask("worker")["cached"] == 1


@pytest.mark.parametrize("claims,head,secret", [
    ({"exp": 1000000000}, None, SECRET),
    ({}, None, SECRET),
    ({"exp": 9999999999, "nbf": 9999999990}, None, SECRET),
    ({"exp": 9999999999}, None, "another secret of thirty-two by."),
    ({"exp": 9999999999}, {"alg": "none"}, SECRET),
    ({"exp": 9999999999}, {"alg": "HS256", "crit": ["exp"]}, SECRET),
    ({"exp": 9999999999}, {"alg": "RS256"}, SECRET),
])
def test_a_token_that_is_not_good_is_401_invalid_token(rig, claims, head,
                                                       secret):
    guard_secret(rig)
    code, h, _ = rig.get("/head", headers=bearer(claims, head, secret))
    assert code == 401
    assert h["drover-error"] == "unauthorized"
    assert h["www-authenticate"] == (
        'Bearer realm="drover", error="invalid_token"')
    assert rig.forwarded() == []


def test_no_token_is_401_without_an_error_code(rig):
    guard_secret(rig)
    code, h, _ = rig.get("/head")
    assert (code, h["www-authenticate"]) == (401, 'Bearer realm="drover"')


def test_a_token_that_lacks_a_claim_is_403_insufficient_scope(rig):
    guard_secret(rig, extra="require=scope=write")
    code, h, _ = rig.get(
        "/head", headers=bearer({"exp": soon(), "scope": "read write"}))
    assert code == 200
    code, h, _ = rig.get(
        "/head", headers=bearer({"exp": soon(), "scope": "read"}))
    assert (code, h["drover-error"]) == (403, "unauthorized")
    assert 'error="insufficient_scope"' in h["www-authenticate"]


def test_issuer_and_audience_are_asked_for(rig):
    guard_secret(rig, extra="issuer=me audience=shop")
    good = {"exp": soon(), "iss": "me", "aud": ["shop", "bank"]}
    assert rig.get("/head", headers=bearer(good))[0] == 200
    for k in ("iss", "aud"):
        bad = dict(good, **{k: "else"})
        assert rig.get("/head", headers=bearer(bad))[0] == 401


def test_a_token_is_forgotten_when_it_ends(rig):
    guard_secret(rig)
    h = bearer({"exp": soon(2)})
    assert rig.get("/head", headers=h)[0] == 200
    end = time.monotonic() + 10
    while rig.get("/head", headers=h)[0] == 200:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert rig.get("/head", headers=h)[0] == 401


def test_a_token_in_a_cookie(rig):
    guard_secret(rig, extra="cookie=session")
    good = {"Cookie": "a=b; session=" + token({"exp": soon()})}
    assert rig.get("/head", headers=good)[0] == 200
    assert rig.get("/head", headers={"Cookie": "session=x"})[0] == 401
    # A header is not overruled by a cookie.
    assert rig.get("/head", headers=good | basic("a", "b"))[0] == 401


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True,
                          capture_output=True).stdout


def test_keys_of_a_set_by_their_kid_and_algorithm(rig):
    rsa, ec = (os.path.join(rig.dir, n) for n in ("rsa.pem", "ec.pem"))
    openssl("genrsa", "-out", rsa, "2048")
    openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", ec)
    n = openssl("rsa", "-in", rsa, "-noout", "-modulus").split(b"=")[1].strip()
    point = openssl("ec", "-in", ec, "-pubout", "-outform", "DER")[-64:]
    keys = [{"kty": "RSA", "kid": "r", "n": b64(bytes.fromhex(n.decode())),
             "e": "AQAB"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": b64(point[:32]),
             "y": b64(point[32:])}]
    path = write(rig, "jwks", json.dumps({"keys": keys}))
    guard(rig, f"auth flags={BEARER} algorithms={RS256 | ES256} jwks={path}")
    claims = {"exp": soon()}
    rs = {"alg": "RS256", "kid": "r"}
    es = {"alg": "ES256", "kid": "e"}
    assert rig.get("/head", headers=bearer(claims, rs, key=rsa))[0] == 200
    assert rig.get("/head", headers=bearer(claims, es, key=ec))[0] == 200
    for head, key in (({"alg": "RS256", "kid": "e"}, rsa),
                      ({"alg": "ES256", "kid": "r"}, ec),
                      ({"alg": "ES256", "kid": "x"}, ec)):
        assert rig.get("/head", headers=bearer(claims, head, key=key))[0] == 401
    # The public key as the secret of an HMAC: the classic confusion.
    pem = openssl("rsa", "-in", rsa, "-pubout").decode()
    assert rig.get("/head", headers=bearer(
        claims, {"alg": "HS256", "kid": "r"}, secret=pem))[0] == 401


def test_basic_or_bearer(rig):
    secret = write(rig, "secret", SECRET)
    users = write(rig, "users", "ann:" + crypt("one", "$6$rounds=1000$s$"))
    guard(rig, f"auth flags={BASIC | BEARER} algorithms={HS256} "
          f"secret={secret} users={users}")
    assert rig.get("/head", headers=basic("ann", "one"))[0] == 200
    assert rig.get("/head", headers=bearer({"exp": soon()}))[0] == 200
    answer = rig.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.lower().count(b"www-authenticate: ") == 2


def test_keys_that_cannot_be_used_let_nobody_in(rig):
    empty = write(rig, "empty", "")
    guard(rig, f"auth flags={BASIC} users={empty}")
    code, h, _ = rig.get("/head", headers=basic("ann", "one"))
    assert (code, h["drover-error"]) == (503, "unauthorized")
    guard(rig, f"auth flags={BEARER} algorithms={HS256} secret={empty}")
    assert rig.get("/head", headers=bearer({"exp": soon()}))[0] == 503
    assert rig.forwarded() == []


# --- forward -----------------------------------------------------------------

def test_a_service_is_asked_and_says_yes(rig, judge):
    guard_forward(rig, judge, "answers=X-User,X-Roles")
    judge.says("200 OK", "X-User: ann", "X-Other: no", body=b"ignored")
    h = {"Authorization": "Bearer abc", "Cookie": "a=b", "X-Roles": "admin",
         "x_roles": "admin", "X_User": "root", "X-Mine": "1"}
    code, _, body = rig.get("/head?a=%2F", "POST", b"data", h)
    assert code == 200
    assert json.loads(body)["body"] == "data"
    assert said(body, "X-User") == ["ann"]
    for gone in ("x-roles", "x_roles", "x_user", "x-other"):
        assert gone not in names(body)
    ask = judge.asked[0]
    assert ask.startswith(b"GET /check HTTP/1.1\r\n")
    for line in (b"X-Forwarded-Method: POST", b"X-Forwarded-Uri: /head?a=%2F",
                 b"Authorization: Bearer abc", b"Cookie: a=b",
                 b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: http",
                 b"X-Forwarded-Host: 127.0.0.1:%d" % rig.port):
        assert line + b"\r\n" in ask
    assert b"X-Mine" not in ask and b"Content-Length" not in ask
    assert header(ask, "X-Request-Id") == said(body, "X-Request-Id")[0]


def test_many_are_asked_on_few_connections(rig, judge):
    guard_forward(rig, judge)
    for _ in range(20):
        assert rig.get("/head")[0] == 200
    assert len(judge.asked) == 20
    e = rig.ask("endpoint", 1)
    assert (e["connects"], e["inflight"], e["requests"]) == (1, 0, 20)


@pytest.mark.parametrize("line,headers", [
    ("401 Unauthorized", {"WWW-Authenticate": 'Custom realm="x"'}),
    ("403 Forbidden", {"Set-Cookie": "a=b"}),
    ("302 Found", {"Location": "/login", "Set-Cookie": "back=/head"}),
    ("307 Temporary Redirect", {"Location": "https://sso.example/"}),
])
def test_a_no_goes_to_the_client_with_its_headers(rig, judge, line, headers):
    guard_forward(rig, judge)
    judge.says(line, *(f"{k}: {v}" for k, v in headers.items()), "X-In: side",
               body=b"inside")
    code, h, body = rig.get("/head")
    assert code == int(line[:3])
    for k, v in headers.items():
        assert h[k.lower()] == v
    assert "x-in" not in h and "drover-error" not in h and body == b""
    assert h["cache-control"] == "no-store"
    assert rig.forwarded() == []


@pytest.mark.parametrize("answer,code,word", [
    (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 502,
     "bad-response"),
    (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 502, "bad-response"),
    (b"HTTP/1.1 503 X\r\nDrover-Error: timeout\r\nContent-Length: 0\r\n\r\n",
     502, "bad-response"),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n", 502,
     "bad-response"),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
     b"Upgrade: websocket\r\n\r\n", 502, "bad-response"),
    (b"nonsense\r\n\r\n", 502, "bad-response"),
    (b"", 502, "reset"),
])
def test_anything_else_fails_closed(rig, judge, answer, code, word):
    guard_forward(rig, judge)
    judge.answer = answer
    got, h, body = rig.get("/head")
    assert (got, h["drover-error"]) == (code, word)
    assert json.loads(body)["status"] == code
    assert rig.forwarded() == []


def test_silence_fails_closed_within_the_timeout(rig, judge):
    guard_forward(rig, judge, "timeout=200")
    judge.gate.clear()
    began = time.monotonic()
    code, h, _ = rig.get("/head")
    assert (code, h["drover-error"]) == (504, "timeout")
    assert 0.15 <= time.monotonic() - began < 2
    assert rig.ask("endpoint", 1)["inflight"] == 0
    assert rig.forwarded() == []


def test_nobody_to_ask_fails_closed(rig, judge):
    guard_forward(rig, judge)
    judge.stop()
    code, h, _ = rig.get("/head")
    assert (code, h["drover-error"]) in (
        (502, "connect"), (503, "no-endpoint"), (503, "queue-timeout"))
    o = rig.origins[0]
    rig.publish(f"""service web 0
        endpoint a 0 {o.address}
        service none 7
        route web /
        auth flags={FORWARD} service=none path=/ timeout=500""")
    code, h, _ = rig.get("/head")
    assert (code, h["drover-error"]) == (503, "no-endpoint")
    assert rig.forwarded() == []


def test_the_body_is_not_asked_for_before_the_verdict(rig, judge):
    guard_forward(rig, judge)
    judge.gate.clear()
    c = rig.connect()
    c.sendall(b"POST /head HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
              b"Expect: 100-continue\r\n\r\n")
    judge.wait()
    c.settimeout(0.2)
    with pytest.raises(socket.timeout):
        c.recv(1)
    c.settimeout(10)
    judge.gate.set()
    assert status(read_until(c, b"\r\n\r\n")) == 100
    c.sendall(b"data")
    assert b'"body": "data"' in read_until(c, b"}")
    c.close()


def test_a_refused_client_is_not_told_to_go_on(rig, judge):
    guard_forward(rig, judge)
    judge.says("403 Forbidden")
    answer = rig.raw(b"POST /head HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
                     b"Expect: 100-continue\r\n\r\n")
    assert status(answer) == 403
    assert header(answer, "Connection") == "close"


def test_a_large_body_waits_at_the_client(rig, judge):
    guard_forward(rig, judge)
    judge.gate.clear()
    before = rig.memory()
    c = rig.connect()
    c.sendall(b"POST /sink HTTP/1.1\r\nHost: a\r\n"
              b"Content-Length: 33554432\r\n\r\n")
    judge.wait()
    c.setblocking(False)
    sent, quiet = 0, time.monotonic() + 0.5
    while time.monotonic() < quiet and sent < 33554432:
        try:
            n = c.send(b"x" * min(65536, 33554432 - sent))
            sent, quiet = sent + n, time.monotonic() + 0.5
        except BlockingIOError:
            time.sleep(0.01)
    assert sent < 33554432
    assert rig.memory() - before < 2048
    c.setblocking(True)
    judge.gate.set()
    while sent < 33554432:
        n = c.send(b"x" * min(65536, 33554432 - sent))
        sent += n
    assert b'"n": 33554432' in read_until(c, b"}")
    c.close()


def test_a_client_that_goes_takes_its_question_along(rig, judge):
    guard_forward(rig, judge)
    judge.gate.clear()
    c = rig.connect()
    c.sendall(b"GET /head HTTP/1.1\r\nHost: a\r\n\r\n")
    judge.wait()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 b"\1\0\0\0\0\0\0\0")
    c.close()
    end = time.monotonic() + 10
    while rig.ask("endpoint", 1)["inflight"] > 0:
        assert time.monotonic() < end
    judge.gate.set()
    assert rig.get("/head")[0] == 200
    assert len(rig.forwarded()) == 1


def test_questions_keep_to_the_limits_of_their_service(rig, judge):
    judge.gate.clear()
    o = rig.origin("a")
    rig.publish(f"""service web 0
        endpoint a 0 {o.address}
        service judge 1 concurrency=1 queue=1 queue_timeout=10000
        endpoint judge.0 1 {judge.address}
        route web /
        auth flags={FORWARD} service=judge path=/ timeout=10000""")
    clients = [rig.connect() for _ in range(2)]
    for c in clients:
        c.sendall(b"GET /token HTTP/1.1\r\nHost: a\r\n\r\n")
    judge.wait()
    while rig.ask("service", 1)["queued"] != 1:
        pass
    code, h, _ = rig.get("/head")
    assert (code, h["drover-error"]) == (503, "queue-full")
    assert len(judge.asked) == 1
    judge.gate.set()
    for c in clients:
        assert status(read_until(c, b"}")) == 200
        c.close()


def test_the_timeout_of_a_question_includes_its_queue(rig, judge):
    judge.gate.clear()
    o = rig.origin("a")
    rig.publish(f"""service web 0
        endpoint a 0 {o.address}
        service judge 1 concurrency=1 queue=9 queue_timeout=10000
        endpoint judge.0 1 {judge.address}
        route web /slow
        auth flags={FORWARD} service=judge path=/ timeout=10000
        route web /
        auth flags={FORWARD} service=judge path=/ timeout=200""")
    c = rig.connect()
    c.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    judge.wait()
    began = time.monotonic()
    code, h, _ = rig.get("/head")
    assert (code, h["drover-error"]) == (504, "timeout")
    assert 0.15 <= time.monotonic() - began < 5
    assert rig.ask("service", 1)["queued"] == 0
    c.close()


def test_a_password_and_a_service_must_both_say_yes(rig, judge):
    users = write(rig, "users", "ann:" + crypt("one", "$6$rounds=1000$s$"))
    guard(rig, f"auth flags={BASIC | FORWARD} users={users} service=judge "
          "path=/ asks=Authorization user_header=X-User answers=X-Role "
          "timeout=2000", [judge])
    judge.says("204 No Content", "X-Role: chief")
    judge.answer = b"HTTP/1.1 204 No Content\r\nX-Role: chief\r\n\r\n"
    for _ in range(2):  # the second from what was judged before
        code, _, body = rig.get("/head", headers=basic("ann", "one"))
        assert code == 200
        assert said(body, "X-User") == ["ann"]
        assert said(body, "X-Role") == ["chief"]
    n = len(judge.asked)
    assert rig.get("/head", headers=basic("ann", "two"))[0] == 401
    assert len(judge.asked) == n
    judge.says("403 Forbidden")
    assert rig.get("/head", headers=basic("ann", "one"))[0] == 403


def test_a_snapshot_in_between_changes_nothing_for_those_who_wait(rig, judge):
    guard_forward(rig, judge)
    judge.gate.clear()
    c = rig.connect()
    c.sendall(b"GET /token HTTP/1.1\r\nHost: a\r\n\r\n")
    judge.wait()
    rig.simple(rig.origins[0])
    judge.gate.set()
    assert status(read_until(c, b"}")) == 200
    c.close()


def test_a_service_that_calls_is_not_asked_and_speaks_for_nobody(rig):
    o = rig.origin("a")
    users = write(rig, "users", "ann:" + crypt("one", "$6$rounds=1000$s$"))
    port = rig.listen(2, internal=True)
    # A worker gets its listeners when it says hello.
    rig.workers[0].terminate()
    rig.workers[0].wait(10)
    rig.start_worker(0)
    rig.publish(f"""service web 0
        endpoint a 0 {o.address}
        service app 1 token=t0ken calls=web
        route web /
        auth flags={BASIC} users={users} user_header=X-User""")
    h = basic("t0ken", "") | {"X-User": "ann"}
    code, _, body = rig.get("/head", headers=h, port=port)
    assert code == 200
    assert said(body, "Drover-Caller") == ["app"]
    assert "x-user" not in names(body)
    assert rig.get("/head", headers=basic("ann", "one"))[0] == 200
