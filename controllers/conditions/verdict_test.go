// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

func TestTheVerdictSaysWhatWasSeen(t *testing.T) {
	over := func(all ...happened) Input {
		return facing(run.Expired, append([]happened{started}, all...)...)
	}
	for name, tc := range map[string]struct {
		facts Input
		want  string
	}{
		"all went well": {
			over(agents(false, false), restored, backAgain, completed(12)),
			"all agents were seen disconnected; the rules are gone and the agents are connected again",
		},
		"one stayed": {
			over(agents(true, false), restored, backAgain, completed(12)),
			"1 agent was never seen disconnected: 3f1b; the rules are gone and the agents are connected again",
		},
		"all stayed": {
			over(restored, backAgain, completed(12)),
			"2 agents were never seen disconnected: 3f1b, 7c9e; the rules are gone and the agents are connected",
		},
		"one stayed and left later": {
			over(agents(true, false), func(f *Input) {
				f.Object.Status.Agents.ContainerInstances[0].Gone = new(true)
				run.CountAgents(f.Object.Status.Agents)
			},
				restored, backAgain, completed(12)),
			"all agents were seen disconnected; the rules are gone and the agents are connected again; 1 container instance left the cluster during the run: 3f1b",
		},
		"one did not come back in time": {
			over(agents(false, false), restored, agents(true), completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again within 10 minutes: 7c9e",
		},
		"none came back in time": {
			over(agents(false, false), restored, completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again within 10 minutes: 3f1b, 7c9e",
		},
		"no read showed whether they came back": {
			over(agents(false, false), restored, unknownAgents, completed(21)),
			"all agents were seen disconnected; the rules are gone, but it is not known whether 2 agents are connected again: 3f1b, 7c9e",
		},
		"no read showed whether one of them came back": {
			over(agents(false, false), restored, unknownAgents, agents(true), completed(21)),
			"all agents were seen disconnected; the rules are gone, but it is not known whether 1 agent is connected again: 7c9e",
		},
		"its only agent": {
			over(onlyOne, agents(false), restored, agents(true), backAtLast, completed(12)),
			"all agents were seen disconnected; the rules are gone and the agents are connected again",
		},
		"no agent is in the status any more": {
			over(func(f *Input) { f.Object.Status.Agents.ContainerInstances = nil }, restored, completed(12)),
			"no agent was seen disconnected: status.agents was edited; the rules are gone, but not every agent was seen connected again",
		},
		"nothing about agents is in the status any more": {
			over(func(f *Input) { f.Object.Status.Agents = nil }, restored, completed(12)),
			"no agent was seen disconnected: status.agents was edited; the rules are gone, but not every agent was seen connected again",
		},
		"no read while the run was on, of one agent": {
			over(agents(true, false), func(f *Input) { f.Object.Status.Agents.ObservedTime = nil }, restored, backAgain, completed(12)),
			"ECS did not answer about the agents while the run was on: whether 1 agent was disconnected is not known: 3f1b; the rules are gone and the agents are connected again",
		},
		"no read in the last minutes of the run": {
			over(restored, backAgain, observed(4), completed(12)),
			"ECS last answered about the agents at 2026-01-02T03:08:05Z, and the run lasted until 2026-01-02T03:14:05Z: whether 2 agents were disconnected is not known: 3f1b, 7c9e; the rules are gone and the agents are connected",
		},
		"no read in the last minute of the run": {
			over(restored, backAgain, observed(8.95), completed(12)),
			"ECS last answered about the agents at 2026-01-02T03:13:01Z, and the run lasted until 2026-01-02T03:14:05Z: whether 2 agents were disconnected is not known: 3f1b, 7c9e; the rules are gone and the agents are connected",
		},
		"the last look is not a minute old when the run ends": {
			over(restored, backAgain, observed(9.05), completed(12)),
			"2 agents were never seen disconnected: 3f1b, 7c9e; the rules are gone and the agents are connected",
		},
		"rules were put back": {
			over(agents(false, false), restored, backAgain, completed(12), func(f *Input) { f.Object.Status.DriftRepairs = 3 }),
			"all agents were seen disconnected; the rules are gone and the agents are connected again; 3 repairs of rules that a third party removed or overrode",
		},
		"a rule was put back": {
			over(agents(false, false), restored, backAgain, completed(12), func(f *Input) { f.Object.Status.DriftRepairs = 1 }),
			"all agents were seen disconnected; the rules are gone and the agents are connected again; 1 repair of rules that a third party removed or overrode",
		},
		"all left the cluster, in whichever order": {
			over(agents(false, false), allGone, func(f *Input) { slices.Reverse(f.Object.Status.Agents.ContainerInstances) }, restored, completed(12)),
			"all agents were seen disconnected; the rules are gone; 2 container instances left the cluster during the run: 3f1b, 7c9e",
		},
		"of TCS alone": {
			over(telemetryAlone, func(f *Input) { f.Object.Status.EnforcedTime = at(1) }, restored, completed(12)),
			"the rules were read back in force from 2026-01-02T03:05:05Z on, and are gone. ECS shows only ACS sessions: whether agents lost their TCS session is not known",
		},
		"of TCS alone, never in force": {
			over(telemetryAlone, restored, completed(12)),
			"the rules of the run were never read back in force; they are gone",
		},
		"they seemed to be back, on a single look": {
			over(agents(false, false), restored, agents(true, true), completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again",
		},
		"one stayed, another did not come back": {
			over(agents(true, false), restored, completed(21)),
			"1 agent was never seen disconnected: 3f1b; the rules are gone, but not every agent was seen connected again within 10 minutes: 7c9e",
		},
		"aborted": {
			over(agents(false, false), aborted(v1alpha1.AbortSubnetLeft), restored, backAgain, completed(12)),
			"this was seen; the rules are gone and the agents are connected again",
		},
		"aborted since the cluster went, and its agents with it": {
			over(agents(false, false), aborted(v1alpha1.AbortClusterGone), restored, completed(11)),
			"this was seen; the rules are gone, but not every agent was seen connected again: 3f1b, 7c9e",
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(tc.facts, v1alpha1.ConditionSucceeded)).To(Equal(tc.want))
		})
	}
}

func TestWhatAPlanComesTo(t *testing.T) {
	refused := func(n int, message string) happened {
		return looked(slices.Repeat([]v1alpha1.Refusal{{Reason: v1alpha1.ReasonNoConsent, Message: message}}, n)...)
	}
	unknown := func(f *Input) { f.Object.Status.Plan.NetworkACL, f.Object.Status.Plan.Agents = nil, nil }
	one := func(f *Input) {
		f.Object.Status.Plan.Agents.Connected, f.Object.Status.Plan.Rules = new(int32(1)), f.Object.Status.Plan.Rules[:1]
	}
	const would = ". It would create 6 rules on network ACL " + runtest.ACL + " (InPlace) for 2 connected agents"
	for name, tc := range map[string]struct {
		facts Input
		want  string
	}{
		"one rule for one agent":             {facing(run.Planning, looked(), one), "a run would start: 1 rule on network ACL " + runtest.ACL + " (InPlace) for 1 connected agent"},
		"the network ACL is not known":       {facing(run.Planning, looked(), unknown), "a run would start: 6 rules on a network ACL that is not known for agents whose number is not known"},
		"refused, the network ACL not known": {facing(run.Planning, refused(1, "no tag"), unknown), "a run would not start (NoConsent). NoConsent: no tag"},
		"refused for two reasons":            {facing(run.Planning, refused(2, "no tag")), "a run would not start (NoConsent, NoConsent). NoConsent: no tag. NoConsent: no tag" + would},
		"refused in more words than fit": {facing(run.Planning, refused(1, strings.Repeat("x", 5000))),
			"a run would not start (NoConsent). NoConsent: " + strings.Repeat("x", 4096-len("a run would not start (NoConsent). NoConsent: …")) + "…" + would},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(tc.facts, v1alpha1.ConditionSucceeded)).To(Equal(tc.want))
		})
	}
}
