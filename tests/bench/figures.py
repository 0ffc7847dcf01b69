# SPDX-License-Identifier: ISC
"""The arithmetic of the bench, and the tables that show it.

A sample is what one round measured of one program: a number for each name of
COLUMNS that its case has. Samples are kept by round, so that a ratio is always
one of two numbers of the same round.
"""

import math
import statistics

CONFIDENCE = 0.95


def interval(values):
    """The median, and the innermost two of the values between which the median
    of all there could be lies with 95 % at least; the outermost of too few."""
    v = sorted(values)
    n, k, outside = len(v), 0, 2 / 2 ** len(v)
    while 2 * (k + 1) < n and outside + 2 * math.comb(n, k + 1) / 2**n <= 1 - CONFIDENCE:
        k += 1
        outside += 2 * math.comb(n, k) / 2**n
    return statistics.median(v), v[k], v[-1 - k]


def of(samples, name):
    """The interval of one number over the rounds."""
    return interval([s[name] for s in samples.values()])


def ratio(mine, theirs, name):
    """The interval of mine over theirs, in the rounds that have both; or None."""
    both = [mine[i][name] / theirs[i][name] for i in mine if i in theirs and theirs[i][name]]
    return interval(both) if both else None


# What is measured: its head, what it is divided by to be shown, digits, unit.
# fmt: off
COLUMNS = {
    "cpu_us":       ("CPU/100k", 10,      3, " s"),
    "rps":          ("REQ/S",    1,       0, ""),
    "p50_us":       ("P50",      1000,    2, " ms"),
    "p99_us":       ("P99",      1000,    2, " ms"),
    "calls":        ("CALLS",    1,       2, ""),
    "busy":         ("BUSY",     0.01,    0, " %"),
    "bytes":        ("B/CONN",   1,       0, ""),
    "base":         ("BEFORE",   1 << 20, 1, " MiB"),
    "conns":        ("CONNS",    1,       0, ""),
    "instructions": ("INSTR",    1,       0, ""),
}
# fmt: on


def shown(name, value):
    _, by, digits, unit = COLUMNS[name]
    return f"{value / by:.{digits}f}{unit}"


def span(name, three):
    _, by, digits, _ = COLUMNS[name]
    return "[" + " ".join(f"{x / by:.{digits}f}" for x in three[1:]) + "]"


def rows(case, samples):
    """Of each program the intervals of its numbers, and of the ratio to it."""
    out = {}
    mine = samples.get((case.name, case.mine))
    for who in case.peers:
        got = samples.get((case.name, who))
        if not got:
            continue
        out[who] = {name: of(got, name) for name in case.columns}
        if mine and who != case.mine:
            out[who]["ratio"] = ratio(mine, got, case.columns[0])
    return out


def verdict(case, table):
    """What was asked of our own, and whether it holds; None if nothing was."""
    if case.mine not in table:
        return None
    if case.ceiling is not None:
        value = table[case.mine][case.columns[0]][0]
        return {"value": value, "ceiling": case.ceiling, "holds": value <= case.ceiling}
    against = [n for n in case.against if table.get(n, {}).get("ratio")]
    if case.target is None or not against:
        return None
    best = max(against, key=lambda n: table[n]["ratio"][0])
    value = table[best]["ratio"][0]
    return {"against": best, "ratio": value, "target": case.target, "holds": value <= case.target}


def verdict_line(case, v):
    word = "holds" if v["holds"] else "MISSED"
    if "ceiling" in v:
        name = case.columns[0]
        return f"{word}: {shown(name, v['value'])}, {shown(name, v['ceiling'])} at most wanted"
    return f"{word}: {v['ratio']:.3f} of {v['against']}, {v['target']} at most wanted"


def head_lines(case):
    first, *others = (COLUMNS[name][0] for name in case.columns)
    yield f"--- {case.name}: {case.what}"
    yield f"{'':14} {first:>10} {'':17} {case.mine.upper() + '/IT':>22}" + "".join(f" {x:>11}" for x in others)


def lines(case, table):
    """The table of one case."""
    yield from head_lines(case)
    for who, row in table.items():
        name, *others = case.columns
        r = row.get("ratio")
        yield (f"{who:14} {shown(name, row[name][0]):>10} {span(name, row[name]):17}"
               f" {'{:.3f} [{:.3f} {:.3f}]'.format(*r) if r else '':>22}"
               + "".join(f" {shown(x, row[x][0]):>11}" for x in others))
    v = verdict(case, table)
    if v:
        yield f"{'':14} {verdict_line(case, v)}"
