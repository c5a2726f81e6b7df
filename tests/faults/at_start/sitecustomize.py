"""Loaded by every interpreter that has this folder in its PYTHONPATH."""

from tests.faults.kill_points import install

install()
