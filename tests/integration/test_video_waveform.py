# SPDX-License-Identifier: ISC
"""drover-video's outlines of sounds, held against the samples that ffmpeg decodes."""

import array
import subprocess
import xml.etree.ElementTree as xml

import pytest
import video_media
from svc_rig import BUILD, start  # noqa: F401

VIDEO = str(BUILD / "bin/drover-video")


@pytest.fixture
def tool(start):
    return start(VIDEO)


def samples(path):
    said = subprocess.run(["ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-ac", "1", "-f", "s16le", "-"],
                          capture_output=True, check=True, timeout=60).stdout
    return array.array("h", said)


@pytest.mark.parametrize("name", ["plain.mp4", "tracks.mkv", "vp9.webm", "stream.ts", "mpeg4.avi", "sound.mp3",
                                  "sound.ogg", "sound.opus", "sound.flac", "sound.wav", "sound.m4a"])
def test_points_are_the_extremes_of_their_samples(tool, media, name):
    answer = tool.ask("POST", "/waveform?points=100", media[name].read_bytes())
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json"), answer.body
    wave = answer.json()
    theirs, part = samples(media[name]), wave["samples_per_pixel"]
    assert (wave["version"], wave["channels"], wave["sample_rate"], wave["bits"]) == (2, 1, 48000, 8)
    assert 95 <= wave["length"] <= (120 if name == "stream.ts" else 103) and len(wave["data"]) == 2 * wave["length"]
    assert abs(wave["length"] * part - len(theirs)) < 3 * part
    for i in range(2, wave["length"] - 3):
        piece = theirs[i * part:(i + 1) * part]
        assert abs(wave["data"][2 * i] - (min(piece) >> 8)) <= 1, i
        assert abs(wave["data"][2 * i + 1] - (max(piece) >> 8)) <= 1, i


def test_silence_and_sound_are_told_apart(tool, tmp_path):
    """Of two channels: half a second of sound in one of them, and then nothing."""
    file = tmp_path / "half.wav"
    video_media.ffmpeg("-f", "lavfi", "-i", "aevalsrc='lt(t,0.5)*0.8*sin(880*t)|0':d=1:s=8000", file)
    wave = tool.ask("POST", "/waveform?points=10", file.read_bytes()).json()
    assert wave["samples_per_pixel"] == 800 and wave["length"] == 10
    assert all(high > 30 and low < -30 for low, high in zip(wave["data"][:10:2], wave["data"][1:10:2])), wave
    assert set(wave["data"][10:]) <= {-1, 0}, wave


def test_an_svg_is_the_same_outline(tool, media):
    data = media["sound.flac"].read_bytes()
    wave = tool.ask("POST", "/waveform?points=50", data).json()
    answer = tool.ask("POST", "/waveform?points=50&answer=svg&width=300&height=40", data)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    root = xml.fromstring(answer.body)
    assert (root.get("width"), root.get("height"), root.get("viewBox")) == ("300", "40", f"0 0 {wave['length']} 256")
    assert root[0].get("d").count("V") == 2 * wave["length"]
    assert root[0].get("d").startswith(f"M0 127V{127 - wave['data'][1]}H1")


@pytest.mark.parametrize("name, query, status, type", [
    ("silent.mp4", "", 422, "no-sound"),
    ("plain.mp4", "points=0", 400, "out-of-range"),
    ("plain.mp4", "points=10001", 400, "out-of-range"),
    ("plain.mp4", "answer=png", 400, "unknown-value"),
])
def test_each_refusal_has_its_type(tool, media, name, query, status, type):
    answer = tool.ask("POST", f"/waveform?{query}", media[name].read_bytes())
    assert (answer.status, answer.type()) == (status, type), answer.body


def test_damaged_files_cost_one_request_each(tool, media):
    for name in ("plain.mp4", "stream.ts", "sound.mp3", "sound.ogg", "sound.flac", "sound.m4a", "sound.opus"):
        data = media[name].read_bytes()
        for body in (data[:len(data) // 2], data[:300] + bytes(x ^ 0x55 for x in data[300:400]) + data[400:],
                     data[:len(data) // 2] + b"\xff" * 50 + data[len(data) // 2 + 50:]):
            answer = tool.ask("POST", "/waveform?points=20", body)
            assert answer.status in (200, 422), answer.body
            assert answer.status == 200 or answer.type() in ("invalid-media", "too-long", "no-sound")
    assert tool.ask("POST", "/waveform?points=20", media["sound.wav"].read_bytes()).json()["length"] == 20
