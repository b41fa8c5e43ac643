# install, demo and test are all a new user needs; CI runs `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Everything comes from the locks, and nothing that is not in them: hashes, no builds but one, no build environments.
LOCKED := -m pip install --quiet --require-hashes --only-binary :all:
TOOLS := .venv-tools
COMPILE := $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-package bridgx-client --custom-compile-command 'make lock' $(UPGRADE)

.PHONY: install demo test lint generate bench lock audit clean

install: $(STAMP)

$(STAMP): pyproject.toml clients/python/pyproject.toml requirements/build.txt requirements/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || python3 -m venv $(VENV)
	$(BIN)/python $(LOCKED) -r requirements/build.txt
	$(BIN)/python $(LOCKED) --no-binary alibabacloud-tea --no-build-isolation -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e clients/python -e .
	$(BIN)/python -m pip check
	touch $(STAMP)

demo: install
	$(BIN)/bridgx demo

test: install lint
	$(BIN)/python -m pytest -n 3 --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

generate: install
	$(BIN)/python protos/generate.py
	$(BIN)/python docs/generate.py

bench: install
	$(BIN)/python benchmarks/run.py

# Writes the locks after a change of pyproject.toml; `make lock UPGRADE=--upgrade` takes the newest releases allowed.
lock: $(TOOLS)/.installed
	$(COMPILE) --extra dev --group build -o requirements/dev.txt pyproject.toml > /dev/null
	$(COMPILE) --constraints requirements/dev.txt -o requirements/runtime.txt pyproject.toml > /dev/null
	$(COMPILE) --constraints requirements/dev.txt --group build -o requirements/build.txt > /dev/null
	$(COMPILE) --group tools -o requirements/tools.txt > /dev/null

# Looks the locked releases up in the advisories that the package index publishes; fails where it cannot ask about every one.
audit: $(TOOLS)/.installed
	for lock in runtime dev build tools; do \
	  $(TOOLS)/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/$$lock.txt || exit 1; done

$(TOOLS)/.installed: requirements/tools.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS) || python3 -m venv $(TOOLS)
	$(TOOLS)/bin/python $(LOCKED) -r requirements/tools.txt
	touch $@

clean:
	rm -rf $(VENV) $(TOOLS) .mypy_cache .ruff_cache .pytest_cache
