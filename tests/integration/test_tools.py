# SPDX-License-Identifier: ISC
"""The judge is judged first: load catches each way in which a response can go wrong."""

import http.client
import json
import subprocess

import pytest
from drover import BUILD, Load, all_ok, ask, free_port, wait_for


@pytest.fixture
def served(spawn):
    def start(*args):
        port = free_port()
        spawn("tests/tools/herdling", "--port", port, *args)
        wait_for(lambda: ask(http.client.HTTPConnection("127.0.0.1", port), "GET", "/readyz"))
        return port

    return start


@pytest.mark.parametrize("loop", [("-c", 8), ("-c", 8, "-r", 4000), ("--reuse", 3),
                                  ("-c", 8, "--pipeline", 8), ("--pipeline", 5, "--reuse", 12)])
def test_load_finds_nothing_wrong_with_a_good_service(served, loop):
    verdict = Load(served(), "-n", 1000, *loop).verdict()
    assert all_ok(verdict) and verdict["sent"] == 1000


@pytest.mark.parametrize(
    "option, what, least",
    [("--swap", "swapped", 50), ("--double", "doubled", 50), ("--lose", "lost", 50), ("--fail", "failed", 50)],
)
def test_load_catches_each_fault(served, option, what, least):
    verdict = Load(served(option, 10), "-n", 1000, "-c", 8).verdict()
    assert verdict[what] >= least
    assert not all_ok(verdict)
    others = {"swapped", "lost", "failed"} - {what}
    assert all(verdict[o] == 0 for o in others), verdict


@pytest.mark.parametrize("option", ["--swap", "--double", "--lose", "--fail"])
def test_load_catches_each_fault_in_a_pipeline(served, option):
    verdict = Load(served(option, 10), "-n", 1000, "-c", 8, "--pipeline", 4).verdict()
    assert not all_ok(verdict)
    wrong = sum(verdict[k] for k in ("failed", "lost", "swapped", "doubled"))
    assert verdict["sent"] == 1000 and wrong >= 50, verdict


def test_load_calls_a_silent_service_lost(served):
    verdict = Load(served(), "-n", 4, "--path", "/hang", "--timeout", 300).verdict()
    assert verdict["lost"] == 4


def test_load_loses_what_nobody_listens_for():
    verdict = Load(free_port(), "-n", 3).verdict()
    assert verdict["lost"] == 3 and verdict["refused"] == 3


def test_a_body_arrives_whole_in_both_framings(served):
    port = served()
    for path in ("/big", "/chunked"):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        answer = ask(c, "GET", f"{path}?bytes=300000")
        pattern = bytes(97 + i % 26 for i in range(300000))
        assert answer.body == pattern


def test_herdling_reads_what_curl_sends(served):
    port = served()
    out = subprocess.run(
        ["curl", "-s", "-T", str(BUILD / "tests/tools/load"), "-H", "Transfer-Encoding: chunked",
         f"http://127.0.0.1:{port}/echo"],
        capture_output=True, timeout=20, check=True,
    ).stdout
    assert json.loads(out)["bytes"] == (BUILD / "tests/tools/load").stat().st_size
