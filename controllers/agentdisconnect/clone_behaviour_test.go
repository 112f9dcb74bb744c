// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// traffic draws packets and entries that often meet.
type traffic struct{ *rand.Rand }

func (t traffic) address() netip.Addr {
	return netip.AddrFrom4([4]byte{52, 119, byte(218 + t.IntN(8)), byte(t.IntN(256))})
}

func (t traffic) packet() acl.Packet {
	protocol := []int{acl.TCP, acl.UDP, acl.ICMP, 50}[t.IntN(4)]
	return acl.Packet{Egress: t.IntN(2) == 0, Protocol: protocol, Remote: t.address(), Port: t.IntN(4) * 300, Type: t.IntN(3), Code: t.IntN(2)}
}

func (t traffic) entry(number int, egress bool) acl.Entry {
	e := acl.Entry{RuleNumber: number, Egress: egress, Allow: t.IntN(3) > 0, CIDR: netip.PrefixFrom(t.address(), 8+t.IntN(25)).Masked()}
	e.Protocol = []int{acl.All, acl.TCP, acl.UDP, acl.ICMP, 50}[t.IntN(5)]
	switch {
	case e.HasPorts():
		e.From = t.IntN(700)
		e.To = e.From + t.IntN(400)
	case e.HasICMP():
		e.Type, e.Code = t.IntN(4)-1, acl.Any
	}
	return e
}

// entries are a few in both directions, of which the last allows everything.
func (t traffic) entries() []acl.Entry {
	var entries []acl.Entry
	for _, egress := range []bool{true, false} {
		number := 1
		for range t.IntN(8) {
			entries = append(entries, t.entry(number, egress))
			number += 1 + t.IntN(40)
		}
		entries = append(entries, region.AllowAll(number, egress))
	}
	return entries
}

var _ = Describe("Under a clone", func() {
	const seeds, samples = 6, 1000
	for seed := range uint64(seeds) {
		It(fmt.Sprintf("all other traffic of the subnet fares as before, both ways, whatever its network ACL says (seed %d)", seed), func(ctx context.Context) {
			draw := traffic{rand.New(rand.NewPCG(seed, 1))} //nolint:gosec // a test that can be repeated
			w := cloneWorld(ctx)
			w.onOriginal(func(r *region.Region, id string) error { return r.SetEntries(id, draw.entries()...) })
			obj := w.create(ctx, shared)
			w.mirrorNow()
			w.run(ctx, 20*time.Second, obj)
			seen := w.get(ctx, obj)
			if seen.Status.StartTime == nil {
				Expect(condition(seen, v1alpha1.ConditionSucceeded).Reason).To(Equal(v1alpha1.StateRefused), describe(seen))
				Expect(w.writes()).To(BeEmpty())
				Skip("these entries leave no agent connected")
			}
			w.expectAllDeniedOn(seen)
			Expect(w.aclOf(sharedSubnet)).To(Equal(w.cloneOf(ctx, obj).ID))
			var denied []string
			for _, endpoint := range seen.Status.Endpoints {
				denied = append(denied, endpoint.Addresses...)
			}
			original, clone := mustACL(w, sharedACL), w.cloneOf(ctx, obj)
			for range samples {
				p := draw.packet()
				want := acl.Allows(original.Entries, p) && (!p.Egress || !slices.Contains(denied, p.Remote.String()))
				Expect(w.sim.Region().Allows(sharedSubnet, p)).To(Equal(want), "%+v with %v", p, clone.Entries)
			}
			w.expectGone(ctx, obj)
		})
	}
})
