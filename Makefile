# What can be done in this checkout. `make` alone, or `make help`, lists it.

BOARD  ?=
BUNDLE ?= models/student
DATA   ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Each costs a minute's wait on a machine without internet, and neither is needed.
export PLATFORMIO_DISABLE_UPGRADE_CHECK := true
export PLATFORMIO_SETTING_ENABLE_TELEMETRY := no
# What the firmware is generated from.
firmware size flash: export TINYSCENE_BUNDLE := $(BUNDLE)
# Variables of the shell, not of make: a path may hold any sign.
demo: export DEMO_DATA := $(DATA)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow check format firmware size flash bench bench-docs results clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing and make .venv (quick if nothing is missing)
	@scripts/setup

demo: setup ## train, compile, boot and score a small model; DATA=DIR: with your clips
	@python scripts/demo $${DEMO_DATA:+--data "$$DEMO_DATA"}

test: check ## every check and every test (five to ten minutes on two cores)
	python -m pytest -n 2

test-slow: setup ## the tests that take minutes each: kills and full disks, the whole demo
	python -m pytest -m slow -v

check: setup ## format, lint, types, and the style of the C sources
	@scripts/check

format: setup ## rewrite Python and C sources in the house style
	@scripts/check --fix

firmware: setup ## build the firmware of every board, or of BOARD=...; BUNDLE=DIR: with that bundle
	pio run $(if $(BOARD),-e $(BOARD))

size: setup ## flash and RAM by group, for every board or BOARD=...; BUNDLE=DIR: with that bundle
	@pio run --silent $(if $(BOARD),-e $(BOARD))
	@tinyscene size $(BOARD)

flash: setup ## build and upload to BOARD=stm32l496, disco_l496 or nano33ble
	@test -n "$(BOARD)" || { echo "error: say which board: make flash BOARD=stm32l496, disco_l496 or nano33ble" >&2; exit 2; }
	pio run -e $(BOARD) -t upload

bench: setup ## count instructions, RAM and flash of networks and front ends on the emulated board
	@mkdir -p build
	tinyscene bench --json build/bench.json

bench-docs: setup ## the same, and update the figures in docs/RESULTS.md
	@mkdir -p build
	tinyscene bench --json build/bench.json --docs

results: bench-docs ## update every figure in docs/RESULTS.md and the model cards
	@for model in models/*/; do tinyscene card "$$model" || exit 1; done
	tinyscene results

clean: ## remove what was built; keeps .venv, .deps, data and runs
	rm -rf .pio build firmware/generated .pytest_cache .ruff_cache .mypy_cache .hypothesis
