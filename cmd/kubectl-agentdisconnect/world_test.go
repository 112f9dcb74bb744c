// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// What the simulator's default world has, and what is made in it.
const (
	vpcID        = simworld.DefaultVPC
	subnetID     = simworld.DedicatedSubnet // alone on its network ACL
	aclID        = simworld.DedicatedACL
	sharedSubnet = simworld.SharedSubnet // shares the default network ACL
	sharedACL    = simworld.SharedACL
	plainSubnet  = simworld.PlainSubnet // shares it too
	cloneID      = "acl-0c10c10c10c10c10c"

	uidOfRules     = "0d1b101a-608d-46f1-90b7-6d1e72c7b23f"
	uidOfClone     = "f5e9c81a-c1e5-4cfc-8645-592976ccb6db"
	uidOfSchedules = "d7e6f5a4-b3c2-4d1e-8f0a-192837465564"
	thisOne        = "6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c" // Kubernetes clusters
	another        = "a0a1a2a3-b4b5-4c6c-8d7d-e0e1e2e3e4e5"
)

// now is the command's time.
var now = time.Date(2026, 11, 22, 15, 30, 0, 0, time.UTC)

// managersKey is bounded by no policy.
const managersKey = "AKIAMANAGER"

// world is one test's own simulated Region, and the command in it.
type world struct {
	*testing.T
	Gomega
	sim     *sim.Simulator
	clock   *clocktesting.FakeClock
	program *program
	// before are all network ACLs as the test found them.
	before      map[string][]string
	out, errOut bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	clk := clocktesting.NewFakeClock(now)
	// The command runs with what policy-sweep.json grants.
	vpcs := simworld.Default()
	NewWithT(t).Expect(policies.Bind(vpcs, policies.Values{ScheduleGroup: "default", Cluster: "*"}, policies.Sweep)).To(Succeed())
	vpcs.AccessKeys = append(vpcs.AccessKeys, simworld.AccessKey{ID: managersKey, Secret: "x"})
	s, err := sim.Start(t.Context(), sim.Options{NoAgents: true, Clock: clk, World: vpcs})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	w := &world{T: t, Gomega: NewWithT(t), sim: s, clock: clk}
	w.program = &program{
		in: strings.NewReader(""), out: &w.out, errOut: &w.errOut, clock: w.clock,
		load: func(context.Context) (awssdk.Config, error) { return s.Config(), nil },
	}
	// A third party's entry and tags are on each, and are to stay.
	for _, id := range []string{aclID, sharedACL} {
		w.Expect(s.Region().CreateNetworkACLEntry(id, deny(70, "198.51.100.7/32"))).To(Succeed())
		w.Expect(s.Region().SetTags(id, map[string]string{"Name": "ours", "team": "network"})).To(Succeed())
	}
	w.before = w.acls()
	w.passTime()
	return w
}

// passTime has the time go by whenever the command waits for it.
func (w *world) passTime() {
	ctx, stop := context.WithCancel(context.Background())
	var passing sync.WaitGroup
	passing.Go(func() {
		for ctx.Err() == nil {
			if w.clock.HasWaiters() {
				w.clock.Step(time.Second)
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	w.Cleanup(func() {
		stop()
		passing.Wait()
	})
}

// run runs a command line from the start.
func (w *world) run(args ...string) (code int) {
	w.Helper()
	w.out.Reset()
	w.errOut.Reset()
	return w.program.run(w.Context(), args)
}

// answer puts a person at a terminal who gives an answer.
func (w *world) answer(text string) {
	w.program.in, w.program.terminal = strings.NewReader(text), true
}

// acls are all network ACLs, by id: their entries, their tags and the subnets that have them.
func (w *world) acls() map[string][]string {
	all := map[string][]string{}
	for _, found := range w.sim.Region().View(time.Time{}).NetworkACLs() {
		for _, e := range found.Entries {
			all[found.ID] = append(all[found.ID], region.DescribeEntry(e))
		}
		for key, value := range found.Tags {
			all[found.ID] = append(all[found.ID], "tag "+key+"="+value)
		}
		for _, association := range found.Associations {
			all[found.ID] = append(all[found.ID], "subnet "+association.SubnetID)
		}
		slices.Sort(all[found.ID])
	}
	return all
}

// writes are the names of the calls that changed something.
func (w *world) writes() []string {
	var names []string
	for _, c := range w.sim.Calls() {
		if !c.ReadOnly && !c.DryRun {
			names = append(names, c.Action)
		}
	}
	return names
}

// left is what a run left.
type left struct {
	uid, owner, cluster string
	// over is how long ago the run ended.
	over time.Duration
}

var (
	leftInPlace = left{uid: uidOfRules, owner: "staging/demo", cluster: thisOne, over: 3 * time.Hour}
	leftArmed   = left{uid: uidOfSchedules, owner: "team-b/armed", cluster: thisOne, over: -20 * time.Minute}
	leftClone   = left{uid: uidOfClone, owner: "team-a/cloned", cluster: thisOne, over: -12 * time.Minute}
)

// tags are those of the run, whose rules deny three addresses.
func (l left) tags() map[string]string {
	expires := now.Add(-l.over)
	return ownership.Ownership{
		UID: l.uid, Owner: l.owner, ClusterID: l.cluster, Started: expires.Add(-30 * time.Minute), Expires: expires,
		Rules: []v1alpha1.Rule{line(80, "52.119.223.69/32"), line(81, "52.119.219.115/32"), line(90, "52.119.221.107/32")},
	}.Tags()
}

func line(number int32, cidr string) v1alpha1.Rule {
	return v1alpha1.Rule{NetworkACLID: aclID, RuleNumber: number, CIDR: cidr}
}

func deny(number int, cidr string) acl.Entry {
	return acl.Entry{RuleNumber: number, Egress: true, Protocol: acl.All, CIDR: netip.MustParsePrefix(cidr)}
}

var denies = []acl.Entry{deny(80, "52.119.223.69/32"), deny(81, "52.119.219.115/32"), deny(90, "52.119.221.107/32")}

// addTags adds tags to a network ACL.
func (w *world) addTags(id string, tags map[string]string) {
	w.Helper()
	found, _ := w.sim.Region().NetworkACL(id)
	all := maps.Clone(found.Tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	w.Expect(w.sim.Region().SetTags(id, all)).To(Succeed())
}

// inPlace leaves rules and tags of a run on the subnet's own network ACL.
func (w *world) inPlace(l left) {
	w.Helper()
	for _, e := range denies {
		w.Expect(w.sim.Region().CreateNetworkACLEntry(aclID, e)).To(Succeed())
	}
	w.addTags(aclID, l.tags())
}

// clone leaves a clone that serves a subnet. Its outbound allow moved, as the run would have it where there is no room.
func (w *world) clone(l left) {
	w.Helper()
	original, _ := w.sim.Region().NetworkACL(sharedACL)
	var copies []acl.Entry
	for _, e := range original.Entries {
		if !e.Default() {
			copies = append(copies, e)
		}
	}
	w.Expect(w.sim.Region().AddNetworkACL(region.ACL{ID: cloneID, VPCID: vpcID, Entries: slices.Concat(copies, denies)})).To(Succeed())
	w.addTags(cloneID, l.tags())
	w.addTags(cloneID, map[string]string{ownership.TagClone: l.uid, ownership.TagOriginal: sharedACL, ownership.TagSubnet: sharedSubnet, ownership.TagCopies: hashOf(w, copies)})
	w.Expect(w.sim.Region().MoveSubnet(sharedSubnet, cloneID)).To(Succeed())
}

// schedules arms the dead man's switch of a run for a network ACL.
func (w *world) schedules(l left, networkACLID string) {
	w.Helper()
	const role = "arn:aws:iam::123456789012:role/deadman"
	w.sim.Region().Roles().Put(region.Role{ARN: role, Trust: []string{"scheduler.amazonaws.com"}, Allow: []string{"ec2:DeleteNetworkAclEntry"}})
	holds := func(context.Context) (time.Time, error) { return time.Now(), nil }
	client := aws.NewSessions(w.sim.ConfigFor(managersKey), "agentdisconnect", "test").In("ap-northeast-1").Fenced(holds).Scheduler
	for _, e := range denies {
		w.Expect(deadman.Arm(w.Context(), client, deadman.Switch{
			Group: "default", RoleARN: role, Partition: "aws", UID: l.uid, Owner: l.owner, ClusterID: l.cluster, NetworkACLID: networkACLID,
			Time: deadman.Time(now.Add(-l.over)),
		}, int32(e.RuleNumber))).To(Succeed())
	}
}

// hashOf is that of the tag that says what a clone was given.
func hashOf(w *world, copies []acl.Entry) string {
	w.Helper()
	var entries []networkacl.Entry
	for _, e := range copies {
		w.Expect(e.Protocol).To(Equal(acl.All), "this test's world has no ports")
		entries = append(entries, networkacl.Entry{Number: int32(e.RuleNumber), Egress: e.Egress, Allow: e.Allow, Protocol: networkacl.AllProtocols, CIDR: e.CIDR})
	}
	return ownership.HashOf(entries)
}

// expectOnlyOursGone holds the Region against what it was before the runs.
func (w *world) expectOnlyOursGone() {
	w.Helper()
	w.Expect(w.acls()).To(Equal(w.before), "writes: %v", w.writes())
}

// said is all that the command printed.
func (w *world) said() string { return fmt.Sprintf("%s%s", w.out.String(), w.errOut.String()) }
