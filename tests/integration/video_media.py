# SPDX-License-Identifier: ISC
"""Small videos and sounds of many kinds, made by the ffmpeg command."""

import subprocess

import pytest

PICTURE = ["-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2"]
SOUND = ["-f", "lavfi", "-i", "sine=440:r=48000:d=2"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]
AAC = ["-c:a", "aac", "-b:a", "64k"]
HDR = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-color_range", "tv"]

# name: the arguments between the inputs and the file
KINDS = {
    "plain.mp4": [*PICTURE, *SOUND, *H264, *AAC],
    "faststart.mp4": [*PICTURE, *SOUND, *H264, *AAC, "-movflags", "+faststart"],
    "fragmented.mp4": [*PICTURE, *SOUND, *H264, *AAC, "-movflags", "frag_keyframe+empty_moov"],
    "silent.mp4": [*PICTURE, *H264],
    "bframes.mp4": [*PICTURE, *SOUND, "-c:v", "libx264", "-preset", "fast", "-bf", "3", "-pix_fmt", "yuv420p", *AAC],
    "tracks.mkv": [*PICTURE, *SOUND, *SOUND, "-map", "0", "-map", "1", "-map", "2", *H264, *AAC,
                   "-metadata:s:a:0", "language=deu", "-metadata", "title=Größe \"x\" \\ y"],
    "vfr.mkv": [*PICTURE, "-vf", "select='lt(mod(n,25),4)'", "-fps_mode", "vfr",
                # the frame before the gap is one that no other needs
                "-c:v", "libx264", "-x264-params", "bframes=3:b-adapt=0:b-pyramid=none:scenecut=0", "-pix_fmt", "yuv420p"],
    "vp9.webm": [*PICTURE, *SOUND, "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"],
    "vp8.webm": [*PICTURE, "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8"],
    "stream.ts": [*PICTURE, *SOUND, *H264, *AAC],
    "mpeg4.avi": [*PICTURE, *SOUND, "-c:v", "mpeg4", "-c:a", "mp3"],
    "interlaced.ts": [*PICTURE, "-vf", "tinterlace=4", "-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", "3"],
    "deep.mkv": [*PICTURE, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p10le"],
    "hdr.mp4": [*PICTURE, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none",
                "-pix_fmt", "yuv420p10le", *HDR, "-tag:v", "hvc1"],
    "white.mkv": ["-f", "lavfi", "-i", "color=0x949494:s=64x64:r=5:d=1", "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", *HDR],
    "wide.mp4": [*PICTURE, "-vf", "setsar=2", *H264],
    "odd.mkv": ["-f", "lavfi", "-i", "testsrc=s=321x179:r=25:d=1", "-c:v", "ffv1"],
    "sound.mp3": [*SOUND, "-c:a", "mp3", "-metadata", "artist=A"],
    "sound.ogg": [*SOUND, "-c:a", "libvorbis"],
    "sound.opus": [*SOUND, "-c:a", "libopus"],
    "sound.flac": [*SOUND, "-c:a", "flac"],
    "sound.wav": [*SOUND],
    "sound.m4a": [*SOUND, *AAC],
}


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, args)], check=True, timeout=60)


def make(folder):
    """All of them, and those that are made of others; {name: path}."""
    made = {}
    for name, args in KINDS.items():
        made[name] = folder / name
        ffmpeg(*args, "-threads", "1", made[name])
    for name, angle in (("right.mov", "90"), ("down.mov", "180"), ("left.mov", "270")):
        made[name] = folder / name
        ffmpeg("-i", made["plain.mp4"], "-c", "copy", "-metadata:s:v:0", f"rotate={angle}", made[name])
    made["cover.mp3"] = folder / "cover.mp3"
    cover = folder / "cover.jpg"
    ffmpeg("-i", made["plain.mp4"], "-frames:v", "1", cover)
    ffmpeg("-i", made["sound.mp3"], "-i", cover, "-map", "0", "-map", "1", "-c", "copy", made["cover.mp3"])
    made["shifted.mp4"] = folder / "shifted.mp4"
    ffmpeg("-ss", "0.5", "-i", made["bframes.mp4"], "-c", "copy", made["shifted.mp4"])  # an edit list
    return made


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    return make(tmp_path_factory.mktemp("media"))
