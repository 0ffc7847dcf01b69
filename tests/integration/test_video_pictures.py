# SPDX-License-Identifier: ISC
"""drover-video's pictures, held against what the ffmpeg command decodes."""

import base64
import struct
import subprocess

import pytest
from svc_rig import BUILD, Answer, Connection, start  # noqa: F401

VIDEO = str(BUILD / "bin/drover-video")


@pytest.fixture
def tool(start):
    return start(VIDEO)


def raw(source, *filters, data=None):
    """All frames as rgb24: (width, height, [frame])."""
    name = "pipe:0" if data is not None else str(source)
    size = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", name, *filters, "-fps_mode", "passthrough", "-f", "image2pipe",
         "-c:v", "ppm", "-pix_fmt", "rgb24", "-"], input=data, capture_output=True, check=True, timeout=60).stdout
    frames = []
    while size:
        magic, dims, deep, rest = size.split(b"\n", 3)
        width, height = map(int, dims.split())
        assert (magic, deep) == (b"P6", b"255")
        frames.append(rest[:3 * width * height])
        size = rest[3 * width * height:]
    return width, height, frames


def apart(a, b):
    """The mean difference of two pictures' samples."""
    assert len(a) == len(b)
    return sum(abs(x - y) for x, y in zip(a[::7], b[::7])) / len(a[::7])


def thumbnail(tool, body, query):
    answer = tool.ask("POST", f"/thumbnail?{query}", body)
    assert answer.status == 200, answer.body
    return answer.body


def png_size(body):
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", body[16:24])


def times(path):
    """When each frame begins, counted from the stream's start."""
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
         "stream=start_time:frame=best_effort_timestamp_time", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=True, timeout=60).stdout.split()
    stamps = [float(x.rstrip(",")) for x in said]
    return [x - stamps[-1] for x in stamps[:-1]]


@pytest.mark.parametrize("name", ["plain.mp4", "bframes.mp4", "vfr.mkv", "vp9.webm", "stream.ts", "mpeg4.avi",
                                  "shifted.mp4", "deep.mkv", "fragmented.mp4"])
def test_exact_is_the_frame_that_shows(tool, media, name):
    data = media[name].read_bytes()
    # An AVI has no times, but a rate.
    at = [i / 25 for i in range(50)] if name.endswith(".avi") else times(media[name])
    _, _, frames = raw(media[name], "-sws_flags", "bicubic+accurate_rnd+full_chroma_int")
    frames = frames[-len(at):]
    gaps = [i for i in range(len(at) - 1) if at[i + 1] - at[i] > 0.3]
    for i in (0, 1, len(at) // 2, len(at) - 6, *gaps):
        moment = (at[i] + at[i + 1]) / 2
        if moment < 0:
            continue
        _, _, mine = raw(None, data=thumbnail(tool, data, f"time={moment:.3f}&exact=true&format=png"))
        distance = [apart(mine[0], x) for x in frames[max(i - 2, 0):i + 3]]
        assert distance.index(min(distance)) == min(i, 2), (i, moment, distance)
        assert min(distance) < 3, (i, distance)


def test_without_exact_it_is_the_keyframe_before(tool, media):
    """Two seconds of 25 frames, and every 25th is one."""
    data = media["plain.mp4"].read_bytes()
    _, _, frames = raw(media["plain.mp4"])
    for moment, i in (("0", 0), ("0.98", 0), ("1.02", 25), ("1.9", 25)):
        _, _, mine = raw(None, data=thumbnail(tool, data, f"time={moment}&format=png"))
        assert apart(mine[0], frames[i]) < 3, moment
    for name in ("stream.ts", "tracks.mkv"):
        _, _, mine = raw(None, data=thumbnail(tool, media[name].read_bytes(), "time=1.5&format=png"))
        assert apart(mine[0], frames[25]) < 3, name


@pytest.mark.parametrize("query, width, height", [
    ("", 320, 180),
    ("width=160", 160, 90),
    ("height=45", 80, 45),
    ("width=100&height=100", 100, 56),
    ("width=4096&height=4096", 320, 180),
    ("width=1", 1, 1),
])
def test_sizes(tool, media, query, width, height):
    body = thumbnail(tool, media["plain.mp4"].read_bytes(), f"format=png&{query}".rstrip("&"))
    assert png_size(body) == (width, height)


@pytest.mark.parametrize("name, width, height", [
    ("right.mov", 180, 320), ("left.mov", 180, 320), ("down.mov", 320, 180), ("wide.mp4", 640, 180),
    ("odd.mkv", 321, 179), ("cover.mp3", 320, 180),
])
def test_pictures_are_upright_and_in_square_pixels(tool, media, name, width, height):
    body = thumbnail(tool, media[name].read_bytes(), "format=png")
    assert png_size(body) == (width, height)
    _, _, mine = raw(None, data=body)
    _, _, theirs = raw(media[name], "-map", "0:v", "-frames:v", "1", "-vf", f"scale={width}:{height}:flags=bicubic,setsar=1")
    assert apart(mine[0], theirs[0]) < 3
    small = thumbnail(tool, media[name].read_bytes(), "format=jpeg&width=90")
    w, h, _ = raw(None, data=small)
    assert (w, h) == (90, round(90 * height / width))


def test_formats_and_quality(tool, media):
    data = media["plain.mp4"].read_bytes()
    for format, type, magic in (("jpeg", "image/jpeg", b"\xff\xd8"), ("jpg", "image/jpeg", b"\xff\xd8"),
                                ("png", "image/png", b"\x89PNG"), ("webp", "image/webp", b"RIFF")):
        answer = tool.ask("POST", f"/thumbnail?format={format}", data)
        assert (answer.status, answer.headers["Content-Type"]) == (200, type)
        assert answer.body.startswith(magic)
        _, _, mine = raw(None, data=answer.body)
        _, _, theirs = raw(media["plain.mp4"], "-frames:v", "1")
        assert apart(mine[0], theirs[0]) < 8, format
    for format in ("jpeg", "webp"):
        low, high = (thumbnail(tool, data, f"format={format}&quality={q}") for q in (10, 95))
        assert len(low) * 2 < len(high)


def test_interlaced_frames_show_no_comb(tool, media):
    def comb(width, height, frame):
        rows = [frame[3 * width * y:3 * width * (y + 1)] for y in range(height)]
        near = sum(apart(rows[y], rows[y + 1]) for y in range(height - 2))
        return near / sum(apart(rows[y], rows[y + 2]) for y in range(height - 2))

    width, height, theirs = raw(media["interlaced.ts"])
    w, h, mine = raw(None, data=thumbnail(tool, media["interlaced.ts"].read_bytes(), "time=0.5&format=png"))
    assert (w, h) == (width, height)
    one, other = comb(w, h, mine[0]), comb(w, h, theirs[6])
    assert one < 0.9 * other, (one, other)


def test_high_dynamic_range_is_shown_by_an_ordinary_screen(tool, media):
    """Bars of red, green, yellow, blue, magenta and cyan stay what they are."""
    w, h, mine = raw(None, data=thumbnail(tool, media["hdr.mp4"].read_bytes(), "format=png"))
    y = h * 5 // 6
    bars = [mine[0][3 * (y * w + x):][:3] for x in (20, 75, 130, 185, 240, 300)]
    lit = [tuple(c > max(bar) // 2 for c in bar) for bar in bars]
    assert lit == [(True, False, False), (False, True, False), (True, True, False), (False, False, True),
                   (True, False, True), (False, True, True)], bars
    assert all(max(bar) > 100 for bar in bars), bars
    # The code of the reference white, which shows as a grey of 148 where nobody knows the curve.
    _, _, white = raw(None, data=thumbnail(tool, media["white.mkv"].read_bytes(), "format=png"))
    assert all(225 < x < 238 for x in white[0]), white[0][:3]


@pytest.mark.parametrize("name, query, status, type", [
    ("sound.wav", "", 422, "no-picture"),
    ("sound.m4a", "", 422, "no-picture"),
    ("plain.mp4", "time=100", 422, "past-end"),
    ("plain.mp4", "time=x", 400, "invalid-number"),
    ("plain.mp4", "time=-1", 400, "invalid-number"),
    ("plain.mp4", "time=90000", 400, "out-of-range"),
    ("plain.mp4", "width=4097", 400, "out-of-range"),
    ("plain.mp4", "format=bmp", 400, "unknown-value"),
    ("plain.mp4", "quality=0", 400, "out-of-range"),
    ("plain.mp4", "size=1", 400, "unknown-parameter"),
])
def test_each_refusal_has_its_type(tool, media, name, query, status, type):
    answer = tool.ask("POST", f"/thumbnail?{query}", media[name].read_bytes())
    assert (answer.status, answer.type()) == (status, type), answer.body


def test_limits_hold_where_no_frame_is_looked_at_first(start, media):
    """A thumbnail of an MP4 takes the container's word; the decoder holds the rest."""
    tool = start(VIDEO, "--long-side", "319")
    for name in ("plain.mp4", "stream.ts", "right.mov"):
        answer = tool.ask("POST", "/thumbnail", media[name].read_bytes())
        assert (answer.status, answer.type()) == (422, "picture-too-large")
    data = media["plain.mp4"].read_bytes()
    at = data.index(b"avc1", data.index(b"stsd")) + 28
    assert data[at:at + 4] == struct.pack(">HH", 320, 180)
    lie = data[:at] + struct.pack(">HH", 16, 16) + data[at + 4:]
    answer = tool.ask("POST", "/thumbnail", lie)
    assert (answer.status, answer.type()) == (422, "picture-too-large"), answer.body


# --- storyboards ------------------------------------------------------------


def test_a_storyboard_is_a_sprite_and_its_places(tool, media):
    data = media["plain.mp4"].read_bytes()
    answer = tool.ask("POST", "/storyboard?tiles=4&columns=2&width=80&format=png", data)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
    board = answer.json()
    kind, _, sprite = board["sprite"].partition(";base64,")
    assert kind == "data:image/png"
    w, h, sheet = raw(None, data=base64.b64decode(sprite, validate=True))
    tile_w, tile_h = board["tile_width"], board["tile_height"]
    assert (w, h, tile_w, tile_h) == (160, 92, 80, 46) and (board["width"], board["height"]) == (w, h)
    assert [(x["start_ms"], x["end_ms"], x["x"], x["y"]) for x in board["tiles"]] == [
        (0, 500, 0, 0), (500, 1000, 80, 0), (1000, 1500, 0, 46), (1500, 2000, 80, 46)]
    _, _, theirs = raw(media["plain.mp4"], "-vf", f"scale={tile_w}:{tile_h}:flags=area")
    for i, tile in enumerate(board["tiles"]):
        mine = b"".join(sheet[0][3 * (w * y + tile["x"]):][:3 * tile_w] for y in range(tile["y"], tile["y"] + tile_h))
        near, far = (apart(mine, theirs[x]) for x in ((0, 25) if i < 2 else (25, 0)))
        assert near < min(far / 2, 10), (i, near, far)
    assert board["vtt"].startswith("WEBVTT\n\n00:00:00.000 --> 00:00:00.500\nsprite.png#xywh=0,0,80,46\n\n")
    for part, type in (("sprite", "image/png"), ("vtt", "text/vtt; charset=utf-8")):
        only = tool.ask("POST", f"/storyboard?tiles=4&columns=2&width=80&format=png&answer={part}", data)
        assert (only.status, only.headers["Content-Type"]) == (200, type)
        assert only.body == (base64.b64decode(sprite) if part == "sprite" else board["vtt"].encode())


@pytest.mark.parametrize("name", ["right.mov", "vfr.mkv", "vp9.webm", "stream.ts", "mpeg4.avi", "odd.mkv", "hdr.mp4",
                                  "interlaced.ts", "cover.mp3"])
@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_a_storyboard_of_each_kind(tool, media, name, format):
    board = tool.ask("POST", f"/storyboard?tiles=5&width=90&format={format}", media[name].read_bytes()).json()
    w, h, _ = raw(None, data=base64.b64decode(board["sprite"].partition(",")[2]))
    assert (w, h, len(board["tiles"])) == (board["width"], board["height"], 5), board
    assert w == 90 * board["columns"]


@pytest.mark.parametrize("name, query, status, type", [
    ("sound.wav", "", 422, "no-picture"),
    ("plain.mp4", "tiles=0", 400, "out-of-range"),
    ("plain.mp4", "tiles=201", 400, "out-of-range"),
    ("plain.mp4", "tiles=200&columns=1&width=320", 422, "answer-too-large"),
])
def test_each_refusal_of_a_storyboard_has_its_type(tool, media, name, query, status, type):
    answer = tool.ask("POST", f"/storyboard?{query}", media[name].read_bytes())
    assert (answer.status, answer.type()) == (status, type), answer.body


def test_a_storyboard_of_a_damaged_file_has_what_there_is(tool, media):
    """Half of a file: the last keyframe that is left stands for the rest."""
    data = media["faststart.mp4"].read_bytes()
    keys = [int(pos) for pos, flags in (x.split(",")[:2] for x in subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pos,flags", "-of", "csv=p=0",
         media["faststart.mp4"]], capture_output=True, text=True, check=True).stdout.split()) if "K" in flags]
    assert len(keys) == 2
    whole, half = (tool.ask("POST", "/storyboard?tiles=2&columns=2&format=png&answer=sprite", x).body
                   for x in (data, data[:keys[1]]))
    w, h, one = raw(None, data=whole)
    _, _, two = raw(None, data=half)
    left, right = ([b"".join(f[0][3 * (w * y + x):][:3 * w // 2] for y in range(h)) for f in (one, two)] for x in (0, w // 2))
    assert left[0] == left[1]
    assert right[1] == left[1] != right[0]


def test_damaged_files_cost_one_request_each(tool, media):
    connection = Connection(tool.where)
    for name in ("plain.mp4", "fragmented.mp4", "tracks.mkv", "vp9.webm", "stream.ts", "mpeg4.avi", "hdr.mp4",
                 "cover.mp3"):
        data = media[name].read_bytes()
        bodies = [data[:len(data) * part // 100] for part in (50, 95)]
        for at in (300, len(data) // 2):
            bodies.append(data[:at] + bytes(x ^ 0x55 for x in data[at:at + 64]) + data[at + 64:])
        for exact in ("false", "true"):
            for body in bodies:
                connection.request("POST", f"/thumbnail?time=1&exact={exact}&width=80", body)
                answer = Answer(connection.getresponse())
                assert answer.status in (200, 415, 422), answer.body
                if answer.status != 200:
                    assert answer.type() in ("unsupported-format", "invalid-media", "too-long", "no-picture", "past-end",
                                             "picture-too-large")
    connection.close()
    assert tool.ask("GET", "/healthz").status == 200
