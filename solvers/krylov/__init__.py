"""Sequences of linear systems: recycling, guesses, multigrid, direct methods; one object for one sequence."""
