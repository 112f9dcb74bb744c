// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric/fabrictest"
)

var (
	instance = Host{SubnetID: "subnet-a", IP: netip.MustParseAddr("10.0.1.10")}
	acs      = netip.MustParseAddrPort("52.119.223.69:443")
)

// acl is a network ACL of two switches, and a record of the packets that it was asked about.
type acl struct {
	mu               sync.Mutex
	noEgress, noBack bool
	seen             []Packet
	times            []time.Time
}

func (a *acl) judge(p Packet) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen, a.times = append(a.seen, p), append(a.times, time.Now())
	return p.Egress && !a.noEgress || !p.Egress && !a.noBack
}

func (a *acl) set(noEgress, noIngress bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noEgress, a.noBack = noEgress, noIngress
}

// egressAfter gives the times, counted from t, at which packets left the instance.
func (a *acl) egressAfter(t time.Time) []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	var ds []time.Duration
	for i, p := range a.seen {
		if p.Egress && !a.times[i].Before(t) {
			ds = append(ds, a.times[i].Sub(t))
		}
	}
	return ds
}

// rig is a fabric with one server, in a bubble of virtual time: what takes minutes here takes none, and every time
// is exact.
type rig struct {
	*WithT
	t        *testing.T
	acl      *acl
	fabric   *Fabric
	accepted chan net.Conn
}

// inBubble runs a test. The bubble fails it when a goroutine outlives it.
func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{WithT: NewWithT(t), t: t, acl: &acl{}, accepted: make(chan net.Conn, 10)}
		r.fabric = New(Options{Judge: r.acl.judge})
		r.fabric.Register(acs, func(context.Context) (net.Conn, error) {
			a, b := fabrictest.Pipe()
			r.accepted <- b
			return a, nil
		})
		defer func() {
			r.Expect(r.fabric.Close()).To(Succeed())
			close(r.accepted)
			for c := range r.accepted {
				_ = c.Close()
			}
		}()
		test(r)
	})
}

// connect gives both applications' ends of a new connection.
func (r *rig) connect() (client, server net.Conn) {
	r.t.Helper()
	client, err := r.fabric.Dial(r.t.Context(), instance, acs)
	r.Expect(err).NotTo(HaveOccurred())
	server = <-r.accepted
	return client, server
}

// reader collects what arrives at an end.
type reader struct {
	mu   sync.Mutex
	data []byte
	err  error
	end  time.Time
}

func collect(c net.Conn) *reader {
	r := &reader{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			r.mu.Lock()
			r.data = append(r.data, buf[:n]...)
			if err != nil {
				r.err, r.end = err, time.Now()
				r.mu.Unlock()
				return
			}
			r.mu.Unlock()
		}
	}()
	return r
}

// state is what has arrived once everything has come to rest, and the error that ended it.
func (r *reader) state() (string, error) {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return string(r.data), r.err
}

func (r *rig) send(c net.Conn, s string) {
	r.t.Helper()
	n, err := io.WriteString(c, s)
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(n).To(Equal(len(s)))
}

func (r *rig) arrived(c *reader, want string) {
	r.t.Helper()
	got, err := c.state()
	r.Expect(err).NotTo(HaveOccurred())
	r.Expect(got).To(Equal(want))
}
