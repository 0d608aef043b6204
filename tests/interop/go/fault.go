package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"github.com/libp2p/go-libp2p/core/crypto"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	ma "github.com/multiformats/go-multiaddr"
	"github.com/quic-go/quic-go"
)

// judgement is how long the other end has to refuse: a dialler's handshake is done before the
// listener has judged its certificate.
const judgement = 2 * time.Second

// faultyConfig: TLS as libp2p wants it, but for one fault; "none" is right in every way.
func faultyConfig(fault string, key crypto.PrivKey) (*tls.Config, error) {
	certKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ClientAuth: tls.RequestClientCert,
		NextProtos: []string{"libp2p"}, SessionTicketsDisabled: true}
	signed, signer := certKey.Public(), key
	switch fault {
	case "none", "no-extension", "unsigned", "two-certificates":
	case "expired":
		template.NotAfter = now.Add(-time.Minute)
	case "not-yet-valid":
		template.NotBefore = now.Add(30 * time.Minute)
	case "foreign-key": // the extension vouches for another certificate's key
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		signed = other.Public()
	case "other-identity": // all right, but not the peer whose id was named
		if signer, _, err = crypto.GenerateEd25519Key(rand.Reader); err != nil {
			return nil, err
		}
	case "unknown-critical":
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 53594, 9, 9}, Critical: true, Value: []byte{5, 0}}}
	case "wrong-alpn":
		config.NextProtos = []string{"h3"}
	case "no-certificate":
		return config, nil
	default:
		return nil, fmt.Errorf("unknown fault %q", fault)
	}
	if fault != "no-extension" {
		extension, err := libp2ptls.GenerateSignedExtension(signer, signed)
		if err != nil {
			return nil, err
		}
		template.ExtraExtensions = append(template.ExtraExtensions, extension)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, certKey.Public(), certKey)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{der}
	switch fault {
	case "unsigned":
		der[len(der)-1] ^= 1 // the last byte of the self-signature
	case "two-certificates":
		chain = append(chain, der)
	}
	config.Certificates = []tls.Certificate{{Certificate: chain, PrivateKey: certKey}}
	return config, nil
}

// fault dials an address with a fault and tells whether the other end minded, or, without a /p2p/ID
// to dial, listens there with that fault as the peer that this host is.
func (p *peerHost) fault(ctx context.Context, c command) (answer, error) {
	config, err := faultyConfig(c.Fault, p.key)
	if err != nil {
		return nil, err
	}
	addr, err := ma.NewMultiaddr(c.Addr)
	if err != nil {
		return nil, err
	}
	transport, id := ma.SplitFunc(addr, func(part ma.Component) bool { return part.Protocol().Code == ma.P_P2P })
	udp, version, err := quicreuse.FromQuicMultiaddr(transport)
	if err != nil {
		return nil, err
	}
	if id == nil {
		listener, err := quic.ListenAddr(udp.String(), config, nil)
		if err != nil {
			return nil, err
		}
		go acceptAll(listener)
		at, err := quicreuse.ToQuicMultiaddr(listener.Addr(), version)
		return answer{"addrs": []string{fmt.Sprintf("%s/p2p/%s", at, p.host.ID())}}, err
	}
	conn, err := quic.DialAddr(ctx, udp.String(), config, nil)
	if err != nil {
		return answer{"accepted": false, "reason": err.Error()}, nil
	}
	defer conn.CloseWithError(0, "")
	select {
	case <-conn.Context().Done():
		return answer{"accepted": false, "reason": context.Cause(conn.Context()).Error()}, nil
	case <-time.After(judgement):
		return answer{"accepted": true}, nil
	}
}

// acceptAll completes handshakes, and says nothing more: refusing is the dialler's part.
func acceptAll(listener *quic.Listener) {
	for {
		if _, err := listener.Accept(context.Background()); err != nil {
			return
		}
	}
}
