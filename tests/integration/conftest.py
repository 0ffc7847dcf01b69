# SPDX-License-Identifier: ISC
"""What every test here may ask for stands in fixtures.py."""

from fixtures import figure, herd, pytest_configure, spawn

__all__ = ["figure", "herd", "pytest_configure", "spawn"]
