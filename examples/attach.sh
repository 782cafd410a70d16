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
    exec unshare --user --map-root-user --net "$here/attach.sh" --inside "$object"
fi
object=$2

# The far side: a namespace that lives as long as this process.
unshare --net sleep 600 &
far=$!
clean_up() {
    "$SKEP" daemon stop
    kill "$far"
}
trap clean_up EXIT

until [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
in_far() { nsenter --net="/proc/$far/ns/net" "$@"; }

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
"$SKEP" prog tracelog >"${TMPDIR:-/tmp}/skep-trace.$$" &
reader=$!
sleep 0.3
kill "$reader"
printf '\n$ %s\n' "$SKEP prog tracelog"
cat "${TMPDIR:-/tmp}/skep-trace.$$"
rm "${TMPDIR:-/tmp}/skep-trace.$$"
say "$SKEP" net detach xdp dev near
