#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""A service that tries what a sandbox forbids, and answers how it went.

Every answer is JSON: what each try gave, "" or the name of its error. TRY_FILE
is a file outside the service's folders, TRY_TMP one in /tmp, TRY_PORT where
somebody listens, and TRY_SETUID a program that says whom it runs as.
"""

import contextlib
import ctypes
import errno
import http.server
import json
import os
import platform
import socket
import socketserver
import subprocess

CALLS = {  # x86-64, the others; with arguments that do no harm
    "ptrace": (101, 117, 0xFFFF),
    "keyctl": (250, 219, 0xFFFF),
    "unshare": (272, 97, 0x10000000),
    "process_vm_readv": (310, 270, 0),
    "bpf": (321, 280, 0xFFFF),
    "io_uring_setup": (425, 425, 0),
    "open_tree": (428, 428, 0),
    "newer": (900, 900, 0),
}
libc = ctypes.CDLL(None, use_errno=True)


def tried(action):
    try:
        action()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))
    return ""


def call(name):
    x86, other, argument = CALLS[name]
    number = x86 if platform.machine() == "x86_64" else other
    pid = os.fork()  # whatever it gets, it gets alone
    if pid == 0:
        ctypes.set_errno(0)
        failed = libc.syscall(number, argument, 0, 0, 0, 0, 0) < 0
        os._exit(ctypes.get_errno() if failed else 0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return errno.errorcode.get(code, "") if code else ""


def write(path):
    with open(path, "w", encoding="ascii") as f:
        f.write("x")


def connect():
    with contextlib.closing(socket.socket()) as s:
        s.settimeout(5)
        s.connect(("127.0.0.1", int(os.environ["TRY_PORT"])))


def packets():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()


def status():
    with open("/proc/self/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t") for line in f if ":\t" in line)


def answer():
    now = status()
    said = {
        "uid": os.getuid(),
        "no_new_privs": now["NoNewPrivs"],
        "seccomp": now["Seccomp"],
        "capabilities": {now[k] for k in ("CapPrm", "CapEff", "CapInh", "CapAmb")} != {"0" * 16},
        "bounding": now["CapBnd"] != "0" * 16,
        "own": tried(lambda: write(os.environ["DROVER_STATE_DIR"] + "/own")),
        "tmp": tried(lambda: write(os.environ["TRY_TMP"])),
        "tmp_holds": sorted(os.listdir("/tmp")),
        "outside": tried(lambda: write(os.environ["TRY_FILE"])),
        "outside_seen": os.path.exists(os.environ["TRY_FILE"]),
        "connect": tried(connect),
        "packets": tried(packets),
        "interfaces": sorted(name for _, name in socket.if_nameindex()),
    }
    if "TRY_SETUID" in os.environ:
        said["setuid"] = subprocess.check_output([os.environ["TRY_SETUID"], "-u"], text=True).strip()
    said.update({name: call(name) for name in CALLS})
    return said


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(answer() if self.path == "/tries" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "drover"


if __name__ == "__main__":
    socketserver.UnixStreamServer(os.environ["DROVER_SOCKET"], Handler).serve_forever()
