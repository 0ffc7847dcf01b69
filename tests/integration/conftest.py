# SPDX-License-Identifier: ISC
"""What every test here may ask for stands in fixtures.py."""

from fixtures import figure, herd, pytest_configure, spawn
from video_media import media

__all__ = ["figure", "herd", "media", "pytest_configure", "spawn"]
