# Sourced by the tests of zsctl upgrade: a relay that runs from a folder of its own, as installed, and a manager that restarts its planes.
# A test may put a program at $LAB/hook: it is called with a plane's name before that is restarted.
for build in soon next far; do [ -x "$BIN/$build/zs-dataplane" ] || die "$BIN/$build is not built"; done
lab_up
BUILD=$BIN BIN=$LAB/usr/bin
mkdir -p "$BIN" "$LAB/new"
cp "$BUILD"/{zs-dataplane,zs-controlplane,zsctl,zs-steer,steer.bpf.o,fast.bpf.o} "$BIN/"
# release NAME: that build as somebody would bring it, whole: root's, its BPF objects other ones than those of now.
release() {
	mkdir "$LAB/new/$1"
	cp "$BUILD/$1"/zs* "$BUILD"/{steer,fast}.bpf.o "$LAB/new/$1/"
	for object in "$LAB/new/$1"/*.bpf.o; do echo "$1" >>"$object"; done
	chmod -R go-w "$LAB/new/$1"
}
for build in soon next far; do release $build; done
mkdir "$LAB/new/now"
cp "$BIN"/* "$LAB/new/now/"
# The manager's part: what a restart of PLANE INSTANCE is here.
cat >"$LAB/restart" <<-EOF
	#!/bin/bash
	echo "\$(date +%s.%N) \$1 \$2" >>"$LAB/restarts"
	[ -x "$LAB/hook" ] && "$LAB/hook" "\$1"
	old=\$(tail -n 1 "$LAB/\$1.pid")
	kill \$old 2>/dev/null
	while [ -d /proc/\$old ] && ! grep -q '^State:.Z' /proc/\$old/status; do sleep 0.02; done
	"$PY" "$E2E/ready.py" 10 "$LAB/log/\$1.log" nsenter --net=/run/netns/$R -- "$BIN/\$1" --config "$CONF" >>"$LAB/\$1.pid" # never empty: zsctl may kill this
	status=\$?
	tail -n 1 "$LAB/\$1.pid" >>"$LAB/pids"
	[ \$status = 0 ] || { tail -n 1 "$LAB/log/\$1.log" >&2; exit \$status; }
EOF
chmod 755 "$LAB/restart"
start_relay
cp "$CONF" "$LAB/conf.was"
echo "$CONTROL" >"$LAB/zs-controlplane.pid"
echo "$DATAPLANE" >"$LAB/zs-dataplane.pid"
: >"$LAB/restarts"
SHM=/dev/shm/zerostate-$INSTANCE

upgrade() { # WHAT WANTED_STATUS ARGS… → log/upgrade-WHAT, its seconds noted
	local what=$1 want=$2 began status
	shift 2
	began=$(now_ms)
	in_ns $R ${AS:-} "$BIN/zsctl" --instance "$INSTANCE" --socket "$SOCK" upgrade --restart "$LAB/restart" --into "${INTO:-$BIN}" --keep "${KEEP:-$LAB/keep}" \
		--timeout "${TIMEOUT:-8}" "$@" >"$LAB/log/upgrade-$what" 2>&1
	status=$?
	[ $status = "$want" ] || die "$what: status $status, not $want"
	note "$what: $(($(now_ms) - began)) ms: $(tail -n 1 "$LAB/log/upgrade-$what" | cut -c1-180)"
}
says() { grep -q "$2" "$LAB/log/upgrade-$1" || die "$1 does not say '$2'"; }
pids() { tail -qn 1 "$LAB"/zs-*.pid | tr '\n' ' '; }
restarts() { wc -l <"$LAB/restarts"; }
flow_ports() { zsctl show flows --json | jq -c '[.. | objects | select(has("source_port")) | .source_port] | sort'; }
running() { zsctl status --json | jq -r .control.version; }
layout() { od -An -tu4 -j24 -N4 "$SHM/$1" | tr -d ' '; }
VERSION=$(running)
# installed FOLDER: all that it has is what is installed.
installed() {
	local f
	for f in "$1"/zs* "$1"/*.bpf.o; do
		f=${f##*/}
		[ -e "$BIN/$f" ] || continue
		cmp -s "$1/$f" "$BIN/$f" || { echo "$f is not that of $1"; return 1; }
	done
}
untouched() { # WHAT: the release that ran runs, its files are there, nothing is left over
	installed "$LAB/new/now" || die "$1: $(installed "$LAB/new/now")"
	[ "$(running)" = "$VERSION" ] || die "$1: $(running) runs"
	[ "$(layout state)" = 3 ] && [ "$(layout tables)" = 2 ] || die "$1: layouts $(layout state), $(layout tables)"
	[ ! -e "$SHM/before" ] && [ -z "$(find "$BIN" -name '.*' -type f)" ] || die "$1: something is left over: $(ls -A "$SHM" "$BIN")"
	zsctl health >/dev/null || die "$1: $(zsctl health)"
}
# broken NAME PLANE COMMAND: next, with a plane that does this at its start instead; the real one is $REAL/PLANE.
REAL=$LAB/real
mkdir "$REAL"
cp "$BUILD"/{next/zs-*,steer.bpf.o} "$REAL/"
broken() {
	rm -rf "$LAB/new/$1"
	cp -r "$LAB/new/next" "$LAB/new/$1"
	printf '#!/bin/bash\ncase "$*" in *--preflight*|*--version*) exec %s "$@" ;; esac\n%s\n' "$REAL/$2" "$3" >"$LAB/new/$1/$2"
}
