package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"sync/atomic"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
)

// Packets are messages in a stream: a length of two bytes, then so many, written at once as a tunnel would.
const (
	protocol   = "/zs-bench/packets/1"
	maxPayload = 65535
)

func newHost(listen ...string) (host.Host, error) {
	return libp2p.New(libp2p.ListenAddrStrings(listen...), libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableMetrics(), libp2p.ForceReachabilityPublic(), libp2p.DisableIdentifyAddressDiscovery())
}

func circuitRelay(args []string) error {
	h, err := newHost("/ip4/" + args[0] + "/udp/" + args[1] + "/quic-v1")
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err = relay.New(h, relay.WithInfiniteLimits()); err != nil {
		return err
	}
	return ready(h.ID().String(), wait)
}

func circuitSink(args []string) error {
	at, err := peer.AddrInfoFromString(args[0])
	if err != nil {
		return err
	}
	h, err := newHost()
	if err != nil {
		return err
	}
	defer h.Close()
	var got atomic.Uint64
	h.SetStreamHandler(protocol, func(s network.Stream) {
		in, length := bufio.NewReaderSize(s, 1<<16), make([]byte, 2)
		for {
			if _, err := io.ReadFull(in, length); err != nil {
				return
			}
			if _, err := in.Discard(int(binary.BigEndian.Uint16(length))); err != nil {
				return
			}
			got.Add(1)
		}
	})
	if err = h.Connect(context.Background(), *at); err != nil {
		return err
	}
	if _, err = client.Reserve(context.Background(), h, *at); err != nil {
		return err
	}
	return ready(h.ID().String(), func(string) (uint64, error) { return got.Load(), nil })
}

func circuitSend(args []string) error {
	at, err := peer.AddrInfoFromString(args[0])
	if err != nil {
		return err
	}
	h, err := newHost()
	if err != nil {
		return err
	}
	defer h.Close()
	ctx := network.WithAllowLimitedConn(context.Background(), who)
	if err = h.Connect(ctx, *at); err != nil {
		return err
	}
	s, err := h.NewStream(ctx, at.ID, protocol)
	if err != nil {
		return err
	}
	message := make([]byte, 2+maxPayload)
	return ready("", sender(func(payload []byte) error {
		binary.BigEndian.PutUint16(message, uint16(copy(message[2:], payload)))
		_, err := s.Write(message[:2+len(payload)])
		return err
	}))
}
