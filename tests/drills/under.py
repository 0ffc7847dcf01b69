# SPDX-License-Identifier: ISC
"""The load beside a fault."""

import os
import time

RATE, CONNECTIONS = 2000, 16
LONG = bool(os.environ.get("DROVER_LONG"))


class Under:
    """The load beside a fault, and its verdict."""

    def __init__(self, d, path="/a/"):
        self.load = d.load("-c", CONNECTIONS, "-r", RATE, "-d", 300, "--path", path)

    def __enter__(self):
        time.sleep(0.3)
        return self

    def __exit__(self, kind, *_):
        time.sleep(0.3)
        self.verdict = self.load.end()
        self.cost = {k: self.verdict[k] for k in ("failed", "lost", "swapped", "doubled")}
        if kind is None:
            assert self.verdict["sent"] > 0.25 * RATE
            assert self.cost["swapped"] == self.cost["doubled"] == 0, self.verdict

    def lost_nothing(self):
        assert not any(self.cost.values()), self.verdict


def ms(since):
    return (time.monotonic() - since) * 1000
