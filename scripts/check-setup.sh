#!/bin/sh
# Checks that the setup scripts install everything that the test suites use. Makes a bare Debian
# root, runs each setup script in it, and then every program and package of the suites
# (scripts/suite_needs.py). Takes two to three minutes of CPU. A machine that already has a program
# hides that no script installs it; a bare root has nothing.
#
# Bound into the root from this machine, because a build takes minutes and needs nothing but cargo:
# Rust's toolchain, cargo's downloads and the Rust clients in target/sdk-clients. Downloads of pip
# and npm come from this machine's caches.
#
# Needs root on Debian. Elsewhere the check is skipped, but with CI=true that is an error.
set -eu
. "$(dirname "$0")/lib.sh"

skip() {
    [ "${CI:-}" != true ] || fail "the setup scripts can't be checked: $1"
    say "SKIPPED: the setup scripts are not checked: $1"
    exit 0
}

grep -qx 'ID=debian' /etc/os-release 2>/dev/null || skip "this is not Debian"
[ "$(id -u)" = 0 ] || skip "this needs root"
unshare --mount --pid --fork --kill-child true 2>/dev/null || skip "no namespace can be made here (unshare)"
have debootstrap || packages "makes the bare root" debootstrap
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
# The mirror that apt is configured with, of the suite that this machine runs.
# shellcheck disable=SC2016  # apt's variables
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' | sed -n "s/ $codename main\$//p" | head -n 1)
[ -n "$mirror" ] || skip "apt's sources name no mirror of $codename"
sysroot=$(rustc --print sysroot)
cargo_home=${CARGO_HOME:-$HOME/.cargo}

# The Rust clients have to be up to date here, or they would be compiled in the root.
sh scripts/setup.sh
sh scripts/setup-sdk.sh

bare=$root/target/bare-root
rm -rf "$bare"
mkdir -p "$bare"
trap 'rm -rf "$bare"' EXIT
trap 'exit 130' INT TERM

since() { say "    $(($(date +%s) - $1)) s"; }

say "--- a bare Debian $codename"
start=$(date +%s)
debootstrap --variant=minbase "$codename" "$bare" "$mirror" >"$bare.log" 2>&1 || {
    tail -n 20 "$bare.log"
    fail "debootstrap failed"
}
since "$start"

# This machine's ways to its package registries: mirrors, proxies and certificates.
for path in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/apt/keyrings /etc/apt/trusted.gpg.d \
    /etc/apt/preferences.d /etc/hosts /etc/resolv.conf /etc/pip.conf /etc/npmrc /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates \
    "$HOME/.npmrc" "$cargo_home/config.toml" "$HOME/.pip" "$HOME/.config/pip"; do
    rm -rf "$bare$path"
    [ ! -e "$path" ] || { mkdir -p "$bare${path%/*}" && cp -rL "$path" "$bare${path%/*}/"; }
done
apt-config dump | grep -E '^(Acquire::(http|https|ftp|Retries|Check|Allow)|APT::Get::Allow)' >"$bare/etc/apt/apt.conf.d/90host" || true
# A root that is thrown away needs no syncing to the disk.
echo force-unsafe-io >"$bare/etc/dpkg/dpkg.cfg.d/bare"
mkdir -p "$bare$root"
git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -c 2>/dev/null | tar -x -C "$bare$root"
python3 scripts/suite_needs.py list >"$bare/programs"

bind() { [ ! -e "$1" ] || say "$1"; }
{
    bind "$sysroot"
    bind "$cargo_home/registry"
    bind "${CARGO_TARGET_DIR:-$root/target}/sdk-clients"
    bind "$(.venv/bin/python -m pip cache dir)"
    bind "$(npm config get cache)"
} >"$bare/bound"

cat >"$bare/inside.sh" <<'INSIDE'
set -eu
bare=$1 project=$2 sysroot=$3
mount -t proc proc "$bare/proc"
mount --rbind /dev "$bare/dev"
while read -r path; do
    mkdir -p "$bare$path"
    mount --bind "$path" "$bare$path"
done <"$bare/bound"
exec chroot "$bare" env PATH="$sysroot/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" TMPDIR=/tmp sh -eu -c '
    cd "$1"
    lacks=
    for program in $(cat /programs); do command -v "$program" >/dev/null || lacks="$lacks $program"; done
    echo "    lacks$lacks"
    [ -n "$lacks" ] || { echo "error: the root is not bare: it has all programs of the suites" >&2; exit 2; }
    for script in scripts/setup.sh scripts/setup-*.sh; do
        echo "--- $script"
        start=$(date +%s)
        sh "$script"
        echo "    $(($(date +%s) - start)) s"
    done
    echo "--- programs and packages of the suites"
    .venv/bin/python scripts/suite_needs.py run
' sh "$project"
INSIDE
# Mounts and processes end with the namespace.
unshare --mount --pid --fork --kill-child sh "$bare/inside.sh" "$bare" "$root" "$sysroot" </dev/null
since "$start"
