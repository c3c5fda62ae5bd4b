"""`python -m pdebench` is the command line."""

from .cli import main

main()
