# Shared by the scripts here; sourced, after `set -eu`, from any folder. Never changes anything by itself.

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# Whether the path has a program of this name. A function or an alias of the name isn't one: `command -v` prints their name without a folder.
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
    $as_root apt-get update -qq
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The version of a package in Cargo.lock.
locked() {
    version=$(awk -v name="\"$1\"" '$1 == "name" && $3 == name { getline; gsub(/"/, "", $3); print $3; exit }' Cargo.lock)
    [ -n "$version" ] || fail "Cargo.lock has no package $1"
    say "$version"
}

# Installs the packages of Node.js that FOLDER/package-lock.json names, once: `node_packages FOLDER OLDEST "what they are"`. OLDEST is the Node.js
# that they need.
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
