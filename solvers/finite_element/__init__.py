"""Flow round shapes: incompressible Navier–Stokes on triangles by FEniCSx; dolfinx is imported where it is used."""
