# make test: everything that is checked on each change, in an own virtual environment.
# make demo: df, tree and plan on a real store that is bundled, in another.
# Both work as root and as an ordinary user; of the system they need python3 (3.11 or newer) with its venv module.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
DEMO := .demo
DEMO_STORE := p01-multistage-layers

help: ## What can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

test: $(VENV)/.installed ## Formatting, types, directions of imports, all tests that need no engine.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/python -m pytest -m 'not native'

docs: $(VENV)/.installed ## Writes the finding codes into README.md and the help texts into docs/cli.md.
	$(VENV)/bin/python tools/docs.py

conformance: $(VENV)/.installed ## Tests that run podman, buildah, skopeo, umoci, dockerd and containerd; they and busybox-static must be installed, and you root.
	$(VENV)/bin/python -m pytest -m native tests/conformance

demo: $(DEMO)/venv/.installed ## df, tree and plan on a store that podman and buildah wrote.
	@$(DEMO)/venv/bin/python tests/unpack.py tests/data/$(DEMO_STORE).tar.zst $(DEMO)
	@[ -t 1 ] || export COLUMNS=100; \
	for words in 'df' 'tree' 'plan --as "podman image prune"'; do \
	    set -- $$words; verb=$$1; rest="$${words#"$$verb"}"; \
	    line="ocistore $$verb $(DEMO)/$(DEMO_STORE)/root --runroot $(DEMO)/$(DEMO_STORE)/run$$rest"; \
	    printf '\n$$ %s\n' "$$line"; \
	    PATH="$(CURDIR)/$(DEMO)/venv/bin:$$PATH" bash -c "$$line" || test $$? -eq 1; \
	done

$(VENV)/.installed: pyproject.toml
	@tools/venv.sh $(PYTHON) $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@# A tenth of a second of each start is compiling, where the environment forbids Python to keep what it compiled.
	@$(VENV)/bin/python -m compileall -q ocistore
	@touch $@

$(DEMO)/venv/.installed: pyproject.toml $(shell find ocistore -name '*.py')
	@tools/venv.sh $(PYTHON) $(DEMO)/venv
	@$(DEMO)/venv/bin/python -m pip install --quiet --disable-pip-version-check .
	@touch $@

clean: ## Removes what these made.
	rm -rf $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help test docs conformance demo clean
