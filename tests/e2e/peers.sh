# Sourced after lib.sh: real QUIC peers in the lab. ZS_E2E_DIRECT=1 leaves the relay out (the
# kernel of the relay's namespace routes): it tells a broken peer from a broken relay.

# reach 44|46|64|66: client family, server family → PEER (address), PORT
reach() {
	case $1 in
	44 | 46) PEER=$RELAY4 ;;
	64 | 66) PEER=$RELAY6 ;;
	esac
	case $1 in
	44 | 64) PORT=4443 ;;
	46 | 66) PORT=4446 ;;
	esac
	if [ -n "${ZS_E2E_DIRECT:-}" ]; then
		PORT=443
		case $1 in 44) PEER=$SERVER4 ;; *) PEER=$SERVER6 ;; esac
	fi
	case $PEER in *:*) PEER_URL="[$PEER]" PEER_MA=/ip6/$PEER ;; *) PEER_URL=$PEER PEER_MA=/ip4/$PEER ;; esac
}
# The ways there are: without a relay nobody translates between families.
ways() { if [ -n "${ZS_E2E_DIRECT:-}" ]; then echo 44 66; else echo 44 66 46 64; fi; }
start_path() { if [ -n "${ZS_E2E_DIRECT:-}" ]; then lab_direct; else start_relay; fi; }

# --- Caddy (quic-go) and Chromium ------------------------------------------------------------
start_caddy() {
	mkdir -p "$LAB/caddy/home" "$LAB/caddy/www"
	head -c 3000000 /dev/urandom | base64 -w 0 >"$LAB/caddy/www/big.txt"
	head -c 200000 "$LAB/caddy/www/big.txt" >"$LAB/caddy/www/mid.txt"
	cat >"$LAB/caddy/Caddyfile" <<-EOF
	{
		admin off
		auto_https disable_redirects
		skip_install_trust
	}
	https://relay.test:443, https://relay.test:4443, https://relay.test:4446 {
		bind $SERVER4 $SERVER6
		tls internal
		log {
			output file $LAB/caddy/access.json
			format json
		}
		root * $LAB/caddy/www
		handle /*.txt {
			file_server
		}
		respond "hello {http.request.proto}"
	}
	EOF
	HOME=$LAB/caddy/home XDG_DATA_HOME=$LAB/caddy/home XDG_CONFIG_HOME=$LAB/caddy/home \
		spawn $S caddy.log caddy run --config "$LAB/caddy/Caddyfile" --adapter caddyfile
	CADDY=$SPAWNED
	wait_for 15 caddy_cert || die "Caddy made no certificate"
	wait_for 10 sh -c "nsenter --net=/run/netns/$S ss -Hlun 'sport = :443' | grep -q ." || die "Caddy does not listen on UDP 443"
	SPKI=$(openssl x509 -in "$CERT" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64)
}
caddy_cert() { CERT=$(find "$LAB/caddy/home" -path '*relay.test*' -name '*.crt' | head -n 1); [ -n "$CERT" ] && [ -s "$CERT" ]; }

# chromium_get URL_PATH [LOG]: prints the DOM of what a fresh browser loads from PEER:PORT by HTTP/3 alone.
chromium_get() {
	local profile
	profile=$(mktemp -d "$LAB/chromium.XXXXXX")
	HOME=$profile in_ns $C timeout -k 2 "${CHROMIUM_S:-20}" chromium --headless --no-sandbox --disable-gpu --no-first-run \
		--disable-background-networking --disable-component-update --disable-sync --user-data-dir="$profile" \
		--host-resolver-rules="MAP relay.test $PEER_URL" --origin-to-force-quic-on="relay.test:$PORT" \
		--ignore-certificate-errors-spki-list="$SPKI" --dump-dom "https://relay.test:$PORT$1" 2>>"$LAB/log/chromium.log" </dev/null
	local status=$?
	rm -rf "$profile"
	return $status
}

# --- js-libp2p (quinn) -----------------------------------------------------------------------
# tests/interop/js/mover.mjs: events on stdout, no commands. start_listener NAME MULTIADDR: its events in log/NAME.log, its id in PEER_ID.
js_build() { JS=$("$ROOT/tests/interop/build" js 2>"$LAB/js-build.log") && JS=${JS%/peer} || skip "$(tail -n 1 "$LAB/js-build.log")"; }
start_listener() {
	spawn $S "$1.log" node --no-warnings --require "$JS/preload.cjs" "$JS/mover.mjs" listen "$2"
	LISTENER=$SPAWNED
	wait_for 15 grep -q '"listening"' "$LAB/log/$1.log" || die "the js peer $1 does not listen"
	PEER_ID=$(jq -r 'select(.event == "listening").id' "$LAB/log/$1.log")
}
js_client() { in_ns $C node --no-warnings --require "$JS/preload.cjs" "$JS/mover.mjs" "$@"; }
