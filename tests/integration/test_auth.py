# SPDX-License-Identifier: ISC
"""Who may use a route, from the configuration to the service."""
import re
import sys
import time

from drover import herdling, wait_for
from test_worker_auth import basic, bearer, crypt, soon

# Lets in whoever brings the cookie, and says who that is.
ACCOUNTS = """
import http.server, sys

class Accounts(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        known = "session=open" in self.headers.get("Cookie", "")
        asked = self.path == "/check" and "X-Forwarded-Uri" in self.headers
        if self.path != "/ready":
            self.send_response(200 if known and asked else 302)
        else:
            self.send_response(200)
        self.send_header("Location" if not known else "X-Account", "/login")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(
    ("127.0.0.1", int(sys.argv[1])), Accounts).serve_forever()
"""


def guarded(auth):
    return herdling(route=[{"path": "/a/", "strip": True, "auth": auth}])


def test_a_route_asks_for_a_password_and_a_reload_brings_new_ones(herd, tmp_path):
    users = tmp_path / "users"
    users.write_text("ann:" + crypt("one", "$2b$04$abcdefghijklmnopqrstuu") + "\n")
    d = herd({"a": guarded({"basic": {"users": str(users), "realm": "den"}})})
    d.ready("a")
    answer = d.get("/a/")
    assert answer.status == 401
    assert 'realm="den"' in answer.headers["WWW-Authenticate"]
    assert d.get("/a/", headers=basic("ann", "one")).status == 200
    # The file alone changes nothing; a reload does, and keeps the processes.
    pids = d.pids("a")
    users.write_text("bob:" + crypt("two", "$2b$04$abcdefghijklmnopqrstuu") + "\n")
    assert d.get("/a/", headers=basic("ann", "one")).status == 200
    assert d.get("/a/", headers=basic("bob", "two")).status == 401
    assert d.cli("reload", "--wait").returncode == 0
    end = time.monotonic() + 10
    while d.get("/a/", headers=basic("bob", "two")).status != 200:
        assert time.monotonic() < end
    while d.get("/a/", headers=basic("ann", "one")).status != 401:
        assert time.monotonic() < end
    assert d.pids("a") == pids
    # A file that is broken now is refused, and what was in force stays.
    users.write_text("bob:two\n")
    for p in (d.check(), d.cli("reload")):
        assert p.returncode == 1
        assert "route[0].auth.basic.users" in p.stderr + p.stdout
        assert "line 1" in p.stderr + p.stdout
    assert d.get("/a/", headers=basic("bob", "two")).status == 200
    assert 'drover_auth_total{what="refused"}' in d.api("GET", "/metrics").body.decode()


def metric(d, name):
    found = re.search(rf"^{re.escape(name)} (\d+)$", d.api("GET", "/metrics").body.decode(), re.M)
    return int(found.group(1))


def test_the_ceilings_come_from_the_configuration_and_a_reload_changes_them(herd, tmp_path):
    users = tmp_path / "users"
    users.write_text("".join(f"{n}:{crypt(n, '$2b$04$abcdefghijklmnopqrstuu')}\n" for n in "ab"))
    d = herd({"a": guarded({"basic": {"users": str(users)}})}, workers=1,
             limits={"auth_verdicts": 1, "auth_refusals": 1, "auth_keep": "1h", "auth_queue": 1, "auth_timeout": "9s"})
    d.ready("a")

    def come(names):
        return [d.get("/a/", headers=basic(n, n)).status for n in names]

    pushed = 'drover_limit_hits_total{limit="auth_verdicts"}'
    refused = 'drover_limit_hits_total{limit="auth_refusals"}'
    assert come("aba") == [200] * 3
    assert come("xyx") == [401] * 3
    assert (metric(d, pushed), metric(d, refused)) == (2, 2)
    wait_for(lambda: metric(d, "drover_auth_verdicts") == 2)
    d.write_top(limits={"auth_verdicts": 2, "auth_refusals": 2})
    assert d.cli("reload", "--wait").returncode == 0
    wait_for(lambda: come("abxy") and metric(d, "drover_auth_verdicts") == 4)
    before = metric(d, pushed), metric(d, refused)
    assert come("abab") == [200] * 4 and come("xyxy") == [401] * 4
    assert (metric(d, pushed), metric(d, refused)) == before
    assert metric(d, 'drover_auth_total{what="unanswered"}') == 0


def test_after_a_kill_of_control_the_keys_are_there_or_nobody_is_let_in(herd, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("a secret of thirty-two bytes, ok\n")
    d = herd({"a": guarded({"bearer": {
        "algorithms": ["HS256"], "secret_file": str(secret)}})})
    d.ready("a")
    h = bearer({"exp": soon()})
    assert d.get("/a/", headers=h).status == 200
    assert d.get("/a/").status == 401
    d.kill_control()
    assert d.get("/a/", headers=h).status == 200
    secret.unlink()
    d.start()
    end = time.monotonic() + 10
    while (answer := d.get("/a/", headers=h)).status == 200:
        assert time.monotonic() < end
    assert answer.status == 503
    assert answer.headers["Drover-Error"] == "unauthorized"


def test_a_service_is_asked_who_may_use_another(herd, tmp_path):
    script = tmp_path / "accounts.py"
    script.write_text(ACCOUNTS)
    d = herd({
        "a": guarded({"forward": {
            "service": "accounts", "path": "/check",
            "response_headers": ["X-Account"], "timeout": "5s"}}),
        "accounts": {
            "command": [sys.executable, str(script), "${PORT}"],
            "listen": "port", "route": [],
            "readiness": {"path": "/ready", "interval": "200ms", "timeout": "2s"},
            "stop": {"timeout": "5s"},
        },
    })
    d.ready("a", "accounts")
    answer = d.get("/a/")
    assert answer.status == 302
    assert answer.headers["Location"] == "/login"
    answer = d.get("/a/", headers={"Cookie": "session=open"})
    assert answer.status == 200
    assert d.cli("stop", "accounts", "--wait").returncode == 0
    answer = d.get("/a/", headers={"Cookie": "session=open"})
    assert answer.status in (502, 503)
