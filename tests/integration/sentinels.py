# SPDX-License-Identifier: ISC
"""A master, its replica, and three Sentinels that watch them."""

import contextlib
import shutil
import signal
import subprocess

from drover import Redis, RedisServer, free_port, wait_for

NAME = "herd"
AT_ONCE = ("--repl-diskless-sync-delay", "0")


class Sentinel:
    def __init__(self, folder, master):
        self.port = free_port()
        folder.mkdir()
        self.config = folder / "sentinel.conf"
        self.config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {master} 2\n"
            f"sentinel down-after-milliseconds {NAME} 500\n"
            f"sentinel failover-timeout {NAME} 1000\n", encoding="ascii")
        self.proc = subprocess.Popen(
            [shutil.which("redis-server"), str(self.config), "--sentinel"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def ask(self, *words):
        with contextlib.closing(Redis(port=self.port)) as r:
            return r("SENTINEL", *words)

    def master(self):
        """The port of the server that it takes for the master."""
        return int(self.ask("GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def sees_all(self):
        flat = self.ask("MASTER", NAME)
        seen = dict(zip(flat[::2], flat[1::2]))
        replicas = [dict(zip(r[::2], r[1::2])) for r in self.ask("REPLICAS", NAME)]
        return (seen["flags"] == "master" and seen["num-other-sentinels"] == "2"
                and len(replicas) == 1 and replicas[0]["flags"] == "slave"
                and replicas[0]["master-link-status"] == "ok")


def follow(replica, master):
    """The one becomes the replica of the other now: Sentinels take ten seconds to see to it."""
    with contextlib.closing(replica.read()) as r:
        assert r("REPLICAOF", "127.0.0.1", master.port).startswith("OK")
        wait_for(lambda: r("ROLE")[2:4] == [master.port, "connected"])


class Sentinels:
    def __init__(self, folder):
        self.servers = [RedisServer(folder / "first", *AT_ONCE)]
        self.sentinels = []
        self.servers[0].start()
        self.servers.append(RedisServer(folder / "second", *AT_ONCE, "--replicaof", f"127.0.0.1 {self.servers[0].port}"))
        self.servers[1].start()
        self.sentinels = [Sentinel(folder / f"sentinel{i}", self.servers[0].port) for i in range(3)]
        wait_for(self.sees_all, 30)

    def sees_all(self):
        return all(s.sees_all() for s in self.sentinels)

    @property
    def url(self):
        return "sentinel://" + ",".join(f"127.0.0.1:{s.port}" for s in self.sentinels) + f"?master={NAME}"

    def master(self):
        """The server that all of them agree on, which says so itself; or None."""
        ports = {s.master() for s in self.sentinels}
        server = next((s for s in self.servers if {s.port} == ports), None)
        if server is None:
            return None
        with contextlib.closing(server.read()) as r:
            return server if r("ROLE")[0] == "master" else None

    def other(self, server):
        return next(s for s in self.servers if s is not server)

    def read(self):
        return self.master().read()

    def stop(self):
        for s in self.sentinels:
            s.proc.kill()
            s.proc.wait()
        for s in self.servers:
            s.proc.send_signal(signal.SIGCONT)
            s.stop()
