# Sourced after lib.sh by the tests of what a relay lacks: a mount namespace of the test's own, a load that goes on, and
# what was acknowledged.

# own_mounts "$@": the test once more in a mount namespace that lives and goes with it.
own_mounts() {
	[ -z "${ZS_OWN_MOUNTS:-}" ] || return 0
	local told left status
	told=$(mktemp)
	ZS_OWN_MOUNTS=$told unshare --mount --propagation private "$0" "$@"
	status=$?
	left=$(cat "$told")
	rm "$told"
	[ -z "$left" ] || [ ! -e "$left" ] || { echo "FAILED: $left is left behind: $(ls "$left")"; status=1; }
	exit $status
}

raised() { { zsctl health --json || :; } | jq -e --arg code "$1" '[.. | objects | select(.code? == $code)] | length > 0'; }
lowered() { ! raised "$1"; }
detail() { { zsctl health --json || :; } | jq -r --arg code "$1" '[.. | objects | select(.code? == $code)][0].detail'; }

# load_begin, load_end WHAT: 500 packets/s through 4443 over 16 flows, of which none may be lost.
load_begin() {
	spawn $C load.log "$BIN/tests/udpload" send $RELAY4 4443 500 300 200 16
	LOADER=$SPAWNED
}
load_end() {
	kill "$LOADER"
	wait_for 5 gone "$LOADER"
	tail -n 1 "$LAB/log/load.log" | jq -e '.sent > 100 and .lost == 0' >/dev/null ||
		{ where_lost; die "$1: packets are lost: $(tail -n 1 "$LAB/log/load.log")"; }
	note "$1: $(tail -n 1 "$LAB/log/load.log" | jq -c '{sent, lost}')"
}
# A client that was never here, through a published port.
new_client() { in_ns $C "$BIN/tests/udpload" send $RELAY4 "$1" 200 1 | tail -n 1 | jq -e '.sent > 100 and .lost == 0' >/dev/null; }

# Publishes ports from FIRST on until one is refused; those that were acknowledged are in $KEPT, the refusal in $REFUSAL.
KEPT=
publish_until_refused() {
	local port
	for port in $(seq "$1" $(($1 + 199))); do
		REFUSAL=$(zsctl publish add "$port" $SERVER4:443 2>&1) || return 0
		KEPT="$KEPT $port"
	done
	die "200 ports are published although $2"
}
# Nothing acknowledged is lost, and nothing refused is there: the ports from 4500 on are those in $KEPT.
published() { zsctl publish list --json | jq -r '[.. | objects | select(has("target")) | .port | select(. >= 4500 and . < 5500)] | sort | .[]' | tr '\n' ' '; }
check_kept() {
	local want
	want=$(tr ' ' '\n' <<<"$KEPT" | grep . | sort -n | tr '\n' ' ')
	[ "$(published)" = "$want" ] || die "$1: published is '$(published)', acknowledged was '$want'"
}
