"""Sequences of linear systems: the published comparison, its rivals, and the choice among all."""
