// SPDX-License-Identifier: Apache-2.0

package conditions

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
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
		"nothing is left to deny": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, read, exempting("192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")),
			"status.endpoints has no address left to deny; not denied: 192.0.2.1/32 (192.0.2.1/32 is of the STS API) and 2 more, see status.exemptions"},
		"one is left to deny": {v1alpha1.ConditionRulesInstalled, facing(run.Active, started, read, exempting("192.0.2.2/32", "192.0.2.3/32"), func(f *Input) { f.Own = 1 }),
			"network ACL " + runtest.ACL + " denies 1 address of 2 hosts by 1 rule of this run, as read back; not denied: 192.0.2.2/32 (192.0.2.2/32 is of the STS API) and 1 more, see status.exemptions"},
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
		"all stayed connected": {v1alpha1.ConditionAgentsDisconnected, facing(run.Expired, started, agents(true, true), restored, backAgain, completed(12)),
			"2 agents are connected and were never seen disconnected"},
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
		"one field changed while on": {v1alpha1.ConditionSucceeded, facing(run.Active, started, read, func(f *Input) {
			f.Object.Status.StartedWith = run.StartedWith(&f.Object.Spec)
			f.Object.Spec.OnDrift = v1alpha1.OnDriftAbort
		}), "network ACL " + runtest.ACL + " denies 3 addresses of 2 hosts by 3 rules of this run, as read back" + theWindow + "; changed after the start and without effect on this run: onDrift"},
		"one asked once": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, unknownAgents, agents(false)),
			"ECS has not reported the same state of 1 agent on two polls in a row: 7c9e"},
		"one asked once, one connected": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, read, unknownAgents, agents(true), func(f *Input) { f.Now = f.Now.Add(-time.Second) }),
			"1 agent is still connected: 3f1b. Agents notice a dropped path after 1 to 4 minutes"},
		"all left the cluster": {v1alpha1.ConditionAgentsDisconnected, facing(run.Expired, started, allGone, restored, completed(12)),
			"no tracked container instance is left in the cluster"},
		"one not seen at the end": {v1alpha1.ConditionAgentsDisconnected, facing(run.Expired, started, agents(false, false), unknownAgents, agents(true), restored, completed(21)),
			"it is not known whether 1 agent is connected again: 7c9e"},
		"of TCS alone": {v1alpha1.ConditionAgentsDisconnected, facing(run.Active, started, telemetryAlone, read), TelemetryNote},
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

func TestAPlanInBetweenIsGoneWithTheFirstPassOfTheRunThatIsOver(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Finished, started, agents(false, false), restored, backAgain, completed(12), looked())
	Set(f)
	g.Expect(f.Object.Status.Plan).To(BeNil())
}

func TestReconcilingAndStalledAreThereOnlyWhileTheyAreTrue(t *testing.T) {
	g := NewWithT(t)
	f := facing(run.Active, started, lets("192.0.2.3/32"))
	Set(f)
	g.Expect(brief(f.Object, v1alpha1.ConditionReconciling)).To(Equal("True/Installing"))
	f.Problem = aPerson
	Set(f)
	g.Expect(brief(f.Object, v1alpha1.ConditionReconciling)).To(BeEmpty())
	g.Expect(brief(f.Object, v1alpha1.ConditionStalled)).To(Equal("True/AccessDenied"))
	f.Problem, f.Open = nil, nil
	read(&f)
	Set(f)
	g.Expect(brief(f.Object, v1alpha1.ConditionStalled)).To(BeEmpty())
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

func TestWhatOfARunIsLeftToUndo(t *testing.T) {
	released := func(rules ...int) happened {
		return func(f *Input) {
			for _, i := range rules {
				f.Object.Status.Rules[i].State = v1alpha1.RuleReleased
			}
		}
	}
	lastRule := func(f *Input) { f.Object.Status.Rules = f.Object.Status.Rules[:1] }
	armed := func(f *Input) {
		f.Object.Status.NetworkACL.DeadManSwitch = &v1alpha1.DeadManSwitch{ScheduleGroup: "agentdisconnect", RuleNumbers: []int32{80}}
	}
	const schedules = "the rules are gone; the schedules of the dead man's switch are still to be deleted from group agentdisconnect"
	const tags = "the rules are gone; the tags that name them are still to be removed from network ACL " + runtest.ACL
	for name, tc := range map[string]struct {
		happened []happened
		want     string
	}{
		"rules":                                {nil, "3 rules still to be removed from network ACL " + runtest.ACL},
		"a rule":                               {[]happened{lastRule}, "1 rule still to be removed from network ACL " + runtest.ACL},
		"rules beside those that are gone":     {[]happened{released(0)}, "2 rules still to be removed from network ACL " + runtest.ACL},
		"a rule beside those that are gone":    {[]happened{released(0, 2)}, "1 rule still to be removed from network ACL " + runtest.ACL},
		"tags of several rules":                {[]happened{released(0, 1, 2)}, tags},
		"tags of one rule":                     {[]happened{lastRule, released(0)}, tags},
		"nothing but a look that shows it":     {[]happened{withoutRules}, "0 rules still to be removed from network ACL " + runtest.ACL},
		"schedules":                            {[]happened{withoutRules, armed}, schedules},
		"schedules and a rule, which is first": {[]happened{lastRule, armed}, "1 rule still to be removed from network ACL " + runtest.ACL},
		"a clone":                              {[]happened{cloning(v1alpha1.CloneServing), withoutRules}, "clone " + runtest.ACL + " of network ACL " + runtest.Original + " is still to be removed"},
		"a clone and schedules":                {[]happened{cloning(v1alpha1.CloneServing), withoutRules, armed}, "clone " + runtest.ACL + " of network ACL " + runtest.Original + " is still to be removed"},
		"rules of a network ACL that is lost":  {[]happened{func(f *Input) { f.Object.Status.NetworkACL = nil }}, "3 rules still to be removed from network ACL (missing in status.networkACL)"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			f := facing(run.Expired, append([]happened{started}, tc.happened...)...)
			g.Expect(messageOf(f, v1alpha1.ConditionSucceeded)).To(Equal(tc.want))
			g.Expect(messageOf(f, v1alpha1.ConditionRulesInstalled)).To(Equal(tc.want))
		})
	}
}

func TestWhatTheNetworkACLDenies(t *testing.T) {
	const all, own = " denies 3 addresses of 2 hosts", " by 3 rules of this run, as read back"
	hits := func(subnets ...string) happened { return func(f *Input) { f.SubnetsHit = subnets } }
	asRequested := func(f *Input) { f.Object.Status.NetworkACL.ModeReason = v1alpha1.NetworkACLModeRequested }
	onlyAddress := func(f *Input) {
		f.Object.Status.Endpoints = []v1alpha1.Endpoint{{Hostname: "ecs-a.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1"}}}
	}
	edited := func(f *Input) { f.Object.Status.Endpoints[0].Addresses[0] = "no address" }
	for name, tc := range map[string]struct {
		happened []happened
		want     string
	}{
		"the subnet's own":            {[]happened{hits("s")}, all + own},
		"shared by two subnets":       {[]happened{hits("s", "z")}, " (in place: the rules act on all its 2 subnets, s, z)" + all + own},
		"shared by five subnets":      {[]happened{hits("s", "t", "u", "v", "z")}, " (in place: the rules act on all its 5 subnets, s, t, u and 2 more)" + all + own},
		"a clone that shares by hand": {[]happened{cloning(v1alpha1.CloneServing), hits("s", "z")}, " (a clone of " + runtest.Original + ", which other subnets share)" + all + own},
		"a clone as requested":        {[]happened{cloning(v1alpha1.CloneServing), asRequested}, " (a clone of " + runtest.Original + ", as requested)" + all + own},
		"one rule of the run":         {[]happened{func(f *Input) { f.Own, f.Foreign = 1, 2 }}, all + " by 1 rule of this run and 2 entries of a third party, as read back"},
		"a single address":            {[]happened{onlyAddress}, " denies 1 address of 1 host" + own},
		"all but one":                 {[]happened{exempting("192.0.2.3/32")}, " denies 2 addresses of 2 hosts" + own + "; not denied: 192.0.2.3/32 (192.0.2.3/32 is of the STS API)"},
		"all but two": {[]happened{exempting("192.0.2.3/32", "192.0.2.1/32")},
			" denies 1 address of 2 hosts" + own + "; not denied: 192.0.2.3/32 (192.0.2.3/32 is of the STS API) and 1 more, see status.exemptions"},
		"all but one, and one that isn't any": {[]happened{edited, exempting("192.0.2.3/32")},
			" denies 2 addresses of 2 hosts" + own + "; not denied: 192.0.2.3/32 (192.0.2.3/32 is of the STS API)"},
	} {
		t.Run(name, func(t *testing.T) {
			f := facing(run.Active, append([]happened{started, read}, tc.happened...)...)
			NewWithT(t).Expect(messageOf(f, v1alpha1.ConditionRulesInstalled)).To(Equal("network ACL " + runtest.ACL + tc.want))
		})
	}
}
