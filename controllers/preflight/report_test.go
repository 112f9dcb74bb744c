// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

func TestAReportKeepsTheOrder(t *testing.T) {
	g := NewWithT(t)
	r := Report{Findings: findings()}
	g.Expect(r.Err()).NotTo(HaveOccurred())
	g.Expect(r.IsReady()).To(BeFalse(), "no agent is tracked yet")
	r.agents = []v1alpha1.ContainerInstance{{ARN: arnA}}
	g.Expect(r.IsReady()).To(BeTrue())

	denied, first, second := problem.Refuse(v1alpha1.ReasonAlreadyDenied, "denied"), problem.Refuse("A", "one"), problem.Wait("B", "two")
	r.add(nil, errors.Join(first, nil, denied), second)
	g.Expect(problem.All(r.Err())).To(HaveExactElements(first, denied, second))
	g.Expect(r.IsReady()).To(BeFalse())
	r.withdraw(v1alpha1.ReasonAlreadyDenied)
	g.Expect(problem.All(r.Err())).To(HaveExactElements(first, second))
}

func TestAReportAsAPlan(t *testing.T) {
	refused, held := problem.Refuse("A", "one"), problem.Wait(v1alpha1.ReasonHolder, "two")
	for name, tc := range map[string]struct {
		against []error
		reasons []string
		passes  bool
	}{
		"nothing":                         {nil, nil, false},
		"the same twice":                  {[]error{refused, held, refused}, []string{"A", v1alpha1.ReasonHolder}, false},
		"with what passes by itself":      {[]error{refused, problem.Wait("C", "three")}, nil, true},
		"with an error of the API server": {[]error{refused, problem.FromStore(errors.New("gone"))}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := Report{Findings: findings(), against: tc.against}
			r.note("first", "", strings.Repeat("x", 2000))
			var plan v1alpha1.Plan
			if err := r.putInto(&plan); tc.passes {
				g.Expect(err).To(HaveOccurred())
				return
			}
			var reasons []string
			for _, each := range plan.Refusals {
				reasons = append(reasons, each.Reason)
			}
			g.Expect(reasons).To(Equal(tc.reasons))
			g.Expect(*plan.WouldStart).To(Equal(len(tc.reasons) == 0))
			g.Expect(plan.Notes).To(HaveLen(2))
			g.Expect(len(plan.Notes[1])).To(BeNumerically("<=", 1024))
		})
	}
}

func TestTheModeFollowsFromTheNetworkACL(t *testing.T) {
	for name, tc := range map[string]struct {
		change change
		mode   v1alpha1.NetworkACLMode
		reason v1alpha1.NetworkACLModeReason
	}{
		"a subnet alone":                  {func(*Findings) {}, v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeOnlySubnet},
		"another subnet":                  {sharedACL(nil), v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared},
		"another subnet on a clone":       {func(f *Findings) { f.subnetOnClone = true }, v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared},
		"another cluster's clone":         {clonedFor(other), v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeShared},
		"in place by name, though shared": {both(in(v1alpha1.NetworkACLModeInPlace), sharedACL(nil)), v1alpha1.NetworkACLModeInPlace, v1alpha1.NetworkACLModeRequested},
		"a clone by name":                 {in(v1alpha1.NetworkACLModeClone), v1alpha1.NetworkACLModeClone, v1alpha1.NetworkACLModeRequested},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := findings(tc.change)
			g.Expect(f.mode.name()).To(Equal(tc.mode))
			g.Expect(f.modeReason).To(Equal(tc.reason))
			g.Expect(f.Reservation().Mode).To(Equal(tc.mode))
			others := len(f.hit()) > 1
			g.Expect(others).To(Equal(tc.mode == v1alpha1.NetworkACLModeInPlace && len(f.acl.SubnetIDs) > 1))

			var status v1alpha1.AgentDisconnectStatus
			how, err := f.place()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(how.rules).To(HaveLen(2))
			f.mode.begin(&status, f, how)
			cloned := tc.mode == v1alpha1.NetworkACLModeClone
			copies, lines := status.NetworkACL.OriginalID != "", len(status.Rules) > 0
			g.Expect(copies).To(Equal(cloned))
			g.Expect(lines).NotTo(Equal(cloned), "the lines of a clone follow when it has an id")
		})
	}
	f := findings()
	f.acl = nil
	f.chooseMode()
	NewWithT(t).Expect(f.mode).NotTo(BeNil(), "a read that shows no network ACL changes nothing")
}

func TestTrackedAgentsWereConnectedTwice(t *testing.T) {
	g := NewWithT(t)
	f := findings(polled(map[string]discovery.Agent{arnA: {Connected: true}, arnB: {}}))
	g.Expect(trackedAgents(f)).To(HaveLen(1))
	g.Expect(trackedAgents(f)[0].ARN).To(Equal(arnA))
	f.polls.Add(discovery.NewPoll(now, map[string]discovery.Agent{arnB: {Connected: true}}))
	g.Expect(trackedAgents(f)).To(BeNil(), "no agent was connected on both polls")
}

func TestTheRegionOfARun(t *testing.T) {
	for name, tc := range map[string]struct{ spec, cluster, managers, region string }{
		"the spec's":    {"eu-west-1", "arn:aws:ecs:us-east-1:1:cluster/x", "ap-northeast-1", "eu-west-1"},
		"the cluster's": {"", "arn:aws:ecs:us-east-1:1:cluster/x", "ap-northeast-1", "us-east-1"},
		"the manager's": {"", "x", "ap-northeast-1", "ap-northeast-1"},
		"none":          {"", "x", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			region, err := chooseRegion(&v1alpha1.AgentDisconnectSpec{Region: tc.spec, Cluster: tc.cluster}, tc.managers)
			g.Expect(region).To(Equal(tc.region))
			g.Expect(err != nil).To(Equal(tc.region == ""))
		})
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	g := NewWithT(t)
	other := errors.New("other")
	err := explainNotFound(errors.Join(&discovery.ClusterNotFoundError{Cluster: "prod"}, other), &findings().object.Spec, "", "eu-west-1")
	g.Expect(problem.Explain(err).Reason).To(Equal(v1alpha1.ReasonClusterNotFound))
	g.Expect(err).To(MatchError(ContainSubstring("(id not known), Region eu-west-1")))
	g.Expect(errors.Is(err, other)).To(BeTrue())
	g.Expect(explainNotFound(nil, nil, "", "")).To(Succeed())
}

func TestNotesOfATarget(t *testing.T) {
	drains := polled(map[string]discovery.Agent{arnA: {Connected: true, Draining: true}, arnB: {Connected: true}})
	for name, tc := range map[string]struct {
		change change
		says   string
	}{
		"other accounts":    {func(f *Findings) { f.tenants = []string{foreigns} }, foreigns},
		"managed instances": {func(f *Findings) { f.managed = []string{"provider-1"} }, "provider-1"},
		"a strategy":        {func(f *Findings) { f.cluster.DefaultProviders = []string{"FARGATE"} }, "launch type EC2"},
		"tasks on Fargate":  {func(f *Findings) { f.cluster.FargateTasks = 1 }, "1 task of the cluster on Fargate"},
		"external tasks":    {func(f *Findings) { f.cluster.ExternalTasks = 2 }, "2 tasks of the cluster on external"},
		"one drains":        {drains, "1 of 2 container instances drains"},
		"no telemetry":      {func(f *Findings) { f.noTelemetry = []string{arnA} }, "no TCS endpoint for 1 container instance (a)"},
		"a mismatch":        {func(f *Findings) { f.mismatch = "by another way" }, "by another way"},
		"telemetry alone": {both(drains, func(f *Findings) {
			f.spec().Sessions, f.cluster.DefaultProviders = []v1alpha1.Session{v1alpha1.SessionTCS}, []string{"FARGATE"}
		}), "TCS"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			r := Report{Findings: findings(tc.change)}
			r.note(targetNotes(r.Findings)...)
			g.Expect(r.Notes()).To(HaveExactElements(ContainSubstring(tc.says)))
		})
	}
	r := Report{Findings: findings()}
	r.note(targetNotes(r.Findings)...)
	NewWithT(t).Expect(r.Notes()).To(BeEmpty())
}
