// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/aws/smithy-go/middleware"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has.
const (
	regionName = simworld.DefaultRegion
	account    = simworld.DefaultAccount
	vpc        = simworld.DefaultVPC
	ownACL     = simworld.DedicatedACL // one subnet's own
	ownSubnet  = simworld.DedicatedSubnet
	defaultACL = simworld.SharedACL
	subnet     = simworld.SharedSubnet
	neighbour  = simworld.PlainSubnet
)

const (
	uid = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	// managersKey is bounded by no policy; the sweep's own is by policy-sweep.json.
	managersKey = "AKIAMANAGER"
	// othersKey is of another account.
	othersKey, othersAccount = "AKIAOTHER", "210987654321"

	otherUID  = "1b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	clusterID = "e5b8a1de-3f0c-4be2-8e0b-6a4d5a5b6c7d"
	owner     = "team-a/outage"
)

var (
	began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ends  = began.Add(10 * time.Minute)
)

// world is an AWS with a clock that stands still, and who sweeps it.
type world struct {
	*WithT
	ctx     context.Context
	sim     *sim.Simulator
	clients *aws.Clients
	clock   *clocktesting.FakeClock
	undoer  *sweep.Undoer
}

// newWorld begins a minute after the run.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{WithT: NewWithT(t), ctx: t.Context(), clock: clocktesting.NewFakeClock(began.Add(time.Minute))}
	var err error
	vpcs := simworld.Default()
	w.Expect(policies.Bind(vpcs, policies.Values{ScheduleGroup: group, Cluster: "*"}, policies.Sweep)).To(Succeed())
	vpcs.AccessKeys = append(vpcs.AccessKeys, simworld.AccessKey{ID: managersKey, Secret: "x"}, simworld.AccessKey{ID: othersKey, Secret: "x", Account: othersAccount})
	w.sim, err = sim.Start(t.Context(), sim.Options{NoAgents: true, Clock: w.clock, World: vpcs})
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(w.sim.Close)
	w.restart()
	return w
}

// restart is another process, which remembers nothing.
func (w *world) restart() {
	sessions := aws.NewSessions(w.sim.Config(), "agentdisconnect", "test", withoutRetries)
	sessions.Clock = w.clock
	w.clients = sessions.In(regionName)
	w.undoer = sweep.NewUndoer(w.clock)
}

// withoutRetries takes the SDK's own repeating of calls away, which takes real time.
func withoutRetries(stack *middleware.Stack) error {
	_, err := stack.Finalize.Remove("Retry")
	return err
}

func (w *world) region() *region.Region { return w.sim.Region() }

// snapshot is all that a sweep could change: entries, tags and subnets of each network ACL, and schedules.
func (w *world) snapshot() map[string][]string {
	all := map[string][]string{}
	for _, found := range w.region().View(time.Time{}).NetworkACLs() {
		lines := describe(found.Entries)
		for key, value := range found.Tags {
			lines = append(lines, "tag "+key+"="+value)
		}
		for _, a := range found.Associations {
			lines = append(lines, "subnet "+a.SubnetID)
		}
		slices.Sort(lines)
		all[found.ID] = lines
	}
	for _, s := range w.region().Schedules() {
		all["schedules"] = append(all["schedules"], s.Group+"/"+s.Name)
	}
	return all
}

func describe(entries []acl.Entry) []string {
	var lines []string
	for _, e := range entries {
		lines = append(lines, region.DescribeEntry(e))
	}
	return lines
}

// ownershipOf is a run's, of the rules at these numbers.
func ownershipOf(numbers ...int32) ownership.Ownership {
	o := ownership.Ownership{UID: uid, Owner: owner, ClusterID: clusterID, Started: began, Expires: ends}
	for _, n := range numbers {
		o.Rules = append(o.Rules, v1alpha1.Rule{NetworkACLID: ownACL, RuleNumber: n, CIDR: deny(n).CIDR.String()})
	}
	return o
}

// deny is the run's entry at a number.
func deny(number int32) acl.Entry {
	return acl.Entry{
		RuleNumber: int(number), Egress: true, Protocol: acl.All,
		CIDR: netip.PrefixFrom(netip.AddrFrom4([4]byte{52, 119, byte(number >> 8), byte(number)}), 32),
	}
}

// foreign is a third party's entry.
func foreign(number int, egress bool) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: egress, Protocol: acl.TCP, Allow: true, CIDR: netip.MustParsePrefix("10.0.0.0/8"), From: 443, To: 443}
}

func (w *world) tag(id string, tags map[string]string) {
	w.Expect(w.region().CreateTags([]string{id}, tags)).To(Succeed())
}

func (w *world) add(id string, entries ...acl.Entry) {
	for _, e := range entries {
		w.Expect(w.region().CreateNetworkACLEntry(id, e)).To(Succeed())
	}
}

// inPlace has a run on the network ACL of ownSubnet, with the rules at these numbers in place.
func (w *world) inPlace(numbers ...int32) {
	w.tag(ownACL, ownershipOf(numbers...).Tags())
	for _, n := range numbers {
		w.add(ownACL, deny(n))
	}
}

func (w *world) find() []sweep.Found {
	found, err := sweep.Find(w.ctx, w.clients)
	w.Expect(err).NotTo(HaveOccurred())
	return found
}

// one is the only finding.
func (w *world) one() sweep.Found {
	found := w.find()
	w.Expect(found).To(HaveLen(1))
	return found[0]
}

// undo undoes a finding, which is to go well.
func (w *world) undo(f sweep.Found) sweep.Result {
	result, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(err).NotTo(HaveOccurred())
	return result
}

// confirm has the claim of a finding read for the first time, and puts the clock to when the next
// read confirms it. Nothing is undone so far.
func (w *world) confirm(f sweep.Found) sweep.Found {
	before := w.snapshot()
	w.Expect(w.undo(f).Again).NotTo(BeZero())
	w.Expect(w.snapshot()).To(Equal(before))
	w.clock.Step(networkacl.SettleFor)
	return f
}

// sweep undoes everything, as far as it gets with reads that confirm each claim, and says what
// stays.
func (w *world) sweep() (left []string) {
	found, err := sweep.Find(w.ctx, w.clients)
	if err != nil {
		return []string{err.Error()}
	}
	if left = w.undoAll(found); len(left) > 0 {
		w.clock.Step(networkacl.SettleFor)
		left = w.undoAll(found)
	}
	return left
}

func (w *world) undoAll(found []sweep.Found) (left []string) {
	for _, f := range found {
		result, err := w.undoer.Undo(w.ctx, w.clients, f)
		switch {
		case err != nil:
			left = append(left, err.Error())
		case !result.Done:
			left = append(left, result.Left)
		}
	}
	return left
}

// writes are the calls that changed something.
func (w *world) writes() []string {
	var names []string
	for _, c := range w.sim.Calls() {
		if !c.ReadOnly && !c.DryRun {
			names = append(names, c.Name())
		}
	}
	return names
}

func merged(all ...map[string]string) map[string]string {
	tags := map[string]string{}
	for _, m := range all {
		maps.Copy(tags, m)
	}
	return tags
}
