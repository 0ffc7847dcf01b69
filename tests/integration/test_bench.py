# SPDX-License-Identifier: ISC
"""./dev bench proxy: that its arithmetic is right, and that each of its cases runs."""

import itertools
import json
import statistics
import subprocess
import sys

import pytest
from drover import ROOT

sys.path.append(str(ROOT / "tests/bench"))
import cases  # noqa: E402
import figures  # noqa: E402
import loads  # noqa: E402


def case(**kw):
    return cases.Case("c", "some work", columns=("cpu_us", "rps"), peers=("drover", "a", "b"), **kw)


def rounds(*values):
    return {i: {"cpu_us": v, "rps": 10 * v} for i, v in enumerate(values) if v is not None}


def test_the_interval_of_nine_rounds():
    assert figures.interval([9, 1, 8, 2, 7, 3, 6, 4, 5]) == (5, 2, 8)


def test_of_few_rounds_the_interval_is_all_there_is():
    assert figures.interval([7]) == (7, 7, 7)
    assert figures.interval([3, 1]) == (2, 1, 3)
    assert figures.interval([5, 2, 9, 4, 1]) == (4, 1, 9)


@pytest.mark.parametrize("n", range(6, 15))
def test_the_interval_is_the_narrowest_that_holds_the_median_often_enough(n):
    """Each value is below the median or above it, as a coin falls: of all the
    ways in which n coins fall, in how many does it hold the median?"""
    _, low, high = figures.interval(range(n))
    below = [sum(coins) for coins in itertools.product((0, 1), repeat=n)]

    def held(low, high):
        return sum(low < b <= high for b in below) / len(below)

    assert held(low, high) >= figures.CONFIDENCE
    assert held(low + 1, high - 1) < figures.CONFIDENCE


def test_a_ratio_is_one_of_the_same_round():
    mine, theirs = rounds(1, 20, 3, None, 5), rounds(2, 40, 6, 8, None)
    assert figures.ratio(mine, theirs, "cpu_us") == (0.5, 0.5, 0.5)
    assert figures.ratio(mine, rounds(None, None, None, 1), "cpu_us") is None
    slow = rounds(2, 4, 30)
    assert figures.ratio(rounds(1, 3, 33), slow, "cpu_us") == (0.75, 0.5, 1.1)


def test_rows_have_each_number_and_the_ratio_to_ours():
    samples = {("c", "drover"): rounds(1, 2, 3), ("c", "a"): rounds(2, 2, 2), ("c", "b"): {}}
    table = figures.rows(case(), samples)
    assert list(table) == ["drover", "a"]
    assert table["drover"] == {"cpu_us": (2, 1, 3), "rps": (20, 10, 30)}
    assert table["a"]["ratio"] == (1, 0.5, 1.5)


def test_what_is_asked_is_asked_of_the_better_one():
    samples = {("c", "drover"): rounds(8, 8, 8), ("c", "a"): rounds(10, 10, 10), ("c", "b"): rounds(16, 16, 16)}
    asked = case(target=0.7, against=("a", "b"))
    v = figures.verdict(asked, figures.rows(asked, samples))
    assert v == {"against": "a", "ratio": 0.8, "target": 0.7, "holds": False}
    asked = case(target=0.7, against=("b",))
    v = figures.verdict(asked, figures.rows(asked, samples))
    assert v["holds"] and v["ratio"] == 0.5
    assert figures.verdict(case(), figures.rows(case(), samples)) is None


def test_a_ceiling_is_of_ours_alone():
    samples = {("c", "drover"): rounds(4, 5, 6), ("c", "a"): rounds(1, 1, 1)}
    for ceiling, holds in ((5, True), (4.9, False)):
        asked = case(ceiling=ceiling)
        v = figures.verdict(asked, figures.rows(asked, samples))
        assert v == {"value": 5, "ceiling": ceiling, "holds": holds}
        line = list(figures.lines(asked, figures.rows(asked, samples)))[-1]
        assert ("holds" in line) == holds and ("MISSED" in line) != holds


def test_times_of_wrk_are_read_in_their_units():
    said = [loads.microseconds(x) for x in ("750.00us", "1.31ms", "2.00s", "1.50m")]
    assert said == pytest.approx([750, 1310, 2e6, 9e7])


@pytest.mark.measured
def test_every_case_gives_its_numbers(tmp_path):
    out = tmp_path / "bench.json"
    p = subprocess.run(
        [ROOT / "dev", "bench", "proxy", "--quick", "--json", out], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=900, check=False)
    assert p.returncode == 0, (p.stdout, p.stderr)
    said = json.loads(out.read_text(encoding="utf-8"))
    assert list(said["cases"]) == [c.name for c in cases.CASES]
    for c in cases.CASES:
        got = said["cases"][c.name]
        assert list(got["proxies"]) == list(c.peers)
        for who, row in got["proxies"].items():
            assert set(row) == {*c.columns, *(["ratio"] if who != c.mine else [])}, (c.name, who)
            for three in row.values():
                assert all(x > 0 for x in three) and statistics.median(three) == three[0], (c.name, who, row)
        assert ("verdict" in got) == (c.target is not None or c.ceiling is not None), c.name
        assert f"--- {c.name}: " in p.stdout


def test_a_case_or_a_proxy_that_is_not_there_is_named():
    for args, word in ((["--only", "moon"], "moon"), (["--peers", "drover,sun"], "sun"), (["--rounds", "0"], "round")):
        p = subprocess.run(
            [sys.executable, ROOT / "tests/bench/bench.py", *args], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60, check=False)
        assert p.returncode == 2
        assert word in p.stderr
