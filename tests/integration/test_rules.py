# SPDX-License-Identifier: ISC
"""Rules of a route, from the YAML file to the answer."""

from drover import herdling, wait_for


def seen(answer):
    """The headers that the service got."""
    pairs = (h.partition(":") for h in answer.json()["headers"])
    return {k.lower(): v.strip() for k, _, v in pairs}


ROUTES = [
    {
        "path": "/a/",
        "strip": True,
        "headers": {
            "request": {"set": {"X-Team": "ours"}, "remove": ["Cookie"]},
            "response": {"set": {"X-Frame-Options": "DENY"}, "remove": ["Content-Type"]},
        },
        "cors": {
            "origins": ["https://a.org"],
            "methods": ["GET", "PUT"],
            "headers": ["X-Own"],
            "expose": ["X-Frame-Options"],
            "credentials": True,
            "max_age": "10m",
        },
    },
    {"path": "/old/", "redirect": {"to": "https://${host}/a${path}${query}", "status": 301}},
    {"path": "/tls/", "redirect": "https"},
    {"path": "/few/", "strip": True, "rate_limit": {"rate": "2/h", "burst": 5}},
    {"path": "/keyed/", "strip": True, "rate_limit": {"rate": "1/h", "key": "header:X-Key"}},
]


def test_headers_and_cors_of_the_file_are_in_force(herd):
    d = herd({"a": herdling(route=ROUTES)}, workers=1)
    d.ready("a")
    answer = d.get("/a/echo", headers={"X_team": "theirs", "Cookie": "a=1", "Origin": "https://a.org"})
    got = seen(answer)
    assert got["x-team"] == "ours" and "cookie" not in got and "x_team" not in got
    assert answer.headers["X-Frame-Options"] == "DENY" and "Content-Type" not in answer.headers
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.org"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    ask = {"Origin": "https://a.org", "Access-Control-Request-Method": "PUT"}
    answer = d.ask("OPTIONS", "/a/echo", headers=ask)
    assert answer.status == 204 and answer.headers["Vary"] == "Origin"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == "X-Own"
    assert answer.headers["Access-Control-Max-Age"] == "600"


def test_redirects_need_no_copy_of_the_service(herd):
    d = herd({"a": herdling(route=ROUTES, replicas=0)}, workers=1)
    answer = wait_for(lambda: (a := d.get("/old/x%2Fy?q=1")).status == 301 and a)
    assert answer.headers["Location"] == "https://127.0.0.1/a/old/x%2Fy?q=1"
    answer = d.get("/tls/x")
    assert (answer.status, answer.headers["Location"]) == (308, "https://127.0.0.1/tls/x")


def test_a_limit_holds_across_workers_reloads_and_a_new_control(herd):
    d = herd({"a": herdling(route=ROUTES)}, workers=2)
    d.ready("a")
    answers = [d.get("/few/echo") for _ in range(20)]
    assert [a.status for a in answers].count(200) == 5
    refused = next(a for a in answers if a.status == 429)
    assert refused.headers["Drover-Error"] == "rate-limited"
    assert 1790 <= int(refused.headers["Retry-After"]) <= 1800
    assert refused.headers["RateLimit-Policy"] == '"default";q=5;w=9000'
    assert [d.get("/keyed/echo", headers={"X-Key": k}).status for k in "aab"] == [200, 429, 200]
    d.write("a", herdling(route=ROUTES, replicas=2))
    assert d.cli("reload").returncode == 0
    assert d.get("/few/echo").status == 429
    d.kill_control()
    d.start()
    assert d.get("/few/echo").status == 429
    assert 'drover_service_faults_total{service="a",fault="rate-limited"}' in d.api("GET", "/metrics").body.decode()


def test_check_names_the_line_of_a_bad_rule(herd):
    d = herd({"a": herdling()})
    d.write("b", herdling(), route=[{"path": "/b/", "headers": {"request": {"set": {"Content-Length": "1"}}}}])
    said = d.check()
    text = said.stdout + said.stderr
    assert said.returncode == 1
    line = next(x for x in text.splitlines() if "Content-Length" in x)
    number = int(line.split("b.yaml:")[1].split(":")[0])
    with open(f"{d.folder}/services.d/b.yaml", encoding="utf-8") as f:
        assert "Content-Length" in f.read().splitlines()[number - 1]
    assert "it frames the message" in line
