#!/bin/sh
# Checks what crates depend on, also through other crates. The leaf crates run inside Envoy, or
# everywhere: neither may see a runtime, a server or a command line. Kubernetes' types take minutes to
# compile: only the controller has them, so that a build of the command doesn't.
set -eu
. "$(dirname "$0")/lib.sh"

for leaf in understudy-core understudy-filter; do
    tree=$(cargo tree --locked -p "$leaf" -e normal,build --target all --prefix none --format '{p}' | cut -d' ' -f1 | sort -u)
    [ "$(say "$tree" | grep -cx "$leaf")" = 1 ] || fail "cargo tree doesn't list $leaf itself"
    for banned in tokio hyper kube clap anyhow; do
        if say "$tree" | grep -qx "$banned"; then
            cargo tree --locked -p "$leaf" -e normal,build --target all -i "$banned"
            fail "$leaf must not depend on $banned"
        fi
    done
    say "$leaf: $(say "$tree" | wc -l | tr -d ' ') crates, none of them tokio, hyper, kube, clap or anyhow"
done

# Fails if a package of the workspace depends on Kubernetes' crates, with all of its features. The
# other arguments are passed to `cargo tree`.
without_kubernetes() {
    package=$1
    shift
    tree=$(cargo tree --locked -p "$package" --target all --all-features --prefix none --format '{p}' "$@" | cut -d' ' -f1 | sort -u)
    [ "$(say "$tree" | grep -cx "$package")" = 1 ] || fail "cargo tree doesn't list $package itself"
    if found=$(say "$tree" | grep -Ex 'kube(-.*)?|k8s-openapi|understudy-controller'); then
        fail "$package must not depend on $(say "$found" | tr '\n' ' ')"
    fi
}

members=$(sed -n 's/^name = "\(understudy-[a-z-]*\)"$/\1/p' filter/Cargo.toml crates/*/Cargo.toml | sort -u)
for member in $members; do
    [ "$member" = understudy-controller ] || without_kubernetes "$member" -e normal,build
done
# Its tests too: they are built by whoever changes the command.
without_kubernetes understudy-cli -e normal,build,dev
say "Kubernetes' crates: understudy-controller alone"
