# SPDX-License-Identifier: ISC
"""Certificates that sign themselves, made as a test needs them."""
import hashlib
import ssl
import subprocess
from pathlib import Path


class Certificate:
    def __init__(self, folder, name, names=(), kind="ec", days=365):
        self.cert = Path(folder) / f"{name}.pem"
        self.key = Path(folder) / f"{name}.key"
        key = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
               "rsa": ["-newkey", "rsa:2048"],
               "weak": ["-newkey", "rsa:1024"]}[kind]
        extra = ["-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names)] if names else []
        subprocess.run(
            ["openssl", "req", "-x509", *key, "-nodes", "-keyout", str(self.key), "-out", str(self.cert),
             "-days", str(days), "-subj", f"/CN={name}", *extra],
            check=True, capture_output=True, timeout=60)

    @property
    def print(self):
        return fingerprint(ssl.PEM_cert_to_DER_cert(self.cert.read_text()))

    def __str__(self):
        return f"{self.cert} {self.key}"

    def yaml(self):
        return {"cert": str(self.cert), "key": str(self.key)}


def fingerprint(der):
    return hashlib.sha256(der).hexdigest()[:16]


def client(versions=None, ciphers=None, alpn=None):
    """A context that trusts whoever is there."""
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_NONE
    c.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # which Python sets
    if versions:
        c.minimum_version, c.maximum_version = versions
    if ciphers:
        c.set_ciphers(ciphers)
    if alpn:
        c.set_alpn_protocols(alpn)
    return c


class Tls:
    """A client whose bytes on the wire the test holds in its own hands."""

    def __init__(self, sock, name="a.test", context=None, first=b""):
        self.sock = sock
        self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client()).wrap_bio(self.inward, self.outward, server_hostname=name)
        self._do(self._shake, first)

    def _shake(self, first):
        """The last words of the handshake and the first bytes after it go together."""
        self.tls.do_handshake()
        if first:
            self.tls.write(first)

    def flush(self):
        if data := self.outward.read():
            self.sock.sendall(data)

    def _do(self, what, *args):
        while True:
            try:
                r = what(*args)
                self.flush()
                return r
            except ssl.SSLWantReadError:
                self.flush()
                data = self.sock.recv(65536)
                if data:
                    self.inward.write(data)
                else:
                    self.inward.write_eof()

    def send(self, data):
        self.tls.write(data)
        self.flush()

    def recv(self, n=65536):
        """b"" at a close_notify; an SSLError where there was none."""
        try:
            return self._do(self.tls.read, n)
        except ssl.SSLZeroReturnError:
            return b""

    def all(self):
        data = b""
        while part := self.recv():
            data += part
        return data

    def say_end(self):
        """Our close_notify, and no waiting for the other's."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()
