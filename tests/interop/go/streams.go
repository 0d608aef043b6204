package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

// The test protocols, as ../README.md says.
const (
	sinkProtocol    protocol.ID = "/zerostate/test/sink/1.0.0"
	sourceProtocol  protocol.ID = "/zerostate/test/source/1.0.0"
	discardProtocol protocol.ID = "/zerostate/test/discard/1.0.0"
)

const (
	period = 1000003 // bytes after which the pattern repeats: a prime, so no chunk size hides a swap
	chunk  = 1 << 16
)

// pattern is splitmix64's words, little endian, one period and enough of the next to slice a chunk.
type pattern []byte

func newPattern(seed uint64) pattern {
	p := make([]byte, period+8)
	for i := 0; i < period; i += 8 {
		seed += 0x9e3779b97f4a7c15
		z := seed
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(p[i:], z^z>>31)
	}
	return append(p[:period], p[:chunk]...)
}

// write sends total bytes of the pattern, and feeds sum unless it is nil.
func (p pattern) write(w io.Writer, total uint64, sum hash.Hash) error {
	for sent := uint64(0); sent < total; {
		at := sent % period
		part := p[at : at+min(chunk, total-sent)]
		if sum != nil {
			sum.Write(part)
		}
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("after %d bytes: %w", sent, err)
		}
		sent += uint64(len(part))
	}
	return nil
}

var sourcePattern = newPattern(0)

// sink: bytes until FIN, their SHA-256 goes back.
func sink(s network.Stream) {
	sum := sha256.New()
	if _, err := io.CopyBuffer(sum, s, make([]byte, chunk)); err != nil {
		s.Reset()
		return
	}
	s.Write(sum.Sum(nil))
	s.Close()
}

// discard: bytes until FIN, their number goes back. A sink that costs no hashing, for the bench.
func discard(s network.Stream) {
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, s, make([]byte, chunk))
	if err != nil {
		s.Reset()
		return
	}
	s.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	s.Close()
}

// source: a length until FIN, so many bytes of the pattern of seed 0 go back.
func source(s network.Stream) {
	var ask [8]byte
	if _, err := io.ReadFull(s, ask[:]); err != nil {
		s.Reset()
		return
	}
	if err := sourcePattern.write(s, binary.BigEndian.Uint64(ask[:]), nil); err != nil {
		s.Reset()
		return
	}
	s.Close()
}

// sendTo: the other end of a sink. Returns the SHA-256 of what was sent, which is what came back.
func sendTo(s network.Stream, seed, total uint64) ([]byte, error) {
	sum := sha256.New()
	if err := newPattern(seed).write(s, total, sum); err != nil {
		return nil, err
	}
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	told, err := io.ReadAll(io.LimitReader(s, 33))
	if err != nil {
		return nil, fmt.Errorf("no SHA-256 came back: %w", err)
	}
	if mine := sum.Sum(nil); string(mine) != string(told) {
		return nil, fmt.Errorf("sent %x, the sink says %x", mine, told)
	}
	return told, nil
}

// fetchFrom: the other end of a source. Returns the SHA-256 of what came, which is the pattern's.
func fetchFrom(s network.Stream, total uint64) ([]byte, error) {
	if _, err := s.Write(binary.BigEndian.AppendUint64(nil, total)); err != nil {
		return nil, err
	}
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	sum, want := sha256.New(), sha256.New()
	n, err := io.CopyBuffer(sum, s, make([]byte, chunk))
	if err != nil {
		return nil, fmt.Errorf("after %d bytes: %w", n, err)
	}
	if uint64(n) != total {
		return nil, fmt.Errorf("%d of %d bytes came", n, total)
	}
	sourcePattern.write(io.Discard, total, want)
	if string(sum.Sum(nil)) != string(want.Sum(nil)) {
		return nil, errors.New("the bytes that came are not the pattern")
	}
	return sum.Sum(nil), nil
}
