# SPDX-License-Identifier: ISC
"""origin.py ADDRESS NAME LOG - a service whose path says how to behave.

Every request that reaches it is one JSON line in LOG: what the tests ask when
they want to know that something was never forwarded.
"""
import asyncio
import hashlib
import json
import os
import sys
from urllib.parse import parse_qsl, urlsplit

ADDRESS, NAME, LOG = sys.argv[1:4]
state = {"active": 0, "most": 0, "served": 0}
log = open(LOG, "a", buffering=1)
MIB = b"x" * (1 << 20)


class Request:
    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.raw = raw
        self.method, self.target, self.version = lines[0].split(" ")
        self.headers = [tuple(s.strip() for s in x.split(":", 1))
                        for x in lines[1:] if x]
        parts = urlsplit(self.target)
        self.path = parts.path
        self.query = dict(parse_qsl(parts.query))

    def get(self, name, default=None):
        for k, v in self.headers:
            if k.lower() == name.lower():
                return v
        return default


async def body(req, r):
    """The pieces of the body, as they come; trailers go to req.trailers."""
    req.trailers = []
    if (req.get("Transfer-Encoding") or "").lower() == "chunked":
        while True:
            size = int((await r.readuntil(b"\r\n")).split(b";")[0], 16)
            if size == 0:
                break
            while size:
                data = await r.readexactly(min(size, 65536))
                size -= len(data)
                yield data
            await r.readexactly(2)
        while (line := await r.readuntil(b"\r\n")) != b"\r\n":
            req.trailers.append(line.decode().strip())
        return
    left = int(req.get("Content-Length") or 0)
    while left:
        data = await r.read(min(left, 65536))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)
        yield data


async def whole(req, r):
    return b"".join([p async for p in body(req, r)])


def reply(w, data, status="200 OK", headers=(), req=None):
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in headers)
    if req is not None and req.method == "HEAD":
        data = b""
    w.write(head.encode() + b"\r\n" + data)


async def on_token(req, r, w):
    await whole(req, r)
    await asyncio.sleep(int(req.query.get("ms", 0)) / 1000)
    text = json.dumps({"token": req.query.get("t"), "name": NAME})
    reply(w, text.encode(), req=req)


async def on_head(req, r, w):
    data = await whole(req, r)
    text = json.dumps({"target": req.target, "method": req.method,
                       "headers": req.headers, "name": NAME,
                       "body": data.decode("latin-1"),
                       "trailers": req.trailers})
    reply(w, text.encode(), req=req, headers=[
        ("Drover-Error", "mine"), ("Keep-Alive", "timeout=5"),
        ("X-Request-Id", "mine"), ("X-Kept", "yes")])


async def on_sink(req, r, w):
    digest, n = hashlib.sha256(), 0
    pause = float(req.query.get("pause", 0))
    if pause:
        await asyncio.sleep(pause)
    async for piece in body(req, r):
        digest.update(piece)
        n += len(piece)
    reply(w, json.dumps({"n": n, "sha": digest.hexdigest()}).encode())


async def on_bytes(req, r, w):
    n = int(req.query["n"])
    w.write(f"HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n".encode())
    while n:
        w.write(MIB[:min(n, len(MIB))])
        n -= min(n, len(MIB))
        await w.drain()


async def on_chunked(req, r, w):
    await whole(req, r)
    w.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            b"Trailer: X-Sum\r\n\r\n")
    for i in range(int(req.query.get("n", 3))):
        part = f"part {i};".encode()
        w.write(b"%x\r\n%s\r\n" % (len(part), part))
        await w.drain()
        await asyncio.sleep(float(req.query.get("gap", 0)))
    w.write(b"0\r\nX-Sum: 42\r\n\r\n")


async def on_until_close(req, r, w):
    w.write(b"HTTP/1.1 200 OK\r\n\r\nuntil close")
    await w.drain()
    return True


async def on_truncated(req, r, w):
    n = req.query.get("framing")
    if n == "chunked":
        w.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5\r\nhello\r\n")
    else:
        w.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
    await w.drain()
    return True


BAD = {
    "both": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
             b"Content-Length: 2\r\n\r\nok",
    "garbage": b"ICY 200 OK\r\n\r\n",
    "lf": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "switch": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "huge": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70000 + b"\r\n\r\n",
    "fold": b"HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "partial": b"HTTP/1.1 200 OK\r\nConte",
}


async def on_bad(req, r, w):
    w.write(BAD[req.query["kind"]])
    await w.drain()
    await asyncio.sleep(0.05)
    return True


async def on_early(req, r, w):
    reply(w, b"no thanks", "403 Forbidden", [("Connection", "close")])
    await w.drain()
    await asyncio.sleep(float(req.query.get("wait", 0.2)))
    return True


async def on_duplex(req, r, w):
    w.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    async for piece in body(req, r):
        w.write(b"%x\r\n%s\r\n" % (len(piece), piece.upper()))
        await w.drain()
    w.write(b"0\r\n\r\n")


async def on_stale(req, r, w):
    """Says keep-alive, and closes."""
    reply(w, b"bye")
    await w.drain()
    return True


async def on_hints(req, r, w):
    w.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
    await w.drain()
    await asyncio.sleep(0.05)
    reply(w, b"done")


async def on_cors(req, r, w):
    reply(w, b"text", headers=[
        ("Access-Control-Allow-Origin", "https://evil.org"),
        ("access-control-allow-credentials", "true"),
        ("ACCESS-CONTROL-X-EVIL", "1"), ("RateLimit", "evil"),
        ("ratelimit-policy", "evil"), ("Vary", "Accept")])


async def on_reset(req, r, w):
    """No answer: the connection ends."""
    return True


async def on_status(req, r, w):
    code = req.query["code"]
    if code in ("204", "304"):
        w.write(f"HTTP/1.1 {code} X\r\nX-Kept: yes\r\n\r\n".encode())
    else:
        reply(w, b"text", f"{code} X", req=req)


async def on_state(req, r, w):
    reply(w, json.dumps(dict(state, pid=os.getpid())).encode())


async def on_exit(req, r, w):
    os._exit(3)


async def serve(r, w):
    try:
        while True:
            req = Request((await r.readuntil(b"\r\n\r\n"))[:-4])
            log.write(json.dumps([req.method, req.target, NAME]) + "\n")
            handler = globals().get("on_" + req.path.strip("/"), on_head)
            counted = handler is not on_state
            state["active"] += counted
            state["most"] = max(state["most"], state["active"])
            try:
                close = await handler(req, r, w)
            finally:
                state["active"] -= counted
                state["served"] += counted
            await w.drain()
            if close or req.get("Connection") == "close":
                break
    except (asyncio.IncompleteReadError, ConnectionError,
            asyncio.LimitOverrunError):
        pass
    finally:
        w.close()


async def main():
    if ADDRESS.startswith("unix:"):
        server = await asyncio.start_unix_server(
            serve, ADDRESS[5:], backlog=1024, limit=1 << 20)
    else:
        host, port = ADDRESS.rsplit(":", 1)
        server = await asyncio.start_server(
            serve, host, int(port), backlog=1024, limit=1 << 20)
        print(server.sockets[0].getsockname()[1], flush=True)
    print("ready", flush=True)
    await server.serve_forever()

asyncio.run(main())
