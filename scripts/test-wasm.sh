#!/bin/sh
# Runs the core's tests as wasm, compiled for the target that Envoy runs (wasm32-wasip1), in
# Node.js.
set -eu
. "$(dirname "$0")/lib.sh"

CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $root/bench/wasi.mjs" \
    cargo test --locked -p understudy-core --lib --target wasm32-wasip1
