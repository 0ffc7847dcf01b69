# SPDX-License-Identifier: ISC
"""Redis in all its states, which no request notices.

After each fault the registry is right within 10 s, and the log has one line
for each change of its state: none for each try, none said twice.
"""

import contextlib
import signal
import time

import pytest
from drover import RedisServer, herdling, registered, wait_for
from sentinels import NAME, Sentinels, follow
from under import Under, ms


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path / "redis-of-others")
    server.start()
    yield server
    server.proc.send_signal(signal.SIGCONT)
    server.stop()


@pytest.fixture
def sentinels(tmp_path):
    group = Sentinels(tmp_path)
    yield group
    group.stop()


def state(d):
    return d.status()["registry"]["state"]


def changes(d):
    """What the log says of the registry: 'up -> down', ..."""
    lines = [line.partition(" registry drover: ")[2] or line.partition(" control registry: ")[2]
             for line in d.log().splitlines()]
    return [" ".join(line.split()[:3]).rstrip(":") for line in lines if line]


DOWN_AND_UP = ["up -> down", "down -> up"]


def stop_for_good(d, redis):
    """Ten seconds without any: long enough for a dozen tries."""
    redis.stop()
    wait_for(lambda: state(d) == "down")
    time.sleep(10)
    redis.start()


def pause(d, redis):
    redis.proc.send_signal(signal.SIGSTOP)
    wait_for(lambda: state(d) == "down", 30)
    redis.proc.send_signal(signal.SIGCONT)


def restart_empty(d, redis):
    redis.proc.kill()
    redis.proc.wait()
    wait_for(lambda: state(d) == "down")
    redis.start()


def flush(d, redis):
    with contextlib.closing(redis.read()) as r:
        assert r("FLUSHALL") == "OK"
    wait_for(lambda: changes(d)[-2:] == DOWN_AND_UP)


def fill(d, redis):
    """Out of memory: for three seconds it takes no more data, and there is some."""
    with contextlib.closing(redis.read()) as r:
        assert r("CONFIG", "SET", "maxmemory", "1") == "OK"
        assert d.cli("restart", "a.1", "--wait").returncode == 0
        wait_for(lambda: "OOM" in d.status()["registry"]["reason"])
        time.sleep(3)
        assert r("CONFIG", "SET", "maxmemory", "0") == "OK"


def slow(_, redis):
    """Each answer of five seconds takes up to one."""
    for _ in range(5):
        with contextlib.closing(redis.read()) as r:
            assert r("CLIENT", "PAUSE", "1000") == "OK"
        time.sleep(1)


def registry_is_right(d, redis):
    with contextlib.closing(redis.read()) as r:
        seen = registered(r)
    return {k for k, v in seen.items() if v["state"] == "ready"} == {"a.0", "a.1"} and all(
        seen[id]["address"] == d.instance(id)["address"] for id in seen)


def right_again(d, redis):
    """Who goes now is seen to go, and to come. How long that took."""
    at = time.monotonic()
    assert d.cli("restart", "a.0", "--wait").returncode == 0
    wait_for(lambda: registry_is_right(d, redis) and state(d) == "up", 60)
    return ms(at)


@pytest.mark.parametrize("fault, what, said", (
    (stop_for_good, "stopped for 10 s", DOWN_AND_UP), (pause, "paused", DOWN_AND_UP),
    (restart_empty, "killed and started empty", DOWN_AND_UP), (flush, "flushed", DOWN_AND_UP),
    (fill, "out of memory", ["up -> up", "up -> up"]), (slow, "slow", [])))
def test_redis_is(herd, figure, redis, fault, what, said):
    d = herd({"a": herdling(replicas=2)}, registry=f"redis://127.0.0.1:{redis.port}")
    d.ready()
    wait_for(lambda: registry_is_right(d, redis) and state(d) == "up")
    before = len(changes(d))
    with Under(d) as u:
        fault(d, redis)
        took = right_again(d, redis)
    u.lost_nothing()
    figure(f"Redis {what}", f"0 lost; the registry right again in {took:.0f} ms")
    assert took < 5 * 10000
    assert changes(d)[before:] == said, d.log()


def test_redis_fails_over_by_sentinel(herd, figure, sentinels):
    """The master hands over while it still answers; later its successor is killed."""
    d = herd({"a": herdling(replicas=2)}, registry=sentinels.url)
    d.ready()
    wait_for(lambda: registry_is_right(d, sentinels) and state(d) == "up")
    before = len(changes(d))
    first = sentinels.master()
    second = sentinels.other(first)
    with Under(d) as u:
        assert sentinels.sentinels[1].ask("FAILOVER", NAME) == "OK"
        wait_for(lambda: sentinels.master() is second, 30)
        took = right_again(d, sentinels)
        assert changes(d)[before:] == DOWN_AND_UP, d.log()
        follow(first, second)
        second.proc.kill()
        second.proc.wait()
        at = time.monotonic()
        wait_for(lambda: sentinels.master() is first, 30)
        elected = ms(at)
        again = right_again(d, sentinels)
    u.lost_nothing()
    assert changes(d)[before:] == 2 * DOWN_AND_UP, d.log()
    figure("Redis failed over by Sentinel", f"0 lost; the registry right in {took:.0f} ms when the master hands over; "
           f"when it is killed {elected:.0f} ms until there is another, and then {again:.0f} ms")
    assert max(took, again) < 5 * 10000
