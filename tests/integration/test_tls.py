# SPDX-License-Identifier: ISC
"""TLS of the whole daemon: from the files to the client, and what is said of them."""

import shutil
import ssl
import subprocess
import threading

import pytest
from certs import Certificate, client, fingerprint
from drover import UnixConnection, ask, free_port, herdling, wait_for
from worker_rig import status


def secure(d, *certificates, **tls):
    d.tls_port = getattr(d, "tls_port", None) or free_port()
    d.write_top(listen=[
        {"address": f"127.0.0.1:{d.port}"},
        {"address": f"127.0.0.1:{d.tls_port}", "tls": {"certificates": [c.yaml() for c in certificates], **tls}}])


def dial(d, name="a.test", context=None, session=None):
    import socket

    s = socket.create_connection(("127.0.0.1", d.tls_port), timeout=10)
    return (context or client()).wrap_socket(s, server_hostname=name, session=session)


def shown(d, name="a.test"):
    with dial(d, name) as s:
        return fingerprint(s.getpeercert(True))


def get(s):
    s.sendall(b"GET /a/echo HTTP/1.1\r\nHost: a.test\r\n\r\n")
    return status(s.recv(65536))


def metrics(d):
    text = ask(UnixConnection(str(d.socket)), "GET", "/metrics").body.decode()
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def certs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    return [Certificate(folder, n, [f"{n}.test"]) for n in "ab"]


def started(herd, *certificates, **tls):
    d = herd.prepare({"a": herdling()}, workers=2)
    secure(d, *certificates, **tls)
    d.start()
    d.ready("a")
    wait_for(lambda: shown(d))
    return d


def test_https_from_a_file_beside_the_configuration(herd, certs):
    d = herd.prepare({"a": herdling()}, workers=1)
    secure(d, *certs)
    shutil.copy(certs[0].cert, d.folder / "beside.pem")
    shutil.copy(certs[0].key, d.folder / "beside.key")
    d.top["listen"][1]["tls"]["certificates"][0] = {"cert": "beside.pem", "key": "beside.key"}
    d.write_top()
    d.start()
    d.ready("a")
    assert shown(d, "a.test") == certs[0].print and shown(d, "b.test") == certs[1].print
    with dial(d) as s:
        assert get(s) == 200
    assert d.get("/a/echo").status == 200  # the other listener is as it was


def test_a_reload_swaps_certificates_and_loses_no_request(herd, certs, tmp_path):
    here = Certificate(tmp_path, "here", ["a.test"])
    d = started(herd, here)
    old = dial(d)
    assert get(old) == 200
    wrong, done, stop = [], [0], threading.Event()

    def go():
        while not stop.is_set():
            try:
                with dial(d) as s:
                    assert get(s) == 200 and get(s) == 200
                done[0] += 1
            except Exception as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=go) for _ in range(3)]
    for t in threads:
        t.start()
    for i in range(4):
        shutil.copy(certs[i % 2].cert, here.cert)
        shutil.copy(certs[i % 2].key, here.key)
        assert d.cli("reload").returncode == 0
        wait_for(lambda: shown(d) == certs[i % 2].print)
    seen = done[0]
    wait_for(lambda: done[0] > seen + 5)
    stop.set()
    for t in threads:
        t.join()
    assert not wrong, wrong[:3]
    assert get(old) == 200
    old.close()


def test_a_reload_with_a_key_of_another_changes_nothing(herd, certs, tmp_path):
    here = Certificate(tmp_path, "here", ["a.test"])
    d = started(herd, here)
    before = here.print
    shutil.copy(certs[0].key, here.key)
    said = d.cli("reload")
    assert said.returncode == 1 and "does not belong to the certificate" in said.stderr + said.stdout
    assert shown(d) == before


def lines(d):
    r = d.check()
    return r.returncode, r.stderr.splitlines(), r.stdout


def line_of(d, text):
    return next(i for i, x in enumerate(d.config.read_text().splitlines(), 1) if text in x)


def test_check_names_file_line_and_what_is_wrong(herd, certs, tmp_path):
    d = herd.prepare({"a": herdling()})
    here = Certificate(tmp_path, "here", ["a.test"])
    good = here.key.read_text(), here.cert.read_text()
    encrypted = subprocess.run(
        ["openssl", "ec", "-in", str(here.key), "-aes128", "-passout", "pass:x"], capture_output=True, text=True,
        check=True, timeout=20).stdout
    for file, text, key, words in [
            (here.key, certs[0].key.read_text(), "key", "does not belong to the certificate"),
            (here.key, encrypted, "key", "encrypted"),
            (here.key, "nothing", "key", "none in PEM"),
            (here.cert, "nothing", "cert", "none in PEM"),
            (here.cert, good[1].replace("M", "N", 3), "cert", ""),
            (here.cert, good[1] + "x" * 65536, "cert", "over 60 KiB"),
            (here.key, None, "key", "No such file"),
            (here.cert, None, "cert", "No such file")]:
        here.key.write_text(good[0])
        here.cert.write_text(good[1])
        file.unlink() if text is None else file.write_text(text)
        d.write_top(listen=[{"address": "127.0.0.1:1", "tls": {"certificates": [certs[0].yaml(), here.yaml()]}}])
        code, said, _ = lines(d)
        assert code == 1 and len(said) == 1, said
        where, _, rest = said[0].partition(": ")
        assert where.rpartition(":")[0] == str(d.config) and int(where.rpartition(":")[2]) > 0
        assert rest.startswith(f"listen[0].tls.certificates[1].{key}: ") and words in rest, said
        assert "PRIVATE" not in said[0]


def test_check_finds_what_only_the_whole_listener_shows(herd, tmp_path):
    d = herd.prepare({"a": herdling()})
    weak = Certificate(tmp_path, "weak", ["w.test"], kind="weak")
    here = Certificate(tmp_path, "here", ["a.test"])
    for tls, words in [({"certificates": [weak.yaml()]}, "key too small"),
                       ({"certificates": [here.yaml()], "ciphers": "NONSENSE"}, "ciphers: "),
                       ({"certificates": [here.yaml()], "ciphersuites": "NONSENSE"}, "ciphersuites: ")]:
        d.write_top(listen=[{"address": "127.0.0.1:1", "tls": tls}])
        code, said, _ = lines(d)
        assert code == 1 and "listen[0].tls: " in said[0] and words in said[0], said


def test_what_ends_soon_is_a_warning(herd, certs, tmp_path):
    d = herd.prepare({"a": herdling()})
    soon = Certificate(tmp_path, "soon", ["soon.test"], days=5)
    secure(d, certs[0], soon)
    code, said, out = lines(d)
    assert code == 0 and "good" in out
    assert len(said) == 1 and "soon.test expires within 14 days" in said[0]
    d.start()
    wait_for(lambda: "expires within 14 days" in d.log())
    assert d.log().count("expires within 14 days") == 1
    seen = metrics(d)
    where = f'listener="127.0.0.1:{d.tls_port}",certificate="1",name="soon.test"'
    end = ssl.cert_time_to_seconds(
        ssl._ssl._test_decode_cert(str(soon.cert))["notAfter"])
    assert int(seen[f"drover_certificate_expiry_seconds{{{where}}}"]) == end


def test_handshakes_are_counted_by_what_became_of_them(herd, certs):
    d = started(herd, certs[0])
    wait_for(lambda: int(metrics(d)["drover_tls_handshakes_total"]) == 1)  # that of the start
    before, context = metrics(d), client((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    with dial(d, context=context) as s:
        assert get(s) == 200
        session = s.session
    with dial(d, context=context, session=session) as s:
        assert get(s) == 200
    with pytest.raises(ssl.SSLError):
        dial(d, context=client((ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1), "ALL:@SECLEVEL=0"))
    seen = metrics(d)
    name = 'drover_tls_failures_total{reason="version"}'
    assert int(seen["drover_tls_handshakes_total"]) == int(before["drover_tls_handshakes_total"]) + 2
    assert int(seen["drover_tls_resumed_total"]) == int(before["drover_tls_resumed_total"]) + 1
    assert int(seen[name]) == int(before[name]) + 1


def test_tickets_outlive_control_and_certificates_that_are_gone(herd, certs, tmp_path):
    here = Certificate(tmp_path, "here", ["a.test"])
    d = started(herd, here)
    context = client((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2))
    with dial(d, context=context) as s:
        assert get(s) == 200
        session = s.session
    before, name = here.print, here.key.rename(tmp_path / "elsewhere")
    d.kill_control()
    d.start()
    wait_for(lambda: "workers keep what they have" in d.log())
    d.ready("a")
    # Both workers are led by the new one, and heard from it what there is.
    wait_for(lambda: all(d.log().count(f"proxy.{i}: starting -> ready") == 2 for i in (0, 1)))
    d.write("a", herdling(replicas=2))
    name.rename(here.key.with_name("again"))
    assert d.cli("reload").returncode == 1
    assert {shown(d) for _ in range(8)} == {before}
    shutil.copy(certs[1].cert, here.cert)
    shutil.copy(certs[1].key, here.key)
    assert d.cli("reload").returncode == 0
    wait_for(lambda: {shown(d) for _ in range(8)} == {certs[1].print})
    for _ in range(8):
        with dial(d, context=context, session=session) as s:
            assert s.session_reused and get(s) == 200
