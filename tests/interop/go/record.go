package main

import (
	"encoding/hex"

	"github.com/libp2p/go-libp2p/core/peer"
	rec "github.com/libp2p/go-libp2p/core/record"
)

// record: an envelope of identify, verified once more. go-libp2p hands out none that fails.
func record(e *rec.Envelope) (answer, error) {
	raw, err := e.Marshal()
	if err != nil {
		return nil, err
	}
	var r peer.PeerRecord
	if _, err := rec.ConsumeTypedEnvelope(raw, &r); err != nil {
		return nil, err
	}
	return answer{"valid": true, "peer": r.PeerID, "seq": r.Seq, "addrs": texts(r.Addrs), "envelope": hex.EncodeToString(raw)}, nil
}
