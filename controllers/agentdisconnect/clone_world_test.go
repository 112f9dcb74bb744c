// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// cloneWorld is a world whose agents notice at once what their network ACL does, and whose manager is held against the
// promise that it writes to no network ACL but clones of its own making.
func cloneWorld(ctx context.Context, change ...func(*sim.Options)) *world {
	w := newWorld(ctx, change...)
	w.boot()
	w.mirror()
	existed := w.before
	DeferCleanup(func() {
		Expect(w.trespasses(existed)).To(BeEmpty(), "writes to network ACLs that are not the manager's")
	})
	return w
}

// trespasses are the manager's writes to network ACLs that it didn't make, but for giving a subnet its own one back.
func (w *world) trespasses(existed map[string][]string) []string {
	var found []string
	for _, c := range w.writes() {
		for _, name := range []string{"NetworkAclId", "ResourceId.1"} {
			if _, foreign := existed[c.Param(name)]; foreign && c.Action != "ReplaceNetworkAclAssociation" {
				found = append(found, fmt.Sprint(c, c.Params))
			}
		}
	}
	return found
}

// mirror has ECS say of each agent what its subnet's network ACL makes of it, after every write of the manager.
func (w *world) mirror() {
	for _, action := range []string{"ec2:*NetworkAclEntry", "ec2:ReplaceNetworkAclAssociation"} {
		w.sim.Faults().After(action, func(call.Call) { w.mirrorNow() })
	}
}

func (w *world) mirrorNow() {
	for _, instance := range w.sim.Region().ContainerInstances() {
		open := false
		for _, host := range w.sim.World().Hosts {
			for _, address := range host.Addresses {
				open = open || w.reachable(instance.SubnetID, address)
			}
		}
		w.sim.Region().SetAgentConnected(instance.ARN, open)
	}
}

// cloning has a run make a clone where it needs none.
func cloning(obj *v1alpha1.AgentDisconnect) { obj.Spec.NetworkACLMode = v1alpha1.NetworkACLModeClone }

// shared is a run in the subnet that shares its network ACL: it leaves the mode to the controller.
func shared(obj *v1alpha1.AgentDisconnect) {
	withSubnet(sharedSubnet)(obj)
	amongOthers(obj)
}

// cloneOf is the clone of a run.
func (w *world) cloneOf(ctx context.Context, obj *v1alpha1.AgentDisconnect) region.ACL {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	Expect(seen.Status.NetworkACL).NotTo(BeNil(), describe(seen))
	found, there := w.sim.Region().NetworkACL(seen.Status.NetworkACL.ID)
	Expect(there).To(BeTrue(), "there is no clone %q: %s", seen.Status.NetworkACL.ID, describe(seen))
	return found
}

// aclOf is the id of the network ACL that a subnet has.
func (w *world) aclOf(subnet string) string {
	found, _ := w.sim.Region().SubnetACL(subnet)
	return found.ID
}

// acls are the ids of all network ACLs.
func (w *world) acls() []string {
	var ids []string
	for _, found := range w.sim.Region().View(zero).NetworkACLs() {
		ids = append(ids, found.ID)
	}
	return ids
}

// expectServing holds a clone against its original: the same entries, but for the run's denies, which come first.
func (w *world) expectServing(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	seen := w.get(ctx, obj)
	clone := w.cloneOf(ctx, obj)
	Expect(w.aclOf(obj.Spec.SubnetID)).To(Equal(clone.ID), describe(seen))
	original, _ := w.sim.Region().NetworkACL(seen.Status.NetworkACL.OriginalID)
	Expect(withoutRules(seen, clone.Entries)).To(Equal(lines(original.Entries)))
	for _, endpoint := range seen.Status.Endpoints {
		for _, address := range endpoint.Addresses {
			Expect(w.reachable(obj.Spec.SubnetID, address)).To(BeFalse(), "%s is let through: %s", address, describe(seen))
		}
	}
}

// withoutRules are the entries of a clone beside the rules in the ledger.
func withoutRules(seen *v1alpha1.AgentDisconnect, entries []acl.Entry) []string {
	return lines(slices.DeleteFunc(slices.Clone(entries), func(e acl.Entry) bool {
		known := line(seen, int32(e.RuleNumber))
		return e.Egress && !e.Allow && known != nil && known.CIDR == e.CIDR.String()
	}))
}

func lines(entries []acl.Entry) []string {
	var text []string
	for _, e := range entries {
		text = append(text, region.DescribeEntry(e))
	}
	return text
}

// onOriginal lets a third party change the network ACL that the shared subnets have: it is to be that way after the run too.
func (w *world) onOriginal(change func(r *region.Region, id string) error) {
	GinkgoHelper()
	Expect(change(w.sim.Region(), sharedACL)).To(Succeed())
	now := w.entries()[sharedACL]
	if home := "subnet " + sharedSubnet; !slices.Contains(now, home) {
		now = append(now, home)
	}
	slices.Sort(now)
	w.before[sharedACL] = now
}

// adding, removing and replacing are changes of a network ACL.
func adding(entries ...acl.Entry) func(*region.Region, string) error {
	return func(r *region.Region, id string) error {
		for _, e := range entries {
			if err := r.CreateNetworkACLEntry(id, e); err != nil {
				return err
			}
		}
		return nil
	}
}

func removing(number int, egress bool) func(*region.Region, string) error {
	return func(r *region.Region, id string) error { return r.DeleteNetworkACLEntry(id, number, egress) }
}

func replacing(e acl.Entry) func(*region.Region, string) error {
	return func(r *region.Region, id string) error { return r.ReplaceNetworkACLEntry(id, e) }
}

// at runs fn once, at the first call of an action that is no dry run: before its effect, or between effect and answer.
func (w *world) at(hook func(string, func(call.Call)) func(), action string, fn func()) {
	var once sync.Once
	hook(action, func(c call.Call) {
		if !c.DryRun {
			once.Do(fn)
		}
	})
}

// expectGone deletes an object and gives its clean-up a few passes.
func (w *world) expectGone(ctx context.Context, obj *v1alpha1.AgentDisconnect) {
	GinkgoHelper()
	Expect(kube.Delete(ctx, obj)).To(Succeed())
	w.run(ctx, passes, obj)
	Expect(w.gone(ctx, obj)).To(BeTrue(), "the object is stuck")
	w.expectRestored()
}

// newest is the network ACL that wasn't there before the test.
func (w *world) newest() string {
	GinkgoHelper()
	for _, id := range w.acls() {
		if _, existed := w.before[id]; !existed {
			return id
		}
	}
	Fail("there is no new network ACL")
	return ""
}
