# SPDX-License-Identifier: ISC
"""The drills take their herds from the integration tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))

from fixtures import figure, herd, pytest_configure  # noqa: E402

__all__ = ["figure", "herd", "pytest_configure"]
