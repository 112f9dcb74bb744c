// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

const theWindow = "; until AgentsDisconnected is True, RunTask still answers with a task, which hangs in PENDING"

func messageOf(f Input, conditionType string) string {
	Set(f)
	c := meta.FindStatusCondition(f.Object.Status.Conditions, conditionType)
	if c == nil {
		return ""
	}
	return c.Message
}

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

func TestMessagesOnTheWay(t *testing.T) {
	for name, tc := range map[string]struct {
		condition string
		facts     Input
		want      string
	}{
		"installing": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, lets("192.0.2.3/32")),
			"network ACL " + runtest.ACL + " does not deny 192.0.2.3/32, as last read"},
		"many to install": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, lets("1.0.0.0/32", "2.0.0.0/32", "3.0.0.0/32", "4.0.0.0/32", "5.0.0.0/32")),
			"network ACL " + runtest.ACL + " does not deny 1.0.0.0/32, 2.0.0.0/32, 3.0.0.0/32 and 2 more, as last read"},
		"blocking": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow},
		"blocking in trouble": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, stopped(aPerson)),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back; grant it" + theWindow},
		"a short run": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, func(f *Input) { f.Object.Spec.Duration.Duration = 5*time.Minute - time.Second }),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow + "; a run of less than 5 minutes proves little, since agents take 1 to 4 minutes to notice"},
		"a run of five minutes": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, func(f *Input) { f.Object.Spec.Duration.Duration = 5 * time.Minute }),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow},
		"one connected, within the time that agents take": {v1alpha1.ConditionAgentsDisconnected,
			facing(run.Active, started, read, agents(true, false), func(f *Input) { f.Now = f.Now.Add(-time.Second) }),
			"1 agent is still connected: 3f1b. Agents notice a dropped path after 1 to 4 minutes"},
		"one connected for too long": {v1alpha1.ConditionAgentsDisconnected,
			facing(run.Active, started, read, agents(true, false), func(f *Input) { f.EndpointsSeen = run.LookedAt(f.Now, 0) }),
			"1 agent is still connected: 3f1b. Agents notice a dropped path after 1 to 4 minutes, and that time has passed. " +
				"Checked: the network ACL denies all 3 addresses of 2 hosts; lookups find no other address; ECS names no other host; no VPC endpoint for ECS gives the agents another path. " +
				"Remaining causes, the most likely first: " +
				"(1) they connect to a host that ECS named to them earlier, which agents keep for 12 hours: the agent's log names it, and spec.additionalEndpoints takes it; " +
				"(2) they go through a proxy (HTTP_PROXY in the agent's configuration): deny the proxy's address instead"},
		"one connected for too long, and much is open": {v1alpha1.ConditionAgentsDisconnected,
			facing(run.Active, started, lets("192.0.2.3/32"), agents(true, false), stillGrowing, func(f *Input) {
				f.EndpointsSeen, f.PrivateInSubnet = run.LookedAt(f.Now, 0), []string{"eni-1 of vpce-1"}
				f.Object.Status.Agents.Uncounted = new(int32(1))
			}),
			"1 agent is still connected: 3f1b. Agents notice a dropped path after 1 to 4 minutes, and that time has passed. Checked: ECS names no other host. " +
				"Remaining causes, the most likely first: " +
				"(1) the network ACL does not deny 192.0.2.3/32; " +
				"(2) they use the network interface eni-1 of vpce-1 in the subnet itself, where no network ACL acts; " +
				"(3) an address of ecs-t.example is not known yet: lookups go on, with the DNS server that the manager asks (--dns-server); " +
				"(4) they connect to a host that ECS named to them earlier, which agents keep for 12 hours: the agent's log names it, and spec.additionalEndpoints takes it; " +
				"(5) they go through a proxy (HTTP_PROXY in the agent's configuration): deny the proxy's address instead. " +
				"1 further container instance in the subnet is not tracked: not connected before the start, or joined later"},
		"all disconnected": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, agents(false, false)),
			"ECS reports on two polls in a row that 2 agents are disconnected"},
		"ECS was not asked lately": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, agents(true, false), unseen, stopped(aPerson)),
			"ECS last answered about the agents at 2026-01-02T03:08:05Z; grant it"},
		"ECS was not asked since a restart": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, agents(false, false), restarted, stopped(aPerson)),
			"ECS has not answered about the agents since the manager started; grant it"},
		"asked once": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, unknownAgents),
			"ECS has not reported the same state of 2 agents on two polls in a row: 3f1b, 7c9e"},
		"the network ACL was not read lately": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, unseen, stopped(aPerson)),
			"network ACL " + runtest.ACL + " was last read at 2026-01-02T03:08:05Z; grant it" + theWindow},
		"no lookup lately": {v1alpha1.ConditionEndpointsDiscovered, facing(run.Active, started, unseen),
			"the hosts were last looked up with an answer at 2026-01-02T03:08:05Z"},
		"disconnected, and the network ACL was not read lately": {v1alpha1.ConditionAgentsDisconnected,
			facing(run.Active, started, read, agents(false, false), func(f *Input) { f.ACLSeen.At = f.Now.Add(-time.Minute) }),
			"whether rules of this run keep the agents disconnected is not known: network ACL " + runtest.ACL + " was last read at 2026-01-02T03:08:05Z"},
		"disconnected while the rules are not in force": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, lets("192.0.2.3/32"), agents(false, false)),
			"2 agents are disconnected, while the rules of this run are not in force, as last read: the run does not count that as its effect"},
		"disconnected, but not seen so under the rules": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, agents(false, false), uncredited),
			"2 agents are disconnected, 2 of them not yet on two polls while the rules of this run are in force: 3f1b, 7c9e"},
		"denied by others too": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, read, func(f *Input) { f.Own, f.Foreign = 2, 1 }),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 2 rules of this run and 1 entry of a third party, as read back"},
		"denied by others alone": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, read, func(f *Input) { f.Own, f.Foreign = 0, 1 }),
			"network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 1 entry of a third party, and none by a rule of this run"},
		"a host fails": {v1alpha1.ConditionEndpointsDiscovered, facing(run.Active, started, func(f *Input) {
			f.Failing, f.Resolver = []string{"ecs-t.example (AAAA: the DNS server fails)"}, "DNS server 10.0.0.2:53"
		}), "3 addresses of 2 hosts; lookups with DNS server 10.0.0.2:53 fail for ecs-t.example (AAAA: the DNS server fails)"},
		"ECS was not asked for hosts": {v1alpha1.ConditionEndpointsDiscovered, facing(run.Active, started, func(f *Input) { f.Unasked = []string{one} }),
			"3 addresses of 2 hosts; ECS was not asked in the last 10 minutes which hosts 1 agent connects to: 3f1b"},
		"something is suspected": {v1alpha1.ConditionSucceeded, facing(run.Active, started, lets("192.0.2.3/32"), func(f *Input) {
			f.Suspected = []string{"rule 82 (192.0.2.3/32) was removed (a read after 2026-01-02T03:10:00Z confirms or clears this)"}
		}), "network ACL " + runtest.ACL + " does not deny 192.0.2.3/32, as last read; suspected: rule 82 (192.0.2.3/32) was removed (a read after 2026-01-02T03:10:00Z confirms or clears this)"},
		"one connected again": {v1alpha1.ConditionAgentsDisconnected, facing(run.Expired, started, agents(false, false), agents(true, false), restored),
			"1 agent is connected again; 1 agent is disconnected: 7c9e"},
		"one stayed connected, one is connected again": {v1alpha1.ConditionAgentsDisconnected, facing(run.Expired, started, agents(true, false), restored, backAgain, completed(12)),
			"1 agent is connected again; 1 agent is connected and was never seen disconnected"},
		"still looking": {v1alpha1.ConditionEndpointsDiscovered, facing(run.Active, started, read, stillGrowing),
			"3 addresses of 2 hosts; lookups go on, more may be found for ecs-t.example"},
		"settled": {v1alpha1.ConditionEndpointsDiscovered, facing(run.Active, started, read),
			"3 addresses of 2 hosts; lookups found no other address for 5 minutes"},
		"restoring": {v1alpha1.ConditionSucceeded, facing(run.Expired, started),
			"3 rules still to be removed from network ACL " + runtest.ACL},
		"restoring, by its rules": {
			v1alpha1.ConditionRulesInstalled, facing(run.Expired, started), "3 rules still to be removed from network ACL " + runtest.ACL,
		},
		"restoring in trouble": {v1alpha1.ConditionSucceeded, facing(run.Aborted, started, aborted(v1alpha1.AbortSubnetLeft), stopped(aPerson)),
			"SubnetLeftNetworkACL: this was seen; 3 rules still to be removed from network ACL " + runtest.ACL + "; grant it"},
		"long before its time": {v1alpha1.ConditionSucceeded, facing(run.Waiting, asked(func(spec *v1alpha1.AgentDisconnectSpec) { spec.StartAfter = at(300) })),
			"the run begins at 2026-01-02T08:04:05Z at the earliest; discovery begins 10 minutes before"},
		"suspended before it began": {v1alpha1.ConditionSucceeded, facing(run.Suspended, asked(suspend)),
			"spec.suspend is true: the run has not begun, and holds no network ACL; if it has not begun by 2026-01-02T03:04:05Z, it does not start"},
		"suspended, its rules being lifted": {v1alpha1.ConditionSucceeded, facing(run.Suspended, asked(suspend), started, stopped(theWeight)),
			"spec.suspend is true: the rules are being lifted from network ACL " + runtest.ACL + "; AWS limits the rate"},
		"suspended": {v1alpha1.ConditionSucceeded, facing(run.Suspended, asked(suspend), started, withoutRules),
			"spec.suspend is true: the rules are lifted; the run still ends at 2026-01-02T03:14:05Z"},
		"suspended, by its rules": {v1alpha1.ConditionRulesInstalled, facing(run.Suspended, asked(suspend), started, withoutRules),
			"the rules are lifted while spec.suspend is true"},
		"suspended, by its agents": {v1alpha1.ConditionAgentsDisconnected, facing(run.Suspended, asked(suspend), started, withoutRules, agents(true, false)),
			"1 agent is connected while the rules are lifted"},
		"never begun": {v1alpha1.ConditionSucceeded, facing(run.Missed, neverBegun), "the run had not begun"},
		"planning":    {v1alpha1.ConditionSucceeded, facing(run.Planning, stopped(theWeight)), "determining what a run would do; AWS limits the rate"},
		"planned": {v1alpha1.ConditionSucceeded, facing(run.Planning, looked()),
			"a run would start: 6 rules on network ACL " + runtest.ACL + " (InPlace) for 2 connected agents"},
		"planned, and a run would be refused": {v1alpha1.ConditionSucceeded, facing(run.Planning, looked(v1alpha1.Refusal{Reason: v1alpha1.ReasonNoConsent, Message: "no tag"})),
			"a run would not start (NoConsent). NoConsent: no tag. It would create 6 rules on network ACL " + runtest.ACL + " (InPlace) for 2 connected agents"},
		"cloning, without an answer": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, cloning(v1alpha1.CloneCreating)),
			"clone (not known yet) of network ACL " + runtest.Original + " does not serve the subnet yet"},
		"cloning": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, cloning(v1alpha1.CloneReady), read),
			"clone " + runtest.ACL + " of network ACL " + runtest.Original + " does not serve the subnet yet"},
		"blocking by a clone": {v1alpha1.ConditionSucceeded, facing(run.Active, started, cloning(v1alpha1.CloneServing), read),
			"network ACL " + runtest.ACL + " (a clone of " + runtest.Original + ", which other subnets share) denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow},
		"restoring a clone": {v1alpha1.ConditionSucceeded, facing(run.Expired, started, cloning(v1alpha1.CloneServing)),
			"clone " + runtest.ACL + " of network ACL " + runtest.Original + " is still to be removed"},
		"over, its clone adopted": {v1alpha1.ConditionSucceeded,
			facing(run.Aborted, started, cloning(v1alpha1.CloneAdopted), aborted(v1alpha1.AbortOriginalDeleted), restored, backAgain, completed(12)),
			"this was seen; the rules are gone and the agents are connected; the original " + runtest.Original + " was deleted, so clone " + runtest.ACL + " stays as the subnet's network ACL"},
		"changed while on": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, func(f *Input) {
			f.Object.Status.StartedWith = run.StartedWith(&f.Object.Spec)
			f.Object.Spec.Mode, f.Object.Spec.RunID, f.Object.Spec.OnDrift = v1alpha1.ModePlan, "two", v1alpha1.OnDriftAbort
		}), "network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow + "; changed after the start and without effect on this run: mode, onDrift, runID"},
		"recovering": {v1alpha1.ConditionSucceeded, facing(run.Expired, started, agents(false, true), restored),
			"the rules are gone; waiting for 1 agent to be connected again"},
		"recovering, nearly": {v1alpha1.ConditionSucceeded, facing(run.Expired, started, restored),
			"the rules are gone; waiting for a second poll of the agents"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(tc.facts, tc.condition)).To(Equal(tc.want))
		})
	}
}

func TestAFinishedRunKeepsItsConditionsAndFollowsTheGeneration(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Expired, started, agents(false, false), restored, backAgain, completed(12))
	Set(f)
	was := slices.Clone(f.Object.Status.Conditions)
	f.Object.Generation, f.Phase, f.Now = 9, run.Finished, f.Now.Add(time.Hour)
	f.Problem = aPerson
	Set(f)
	g.Expect(f.Object.Status.ObservedGeneration).To(BeEquivalentTo(9))
	for i := range was {
		was[i].ObservedGeneration = 9
	}
	g.Expect(f.Object.Status.Conditions).To(Equal(was))
}

func TestTheTimeOfATransitionStaysAsLongAsTheStatus(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, started, read)
	f.Now = f.Now.Add(123 * time.Millisecond)
	Set(f)
	first := meta.FindStatusCondition(f.Object.Status.Conditions, v1alpha1.ConditionRulesInstalled).LastTransitionTime
	g.Expect(first.Time).To(BeTemporally("==", f.Now.Truncate(time.Second)))
	f.Now = f.Now.Add(59 * time.Second)
	Set(f)
	g.Expect(meta.FindStatusCondition(f.Object.Status.Conditions, v1alpha1.ConditionRulesInstalled).LastTransitionTime).To(Equal(first))
}

// drawFacts draws a pass over an object that may be in any state, those that people's edits make
// included.
func drawFacts(t *rapid.T) Input {
	obj := runtest.DrawObject(t)
	obj.Generation = 3
	f := Input{Object: obj, Now: runtest.Start.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "minute")) * time.Minute)}
	f.Phase, _ = run.PhaseAt(obj, f.Now)
	if rapid.Bool().Draw(t, "known") {
		rapid.SampledFrom([]happened{discovered, named}).Draw(t, "endpoints")(&f)
	}
	if rapid.Bool().Draw(t, "counted") {
		obj.Status.Agents = &v1alpha1.Agents{}
		for i := range rapid.IntRange(0, 6).Draw(t, "agents") {
			instance := v1alpha1.ContainerInstance{ARN: strings.Repeat("x", 400) + fmt.Sprint(i)}
			maybe := func(name string) *bool {
				return rapid.SampledFrom([]*bool{nil, new(true), new(false)}).Draw(t, name)
			}
			instance.Connected, instance.Gone = maybe("connected"), maybe("gone")
			if rapid.Bool().Draw(t, "was disconnected") {
				instance.DisconnectedTime = at(3)
			}
			obj.Status.Agents.ContainerInstances = append(obj.Status.Agents.ContainerInstances, instance)
		}
		run.CountAgents(obj.Status.Agents)
	}
	f.Problem = rapid.SampledFrom([]*problem.Problem{nil, aPerson, theWeight, problem.Refuse(v1alpha1.ReasonHostNotResolved, "%s", strings.Repeat("y", 400))}).Draw(t, "trouble")
	drawLook := func(name string) run.Look {
		return run.LookedAt(rapid.SampledFrom([]time.Time{{}, f.Now, f.Now.Add(-time.Minute)}).Draw(t, name), 0)
	}
	f.ACLSeen, f.AgentsSeen, f.HostsSeen, f.EndpointsSeen = drawLook("ACL read"), drawLook("polled"), drawLook("looked up"), drawLook("VPC endpoints")
	f.Open = rapid.SliceOfN(rapid.Just("192.0.2.1/32"), 0, 5).Draw(t, "open")
	f.Unsettled = rapid.SliceOfN(rapid.Just(strings.Repeat("z", 253)), 0, 5).Draw(t, "unsettled")
	f.PathMismatch = rapid.SampledFrom([]string{"", strings.Repeat("m", 400)}).Draw(t, "mismatch")
	f.Own, f.Foreign = rapid.IntRange(0, 2).Draw(t, "own"), rapid.IntRange(0, 2).Draw(t, "foreign")
	f.Elsewhere = rapid.SampledFrom([]string{"", strings.Repeat("e", 200)}).Draw(t, "elsewhere")
	f.Suspected = rapid.SliceOfN(rapid.Just(strings.Repeat("s", 200)), 0, 5).Draw(t, "suspected")
	f.Failing = rapid.SliceOfN(rapid.Just(strings.Repeat("f", 300)), 0, 5).Draw(t, "failing")
	f.Unasked = rapid.SliceOfN(rapid.Just(strings.Repeat("x", 400)), 0, 5).Draw(t, "unasked")
	if rapid.Bool().Draw(t, "in force") {
		f.EnforcedSince = runtest.Start
	}
	f.PrivateInSubnet = rapid.SliceOfN(rapid.Just("eni-1 of vpce-1"), 0, 5).Draw(t, "private at home")
	return f
}

var reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func TestConditionsAreWholeAndBoundedWhateverTheFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		if f.Phase == run.Finished && f.Object.Status.Plan == nil {
			t.Skip("nothing is computed")
		}
		Set(f)
		conditions := f.Object.Status.Conditions
		for _, always := range []string{
			v1alpha1.ConditionSucceeded, v1alpha1.ConditionEndpointsDiscovered, v1alpha1.ConditionRulesInstalled, v1alpha1.ConditionAgentsDisconnected,
		} {
			g.Expect(meta.FindStatusCondition(conditions, always)).NotTo(BeNil(), always)
		}
		for _, c := range conditions {
			g.Expect(c.Reason).To(MatchRegexp(reasonPattern.String()), c.Type)
			g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
			g.Expect(len(c.Message)).To(BeNumerically("<", 4096), c.Type)
			g.Expect(c.Message).NotTo(ContainSubstring("%!"), c.Type)
			g.Expect(c.ObservedGeneration).To(BeEquivalentTo(3), c.Type)
			g.Expect(c.LastTransitionTime.Nanosecond()).To(BeZero(), c.Type)
		}
		succeeded := meta.FindStatusCondition(conditions, v1alpha1.ConditionSucceeded)
		reconciling := meta.FindStatusCondition(conditions, v1alpha1.ConditionReconciling)
		stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
		g.Expect(reconciling != nil && stalled != nil).To(BeFalse(), "in progress and failed at once")
		for _, c := range []*metav1.Condition{reconciling, stalled} {
			g.Expect(c == nil || c.Status == metav1.ConditionTrue).To(BeTrue(), "there only while true")
		}
		if succeeded.Status == metav1.ConditionFalse {
			g.Expect(stalled).NotTo(BeNil(), "a failed run is stalled")
		}
		if succeeded.Status == metav1.ConditionTrue {
			g.Expect(stalled).To(BeNil())
		}
		switch {
		case f.Phase == run.Planning:
			expected := metav1.ConditionUnknown
			switch succeeded.Reason {
			case v1alpha1.StatePlanned:
				expected = metav1.ConditionTrue
			case v1alpha1.StatePlanRefused:
				expected = metav1.ConditionFalse
			}
			g.Expect(succeeded.Status).To(Equal(expected), "a plan says nothing of a run")
		case succeeded.Status != metav1.ConditionUnknown:
			g.Expect(f.Object.Status.CompletionTime).NotTo(BeNil(), "terminal only when it is over")
			g.Expect(run.IsRestored(&f.Object.Status)).To(BeTrue(), "terminal only when nothing is left")
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionRulesInstalled) {
			g.Expect(f.Phase).To(Equal(run.Active), "only while the run is on")
			g.Expect(f.ACLSeen.Fresh(f.Now) && f.Own > 0 && f.Elsewhere == "" && len(f.Open) == 0).To(BeTrue(), "only what was read back")
			acl := f.Object.Status.NetworkACL
			g.Expect(acl == nil || acl.Mode == v1alpha1.NetworkACLModeInPlace || acl.State == v1alpha1.CloneServing).To(BeTrue(), "only where it acts on the subnet")
		}
		if succeeded.Status != metav1.ConditionUnknown {
			g.Expect(meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAgentsDisconnected)).To(BeFalse(), "nothing is disconnected by a run that is over")
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAgentsDisconnected) {
			g.Expect(f.AgentsSeen.Fresh(f.Now)).To(BeTrue(), "ECS was not asked lately")
			g.Expect(f.Phase != run.Active || f.ACLSeen.Fresh(f.Now) && !f.EnforcedSince.IsZero()).To(BeTrue(), "only by rules of the run")
		}
		if succeeded.Reason == v1alpha1.StateSuspended && f.Object.Status.StartTime != nil {
			g.Expect(run.IsLifted(&f.Object.Status)).To(BeTrue(), "suspended only when the rules are lifted")
		}
	})
}

func TestConditionsDependOnTheFactsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		other := f
		other.Object = f.Object.DeepCopy()
		if agents := other.Object.Status.Agents; agents != nil {
			random := rand.New(rand.NewPCG(1, uint64(rapid.IntRange(0, 1000).Draw(t, "order"))))
			random.Shuffle(len(agents.ContainerInstances), func(i, j int) {
				c := agents.ContainerInstances
				c[i], c[j] = c[j], c[i]
			})
		}
		Set(f)
		Set(other)
		g.Expect(other.Object.Status.Conditions).To(Equal(f.Object.Status.Conditions), "whatever the order of the agents")
		again := slices.Clone(f.Object.Status.Conditions)
		Set(f)
		g.Expect(f.Object.Status.Conditions).To(Equal(again), "a second time")
	})
}
