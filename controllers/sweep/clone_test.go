// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const (
	role  = "arn:aws:iam::" + account + ":role/switch"
	group = "default"
)

// cloneTags are those of a run's clone of the default network ACL.
func cloneTags(o ownership.Ownership, copies []networkacl.Entry) map[string]string {
	return merged(o.Tags(), map[string]string{
		ownership.TagClone: o.UID, ownership.TagOriginal: defaultACL, ownership.TagSubnet: subnet, ownership.TagCopies: ownership.HashOf(copies),
	})
}

// entriesOf are the entries of a network ACL as AWS reports them.
func (w *world) entriesOf(id string) []networkacl.Entry {
	found, err := ec2acl.Read(w.ctx, w.clients.EC2, id)
	w.Expect(err).NotTo(HaveOccurred())
	return found.Entries
}

// clone has a run with a clone of the default network ACL, whose copies have numbers that much larger.
func (w *world) clone(by int, numbers ...int32) string {
	original, _ := w.region().NetworkACL(defaultACL)
	copies := slices.DeleteFunc(slices.Clone(original.Entries), acl.Entry.Default)
	for i := range copies {
		if copies[i].Egress {
			copies[i].RuleNumber += by
		}
	}
	made, err := w.region().CreateNetworkACL(vpc, "", "", nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.region().SetEntries(made.ID, copies...)).To(Succeed())
	w.tag(made.ID, cloneTags(ownershipOf(numbers...), w.entriesOf(made.ID)))
	for _, n := range numbers {
		w.add(made.ID, deny(n))
	}
	return made.ID
}

// serve swaps a clone in.
func (w *world) serve(id string) string {
	w.Expect(w.region().MoveSubnet(subnet, id)).To(Succeed())
	return id
}

// holds is a fence that always does.
func holds(context.Context) (time.Time, error) { return time.Now(), nil }

// arm arms the dead man's switch for rules of a clone.
func (w *world) arm(id string, numbers ...int32) { w.armUntil(id, ends, numbers...) }

// armUntil has it fire after another end of the run.
func (w *world) armUntil(id string, end time.Time, numbers ...int32) {
	w.region().Roles().Put(region.Role{ARN: role, Trust: []string{region.SchedulerPrincipal}, Allow: []string{"ec2:DeleteNetworkAclEntry"}})
	scheduler := aws.NewSessions(w.sim.ConfigFor(managersKey), "agentdisconnect", "test").In(regionName).Fenced(holds).Scheduler
	for _, n := range numbers {
		w.Expect(deadman.Arm(w.ctx, scheduler, deadman.Switch{
			Group: group, RoleARN: role, Partition: "aws", UID: uid, Owner: owner, ClusterID: clusterID, NetworkACLID: id, Time: deadman.Time(end),
		}, n)).To(Succeed())
	}
}

func (w *world) aclOf(subnet string) string {
	found, _ := w.region().SubnetACL(subnet)
	return found.ID
}

// expectWithoutDenies says that the clone is there, without the run's denies and with all else.
func (w *world) expectWithoutDenies(id string, want []string) {
	found, there := w.region().NetworkACL(id)
	w.Expect(there).To(BeTrue())
	w.Expect(describe(found.Entries)).To(Equal(want))
}

func TestACloneThatServes(t *testing.T) {
	for name, by := range map[string]int{"as it is": 0, "renumbered": 100} {
		w := newWorld(t)
		before := w.snapshot()
		id := w.serve(w.clone(by, 80, 81))
		w.arm(id, 80, 81)
		f := w.one()
		w.Expect(f).To(And(
			HaveField("Kind", sweep.KindClone), HaveField("NetworkACLID", id), HaveField("OriginalID", defaultACL),
			HaveField("SubnetIDs", []string{subnet}), HaveField("Present", HaveLen(2)), HaveField("Problem", ""),
			HaveField("Schedules", []sweep.Schedule{{Group: group, Name: deadman.Name(uid, 80)}, {Group: group, Name: deadman.Name(uid, 81)}}),
		), name)
		w.Expect(w.undo(f)).To(Equal(sweep.Result{Done: true, Did: []string{
			"associated subnet " + subnet + " with network ACL " + defaultACL + " again", "deleted clone " + id,
			"deleted schedule " + deadman.Name(uid, 80) + " of group default", "deleted schedule " + deadman.Name(uid, 81) + " of group default",
		}}), name)
		w.Expect(w.snapshot()).To(Equal(before), name)
		w.Expect(w.undo(f).Done).To(BeTrue(), "again")
	}
}

// However far the creation of a clone came, it goes.
func TestACloneThatServesNoSubnet(t *testing.T) {
	for name, entries := range map[string][]acl.Entry{
		"empty":             nil,
		"a deny alone":      {deny(80)},
		"a copy alone":      {region.AllowAll(100, true)},
		"renumbered":        {region.AllowAll(200, true), deny(80)},
		"both directions":   {region.AllowAll(100, true), region.AllowAll(100, false)},
		"all of it":         {region.AllowAll(100, true), region.AllowAll(100, false), deny(80)},
		"a deny not tagged": nil,
	} {
		w := newWorld(t)
		before := w.snapshot()
		id := w.clone(0, 80)
		w.Expect(w.region().SetEntries(id, entries...)).To(Succeed())
		w.Expect(w.undo(w.one())).To(Equal(sweep.Result{Done: true, Did: []string{"deleted clone " + id}}), name)
		w.Expect(w.snapshot()).To(Equal(before), name)
	}
}

// Tags can be copied to any network ACL, and prove nothing by themselves.
func TestWhatTagsDoNotAccountForIsNotDeleted(t *testing.T) {
	for name, change := range map[string]func(w *world, id string){
		"a rule more":      func(w *world, id string) { w.add(id, foreign(150, true)) },
		"a rule more in":   func(w *world, id string) { w.add(id, foreign(150, false)) },
		"another deny":     func(w *world, id string) { w.add(id, deny(99)) },
		"another in place": func(w *world, id string) { w.Expect(w.region().SetEntries(id, foreign(80, true))).To(Succeed()) },
		"inbound elsewhere": func(w *world, id string) {
			w.Expect(w.region().SetEntries(id, region.AllowAll(101, false))).To(Succeed())
		},
		"no original":     func(w *world, id string) { w.tag(id, map[string]string{ownership.TagOriginal: id}) },
		"another's claim": func(w *world, id string) { w.tag(id, map[string]string{ownership.TagClone: otherUID}) },
		"no claim": func(w *world, id string) {
			w.tag(id, map[string]string{ownership.TagDomain + uid: "v1 soon"})
		},
	} {
		w := newWorld(t)
		id := w.clone(0, 80)
		change(w, id)
		before := w.snapshot()
		w.clock.SetTime(ends.Add(time.Hour))
		for _, f := range w.find() {
			if f.Kind == sweep.KindRules {
				continue // another's clone tag: the claim is to rules alone
			}
			w.Expect(f.Problem).NotTo(BeEmpty(), name)
			result := w.undo(f)
			w.Expect(result.Done).To(BeFalse(), name)
			w.Expect(result.Did).To(BeEmpty(), name)
			w.Expect(result.Left).To(Equal(f.Problem), name)
		}
		w.Expect(w.snapshot()).To(Equal(before), name)
	}
}

func TestTheDefaultNetworkACLIsNoClone(t *testing.T) {
	w := newWorld(t)
	w.clone(0, 80)
	w.tag(defaultACL, cloneTags(ownershipOf(80), w.entriesOf(defaultACL)))
	before, _ := w.region().NetworkACL(defaultACL)
	found := w.find()
	w.Expect(found).To(HaveLen(2))
	for _, f := range found {
		w.undo(f)
	}
	after, _ := w.region().NetworkACL(defaultACL)
	w.Expect(after).To(Equal(before))
	w.Expect(w.one().Problem).To(ContainSubstring("is its VPC's default one, which is no clone"))
}

func TestAClaimThatCannotBeReadOnACloneThatServes(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(0, 80))
	w.tag(id, map[string]string{ownership.TagDomain + uid: "v1"})
	before := w.snapshot()
	f := w.one()
	w.Expect(f.Kind).To(Equal(sweep.KindUnreadable))
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(And(
		ContainSubstring("aws ec2 replace-network-acl-association --association-id aclassoc-"), ContainSubstring("--network-acl-id "+defaultACL),
		ContainSubstring("aws ec2 delete-network-acl --network-acl-id "+id),
	))
	w.Expect(w.snapshot()).To(Equal(before))
}

func TestACloneThatAThirdPartyEdited(t *testing.T) {
	for name, edit := range map[string]func(w *world, id string){
		"a rule more": func(w *world, id string) { w.add(id, foreign(150, true)) },
		"a rule less": func(w *world, id string) { w.Expect(w.region().DeleteNetworkACLEntry(id, 100, true)).To(Succeed()) },
		"a rule changed": func(w *world, id string) {
			w.Expect(w.region().ReplaceNetworkACLEntry(id, foreign(100, false))).To(Succeed())
		},
		"our number": func(w *world, id string) {
			w.Expect(w.region().ReplaceNetworkACLEntry(id, foreign(81, true))).To(Succeed())
		},
	} {
		w := newWorld(t)
		id := w.serve(w.clone(0, 80, 81))
		w.arm(id, 80, 81)
		edit(w, id)
		stays, _ := w.region().NetworkACL(id)
		left := slices.DeleteFunc(describe(stays.Entries), func(line string) bool {
			return line == region.DescribeEntry(deny(80)) || line == region.DescribeEntry(deny(81))
		})
		w.clock.SetTime(ends.Add(5 * time.Minute))
		f := w.one()
		w.Expect(f.Problem).To(ContainSubstring("a third party edited clone "+id), name)
		w.undo(f)
		w.clock.Step(networkacl.SettleFor)
		result := w.undo(f)
		w.Expect(result.Done).To(BeFalse(), name)
		w.Expect(result.Left).To(And(ContainSubstring("aws ec2 replace-network-acl-association"), ContainSubstring(defaultACL)), name)
		w.expectWithoutDenies(id, left)
		w.Expect(w.aclOf(subnet)).To(Equal(id), name)
		w.Expect(w.region().Schedules()).To(BeEmpty(), "their numbers may be a third party's")
	}
}

// An edit that stands in the original too is none.
func TestAnEditThatTheOriginalHasToo(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(100, 80))
	w.add(defaultACL, foreign(150, true))
	before, _ := w.region().NetworkACL(defaultACL)
	w.add(id, foreign(250, true))
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	after, _ := w.region().NetworkACL(defaultACL)
	w.Expect(after.Entries).To(Equal(before.Entries))
	w.Expect(w.aclOf(subnet)).To(Equal(defaultACL))
	w.Expect(w.find()).To(BeEmpty())
}

// A change of the original that the run never carried over is no edit of the clone.
func TestAnOriginalThatChanged(t *testing.T) {
	w := newWorld(t)
	w.serve(w.clone(0, 80))
	w.add(defaultACL, foreign(150, true))
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.aclOf(subnet)).To(Equal(defaultACL))
}

func TestAnotherSubnetOnTheClone(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	id := w.serve(w.clone(0, 80))
	w.Expect(w.region().MoveSubnet(neighbour, id)).To(Succeed())
	f := w.one()
	w.Expect(f.Problem).To(ContainSubstring("is in use by " + neighbour))
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("in use by " + neighbour + ", which it was not created for"))
	w.Expect(w.aclOf(subnet)).To(Equal(defaultACL), "its own subnet is back")
	w.Expect(w.aclOf(neighbour)).To(Equal(id))
	w.clock.Step(networkacl.SettleFor)
	_, stays, _ := strings.Cut(result.Left, "clone "+id)
	w.Expect(w.undo(f).Left).To(Equal("clone "+id+stays), "there is nothing to wait for")
	now, _ := w.region().NetworkACL(id)
	w.Expect(describe(now.Entries)).NotTo(ContainElement(region.DescribeEntry(deny(80))))

	w.Expect(w.region().MoveSubnet(neighbour, defaultACL)).To(Succeed())
	w.Expect(w.undo(w.one()).Done).To(BeTrue(), "once the other one has left")
	w.Expect(w.snapshot()).To(Equal(before))
}

func TestAnOriginalThatIsGone(t *testing.T) {
	w := newWorld(t)
	made, err := w.region().CreateNetworkACL(vpc, "", "", nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.region().SetEntries(made.ID, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
	id := w.clone(0, 80, 81)
	w.tag(id, map[string]string{ownership.TagOriginal: made.ID, "Name": "x"})
	w.serve(id)
	w.arm(id, 80, 81)
	w.Expect(w.region().DeleteNetworkACL(made.ID)).To(Succeed())

	f := w.one()
	w.Expect(f.Problem).To(ContainSubstring("network ACL " + made.ID + ", the original of clone " + id + ", was deleted"))
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse(), "reads may lack an original that was made just before")
	w.Expect(result.Did).To(BeEmpty())
	w.clock.SetTime(result.Again)
	result = w.undo(f)
	w.Expect(result.Done).To(BeTrue())
	w.Expect(result.Left).To(Equal(f.Problem))

	now, _ := w.region().NetworkACL(id)
	w.Expect(now.Tags).To(Equal(map[string]string{ownership.TagAdopted: began.Format(time.RFC3339), "Name": "x"}))
	w.Expect(withoutDefaults(now.Entries)).To(ConsistOf(describe([]acl.Entry{region.AllowAll(100, true), region.AllowAll(100, false)})))
	w.Expect(w.region().Schedules()).To(BeEmpty())
	w.Expect(w.aclOf(subnet)).To(Equal(id))

	adopted := w.one()
	w.Expect(adopted).To(And(HaveField("Kind", sweep.KindAdopted), HaveField("Started", began), HaveField("UID", "")))
	before := w.snapshot()
	w.Expect(w.undo(adopted).Done).To(BeFalse())
	w.Expect(w.snapshot()).To(Equal(before))
}

// Where the caller may not list schedules, or there are none, all else is undone all the same.
func TestWithoutTheScheduler(t *testing.T) {
	for name, fault := range map[string]faults.Fault{
		"no permission":       {Action: "scheduler:*", Denied: true},
		"no answer":           {Action: "scheduler:*", Lost: true},
		"no permission to it": {Action: "scheduler:GetSchedule", Denied: true},
	} {
		w := newWorld(t)
		before := w.snapshot()
		id := w.serve(w.clone(0, 80))
		w.arm(id, 80)
		w.sim.Faults().Add(fault)
		survey, err := sweep.Look(w.ctx, w.clients, nil)
		w.Expect(err).NotTo(HaveOccurred(), name)
		w.Expect(survey.SchedulesUnseen).To(HaveOccurred(), name)
		w.Expect(survey.Found).To(HaveLen(1))
		result := w.undo(survey.Found[0])
		w.Expect(result.Done).To(BeFalse(), name)
		w.Expect(result.Left).To(ContainSubstring("delete those named agd."+uid+".*"), name)
		w.sim.Faults().Clear()

		f := w.one()
		w.Expect(f.Kind).To(Equal(sweep.KindSchedules), name)
		w.clock.SetTime(ends.Add(5 * time.Minute))
		w.Expect(w.undo(f).Done).To(BeTrue(), name)
		w.Expect(w.snapshot()).To(Equal(before), name)
	}
}

func TestACloneCutOffEverywhere(t *testing.T) {
	cutOffEverywhere(t, func(w *world) { w.arm(w.serve(w.clone(0, 80)), 80) })
}

func TestACloneThatReadsLagBehind(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	id := w.serve(w.clone(0, 80))
	w.clock.Step(2 * time.Minute)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(time.Minute)})
	w.Expect(w.undo(w.one()).Done).To(BeTrue(), "AWS itself refuses to delete what is in use")
	w.Expect(w.snapshot()).To(Equal(before))
	result := w.undo(w.one())
	w.Expect(result.Done).To(BeFalse(), "the association that reads show is no more")
	w.Expect(result.Left).To(ContainSubstring("subnet " + subnet + " was moved from clone " + id + " just now"))
	w.Expect(result.Again).To(Equal(w.clock.Now().Add(5 * time.Second)))
	w.Expect(w.snapshot()).To(Equal(before))
	w.clock.Step(2 * time.Minute)
	w.Expect(w.find()).To(BeEmpty())
	_, there := w.region().NetworkACL(id)
	w.Expect(there).To(BeFalse())
}

func TestACloneThatAWSDoesNotKnowButShows(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.serve(w.clone(0, 80))
	w.clock.Step(5 * time.Minute)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAcl", Error: "InvalidNetworkAclID.NotFound", Times: 1})
	result := w.undo(w.one())
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("though a read just before showed it"))
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}
