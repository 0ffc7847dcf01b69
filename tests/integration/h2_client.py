# SPDX-License-Identifier: ISC
"""A client of HTTP/2 that says what it is told to, right or wrong.

Heads go out as literals; what comes back is decoded by python3-hpack.
"""
import socket
import struct
import time

import hpack

DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONT = \
    range(10)
END, ACK, END_HEADERS = 1, 1, 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL, INTERNAL, FLOW, CANCEL, CALM = 0, 1, 2, 3, 8, 11


def frame(kind, flags=0, stream=0, payload=b""):
    return (struct.pack(">I", len(payload))[1:] + bytes([kind, flags])
            + struct.pack(">I", stream) + payload)


def number(n, bits, first):
    most = (1 << bits) - 1
    if n < most:
        return bytes([first | n])
    out, n = bytes([first | most]), n - most
    while n >= 128:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def text(s):
    s = s.encode("latin-1") if isinstance(s, str) else s
    return number(len(s), 7, 0) + s


def block(fields):
    return b"".join(b"\x10" + text(k) + text(v) for k, v in fields)


def request(path="/", method="GET", host="a", more=()):
    return block([(":method", method), (":scheme", "http"), (":path", path),
                  (":authority", host), *more])


def word(n):
    return struct.pack(">I", n)


class Answer:
    def __init__(self):
        self.heads, self.trailers = [], None
        self.body, self.ended, self.reset = b"", False, None

    @property
    def head(self):
        return self.heads[-1]

    @property
    def status(self):
        return int(self.head[":status"])


class Client:
    """settings: ours, sent first; credit: whether windows are opened again."""

    def __init__(self, port, settings=b"", credit=True, hello=True, wrap=None):
        self.s = socket.create_connection(("127.0.0.1", port), timeout=10)
        if wrap is not None:
            self.s = wrap(self.s)
        self.credit = credit
        self.buffer = b""
        self.answers = {}
        self.frames = []  # what else came: (kind, flags, stream, payload)
        self.decoder = hpack.Decoder()
        self.next = 1
        if hello:
            self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data):
        self.s.sendall(data)

    def ask(self, path="/", method="GET", body=None, more=(), end=True,
            host="a"):
        """Begin a request; its stream's number."""
        stream, self.next = self.next, self.next + 2
        flags = END_HEADERS | (END if body is None and end else 0)
        data = frame(HEADERS, flags, stream, request(path, method, host, more))
        if body is not None:
            data += frame(DATA, END if end else 0, stream, body)
        self.send(data)
        return stream

    def step(self):
        """The next frame; None at the end of the connection."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + self._length():
            try:
                part = self.s.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return None
            self.buffer += part
        n = self._length()
        kind, flags = self.buffer[3:5]
        stream, = struct.unpack(">I", self.buffer[5:9])
        payload, self.buffer = self.buffer[9:9 + n], self.buffer[9 + n:]
        self._note(kind, flags, stream, payload)
        return kind, flags, stream, payload

    def _length(self):
        return int.from_bytes(self.buffer[:3], "big")

    def _note(self, kind, flags, stream, payload):
        a = self.answers.setdefault(stream, Answer()) if stream else None
        if kind == HEADERS:
            assert flags & END_HEADERS
            fields = dict(self.decoder.decode(payload))
            if ":status" in fields:
                a.heads.append(fields)
            else:
                a.trailers = fields
        elif kind == DATA:
            a.body += payload
            if self.credit and payload:
                self.send(frame(WINDOW, 0, 0, word(len(payload)))
                          + frame(WINDOW, 0, stream, word(len(payload))))
        elif kind == RST:
            a.reset = struct.unpack(">I", payload)[0]
        elif kind == SETTINGS and not flags & ACK:
            self.send(frame(SETTINGS, ACK))
        else:
            self.frames.append((kind, flags, stream, payload))
        if kind in (HEADERS, DATA) and flags & END:
            a.ended = True

    def wait(self, stream):
        """Until that stream is over, on this side or by a reset."""
        while True:
            a = self.answers.get(stream)
            if a is not None and (a.ended or a.reset is not None):
                return a
            assert self.step() is not None, "the connection ended"

    def get(self, path="/", **more):
        return self.wait(self.ask(path, **more))

    def until(self, kind):
        """The payload of the next frame of that kind."""
        while True:
            f = self.step()
            assert f is not None, "the connection ended"
            if f[0] == kind:
                return f[3]

    def goaway(self):
        """The last stream and the code."""
        return struct.unpack(">II", self.until(GOAWAY)[:8])

    def closed(self, timeout=10):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.step() is None:
                return True
        return False

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()
