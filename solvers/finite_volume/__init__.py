"""Hyperbolic systems by finite volumes on structured grids: 1D, 2D and 3D, batches of members with steps of their own."""
