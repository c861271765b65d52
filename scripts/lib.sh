# shellcheck shell=sh
# Functions of the other scripts, which source it after `set -eu`. Sourcing changes nothing but the
# current folder.

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 2

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# Tells whether the path has a program of this name. `command -v` also finds functions and aliases,
# and prints their name without a folder.
have() {
    case $(command -v "$1" 2>/dev/null) in
        */*) ;;
        *) return 1 ;;
    esac
}

# Installs Debian packages, as root or through sudo: `packages "why" name…`.
packages() {
    why=$1
    shift
    have apt-get || fail "$why is missing: install it with your package manager, then run this again"
    say "installing $* ($why), with apt-get"
    as_root=
    if [ "$(id -u)" != 0 ]; then
        have sudo || fail "$why is missing, and there is no sudo: run as root: apt-get install $*"
        as_root=sudo
    fi
    # Updating the lists takes longer than most installations: only where they lack a package or are
    # too old.
    apt_install "$@" 2>/dev/null && return
    $as_root apt-get update -qq
    apt_install "$@" || fail "apt-get could not install $*: see its message"
}

apt_install() {
    $as_root env DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The version of a package in Cargo.lock.
locked() {
    version=$(awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' Cargo.lock)
    [ -n "$version" ] || fail "Cargo.lock has no package $1"
    say "$version"
}

# Installs the packages of Node.js that FOLDER/package-lock.json names, once: `node_packages FOLDER
# OLDEST "what they are"`. OLDEST is the oldest major version of Node.js that runs them.
node_packages() {
    folder=$1 oldest=$2 what=$3
    missing=
    have node || missing="$missing nodejs"
    have npm || missing="$missing npm"
    # shellcheck disable=SC2086  # one word for each package
    [ -z "$missing" ] || packages "Node.js with npm" $missing
    found=$(node -p 'process.versions.node.split(".")[0]')
    [ "$found" -ge "$oldest" ] || fail "Node.js $oldest or later is needed, and this is $found"
    stamp="$(cksum <"$folder/package-lock.json") $found"
    [ "$(cat "$folder/node_modules/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "installing $what into $folder/node_modules ($(grep -c '"integrity"' "$folder/package-lock.json") packages)"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "npm could not install $folder/package-lock.json: see its message"
    printf '%s' "$stamp" >"$folder/node_modules/.stamp"
}
