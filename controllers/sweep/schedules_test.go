// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

func TestSchedulesWhoseCloneIsGone(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	id := w.clone(0, 80, 81)
	w.arm(id, 80, 81)
	w.Expect(w.region().DeleteNetworkACL(id)).To(Succeed())
	f := w.one()
	w.Expect(f).To(And(
		HaveField("Kind", sweep.KindSchedules), HaveField("NetworkACLID", id), HaveField("UID", uid), HaveField("Owner", owner),
		HaveField("ClusterID", clusterID), HaveField("Expires", ends), HaveField("Schedules", HaveLen(2)),
	))
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse(), "reads may lack a clone that was just made")
	w.Expect(w.region().Schedules()).To(HaveLen(2))
	w.clock.SetTime(result.Again)
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

// What was found goes, though it can't be listed again: nothing is said to be gone that isn't.
func TestSchedulesOfACloneThatAreNoLongerListed(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	id := w.clone(0, 80, 81)
	w.arm(id, 80, 81)
	f := w.one()
	w.sim.Faults().Add(faults.Fault{Action: "scheduler:ListSchedules", Denied: true})
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.region().Schedules()).To(BeEmpty())
	w.Expect(w.snapshot()).To(Equal(before))
}

// A schedule is all that ends a rule on a network ACL whose tags were taken away.
func TestSchedulesWhoseCloneHasNoTags(t *testing.T) {
	w := newWorld(t)
	id := w.clone(0, 80, 81)
	w.arm(id, 80, 81)
	w.Expect(w.region().SetTags(id, nil)).To(Succeed())
	w.Expect(w.region().ReplaceNetworkACLEntry(id, foreign(81, true))).To(Succeed())
	entries := w.entriesOf(id)
	result := w.undo(w.one())
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("deletes rule 80 of network ACL " + id))
	left := w.region().Schedules()
	w.Expect(left).To(HaveLen(1), "what would delete a third party's rule is gone")
	w.Expect(left[0].Name).To(HaveSuffix(".80"))
	w.Expect(w.entriesOf(id)).To(Equal(entries))
}

// Two managers of one account have a group each, and a role for that alone.
func TestSchedulesOfAGroupThatMayNotBeRead(t *testing.T) {
	w := newWorld(t)
	id := w.clone(0, 80)
	w.arm(id, 80)
	w.Expect(w.region().DeleteNetworkACL(id)).To(Succeed())
	theirs := w.region().Schedules()[0]
	theirs.Group, theirs.Name = "theirs", deadman.Name(otherUID, 80)
	w.Expect(w.region().CreateScheduleGroup("", "", "theirs", nil)).To(Succeed())
	w.Expect(w.region().CreateSchedule("", "", theirs)).To(Succeed())
	w.sim.Faults().Add(faults.Fault{Action: "scheduler:GetSchedule", Denied: true, When: func(c call.Call) bool { return c.Param("GroupName") == "theirs" }})

	survey, err := sweep.Look(w.ctx, w.clients, nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(survey.Unseen(group)).To(Succeed())
	w.Expect(survey.Unseen("theirs")).To(MatchError(ContainSubstring("schedules of group theirs can't be read")))
	w.Expect(survey.Found).To(ConsistOf(HaveField("UID", uid)))
	w.clock.SetTime(ends.Add(5 * time.Minute))
	w.Expect(w.undo(survey.Found[0]).Done).To(BeTrue())
	left := w.region().Schedules()
	w.Expect(left).To(ConsistOf(HaveField("Group", "theirs")))
}

func TestManySchedules(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	var numbers []int32
	for n := range int32(120) {
		numbers = append(numbers, n+1)
	}
	w.arm("acl-0123456789abcdef0", numbers...)
	w.Expect(w.region().CreateScheduleGroup("", "", "other", nil)).To(Succeed())
	f := w.one()
	w.Expect(f.Schedules).To(HaveLen(120), "all pages")
	w.clock.SetTime(ends.Add(5 * time.Minute))
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

func TestAllPagesOfNetworkACLs(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.region().SetQuota("L-B4A6D682", 2000)).To(Succeed())
	for n := range 1100 {
		o := ownershipOf()
		o.UID = fmt.Sprintf("00000000-0000-0000-0000-%012d", n)
		_, err := w.region().CreateNetworkACL(vpc, "", "", o.Tags())
		w.Expect(err).NotTo(HaveOccurred())
	}
	found := w.find()
	w.Expect(found).To(HaveLen(1100))
	w.Expect(found[1099].UID).To(HaveSuffix("000000001099"), "sorted")
}

func TestTagsThatCannotBeRead(t *testing.T) {
	for name, tc := range map[string]struct {
		tags map[string]string
		want string
	}{
		"a claim":          {map[string]string{ownership.TagDomain + uid: "v9 x"}, "the tag " + ownership.TagDomain + uid + " can't be read"},
		"a part":           {map[string]string{ownership.TagDomain + uid + "/9": ""}, "can't be read"},
		"a clone's, alone": {map[string]string{ownership.TagOriginal: defaultACL}, "but not the tag that names its run"},
		"no run":           {map[string]string{ownership.TagClone: "mine"}, "aws ec2 replace-network-acl-association"},
	} {
		w := newWorld(t)
		w.tag(ownACL, tc.tags)
		before := w.snapshot()
		f := w.one()
		w.Expect(f.Kind).To(Equal(sweep.KindUnreadable), name)
		w.Expect(f.Problem).To(ContainSubstring(tc.want), name)
		w.Expect(w.undo(f)).To(Equal(sweep.Result{Left: f.Problem}), name)
		w.Expect(w.snapshot()).To(Equal(before), name)
	}
}

// Of schedules whose clone has no claim to read, no search finds more.
func TestSchedulesOfACloneWhoseClaimCannotBeRead(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(0, 80))
	w.arm(id, 80)
	w.tag(id, map[string]string{ownership.TagDomain + uid: "v9 x"})
	for _, f := range w.find() {
		result := w.undo(f)
		w.Expect(result.Left).NotTo(BeEmpty())
		w.Expect(result.Again).To(BeZero(), "%s: %s", f.Kind, result.Left)
	}
	w.Expect(w.region().Schedules()).To(HaveLen(1))
}

// A clone that lost the tag that says so keeps its others, by which it is found.
func TestACloneWithoutItsTag(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(0, 80))
	found, _ := w.region().NetworkACL(id)
	tags := merged(found.Tags)
	delete(tags, ownership.TagClone)
	w.Expect(w.region().SetTags(id, tags)).To(Succeed())
	f := w.one()
	w.Expect(f.Kind).To(Equal(sweep.KindRules))
	result := w.undo(w.confirm(f))
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("--tags Key=" + ownership.TagClone + ",Value=" + uid))
	w.Expect(result.Did).To(HaveLen(1), "the rule goes")
	w.tag(id, map[string]string{ownership.TagClone: uid})
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.aclOf(subnet)).To(Equal(defaultACL))
}

func TestOtherTagsAreNotOurs(t *testing.T) {
	w := newWorld(t)
	w.tag(ownACL, map[string]string{
		"Name": "x", "agentdisconnect.devil/" + uid: "x", ownership.TagDomain + "allow": "true", ownership.TagDomain + "note": "x",
	})
	w.Expect(w.find()).To(BeEmpty())
	w.Expect(w.writes()).To(BeEmpty())
}

// Reads that lack a clone show that it is gone only where none between them has it.
func TestSchedulesOfACloneThatAReadShowsAgain(t *testing.T) {
	w := newWorld(t)
	w.clock.Step(time.Minute)
	id := w.serve(w.clone(0, 80))
	w.arm(id, 80)
	w.add(id, foreign(150, true)) // so that it stays
	f := w.one()
	w.lagging(time.Hour) // to before the clone was made
	w.Expect(w.undo(f).Left).To(ContainSubstring("reads do not show network ACL " + id))
	w.sim.Faults().Clear()
	w.undo(f)

	w.clock.Step(networkacl.AmbiguousFor)
	w.lagging(time.Hour)
	w.Expect(w.undo(f).Again).To(Equal(w.clock.Now().Add(networkacl.AmbiguousFor)))
	w.Expect(w.region().Schedules()).To(HaveLen(1))
}
