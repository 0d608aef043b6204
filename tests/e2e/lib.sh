# Sourced by the end-to-end tests and by scripts/lab: a lab of three namespaces of its own.
#
#   zsPID-client                 zsPID-relay                          zsPID-server
#   ┌────────────┐  net A  ┌───────────────────────────┐  net B  ┌────────────┐
#   │ c0      .2 ├─────────┤ rc .1   dataplane   .1 rs ├─────────┤ s0 .2      │
#   └────────────┘         │         controlplane      │         └────────────┘
#     10.77.1.0/24         └───────────────────────────┘           10.77.2.0/24
#     fd77:1::/64                                                  fd77:2::/64
#
# Nothing is shared with the machine but the kernel. lab_down removes all of it; it runs on
# every way out of the script, and a watcher of its own runs it when the script is killed.
set -uo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E=$ROOT/tests/e2e
BIN=${ZS_BIN:-$ROOT/build/release}
PY=/usr/bin/python3
export PYTHONPATH=$E2E PYTHONDONTWRITEBYTECODE=1 # frames.py and labnet.py serve every test
INSTANCE=e2e$$
C=zs$$-client R=zs$$-relay S=zs$$-server
A4=10.77.1 B4=10.77.2 A6=fd77:1: B6=fd77:2:
RELAY4=$A4.1 RELAY6=$A6:1 SERVER4=$B4.2 SERVER6=$B6:2 CLIENT4=$A4.2 CLIENT6=$A6:2
ENGINE=${ZS_ENGINE:-dpdk}
GRO=$([ "$ENGINE" = xdp ] && echo on || echo off) # what XDP sends into a veth is lost unless its peer has NAPI, which GRO turns on
MORE_NS= # what a test adds, to be made and removed with the lab
LAB= # scratch folder while the lab stands

note() { echo "# $*"; }
skip() { echo "$*"; exit 77; }
# Ends the test as failed, with the last words of whatever runs.
die() {
	echo "FAILED: $*"
	if [ -n "$LAB" ]; then
		local f
		for f in "$LAB"/log/*; do
			[ -s "$f" ] && { echo "--- ${f##*/}"; tail -n "${DIE_LINES:-12}" "$f" | cut -c1-300; }
		done
	fi
	exit 1
}

needs_root() { [ "$(id -u)" -eq 0 ] || { echo "${1:-this test} needs root: network namespaces, AF_XDP"; exit "${2:-77}"; }; }
needs_tools() {
	local t
	for t in "$@"; do command -v "$t" >/dev/null || skip "needs $t, which is not installed"; done
}
needs_planes() {
	local b
	for b in zs-dataplane zs-controlplane zsctl; do
		[ -x "$BIN/$b" ] || { echo "FAILED: $BIN/$b is not built"; exit 1; }
	done
}

# in_ns NAME COMMAND…: changes the network alone, so that bpffs stays in sight.
in_ns() { local n=$1; shift; nsenter --net=/run/netns/"$n" -- "$@"; }
# spawn NS LOG COMMAND…: in the background, pid in $SPAWNED, killed with the lab.
spawn() {
	local n=$1 log=$2
	shift 2
	nsenter --net=/run/netns/"$n" -- "$@" >"$LAB/log/$log" 2>&1 </dev/null &
	SPAWNED=$!
	echo $SPAWNED >>"$LAB/pids"
}
# wait_for SECONDS COMMAND…: until it succeeds.
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
alive() { [ -n "${1:-}" ] && [ -d /proc/"$1" ] && ! grep -q '^State:.Z' /proc/"$1"/status 2>/dev/null; }
gone() { ! alive "$1"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }

# --- building and removing -------------------------------------------------------------------

# reap FOLDER INSTANCE NS…: removes everything a lab can have left. Also run by the watcher.
reap() {
	local dir=$1 instance=$2 n pid tries
	shift 2
	for tries in 1 2 3 4 5; do
		local pids=
		[ -r "$dir/pids" ] && pids=$(cat "$dir/pids")
		for n in "$@"; do pids="$pids $(ip netns pids "$n" 2>/dev/null | tr '\n' ' ')"; done
		local any=0
		for pid in $pids; do
			[ "$pid" -ne $$ ] && [ -d /proc/"$pid" ] || continue
			kill "$([ "$tries" = 1 ] && echo -TERM || echo -KILL)" "$pid" 2>/dev/null && any=1
		done
		[ $any = 0 ] && break
		: >"$dir/pids"
		sleep 0.3
	done
	for n in "$@"; do [ -e /run/netns/"$n" ] && ip netns del "$n"; done
	rm -rf /dev/shm/zerostate-"$instance" /sys/fs/bpf/zerostate-"$instance" /dev/hugepages/*zs-"$instance"* \
		/var/run/dpdk/zs-"$instance"
	if [ -s "$dir/hugepages" ]; then cat "$dir/hugepages" >/proc/sys/vm/nr_hugepages; fi
	awk -v below="$dir/" 'index($2, below) == 1 {print $2}' /proc/mounts | while read -r n; do umount -l "$n"; done
	rm -rf "$dir"
	return 0
}

lab_down() {
	local status=$?
	trap - EXIT INT TERM HUP
	[ -n "$LAB" ] || exit $status
	local dir=$LAB
	LAB=
	reap "$dir" "$INSTANCE" $C $R $S $MORE_NS 2>/dev/null
	[ -n "${WATCHER:-}" ] && kill -- -"$WATCHER" 2>/dev/null # it and its tail
	exit $status
}

# The watcher lives in a session of its own, so neither Ctrl-C nor kill -9 of the script reaches it.
watcher() {
	setsid bash -c '. "$1/lib.sh"; tail --pid="$2" -f /dev/null; sleep 0.5; [ -d "$3" ] || exit 0; shift 2; reap "$@"' \
		watcher "$E2E" $$ "$LAB" "$INSTANCE" $C $R $S $MORE_NS </dev/null >/dev/null 2>&1 &
	WATCHER=$!
	disown
}

hugepages() {
	HUGE=false
	[ "${ZS_E2E_HUGEPAGES:-1}" = 1 ] || return 0
	local free had
	free=$(awk '/HugePages_Free/{print $2}' /proc/meminfo)
	had=$(cat /proc/sys/vm/nr_hugepages)
	if [ "$free" -lt 160 ]; then
		echo "$had" >"$LAB/hugepages"
		echo $((had + 160 - free)) >/proc/sys/vm/nr_hugepages 2>/dev/null
		free=$(awk '/HugePages_Free/{print $2}' /proc/meminfo)
	fi
	if [ "$free" -ge 160 ]; then HUGE=true; fi
}

# plug NS DEV PEER_NS PEER: a veth pair of QUEUES (1) queues without offloads (AF_XDP wants whole checksums).
plug() {
	local q="numrxqueues ${QUEUES:-1} numtxqueues ${QUEUES:-1}"
	ip -n "$1" link add "$2" $q type veth peer name "$4" netns "$3" $q || die "veth $2"
	local n d
	for n in "$1 $2" "$3 $4"; do
		d=${n#* }
		in_ns "${n% *}" ethtool -K "$d" tx off gso off tso off gro "$GRO" >/dev/null 2>&1
		ip -n "${n% *}" link set "$d" up
	done
}

lab_up() {
	needs_root "${0##*/}"
	needs_tools ip nsenter ethtool jq "$PY"
	LAB=$(mktemp -d /tmp/zs-e2e.XXXXXX)
	chmod 755 "$LAB"
	mkdir "$LAB/log" "$LAB/state" "$LAB/run"
	: >"$LAB/pids"
	CONF=$LAB/relay.yaml SOCK=$LAB/run/admin.sock
	trap lab_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	watcher
	local n
	for n in $C $R $S $MORE_NS; do
		ip netns add "$n" || die "cannot make namespace $n"
		ip -n "$n" link set lo up
		in_ns "$n" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0 2>/dev/null
	done
	plug $C c0 $R rc
	plug $S s0 $R rs
	ip -n $C addr add $CLIENT4/24 dev c0
	ip -n $C -6 addr add $CLIENT6/64 dev c0 nodad
	ip -n $S addr add $SERVER4/24 dev s0
	ip -n $S -6 addr add $SERVER6/64 dev s0 nodad
	ip -n $R addr add $A4.1/24 dev rc
	ip -n $R -6 addr add $A6:1/64 dev rc nodad
	ip -n $R addr add $B4.1/24 dev rs
	ip -n $R -6 addr add $B6:1/64 dev rs nodad
	in_ns $R sysctl -qw net.ipv4.ip_local_reserved_ports=20000-32767 2>/dev/null
	mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf || die "bpffs cannot be mounted on /sys/fs/bpf"
	hugepages
}

# The direct path, for proving the peers without a relay: routes through the relay namespace's kernel.
lab_direct() {
	in_ns $R sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	ip -n $C route add $B4.0/24 via $A4.1
	ip -n $C -6 route add $B6:/64 via $A6:1
	ip -n $S route add $A4.0/24 via $B4.1
	ip -n $S -6 route add $A6:/64 via $B6:1
}

# nat NS INNER [OUTER]: lets in from elsewhere than INNER what was asked for alone; masquerades what leaves by OUTER.
nat() {
	in_ns $1 sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	in_ns $1 nft -f - <<-EOT || skip "nftables cannot make a NAT here"
		table inet nat {
			chain out { type nat hook postrouting priority 100; }
		}
		table inet filter {
			counter unsolicited { }
			chain input { type filter hook input priority 0; policy accept; iifname != { $2, lo } meta l4proto udp ct state new counter name unsolicited drop; }
			chain forward { type filter hook forward priority 0; policy drop; ct state established accept; iifname $2 accept; counter name unsolicited; }
		}
	EOT
	[ -z "${3:-}" ] || in_ns $1 nft add rule inet nat out oifname $3 masquerade
}

# --- the relay -------------------------------------------------------------------------------

# write_conf [FILE]: 4443 → v4 server, 4446 → v6 server, both reachable from either family.
# What a test changes: MORE_CONF (sections), RINGS, FLOWS (capacity), MORE_FLOWS (lines inside flows:), PUBLISH (lines), WORKERS, MEMORY, HUGE.
write_conf() {
	local workers=${WORKERS:-1}
	[ "$ENGINE" = xdp ] && workers=1 # it has no more
	cat >"${1:-$CONF}" <<-EOF
	instance: $INSTANCE
	state_dir: $LAB/state
	run_dir: $LAB/run
	dataplane:
	  engine: $ENGINE
	  workers: $workers
	  cpus: [$([ "$workers" = 1 ] && echo 1 || echo 0, 1)]
	  main_cpu: 0
	  hugepages: ${HUGE:-false}
	  memory_mb: ${MEMORY:-128}
	  busy_poll_us: 50
	  sleep_max_us: 500
	  ports:
	    - name: wan
	      driver: af_xdp
	      device: rc
	      rx_ring: ${RINGS:-1024}
	      tx_ring: ${RINGS:-1024}
	      addresses: [$A4.1/24, "$A6:1/64"]
	    - name: lan
	      driver: af_xdp
	      device: rs
	      rx_ring: ${RINGS:-1024}
	      tx_ring: ${RINGS:-1024}
	      addresses: [$B4.1/24, "$B6:1/64"]
	flows:
	  ports: 20000-32767
	  capacity: ${FLOWS:-4096}
	${MORE_FLOWS:-}
	targets:
	  allow: [10.77.0.0/16, "fd77::/16"]
	publish:
	EOF
	if [ -n "${PUBLISH:-}" ]; then
		printf '%s\n' "$PUBLISH" >>"${1:-$CONF}"
	else
		cat >>"${1:-$CONF}" <<-EOF
		  - {port: 4443, target: "$SERVER4:443"}
		  - {port: 4446, target: "[$SERVER6]:443"}
		EOF
	fi
	cat >>"${1:-$CONF}" <<-EOF
	admin:
	  socket: $SOCK
	metrics:
	  listen: 127.0.0.1:9464
	log:
	  format: kv
	  level: info
	${MORE_CONF:-}
	EOF
}

zsctl() { "$BIN/zsctl" --instance "$INSTANCE" --socket "$SOCK" "$@"; }

# Every counter between a sender and a receiver, to be read from left to right when a packet is missed.
where_lost() {
	local n
	echo "--- client, relay, server: UDP of the kernel and the interfaces"
	for n in $C $R $S; do
		in_ns $n grep Udp: /proc/net/snmp
		in_ns $n ip -s -o link show type veth | tr -s ' \\' ' ' | cut -d' ' -f2,16-
	done
	echo "--- the relay's ports, counters, drops"
	zsctl show ports
	zsctl show counters
	zsctl show drops
}

# start_plane NAME LOG: READY=1 within 15 s, pid in $SPAWNED.
start_plane() {
	SPAWNED=$("$PY" "$E2E/ready.py" "${READY_S:-15}" "$LAB/log/$2" \
		nsenter --net=/run/netns/$R -- "$BIN/$1" --config "$CONF")
	local status=$?
	[ -n "$SPAWNED" ] && echo "$SPAWNED" >>"$LAB/pids"
	return $status
}
start_control() { start_plane zs-controlplane controlplane.log || die "zs-controlplane is not ready"; CONTROL=$SPAWNED; }
start_dataplane() { start_plane zs-dataplane dataplane.log || die "zs-dataplane is not ready"; DATAPLANE=$SPAWNED; }
start_relay() {
	needs_planes
	write_conf
	start_control
	start_dataplane
	# The kernel's neighbours of the relay: a first packet would otherwise wait for them.
	in_ns $R ping -c1 -W2 $CLIENT4 >/dev/null 2>&1
	in_ns $R ping -c1 -W2 $SERVER4 >/dev/null 2>&1
	in_ns $R ping -c1 -W2 $CLIENT6 >/dev/null 2>&1
	in_ns $R ping -c1 -W2 $SERVER6 >/dev/null 2>&1
	wait_for 5 sh -c "'$BIN/zsctl' --socket '$SOCK' show ports" || die "the control plane does not see the dataplane"
}
