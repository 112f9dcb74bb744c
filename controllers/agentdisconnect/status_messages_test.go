// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

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
)

func messageOf(f facts, conditionType string) string {
	setConditions(f)
	c := meta.FindStatusCondition(f.obj.Status.Conditions, conditionType)
	if c == nil {
		return ""
	}
	return c.Message
}

func TestTheVerdictSaysWhatWasSeen(t *testing.T) {
	over := func(all ...happened) facts {
		return facing(ModeExpired, append([]happened{started}, all...)...)
	}
	for name, tc := range map[string]struct {
		facts facts
		want  string
	}{
		"all went well": {
			over(agents(false, false), restored, backAgain, completed(12)),
			"all agents were seen disconnected; the rules are gone and the agents are back",
		},
		"one stayed": {
			over(agents(true, false), restored, backAgain, completed(12)),
			"1 agent was never seen disconnected: 3f1b; the rules are gone and the agents are back",
		},
		"all stayed": {
			over(restored, backAgain, completed(12)),
			"2 agents were never seen disconnected: 3f1b, 7c9e; the rules are gone and the agents are back",
		},
		"one stayed and left later": {
			over(agents(true, false), func(f *facts) {
				f.obj.Status.Agents.ContainerInstances[0].Gone = new(true)
				count(f.obj.Status.Agents)
			},
				restored, backAgain, completed(12)),
			"all agents were seen disconnected; the rules are gone and the agents are back",
		},
		"one did not come back in time": {
			over(agents(false, false), restored, agents(true), completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again within 10 minutes: 7c9e",
		},
		"nobody could look whether they came back": {
			over(agents(false, false), restored, completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again within 10 minutes: 3f1b, 7c9e",
		},
		"they seemed to be back, on a single look": {
			over(agents(false, false), restored, agents(true, true), completed(21)),
			"all agents were seen disconnected; the rules are gone, but not every agent was seen connected again within 10 minutes",
		},
		"one stayed, another did not come back": {
			over(agents(true, false), restored, completed(21)),
			"1 agent was never seen disconnected: 3f1b; the rules are gone, but not every agent was seen connected again within 10 minutes: 7c9e",
		},
		"aborted": {
			over(agents(false, false), aborted(v1alpha1.AbortSubnetLeft), restored, backAgain, completed(12)),
			"this was seen; the rules are gone and the agents are back",
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
		facts     facts
		want      string
	}{
		"installing": {v1alpha1.ConditionRulesInstalled, facing(ModeActive, started, lets("192.0.2.3/32")),
			"network ACL " + testACL + " does not deny 192.0.2.3/32 yet"},
		"many to install": {v1alpha1.ConditionRulesInstalled, facing(ModeActive, started, lets("1.0.0.0/32", "2.0.0.0/32", "3.0.0.0/32", "4.0.0.0/32", "5.0.0.0/32")),
			"network ACL " + testACL + " does not deny 1.0.0.0/32, 2.0.0.0/32, 3.0.0.0/32 and 2 more yet"},
		"blocking": {v1alpha1.ConditionSucceeded, facing(ModeActive, started, read),
			"network ACL " + testACL + " denies 3 addresses of 2 hosts: read back"},
		"blocking in trouble": {v1alpha1.ConditionSucceeded, facing(ModeActive, started, read, stopped(aPerson)),
			"network ACL " + testACL + " denies 3 addresses of 2 hosts: read back; grant it"},
		"a short run": {v1alpha1.ConditionSucceeded, facing(ModeActive, started, read, func(f *facts) { f.obj.Spec.Duration.Duration = 5*time.Minute - time.Second }),
			"network ACL " + testACL + " denies 3 addresses of 2 hosts: read back; a run of less than 5 minutes proves little, since agents take 1 to 4 minutes to notice"},
		"a run of five minutes": {v1alpha1.ConditionSucceeded, facing(ModeActive, started, read, func(f *facts) { f.obj.Spec.Duration.Duration = 5 * time.Minute }),
			"network ACL " + testACL + " denies 3 addresses of 2 hosts: read back"},
		"one connected": {v1alpha1.ConditionAgentsDisconnected, facing(ModeActive, started, read, agents(true, false)),
			"1 agent is still connected: 3f1b. Agents notice a dropped path after 1 to 4 minutes; if it takes longer, an address was missed, they use a PrivateLink interface in the subnet itself, or a proxy"},
		"all disconnected": {v1alpha1.ConditionAgentsDisconnected, facing(ModeActive, started, read, agents(false, false)),
			"ECS says on two polls in a row that 2 agents are disconnected"},
		"still looking": {v1alpha1.ConditionEndpointsDiscovered, facing(ModeActive, started, read, stillGrowing),
			"3 addresses of 2 hosts; lookups go on, more may be found for ecs-t.example"},
		"settled": {v1alpha1.ConditionEndpointsDiscovered, facing(ModeActive, started, read),
			"3 addresses of 2 hosts; lookups found no other for 5 minutes"},
		"restoring": {v1alpha1.ConditionSucceeded, facing(ModeExpired, started),
			"3 rules left to remove from network ACL " + testACL},
		"restoring, by its rules": {
			v1alpha1.ConditionRulesInstalled, facing(ModeExpired, started), "3 rules left to remove",
		},
		"restoring in trouble": {v1alpha1.ConditionSucceeded, facing(ModeAborted, started, aborted(v1alpha1.AbortSubnetLeft), stopped(aPerson)),
			"SubnetLeftNetworkACL: this was seen; 3 rules left to remove from network ACL " + testACL + "; grant it"},
		"recovering": {v1alpha1.ConditionSucceeded, facing(ModeExpired, started, agents(false, true), restored),
			"the rules are gone; waiting for 1 agent to be connected again"},
		"recovering, nearly": {v1alpha1.ConditionSucceeded, facing(ModeExpired, started, restored),
			"the rules are gone; waiting for a second look at the agents"},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(messageOf(tc.facts, tc.condition)).To(Equal(tc.want))
		})
	}
}

func TestAFinishedRunKeepsItsConditionsAndFollowsTheGeneration(t *testing.T) {
	g := NewWithT(t)
	f := facing(ModeExpired, started, agents(false, false), restored, backAgain, completed(12))
	setConditions(f)
	was := slices.Clone(f.obj.Status.Conditions)
	f.obj.Generation, f.mode, f.now = 9, ModeFinished, f.now.Add(time.Hour)
	f.trouble = aPerson
	setConditions(f)
	g.Expect(f.obj.Status.ObservedGeneration).To(BeEquivalentTo(9))
	for i := range was {
		was[i].ObservedGeneration = 9
	}
	g.Expect(f.obj.Status.Conditions).To(Equal(was))
}

func TestTheTimeOfATransitionStaysAsLongAsTheStatus(t *testing.T) {
	g := NewWithT(t)
	f := facing(ModeActive, started, read)
	f.now = f.now.Add(123 * time.Millisecond)
	setConditions(f)
	first := meta.FindStatusCondition(f.obj.Status.Conditions, v1alpha1.ConditionRulesInstalled).LastTransitionTime
	g.Expect(first.Time).To(BeTemporally("==", f.now.Truncate(time.Second)))
	f.now = f.now.Add(time.Minute)
	setConditions(f)
	g.Expect(meta.FindStatusCondition(f.obj.Status.Conditions, v1alpha1.ConditionRulesInstalled).LastTransitionTime).To(Equal(first))
}

// drawFacts draws a pass over an object that may be in any state, those that people's edits make included.
func drawFacts(t *rapid.T) facts {
	obj := drawObject(t)
	obj.Generation = 3
	f := facts{obj: obj, now: testStart.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "minute")) * time.Minute)}
	f.mode, _ = ModeAt(obj, f.now)
	if rapid.Bool().Draw(t, "known") {
		rapid.SampledFrom([]happened{discovered, named}).Draw(t, "endpoints")(&f)
	}
	if rapid.Bool().Draw(t, "on an ACL") {
		obj.Status.NetworkACL = &v1alpha1.NetworkACL{ID: testACL, Mode: v1alpha1.NetworkACLModeInPlace}
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
		count(obj.Status.Agents)
	}
	f.trouble = rapid.SampledFrom([]*problem{nil, aPerson, theWeight, refuse(v1alpha1.ReasonHostNotResolved, "%s", strings.Repeat("y", 400))}).Draw(t, "trouble")
	f.aclRead = rapid.Bool().Draw(t, "ACL read")
	f.open = rapid.SliceOfN(rapid.Just("192.0.2.1/32"), 0, 5).Draw(t, "open")
	f.unsettled = rapid.SliceOfN(rapid.Just(strings.Repeat("z", 253)), 0, 5).Draw(t, "unsettled")
	return f
}

var reasonPattern = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func TestConditionsAreWholeAndBoundedWhateverTheFacts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		if f.mode == ModeFinished {
			t.Skip("nothing is computed")
		}
		setConditions(f)
		conditions := f.obj.Status.Conditions
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
		if succeeded.Status != metav1.ConditionUnknown {
			g.Expect(f.obj.Status.CompletionTime).NotTo(BeNil(), "terminal only when it is over")
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionRulesInstalled) {
			g.Expect(f.aclRead && len(f.open) == 0).To(BeTrue(), "only what was read back")
		}
	})
}

func TestConditionsDependOnTheFactsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		f := drawFacts(t)
		other := f
		other.obj = f.obj.DeepCopy()
		if agents := other.obj.Status.Agents; agents != nil {
			random := rand.New(rand.NewPCG(1, uint64(rapid.IntRange(0, 1000).Draw(t, "order"))))
			random.Shuffle(len(agents.ContainerInstances), func(i, j int) {
				c := agents.ContainerInstances
				c[i], c[j] = c[j], c[i]
			})
		}
		setConditions(f)
		setConditions(other)
		g.Expect(other.obj.Status.Conditions).To(Equal(f.obj.Status.Conditions), "whatever the order of the agents")
		again := slices.Clone(f.obj.Status.Conditions)
		setConditions(f)
		g.Expect(f.obj.Status.Conditions).To(Equal(again), "a second time")
	})
}
