// SPDX-License-Identifier: Apache-2.0

package rig_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

var plane *rig.Plane

func TestMain(m *testing.M) { os.Exit(withPlane(m)) }

func withPlane(m *testing.M) int {
	var err error
	if plane, err = rig.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := plane.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// aloneOnACL is a subnet of the default world that has its network ACL, aloneACL, to itself.
const aloneOnACL, aloneACL = world.DedicatedSubnet, world.DedicatedACL

func spec() v1alpha1.AgentDisconnectSpec {
	return v1alpha1.AgentDisconnectSpec{Cluster: world.DefaultCluster, SubnetID: aloneOnACL, Duration: metav1.Duration{Duration: 3 * time.Minute}}
}

func newWorld(t *testing.T, tap rig.Tap) *rig.World {
	g := NewWithT(t)
	w, err := plane.NewWorld(t.Context(), rig.Options{Tap: tap})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(w.Close(context.Background())).To(Succeed()) })
	return w
}

// blocking is a world with a run whose rules are in place.
func blocking(t *testing.T, tap rig.Tap) *rig.World {
	g := NewWithT(t)
	w := newWorld(t, tap)
	g.Expect(w.Create(t.Context(), "run", spec())).To(Succeed())
	g.Expect(w.Run(t.Context(), 2*time.Minute)).To(Succeed())
	g.Expect(w.Blocked(aloneOnACL)).To(BeTrue())
	return w
}

func wrongOf(t *testing.T, w *rig.World) rig.Wrong {
	wrong, err := w.Wrong(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return wrong
}

func TestARunIsTakenToItsEnd(t *testing.T) {
	g := NewWithT(t)
	w := blocking(t, nil)
	g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
	g.Expect(w.Settled()).To(BeTrue())
	g.Expect(wrongOf(t, w).All()).To(BeEmpty())
	g.Expect(w.RoundTrips()).To(BeNumerically(">", 3))
}

func TestStepsHaveTheSameNamesInEachRun(t *testing.T) {
	g := NewWithT(t)
	names := func() (names []string) {
		w := blocking(t, nil)
		g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
		for _, r := range w.Records() {
			names = append(names, r.Name)
		}
		return names
	}
	g.Expect(names()).To(ConsistOf(names()))
}

func TestWhatIsLeftIsFound(t *testing.T) {
	g := NewWithT(t)
	w := blocking(t, nil)
	w.Kill()
	wrong := wrongOf(t, w)
	g.Expect(wrong.Leaks).To(ContainElements(
		ContainSubstring("entry of "+aloneACL+": egress 80 deny"), ContainSubstring("tag agentdisconnect.dev/"), ContainSubstring("not over: run")))
	g.Expect(wrong.Foreign).To(ContainElement(ContainSubstring(aloneACL + " has egress 80 deny")))
}

func TestALateEndIsFound(t *testing.T) {
	g := NewWithT(t)
	w := blocking(t, nil)
	// Nothing in the rig is told that the manager is held up: to it, this is the product's own fault.
	remove := w.Sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Error: "InternalError"})
	g.Expect(w.Run(t.Context(), 3*time.Minute)).To(Succeed())
	remove()
	g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
	wrong := wrongOf(t, w)
	g.Expect(wrong.Late).To(HaveLen(1))
	g.Expect(wrong.Leaks).To(BeEmpty())
}

func TestAForeignChangeIsFound(t *testing.T) {
	remove := func(r *region.Region) error { return r.DeleteNetworkACLEntry(aloneACL, 100, true) }
	g := NewWithT(t)
	w := newWorld(t, nil)
	g.Expect(w.Meddle(remove)).To(Succeed())
	g.Expect(wrongOf(t, w).Foreign).To(ConsistOf(ContainSubstring(aloneACL + " lacks egress 100 allow")))
	w = newWorld(t, nil)
	g.Expect(w.EditAsThirdParty(remove)).To(Succeed())
	g.Expect(wrongOf(t, w).All()).To(BeEmpty(), "a third party's edit is theirs")
}

func TestCallsAboutWhatIsForeignAreFound(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil)
	client := ec2.NewFromConfig(w.Sim.Config())
	_, err := client.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{NetworkAclId: new(aloneACL), RuleNumber: new(int32(100)), Egress: new(true)})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = client.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{aloneACL}, Tags: []types.Tag{{Key: new("Name"), Value: new("mine")}}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wrongOf(t, w).Foreign).To(ContainElements(
		ContainSubstring("deletion of rule "+aloneACL+" egress=true 100 was requested for an entry of a third party"),
		ContainSubstring("CreateTags was requested for tag Name")))
}

func TestADenyOfWhatOthersNeedIsFound(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t, nil)
	const subnet, consent = world.DedicatedSubnet, "agentdisconnect.dev/allow"
	g.Expect(w.EditAsThirdParty(func(r *region.Region) error { return r.DeleteTags([]string{subnet}, []region.Deletion{{Key: consent}}) })).To(Succeed())
	w.Clock.Step(10 * time.Minute)
	client := ec2.NewFromConfig(w.Sim.Config())
	var denied []string
	for address, name := range w.Sim.APIAddresses() {
		if name == "ecs.ap-northeast-1.amazonaws.com" {
			denied = append(denied, address.String())
		}
	}
	g.Expect(denied).NotTo(BeEmpty())
	_, err := client.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: new(aloneACL), RuleNumber: new(int32(80)), Egress: new(true), Protocol: new("-1"), RuleAction: types.RuleActionDeny, CidrBlock: new(denied[0] + "/32"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wrongOf(t, w).Foreign).To(ContainElements(
		ContainSubstring("which acts on subnet "+subnet+" without consent"),
		ContainSubstring("which denies "+denied[0]+" of ecs.ap-northeast-1.amazonaws.com")))
}

func TestAManagerDiesAndAnotherOneTakesOver(t *testing.T) {
	for _, after := range []bool{false, true} {
		g := NewWithT(t)
		struck := 0
		w := blocking(t, func(step *rig.Step, isAfter bool, _ error) rig.Verdict {
			if step.Name != "ec2:CreateNetworkAclEntry egress "+aloneACL+" 82 #1" || isAfter != after {
				return rig.Verdict{}
			}
			struck++
			return rig.Verdict{Die: true}
		})
		g.Expect(struck).To(Equal(1))
		g.Expect(w.Lives()).To(Equal(2))
		for _, r := range w.Records() {
			if r.Life == 1 && r.Kube {
				g.Expect(r.Name).NotTo(HaveSuffix("status AgentDisconnect run #4"), "the dead write nothing down")
			}
		}
		g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
		g.Expect(wrongOf(t, w).All()).To(BeEmpty())
	}
}

func TestAFrozenManagerSendsNothingLate(t *testing.T) {
	g := NewWithT(t)
	point := "ec2:CreateNetworkAclEntry egress " + aloneACL + " 82 #1"
	w := newWorld(t, func(step *rig.Step, after bool, _ error) rig.Verdict {
		return rig.Verdict{Freeze: !after && step.Name == point}
	})
	g.Expect(w.Create(t.Context(), "run", spec())).To(Succeed())
	g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
	g.Expect(w.Frozen()).To(BeTrue())
	g.Expect(w.Settled()).To(BeTrue(), "the second manager ends the run")
	w.Thaw()
	g.Expect(w.Run(t.Context(), 15*time.Minute)).To(Succeed())
	for _, r := range w.Records() {
		if r.Name == point {
			g.Expect(r.Err).To(ContainSubstring(aws.ErrLate.Error()))
		}
	}
	g.Expect(wrongOf(t, w).All()).To(BeEmpty())
}

func TestTheAPIServerIsGoneForAWhile(t *testing.T) {
	g := NewWithT(t)
	w := blocking(t, nil)
	w.KubeDown(4 * time.Minute)
	g.Expect(w.Run(t.Context(), 3*time.Minute)).To(Succeed())
	g.Expect(w.Blocked(aloneOnACL)).To(BeTrue(), "past its end, but no read can show it")
	g.Expect(w.Run(t.Context(), 10*time.Minute)).To(Succeed())
	g.Expect(wrongOf(t, w).All()).To(BeEmpty())
}
