# Each target needs only Python 3.11 or newer and Git, and makes .venv where it is missing.
PYTHON ?= python3
# What tools leave in the template would be copied into each project.
export RUFF_CACHE_DIR = $(CURDIR)/.ruff_cache
# The package that every project gets: plain Python, with settings of its own.
PACKAGE = '{{cookiecutter.project_slug}}/ci'
PYTEST = .venv/bin/python -m pytest -n 4 --dist worksteal

.PHONY: demo test test-fast lint coverage bench histories

demo: .venv
	.venv/bin/python scripts/demo.py

test: .venv
	$(PYTEST)

test-fast: .venv
	$(PYTEST) -m "not slow"

lint: .venv
	.venv/bin/ruff check . $(PACKAGE)
	.venv/bin/ruff format --check . $(PACKAGE)
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/codespell
	.venv/bin/sp-repo-review .

# Of the package, over all processes that run in this environment.
coverage: export COVERAGE_FILE = $(CURDIR)/.coverage
coverage: .venv
	.venv/bin/coverage erase
	.venv/bin/coverage run -m pytest -n 3 --dist worksteal
	.venv/bin/coverage combine --quiet
	.venv/bin/coverage report

bench: .venv
	.venv/bin/python benchmarks/bake.py
	.venv/bin/python benchmarks/verdicts.py
	.venv/bin/python benchmarks/transfers.py
	.venv/bin/python benchmarks/growth.py
	.venv/bin/python benchmarks/scale.py

# Months of eight pull requests each, merged in every way, one also by act; `make test` has two short ones.
histories: .venv
	.venv/bin/python benchmarks/pull_requests.py

.venv: pyproject.toml uv.lock
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv/bin/uv sync --locked --quiet --compile-bytecode
	touch .venv
