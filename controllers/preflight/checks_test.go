// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// fault is a fact that stands against a run: alone it gives one problem.
type fault struct {
	name   string
	change change
	reason string
	// passes says that the problem goes away by itself; says are parts of the message, the object
	// and the fix.
	passes bool
	says   []string
	// mode is the only one in which the fault can be; empty: any.
	mode v1alpha1.NetworkACLMode
	// widens says that the denies would act on more subnets, which messages about those name.
	widens bool
}

// findingsWith are those that faults alone stand against.
func findingsWith(faults ...fault) *Findings {
	var changes []change
	for _, each := range faults {
		changes = append(changes, each.change)
		if each.mode != "" {
			changes = append(changes, in(each.mode))
		}
	}
	return findings(changes...)
}

// faults are those of the target, by the check that they are for: of each list at most one can be
// the case, or is said, at a time.
var faults = [][]fault{
	{{name: "too long", change: func(f *Findings) { f.spec().Duration.Duration = 2 * time.Hour }, reason: v1alpha1.ReasonDurationTooLong, says: []string{"2h0m0s", "1h0m0s", "--max-duration", "shorten"}}},
	{{name: "a shared subnet of another account", change: func(f *Findings) { f.subnet.OwnerID = foreigns }, reason: v1alpha1.ReasonWrongAccount, says: []string{own, account, foreigns, "run a manager with a role"}}},
	{
		{name: "no consent", change: func(f *Findings) { f.subnet.Tags = nil }, reason: v1alpha1.ReasonNoConsent, says: []string{own, consent, "the value true"}},
		{name: "consent to another namespace", change: func(f *Findings) { f.subnet.Tags = map[string]string{consent: "teams tea"} }, reason: v1alpha1.ReasonNoConsent, says: []string{own, consent, `"teams tea"`, "namespace team:"}},
	},
	{{name: "IPv6 alone", change: func(f *Findings) { f.subnet.IPv6Native = true }, reason: v1alpha1.ReasonSubnetNotSupported, says: []string{own, "IPv6-only", "Choose a subnet"}}},
	{{name: "DNS64", change: func(f *Findings) { f.subnet.DNS64 = true }, reason: v1alpha1.ReasonSubnetNotSupported, says: []string{own, "DNS64", "--no-enable-dns64"}}},
	{
		{name: "in place beside a subnet without consent", mode: v1alpha1.NetworkACLModeInPlace, change: sharedACL(nil), widens: true, reason: v1alpha1.ReasonNoConsent, says: []string{"acl-1", other, "all 2 subnets", "set spec.networkACLMode to Clone"}},
		{name: "in place beside a subnet that came just now", mode: v1alpha1.NetworkACLModeInPlace, change: both(sharedACL(nil), func(f *Findings) { f.shared = nil }), widens: true, passes: true, reason: v1alpha1.ReasonAWSUnavailable, says: []string{other, "acl-1", "prepared again"}},
	},
	{
		{name: "no container instance", change: func(f *Findings) { f.instances = []string{} }, reason: v1alpha1.ReasonNoConnectedAgents, says: []string{"cluster prod", own, "Check spec.cluster and spec.subnetID"}},
		{name: "too many container instances", change: func(f *Findings) { f.instances = make([]string, v1alpha1.MaxContainerInstances+1) }, reason: v1alpha1.ReasonTooManyAgents, says: []string{"cluster prod", own, "choose a smaller subnet"}},
	},
	{
		{name: "another cluster", change: func(f *Findings) { f.others.ARNs = []string{"cluster/b"} }, reason: v1alpha1.ReasonOtherClusters, says: []string{"cluster/b has", "spec.otherClusters to Allow"}},
		{name: "more clusters than are looked at", change: func(f *Findings) { f.others.Truncated = true }, reason: v1alpha1.ReasonOtherClusters, says: []string{fmt.Sprint(discovery.MaxClusters), "spec.otherClusters to Allow"}},
	},
	{{name: "an endpoint in the subnet", change: withInterfaceAt(own, discovery.ServiceAgent), reason: v1alpha1.ReasonEndpointInSubnet, says: []string{"vpce-1", "eni-1", own, "--remove-subnet-ids"}}},
	{
		{name: "further endpoints are forbidden", change: func(f *Findings) {
			f.allowAdditional, f.spec().AdditionalEndpoints = false, &v1alpha1.AdditionalEndpoints{CIDRs: []string{"198.51.100.0/24"}}
		}, reason: v1alpha1.ReasonAdditionalEndpointsForbidden, says: []string{"spec.additionalEndpoints", "remove the field"}},
		{name: "a protected address", change: func(f *Findings) {
			f.exempt = []error{problem.Refuse(v1alpha1.ReasonProtectedAddress, "x: leave it out")}
		}, reason: v1alpha1.ReasonProtectedAddress, says: []string{"leave it out"}},
		{name: "protected addresses not known", change: func(f *Findings) {
			f.unprotected = &discovery.UnprotectedError{Hostname: "ecs.example", API: "the ECS API"}
		}, passes: true, reason: v1alpha1.ReasonAWSUnavailable, says: []string{"ecs.example", "--dns-server"}},
	},
	{
		{name: "managed by another service", change: func(f *Findings) { f.acl.Tags["FMManaged"] = "true" }, reason: v1alpha1.ReasonNetworkACLManaged, says: []string{"acl-1", "AWS Firewall Manager", "choose another subnet"}},
		{name: "a clone", change: func(f *Findings) { f.acl.Tags[ownership.TagClone] = "some-uid" }, reason: v1alpha1.ReasonNetworkACLTemporary, says: []string{"acl-1", "some-uid", own}},
		{name: "a run of another Kubernetes cluster", change: claimed(otherUID, "kube-2", now.Add(time.Hour)), passes: true, reason: v1alpha1.ReasonHolder, says: []string{"else/where", "kube-2", "acl-1", "2026-03-04T06:06:07Z"}},
		{name: "an own run that the status lost", change: claimed(uid, "kube-1", now.Add(-time.Hour)), passes: true, reason: v1alpha1.ReasonHolder, says: []string{"acl-1", "kubectl agentdisconnect sweep --uid " + uid}},
		{name: "another cluster's clone for the subnet", change: clonedFor(own), passes: true, reason: v1alpha1.ReasonHolder, says: []string{"else/where", "kube-2", own, "acl-9", "acl-1"}},
		{name: "in place under another cluster's clone", mode: v1alpha1.NetworkACLModeInPlace, change: clonedFor(other), passes: true, reason: v1alpha1.ReasonHolder, says: []string{"acl-9", other}},
		{name: "no room for a clone", mode: v1alpha1.NetworkACLModeClone, change: func(f *Findings) { f.cloneRoom = 0 }, reason: v1alpha1.ReasonQuotaExceeded, says: []string{"vpc-1", "L-B4A6D682", "raise the quota"}},
		{name: "no room for tags", change: withTags(45), reason: v1alpha1.ReasonTagsFull, says: []string{"acl-1", "delete 1 of its tags"}},
	},
}

func both(changes ...change) change {
	return func(f *Findings) {
		for _, alter := range changes {
			alter(f)
		}
	}
}

func withTags(n int) change {
	return func(f *Findings) {
		for i := range n {
			f.acl.Tags[fmt.Sprint("key-", i)] = ""
		}
	}
}

// expectOnly expects one problem, of a fault.
func expectOnly(g Gomega, err error, of fault) {
	g.Expect(err).To(HaveOccurred())
	all := problem.All(err)
	g.Expect(all).To(HaveLen(1), "%v", err)
	g.Expect(all[0].Reason).To(Equal(of.reason))
	g.Expect(all[0].Stalled).To(Equal(!of.passes))
	for _, part := range of.says {
		g.Expect(all[0].Message).To(ContainSubstring(part))
	}
}

func TestTheTargetIsRefusedForOneFault(t *testing.T) {
	for _, list := range faults {
		for _, of := range list {
			t.Run(of.name, func(t *testing.T) {
				g := NewWithT(t)
				f := findingsWith(of)
				err := f.apply(targetChecks)
				expectOnly(g, err, of)
				g.Expect(f.apply(targetChecks)).To(MatchError(err.Error()), "the same findings say the same")
			})
		}
	}
}

func TestAgentsRulesAndTimesAreRefused(t *testing.T) {
	after := func(f *Findings) { f.spec().StartAfter = &metav1.Time{Time: now.Add(time.Minute)} }
	for _, tc := range []struct {
		fault

		check check
	}{
		{fault{name: "a cluster of another account", change: func(f *Findings) { f.spec().Cluster = "arn:aws:ecs:r:" + foreigns + ":cluster/x" }, reason: v1alpha1.ReasonWrongAccount, says: []string{foreigns, account, "Choose a subnet that account"}}, checkClusterAccount},
		{fault{name: "cluster and subnet of another account", change: func(f *Findings) {
			f.spec().Cluster, f.subnet.OwnerID = "arn:aws:ecs:r:"+foreigns+":cluster/x", foreigns
		}, reason: v1alpha1.ReasonWrongAccount, says: []string{"give the manager a role in account " + foreigns}}, checkClusterAccount},
		{fault{name: "no agent is connected", change: polled(map[string]discovery.Agent{arnA: {}, arnB: {}}), reason: v1alpha1.ReasonNoConnectedAgents, says: []string{"2 container instances", "cluster prod", own, "start the agents"}}, checkConnected},
		{fault{name: "those with an agent drain", change: polled(map[string]discovery.Agent{arnA: {Connected: true, Draining: true}, arnB: {}}), reason: v1alpha1.ReasonAgentsDraining, says: []string{"1 of 2", "cluster prod", own, "--status ACTIVE"}}, checkDraining},
		{fault{name: "no network ACL yet", change: func(f *Findings) { f.acl = nil }, passes: true, reason: v1alpha1.ReasonAWSUnavailable, says: []string{own}}, checkNetworkACL},
		{fault{name: "all is denied already", change: denyingAll, reason: v1alpha1.ReasonAlreadyDenied, says: []string{"acl-1", "2 addresses of 1 host", "192.0.2.0/24", "Remove the entries"}}, placed},
		{fault{name: "all is denied already, on a clone", change: denyingAll, mode: v1alpha1.NetworkACLModeClone, reason: v1alpha1.ReasonAlreadyDenied, says: []string{"acl-1"}}, placed},
		{fault{name: "no room for entries", change: func(f *Findings) { f.quota.Value, f.quota.Unread = 2, "denied" }, reason: v1alpha1.ReasonQuotaExceeded, says: []string{"--network-acl-entry-quota"}}, placed},
		{fault{name: "a clone would cut off", change: denyingAll, mode: v1alpha1.NetworkACLModeClone, reason: v1alpha1.ReasonNetworkACLDeniesAgents, says: []string{"acl-1", "Correct its outbound rules"}}, checkOriginal},
		{fault{name: "the original was read once", change: func(f *Findings) { f.original.Observe(f.acl, time.Time{}) }, mode: v1alpha1.NetworkACLModeClone, passes: true, reason: v1alpha1.ReasonNetworkACLUnsettled, says: []string{"acl-1", "two reads"}}, checkOriginal},
		{fault{name: "before its time", change: after, passes: true, reason: v1alpha1.ReasonNotYet, says: []string{"2026-03-04T05:07:07Z", "2 addresses of 1 host"}}, checkStartAfter},
		{fault{name: "after the deadline", change: func(f *Findings) { f.spec().StartDeadline = &metav1.Time{Time: now} }, reason: v1alpha1.AbortStartDeadlineExceeded, says: []string{"2026-03-04T05:06:07Z", "move spec.startDeadline"}}, checkStartDeadline},
	} {
		t.Run(tc.name, func(t *testing.T) { expectOnly(NewWithT(t), tc.check(findingsWith(tc.fault)), tc.fault) })
	}
}

// placed is what stands against the placement.
func placed(f *Findings) error {
	_, err := f.place()
	return err
}

func TestWhatDoesNotStandAgainstARun(t *testing.T) {
	every := slices.Concat(firstChecks, targetChecks, agentChecks, []check{checkOriginal, placed, checkStartAfter, checkStartDeadline})
	for name, alter := range map[string]change{
		"nothing":                                    func(*Findings) {},
		"the longest duration":                       func(f *Findings) { f.spec().Duration.Duration = time.Hour },
		"consent to the namespace by name":           func(f *Findings) { f.subnet.Tags = map[string]string{consent: "a team b"} },
		"no consent is asked for":                    func(f *Findings) { f.subnet.Tags, f.consent.TagKey = nil, "" },
		"a shared network ACL":                       sharedACL(nil),
		"in place beside one that consents":          both(in(v1alpha1.NetworkACLModeInPlace), sharedACL(map[string]string{consent: "team"})),
		"a cluster by ARN":                           func(f *Findings) { f.spec().Cluster = f.cluster.ARN },
		"other clusters that are allowed":            func(f *Findings) { f.others.ARNs, f.spec().OtherClusters = []string{"b"}, v1alpha1.OtherClustersAllow },
		"an endpoint in another subnet":              withInterfaceAt(other, discovery.ServiceAgent),
		"an endpoint of an API":                      withInterfaceAt(own, discovery.ServiceAPI),
		"an endpoint of another session":             both(withInterfaceAt(own, discovery.ServiceAgent), func(f *Findings) { f.spec().Sessions = []v1alpha1.Session{v1alpha1.SessionTCS} }),
		"further endpoints":                          func(f *Findings) { f.spec().AdditionalEndpoints = &v1alpha1.AdditionalEndpoints{} },
		"a network ACL let go by its manager":        func(f *Findings) { f.acl.Tags["FMManaged"] = "false" },
		"a claim that is over":                       claimed(otherUID, "kube-2", now),
		"a claim of another run here":                claimed(otherUID, "kube-1", now.Add(time.Hour)),
		"another cluster's clone for another subnet": clonedFor(other),
		"as many tags as there is room for":          withTags(44),
		"a clone of a network ACL with many tags":    both(in(v1alpha1.NetworkACLModeClone), withTags(50)),
		"room for clones is not known":               both(in(v1alpha1.NetworkACLModeClone), func(f *Findings) { f.cloneRoom, f.cloneRoomKnown = 0, false }),
		"one of two drains":                          polled(map[string]discovery.Agent{arnA: {Connected: true, Draining: true}, arnB: {Connected: true}}),
		"all drain, and TCS alone is denied":         both(polled(map[string]discovery.Agent{arnA: {Connected: true, Draining: true}}), func(f *Findings) { f.spec().Sessions = []v1alpha1.Session{v1alpha1.SessionTCS} }),
		"in place on one that was read once":         func(f *Findings) { f.original.Observe(f.acl, time.Time{}) },
		"after its time":                             func(f *Findings) { f.spec().StartAfter = &metav1.Time{Time: now} },
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(findings(alter).apply(every)).To(Succeed()) })
	}
}

// A fact that is not known stands against nothing: whatever kept it unknown does.
func TestWhatIsNotKnownStandsAgainstNothing(t *testing.T) {
	every := slices.Concat(firstChecks, targetChecks, agentChecks)
	for name, forget := range map[string]change{
		"account":                 func(f *Findings) { f.accountID = "" },
		"cluster":                 func(f *Findings) { f.cluster = discovery.Cluster{} },
		"subnet":                  func(f *Findings) { f.subnet = target.Subnet{} },
		"instances":               func(f *Findings) { f.instances = nil },
		"agents":                  func(f *Findings) { f.polls = discovery.Polls{} },
		"whether there is an ACL": func(f *Findings) { f.acl, f.aclRead = nil, false },
		"subnets hit":             both(in(v1alpha1.NetworkACLModeInPlace), sharedACL(nil), func(f *Findings) { f.shared, f.unshared = nil, errors.New("denied") }),
	} {
		t.Run(name, func(t *testing.T) { NewWithT(t).Expect(findings(forget).apply(every)).To(Succeed()) })
	}
	f := findings()
	NewWithT(t).Expect((&Findings{given: f.given}).apply(every)).To(Succeed(), "nothing is known")
}

// A further fault adds to what is reported, and takes nothing away: a person who mended all that was
// named is not told of something that was there all the time.
func TestAFurtherFaultHidesNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var all []fault
		for _, list := range rapid.Permutation(faults).Draw(t, "order") {
			if possible := together(list, all); len(possible) > 0 {
				all = append(all, rapid.SampledFrom(possible).Draw(t, "fault"))
			}
		}
		last := rapid.IntRange(0, len(all)-1).Draw(t, "last")
		before, more := all[:last], all[last]

		said, after := problems(findingsWith(before...)), problems(findingsWith(all[:last+1]...))
		g.Expect(after).To(HaveLen(len(said)+1), "%s", more.name)
		for _, one := range said {
			same := func(o *problem.Problem) bool {
				return o.Reason == one.Reason && (more.widens || o.Message == one.Message)
			}
			g.Expect(slices.ContainsFunc(after, same)).To(BeTrue(), "%s, after %s", one, more.name)
		}
	})
}

// together are those of the faults that can be together with others.
func together(list, others []fault) []fault {
	return slices.DeleteFunc(slices.Clone(list), func(of fault) bool {
		return slices.ContainsFunc(others, func(o fault) bool { return o.mode != "" && of.mode != "" && o.mode != of.mode })
	})
}

// problems are what the target's checks say of findings.
func problems(f *Findings) []*problem.Problem {
	r := Report{Findings: f}
	r.add(f.apply(targetChecks))
	if r.Err() == nil {
		return nil
	}
	return problem.All(r.Err())
}
