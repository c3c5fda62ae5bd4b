"""Neural solvers in torch, one readable file each. Nothing here is loaded before a model is asked for by name."""
