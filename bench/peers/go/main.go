// Other relays, and what speaks to them, for zs-bench cpu: each command is one process in one network namespace. It prints
// "ready" and what the next one must know, and ends with its standard input.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const usage = `usage: peer turn-relay ADDRESS PORT TO-ADDRESS        pion/turn; user and password "bench"
       peer turn-bind ADDRESS PORT LOCAL FIRST N TO  N clients from ports FIRST on, each with channel 0x4000 bound to TO
       peer circuit-relay ADDRESS PORT               go-libp2p's circuit relay v2 without limits; tells its id
       peer circuit-sink RELAY                       reserves at RELAY; tells its id; each line asks for a count
       peer circuit-send SINK                        each line "RATE BYTES MS" asks it to send; answers how many
       peer derp-sink ADDRESS PORT                   a client of derper; tells its key; each line asks for a count
       peer derp-send ADDRESS PORT KEY               as circuit-send
`

type command struct {
	words int
	run   func(args []string) error
}

var commands = map[string]command{
	"turn-relay":    {3, turnRelay},
	"turn-bind":     {6, turnBind},
	"circuit-relay": {2, circuitRelay},
	"circuit-sink":  {1, circuitSink},
	"circuit-send":  {1, circuitSend},
	"derp-sink":     {2, derpSink},
	"derp-send":     {3, derpSend},
}

func main() {
	if len(os.Args) < 2 || len(os.Args)-2 != commands[os.Args[1]].words {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err := commands[os.Args[1]].run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// ready says so, and what answer gives for each line until there are no more.
func ready(told string, answer func(line string) (uint64, error)) error {
	fmt.Println("ready", told)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, err := answer(lines.Text())
		if err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

// wait is an answer for those who are never asked.
func wait(string) (uint64, error) { return 0, nil }

func numbers(line string, n int) ([]int, error) {
	words := strings.Fields(line)
	if len(words) != n {
		return nil, fmt.Errorf("%q: not %d numbers", line, n)
	}
	out := make([]int, n)
	for i, w := range words {
		v, err := strconv.Atoi(w)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}
