// SPDX-License-Identifier: Apache-2.0

package live

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

// leaseName is the manager's leader election id.
const leaseName = "agentdisconnect.chaos.agentdisconnect.dev"

// holder is the manager that has the lease; empty: none.
func (st *stage) holder(ctx context.Context) string {
	var lease coordinationv1.Lease
	if err := st.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: leaseName}, &lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// untilLed waits until another than the given one has the lease, and says who.
func (st *stage) untilLed(ctx context.Context, other string) (holder string, err error) {
	err = until(ctx, "another leader", func(ctx context.Context) (bool, string) {
		holder = st.holder(ctx)
		return holder != "" && holder != other, "the lease is held by " + holder
	})
	return holder, err
}

// moment is when the leader is paused: at the n-th call of an action, before its effect or between effect and answer. The
// request is at AWS by then, so that the pause is within the manager's pass.
type moment struct {
	sc scenario
	p  point
}

// moments are the ones in which a leader that wakes has something left to do: the tags come before the entries, entries are
// made and deleted side by side, a clone is put together call by call, and its schedules come before the entries.
var moments = []moment{
	{inPlace, point{"ec2:CreateTags", 0, true}},
	{inPlace, point{"ec2:CreateNetworkAclEntry", 0, false}},
	{inPlace, point{"ec2:CreateNetworkAclEntry", 5, true}},
	{inPlace, point{"ec2:DeleteNetworkAclEntry", 0, false}},
	{inPlace, point{"ec2:DeleteNetworkAclEntry", 5, true}},
	{clone, point{"ec2:CreateNetworkAcl", 0, true}},
	{clone, point{"ec2:CreateNetworkAclEntry", 0, true}},
	{clone, point{"ec2:ReplaceNetworkAclAssociation", 0, true}},
	{clone, point{"ec2:ReplaceNetworkAclAssociation", 1, true}},
	{clone, point{"ec2:DeleteNetworkAcl", 0, false}},
	{clone, point{"scheduler:CreateSchedule", 0, true}},
	{clone, point{"scheduler:DeleteSchedule", 0, true}},
}

// relay is a line of managers of which one leads and one waits.
type relay struct {
	*stage
	leader, standby *stack.Manager
	identity        string
	// after takes away what third parties did.
	after func()
}

func newRelay(ctx context.Context, g *WithT, st *stage) *relay {
	r := &relay{stage: st}
	var err error
	r.leader, err = st.AddManager(ctx, "--leader-elect")
	g.Expect(err).NotTo(HaveOccurred())
	r.identity, err = st.untilLed(ctx, "")
	g.Expect(err).NotTo(HaveOccurred())
	r.standby, err = st.AddManager(ctx, "--leader-elect")
	g.Expect(err).NotTo(HaveOccurred())
	return r
}

// pass waits until the standby has the lease of the leader, which is paused. wake then lets that one go on, waits for its
// end, and has a new one stand by.
func (r *relay) pass(ctx context.Context, g *WithT) (wake func()) {
	paused := r.leader
	identity, err := r.untilLed(ctx, r.identity)
	g.Expect(err).NotTo(HaveOccurred())
	r.identity, r.leader = identity, r.standby
	return func() {
		g.Expect(paused.Resume()).To(Succeed())
		g.Expect(until(ctx, "the old leader to end", func(context.Context) (bool, string) {
			return paused.Err() != nil, fmt.Sprint(paused.LogTail(3))
		})).To(Succeed())
		r.standby, err = r.AddManager(ctx, "--leader-elect")
		g.Expect(err).NotTo(HaveOccurred())
	}
}

// takeFreedNumbers has third parties take every other number that the run had in place, once the run is over, for
// the very same entries. A leader that wakes may think that they are its own, or that a number is free.
func (r *relay) takeFreedNumbers(g *WithT, obj *v1alpha1.AgentDisconnect) {
	if obj.Status.NetworkACL == nil || obj.Status.NetworkACL.Mode != v1alpha1.NetworkACLModeInPlace {
		return
	}
	for i, rule := range obj.Status.Rules {
		if i%2 > 0 {
			continue
		}
		g.Expect(r.Sim.Region().CreateNetworkACLEntry(rule.NetworkACLID, acl.Entry{
			RuleNumber: int(rule.RuleNumber), Egress: true, Protocol: -1, CIDR: netip.MustParsePrefix(rule.CIDR),
		})).To(Succeed())
	}
	theirs := r.before
	r.before = survey(r.Sim.Region())
	r.after = func() {
		for i, rule := range obj.Status.Rules {
			if i%2 == 0 {
				g.Expect(r.Sim.Region().DeleteNetworkACLEntry(rule.NetworkACLID, int(rule.RuleNumber), true)).To(Succeed())
			}
		}
		r.before = theirs
	}
}

// play takes a run to its end while the leader is paused, and wakes it then.
func (r *relay) play(ctx context.Context, t *testing.T, g *WithT, m moment) {
	paused := make(chan struct{})
	remove := at(r.Sim.Faults(), m.p, func() {
		defer close(paused)
		_ = r.leader.Pause() // that it goes on shows: the lease stays with it
	})
	defer remove()
	obj, err := r.begin(ctx, m.sc)
	g.Expect(err).NotTo(HaveOccurred())
	if m.ending() {
		g.Expect(r.untilStatus(ctx, obj, "all rules", installed)).To(Succeed())
		g.Expect(r.end(ctx, obj)).To(Succeed())
	}
	g.Expect(until(ctx, "the leader's pause", func(context.Context) (bool, string) {
		select {
		case <-paused:
			return true, ""
		default:
			return false, "it makes no such call"
		}
	})).To(Succeed())
	wake := r.pass(ctx, g)
	if !m.ending() {
		g.Expect(r.untilStatus(ctx, obj, "all rules", installed)).To(Succeed())
		g.Expect(r.end(ctx, obj)).To(Succeed())
	}
	r.wakeLate(ctx, t, g, obj, wake)
}

// ending reports whether the moment is in the run's clean-up.
func (m moment) ending() bool {
	switch m.p.action {
	case "ec2:DeleteNetworkAclEntry", "ec2:DeleteNetworkAcl", "scheduler:DeleteSchedule":
		return true
	case "ec2:ReplaceNetworkAclAssociation":
		return m.p.nth > 0
	}
	return false
}

// wakeLate waits for the run's end by the new leader, and then has the old one go on.
func (r *relay) wakeLate(ctx context.Context, t *testing.T, g *WithT, obj *v1alpha1.AgentDisconnect, wake func()) {
	g.Expect(r.untilGone(ctx, obj)).To(Succeed())
	g.Expect(r.unharmed()).To(Succeed())
	r.after = func() {}
	r.takeFreedNumbers(g, obj)
	first := len(r.Sim.Calls())
	wake()
	g.Expect(r.unharmed()).To(Succeed(), "the leader that woke has changed something: %v", r.writes(first))
	if writes := r.writes(first); len(writes) > 0 {
		t.Logf("sent by the leader that woke, without effect: %v", writes)
	}
	r.after()
}

func TestALeaderThatIsPausedPastItsLeaseChangesNothingWhenItWakes(t *testing.T) {
	g := live(t)
	st, err := newStage(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = st.Close() })
	r := newRelay(t.Context(), g, st)
	// The first is always among them: what follows it rests on nothing that is read anew.
	seed := uint64(number(t, "CHAOS_SEED", 1))
	drawn := rand.New(rand.NewPCG(seed, 1)).Perm(len(moments) - 1)
	for n := range min(number(t, "CHAOS_PAUSES", 1), len(moments)) {
		m := moments[0]
		if n > 0 {
			m = moments[1+drawn[n-1]]
		}
		t.Logf("paused %s of a run %s (seed %d)", m.p, m.sc.name, seed)
		r.play(t.Context(), t, g, m)
	}

	t.Log("paused between calls, while the rules are in place")
	obj, err := r.begin(t.Context(), inPlace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.untilStatus(t.Context(), obj, "all rules", installed)).To(Succeed())
	g.Expect(r.leader.Pause()).To(Succeed())
	g.Expect(r.end(t.Context(), obj)).To(Succeed())
	wake := r.pass(t.Context(), g)
	r.wakeLate(t.Context(), t, g, obj, wake)
}
