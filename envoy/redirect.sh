#!/bin/sh
# Leads the outbound TCP connections of this network namespace to Envoy (envoy/sidecar.yaml), and undoes that again.
#
#   sh envoy/redirect.sh up --uid 101                          ports 80 and 443, of everybody but user 101 (Envoy)
#   sh envoy/redirect.sh up --uid 101 --exclude-ports 22,53    all ports but these
#   sh envoy/redirect.sh down
#
# Needs iptables and CAP_NET_ADMIN. Run twice, it does the same as once. Everything is in a chain of its own in the table
# `nat`, with one jump to it: nobody else's rules are changed. What goes to this machine itself is left alone.
set -eu

CHAIN=UNDERSTUDY
LISTENER=15002 # of envoy/sidecar.yaml

usage() {
    cat <<EOF
usage: redirect.sh up (--uid USER | --gid GROUP)... [--ports LIST | --exclude-ports LIST] [--exclude CIDR]... [--to PORT]
       redirect.sh down

  --uid USER, --gid GROUP  whose connections are left alone: Envoy's own, or they would come back to it for ever
  --ports LIST             what is redirected, such as 80,443,8000:8999 or all; 80,443 where nothing is said
  --exclude-ports LIST     all ports but these are redirected
  --exclude CIDR           connections to there are left alone, such as 10.0.0.0/8 or fd00::/8
  --to PORT                where Envoy listens; $LISTENER where nothing is said

Exit status: 0 done; 2 could not.
EOF
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 2
}

# `value NAME COUNT`: COUNT is how many words are left with the option's name.
value() { [ "$2" -ge 2 ] || fail "$1 needs a value: see redirect.sh --help"; }

# A list of ports, separated by spaces; ranges as iptables has them.
ports() {
    for port in $(printf %s "$2" | tr ',-' ' :'); do
        case $port in
        *[!0-9:]* | :* | *: | *:*:*) fail "$1: $port is no port: use numbers and ranges, such as 80,443,8000:8999" ;;
        esac
        for number in $(printf %s "$port" | tr : ' '); do
            if [ ${#number} -gt 5 ] || [ "$number" -lt 1 ] || [ "$number" -gt 65535 ]; then fail "$1: $number is no port"; fi
        done
        printf '%s ' "$port"
    done
}

parse() {
    owners='' include='80 443 ' exclude='' nets='' to=$LISTENER chosen=''
    while [ $# -gt 0 ]; do
        case $1 in
        --uid | --gid)
            value "$1" $#
            # iptables has its own opinion of what a name is; this is about what would be a rule of its own.
            case $2 in '' | *[!A-Za-z0-9._-]*) fail "$1: $2 is neither a number nor a name" ;; esac
            owners="$owners --${1#--}-owner:$2"
            ;;
        --ports | --exclude-ports)
            value "$1" $#
            [ -z "$chosen" ] || fail "either --ports or --exclude-ports, and once"
            chosen=$1
            if [ "$1" = --exclude-ports ]; then
                exclude=$(ports "$1" "$2") include=all
            elif [ "$2" = all ]; then
                include=all
            else
                include=$(ports "$1" "$2")
            fi
            [ -n "$include" ] || fail "$1: which ports?"
            ;;
        --exclude)
            value "$1" $#
            case $2 in '' | *[!0-9a-fA-F.:/]*) fail "--exclude: $2 is no network: use an address or a CIDR, such as 10.0.0.0/8" ;; esac
            nets="$nets $2"
            ;;
        --to)
            value "$1" $#
            to=$(ports "$1" "$2")
            case $to in *:* | *' '?*) fail "--to: one port" ;; esac
            to=${to% }
            ;;
        *) fail "$1 is no option: see redirect.sh --help" ;;
        esac
        shift 2
    done
    [ -n "$owners" ] || fail "whose connections are Envoy's own? Say --uid or --gid, or they come back to it for ever"
}

# The rules, for one family: `rules 4` or `rules 6`.
rules() {
    # Declared, the chain is made, or emptied if it is there.
    printf '*nat\n:%s - [0:0]\n' $CHAIN
    for owner in $owners; do
        printf -- '-A %s -m owner %s %s -j RETURN\n' $CHAIN "${owner%%:*}" "${owner#*:}"
    done
    printf -- '-A %s -o lo -j RETURN\n' $CHAIN
    for net in $nets; do
        case $1$net in 4*:* | 6*[0-9].[0-9]*) continue ;; esac
        printf -- '-A %s -d %s -j RETURN\n' $CHAIN "$net"
    done
    for port in $exclude; do
        printf -- '-A %s -p tcp --dport %s -j RETURN\n' $CHAIN "$port"
    done
    for port in $include; do
        [ "$port" = all ] && match='' || match="--dport $port "
        printf -- '-A %s -p tcp %s-j REDIRECT --to-ports %s\n' $CHAIN "$match" "$to"
    done
    echo COMMIT
}

# iptables with its error as ours. It waits for others who change something at the same time.
run() {
    program=$1
    shift
    message=$("$program" -w 10 "$@" 2>&1) && return
    case $message in
    *ermission* | *ermitted*)
        fail "no permission to change this network namespace: run it as root, in a container with CAP_NET_ADMIN ($message)"
        ;;
    *) fail "$program $*: $message" ;;
    esac
}

has() { "$1" -w 10 -t nat -S "$CHAIN" >/dev/null 2>&1; }
jumps() { "$1" -w 10 -t nat -C OUTPUT -p tcp -j $CHAIN >/dev/null 2>&1; }

# In one piece: there is no moment with half of the rules.
up() {
    # The simplest command says best what the matter is.
    run "$1" -t nat -S OUTPUT
    message=$(rules "$2" | "$1-restore" -w 10 --noflush 2>&1) ||
        fail "$1 refuses the rules: $(printf %s "$message" | head -n 1)"
    jumps "$1" || run "$1" -t nat -A OUTPUT -p tcp -j $CHAIN
}

down() {
    run "$1" -t nat -S OUTPUT
    has "$1" || return 0
    while jumps "$1"; do run "$1" -t nat -D OUTPUT -p tcp -j $CHAIN; done
    run "$1" -t nat -F $CHAIN
    run "$1" -t nat -X $CHAIN
}

case ${1:-} in
up)
    action=up
    shift
    parse "$@"
    ;;
down)
    action=down
    [ $# -eq 1 ] || fail "down needs nothing else: it removes what up has made"
    ;;
--help | -h | help)
    usage
    exit
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

command -v iptables >/dev/null || fail "iptables is missing: install it (apt-get install iptables, apk add iptables)"
if [ $action = down ]; then
    ! command -v ip6tables >/dev/null || [ ! -e /proc/net/if_inet6 ] || down ip6tables
# Without an address of its own nobody connects by IPv6.
elif grep -qv ' lo$' /proc/net/if_inet6 2>/dev/null; then
    command -v ip6tables >/dev/null ||
        fail "ip6tables is missing, and connections by IPv6 would pass by: install it, or switch IPv6 off (net.ipv6.conf.all.disable_ipv6=1)"
    up ip6tables 6
fi
$action iptables 4
