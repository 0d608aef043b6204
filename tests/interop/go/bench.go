package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
)

// benchListener: a plain host to be measured from outside, with nothing that counts or refuses.
func benchListener(key crypto.PrivKey, addr string) error {
	if addr == "" {
		addr = "/ip4/127.0.0.1/udp/0/quic-v1"
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.Transport(quic.NewTransport), libp2p.ListenAddrStrings(addr), libp2p.DisableRelay(),
		libp2p.DisableMetrics(), libp2p.ResourceManager(&network.NullResourceManager{}), libp2p.ConnectionManager(connmgr.NullConnMgr{}))
	if err != nil {
		return err
	}
	h.SetStreamHandler(sinkProtocol, sink)
	h.SetStreamHandler(sourceProtocol, source)
	h.SetStreamHandler(discardProtocol, discard)
	if err := json.NewEncoder(os.Stdout).Encode(answer{"ok": true, "pid": os.Getpid(), "id": h.ID(), "addrs": fullAddrs(h)}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	h.Close()
	return err
}
