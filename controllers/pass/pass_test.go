// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	testclock "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// passAt is a pass over a run that began a minute ago and lasts ten.
func passAt(phase run.Phase) *Pass {
	obj := &v1alpha1.AgentDisconnect{}
	obj.Namespace, obj.Name, obj.UID = "team", "cut", "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	obj.Status.StartTime, obj.Status.ExpirationTime = run.Stamp(now.Add(-time.Minute)), run.Stamp(now.Add(9*time.Minute))
	m := &Manager{Clock: testclock.NewFakeClock(now), Options: options.Options{ClusterID: "kube-1"}}
	return &Pass{Manager: m, Learned: &Learned{}, Object: obj, Now: now, Phase: phase, Ledger: &ledger.Ledger{}}
}

func TestARunThatIsOnBoundsItsCalls(t *testing.T) {
	g := NewWithT(t)
	p := passAt(run.Active)
	ctx, cancel, over := p.Within(t.Context())
	defer cancel()
	g.Expect(over).To(BeFalse())
	deadline, bounded := ctx.Deadline()
	g.Expect(bounded).To(BeTrue())
	g.Expect(time.Until(deadline)).To(BeNumerically("~", 9*time.Minute, time.Minute))

	p.Clock = testclock.NewFakeClock(now.Add(9 * time.Minute))
	ctx, cancel, over = p.Within(t.Context())
	defer cancel()
	g.Expect(over).To(BeTrue(), "by the clock, whatever the time of the pass")
	g.Expect(ctx.Err()).To(HaveOccurred())
}

func TestAnEndIsNotBounded(t *testing.T) {
	g := NewWithT(t)
	p := passAt(run.Deleting)
	p.Clock = testclock.NewFakeClock(now.Add(time.Hour))
	ctx, cancel, over := p.Within(t.Context())
	cancel()
	g.Expect(over).To(BeFalse())
	g.Expect(ctx.Err()).NotTo(HaveOccurred())
}

func TestTheFirstReasonOfAnAbortStays(t *testing.T) {
	g := NewWithT(t)
	p := passAt(run.Active)
	p.Abort("First", "because of %s", strings.Repeat("x", 2000))
	first := p.Status().Abort.DeepCopy()
	g.Expect(first.Reason).To(Equal("First"))
	g.Expect(first.Message).To(HavePrefix("because of xxx"))
	g.Expect(len(first.Message)).To(BeNumerically("<=", 1024), "as the API bounds it")
	g.Expect(first.Time.Time).To(BeTemporally("==", now))

	p.Now = now.Add(time.Minute)
	p.Abort("Second", "for another cause")
	g.Expect(p.Status().Abort).To(Equal(first))
}

func TestOwnershipSaysWhoseARunIs(t *testing.T) {
	g := NewWithT(t)
	lines := []v1alpha1.Rule{{RuleNumber: 80, CIDR: "192.0.2.1/32"}}
	p := passAt(run.Active)
	o := p.Ownership(lines)
	g.Expect(o.UID).To(BeEquivalentTo(p.Object.UID))
	g.Expect(o.Owner).To(Equal("team/cut"))
	g.Expect(o.ClusterID).To(Equal("kube-1"))
	g.Expect(o.Started).To(BeTemporally("==", now.Add(-time.Minute)))
	g.Expect(o.Expires).To(BeTemporally("==", now.Add(9*time.Minute)))
	g.Expect(o.Rules).To(Equal(lines))

	p.Object.Status = v1alpha1.AgentDisconnectStatus{}
	g.Expect(p.Ownership(nil).Started.IsZero()).To(BeTrue(), "it has not begun")
}

func TestADraftLeavesTheObjectAlone(t *testing.T) {
	g := NewWithT(t)
	p := passAt(run.Planning)
	draft := p.Draft(&Learned{})
	g.Expect(draft.IsDraft()).To(BeTrue())
	g.Expect(p.IsDraft()).To(BeFalse())
	g.Expect(draft.Phase).To(Equal(run.Pending))
	g.Expect(draft.Status().StartTime).To(BeNil(), "the copy has no run")

	draft.Abort("Any", "of the draft")
	draft.UpdatePhase(now)
	g.Expect(p.Status().Abort).To(BeNil())
	g.Expect(p.Phase).To(Equal(run.Planning))
	g.Expect(draft.Learned).NotTo(BeIdenticalTo(p.Learned))
}

func TestAPassKnowsWhetherTheRulesAreOnAClone(t *testing.T) {
	g := NewWithT(t)
	p := passAt(run.Active)
	g.Expect(p.IsCloned()).To(BeFalse())
	p.Status().NetworkACL = &v1alpha1.NetworkACL{Mode: v1alpha1.NetworkACLModeInPlace}
	g.Expect(p.IsCloned()).To(BeFalse())
	p.Status().NetworkACL.Mode = v1alpha1.NetworkACLModeClone
	g.Expect(p.IsCloned()).To(BeTrue())
}
