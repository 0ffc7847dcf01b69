# SPDX-License-Identifier: ISC
"""What make install puts where, and what systemd says of the units."""

import re
import subprocess

import pytest
from drover import BUILD


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    subprocess.run(
        ["make", "-s", "-C", str(BUILD), "install", f"DESTDIR={root}"],
        check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=300,
    )
    return root


@pytest.fixture(scope="module")
def units(installed):
    """The units, with their programs where they were installed."""
    folder = next(installed.rglob("systemd/system"))
    for unit in folder.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        text = re.sub(r"(?<==)(/\S*/bin/drover)", rf"{installed}\1", text)
        unit.write_text(text, encoding="utf-8")
    return sorted(folder.glob("*.service"))


def test_systemd_finds_nothing_wrong_with_the_units(installed, units):
    assert [u.name for u in units] == ["drover-control.service", "drover.service"]
    (socket,) = units[0].parent.glob("*.socket")
    manuals = next(installed.rglob("share/man"), installed)
    p = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units), str(socket)],
        capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MANPATH": str(manuals)},
    )
    assert p.returncode == 0 and not p.stderr.strip(), p.stderr


@pytest.mark.parametrize("unit, most", [("drover-control.service", 2.0), ("drover.service", 8.0)])
def test_the_exposure_of_the_units_stays_low(units, unit, most, figure):
    path = next(u for u in units if u.name == unit)
    p = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(path)],
        capture_output=True, text=True, timeout=60, check=False,
    )
    level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", p.stdout).group(1))
    figure(f"systemd-analyze security {unit}", level)
    assert level <= most


def test_the_units_say_what_the_design_asks(units):
    control, keeper = (dict(re.findall(r"^(\w+)=(.*)$", u.read_text(encoding="utf-8"), re.M)) for u in units)
    assert keeper["Type"] == control["Type"] == "notify"
    assert keeper["Wants"] == "drover-control.service"
    assert keeper["Delegate"] == "yes" and keeper["OOMPolicy"] == "continue"
    assert control["BindsTo"] == control["After"] == "drover.service"
    for unit in (keeper, control):
        assert unit["Restart"] == "always" and unit["StartLimitIntervalSec"] == "0"
    assert control["WatchdogSec"] == "10s" and control["User"] == "drover"


def test_users_and_folders_are_declared(installed):
    users, tools = (next(installed.rglob(f"sysusers.d/{n}.conf")) for n in ("drover", "drover-tools"))
    folders = next(installed.rglob("tmpfiles.d/drover.conf"))
    p = subprocess.run(
        ["systemd-sysusers", "--dry-run", str(users), str(tools)], capture_output=True, text=True, timeout=30, check=False,
    )
    assert p.returncode == 0 and all(x in p.stderr + p.stdout for x in ("drover-admin", "drover-image")), p
    assert "/run/drover" in folders.read_text(encoding="utf-8")


def test_the_installed_program_runs_and_its_manual_formats(installed):
    program = next(p for p in installed.rglob("bin/drover"))
    assert subprocess.run([str(program), "version"], check=True, capture_output=True, timeout=20).stdout
    manual = next(installed.rglob("man1/drover.1"))
    p = subprocess.run(
        ["man", "--warnings", "-l", "-Tutf8", str(manual)], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )
    assert p.returncode == 0 and not p.stderr.strip(), p.stderr
    assert "drover" in p.stdout
