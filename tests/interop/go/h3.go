package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/quic-go/quic-go/http3"
)

const h3Page = `<!doctype html><title>download</title><body><script>
const x = new XMLHttpRequest();
x.overrideMimeType("text/plain; charset=x-user-defined");
x.open("GET", "/bytes" + location.search, false);
x.send();
let a = 1, b = 0;
for (let i = 0; i < x.responseText.length; i++) { a = (a + (x.responseText.charCodeAt(i) & 255)) % 65521; b = (b + a) % 65521; }
document.body.textContent = "got " + x.responseText.length + " bytes, adler " + (b * 65536 + a);
</script>`

// A certificate of its own, and what Chromium wants to know of it: the SHA-256 of its public key.
func h3Certificate(name string) (tls.Certificate, string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	hash := sha256.Sum256(spki)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, base64.StdEncoding.EncodeToString(hash[:]), err
}

// slow passes on at most so many bytes a second; 0: as they come.
type slow struct {
	w     http.ResponseWriter
	rate  int64
	sent  int64
	began time.Time
}

func (s *slow) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.sent += int64(n)
	if s.rate > 0 {
		s.w.(http.Flusher).Flush()
		time.Sleep(time.Until(s.began.Add(time.Duration(float64(s.sent) / float64(s.rate) * 1e9))))
	}
	return n, err
}

// /bytes?n=N&rate=BYTES_A_SECOND: the pattern of seed 0.
func h3Bytes(w http.ResponseWriter, r *http.Request) {
	n, _ := strconv.ParseUint(r.URL.Query().Get("n"), 10, 64)
	rate, _ := strconv.ParseInt(r.URL.Query().Get("rate"), 10, 64)
	out := &slow{w: w, rate: rate, began: time.Now()}
	w.Header().Set("Content-Length", strconv.FormatUint(n, 10))
	err := sourcePattern.write(out, n, nil)
	fmt.Fprintf(os.Stderr, "h3: %s has %d of %d bytes after %v: %v\n", r.RemoteAddr, out.sent, n, time.Since(out.began), err)
}

// h3Serve serves HTTP/3 at addr for a name: one line with `addr` and `spki`, then until stdin ends.
func h3Serve(addr, name string) error {
	cert, spki, err := h3Certificate(name)
	if err != nil {
		return err
	}
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/bytes", h3Bytes)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, h3Page)
	})
	server := &http3.Server{Handler: mux, TLSConfig: http3.ConfigureTLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}})}
	go server.Serve(conn)
	json.NewEncoder(os.Stdout).Encode(answer{"addr": conn.LocalAddr().String(), "spki": spki})
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
