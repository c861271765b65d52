#!/bin/sh
# Brings what tests/sdk needs on top of setup.sh: more Python SDKs into .venv, the Node.js SDKs into
# tests/sdk/node_modules, the Rust clients into target/sdk-clients, and from Debian's packages,
# where they are missing, Node.js with npm, a JDK, curl and faketime. What is there already is left
# alone.
set -eu
. "$(dirname "$0")/lib.sh"

install_python_sdks() {
    list=tests/sdk/requirements.lock
    [ -f .venv/stamp ] || fail ".venv is missing: run scripts/setup.sh first"
    # Made anew with .venv, which the stamp lives in.
    stamp=$(cksum <"$list")
    [ "$(cat .venv/stamp-sdk 2>/dev/null)" != "$stamp" ] || return 0
    say "installing the tests' SDKs into .venv ($(grep -c == "$list") packages)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c examples/payment/requirements.lock -r "$list" ||
        fail "pip could not install $list: see its message"
    printf '%s' "$stamp" >.venv/stamp-sdk
}

# `java File.java` needs the compiler, which a mere runtime doesn't have.
install_jdk() {
    java --list-modules 2>/dev/null | grep -q '^jdk.compiler@' || packages "a JDK" default-jdk-headless
}

# Built whenever it isn't up to date, which Cargo knows.
build_rust_clients() {
    say "building the Rust clients (reqwest, tonic)"
    cargo build --locked --quiet --manifest-path tests/sdk/rust/Cargo.toml --target-dir target/sdk-clients ||
        fail "the Rust clients don't compile: see the message"
}

install_python_sdks
node_packages tests/sdk 18 "the SDKs for Node.js"
install_jdk
build_rust_clients
have curl || packages "curl" curl
have openssl || packages "openssl, which reads certificates independently of us" openssl
have ps || packages "ps" procps
# On macOS it is in Homebrew's libfaketime.
have faketime || packages "faketime, which runs a program at another time of day" faketime
