"""Fourier pseudo-spectral solvers for periodic boxes: any uₜ = ℒu + 𝒩(u) with a diagonal ℒ(k)."""
