#!/bin/sh
# Brings what `make lint` and `make test-wasm` need on top of setup.sh: cargo-deny and wasm-bindgen-test-runner in
# .tools, and Node.js to run wasm in. The first time takes some minutes: the tools are compiled.
set -eu
. "$(dirname "$0")/lib.sh"

CARGO_DENY=0.20.2
# The runner must be of the same version as the library that the tests link.
WASM_BINDGEN=$(locked wasm-bindgen)

compile_tool() {
    crate=$1 version=$2 binary=$3
    if grep -q "^\"$crate $version " .tools/.crates.toml 2>/dev/null && [ -x ".tools/bin/$binary" ]; then return; fi
    say "compiling $crate $version into .tools (some minutes)"
    # A debug build: it compiles in a third of the time, and the tools have little to do.
    set -- --quiet --debug --force --root .tools --bin "$binary" "$crate@$version"
    # The tool's own lock file is preferred; a mirror may lack one of the versions in it.
    cargo install --locked "$@" || {
        say "its locked dependencies can't be had: taking the newest that fit"
        cargo install "$@"
    }
}

compile_tool cargo-deny "$CARGO_DENY" cargo-deny
compile_tool wasm-bindgen-cli "$WASM_BINDGEN" wasm-bindgen-test-runner
have node || packages "Node.js" nodejs
