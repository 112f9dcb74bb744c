// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// certificate is a self-signed one.
type certificate struct {
	tls tls.Certificate
	pem []byte
}

// certificateValid is how long it is, from yesterday on: no simulator runs for longer.
const certificateValid = 365 * 24 * time.Hour

// selfSigned makes a certificate for a listener's address (ip:port) and for this machine: localhost and all of its addresses, each
// also with the port. For the real agent dials ACS and TCS with host:port as the server's name, which only a DNS name that is the
// same text matches.
func selfSigned(listener string) (c certificate, err error) {
	at, err := netip.ParseAddrPort(listener)
	if err != nil {
		return c, err
	}
	port := strconv.Itoa(int(at.Port()))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "simulated AWS"},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateValid),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: []string{"localhost", net.JoinHostPort("localhost", port)},
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return c, err
	}
	ips := []net.IP{at.Addr().AsSlice()}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && !network.IP.Equal(ips[0]) {
			ips = append(ips, network.IP)
		}
	}
	for _, ip := range ips {
		template.IPAddresses = append(template.IPAddresses, ip)
		template.DNSNames = append(template.DNSNames, net.JoinHostPort(ip.String(), port))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return c, err
	}
	c.tls = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	c.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return c, nil
}

func (c certificate) config() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.tls}, MinVersion: tls.VersionTLS12}
}
