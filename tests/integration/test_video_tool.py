# SPDX-License-Identifier: ISC
"""drover-video by itself: what it says of files, what it refuses, and what that costs."""

import json
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest
import video_media
from svc_rig import BUILD, Answer, Connection, start  # noqa: F401

VIDEO = str(BUILD / "bin/drover-video")
FAULTS = {"DROVER_VIDEO_FAULTS": "1"}
KINDS = [*video_media.KINDS, "right.mov", "down.mov", "left.mov", "shifted.mp4", "cover.mp3"]


@pytest.fixture
def tool(start):
    return start(VIDEO)


def fault(how):
    return f"drover-fault: {how}".encode()


def children(pid):
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def nursery(tool):
    """Whoever of its threads started it."""
    found = [int(x) for t in Path(f"/proc/{tool.process.pid}/task").iterdir()
             for x in (t / "children").read_text().split()]
    assert len(found) == 1, found
    return found[0]


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- what it says -----------------------------------------------------------


def ffprobe(path):
    said = json.loads(subprocess.run(
        ["ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", path],
        capture_output=True, check=True, timeout=60).stdout)
    del said["format"]["filename"]
    return said


@pytest.mark.parametrize("name", KINDS)
def test_probe_says_what_ffprobe_says(tool, media, name):
    answer = tool.ask("POST", "/probe", media[name].read_bytes())
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
    assert answer.json() == ffprobe(media[name])


def test_a_body_in_chunks_is_the_same(tool, media):
    data = media["plain.mp4"].read_bytes()
    whole = tool.ask("POST", "/probe", data)
    pieces = tool.ask("POST", "/probe", (data[i:i + 7777] for i in range(0, len(data), 7777)))
    assert pieces.status == 200 and pieces.json() == whole.json()


def test_hostile_tags_are_json_in_utf_8(tool, media, tmp_path):
    """Bytes in metadata that are no UTF-8, by hand: ffmpeg would mend them."""
    data = media["tracks.mkv"].read_bytes()
    title = "Größe \"x\" \\ y".encode()
    assert data.count(title) == 1
    broken = data.replace(title, b"\xff\xc3\xed\xa0\x80\x01\"\\\n\xf4\x90<".ljust(len(title), b"x"))
    answer = tool.ask("POST", "/probe", broken)
    assert answer.status == 200
    said = json.loads(answer.body.decode("utf-8", "strict"))
    file = tmp_path / "broken.mkv"
    file.write_bytes(broken)
    tags = said["format"]["tags"]
    assert tags["title"].endswith("<xxx") and "\ufffd" in tags["title"] and "\x01\"\\\n" in tags["title"]


def test_several_requests_on_one_connection(tool, media):
    connection = Connection(tool.where)
    for name in ("plain.mp4", "sound.mp3", "vp9.webm"):
        connection.request("POST", "/probe", media[name].read_bytes())
        assert Answer(connection.getresponse()).status == 200
    connection.close()


# --- what it refuses --------------------------------------------------------

PLAYLIST = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile '/etc/passwd'\nfile 'x.mp4'\n"
SDP = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
DASH = (b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011"'
        b' type="static"><Period><BaseURL>http://127.0.0.1:1/</BaseURL></Period></MPD>')


@pytest.mark.parametrize("body", [
    b"", b"hello, world\n" * 100, PLAYLIST, CONCAT, SDP, DASH, b"\x89PNG\r\n\x1a\n" + b"\0" * 100, b"\0" * 100000,
], ids=["empty", "text", "playlist", "concat", "sdp", "dash", "png", "zeros"])
def test_what_is_no_media_is_415(tool, body):
    answer = tool.ask("POST", "/probe", body)
    assert (answer.status, answer.type()) == (415, "unsupported-format"), answer.body


def test_a_playlist_opens_nothing(tool, tmp_path):
    """Neither a file, which would be a FIFO that somebody opens, nor the network."""
    fifo = tmp_path / "fifo.ts"
    os.mkfifo(fifo)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        for target in (f"file://{fifo}", str(fifo), f"http://127.0.0.1:{listener.getsockname()[1]}/x.ts"):
            text = PLAYLIST.replace(b"file:///etc/passwd", target.encode())
            assert tool.ask("POST", "/probe", text).status == 415
            text = f"ffconcat version 1.0\nfile '{target}'\n".encode()
            assert tool.ask("POST", "/probe", text).status == 415
        with pytest.raises(BlockingIOError):
            listener.accept()
    with pytest.raises(OSError):  # ENXIO: nobody reads it
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)


def atom(name, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), name) + body


def patched(data, name, at, value):
    """The first atom of that name, with a 32 bit number replaced."""
    i = data.index(name) + 4 + at
    return data[:i] + struct.pack(">I", value) + data[i + 4:]


def test_each_limit_has_its_own_refusal_and_is_a_setting(start, media):
    plain, tracks = media["plain.mp4"].read_bytes(), media["tracks.mkv"].read_bytes()
    for args, body, type in [
        (["--long-side", "319"], plain, "picture-too-large"),
        (["--short-side", "179"], plain, "picture-too-large"),
        (["--duration", "1s"], plain, "too-long"),
        (["--streams", "2"], tracks, "too-many-streams"),
    ]:
        tool = start(VIDEO, *args)
        answer = tool.ask("POST", "/probe", body)
        assert (answer.status, answer.type()) == (422, type), answer.body
        tool.stop()
    tool = start(VIDEO, "--long-side", "320", "--short-side", "180", "--duration", "3s", "--streams", "3")
    assert tool.ask("POST", "/probe", plain).status == 200
    assert tool.ask("POST", "/probe", media["right.mov"].read_bytes()).status == 200
    assert tool.ask("POST", "/probe", tracks).status == 200


def test_header_lies_are_refused_by_the_defaults(tool, media):
    plain = media["plain.mp4"].read_bytes()
    hours = patched(plain, b"mvhd", 16, 7 * 3600 * 1000)
    answer = tool.ask("POST", "/probe", hours)
    assert (answer.status, answer.type()) == (422, "too-long"), answer.body
    raw = media["odd.mkv"].read_bytes()
    wide = raw.replace(b"\xb0\x82\x01\x41", b"\xb0\x82\x40\x41")  # PixelWidth 16449
    assert wide != raw
    answer = tool.ask("POST", "/probe", wide)
    assert (answer.status, answer.type()) == (422, "picture-too-large"), answer.body


def streams(n):
    """An MP4 of so many streams that hold nothing."""
    def track(i):
        head = atom(b"tkhd", struct.pack(">IIIIII", 0, 0, 0, i, 0, 0), b"\0" * 60)
        kind = atom(b"hdlr", b"\0" * 8, b"soun", b"\0" * 13)
        table = atom(b"stsd", struct.pack(">II", 0, 1), atom(b"sowt", b"\0" * 6, b"\0\1", b"\0" * 8,
                     struct.pack(">HHHHI", 2, 16, 0, 0, 48000 << 16)))
        stbl = atom(b"stbl", table, *(atom(x, b"\0" * 8) for x in (b"stts", b"stsc", b"stco")),
                    atom(b"stsz", b"\0" * 12))
        mdhd = atom(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 1000, 0, 0, 0))
        return atom(b"trak", head, atom(b"mdia", mdhd, kind, atom(b"minf", stbl)))

    mvhd = atom(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 1000), b"\0" * 80)
    return atom(b"ftyp", b"isom\0\0\2\0isom") + atom(b"moov", mvhd, *(track(i + 1) for i in range(n)))


@pytest.mark.parametrize("n", [33, 10000])
def test_too_many_streams(tool, n):
    answer = tool.ask("POST", "/probe", streams(n))
    assert (answer.status, answer.type()) == (422, "too-many-streams"), answer.body
    assert tool.ask("POST", "/probe", streams(32)).status in (200, 422)


def test_huge_metadata_is_refused_or_told(start, media, tmp_path):
    file = tmp_path / "huge.mkv"
    lyrics = tmp_path / "meta"
    lyrics.write_text(";FFMETADATA1\n" + "".join(f"k{i}={'x' * 1000}\n" for i in range(300)))
    video_media.ffmpeg("-i", media["silent.mp4"], "-i", lyrics, "-map_metadata", "1", "-c", "copy", file)
    tool = start(VIDEO, "--answer", "64KiB")
    answer = tool.ask("POST", "/probe", file.read_bytes())
    assert (answer.status, answer.type()) == (422, "answer-too-large"), answer.body
    tool.stop()
    answer = start(VIDEO).ask("POST", "/probe", file.read_bytes())
    assert answer.status == 200 and len(answer.json()["format"]["tags"]) > 300


def test_damaged_files_of_each_kind_cost_one_request_each(tool, media):
    """Cut short, and with bytes turned over: an answer, and life goes on."""
    connection = Connection(tool.where)
    for name in ("plain.mp4", "faststart.mp4", "fragmented.mp4", "tracks.mkv", "vp9.webm", "right.mov", "stream.ts",
                 "mpeg4.avi", "sound.mp3", "sound.ogg", "sound.flac", "hdr.mp4"):
        data = media[name].read_bytes()
        bodies = [data[:len(data) * part // 100] for part in (1, 50, 95)]
        for at in (40, 300, len(data) // 2, len(data) - 500):
            bodies.append(data[:at] + bytes(x ^ 0x55 for x in data[at:at + 8]) + data[at + 8:])
        for body in bodies:
            connection.request("POST", "/probe", body)
            answer = Answer(connection.getresponse())
            assert answer.status in (200, 415, 422), answer.body
            if answer.status != 200:
                assert answer.type() in ("unsupported-format", "invalid-media", "too-long", "picture-too-large")
    connection.close()
    truncated = media["plain.mp4"].read_bytes()[:-3000]  # its index stands at the end
    answer = tool.ask("POST", "/probe", truncated)
    assert (answer.status, answer.type()) == (422, "invalid-media"), answer.body


@pytest.mark.parametrize("query, type", [("?x=1", "unknown-parameter")])
def test_parameters_are_checked(tool, media, query, type):
    answer = tool.ask("POST", "/probe" + query, media["sound.wav"].read_bytes())
    assert (answer.status, answer.type()) == (400, type)


# --- what it costs others ---------------------------------------------------


@pytest.mark.parametrize("how, signal_name", [("crash", "Segmentation fault"), ("lie", "no answer")])
def test_a_decoder_that_fails_costs_one_request(start, media, how, signal_name):
    tool = start(VIDEO, env=FAULTS)
    before = nursery(tool)
    answer = tool.ask("POST", "/probe", fault(how))
    assert (answer.status, answer.type()) == (422, "decoder-crash"), answer.body
    assert signal_name in answer.json()["detail"]
    assert tool.ask("POST", "/probe", media["plain.mp4"].read_bytes()).status == 200
    assert nursery(tool) == before


def test_without_the_environment_a_fault_is_a_text(tool):
    assert tool.ask("POST", "/probe", fault("crash")).status == 415


def test_a_decoder_that_hangs_is_killed_at_the_deadline_and_neighbours_go_on(start, media):
    tool = start(VIDEO, "--workers", "2", "--deadline", "3s", env=FAULTS)
    hanging = tool.begin("/probe", fault("hang"))
    until(lambda: len(children(nursery(tool))) == 1)
    child = children(nursery(tool))[0]
    for _ in range(5):
        assert tool.ask("POST", "/probe", media["plain.mp4"].read_bytes()).status == 200
        assert tool.ask("POST", "/probe", fault("crash")).status == 422
    assert alive(child)
    answer = Answer(hanging.getresponse())
    assert (answer.status, answer.type()) == (504, "timeout")
    until(lambda: not alive(child))
    tool.until("drover_tool_workers_busy{", 0)
    assert tool.metric("drover_tool_spool_bytes{") == 0


def test_cpu_time_has_a_ceiling(start):
    tool = start(VIDEO, "--decoder-cpu", "1", env=FAULTS)
    answer = tool.ask("POST", "/probe", fault("spin"))
    assert (answer.status, answer.type()) == (422, "decoder-time"), answer.body


@pytest.mark.measured
def test_memory_of_a_decoder_has_a_ceiling(start, media):
    """Not under the sanitizers: their address space has no bounds."""
    tool = start(VIDEO, "--decoder-memory", "768MiB", env=FAULTS)
    most = 0
    growing = tool.begin("/probe", fault("grow"))
    while tool.metric("drover_tool_workers_busy{") > 0:
        for pid in children(nursery(tool)):
            try:
                most = max(most, int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * 4096)
            except (OSError, ValueError, IndexError):
                pass
    answer = Answer(growing.getresponse())
    assert (answer.status, answer.type()) == (422, "decoder-crash"), answer.body
    assert most <= 768 << 20
    assert tool.ask("POST", "/probe", media["plain.mp4"].read_bytes()).status == 200


def test_a_caller_that_hangs_up_ends_its_work(start):
    tool = start(VIDEO, "--deadline", "60s", env=FAULTS)
    running = tool.begin("/probe", fault("hang"))
    until(lambda: len(children(nursery(tool))) == 1)
    child = children(nursery(tool))[0]
    running.close()
    until(lambda: not alive(child))
    tool.until("drover_tool_workers_busy{", 0)
    assert tool.metric("drover_tool_cancelled_total") == 1
    assert tool.metric("drover_tool_spool_bytes{") == 0


def test_a_killed_nursery_costs_nothing(start, media):
    tool = start(VIDEO, "--workers", "2", "--deadline", "60s", env=FAULTS)
    hanging = tool.begin("/probe", fault("hang"))
    first = nursery(tool)
    until(lambda: len(children(first)) == 1)
    child = children(first)[0]
    os.kill(first, signal.SIGKILL)
    until(lambda: not alive(child))
    assert tool.ask("POST", "/probe", media["plain.mp4"].read_bytes()).status == 200
    until(lambda: nursery(tool) != first and len(children(nursery(tool))) == 1)  # it was done again
    hanging.close()
    until(lambda: not children(nursery(tool)))


def test_nothing_is_left_when_it_is_killed(start):
    tool = start(VIDEO, "--deadline", "60s", env=FAULTS)
    hanging = tool.begin("/probe", fault("hang"))
    until(lambda: len(children(nursery(tool))) == 1)
    left = [nursery(tool), *children(nursery(tool))]
    tool.process.kill()
    until(lambda: not any(alive(pid) for pid in left))
    hanging.close()


def test_a_contained_process_has_no_privileges_and_no_descriptors(start):
    tool = start(VIDEO, "--deadline", "60s", env=FAULTS)
    hanging = tool.begin("/probe", fault("hang"))
    until(lambda: len(children(nursery(tool))) == 1)
    pid = children(nursery(tool))[0]
    until(lambda: len(os.listdir(f"/proc/{pid}/fd")) == 5)
    status = dict(x.split(":\t", 1) for x in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in x)
    assert status["NoNewPrivs"] == "1"
    assert status["CapEff"] == status["CapPrm"] == "0" * 16
    assert {x.split("=")[0] for x in Path(f"/proc/{pid}/environ").read_text().split("\0") if x} == {"DROVER_VIDEO_FAULTS"}
    hanging.close()


# --- bodies on disk ---------------------------------------------------------


def test_a_large_body_is_never_held_and_leaves_nothing(start, tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    tool = start(VIDEO, env={"DROVER_TMP_DIR": str(folder)})
    piece = b"\0" * (1 << 20)
    tool.ask("POST", "/probe", piece)
    connection = Connection(tool.where)
    connection.putrequest("POST", "/probe")
    connection.putheader("Content-Length", str(256 << 20))
    connection.endheaders()
    for i in range(256):
        connection.send(piece)
        if i == 200:
            assert tool.metric("drover_tool_spool_bytes{") == 256 << 20
            assert not list(folder.iterdir())
    assert Answer(connection.getresponse()).status == 415
    connection.close()
    most = [x for x in Path(f"/proc/{tool.process.pid}/status").read_text().splitlines() if x.startswith("VmHWM")]
    if "WITH_SANITIZERS 1" not in (BUILD / "config.h").read_text():
        assert int(most[0].split()[1]) < 64 << 10, most
    assert tool.metric("drover_tool_spool_bytes{") == 0
    assert tool.metric("drover_tool_body_bytes{") == 0


def test_bodies_have_ceilings(start, media):
    tool = start(VIDEO, "--body", "1MiB", "--spool", "1MiB")
    answer = tool.ask("POST", "/probe", b"x" * ((1 << 20) + 1))
    assert (answer.status, answer.json()["type"]) == (413, "/errors/body-too-large")
    chunks = tool.ask("POST", "/probe", (b"x" * 65536 for _ in range(17)))
    assert (chunks.status, chunks.json()["type"]) == (413, "/errors/body-too-large")
    half = Connection(tool.where)
    half.putrequest("POST", "/probe")
    half.putheader("Content-Length", str(600 << 10))
    half.endheaders()
    tool.until("drover_tool_spool_bytes{", 600 << 10)
    answer = tool.ask("POST", "/probe", b"x" * (600 << 10))
    assert (answer.status, answer.type()) == (503, "spool-full")
    assert answer.headers["Retry-After"]
    half.close()
    tool.until("drover_tool_spool_bytes{", 0)
    assert tool.ask("POST", "/probe", media["silent.mp4"].read_bytes()).status == 200
    assert tool.metric("drover_tool_spool_bytes{") == 0


def test_a_disk_that_takes_no_more_is_507(start, media):
    """A ceiling on the size of files stands for the full disk."""
    tool = start("sh", "-c", f"trap '' XFSZ; ulimit -f 256; exec {VIDEO}")
    for _ in range(2):
        answer = tool.ask("POST", "/probe", b"x" * (1 << 20))
        assert (answer.status, answer.type()) == (507, "disk-full"), answer.body
    assert tool.metric("drover_tool_spool_bytes{") == 0
    assert tool.ask("POST", "/probe", media["sound.mp3"].read_bytes()).status == 200


def test_a_body_that_is_larger_than_the_disk_is_refused_before_it_comes(start):
    tool = start(VIDEO, "--spool", "16384GiB", env={"DROVER_TMP_DIR": "/proc"})
    answer = tool.ask("POST", "/probe", b"x")
    assert (answer.status, answer.type()) == (507, "disk-full"), answer.body


# --- what it says about itself ----------------------------------------------


def test_the_page_and_openapi_are_the_tables(tool):
    text = tool.ask("GET", "/", headers={"X-Forwarded-Prefix": "/video", "X-Forwarded-Host": "a.example"}).body.decode()
    assert "a.example/video/probe" in text
    paths = tool.ask("GET", "/openapi.json").json()["paths"]
    assert set(paths) == {"/probe", "/thumbnail", "/storyboard", "/waveform"}
    rows = {x["name"]: x["schema"] for x in paths["/thumbnail"]["post"]["parameters"]}
    assert rows["time"] == {"type": "number", "minimum": 0, "maximum": 86400, "default": 0}
    assert set(rows["format"]["enum"]) == {"jpeg", "jpg", "png", "webp"}
    answers = paths["/probe"]["post"]["responses"]
    assert {"200", "413", "415", "422", "503", "504", "507"} <= set(answers), answers
