.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types layers mpi wheel sanitize bench board clean

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup:  ## Debian packages where it may, then .venv
	@ci/setup.sh

demo: setup  ## generate, check, certify, train, evaluate, rank: a few minutes
	@ci/demo.sh

test: setup  ## everything that CI checks
	@ci/test.sh

lint types layers mpi wheel sanitize bench: setup
	@ci/$@.sh

lint:    ## ruff
types:   ## mypy --strict
layers:  ## imports point down
mpi:     ## tests under mpiexec
wheel:   ## the wheel holds what it must
sanitize: ## the compiled kernels under AddressSanitizer and UBSan
bench:   ## benchmarks

board: setup  ## leaderboard tables and pages from the records
	@. ci/env.sh && pdebench board

clean:  ## remove what was built, not .venv
	@rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .benchmarks .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
