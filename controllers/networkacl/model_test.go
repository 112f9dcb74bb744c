// SPDX-License-Identifier: Apache-2.0

package networkacl_test

import (
	"fmt"
	"net/netip"
	"slices"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

// counting are the packets to a destination that count.
func counting(d networkacl.Destination) []packet {
	return slices.DeleteFunc(packets(d.CIDR), func(p packet) bool {
		return d.Traffic != networkacl.Traffic{} && (p.protocol != d.Traffic.Protocol || p.port != d.Traffic.Port)
	})
}

// packet is what a network ACL judges, reduced to what matters here.
type packet struct {
	addr     netip.Addr
	protocol string
	port     int32
}

// firstMatch judges one packet that leaves, entry by entry: the number that matches first, and whether it allows. It is
// written apart from the code under test, which judges ranges.
func firstMatch(entries []networkacl.Entry, p packet) (number int32, allowed bool) {
	number = networkacl.DefaultIPv4
	if p.addr.Is6() {
		number = networkacl.DefaultIPv6
	}
	for _, e := range entries {
		matches := e.Egress && e.CIDR.Contains(p.addr) && (e.Protocol == networkacl.AllProtocols || e.Protocol == p.protocol &&
			(e.PortRange == nil || e.PortRange.From <= p.port && p.port <= e.PortRange.To))
		if matches && e.Number < number {
			number, allowed = e.Number, e.Allow
		}
	}
	return number, allowed
}

// packets gives packets of several kinds to every address of a small range.
func packets(prefix netip.Prefix) []packet {
	var ps []packet
	for addr := prefix.Masked().Addr(); prefix.Contains(addr); addr = addr.Next() {
		for _, port := range []int32{22, 443, 5000} {
			ps = append(ps, packet{addr, "6", port}, packet{addr, "17", port})
		}
		ps = append(ps, packet{addr: addr, protocol: "47"})
	}
	return ps
}

// world is a network ACL and a ledger: AWS and the status, as far as a plan is about them.
type world struct {
	entries []networkacl.Entry
	ledger  []v1alpha1.Rule
}

func (w world) clone() world {
	return world{entries: slices.Clone(w.entries), ledger: slices.Clone(w.ledger)}
}

func (w world) input(desired []networkacl.Destination, quota int) networkacl.PlanInput {
	return networkacl.PlanInput{NetworkACLID: ACLID, Desired: desired, Observed: w.entries, Owned: w.ledger, Quota: quota}
}

// create makes the entry of a line as AWS does: no number twice.
func (w *world) create(r v1alpha1.Rule) error {
	e := EntryOf(r)
	for _, o := range w.entries {
		if o.Equal(e) {
			return nil
		}
		if o.Egress && o.Number == e.Number {
			return fmt.Errorf("%v is taken by %v", e, o)
		}
	}
	w.entries = append(w.entries, e)
	return nil
}

// add puts an entry there unless its number is taken.
func (w *world) add(e networkacl.Entry) {
	for _, o := range w.entries {
		if o.Egress == e.Egress && o.Number == e.Number {
			return
		}
	}
	w.entries = append(w.entries, e)
}

// crash carries a plan out until the ledger has the first persisted of its new lines and AWS the first created of those.
func (w *world) crash(plan networkacl.Plan, persisted, created int) error {
	w.ledger = append(w.ledger, plan.Create[:persisted]...)
	for _, r := range plan.Create[:created] {
		if err := w.create(r); err != nil {
			return err
		}
	}
	return nil
}

// apply carries a plan out to its end. Displaced lines stay: they are the caller's to judge.
func (w *world) apply(plan networkacl.Plan) error {
	if err := w.crash(plan, len(plan.Create), len(plan.Create)); err != nil {
		return err
	}
	for _, r := range plan.Keep {
		if err := w.create(r); err != nil {
			return err
		}
	}
	for _, r := range plan.Delete {
		w.entries = slices.DeleteFunc(w.entries, EntryOf(r).Equal)
		w.ledger = slices.DeleteFunc(w.ledger, func(l v1alpha1.Rule) bool { return l == r })
	}
	for i, r := range w.ledger {
		if slices.ContainsFunc(w.entries, EntryOf(r).Equal) && r.State == v1alpha1.RuleCreating {
			w.ledger[i].State = v1alpha1.RuleInstalled
		}
	}
	return nil
}

// foreign gives the entries that no line of the ledger stands for, both directions.
func (w world) foreign() []networkacl.Entry {
	return slices.DeleteFunc(slices.Clone(w.entries), func(e networkacl.Entry) bool {
		return slices.ContainsFunc(w.ledger, func(r v1alpha1.Rule) bool { return r.NetworkACLID == ACLID && EntryOf(r).Equal(e) })
	})
}

// count gives the outbound entries of a family, the default one included.
func (w world) count(family networkacl.Family) int {
	n := 1
	for _, e := range w.entries {
		if e.Egress && e.Number <= networkacl.LastNumber && networkacl.FamilyOf(e.CIDR) == family {
			n++
		}
	}
	return n
}
