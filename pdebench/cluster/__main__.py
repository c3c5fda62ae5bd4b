"""`python -m pdebench.cluster SCHEDULER`: one worker, alone or under mpiexec or srun with a group's ranks."""

from .worker import main

main()
