// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
)

// Generate draws a history of about so many operations, times that pass not counted. The same seed gives the same history.
func Generate(seed uint64, size int) History {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15))}
	g.tilt()
	h := History{Seed: seed, Deleted: g.one(3), Armed: g.one(2), Spoke: seed%3 == 0}
	h.Reads, h.Changes = limits[seed%4].Reads, limits[seed%4].Changes
	first := g.create()
	h.Ops = append(h.Ops, first, Op{Do: Pass, For: g.span(15*time.Second, time.Minute)})
	h.Ops = append(h.Ops, g.calls(first)...)
	if h.Spoke {
		h.Ops = append(h.Ops, there(g.create()))
	}
	for range size {
		op := g.op()
		if h.Spoke && inAccount(op.Do) && g.one(3) {
			op = there(op)
		}
		h.Ops = append(h.Ops, op)
		h.Ops = append(h.Ops, g.calls(op)...)
		if !g.one(3) {
			h.Ops = append(h.Ops, g.pass())
		}
	}
	return h
}

// limits are those of the managers' calls, a second: none, those of the product, and less than a run needs at its start and end.
var limits = [4]struct{ Reads, Changes float64 }{{}, {10, 4}, {2, 1}, {1, 0.5}}

// inAccount reports whether an operation is done in one account: it is about an object, or a resource of AWS.
func inAccount(kind Kind) bool {
	switch kind {
	case Call, Trail, Rotate, Crash, Off, Freeze, KubeFault, Skew, Pass:
		return false
	}
	return true
}

// there is an operation in the managers' own account. There are no callers.
func there(op Op) Op {
	op.There, op.Recover, op.Require = true, 0, false
	return op
}

type generator struct {
	*rand.Rand
	// weights are how often this history draws each thing on the menu.
	weights []int
}

// tilt has a history do some things more often, and others not at all: what all histories do alike, none does much of.
func (g *generator) tilt() {
	for _, d := range menu() {
		g.weights = append(g.weights, d.weight*pick(g, 0, 0, 1, 1, 1, 4))
	}
	g.weights[0] = max(g.weights[0], menu()[0].weight) // to create something is always among them
}

// one is true once in n times.
func (g *generator) one(n int) bool { return g.IntN(n) == 0 }

// span is a duration between two, in whole seconds, short ones more often than long ones.
func (g *generator) span(least, most time.Duration) Span {
	f := g.Float64()
	return Span((least + time.Duration(f*f*float64(most-least))).Truncate(time.Second))
}

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

// drawn is a kind of operation, with how often it is drawn beside the others.
type drawn struct {
	weight int
	draw   func(*generator) Op
}

// menu is what can happen, creating an object first.
func menu() []drawn { return slices.Concat(people, thirdParties, surroundings) }

var people = []drawn{
	{14, (*generator).create},
	{3, func(g *generator) Op { return Op{Do: Apply, Object: g.object()} }},
	{5, func(g *generator) Op {
		return Op{Do: Lengthen, Object: g.object(), For: g.span(time.Minute, 30*time.Minute)}
	}},
	{4, func(g *generator) Op { return Op{Do: Suspend, Object: g.object()} }},
	{5, func(g *generator) Op { return Op{Do: Resume, Object: g.object()} }},
	{3, func(g *generator) Op { return Op{Do: Renew, Object: g.object(), How: fmt.Sprint("run-", g.IntN(100))} }},
	{5, func(g *generator) Op { return Op{Do: Delete, Object: g.object()} }},
	{3, func(g *generator) Op { return Op{Do: Force, Object: g.object(), Gone: g.one(2)} }},
	{2, func(g *generator) Op { return Op{Do: DropCondition, Object: g.object(), Pick: g.IntN(6)} }},
	{6, func(g *generator) Op {
		return Op{Do: Brake, How: pick(g, Brakes...), For: g.span(5*time.Second, 20*time.Minute)}
	}},
	{1, func(g *generator) Op { return Op{Do: DamageLedger, Object: g.object(), Pick: g.IntN(12)} }},
}

var thirdParties = []drawn{
	{7, func(g *generator) Op { return Op{Do: AddEntry, ACL: g.acl(), Entry: g.entry()} }},
	{3, func(g *generator) Op { return Op{Do: ReplaceEntry, ACL: g.acl(), Pick: g.IntN(8), Entry: g.entry()} }},
	{3, func(g *generator) Op { return Op{Do: DeleteEntry, ACL: g.acl(), Pick: g.IntN(8)} }},
	{2, func(g *generator) Op { return Op{Do: AddTag, ACL: g.acl(), How: fmt.Sprint("team-", g.IntN(3))} }},
	{1, func(g *generator) Op { return Op{Do: RemoveTag, ACL: g.acl(), How: fmt.Sprint("team-", g.IntN(3))} }},
	{3, func(g *generator) Op { return Op{Do: StripTags, ACL: g.acl(), Pick: g.IntN(4)} }},
	{4, func(g *generator) Op { return Op{Do: RemoveRule, ACL: g.acl(), Pick: g.IntN(12)} }},
	{2, func(g *generator) Op { return Op{Do: ReplaceRule, ACL: g.acl(), Pick: g.IntN(12), Entry: g.entry()} }},
	{2, func(g *generator) Op { return Op{Do: OverrideRule, ACL: g.acl(), Pick: g.IntN(12)} }},
	{2, func(g *generator) Op { return Op{Do: Withdraw, Subnet: g.subnet()} }},
	{3, func(g *generator) Op { return Op{Do: Consent, Subnet: g.subnet()} }},
	{4, func(g *generator) Op { return Op{Do: MoveSubnet, Subnet: g.subnet(), ACL: g.acl()} }},
	{2, func(g *generator) Op { return Op{Do: AddACL, ACL: pick(g, "spare1", "spare2")} }},
	{1, func(g *generator) Op {
		return Op{Do: DeleteACL, ACL: pick(g, dedicated, dedicated, "spare1", "spare2")}
	}},
}

var surroundings = []drawn{
	{3, func(g *generator) Op { return Op{Do: AgentsDown, Subnet: g.subnet()} }},
	{4, func(g *generator) Op { return Op{Do: AgentsUp, Subnet: g.subnet()} }},
	{2, func(g *generator) Op { return Op{Do: AddInstance, Subnet: g.subnet()} }},
	{2, func(g *generator) Op { return Op{Do: RemoveInstance, Subnet: g.subnet(), Pick: g.IntN(4)} }},
	{5, (*generator).rotate},
	{10, func(g *generator) Op { return g.call(g.subnet()) }},
	{3, (*generator).trail},
	{12, func(g *generator) Op {
		return Op{Do: Crash, At: pick(g, Points...), Nth: 1 + g.IntN(20), For: g.outage()}
	}},
	{3, func(g *generator) Op { return Op{Do: Off, For: g.outage()} }},
	{3, func(g *generator) Op {
		return Op{Do: Freeze, At: pick(g, Points...), Nth: 1 + g.IntN(20), For: g.span(30*time.Second, time.Hour)}
	}},
	{10, func(g *generator) Op {
		return Op{Do: AWSFault, How: pick(g, AWSFaults...), Action: pick(g, faultyActions...), Nth: g.IntN(4), For: g.span(time.Second, 10*time.Minute)}
	}},
	{6, func(g *generator) Op {
		return Op{Do: KubeFault, How: pick(g, KubeFaults...), Nth: g.IntN(4), For: g.span(time.Second, 5*time.Minute)}
	}},
	{2, func(g *generator) Op {
		return Op{Do: Skew, For: pick(g, g.span(time.Second, time.Hour), -g.span(time.Second, time.Hour)), Window: g.span(time.Minute, time.Hour)}
	}},
}

// faultyActions are the calls that go wrong: some of them, or many.
var faultyActions = []string{
	"*", "ec2:*", "ec2:Describe*", "ec2:DescribeNetworkAcls", "ec2:CreateNetworkAclEntry", "ec2:DeleteNetworkAclEntry", "ec2:CreateTags",
	"ec2:DeleteTags", "ec2:CreateNetworkAcl", "ec2:DeleteNetworkAcl", "ec2:ReplaceNetworkAclAssociation", "ec2:*NetworkAcl*", "ecs:*", "ecs:RunTask", "ecs:StopTask", "sts:*",
	"cloudtrail:*", "cloudtrail:LookupEvents", "cloudwatch:*", "fis:*",
}

func (g *generator) op() Op {
	total := 0
	for _, weight := range g.weights {
		total += weight
	}
	n := g.IntN(total)
	for i, d := range menu() {
		if n -= g.weights[i]; n < 0 {
			return g.amid(d.draw(g))
		}
	}
	panic("unreachable: the weights add up to the total")
}

// amid has some of what third parties do happen in the middle of a pass: only to what is theirs, since between a read and a write
// that rests on it nothing of a run is safe from them, nor anything of theirs that stands where a rule did.
func (g *generator) amid(op Op) Op {
	switch op.Do {
	case AddEntry, ReplaceEntry, DeleteEntry, StripTags, RemoveRule, Withdraw, Consent, MoveSubnet, DeleteACL:
		if g.one(3) && !strings.HasPrefix(op.ACL, clonePrefix) {
			op.At, op.Nth = pick(g, Points...), 1+g.IntN(20)
		}
	}
	return op
}

// pass is mostly a little time and seldom hours.
func (g *generator) pass() Op {
	switch n := g.IntN(20); {
	case n < 8:
		return Op{Do: Pass, For: g.span(time.Second, 30*time.Second)}
	case n < 15:
		return Op{Do: Pass, For: g.span(30*time.Second, 4*time.Minute)}
	case n < 19:
		return Op{Do: Pass, For: g.span(2*time.Minute, 15*time.Minute)}
	default:
		return Op{Do: Pass, For: g.span(15*time.Minute, 2*time.Hour)}
	}
}

// outage is how long no manager runs: mostly not at all, or seconds, seldom a day.
func (g *generator) outage() Span {
	switch n := g.IntN(10); {
	case n < 4:
		return 0
	case n < 7:
		return g.span(time.Second, 2*time.Minute)
	case n < 9:
		return g.span(time.Minute, 2*time.Hour)
	default:
		return g.span(2*time.Hour, 24*time.Hour)
	}
}

func (g *generator) create() Op {
	op := Op{
		Do: Create, Object: g.object(), Subnet: g.subnet(), Mode: pick(g, "", "", "InPlace", "Clone"),
		For: g.span(time.Minute, 30*time.Minute), Window: g.span(3*time.Minute, 20*time.Minute),
	}
	if g.one(4) {
		op.OnDrift = "Abort"
	}
	if g.one(6) {
		op.Start = g.span(time.Second, 15*time.Minute)
	}
	op.Probe, op.Stop = g.one(3), g.one(2)
	if !g.one(3) {
		op.Recover, op.Require = g.span(time.Minute, longestRecovery), g.one(2)
	}
	return op
}

func (g *generator) call(subnet string) Op {
	return Op{Do: Call, Pick: g.IntN(len(rig.Callers)), Subnet: subnet, Nth: 1 + g.IntN(6), For: g.span(10*time.Second, 10*time.Minute)}
}

// calls has callers call where a run is created that looks at them, mostly while its rules stand.
func (g *generator) calls(created Op) (ops []Op) {
	if created.Do != Create || created.Recover == 0 {
		return nil
	}
	for range g.IntN(3) {
		ops = append(ops, Op{Do: Pass, For: g.span(15*time.Second, 2*time.Minute)}, g.call(created.Subnet))
	}
	return ops
}

// trail is mostly one that is as late as AWS says, seldom one that is later.
func (g *generator) trail() Op {
	op := Op{Do: Trail, For: g.span(time.Second, 5*time.Minute), Window: g.span(0, 10*time.Minute), Pick: g.IntN(50)}
	if g.one(4) {
		op.Window = g.span(10*time.Minute, time.Hour)
	}
	return op
}

// rotate gives a host one to four addresses, of which some are the ones that it had.
func (g *generator) rotate() Op {
	op := Op{Do: Rotate, Pick: g.IntN(len(Hosts))}
	for range 1 + g.IntN(4) {
		address := netip.AddrFrom4([4]byte{52, 119, byte(219 + g.IntN(5)), byte(10 * (1 + g.IntN(8)))})
		if !slices.Contains(op.Addresses, address) {
			op.Addresses = append(op.Addresses, address)
		}
	}
	return op
}

// object prefers the first ones, so that most operations are about an object that there is.
func (g *generator) object() string {
	f := g.Float64()
	return Objects[int(f*f*f*float64(len(Objects)))]
}

func (g *generator) subnet() string { return pick(g, dedicated, dedicated, shared, shared, plain) }

func (g *generator) acl() string {
	if g.one(8) {
		return clonePrefix + g.object()
	}
	return pick(g, dedicated, dedicated, dedicated, shared, shared, shared, "spare1", "spare2")
}

// entry is a third party's: here and there at a number that a rule of the run would have, or in its way.
func (g *generator) entry() *Entry {
	e := &Entry{
		Number: pick(g, 1+g.IntN(60), 80+g.IntN(20), 80+g.IntN(20), 100+g.IntN(100)), Ingress: g.one(4), Allow: !g.one(3),
		CIDR: pick(g, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("52.119.223.69/32"), netip.MustParsePrefix("52.119.220.0/24"),
			netip.MustParsePrefix("10.9.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")),
		Port: pick(g, 0, 22, 443, 8443),
	}
	return e
}
