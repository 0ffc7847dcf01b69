# SPDX-License-Identifier: ISC
"""Three users: the keeper's, the workers' (or control's), and a service's own.

Who is not root cannot be anybody else: there the three are one, and what is
asserted holds as well.
"""

import os
import pwd
import shutil
import signal
import subprocess

from drover import BUILD, all_ok, herdling, wait_for

ROOT = os.geteuid() == 0
ME = pwd.getpwuid(os.geteuid())
WORKERS = pwd.getpwnam("daemon") if ROOT else ME
SERVICE = pwd.getpwnam("nobody") if ROOT else ME


def uid_of(pid):
    return os.stat(f"/proc/{pid}").st_uid


def reachable(folder):
    """pytest's folders are for their owner alone."""
    while folder != folder.parent:
        if folder.stat().st_uid == os.geteuid() and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
        folder = folder.parent


def service_for_others(folder):
    program = folder / "herdling"
    shutil.copy(BUILD / "tests/tools/herdling", program)
    spec = herdling(sandbox={"user": SERVICE.pw_name}, restart={"reset": "100ms"})
    return {**spec, "command": [str(program), *spec["command"][1:]]}


def look(d):
    """Traffic goes, everybody is who they should be, and a death leaves nothing."""
    status = d.ready("a")
    pid = d.pids("a")["a.0"]
    assert uid_of(pid) == SERVICE.pw_uid
    assert {uid_of(w["pid"]) for w in status["workers"]} == {WORKERS.pw_uid}
    state = d.folder / "state/services/a"
    assert (state.stat().st_uid, state.stat().st_mode & 0o777) == (SERVICE.pw_uid, 0o750)
    load = d.load("-c", 2, "-d", 60, "--path", "/a/")
    tmp = d.get("/a/env").json()["DROVER_TMP_DIR"]
    assert os.stat(tmp).st_uid == SERVICE.pw_uid
    wait_for(lambda: uid_of(pid) == SERVICE.pw_uid and os.kill(pid, signal.SIGKILL) is None)
    wait_for(lambda: d.pids("a").get("a.0") not in (None, pid) and d.instance("a.0")["state"] == "ready")
    verdict = load.end()
    assert all_ok(verdict), verdict
    wait_for(lambda: not os.path.exists(tmp))
    wait_for(lambda: len(os.listdir(d.run_folder / "i")) == 1)


def test_service_and_workers_have_users_of_their_own(herd, tmp_path):
    reachable(tmp_path)
    d = herd.prepare({"a": service_for_others(tmp_path)}, user=WORKERS.pw_name)
    d.start()
    look(d)


def test_an_unprivileged_control_under_a_privileged_keeper(herd, tmp_path):
    """As the two systemd units run."""
    reachable(tmp_path)
    d = herd.prepare({"a": service_for_others(tmp_path)})
    for name in ("run", "state", "cache", "logs"):
        (d.folder / name).mkdir()
        os.chown(d.folder / name, WORKERS.pw_uid, WORKERS.pw_gid)
    keeper = subprocess.Popen(
        [str(BUILD / "bin/drover"), "keeper", "--runtime", str(d.run_folder), "--control-user", WORKERS.pw_name],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for((d.run_folder / "keeper.sock").exists)

        def launch():
            with open(d.log_path, "ab") as log:
                return subprocess.Popen(
                    [str(BUILD / "bin/drover"), "run", "--attach", "--config", str(d.config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    user=WORKERS.pw_uid,
                    group=WORKERS.pw_gid,
                    extra_groups=[] if ROOT else None,
                    umask=0o027,
                )

        d.launch = launch
        d.start()
        assert uid_of(d.proc.pid) == WORKERS.pw_uid
        assert uid_of(keeper.pid) == ME.pw_uid
        look(d)
    finally:
        if d.proc is not None:
            d.cli("shutdown")
            d.proc.wait(20)
            d.proc = None
        else:
            keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(30) == 0
