# `make help` lists what there is. Recipes are short: what is longer is in scripts/.

.DEFAULT_GOAL := help
# So that the output of `make ci` ends with the tests' own result.
MAKEFLAGS += --no-print-directory
.PHONY: help setup setup-dev build build-controller wasm lint test test-wasm e2e other-envoys bench fuzz demo docs-check ci clean

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "  make %-16s %s\n", $$1, $$2 }'

setup: ## get what building, testing and the demo need (Envoy, Python packages, Rust targets)
	@sh scripts/setup.sh

setup-dev: setup ## get what lint and test-wasm need too (cargo-deny, shellcheck, Node.js)
	@sh scripts/setup-dev.sh

build: ## compile the understudy command: target/release/understudy
	cargo build --locked --release -p understudy-cli

build-controller: ## compile the controller of TrafficReplay resources: target/release/understudy-controller
	cargo build --locked --release -p understudy-controller

wasm: ## compile the filter with an empty table: target/filter.wasm
	cargo run --locked --quiet -p understudy-cli -- bundle --plain -o target/filter.wasm
	sh scripts/check-filter.sh

lint: setup-dev ## format, clippy, licences, sources, what the leaf crates depend on
	sh scripts/lint.sh

test: setup ## all tests on this machine, the end-to-end suite last
	sh scripts/test.sh

test-wasm: setup-dev ## the core's tests, as wasm in Node.js
	sh scripts/test-wasm.sh

e2e: setup ## the end-to-end suite alone: real Envoy, real SDKs
	sh scripts/setup-network.sh
	cargo test --locked -p understudy-cli --test e2e

other-envoys: setup ## the end-to-end suite's core on another version of Envoy
	sh scripts/other-envoys.sh

bench: setup ## the numbers that docs/ quotes; takes long, wants an idle machine
	sh scripts/bench.sh

fuzz: setup ## fuzz every parser that eats bytes from outside
	sh scripts/fuzz.sh

demo: setup ## record the sample service, stop its backends, let Understudy answer
	@sh scripts/demo.sh

docs-check: ## links and paths in the documents
	python3 scripts/docs_check.py

# What is built once and thrown away needs no notes for the next build.
ci: export CARGO_INCREMENTAL = 0
ci: ## all of it, as CI runs it
	$(MAKE) setup-dev
	$(MAKE) lint docs-check wasm test-wasm
	$(MAKE) test

clean: ## remove what was built; leaves .venv and .tools
	cargo clean
