# SPDX-License-Identifier: ISC
"""What a service may not: tried by a service, with each setting and without.

Without any setting all of it goes, so that no test here passes by itself.
"""

import os
import pwd
import shutil
import socket
import sys
from pathlib import Path

import pytest
from drover import BUILD, alive, wait_for

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid())
OTHER = pwd.getpwnam("nobody") if ROOT else ME
TMP = Path(f"/tmp/tries-{os.getpid()}")
HERE = Path(__file__).resolve().parent
ALL = {"private_tmp": True, "read_only": True, "network": False, "capabilities": False, "seccomp": "default",
       "user": OTHER.pw_name}
REFUSED = {"ptrace", "keyctl", "unshare", "process_vm_readv", "bpf", "io_uring_setup", "open_tree"}


@pytest.fixture
def place(tmp_path):
    """A folder that everybody may look and write into, outside of /tmp."""
    folder = Path("/var/tmp") / f"drover-tries-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    folder.chmod(0o777)
    for part in [tmp_path, *tmp_path.parents]:
        if part.stat().st_uid == os.geteuid() and str(part).startswith("/tmp/"):
            part.chmod(0o755)
    shutil.copy(HERE / "tries.py", folder)
    listener = socket.create_server(("127.0.0.1", 0))
    yield folder, listener.getsockname()[1]
    listener.close()
    shutil.rmtree(folder)
    TMP.unlink(missing_ok=True)


def service(place, setuid=False, **sandbox):
    folder, port = place
    env = {"TRY_FILE": str(folder / "outside"), "TRY_PORT": str(port), "TRY_TMP": str(TMP)}
    if setuid:
        program = folder / "id"
        shutil.copy("/usr/bin/id", program)
        program.chmod(0o4755)
        env["TRY_SETUID"] = str(program)
    return {"command": [sys.executable, str(folder / "tries.py")], "listen": "unix", "env": env,
            "readiness": {"path": "/", "interval": "200ms"}, "restart": {"first": "0ms", "base": "50ms"}, "rollout": {"watch": "0s"},
            "stop": {"timeout": "5s"}, "sandbox": sandbox}


def tries(d):
    d.ready("a")
    answer = d.get("/a/tries")
    assert answer.status == 200, answer
    return answer.json()


def with_sandbox(herd, place, **sandbox):
    return tries(herd({"a": service(place, **sandbox)}))


def test_without_a_sandbox_all_of_it_goes(herd, place):
    got = with_sandbox(herd, place)
    assert got["own"] == got["tmp"] == got["outside"] == got["connect"] == ""
    assert (place[0] / "outside").exists() and TMP.exists()
    assert got["no_new_privs"] == got["seccomp"] == "0"
    assert got["bounding"] and got["capabilities"] == ROOT and got["uid"] == ME.pw_uid
    assert "lo" in got["interfaces"]
    assert got["newer"] == "ENOSYS"
    if ROOT:
        assert not any(got[name] == "EPERM" for name in REFUSED), got
        assert got["packets"] == ""


def test_private_tmp(herd, place):
    got = with_sandbox(herd, place, private_tmp=True)
    assert got["tmp"] == got["outside"] == ""
    assert not TMP.exists() and (place[0] / "outside").exists()
    assert len(got["tmp_holds"]) <= 2, got["tmp_holds"]  # its own folders stand below it, too
    assert got["no_new_privs"] == "1"


def test_read_only(herd, place):
    got = with_sandbox(herd, place, read_only=True)
    assert got["own"] == "" and got["outside"] == got["tmp"] == "EROFS"
    assert got["no_new_privs"] == "1"


def test_no_network(herd, place):
    got = with_sandbox(herd, place, network=False)
    assert got["connect"] == "ENETUNREACH" and got["interfaces"] == ["lo"]
    assert got["outside"] == "" and got["no_new_privs"] == "1"


def test_no_new_privs_and_a_setuid_program(herd, place):
    """A service of somebody else's, and a program that root owns."""
    if not ROOT:
        return  # who has no program of somebody else's to give
    d = herd({"a": service(place, setuid=True)})
    assert tries(d)["setuid"] == "0"
    # user implies it; a program is left as it was found
    d.write("a", service(place, setuid=True, user=OTHER.pw_name))
    assert d.cli("reload", "--wait").returncode == 0
    got = tries(d)
    assert got["uid"] == OTHER.pw_uid and got["setuid"] == str(OTHER.pw_uid)


def test_no_new_privs_alone(herd, place):
    got = with_sandbox(herd, place, no_new_privs=True)
    assert got["no_new_privs"] == "1" and got["seccomp"] == "0" and got["outside"] == ""
    assert got["capabilities"] == ROOT


def test_user_has_no_capabilities(herd, place):
    got = with_sandbox(herd, place, user=OTHER.pw_name)
    assert got["uid"] == OTHER.pw_uid and not got["capabilities"] and got["no_new_privs"] == "1"
    assert not (ROOT and got["bounding"])


def test_capabilities_are_taken_from_root_too(herd, place):
    got = with_sandbox(herd, place, capabilities=False)
    assert got["uid"] == ME.pw_uid and not got["capabilities"] and got["no_new_privs"] == "1"
    if ROOT:
        assert not got["bounding"] and got["packets"] == "EPERM"


def test_the_default_profile_of_system_calls(herd, place):
    got = with_sandbox(herd, place, seccomp="default")
    assert got["seccomp"] == "2" and got["no_new_privs"] == "1"
    assert {name for name in REFUSED if got[name] == "EPERM"} == REFUSED, got
    assert got["packets"] == "EAFNOSUPPORT" and got["newer"] == "ENOSYS"
    assert got["own"] == got["outside"] == got["connect"] == ""


def test_groups_of_calls_are_given_back(herd, place):
    got = with_sandbox(herd, place, seccomp="default", seccomp_allow=["io_uring", "debug"])
    assert got["process_vm_readv"] == "" and got["io_uring_setup"] not in ("", "ENOSYS")
    assert got["keyctl"] == got["unshare"] == "EPERM"


def test_all_of_it_together(herd, place):
    got = with_sandbox(herd, place, **ALL)
    assert got["own"] == got["tmp"] == "" and got["outside"] == "EROFS" and got["connect"] == "ENETUNREACH"
    assert got["seccomp"] == "2" and got["uid"] == OTHER.pw_uid and not got["capabilities"]
    assert {name for name in REFUSED if got[name] == "EPERM"} == REFUSED


# --- a host that cannot ---------------------------------------------------------


def on_poor_host(d, *fails):
    program = d.folder / "drover"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {HERE / "poor_host.py"} {" ".join(fails)} -- '
                       f'{BUILD / "bin/drover"} "$@"\n', encoding="ascii")
    program.chmod(0o755)
    d.program = program
    d.start()
    return d


@pytest.mark.parametrize("fails, setting", (
    ("namespaces", {"private_tmp": True}), ("namespaces", {"read_only": True}), ("namespaces", {"network": False}),
    ("mounts", {"private_tmp": True}), ("mounts", {"read_only": True}), ("seccomp", {"seccomp": "default"})))
def test_what_the_host_cannot_give_is_a_start_error(herd, place, fails, setting):
    d = on_poor_host(herd.prepare({"a": service(place, **setting), "b": service(place)}), fails)
    d.ready("b")
    why = wait_for(lambda: (s := d.service("a"))["instances"][0]["restarts"] >= 2 and s)
    assert "cannot start" in why["reason"] and "sandbox" in why["reason"] and why["ready"] == 0
    assert not (place[0] / "outside").exists() and why["unenforced"] == []
    # With the setting gone, or given up, it starts.
    key, = setting
    d.write("a", service(place, **setting, optional=True))
    assert d.cli("reload", "--wait").returncode == 0
    d.ready("a")
    assert d.service("a")["unenforced"] == [f"sandbox.{key}"]


def test_what_an_optional_sandbox_lacks_is_told_and_outlives_control(herd, place):
    d = on_poor_host(herd.prepare({"a": service(place, **ALL, optional=True)}), "namespaces", "seccomp")
    got = tries(d)
    lacks = ["sandbox.private_tmp", "sandbox.read_only", "sandbox.network", "sandbox.seccomp"]
    assert got["outside"] == got["connect"] == "" and got["seccomp"] == "2"  # the poor host's own
    assert got["uid"] == OTHER.pw_uid and not got["capabilities"]  # what it can give, it gives
    assert d.service("a")["unenforced"] == lacks
    assert "unenforced  " + ", ".join(lacks) in d.cli("status", "a").stdout
    said = f"a.0: started without what this host cannot give: {', '.join(lacks)}"
    assert d.log().count(said) == 1
    pid = d.pids("a")["a.0"]
    d.kill_control()
    d.start()
    d.ready("a")
    assert d.pids("a")["a.0"] == pid and d.service("a")["unenforced"] == lacks
    os.kill(pid, 9)
    wait_for(lambda: not alive(pid))
    d.ready("a")
    assert d.log().count(said) == 1


def test_a_user_that_is_not_here(herd, place):
    d = herd.prepare({"a": service(place, user="nobody-of-that-name")})
    assert "sandbox.user" in (p := d.check()).stderr + p.stdout and p.returncode == 1
    d.write("a", service(place, user="nobody-of-that-name", optional=True))
    d.start()
    assert tries(d)["uid"] == ME.pw_uid
    assert d.service("a")["unenforced"] == ["sandbox.user"]
