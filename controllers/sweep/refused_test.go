// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// refused undoes a finding, which AWS keeps from being done.
func (w *world) refused(f sweep.Found) sweep.Result {
	result, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(aws.Classify(err)).To(Equal(aws.Denied), "%v", err)
	w.Expect(result.Done).To(BeFalse())
	return result
}

// What AWS refused is there still: it is not told as done, and the tags that name it stay.
func TestARefusedDeletionIsNotTakenForDone(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.inPlace(80, 81)
	made := w.snapshot()
	f := w.confirm(w.one())
	permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
	for range 2 {
		w.Expect(w.refused(f).Did).To(BeEmpty())
		w.Expect(w.snapshot()).To(Equal(made))
	}

	// Nor is it once everything else of the run is gone for certain.
	w.clock.SetTime(ends.Add(time.Hour))
	w.Expect(w.refused(w.confirm(f)).Did).To(BeEmpty())
	w.Expect(w.snapshot()).To(Equal(made))

	permit()
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

func TestARefusedRemovalOfTagsIsNotTakenForDone(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.inPlace(80)
	f := w.confirm(w.one())
	permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteTags", Denied: true})
	w.Expect(w.refused(f).Did).To(HaveLen(1), "the rule")
	w.Expect(w.refused(f).Did).To(BeEmpty())
	now, _ := w.region().NetworkACL(ownACL)
	w.Expect(now.Tags).NotTo(BeEmpty())
	permit()
	w.Expect(w.undo(f).Did).To(Equal([]string{"removed the tags of run " + uid + " from network ACL " + ownACL}))
	w.Expect(w.snapshot()).To(Equal(before))
}

// A clone that stays because of an edit keeps the denies that AWS refuses to delete, and with them their schedules.
func TestARefusedDeletionOnACloneThatStays(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(0, 80))
	w.arm(id, 80)
	w.add(id, foreign(150, true))
	edited := w.snapshot()
	f := w.confirm(w.one())
	permit := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
	w.refused(f)
	w.Expect(w.snapshot()).To(Equal(edited), "the schedule is what is left to end the rule")
	permit()
	w.undo(f)
	w.Expect(w.region().Schedules()).To(BeEmpty())
}

func TestARefusedDeletionOfAScheduleIsNotTakenForDone(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	id := w.serve(w.clone(0, 80, 81))
	w.arm(id, 80, 81)
	f := w.one()
	permit := w.sim.Faults().Add(faults.Fault{Action: "scheduler:DeleteSchedule", Denied: true})
	w.Expect(w.refused(f).Did).To(HaveLen(2), "the subnet and the clone")
	w.Expect(w.region().Schedules()).To(HaveLen(2))
	permit()
	w.clock.SetTime(ends.Add(time.Hour))
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

// Reads that lacked an entry prove nothing once one shows it: how long they lack it counts anew after its deletion.
func TestALostAnswerAfterReadsThatLackedTheEntry(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.tag(ownACL, ownershipOf(80).Tags())
	f := w.one()
	w.Expect(w.undo(f).Done).To(BeFalse(), "one read doesn't show that there is no rule 80")

	w.clock.Step(networkacl.SettleFor) // a process that stood still makes its entry now
	w.add(ownACL, deny(80))
	lost := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Lost: true})
	_, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
	lost()

	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse(), "one read doesn't show that it is gone")
	w.clock.Step(networkacl.AmbiguousFor - networkacl.SettleFor) // since the first read that lacked it
	w.Expect(w.undo(f).Done).To(BeFalse())
	w.clock.SetTime(result.Again)
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

// What is deleted rests on the read that showed it: a process that is slow reads again first.
func TestWhatWasReadTooLongAgoIsNotActedOn(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	w.inPlace(80, 81, 82)
	f := w.confirm(w.one())
	slow := w.sim.Faults().After("ec2:DeleteNetworkAclEntry", func(call.Call) { w.clock.Step(6 * time.Second) })
	result, err := w.undoer.Undo(w.ctx, w.clients, f)
	w.Expect(err).To(MatchError(aws.ErrLate))
	w.Expect(result.Did).To(HaveLen(2), "the third would be sent 12 seconds after the read")
	now, _ := w.region().NetworkACL(ownACL)
	w.Expect(describe(now.Entries)).To(ContainElement(region.DescribeEntry(deny(82))))
	slow()
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.snapshot()).To(Equal(before))
}

// Between the move of the subnet and the deletion of the clone, a third party may still edit the clone.
func TestACloneThatIsEditedWhileItsSubnetGoesBackStays(t *testing.T) {
	w := newWorld(t)
	id := w.serve(w.clone(0, 80))
	w.sim.Faults().After("ec2:ReplaceNetworkAclAssociation", func(call.Call) { w.add(id, foreign(150, true)) })
	result := w.undo(w.one())
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("edited clone " + id + " just now"))
	w.Expect(w.aclOf(subnet)).To(Equal(defaultACL))
	now, there := w.region().NetworkACL(id)
	w.Expect(there).To(BeTrue(), "it has a rule that is its author's alone")
	w.Expect(describe(now.Entries)).To(ContainElement(region.DescribeEntry(foreign(150, true))))
	w.Expect(w.writes()).NotTo(ContainElement("ec2:DeleteNetworkAcl"))
}

// A run has another clone after it lost one: the schedules of the one say nothing of the other.
func TestTheSchedulesOfAnotherCloneOfTheRunStay(t *testing.T) {
	w := newWorld(t)
	id, other := w.serve(w.clone(0, 80)), w.clone(0, 81)
	w.arm(id, 80)
	w.arm(other, 81)
	found := w.find()
	w.Expect(found).To(HaveLen(2))
	for _, f := range found {
		if f.NetworkACLID == id {
			w.Expect(w.undo(f).Done).To(BeTrue())
		}
	}
	w.Expect(w.region().Schedules()).To(HaveExactElements(HaveField("Name", deadman.Name(uid, 81))))
	w.Expect(w.undo(w.one()).Done).To(BeTrue())
	w.Expect(w.region().Schedules()).To(BeEmpty())
}

// An edit is not the only thing that may happen meanwhile.
func TestWhatHappensToACloneWhileItsSubnetGoesBack(t *testing.T) {
	const moved = "ec2:ReplaceNetworkAclAssociation"
	meanwhile := func(t *testing.T, do func(w *world, id string)) (*world, string, sweep.Found) {
		t.Helper()
		w := newWorld(t)
		id := w.serve(w.clone(0, 80))
		f := w.one()
		permit := w.sim.Faults().Add(faults.Fault{Action: moved, Denied: true})
		w.refused(f) // so that the next read confirms the claim
		permit()
		w.clock.Step(networkacl.SettleFor)
		var once sync.Once
		w.sim.Faults().After(moved, func(call.Call) { once.Do(func() { do(w, id) }) })
		return w, id, f
	}

	t.Run("another sweep takes its tags away", func(t *testing.T) {
		w, id, f := meanwhile(t, func(w *world, id string) { w.Expect(w.region().SetTags(id, nil)).To(Succeed()) })
		w.Expect(w.undo(f).Done).To(BeTrue(), "nothing is claimed any more")
		_, there := w.region().NetworkACL(id)
		w.Expect(there).To(BeTrue(), "what has no tag is its owner's alone")
		w.Expect(w.aclOf(subnet)).To(Equal(defaultACL))
	})
	t.Run("reads fail", func(t *testing.T) {
		w, id, f := meanwhile(t, func(w *world, _ string) {
			w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
		})
		w.Expect(w.refused(f).Did).To(Equal([]string{"associated subnet " + subnet + " with network ACL " + defaultACL + " again"}))
		_, there := w.region().NetworkACL(id)
		w.Expect(there).To(BeTrue(), "it was not read once it was free")
	})
	t.Run("another subnet comes onto it, and its denies can't be deleted", func(t *testing.T) {
		w, id, f := meanwhile(t, func(w *world, id string) {
			w.Expect(w.region().MoveSubnet(neighbour, id)).To(Succeed())
			w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
		})
		w.Expect(w.refused(f).Left).To(ContainSubstring("in use by " + neighbour))
		w.Expect(w.aclOf(neighbour)).To(Equal(id))
		w.sim.Faults().Clear()
		w.Expect(w.undo(w.one()).Done).To(BeFalse())
		now, _ := w.region().NetworkACL(id)
		w.Expect(describe(now.Entries)).NotTo(ContainElement(region.DescribeEntry(deny(80))))
	})
}

// What keeps a sweep from looking is told: without it, the sweep would seem to have nothing left to
// do.
func TestSchedulesAreNotUndoneWhereTheyCannotBeRead(t *testing.T) {
	for _, action := range []string{"ec2:DescribeNetworkAcls", "scheduler:ListSchedules"} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			id := w.clone(0, 80)
			w.arm(id, 80)
			w.Expect(w.region().DeleteNetworkACL(id)).To(Succeed())
			f := w.one()
			w.clock.SetTime(ends.Add(5 * time.Minute))
			w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
			w.refused(f)
			w.Expect(w.region().Schedules()).To(HaveLen(1))
		})
	}
}
