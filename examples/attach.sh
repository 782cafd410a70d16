#!/bin/sh
# Tries XDP on a real interface, safely: makes two network namespaces of its own, joined by a veth pair, attaches hello to one
# end, pings it from the other, shows what the program printed and counted, and leaves nothing behind. Needs no root.
#
#     examples/attach.sh [OBJECT]      (SKEP=path of the binary to use, else it is built)
set -eu

if [ "${1:-}" != --inside ]; then
    here=$(cd "$(dirname "$0")" && pwd)
    object=$(realpath "${1:-$here/hello.bpf.o}")
    if [ -z "${SKEP:-}" ]; then
        (cd "$here/.." && cargo build --quiet --release)
        SKEP=$here/../target/release/skep
    fi
    SKEP=$(realpath "$SKEP")
    export SKEP
    exec unshare --user --map-root-user --net sh "$here/${0##*/}" --inside "$object"
fi
object=$2

# The far side: a namespace that lives as long as this process.
unshare --net sleep 600 >/dev/null 2>&1 &
far=$!
# Of this trial alone, like the daemon in it.
XDG_RUNTIME_DIR=$(mktemp -d)
export XDG_RUNTIME_DIR
trace=$XDG_RUNTIME_DIR/trace
clean_up() {
    # There may be none to stop, if this ends early.
    "$SKEP" daemon stop || true
    kill "$far"
    rm -r "$XDG_RUNTIME_DIR"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

until [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
in_far() { nsenter --net="/proc/$far/ns/net" "$@"; }

# So that all packets are those sent here: without IPv6 Linux sends none by itself.
ipv6=/proc/sys/net/ipv6/conf/all/disable_ipv6
if [ -e $ipv6 ]; then
    echo 1 >$ipv6
    in_far sh -c "echo 1 >$ipv6"
fi

ip link add near type veth peer name far netns "$far"
ip address add 10.77.0.1/24 dev near
ip link set near up
in_far ip address add 10.77.0.2/24 dev far
in_far ip link set far up

say() { printf '\n$ %s\n' "$*"; "$@"; }

say "$SKEP" prog load "$object" /sys/fs/bpf/tried
say "$SKEP" net attach xdp pinned /sys/fs/bpf/tried dev near
say "$SKEP" net show dev near
say in_far ping -c 3 -i 0.2 10.77.0.1 || echo "(the program let none of them pass)"
say "$SKEP" net show dev near
say "$SKEP" link list
"$SKEP" prog tracelog >"$trace" &
reader=$!
sleep 0.3
kill "$reader"
printf '\n$ %s\n' "$SKEP prog tracelog"
cat "$trace"
say "$SKEP" net detach xdp dev near
