# Copyright: Endpoint Statistics Operations contributors
# SPDX-License-Identifier: GPL-3.0-or-later

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory

export ENDPOINT_STATS_OPS_CACHE := $(or $(ENDPOINT_STATS_OPS_CACHE),$(HOME)/.cache/endpoint-stats-ops)
CACHE := $(ENDPOINT_STATS_OPS_CACHE)
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := $(shell $(PYTHON) tools/venv.py --path)
export PATH := $(VENV)/bin:$(PATH)
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)/dev
export RUFF_CACHE_DIR := $(CACHE)/ruff
export PYTHONDONTWRITEBYTECODE := 1
# Ansible refuses a locale without UTF-8, and a fresh machine may have none.
export LC_ALL := C.UTF-8
NAME ?= demo
SCENARIOS = $(addprefix --scenario-name ,$(or $(ONLY),kubernetes_cluster one_machine))

.PHONY: help venv environment demo demo-down lab-up lab-down images lint unit molecule integration e2e test proof bench

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

venv: ## the Python environment, in the cache
	@$(PYTHON) tools/venv.py

environment:
	@$(PYTHON) tools/venv.py > /dev/null

demo: environment ## machines, a cluster, the stack with rows through it, a health report, a second run that changes nothing
	@python -m tools.demo --name $(NAME)

demo-down: lab-down ## remove the demo with everything it made (NAME=demo)

lab-up: environment ## only the machines, bare (NAME=demo)
	@python -m lab up --name $(NAME)

lab-down: environment ## remove a lab's machines, volumes and network (NAME=demo)
	@python -m lab down --name $(NAME)

images: environment ## build our own images, push them, print the inventory lines (REGISTRY=host[:port][/prefix], PLAIN_HTTP=1)
	@python -m tools.images --registry "$(REGISTRY)" $(if $(PLAIN_HTTP),--plain-http) $(if $(OUTPUT),--output "$(OUTPUT)")

lint: environment ## ruff, mypy, yamllint, ansible-lint, ansible-doc, changelog, house rules, ansible-test sanity (ONLY=name)
	@python -m tools.lint $(if $(ONLY),"$(ONLY)")

unit: environment ## tests that need nothing but Python
	@python -m pytest -q --numprocesses auto --dist loadfile tests/unit

molecule: environment ## the roles on the lab's machines (ONLY=scenario, KEEP=1: its machines go on running)
	@# What molecule remembers of a run that was interrupted, or kept its machines, may not be so any more.
	@python -m molecule reset $(SCENARIOS)
	@python -m molecule test $(SCENARIOS) $(if $(KEEP),--destroy never)

integration: environment ## the modules, roles and images beside real servers, and the lab itself
	@python -m pytest -q --numprocesses 2 --dist loadfile tests/integration

e2e: environment ## a cluster and the stack on it as their users meet them: they work, are repaired, refuse, come back
	@python -m pytest -v tests/e2e

test: environment ## all of the above checks, with a summary
	@python -m tools.test

proof: environment ## what takes longer: built in time, damaged one by one, lost, killed (ONLY=area)
	@python -m tools.proof $(ONLY)

bench: environment ## what backups and verifications cost beside stock programs (ONLY=name, SIZE=rows, ROUNDS=3)
	@PYTHONPATH=$(ANSIBLE_COLLECTIONS_PATH) python -m benchmarks $(ONLY) $(if $(SIZE),--size $(SIZE)) $(if $(ROUNDS),--rounds $(ROUNDS))
