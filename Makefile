# `make help` lists the targets. Recipes are short: longer ones are in scripts/.

.DEFAULT_GOAL := help
# The output of `make ci` ends with the result of the tests.
MAKEFLAGS += --no-print-directory
.PHONY: help setup setup-dev build build-controller wasm lint test test-wasm e2e other-envoys bench fuzz demo docs-check check-setup ci clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

setup: ## install what building and the demo need (Envoy, Python packages, Rust targets)
	@sh scripts/setup.sh

setup-dev: setup ## install what lint and test-wasm also need (cargo-deny, shellcheck, Node.js)
	@sh scripts/setup-dev.sh

build: ## compile the understudy command, optimised: target/release/understudy
	cargo build --locked --release -p understudy-cli

build-controller: ## compile the controller of TrafficReplay resources: target/release/understudy-controller
	cargo build --locked --release -p understudy-controller

wasm: ## compile the filter with an empty table: target/filter.wasm
	cargo build --locked -p understudy-cli
	sh scripts/wasm.sh $(or $(CARGO_TARGET_DIR),target)/debug/understudy

lint: setup-dev ## check format, clippy, shell scripts, documentation, licences, sources and dependencies
	sh scripts/lint.sh

test: setup ## run all tests on this machine, the end-to-end suite last
	sh scripts/test.sh

test-wasm: setup-dev ## run the core's tests as wasm, in Node.js
	sh scripts/test-wasm.sh

e2e: setup ## run the end-to-end suite alone: real Envoy, real SDKs
	sh scripts/setup-network.sh
	cargo test --locked --workspace --exclude understudy-filter --test e2e

other-envoys: setup ## run the end-to-end suite's core on another version of Envoy
	sh scripts/other-envoys.sh

bench: setup ## measure the numbers that docs/ quotes; takes long, needs an idle machine
	sh scripts/bench.sh

fuzz: setup ## fuzz every parser of outside bytes
	sh scripts/fuzz.sh

demo: ## record the sample service, stop its backends, answer from the snapshot, replay
	@sh scripts/demo.sh

docs-check: ## check links and paths in the documents
	python3 scripts/docs_check.py

check-setup: setup ## check in a bare Debian root that the setup scripts install what the tests use
	sh scripts/check-setup.sh

# CI builds once and discards the result: notes for a next build and debug information only cost
# time.
ci: export CARGO_INCREMENTAL = 0
ci: export CARGO_PROFILE_DEV_DEBUG = 0
ci: ## run everything that CI runs
	$(MAKE) setup-dev
	$(MAKE) docs-check lint check-setup test-wasm
	$(MAKE) test

clean: ## remove what was built; leaves .venv and .tools
	cargo clean
