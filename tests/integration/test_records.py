# SPDX-License-Identifier: ISC
"""Access log, explain and metrics of the real daemon."""

import json
import os
import re
import subprocess
import time

import pytest
from certs import Certificate
from drover import all_ok, free_port, herdling, wait_for


def lines(path):
    try:
        return path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return []


def logged(d, name="access.log"):
    return [json.loads(x) for x in lines(d.folder / "logs" / name)]


def test_each_request_is_a_line_of_json(herd):
    d = herd({"a": herdling(), "quiet": herdling(access_log=False)}, access_log="json")
    d.ready("a", "quiet")
    d.get("/quiet/")
    answer = d.get("/a/x?y=1", headers={"User-Agent": 'evil"\\\xff', "Referer": "http://r/"})
    assert d.get("/nowhere").status == 404
    found = wait_for(lambda: len(logged(d)) >= 2 and logged(d))
    assert len(found) == 2
    one, lost = sorted(found, key=lambda x: x["status"])
    assert one["request_id"] == answer.headers["X-Request-Id"]
    assert one["target"] == "/a/x?y=1" and one["user_agent"] == 'evil"\\\xff'
    assert one["referer"] == "http://r/" and one["host"].endswith(str(d.port))
    assert (one["service"], one["route"], one["endpoint"]) == ("a", "/a/", "a.0")
    assert one["method"] == "GET" and one["client"] == "127.0.0.1" and one["protocol"] == "HTTP/1.1"
    assert one["end"] == "complete" and one["bytes_out"] > 0 and one["total_us"] > 0
    assert abs(time.time() - time.mktime(time.strptime(one["time"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    assert (lost["status"], lost["fault"], lost["end"]) == (404, "no-route", "refused")


def test_what_was_spoken_is_told(herd):
    d = herd.prepare({"a": herdling()}, access_log="json")
    d.write_top(listen=[{"address": f"127.0.0.1:{d.port}", "http2": "always"}])
    d.start()
    d.ready("a")
    for version in ("--http1.0", "--http1.1", "--http2-prior-knowledge"):
        subprocess.run(["curl", "-sf", version, "-o", "/dev/null", f"http://127.0.0.1:{d.port}/a/"], check=True,
                       timeout=20)
    found = wait_for(lambda: len(logged(d)) >= 3 and logged(d))
    assert sorted(x["protocol"] for x in found) == ["HTTP/1.0", "HTTP/1.1", "HTTP/2.0"]
    (id,) = [x["request_id"] for x in found if x["protocol"] == "HTTP/2.0"]
    (one,) = json.loads(d.cli("explain", "--json", id).stdout)["requests"]
    assert one["protocol"] == "HTTP/2.0"


def test_whether_tls_was_spoken_is_told(herd, tmp_path):
    d = herd.prepare({"a": herdling()}, access_log="json")
    port = free_port()
    d.write_top(listen=[
        {"address": f"127.0.0.1:{d.port}", "http2": "always"},
        {"address": f"127.0.0.1:{port}", "tls": {"certificates": [Certificate(tmp_path, "a").yaml()]}}])
    d.start()
    d.ready("a")
    for n, (version, url) in enumerate([
            ("--http1.1", f"http://127.0.0.1:{d.port}/a/"), ("--http2-prior-knowledge", f"http://127.0.0.1:{d.port}/a/"),
            ("--http1.1", f"https://127.0.0.1:{port}/a/"), ("--http2", f"https://127.0.0.1:{port}/a/")]):
        # What a client says of itself is no evidence.
        subprocess.run(["curl", "-skf", version, "-o", "/dev/null", "-H", "X-Forwarded-Proto: https", f"{url}?{n}"],
                       check=True, timeout=20)
    found = wait_for(lambda: len(logged(d)) >= 4 and logged(d))
    found.sort(key=lambda x: x["target"])
    assert [(x["protocol"], x["tls"]) for x in found] == [
        ("HTTP/1.1", False), ("HTTP/2.0", False), ("HTTP/1.1", True), ("HTTP/2.0", True)]
    for x in found:
        (one,) = json.loads(d.cli("explain", "--json", x["request_id"]).stdout)["requests"]
        assert one["tls"] is x["tls"]
        said = dict(line.split(None, 1) for line in d.cli("explain", x["request_id"]).stdout.splitlines())
        assert said["tls"] == ("yes" if x["tls"] else "no")


def test_the_combined_format_is_the_one_that_tools_read(herd):
    d = herd({"a": herdling()}, access_log="combined")
    d.ready("a")
    d.get("/a/x?y=1", headers={"User-Agent": 'x" 200 1 "-"'})
    (line,) = wait_for(lambda: lines(d.folder / "logs/access.log"))
    assert re.fullmatch(
        r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] '
        r'"GET /a/x\?y=1 HTTP/1\.1" 200 \d+ "-" "x\\" 200 1 \\"-\\""',
        line,
    ), line


def total_sent(d):
    text = d.api("GET", "/metrics").body.decode()
    return int(re.search(r"^drover_records_total (\d+)$", text, re.M).group(1))


def overflow(d):
    text = d.api("GET", "/metrics").body.decode()
    return int(re.search(r"^drover_records_overflow_total (\d+)$", text, re.M).group(1))


def test_no_line_is_lost_or_doubled_when_control_is_killed_under_load(herd):
    d = herd({"a": herdling()}, access_log={"format": "json", "size": "64KiB", "files": 100})
    d.ready("a")
    load = d.load("-c", 4, "-r", 1500, "-d", 60, "--path", "/a/")
    for pause in (0.3, 0.35, 0.42):
        time.sleep(pause)
        d.kill_control()
        time.sleep(0.2)
        d.start()
    verdict = load.end()
    assert all_ok(verdict), verdict
    sent = verdict["sent"]
    wait_for(lambda: total_sent(d) >= sent)

    def ids():
        names = [x.name for x in (d.folder / "logs").iterdir() if x.name.startswith("access.log")]
        return [x["request_id"] for name in names for x in logged(d, name)]

    wait_for(lambda: len(ids()) >= sent, 10)
    found = ids()
    assert len(found) == len(set(found)) == sent
    assert overflow(d) == 0
    assert (d.folder / "logs/access.log.3").exists()


@pytest.mark.alone
def test_what_the_rings_do_not_hold_is_counted(herd):
    d = herd({"a": herdling()}, access_log="json", workers=1)
    d.ready("a")
    d.kill_control()
    verdict = d.load("-c", 8, "-n", 20000, "--path", "/a/").verdict(120)
    assert all_ok(verdict), verdict
    d.start()
    wait_for(lambda: len(lines(d.folder / "logs/access.log")) >= 16384, 20)
    assert overflow(d) == 20000 - 16384
    assert len(lines(d.folder / "logs/access.log")) == 16384


def test_a_reload_turns_it_on_moves_it_and_turns_it_off(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    d.get("/a/1")
    wait_for(lambda: total_sent(d) == 1)
    d.write_top(access_log="json")
    assert d.api("POST", "/v1/reload").status == 200
    time.sleep(0.3)
    d.get("/a/2")
    wait_for(lambda: [x["target"] for x in logged(d)] == ["/a/2"])
    os.rename(d.folder / "logs/access.log", d.folder / "logs/moved")
    d.write_top(access_log={"format": "json", "sample": "100%"}, trusted_proxies=["10.0.0.1"])
    assert d.api("POST", "/v1/reload").status == 200
    d.get("/a/3")
    wait_for(lambda: [x["target"] for x in logged(d)] == ["/a/3"])
    d.write_top(access_log="off")
    assert d.api("POST", "/v1/reload").status == 200
    d.get("/a/4")
    time.sleep(0.4)
    assert [x["target"] for x in logged(d)] == ["/a/3"]


def test_a_file_that_cannot_be_written_hurts_no_request_and_is_said_once(herd, tmp_path):
    full = tmp_path / "not-there"
    d = herd({"a": herdling()}, access_log={"format": "json", "file": str(full / "access.log")})
    d.ready("a")
    assert all_ok(d.load("-n", 50, "--path", "/a/").verdict())
    wait_for(lambda: "access log" in d.log())
    time.sleep(0.5)
    assert d.log().count("cannot write") == 1
    full.mkdir()
    wait_for(lambda: len(lines(full / "access.log")) == 50)


def test_explain_tells_a_request_by_its_id_and_by_its_trace(herd):
    d = herd({"a": herdling(replicas=2)})
    d.ready("a")
    id = d.get("/a/x").headers["X-Request-Id"]
    assert all_ok(d.load("-c", 4, "-n", 10000, "--path", "/a/").verdict(60))
    said = d.cli("explain", id)
    assert said.returncode == 0, said
    text = said.stdout
    assert f"id          {id}\n" in text and "request     GET /a/x HTTP/1.1\n" in text
    assert "service     a\n" in text and "route       /a/\n" in text
    assert re.search(r"^candidates  2, 0 of them ejected\ntried       a\.[01]: answered$", text, re.M), text
    assert re.search(r"^answer      200 complete$", text, re.M)
    for word in ("queue wait", "connect", "first byte", "total", "bytes"):
        assert re.search(rf"^{word} +\d", text, re.M), word
    (one,) = json.loads(d.cli("explain", "--json", id).stdout)["requests"]
    assert one["request_id"] == one["trace_id"] == id
    assert one["tried"] == [{"endpoint": one["tried"][0]["endpoint"], "outcome": "answered"}]


def test_a_clients_own_id_and_trace_are_found_through_a_trusted_proxy(herd):
    d = herd({"a": herdling()}, trusted_proxies=["127.0.0.1"])
    d.ready("a")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    for _ in range(2):
        d.get("/a/x", headers={"X-Request-Id": "my~id", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    for what in ("my~id", trace):
        found = json.loads(d.cli("explain", "--json", what).stdout)["requests"]
        assert [x["request_id"] for x in found] == ["my~id"] * 2
        assert {x["trace_id"] for x in found} == {trace}
        assert len({x["span_id"] for x in found}) == 2


def test_explain_of_what_nobody_asked_is_404_and_exit_1(herd):
    d = herd({"a": herdling()})
    d.ready("a")
    said = d.cli("explain", "0" * 32)
    assert said.returncode == 1 and "no request 0000" in said.stderr and "kept" in said.stderr
    answer = d.api("GET", "/v1/requests/" + "0" * 32)
    assert answer.status == 404 and answer.json()["status"] == 404


def test_explain_outlives_control_worker_and_service(herd):
    d = herd({"a": herdling(), "b": herdling()})
    d.ready("a", "b")
    id = d.get("/a/x").headers["X-Request-Id"]
    d.kill_control()
    d.start()
    d.remove("a")
    assert d.api("POST", "/v1/reload").status == 200
    wait_for(lambda: all(s["name"] != "a" for s in d.status()["services"]))
    for w in d.status()["workers"]:
        os.kill(w["pid"], 9)
    wait_for(lambda: d.get("/b/").status == 200)
    (one,) = json.loads(d.cli("explain", "--json", id).stdout)["requests"]
    assert one["service"] == "a" and one["tried"] == [{"endpoint": "a.0", "outcome": "answered"}]


# --- the exposition format, read strictly --------------------------------------

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? ([0-9.e+-]+|\+Inf|NaN)")


def family_of(name, types):
    for end in ("_bucket", "_sum", "_count"):
        if name.endswith(end) and types.get(name[: -len(end)]) == "histogram":
            return name[: -len(end)]
    return name


def parse(text):
    """{family: (type, [(name, labels, value)])}; asserts what promtool would."""
    assert text.endswith("\n")
    types, helps, found, closed, at = {}, set(), {}, set(), None
    for line in text.splitlines():
        m = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if m and m.group(1) == "HELP":
            assert m.group(2) not in helps, line
            helps.add(m.group(2))
            continue
        if m:
            assert m.group(2) not in types and m.group(3) in ("counter", "gauge", "histogram"), line
            types[m.group(2)] = m.group(3)
            continue
        m = SAMPLE.fullmatch(line)
        assert m, line
        family = family_of(m.group(1), types)
        assert family in types, line
        if family != at:
            assert family not in closed, f"{family} is not in one piece"
            closed.add(at)
            at = family
        labels = dict(re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', m.group(2) or ""))
        found.setdefault(family, []).append((m.group(1), labels, float(m.group(3))))
    for family, kind in types.items():
        assert kind != "counter" or family.endswith("_total"), family
    for family, samples in found.items():
        keys = [(n, tuple(sorted(x.items()))) for n, x, _ in samples]
        assert len(keys) == len(set(keys)), family
    return types, found


def histograms(found, family):
    """{labels without le: (bounds, counts, sum, count)}, checked."""
    out = {}
    for name, labels, value in found[family]:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        h = out.setdefault(key, {"le": [], "n": []})
        if name.endswith("_bucket"):
            h["le"].append(float(labels["le"]))
            h["n"].append(value)
        else:
            h[name[len(family):]] = value
    for key, h in out.items():
        assert h["le"] == sorted(set(h["le"])) and h["le"][-1] == float("inf"), key
        assert h["n"] == sorted(h["n"]) and h["n"][-1] == h["_count"], key
    return out


def test_metrics_are_valid_and_histograms_are_exact(herd):
    d = herd({"a": herdling("--delay", 2, replicas=2, limits={"concurrency": 1})})
    d.ready("a")
    verdict = d.load("-c", 4, "-n", 400, "--path", "/a/").verdict()
    assert all_ok(verdict), verdict
    wait_for(lambda: total_sent(d) == 400)
    types, found = parse(d.api("GET", "/metrics").body.decode())
    (service,) = histograms(found, "drover_service_latency_seconds").values()
    assert service["_count"] == 400
    each = histograms(found, "drover_endpoint_latency_seconds")
    assert {dict(k)["instance"] for k in each} == {"a.0", "a.1"}
    assert sum(h["_count"] for h in each.values()) == 400
    (wait,) = histograms(found, "drover_service_queue_wait_seconds").values()
    assert 0 < wait["_count"] and 0 < wait["_sum"] < service["_sum"]
    assert sum(h["_sum"] for h in each.values()) <= service["_sum"]
    mean = service["_sum"] / 400
    assert 0 < mean < 1
    for name in ("drover_records_total", "drover_records_overflow_total", "drover_access_log_lines_total"):
        assert types[name] == "counter"
