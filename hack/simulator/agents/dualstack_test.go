// SPDX-License-Identifier: Apache-2.0

package agents

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
)

var (
	acsIPv6 = netip.MustParseAddr("2001:db8:a::1")
	tcsIPv6 = netip.MustParseAddr("2001:db8:b::1")
)

// dualStack gives the hosts an IPv6 address beside their IPv4 ones and restarts the agent, with IPv6 of its own or without.
func (r *rig) dualStack(own netip.Addr) {
	r.stopped()
	r.control.Serve(ACS, netip.AddrPortFrom(acsIPv6, 443))
	r.control.Serve(TCS, netip.AddrPortFrom(tcsIPv6, 443))
	r.agent.o.Host.IPv6 = own
	r.agent.o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
		as, err := r.resolve(ctx, host)
		return append(as[:1:1], map[string]netip.Addr{acsHost: acsIPv6, tcsHost: tcsIPv6}[host]), err
	}
	r.agent.Start(r.t.Context())
}

// stopped ends the agent and waits until its connections are closed.
func (r *rig) stopped() {
	r.agent.Stop()
	synctest.Wait()
}

// tried are the families of the SYNs and other packets that left the instance, by remote address.
func (r *rig) tried(denied func(fabric.Packet) bool) func() (v4, v6 int) {
	var mu sync.Mutex
	var v4, v6 int
	r.deny(func(p fabric.Packet) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case !p.Egress:
		case p.Dst.Addr().Is4():
			v4++
		default:
			v6++
		}
		return denied(p)
	})
	return func() (int, int) {
		mu.Lock()
		defer mu.Unlock()
		return v4, v6
	}
}

func isIPv6(p fabric.Packet) bool { return p.Dst.Addr().Is6() && p.Egress }

func TestIPv6IsPreferred(t *testing.T) {
	inBubble(t, 1, func(r *rig) {
		r.stopped()
		tried := r.tried(func(fabric.Packet) bool { return false })
		r.dualStack(netip.MustParseAddr("2001:db8:1::10"))
		time.Sleep(time.Minute)
		r.connected(true, true)
		v4, v6 := tried()
		r.Expect(v4).To(BeZero())
		r.Expect(v6).NotTo(BeZero())
	})
}

// Where IPv6 is denied, IPv4 is tried beside it after 300 ms.
func TestFallbackToIPv4(t *testing.T) {
	inBubble(t, 2, func(r *rig) {
		r.stopped()
		r.deny(isIPv6)
		r.dualStack(netip.MustParseAddr("2001:db8:1::10"))
		took := r.within(time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
		r.Expect(took).To(BeNumerically("~", fallbackDelay, 150*time.Millisecond))
		// And back again, once the connection ends.
		r.deny(nil)
		r.control.Disconnect(ACS, instanceARN, 1000)
		time.Sleep(time.Second)
		r.connected(true, true)
	})
}

// Both families denied: the error is the preferred one's, after the dial time-out and no later.
func TestBothFamiliesDenied(t *testing.T) {
	inBubble(t, 3, func(r *rig) {
		r.stopped()
		r.deny(egress)
		start := time.Now()
		r.dualStack(netip.MustParseAddr("2001:db8:1::10"))
		time.Sleep(31 * time.Second)
		r.connected(false, false)
		failed := r.logged("Error connecting to TCS\" error=\"websocket client: unable to dial ecs-t-4.ap-northeast-1.amazonaws.com response: : "+
			"dial tcp [2001:db8:b::1]:443: i/o timeout", start)
		r.Expect(failed).To(HaveLen(1))
		r.Expect(failed[0]).To(BeNumerically("~", dialTimeout, 10*time.Millisecond))
		r.deny(nil)
		r.within(3*time.Minute, func() bool { return r.agent.Connected(ACS) && r.agent.Connected(TCS) })
	})
}

// An instance without IPv6 takes no notice of AAAA answers, unless there is nothing else.
func TestInstanceWithoutIPv6(t *testing.T) {
	inBubble(t, 4, func(r *rig) {
		tried := r.tried(func(fabric.Packet) bool { return false })
		r.dualStack(netip.Addr{})
		r.connected(true, true)
		_, v6 := tried()
		r.Expect(v6).To(BeZero())

		start := time.Now()
		r.agent.Stop()
		r.agent.o.Resolve = func(context.Context, string) ([]netip.Addr, error) { return []netip.Addr{acsIPv6}, nil }
		r.agent.Start(r.t.Context())
		r.within(time.Second, func() bool { return len(r.logged("connect: network is unreachable", start)) > 0 })
	})
}
