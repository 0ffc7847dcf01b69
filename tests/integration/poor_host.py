#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""poor_host.py FAILS... -- PROGRAM [ARGUMENT...]

Become PROGRAM on a host that gives less: each of FAILS (namespaces, mounts,
seccomp) fails with EPERM, for whatever it starts too. It is a
filter of the kernel's, so what runs under it cannot tell it from the real
thing.
"""

import ctypes
import os
import platform
import struct
import sys

X86 = platform.machine() == "x86_64"
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
PRCTL = 157 if X86 else 167
NUMBERS = {
    "namespaces": [(272 if X86 else 97, None)],
    "mounts": [(165 if X86 else 40, None)],
    "seccomp": [(PRCTL, PR_SET_SECCOMP), (317 if X86 else 277, None)],
}


def steps(fails):
    for name in fails:
        for number, first in NUMBERS[name]:
            yield LOAD, 0, 0, 0
            yield EQUAL, 0, 1 if first is None else 3, number
            if first is not None:
                yield LOAD, 0, 0, 16
                yield EQUAL, 0, 1, first
            yield RETURN, 0, 0, EPERM
    yield RETURN, 0, 0, ALLOW


def main():
    cut = sys.argv.index("--")
    program = [struct.pack("HBBI", *s) for s in steps(sys.argv[1:cut])]
    code = ctypes.create_string_buffer(b"".join(program))
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    # Root needs no promise, and its children keep what setuid gives.
    if os.geteuid() != 0 and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.c_char_p(head), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execv(sys.argv[cut + 1], sys.argv[cut + 1:])


if __name__ == "__main__":
    main()
