package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"tailscale.com/derp"
	"tailscale.com/derp/derphttp"
	"tailscale.com/net/netmon"
	"tailscale.com/net/netns"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

const connectFor = 15 * time.Second // until derper listens

func derpClient(address, port string) (*derphttp.Client, key.NodePrivate, error) {
	mine := key.NewNode()
	n, err := numbers(port, 1)
	if err != nil {
		return nil, mine, err
	}
	netns.SetEnabled(false)
	region := &tailcfg.DERPRegion{RegionID: 900, RegionCode: who, Nodes: []*tailcfg.DERPNode{{
		Name: who, RegionID: 900, HostName: address, IPv4: address, DERPPort: n[0], InsecureForTests: true,
	}}}
	client := derphttp.NewRegionClient(mine, logger.Discard, netmon.NewStatic(),
		func() *tailcfg.DERPRegion { return region })
	for end := time.Now().Add(connectFor); ; time.Sleep(100 * time.Millisecond) {
		if err = client.Connect(context.Background()); err == nil || time.Now().After(end) {
			return client, mine, err
		}
	}
}

func derpSink(args []string) error {
	client, mine, err := derpClient(args[0], args[1])
	if err != nil {
		return err
	}
	var got atomic.Uint64
	go func() {
		for {
			m, err := client.Recv()
			if err != nil {
				return
			}
			if _, ok := m.(derp.ReceivedPacket); ok {
				got.Add(1)
			}
		}
	}()
	told, err := mine.Public().MarshalText()
	if err != nil {
		return err
	}
	return ready(string(told), func(string) (uint64, error) { return got.Load(), nil })
}

func derpSend(args []string) error {
	client, _, err := derpClient(args[0], args[1])
	if err != nil {
		return err
	}
	var to key.NodePublic
	if err = to.UnmarshalText([]byte(args[2])); err != nil {
		return fmt.Errorf("%s: %w", args[2], err)
	}
	return ready("", sender(func(payload []byte) error { return client.Send(to, payload) }))
}
