"""Darcy, Poisson, Helmholtz, heat conduction: equations, their discretisation, and one solver for all."""
