"""Rows of `ci/bench.sh volume`."""
