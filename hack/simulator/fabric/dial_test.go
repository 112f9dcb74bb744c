// SPDX-License-Identifier: Apache-2.0

package fabric

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestDialJudgesBothLegs(t *testing.T) {
	inBubble(t, func(r *rig) {
		client, server := r.connect()
		defer server.Close()

		local := client.LocalAddr().(*net.TCPAddr).AddrPort()
		r.Expect(local.Addr()).To(Equal(instance.IP))
		r.Expect(local.Port()).To(BeNumerically(">=", 32768))
		r.Expect(r.acl.seen).To(Equal([]Packet{
			{SubnetID: "subnet-a", Egress: true, Protocol: 6, Src: local, Dst: acs},
			{SubnetID: "subnet-a", Egress: false, Protocol: 6, Src: acs, Dst: local},
		}))
		r.Expect(client.RemoteAddr().String()).To(Equal("52.119.223.69:443"))
	})
}

func TestDialHangsUntilTheDialersTimeout(t *testing.T) {
	for name, block := range map[string]func(*acl){
		"way out closed": func(a *acl) { a.set(true, false) },
		"way in closed":  func(a *acl) { a.set(false, true) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				block(r.acl)
				start := time.Now()
				ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
				defer cancel()
				_, err := r.fabric.Dial(ctx, instance, acs)

				r.Expect(time.Since(start)).To(Equal(30 * time.Second))
				r.Expect(err).To(MatchError("dial tcp 52.119.223.69:443: i/o timeout"))
				r.Expect(err).To(MatchError(context.DeadlineExceeded))
				var netErr net.Error
				r.Expect(errors.As(err, &netErr)).To(BeTrue())
				r.Expect(netErr.Timeout()).To(BeTrue())
				r.Expect(r.acl.egressAfter(start)).To(Equal(seconds(0, 1, 3, 7, 15)))
				r.Expect(r.accepted).To(BeEmpty())
			})
		})
	}
}

func TestDialSucceedsWhenThePathReturns(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.acl.set(true, false)
		start := time.Now()
		time.AfterFunc(5*time.Second, func() { r.acl.set(false, false) })
		_, server := r.connect()
		defer server.Close()
		r.Expect(time.Since(start)).To(Equal(7*time.Second), "the first SYN after the path is back")
	})
}

func TestDialWithoutTimeoutGivesUpAsLinuxDoes(t *testing.T) {
	inBubble(t, func(r *rig) {
		start := time.Now()
		_, err := r.fabric.Dial(r.t.Context(), instance, netip.MustParseAddrPort("192.0.2.1:443"))
		r.Expect(err).To(MatchError("dial tcp 192.0.2.1:443: connect: connection timed out"))
		r.Expect(err).To(MatchError(syscall.ETIMEDOUT))
		r.Expect(time.Since(start)).To(Equal(127 * time.Second))
	})
}

func TestDialIsRefusedOnlyByAHostThatAnswers(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.fabric.Register(acs, func(context.Context) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		})
		_, err := r.fabric.Dial(r.t.Context(), instance, acs)
		r.Expect(err).To(MatchError(syscall.ECONNREFUSED))

		r.acl.set(false, true)
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Second)
		defer cancel()
		_, err = r.fabric.Dial(ctx, instance, acs)
		r.Expect(err).To(MatchError(ContainSubstring("i/o timeout")))
	})
}

func TestCloseEndsDials(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.acl.set(true, false)
		time.AfterFunc(5*time.Second, func() { _ = r.fabric.Close() })
		_, err := r.fabric.Dial(r.t.Context(), instance, acs)
		r.Expect(err).To(MatchError(net.ErrClosed))

		r.acl.set(false, false)
		_, err = r.fabric.Dial(r.t.Context(), instance, acs)
		r.Expect(err).To(MatchError(net.ErrClosed))
	})
}

func TestUnregisteredServerSwallowsPackets(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.fabric.Unregister(acs)
		ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
		defer cancel()
		_, err := r.fabric.Dial(ctx, instance, acs)
		r.Expect(err).To(MatchError(ContainSubstring("i/o timeout")))
	})
}

func TestEphemeralPortsStayInLinuxRange(t *testing.T) {
	g := NewWithT(t)
	f := New(Options{})
	g.Expect(f.ephemeralPort(instance.IP)).To(Equal(uint16(32768)))
	g.Expect(f.ephemeralPort(instance.IP)).To(Equal(uint16(32769)))
	f.ports[instance.IP] = 60999
	g.Expect(f.ephemeralPort(instance.IP)).To(Equal(uint16(32768)))
}

func seconds(ss ...float64) []time.Duration {
	ds := make([]time.Duration, 0, len(ss))
	for _, s := range ss {
		ds = append(ds, time.Duration(s*float64(time.Second)))
	}
	return ds
}
