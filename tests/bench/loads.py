# SPDX-License-Identifier: ISC
"""The programs that ask, each beside the proxy's core; what they say, as numbers."""

import json
import re
import subprocess

import peers


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[unit]


def said_by(command, cores, seconds):
    p = subprocess.run(
        peers.pinned(command, cores), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        timeout=seconds + 60)
    if p.returncode:
        raise RuntimeError(f"{command[0]}: {p.stdout} {p.stderr}")
    return p.stdout


def blast_command(case, where, path, seconds, conns=None, rate=0, count=0):
    args = case.args if case.load == "blast" else ("--header", "|".join(case.args)) if case.args else ()
    return (peers.TOOLS / "blast", *where, "--path", path, "-t", int(seconds * 1000), "-c", conns or case.conns, *args,
            *(("-r", rate) if rate else ()), *(("-n", count) if count else ()))


def blast_said(text):
    said = json.loads(text)
    if said["failed"] or not said["requests"]:
        raise RuntimeError(f"blast: {said}")
    return said


def run_blast(case, peer, path, seconds, cores=peers.OTHER_CORES, **how):
    return blast_said(said_by(blast_command(case, peer.where[case.door], path, seconds, **how), cores, seconds))


def run_wrk(case, peer, path, seconds):
    scheme = "https" if case.door == "tls" else "http"
    headers = [x for line in case.args for x in ("-H", line)]
    seconds = max(1, round(seconds))
    out = said_by(
        ["wrk", "-t1", f"-c{case.conns}", f"-d{seconds}s", "--latency", *headers,
         f"{scheme}://localhost:{peer.where[case.door][1]}{path}"], peers.OTHER_CORES, seconds)
    if "Non-2xx" in out or "Socket errors" in out:
        raise RuntimeError(f"wrk: {out}")
    return {
        "requests": int(re.search(r"(\d+) requests in", out).group(1)),
        "rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
        "p50_us": microseconds(re.search(r"\n +50% +(\S+)", out).group(1)),
        "p99_us": microseconds(re.search(r"\n +99% +(\S+)", out).group(1)),
    }


def run_h2load(case, peer, path, seconds):
    log = peer.folder / "h2load"
    log.unlink(missing_ok=True)
    seconds = max(1, round(seconds))
    out = said_by(
        ["h2load", "-t1", "-c8", "-m16", f"-D{seconds}", f"--log-file={log}",
         f"https://localhost:{peer.where[case.door][1]}{path}"], peers.OTHER_CORES, seconds)
    ok, failed = map(int, re.search(r"(\d+) succeeded, (\d+) failed", out).groups())
    if failed or not ok or "Application protocol: h2" not in out:
        raise RuntimeError(f"h2load: {out}")
    took = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    return {
        "requests": ok,
        "rps": float(re.search(r"([\d.]+) req/s", out).group(1)),
        "p50_us": took[len(took) // 2],
        "p99_us": took[len(took) * 99 // 100],
    }


RUN = {"blast": run_blast, "wrk": run_wrk, "h2load": run_h2load}
