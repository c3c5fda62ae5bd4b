"""Classical solvers. Each is found by name through the entry points in setup.cfg."""

if __name__ != "pdebench.solvers":
    raise ImportError("import pdebench.solvers, not solvers: a second copy of the code would register twice")
