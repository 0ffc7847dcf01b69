# SPDX-License-Identifier: ISC
"""The drills take their herds from the integration tests."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

from fixtures import figure, herd, pytest_configure  # noqa: E402

__all__ = ["figure", "herd", "pytest_configure"]
