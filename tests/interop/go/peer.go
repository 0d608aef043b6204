package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/identify"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	ma "github.com/multiformats/go-multiaddr"
)

type peerHost struct {
	host   host.Host
	key    crypto.PrivKey
	told   event.Subscription // EvtPeerIdentificationCompleted
	last   map[peer.ID]event.EvtPeerIdentificationCompleted
	times  map[peer.ID]int // identify and identify/push messages that came
	pushes int
}

func identityKey(kind, seed string) (crypto.PrivKey, error) {
	if seed != "" {
		raw, err := hex.DecodeString(seed)
		if err != nil || len(raw) != ed25519.SeedSize || kind != "ed25519" {
			return nil, errors.New("--seed takes 64 hex digits, for an Ed25519 key")
		}
		return crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(raw))
	}
	types := map[string]int{"ed25519": crypto.Ed25519, "secp256k1": crypto.Secp256k1, "ecdsa": crypto.ECDSA, "rsa": crypto.RSA}
	t, known := types[kind]
	if !known {
		return nil, fmt.Errorf("unknown key type %q", kind)
	}
	key, _, err := crypto.GenerateKeyPairWithReader(t, 2048, rand.Reader)
	return key, err
}

// Nothing here may refuse what a test asks for: no black hole detection, no dial back-off.
func newPeer(key crypto.PrivKey) (*peerHost, error) {
	h, err := libp2p.New(libp2p.Identity(key), libp2p.Transport(quic.NewTransport), libp2p.NoListenAddrs, libp2p.DisableMetrics(),
		libp2p.UDPBlackHoleSuccessCounter(nil), libp2p.IPv6BlackHoleSuccessCounter(nil))
	if err != nil {
		return nil, err
	}
	h.SetStreamHandler(sinkProtocol, sink)
	h.SetStreamHandler(sourceProtocol, source)
	told, err := h.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted))
	if err != nil {
		return nil, err
	}
	return &peerHost{host: h, key: key, told: told, last: map[peer.ID]event.EvtPeerIdentificationCompleted{}, times: map[peer.ID]int{}}, nil
}

func texts(addrs []ma.Multiaddr) []string {
	out := []string{}
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}

func fullAddrs(h host.Host) []string {
	out := []string{}
	for _, a := range h.Network().ListenAddresses() {
		out = append(out, fmt.Sprintf("%s/p2p/%s", a, h.ID()))
	}
	return out
}

func (p *peerHost) listen(_ context.Context, c command) (answer, error) {
	if c.Addr != "" {
		a, err := ma.NewMultiaddr(c.Addr)
		if err != nil {
			return nil, err
		}
		if err := p.host.Network().Listen(a); err != nil {
			return nil, err
		}
	}
	return answer{"id": p.host.ID(), "addrs": fullAddrs(p.host)}, nil
}

func (p *peerHost) dial(ctx context.Context, c command) (answer, error) {
	to, err := peer.AddrInfoFromString(c.Addr)
	if err != nil {
		return nil, err
	}
	p.host.Peerstore().ClearAddrs(to.ID)
	p.host.Peerstore().AddAddrs(to.ID, to.Addrs, peerstore.TempAddrTTL)
	p.host.Network().(*swarm.Swarm).Backoff().Clear(to.ID)
	began := time.Now()
	conn, err := p.host.Network().DialPeer(ctx, to.ID)
	if err != nil {
		return nil, err
	}
	state := conn.ConnState()
	return answer{"peer": conn.RemotePeer(), "remote": conn.RemoteMultiaddr().String(), "local": conn.LocalMultiaddr().String(),
		"transport": state.Transport, "ms": ms(time.Since(began))}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// remote: the peer a command names, and a connection to it that stands.
func (p *peerHost) remote(c command) (peer.ID, network.Conn, error) {
	id, err := peer.Decode(c.Peer)
	if err != nil {
		return "", nil, err
	}
	conns := p.host.Network().ConnsToPeer(id)
	if len(conns) == 0 {
		return "", nil, fmt.Errorf("not connected to %s", id)
	}
	return id, conns[0], nil
}

func (p *peerHost) open(ctx context.Context, c command, proto protocol.ID) (network.Stream, error) {
	id, _, err := p.remote(c)
	if err != nil {
		return nil, err
	}
	s, err := p.host.NewStream(network.WithNoDial(ctx, "a test"), id, proto)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return s, s.SetDeadline(deadline)
}

// ping: each on a stream of its own. rust-libp2p answers a second one on the same stream only when
// something else wakes it, up to 15 s later.
func (p *peerHost) ping(ctx context.Context, c command) (answer, error) {
	id, _, err := p.remote(c)
	if err != nil {
		return nil, err
	}
	rtts := []float64{}
	for range max(1, c.N) {
		one, cancel := context.WithCancel(ctx)
		r := <-ping.Ping(one, p.host, id)
		cancel()
		if r.Error != nil {
			return nil, r.Error
		}
		rtts = append(rtts, ms(r.RTT))
	}
	return answer{"rtt_ms": rtts}, nil
}

// note takes in what identify told since the last time.
func (p *peerHost) note() {
	for {
		select {
		case e := <-p.told.Out():
			told := e.(event.EvtPeerIdentificationCompleted)
			p.last[told.Peer] = told
			p.times[told.Peer]++
		default:
			return
		}
	}
}

func (p *peerHost) identify(ctx context.Context, c command) (answer, error) {
	id, conn, err := p.remote(c)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.host.(interface{ IDService() identify.IDService }).IDService().IdentifyWait(conn):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.note()
	told, known := p.last[id]
	if !known {
		return nil, errors.New("the peer answered no identify")
	}
	a := answer{"peer": told.Peer, "addrs": texts(told.ListenAddrs), "protocols": told.Protocols, "agent": told.AgentVersion,
		"protocol_version": told.ProtocolVersion, "observed": nil, "record": nil, "messages": p.times[id]}
	if told.ObservedAddr != nil {
		a["observed"] = told.ObservedAddr.String()
	}
	if told.SignedPeerRecord != nil {
		if a["record"], err = record(told.SignedPeerRecord); err != nil {
			return nil, err
		}
	}
	s, err := p.open(ctx, c, identify.ID)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(s)
	s.Close()
	a["raw"] = hex.EncodeToString(raw)
	return a, err
}

// push: a change of what identify tells, which go-libp2p pushes to everybody by itself.
func (p *peerHost) push(context.Context, command) (answer, error) {
	p.pushes++
	name := fmt.Sprintf("/zerostate/test/change/%d", p.pushes)
	p.host.SetStreamHandler(protocol.ID(name), func(s network.Stream) { s.Reset() })
	return answer{"protocol": name}, nil
}

func (p *peerHost) send(ctx context.Context, c command) (answer, error) {
	return p.move(ctx, c, sinkProtocol, func(s network.Stream) ([]byte, error) { return sendTo(s, c.Seed, c.Bytes) })
}

func (p *peerHost) fetch(ctx context.Context, c command) (answer, error) {
	return p.move(ctx, c, sourceProtocol, func(s network.Stream) ([]byte, error) { return fetchFrom(s, c.Bytes) })
}

func (p *peerHost) move(ctx context.Context, c command, proto protocol.ID, how func(network.Stream) ([]byte, error)) (answer, error) {
	s, err := p.open(ctx, c, proto)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	sum, err := how(s)
	if err != nil {
		s.Reset()
		return nil, err
	}
	s.Close()
	return answer{"bytes": c.Bytes, "sha256": hex.EncodeToString(sum), "seconds": time.Since(began).Seconds()}, nil
}

func (p *peerHost) close(_ context.Context, c command) (answer, error) {
	id, _, err := p.remote(c)
	if err != nil {
		return nil, err
	}
	return answer{}, p.host.Network().ClosePeer(id)
}

func (p *peerHost) stat(context.Context, command) (answer, error) {
	conns := []answer{}
	for _, c := range p.host.Network().Conns() {
		direction := "in"
		if c.Stat().Direction == network.DirOutbound {
			direction = "out"
		}
		conns = append(conns, answer{"peer": c.RemotePeer(), "remote": c.RemoteMultiaddr().String(), "direction": direction, "streams": len(c.GetStreams())})
	}
	return answer{"id": p.host.ID(), "addrs": fullAddrs(p.host), "connections": conns}, nil
}
