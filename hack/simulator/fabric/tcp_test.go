// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"
	"pgregory.net/rapid"
)

// patience bounds what would never come. No test depends on how fast the machine is.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(patience)
	m.Run()
}

// The same over real sockets, in real time scaled: an echo server on loopback, a drop that outlasts the data sent
// into it, and nothing left running afterwards.
func TestOverRealTCP(t *testing.T) {
	g := NewWithT(t)
	before := gleak.Goroutines()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	a := &acl{}
	f := New(Options{Judge: a.judge, Scale: 600})
	f.Register(acs, TCP(listener.Addr()))

	conn, err := f.Dial(t.Context(), instance, acs)
	g.Expect(err).NotTo(HaveOccurred())
	echo := func(s string) {
		t.Helper()
		_, err := io.WriteString(conn, s)
		g.Expect(err).NotTo(HaveOccurred())
		buf := make([]byte, len(s))
		_, err = io.ReadFull(conn, buf)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(buf)).To(Equal(s))
	}
	echo("before the drop")

	a.set(true, false)
	dialled := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second/600)
		defer cancel()
		_, err := f.Dial(ctx, instance, acs)
		dialled <- err
	}()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		echo(strings.Repeat("during the drop ", 5000))
	}()
	g.Expect(<-dialled).To(MatchError(ContainSubstring("i/o timeout")))
	g.Consistently(sent, 20*time.Millisecond).ShouldNot(BeClosed())
	a.set(false, false)
	g.Eventually(sent).Should(BeClosed())

	g.Expect(conn.Close()).To(Succeed())
	g.Eventually(func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.links)
	}).Should(BeZero())
	_, err = f.Dial(t.Context(), instance, acs) // left open: Close ends it
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listener.Close()).To(Succeed())
	g.Expect(f.Close()).To(Succeed())
	g.Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
}

// Whatever an ACL does for a quarter of an hour, no byte is lost, doubled or out of order.
func TestAnyScheduleOfDropsOnlyDelays(t *testing.T) {
	type step struct {
		noEgress, noIngress bool
		up, down            int // bytes
		pause               time.Duration
	}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{
			noEgress:  rapid.Bool().Draw(t, "no egress"),
			noIngress: rapid.Bool().Draw(t, "no ingress"),
			up:        rapid.IntRange(0, 4000).Draw(t, "up"),
			down:      rapid.IntRange(0, 4000).Draw(t, "down"),
			pause:     time.Duration(rapid.IntRange(0, 60_000).Draw(t, "pause")) * time.Millisecond,
		}
	}), 1, 14)
	rapid.Check(t, func(rt *rapid.T) {
		script := steps.Draw(rt, "script")
		var gotUp, gotDown, wantUp, wantDown string
		inBubble(t, func(r *rig) {
			client, server := r.connect()
			atClient, atServer := collect(client), collect(server)
			for i, s := range script {
				letter := string(rune('a' + i))
				r.acl.set(s.noEgress, s.noIngress)
				wantUp += strings.Repeat(letter, s.up)
				wantDown += strings.Repeat(letter, s.down)
				r.send(client, strings.Repeat(letter, s.up))
				r.send(server, strings.Repeat(letter, s.down))
				time.Sleep(s.pause)
			}
			r.acl.set(false, false)
			time.Sleep(maxRTO)
			gotUp, _ = atServer.state()
			gotDown, _ = atClient.state()
			_ = client.Close()
			_ = server.Close()
			synctest.Wait()
		})
		if gotUp != wantUp || gotDown != wantDown {
			rt.Fatalf("arrived %d of %d bytes up, %d of %d down", len(gotUp), len(wantUp), len(gotDown), len(wantDown))
		}
	})
}

func TestPortsOfAHostAreItsOwn(t *testing.T) {
	g := NewWithT(t)
	f := New(Options{})
	g.Expect(f.ephemeralPort(netip.MustParseAddr("10.0.0.1"))).To(Equal(f.ephemeralPort(netip.MustParseAddr("10.0.0.2"))))
}
