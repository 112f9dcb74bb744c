// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// The tracked agents, as a poll and the rules of the run left them.

// connected was never seen disconnected.
func connected(arn string) v1alpha1.ContainerInstance {
	return v1alpha1.ContainerInstance{ARN: arn, Connected: new(true)}
}

// disconnected was seen so under the run's rules.
func disconnected(arn string) v1alpha1.ContainerInstance {
	return v1alpha1.ContainerInstance{ARN: arn, Connected: new(false), DisconnectedTime: runtest.At(1), Gone: new(false)}
}

// uncredited is disconnected, but not by the run's rules.
func uncredited(arn string) v1alpha1.ContainerInstance {
	return v1alpha1.ContainerInstance{ARN: arn, Connected: new(false)}
}

// back is connected, and was seen disconnected under the run's rules.
func back(arn string) v1alpha1.ContainerInstance {
	return v1alpha1.ContainerInstance{ARN: arn, Connected: new(true), DisconnectedTime: runtest.At(1)}
}

// unobserved is one that ECS said nothing of lately.
func unobserved(arn string) v1alpha1.ContainerInstance { return v1alpha1.ContainerInstance{ARN: arn} }

// gone is the agent after its container instance left the cluster.
func gone(instance v1alpha1.ContainerInstance) v1alpha1.ContainerInstance {
	instance.Gone = new(true)
	return instance
}

func agentsOf(instances ...v1alpha1.ContainerInstance) *v1alpha1.Agents {
	return &v1alpha1.Agents{ContainerInstances: instances}
}

func TestCountsAreOfTheAgentsThatAreInTheCluster(t *testing.T) {
	for name, tc := range map[string]struct {
		agents       *v1alpha1.Agents
		total        int32
		disconnected *int32 // nil: nothing is said
	}{
		"no agent":                             {agentsOf(), 0, new(int32(0))},
		"all connected":                        {agentsOf(connected("a"), connected("b")), 2, new(int32(0))},
		"one disconnected":                     {agentsOf(connected("a"), disconnected("b")), 2, new(int32(1))},
		"all disconnected, whatever by":        {agentsOf(uncredited("a"), disconnected("b")), 2, new(int32(2))},
		"connected again":                      {agentsOf(back("a")), 1, new(int32(0))},
		"one not looked at":                    {agentsOf(disconnected("a"), unobserved("b")), 2, nil},
		"one not looked at, before others":     {agentsOf(unobserved("a"), disconnected("b"), connected("c")), 3, nil},
		"what is gone was connected":           {agentsOf(gone(connected("a")), disconnected("b")), 1, new(int32(1))},
		"what is gone was disconnected":        {agentsOf(gone(disconnected("a")), connected("b")), 1, new(int32(0))},
		"what is gone need not be looked at":   {agentsOf(gone(unobserved("a")), disconnected("b")), 1, new(int32(1))},
		"all gone":                             {agentsOf(gone(unobserved("a")), gone(disconnected("b"))), 0, new(int32(0))},
		"counts of before are written over":    {&v1alpha1.Agents{Total: new(int32(7)), Disconnected: new(int32(7)), ContainerInstances: agentsOf(connected("a")).ContainerInstances}, 1, new(int32(0))},
		"a count of before that is unsaid now": {&v1alpha1.Agents{Total: new(int32(1)), Disconnected: new(int32(1)), ContainerInstances: agentsOf(unobserved("a")).ContainerInstances}, 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			run.CountAgents(tc.agents)
			g.Expect(tc.agents.Total).To(HaveValue(Equal(tc.total)))
			g.Expect(tc.agents.Disconnected).To(Equal(tc.disconnected))
		})
	}
}

func TestEachAgentInTheClusterIsNamedByWhatWasSeenOfIt(t *testing.T) {
	type named struct{ never, connected, disconnected, unobserved []string }
	for name, tc := range map[string]struct {
		agents *v1alpha1.Agents
		want   named
	}{
		"agents that the status does not have": {},
		"no agent":                             {agents: agentsOf()},
		"sorted": {
			agentsOf(connected("c"), connected("a"), connected("b")),
			named{never: []string{"a", "b", "c"}, connected: []string{"a", "b", "c"}},
		},
		"one of each": {
			agentsOf(connected("a"), disconnected("b"), uncredited("c"), back("d"), unobserved("e")),
			named{never: []string{"a", "c", "e"}, connected: []string{"a", "d"}, disconnected: []string{"b", "c"}, unobserved: []string{"e"}},
		},
		"none that is gone": {
			agentsOf(gone(connected("a")), gone(disconnected("b")), gone(uncredited("c")), gone(back("d")), gone(unobserved("e")), disconnected("f")),
			named{disconnected: []string{"f"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(named{
				run.NeverDisconnected(tc.agents), run.StillConnected(tc.agents), run.StillDisconnected(tc.agents), run.Unobserved(tc.agents),
			}).To(Equal(tc.want))
		})
	}
}

func TestWhatHoldsOfAllAgents(t *testing.T) {
	type holds struct{ allDisconnected, anyDisconnected, allLeft bool }
	for name, tc := range map[string]struct {
		agents *v1alpha1.Agents
		want   holds
	}{
		"no agent":                                 {agentsOf(), holds{}},
		"connected":                                {agentsOf(connected("a"), connected("b")), holds{}},
		"not looked at":                            {agentsOf(unobserved("a")), holds{}},
		"one disconnected":                         {agentsOf(disconnected("a")), holds{allDisconnected: true, anyDisconnected: true}},
		"two disconnected":                         {agentsOf(disconnected("a"), disconnected("b")), holds{allDisconnected: true, anyDisconnected: true}},
		"one of two disconnected":                  {agentsOf(disconnected("a"), connected("b")), holds{anyDisconnected: true}},
		"one of two not seen so under the rules":   {agentsOf(disconnected("a"), uncredited("b")), holds{anyDisconnected: true}},
		"disconnected before the rules":            {agentsOf(uncredited("a")), holds{}},
		"one of two connected again":               {agentsOf(disconnected("a"), back("b")), holds{anyDisconnected: true}},
		"one of two no longer looked at":           {agentsOf(disconnected("a"), v1alpha1.ContainerInstance{ARN: "b", DisconnectedTime: runtest.At(1)}), holds{anyDisconnected: true}},
		"one gone, the other disconnected":         {agentsOf(gone(connected("a")), disconnected("b")), holds{allDisconnected: true, anyDisconnected: true}},
		"the disconnected one gone":                {agentsOf(gone(disconnected("a")), connected("b")), holds{}},
		"the only one gone":                        {agentsOf(gone(disconnected("a"))), holds{allLeft: true}},
		"all gone, whatever was seen of them last": {agentsOf(gone(connected("a")), gone(unobserved("b"))), holds{allLeft: true}},
	} {
		t.Run(name, func(t *testing.T) {
			run.CountAgents(tc.agents)
			NewWithT(t).Expect(holds{run.AllDisconnected(tc.agents), run.AnyDisconnected(tc.agents), run.AllLeft(tc.agents)}).To(Equal(tc.want))
		})
	}
	t.Run("agents that the status does not have", func(t *testing.T) {
		NewWithT(t).Expect(holds{run.AllDisconnected(nil), run.AnyDisconnected(nil), run.AllLeft(nil)}).To(Equal(holds{}))
	})
	t.Run("agents whose total was edited away", func(t *testing.T) {
		agents := agentsOf(disconnected("a"))
		NewWithT(t).Expect(holds{run.AllDisconnected(agents), run.AnyDisconnected(agents), run.AllLeft(agents)}).To(Equal(holds{anyDisconnected: true}))
	})
}

func TestAgentsAreTrackedInTheOrderOfTheStatusAlsoWhenGone(t *testing.T) {
	g := NewWithT(t)
	g.Expect(run.AgentARNs(nil)).To(BeEmpty())
	g.Expect(run.AgentARNs(agentsOf())).To(BeEmpty())
	g.Expect(run.AgentARNs(agentsOf(connected("b"), gone(disconnected("c")), unobserved("a")))).To(Equal([]string{"b", "c", "a"}))
}

func TestAnInstanceIDIsTheLastPartOfAnARN(t *testing.T) {
	g := NewWithT(t)
	g.Expect(run.InstanceIDs(nil)).To(BeEmpty())
	g.Expect(run.InstanceIDs([]string{
		"arn:aws:ecs:us-east-1:111122223333:container-instance/demo/b2c3", "arn:aws:ecs:us-east-1:111122223333:container-instance/a1b2", "d4e5",
	})).To(Equal([]string{"b2c3", "a1b2", "d4e5"}), "in the order given, also of the short form and of what is no ARN")
}

func TestNothingIsSaidOfAgentsThatAreForgotten(t *testing.T) {
	counted := func() *v1alpha1.Agents {
		agents := agentsOf(disconnected("a"), connected("b"), gone(unobserved("c")))
		run.CountAgents(agents)
		return agents
	}
	for name, tc := range map[string]struct {
		forget []string
		want   []v1alpha1.ContainerInstance
		counts bool
	}{
		"none":                    {nil, counted().ContainerInstances, true},
		"one":                     {[]string{"b"}, []v1alpha1.ContainerInstance{disconnected("a"), unobserved("b"), gone(unobserved("c"))}, false},
		"all":                     {[]string{"c", "b", "a"}, []v1alpha1.ContainerInstance{{ARN: "a", DisconnectedTime: runtest.At(1), Gone: new(false)}, unobserved("b"), gone(unobserved("c"))}, false},
		"one that is gone":        {[]string{"c"}, counted().ContainerInstances, true},
		"one that is not tracked": {[]string{"d"}, counted().ContainerInstances, true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			agents := counted()
			run.ForgetAgents(agents, tc.forget)
			g.Expect(agents.ContainerInstances).To(Equal(tc.want))
			g.Expect(agents.Total).To(HaveValue(BeEquivalentTo(2)), "they are there still")
			if tc.counts {
				g.Expect(agents.Disconnected).To(HaveValue(BeEquivalentTo(1)))
			} else {
				g.Expect(agents.Disconnected).To(BeNil(), "how many are disconnected is not known")
			}
		})
	}
	t.Run("without agents in the status", func(*testing.T) { run.ForgetAgents(nil, []string{"a"}) })
}

func TestAgentsThatWereReachedStayCounted(t *testing.T) {
	for name, tc := range map[string]struct {
		agents *v1alpha1.Agents
		want   string
	}{
		"none tracked":           {nil, ""},
		"no agent":               {agentsOf(), ""},
		"not yet":                {agentsOf(connected("a"), unobserved("b")), "0/2"},
		"disconnected by others": {agentsOf(uncredited("a"), disconnected("b")), "1/2"},
		"connected again":        {agentsOf(back("a"), back("b")), "2/2"},
		"two left":               {agentsOf(back("a"), gone(disconnected("b")), gone(connected("c"))), "2/2"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			status := &v1alpha1.AgentDisconnectStatus{StartTime: runtest.At(0), Agents: tc.agents}
			g.Expect(run.Reached(status)).To(Equal(tc.want))
			status.StartTime = nil
			g.Expect(run.Reached(status)).To(BeEmpty(), "the run has not begun")
			status.StartTime = runtest.At(0)
			status.StartedWith = &v1alpha1.StartedWith{Sessions: []v1alpha1.Session{v1alpha1.SessionTCS}}
			g.Expect(run.Reached(status)).To(BeEmpty(), "ECS shows nothing of TCS")
		})
	}
}

func TestARunThatIsOverNamesTheAgentsOfWhichSomethingIsLeftToSay(t *testing.T) {
	g := NewWithT(t)
	agents := agentsOf(gone(disconnected("gone")), connected("stayed"), disconnected("away"), unobserved("unseen"))
	for i := range 100 {
		instance := back(fmt.Sprintf("back-%02d", i))
		instance.DisconnectedTime = runtest.At(1 + float64(i%50))
		agents.ContainerInstances = append(agents.ContainerInstances, instance)
	}
	status := &v1alpha1.AgentDisconnectStatus{StartTime: runtest.At(0), Agents: agents}
	run.CountAgents(agents)
	before, reached := agents.DeepCopy(), run.Reached(status)

	for range 2 { // a second time changes nothing
		run.OmitAgents(agents)
		g.Expect(agents.Omitted).To(BeEquivalentTo(90))
		g.Expect(agents.ContainerInstances).To(HaveLen(14))
		g.Expect(agents.ContainerInstances).To(ContainElements(before.ContainerInstances[:4]))
		g.Expect(agents.ContainerInstances).To(ContainElement(HaveField("ARN", "back-99")), "the one that was disconnected last")
		g.Expect(run.Reached(status)).To(Equal(reached))
		g.Expect(run.NeverDisconnected(agents)).To(Equal(run.NeverDisconnected(before)))
		g.Expect(run.StillDisconnected(agents)).To(Equal(run.StillDisconnected(before)))
		g.Expect(run.Unobserved(agents)).To(Equal(run.Unobserved(before)))
		g.Expect(run.AllLeft(agents)).To(BeFalse())
		g.Expect(run.AnyDisconnected(agents)).To(BeTrue())
	}
	counted := agents.DeepCopy()
	run.CountAgents(counted)
	g.Expect(counted.Total).To(Equal(before.Total))

	few := agentsOf(back("a"), back("b"))
	run.OmitAgents(few)
	g.Expect(few).To(Equal(agentsOf(back("a"), back("b"))), "there is nothing to gain")
	run.OmitAgents(nil)
}
