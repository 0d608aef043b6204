package main

import (
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pion/turn/v4"
)

const (
	who        = "bench"
	bindWrites = 20 // a channel is asked for by the first, and taken once it is there
	bindPause  = 20 * time.Millisecond
)

func turnRelay(args []string) error {
	conn, err := net.ListenPacket("udp4", net.JoinHostPort(args[0], args[1]))
	if err != nil {
		return err
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: who,
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return turn.GenerateAuthKey(user, realm, who), user == who
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.ParseIP(args[2]),
				Address:      args[2],
			},
		}},
	})
	if err != nil {
		return err
	}
	defer server.Close()
	return ready("", wait)
}

func bindOne(server, local string, to net.Addr) error {
	conn, err := net.ListenPacket("udp4", local)
	if err != nil {
		return err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Conn:           conn,
		Username:       who,
		Password:       who,
		Realm:          who,
	})
	if err != nil {
		return err
	}
	if err = client.Listen(); err != nil {
		return err
	}
	relayed, err := client.Allocate()
	if err != nil {
		return err
	}
	for range bindWrites {
		if _, err = relayed.WriteTo([]byte(who), to); err != nil {
			return err
		}
		time.Sleep(bindPause)
	}
	return nil
}

// Allocations and channels outlive what is measured; the sockets stay open, so that nobody answers for these ports.
func turnBind(args []string) error {
	n, err := numbers(args[3]+" "+args[4], 2)
	if err != nil {
		return err
	}
	to, err := net.ResolveUDPAddr("udp4", args[5])
	if err != nil {
		return err
	}
	for i := range n[1] {
		local := net.JoinHostPort(args[2], strconv.Itoa(n[0]+i))
		if err := bindOne(net.JoinHostPort(args[0], args[1]), local, to); err != nil {
			return fmt.Errorf("%s: %w", local, err)
		}
	}
	return ready("", wait)
}
