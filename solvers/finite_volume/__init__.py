"""Conservation laws by finite volumes on structured grids, in batches of members with steps of their own."""
