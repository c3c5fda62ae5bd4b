"""Generation on many machines: Dask hands units of work to cores or MPI groups, on this host or through SLURM."""
