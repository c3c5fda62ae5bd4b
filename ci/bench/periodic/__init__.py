"""Periodic boxes: the lane kernels and the engine round them against FFT libraries and other solvers."""
