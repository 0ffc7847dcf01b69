# SPDX-License-Identifier: ISC
"""What a route does with a request besides leading it to a service."""
import json
import os
import threading
import time
from urllib.parse import quote

import pytest

from worker_rig import STRIP, Rig, header, read_all, read_until, status

CREDENTIALS, HTTPS = 32, 16
GET, POST, PUT = 1, 4, 8


@pytest.fixture
def rig(tmp_path):
    r = Rig(tmp_path)
    yield r
    codes = r.close()
    assert all(c == 0 for c in codes.values()), codes


def lines(**headers):
    """Header lines, as a route of the stand-in for control wants them."""
    return quote("".join(f"{k.replace('_', '-')}: {v}\n"
                         for k, v in headers.items()), safe=":")


def rules(rig, path="/", origin=None, extra="", trust="", **keys):
    """One service with one route that has these rules."""
    o = origin or (rig.origins[0] if rig.origins else rig.origin("web.0"))
    words = " ".join(f"{k}={v}" for k, v in keys.items())
    rig.publish(f"""{trust}
        service web 0
        endpoint {o.name} 0 {o.address}
        route web {path} {words}
        {extra}""")


def ask(rig, *lines_, target="/head", method="GET", body=b""):
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a.org",
                        *lines_]) + "\r\n\r\n"
    s = rig.connect()
    try:
        s.sendall(head.encode() + body)
        data = read_until(s, b"\r\n\r\n")
        n = int(header(data, "Content-Length") or 0)
        while method != "HEAD" and len(data.split(b"\r\n\r\n", 1)[1]) < n:
            data += s.recv(65536)
        return data
    finally:
        s.close()


def seen(data):
    """The headers that the service got, in their order."""
    return json.loads(data.split(b"\r\n\r\n", 1)[1])["headers"]


def values(pairs, name):
    return [v for k, v in pairs if k.lower() == name.lower()]


def answer_values(data, name):
    head = data.split(b"\r\n\r\n", 1)[0].decode().split("\r\n")[1:]
    return values([tuple(x.split(": ", 1)) for x in head], name)


# --- headers ------------------------------------------------------------------

def test_a_request_header_is_set_in_the_place_of_all_of_its_name(rig):
    rules(rig, request_set=lines(X_Team="ours", Accept="text/plain"))
    got = seen(ask(rig, "X-Team: 1", "x-TEAM: 2", "X_Team: 3", "x_team: 4",
                   "Accept: */*", "ACCEPT: x", "X-Other: stays"))
    assert values(got, "x-team") == ["ours"]
    assert values(got, "x_team") == []
    assert values(got, "accept") == ["text/plain"]
    assert values(got, "x-other") == ["stays"]


def test_a_request_header_is_removed_in_every_spelling(rig):
    rules(rig, request_remove="x-secret%20cookie%20user-agent")
    got = seen(ask(rig, "X-Secret: 1", "x_secret: 2", "X_SECRET: 3",
                   "Cookie: a=1", "X-Secrets: 4", "User-Agent: 5",
                   "user_AGENT: 6"))
    assert values(got, "user-agent") == values(got, "user_agent") == []
    assert values(got, "x-secret") == values(got, "x_secret") == []
    assert values(got, "cookie") == []
    assert values(got, "x-secrets") == ["4"]


def test_a_set_header_stays_whatever_connection_names(rig):
    rules(rig, request_set=lines(X_Team="ours"))
    got = seen(ask(rig, "Connection: X-Team", "X-Team: 1"))
    assert values(got, "x-team") == ["ours"]


def test_response_headers_are_set_and_removed(rig):
    rules(rig, response_set=lines(X_Kept="ours", X_Frame_Options="DENY"),
          response_remove="keep-alive%20content-type")
    data = ask(rig)
    assert status(data) == 200
    assert answer_values(data, "x-kept") == ["ours"]
    assert answer_values(data, "x-frame-options") == ["DENY"]
    assert len(answer_values(data, "x-request-id")) == 1


def test_a_removed_response_header_is_not_in_early_hints_either(rig):
    rules(rig, response_remove="link")
    s = rig.connect()
    s.sendall(b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\n")
    data = read_until(s, b"done")
    s.close()
    assert data.startswith(b"HTTP/1.1 103") and b"Link" not in data


def test_rules_go_with_the_exchange_when_its_table_goes(rig):
    rules(rig, response_set=lines(X_Rule="old"))
    s = rig.connect()
    s.sendall(b"GET /token?t=1&ms=300 HTTP/1.1\r\nHost: a\r\n\r\n")
    while rig.ask("endpoint")["inflight"] == 0:
        time.sleep(0.01)
    rules(rig, response_set=lines(X_Rule="new"))
    data = read_until(s, b"}")
    s.close()
    assert answer_values(data, "x-rule") == ["old"]
    assert answer_values(ask(rig), "x-rule") == ["new"]


def test_other_routes_are_left_alone(rig):
    rules(rig, path="/ruled", request_set=lines(X_A="1"),
          response_set=lines(X_B="2"), cors_origins="*", rate_count=5,
          rate_period_s=1, rate_burst=5, extra="route web /")
    data = ask(rig, "X-A: mine", "Origin: https://a.org")
    assert values(seen(data), "x-a") == ["mine"]
    for name in ("x-b", "ratelimit", "vary", "access-control-allow-origin"):
        assert answer_values(data, name) == []


# --- redirect -----------------------------------------------------------------

@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_needs_no_service_behind_it(rig, code):
    rig.publish(f"""service web 0
        route web / redirect=https://${{host}}/new${{path}}${{query}} """
                f"redirect_status={code}")
    data = ask(rig, target="/a%2Fb//c;d?x=%0d%0aX:1&y=?/%c3")
    assert status(data) == code
    assert header(data, "Location") == (
        "https://a.org/new/a%2Fb//c;d?x=%0d%0aX:1&y=?/%c3")
    assert header(data, "Content-Length") == "0"
    assert header(data, "X-Request-Id") and b"\r\nX:1" not in data
    assert rig.ask("service")["requests"] == 1


def test_placeholders_take_what_came_and_no_more(rig):
    rig.publish("service web 0\n"
                "route web / redirect=/x${query}&h=${host} "
                "redirect_status=302")
    assert header(ask(rig, target="/p"), "Location") == "/x&h=a.org"
    assert header(ask(rig, target="/p?"), "Location") == "/x?&h=a.org"
    assert header(ask(rig, target="http://B.org:81/p?q"),
                  "Location") == "/x?q&h=B.org"


@pytest.mark.parametrize("target", [
    b"/a\rX: 1", b"/a\nX: 1", b"/a\x00", b"/a b", b"/a\tb", b"/a?\x0d\x0aX: 1",
    b"/a?b\x7f"])
def test_no_target_splits_the_answer(rig, target):
    rig.publish("service web 0\nroute web / redirect=https://${host}${path}"
                "${query} redirect_status=302")
    data = rig.raw(b"GET " + target + b" HTTP/1.1\r\nHost: a.org\r\n\r\n")
    assert status(data) == 400 and b"\r\nX: 1" not in data


@pytest.mark.parametrize("host", [b"a.org\rX", b"a.org/x", b"a.org x",
                                  b"u@a.org"])
def test_no_host_splits_the_answer_or_leads_astray(rig, host):
    rig.publish("service web 0\nroute web / redirect=https://${host}${path} "
                "redirect_status=302")
    data = rig.raw(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert status(data) == 400


def test_a_redirect_without_a_host_to_lead_on_from_is_refused(rig):
    rig.publish("service web 0\nroute web / redirect=https://${host}${path} "
                "redirect_status=302")
    assert status(rig.raw(b"GET //evil.org/ HTTP/1.0\r\n\r\n")) == 400


def test_a_redirect_target_that_grows_too_long_is_414(rig):
    rig.publish("service web 0\nroute web / redirect=/x"
                + "${path}" * 20 + " redirect_status=302")
    data = ask(rig, target="/" + "a" * 8000)
    assert status(data) == 414
    assert header(data, "Drover-Error") == "uri-too-long"


def test_the_body_of_a_redirected_request_does_not_become_a_request(rig):
    rig.publish("service web 0\nroute web / redirect=/x redirect_status=307")
    inner = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
    data = rig.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                   % len(inner) + inner)
    assert data.count(b"HTTP/1.1 ") == 1 and status(data) == 307
    assert header(data, "Connection") == "close"
    data = rig.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                   b"Expect: 100-continue\r\n\r\n", timeout=2)
    assert status(data) == 307 and b"100 Continue" not in data


def test_redirects_keep_the_connection_and_their_place_in_a_pipeline(rig):
    rig.publish("service web 0\nroute web / redirect=/x${path} "
                "redirect_status=302")
    s = rig.connect()
    s.sendall(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
              b"HEAD /2 HTTP/1.1\r\nHost: a\r\n\r\n"
              b"GET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    data = read_all(s).decode()
    s.close()
    assert [x.split("\r\n")[0] for x in data.split("Location: ")[1:]] == [
        "/x/1", "/x/2", "/x/3"]
    assert rig.ask("worker")["accepted"] == 1


def test_https_leads_only_what_came_without_it(rig):
    rules(rig, trust="trust ::ffff:127.0.0.1/128", flags=HTTPS,
          redirect="https://${host}${path}${query}", redirect_status=308)
    data = ask(rig, target="/head?a")
    assert (status(data), header(data, "Location")) == (
        308, "https://a.org/head?a")
    assert status(ask(rig, "X-Forwarded-Proto: https")) == 200
    rules(rig, flags=HTTPS, redirect="https://${host}${path}${query}",
          redirect_status=308)
    assert status(ask(rig, "X-Forwarded-Proto: https")) == 308


# --- rate limit ---------------------------------------------------------------

def limited(rig, burst=3, count=1, period=3600, **keys):
    rules(rig, rate_count=count, rate_period_s=period, rate_burst=burst,
          **keys)


def test_over_the_limit_is_429_with_the_standard_fields(rig):
    limited(rig)
    for left in (2, 1, 0):
        data = ask(rig)
        assert status(data) == 200
        assert header(data, "RateLimit-Policy") == '"default";q=3;w=10800'
        used = (3 - left) * 3600
        r, t = header(data, "RateLimit").split(";t=")
        assert r == f'"default";r={left}' and used - 5 <= int(t) <= used
    data = ask(rig)
    assert status(data) == 429
    assert header(data, "Drover-Error") == "rate-limited"
    assert 3590 <= int(header(data, "Retry-After")) <= 3600
    assert header(data, "RateLimit").startswith('"default";r=0;t=')
    assert json.loads(data.split(b"\r\n\r\n")[1])["status"] == 429
    assert len(rig.forwarded()) == 3
    assert rig.ask("service")["4xx"] == 1


def test_tokens_come_back_at_the_rate(rig):
    limited(rig, burst=1, count=10, period=1)
    codes = set()
    end = time.monotonic() + 1
    ok = 0
    while time.monotonic() < end:
        code = status(ask(rig))
        ok += code == 200
        codes.add(code)
    assert codes == {200, 429} and 2 <= ok <= 12


def test_a_services_own_rate_fields_do_not_mix_with_ours(rig):
    limited(rig, response_set=lines(X_A="1"))
    data = ask(rig, target="/cors")
    assert len(answer_values(data, "ratelimit")) == 1
    assert len(answer_values(data, "ratelimit-policy")) == 1


def test_a_header_is_the_key_and_the_address_where_it_is_missing(rig):
    limited(rig, burst=1, rate_header="X-Api-Key")
    assert [status(ask(rig, f"X-Api-Key: {k}")) for k in "aabbc"] == [
        200, 429, 200, 429, 200]
    assert [status(ask(rig)) for _ in range(2)] == [200, 429]
    limited(rig, burst=1, rate_header="x-odd", path="/head")
    assert [status(ask(rig, f"X-ODD: {k}")) for k in "aab"] == [200, 429, 200]


def test_a_trusted_proxy_s_clients_are_told_apart_and_v6_by_their_64(rig):
    limited(rig, burst=1, trust="trust ::ffff:127.0.0.0/104")

    def code(said):
        return status(ask(rig, f"X-Forwarded-For: {said}"))

    assert [code("9.9.9.9, 192.0.2.1"), code("8.8.8.8, 192.0.2.1")] == [
        200, 429]
    assert code("192.0.2.1, 192.0.2.2, 127.0.0.9") == 200
    assert code("192.0.2.2") == 429
    assert code("2001:db8:1:2::1") == 200
    assert code("2001:db8:1:2:ffff::9") == 429
    assert code("2001:db8:1:3::1") == 200
    assert [code("garbage"), code("more garbage")] == [200, 429]


def test_what_a_stranger_says_is_no_key(rig):
    limited(rig, burst=1)
    assert status(ask(rig, "X-Forwarded-For: 192.0.2.1")) == 200
    assert status(ask(rig, "X-Forwarded-For: 192.0.2.2")) == 429


def test_the_limit_outlives_a_reload_and_is_the_route_s_own(rig):
    limited(rig, burst=1, extra="route web /b rate_count=1 rate_period_s=3600 "
            "rate_burst=1")
    assert [status(ask(rig)), status(ask(rig))] == [200, 429]
    limited(rig, burst=1, extra="route web /b rate_count=1 rate_period_s=3600 "
            "rate_burst=1")
    assert status(ask(rig)) == 429
    assert status(ask(rig, target="/b")) == 200


def test_the_limit_holds_across_workers(tmp_path):
    rig = Rig(tmp_path, workers=2)
    limited(rig, burst=200)
    codes = []

    def hammer():
        for _ in range(75):
            codes.append(status(ask(rig)))

    ask(rig)
    threads = [threading.Thread(target=hammer) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    both = [rig.ask("worker", i)["accepted"] for i in (0, 1)]
    rig.close()
    assert all(n > 0 for n in both), both
    assert codes.count(200) == 199 and codes.count(429) == 101


@pytest.mark.measured
def test_many_keys_cost_no_memory_and_lost_buckets_are_counted(rig):
    limited(rig, burst=1, rate_header="x-key", path="/")
    one = b"GET /none HTTP/1.1\r\nHost: a\r\nX-Key: %d\r\n\r\n"
    rig.publish("service web 0\nroute web / redirect=/x redirect_status=302 "
                "rate_count=1 rate_period_s=3600 rate_burst=1 "
                "rate_header=x-key")
    before = rig.memory()
    s = rig.connect(timeout=30)
    for start in range(0, 100000, 100):
        s.sendall(b"".join(one % i for i in range(start, start + 100)))
        n = 0
        while n < 100:
            part = s.recv(1 << 20)
            assert part
            n += part.count(b"X-Request-Id")
    s.close()
    assert rig.ask("worker")["lost"] > 30000
    assert rig.memory() - before < 1024


# --- cors ---------------------------------------------------------------------

def cors(rig, **keys):
    keys = {"cors_origins": "https://a.org%20https://b.org:8443",
            "cors_methods": GET | PUT, "cors_headers": "X-A,%20X-B",
            "cors_expose": "X-Kept", "cors_max_age_s": 600, **keys}
    rules(rig, **keys)


def preflight(rig, origin="https://a.org", method="PUT", *more, target="/head"):
    return ask(rig, f"Origin: {origin}",
               f"Access-Control-Request-Method: {method}", *more,
               method="OPTIONS", target=target)


def test_a_preflight_is_answered_here(rig):
    cors(rig, flags=CREDENTIALS)
    data = preflight(rig)
    assert status(data) == 204
    assert {k: answer_values(data, k) for k in (
        "access-control-allow-origin", "access-control-allow-credentials",
        "access-control-allow-methods", "access-control-allow-headers",
        "access-control-max-age", "vary", "content-length")} == {
            "access-control-allow-origin": ["https://a.org"],
            "access-control-allow-credentials": ["true"],
            "access-control-allow-methods": ["GET, PUT"],
            "access-control-allow-headers": ["X-A, X-B"],
            "access-control-max-age": ["600"], "vary": ["Origin"],
            "content-length": []}
    assert rig.forwarded() == []


def test_a_strange_origin_gets_no_leave(rig):
    cors(rig)
    for origin in ("https://evil.org", "https://a.org.evil.org", "null",
                   "http://a.org", "https://A.org", "https://a.org:443"):
        data = preflight(rig, origin)
        assert status(data) == 204
        assert b"Access-Control" not in data
        assert header(data, "Vary") == "Origin"
        data = ask(rig, f"Origin: {origin}")
        assert status(data) == 200 and b"Access-Control" not in data
        assert header(data, "Vary") == "Origin"


def test_an_answer_carries_what_the_route_says(rig):
    cors(rig, flags=CREDENTIALS)
    data = ask(rig, "Origin: https://b.org:8443")
    assert answer_values(data, "access-control-allow-origin") == [
        "https://b.org:8443"]
    assert answer_values(data, "access-control-allow-credentials") == ["true"]
    assert answer_values(data, "access-control-expose-headers") == ["X-Kept"]
    assert "Origin" in answer_values(data, "vary")
    data = ask(rig)
    assert b"Access-Control" not in data and header(data, "Vary") == "Origin"


def test_any_origin_is_a_star_and_does_not_vary(rig):
    cors(rig, cors_origins="*")
    for data in (ask(rig), ask(rig, "Origin: https://x.org"),
                 preflight(rig, "https://x.org")):
        assert answer_values(data, "access-control-allow-origin") == ["*"]
        assert answer_values(data, "vary") == []


def test_what_the_service_says_of_cors_is_replaced(rig):
    cors(rig)
    data = ask(rig, "Origin: https://a.org", target="/cors")
    assert status(data) == 200
    assert b"evil.org" not in data and b"EVIL" not in data
    assert answer_values(data, "access-control-allow-origin") == [
        "https://a.org"]
    assert answer_values(data, "access-control-allow-credentials") == []
    assert answer_values(data, "vary") == ["Accept", "Origin"]


def test_our_own_errors_carry_the_route_s_cors(rig):
    cors(rig)
    rig.origins[0].kill()
    data = ask(rig, "Origin: https://a.org")
    assert status(data) in (502, 503)
    assert answer_values(data, "access-control-allow-origin") == [
        "https://a.org"]
    assert "Origin" in answer_values(data, "vary")


def test_a_preflight_comes_before_limits_and_methods(rig):
    cors(rig, methods=GET | PUT, rate_count=1, rate_period_s=3600,
         rate_burst=1)
    for _ in range(3):
        data = preflight(rig)
        assert status(data) == 204 and header(data, "RateLimit") is None
    assert status(ask(rig, "Origin: https://a.org")) == 200
    data = ask(rig, "Origin: https://a.org")
    assert status(data) == 429
    assert header(data, "Access-Control-Allow-Origin") == "https://a.org"
    assert status(preflight(rig)) == 204


def test_a_preflight_belongs_to_the_route_it_asks_for(rig):
    cors(rig, path="/", methods=PUT, extra="route web / methods=64")
    assert status(preflight(rig)) == 204
    assert rig.forwarded() == []
    assert status(preflight(rig, "https://a.org", "POST")) == 200
    assert status(ask(rig, "Origin: https://a.org", method="OPTIONS")) == 200
    assert len(rig.forwarded()) == 2


def test_a_preflight_keeps_the_connection(rig):
    cors(rig)
    s = rig.connect()
    one = (b"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://a.org\r\n"
           b"Access-Control-Request-Method: PUT\r\n\r\n")
    s.sendall(one + one + b"GET /token?t=3 HTTP/1.1\r\nHost: a\r\n\r\n")
    data = read_until(s, b"}")
    s.close()
    assert data.count(b"204 No Content") == 2 and b'"token": "3"' in data


# --- cost ---------------------------------------------------------------------

@pytest.mark.measured
def test_an_exchange_ends_with_its_rules_freed(rig):
    big = lines(**{f"X_{i}": "a" * 500 for i in range(16)})
    c = rig.http()
    before = None
    for i in range(150):
        cors(rig, response_set=big)
        c.request("GET", f"/token?t={i}", headers={"Origin": "https://a.org"})
        assert c.getresponse().read()
        if i == 30:
            before = rig.memory()
    c.close()
    assert rig.memory() - before < 512


def test_a_route_is_met_in_every_spelling_of_its_path(rig):
    a, b = rig.origin("open"), rig.origin("closed")
    rig.publish(f"service open 0\nendpoint open 0 {a.address}\n"
                f"service closed 1\nendpoint closed 1 {b.address}\n"
                f"route open /\nroute closed /admin/ flags={STRIP}\n")
    for path in ("/admin/x%2Fy", "/%61dmin/x%2Fy", "/%61%64%6D%69%6e/x%2Fy"):
        seen = json.loads(rig.get(path)[2])
        # What is behind the prefix goes on as it came.
        assert (seen["name"], seen["target"]) == ("closed", "/x%2Fy"), path
    for path in ("/admin%2Fx", "/%2561dmin/x"):
        seen = json.loads(rig.get(path)[2])
        assert (seen["name"], seen["target"]) == ("open", path)
