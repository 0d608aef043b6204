// A go-libp2p peer over QUIC for the interop tests: commands and answers as ../README.md says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

// What a command may carry; each uses what it needs.
type command struct {
	Do        string
	Addr      string
	Peer      string
	N         int
	Bytes     uint64
	Seed      uint64
	Fault     string
	TimeoutMs int `json:"timeout_ms"`
}

type answer map[string]any

const usage = `usage: peer [--key ed25519|secp256k1|ecdsa|rsa] [--seed HEX]                  commands on stdin
       peer [--key ...] [--seed HEX] bench-listener [MULTIADDR]    one line, then serves until stdin ends
       peer h3-serve ADDR:PORT NAME                                one line, then serves HTTP/3 until stdin ends
`

func die(err error) {
	fmt.Fprintln(os.Stderr, "peer:", err)
	os.Exit(1)
}

func main() {
	keyType := flag.String("key", "ed25519", "type of the identity key")
	seed := flag.String("seed", "", "the Ed25519 seed, 64 hex digits; else a new key")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage) }
	flag.Parse()
	key, err := identityKey(*keyType, *seed)
	if err != nil {
		die(err)
	}
	switch flag.Arg(0) {
	case "":
		p, err := newPeer(key)
		if err != nil {
			die(err)
		}
		defer p.host.Close()
		serve(p)
	case "bench-listener":
		if err := benchListener(key, flag.Arg(1)); err != nil {
			die(err)
		}
	case "h3-serve":
		if err := h3Serve(flag.Arg(1), flag.Arg(2)); err != nil {
			die(err)
		}
	default:
		flag.Usage()
		os.Exit(2)
	}
}

func serve(p *peerHost) {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			out.Encode(answer{"ok": false, "error": err.Error()})
			continue
		}
		if c.Do == "quit" {
			out.Encode(answer{"ok": true})
			return
		}
		out.Encode(run(p, c))
	}
}

func run(p *peerHost, c command) answer {
	if c.TimeoutMs == 0 {
		c.TimeoutMs = 120_000
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(c.TimeoutMs)*time.Millisecond)
	defer cancel()
	do := map[string]func(context.Context, command) (answer, error){
		"listen": p.listen, "dial": p.dial, "ping": p.ping, "identify": p.identify, "push": p.push,
		"send": p.send, "fetch": p.fetch, "close": p.close, "stat": p.stat, "fault": p.fault,
	}[c.Do]
	if do == nil {
		return answer{"ok": false, "error": fmt.Sprintf("unknown command %q", c.Do)}
	}
	a, err := do(ctx, c)
	if err != nil {
		return answer{"ok": false, "error": strings.ReplaceAll(err.Error(), "\n", " ")}
	}
	a["ok"] = true
	return a
}
