// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"maps"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

// end is an ordinary end of the run on a network ACL: its entries go, then its tags. A third party
// makes entries that equal them at once.
func (w *world) end(id string, numbers ...int32) {
	for _, n := range numbers {
		w.Expect(w.region().DeleteNetworkACLEntry(id, int(n), true)).To(Succeed())
	}
	w.Expect(w.region().SetTags(id, nil)).To(Succeed())
	for _, n := range numbers {
		w.add(id, deny(n))
	}
}

// lagging has reads show what was there that long ago.
func (w *world) lagging(lag time.Duration) {
	w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(lag)})
}

// However long ago the end is that stale tags tell of, and whichever caller asks.
func TestTagsThatOnlyAReadThatLagsShows(t *testing.T) {
	undo := func(w *world, f sweep.Found) sweep.Result { return w.undo(f) }
	lift := func(w *world, f sweep.Found) sweep.Result { return w.lift(f) }
	inPlace := func(w *world) string { w.inPlace(80, 81); return ownACL }
	orphan := func(w *world) string { return w.orphan(80, 81) }
	for name, tc := range map[string]struct {
		prepare func(*world) string
		at      time.Time
		act     func(*world, sweep.Found) sweep.Result
	}{
		"of a run that was ended early": {inPlace, began.Add(5 * time.Minute), undo},
		"right after the end":           {inPlace, ends.Add(time.Second), undo},
		"of a run that ended late":      {inPlace, ends.Add(time.Hour), undo},
		"of a run that is lifted":       {inPlace, ends.Add(time.Hour), lift},
		"of a clone that was adopted":   {orphan, ends.Add(time.Hour), undo},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := tc.prepare(w)
			w.clock.SetTime(tc.at)
			w.end(id, 80, 81)
			ended := w.snapshot()
			w.clock.Step(time.Second)

			w.lagging(networkacl.SettleFor - time.Second)
			f := w.one()
			w.Expect(f.Present).To(HaveLen(2))
			for range 3 {
				result := tc.act(w, f)
				w.Expect(result.Done).To(BeFalse())
				w.Expect(result.Did).To(BeEmpty())
				w.clock.Step(30 * time.Second)
			}
			w.clock.Step(time.Minute)
			tc.act(w, f)
			w.Expect(w.snapshot()).To(Equal(ended))
		})
	}
}

// Tags that an adopted clone no longer has are no reason to delete it once it serves no subnet.
func TestACloneThatWasAdoptedIsNotDeletedForAReadThatLags(t *testing.T) {
	w := newWorld(t)
	id := w.orphan()
	w.clock.SetTime(ends.Add(time.Hour))
	w.Expect(w.region().MoveSubnet(subnet, defaultACL)).To(Succeed())
	w.clock.Step(time.Second)
	w.Expect(w.region().SetTags(id, nil)).To(Succeed())
	w.lagging(time.Second)
	f := w.one()
	w.Expect(f.SubnetIDs).To(BeEmpty())
	w.Expect(w.undo(f).Left).To(ContainSubstring("one read may show tags that were removed since"))
	_, there := w.region().NetworkACL(id)
	w.Expect(there).To(BeTrue())
}

func TestACloneWithoutOriginalThatServesNoSubnetGoesOnceConfirmed(t *testing.T) {
	w := newWorld(t)
	id := w.orphan(80)
	w.Expect(w.region().MoveSubnet(subnet, defaultACL)).To(Succeed())
	w.Expect(w.undo(w.confirm(w.one())).Did).To(Equal([]string{"deleted clone " + id}))
}

// What reads show in between counts as well: a claim that was gone, or another one, begins anew.
func TestAClaimIsConfirmedByReadsWithoutAGap(t *testing.T) {
	for name, gap := range map[string]func(w *world, f sweep.Found){
		"other rules": func(w *world, f sweep.Found) {
			tags := w.tags()
			w.tag(ownACL, ownershipOf(80).Tags())
			w.undo(f)
			w.Expect(w.region().SetTags(ownACL, tags)).To(Succeed())
		},
		"another end": func(w *world, f sweep.Found) {
			tags := w.tags()
			o := ownershipOf(80, 81)
			o.Expires = ends.Add(time.Minute)
			w.tag(ownACL, o.Tags())
			w.undo(f)
			w.Expect(w.region().SetTags(ownACL, tags)).To(Succeed())
		},
		"no tags": func(w *world, f sweep.Found) {
			tags := w.tags()
			w.Expect(w.region().SetTags(ownACL, nil)).To(Succeed())
			w.Expect(w.undo(f).Done).To(BeTrue())
			w.Expect(w.region().SetTags(ownACL, tags)).To(Succeed())
		},
		"a look that doesn't have it": func(w *world, _ sweep.Found) {
			w.undoer.Retain(nil, sweep.Place{AccountID: account, Region: regionName})
		},
		"a lift": func(w *world, f sweep.Found) { w.lift(f) },
		"what is known of the object": func(w *world, f sweep.Found) {
			f.Object = "restored"
			w.undo(f)
		},
		"another process":           func(w *world, _ sweep.Found) { w.restart() },
		"a clock that was set back": func(w *world, _ sweep.Found) { w.clock.SetTime(began) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.snapshot()
			w.inPlace(80, 81)
			made := w.snapshot()
			f := w.confirm(w.one())
			w.undoer.Retain([]sweep.Found{f}, sweep.Place{AccountID: account, Region: regionName})
			gap(w, f)
			w.Expect(w.undo(f).Did).To(BeEmpty())
			w.clock.Step(networkacl.SettleFor - time.Second)
			result := w.undo(f)
			w.Expect(result.Did).To(BeEmpty())
			w.Expect(result.Again).To(Equal(w.clock.Now().Add(time.Second)))
			w.Expect(w.snapshot()).To(Equal(made))
			w.clock.Step(time.Second)
			w.Expect(w.undo(f).Done).To(BeTrue())
			w.Expect(w.snapshot()).To(Equal(before))
		})
	}
}

// A run may end at its time without a word, so reads before it confirm nothing afterwards.
func TestReadsBeforeTheEndOfARunConfirmNothingAfterIt(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	f := w.one()
	w.clock.SetTime(ends.Add(-time.Second))
	w.undo(f)
	w.clock.Step(30 * time.Second)
	w.end(ownACL, 80)
	ended := w.snapshot()
	w.clock.Step(networkacl.SettleFor - 30*time.Second)
	w.lagging(networkacl.SettleFor - time.Second)
	w.Expect(w.undo(f).Did).To(BeEmpty())
	w.Expect(w.snapshot()).To(Equal(ended))
}

func TestAClaimOnACloneThatAReadLacksIsConfirmedAnew(t *testing.T) {
	w := newWorld(t)
	w.clock.Step(time.Minute)
	id := w.serve(w.clone(0, 80))
	w.arm(id, 80)
	w.add(id, foreign(150, true))
	f := w.confirm(w.one())
	w.lagging(time.Hour) // to before the clone was made
	w.Expect(w.undo(f).Left).To(ContainSubstring("reads do not show network ACL " + id))
	w.sim.Faults().Clear()
	w.Expect(w.undo(f).Did).To(BeEmpty())
	w.clock.Step(networkacl.SettleFor)
	w.Expect(w.undo(f).Did).To(ContainElement(HavePrefix("deleted rule 80 ")))
}

// A look that has the finding leaves what earlier reads confirm.
func TestALookThatHasTheFindingAgain(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	f := w.confirm(w.one())
	w.undoer.Retain(w.find(), sweep.Place{AccountID: account, Region: regionName})
	w.Expect(w.undo(f).Done).To(BeTrue())
}

// An answer that takes long shows no later state than one that comes at once.
func TestAClaimIsConfirmedByWhenItIsReadNotByWhenTheAnswerComes(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	f := w.one()
	w.undo(f)
	w.clock.Step(networkacl.SettleFor - time.Second)
	slow := w.sim.Faults().Before("ec2:DescribeNetworkAcls", func(call.Call) { w.clock.Step(time.Second) })
	w.Expect(w.undo(f).Did).To(BeEmpty())
	slow()
	w.Expect(w.undo(f).Done).To(BeTrue())
}

// The tags of a lifted claim stay, so what is known of it does: nothing is told of it again, and an
// entry that comes back goes at once.
func TestALiftedClaimStaysConfirmed(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	w.clock.SetTime(ends.Add(time.Hour))
	f := w.one()
	w.lift(f)
	w.clock.Step(networkacl.SettleFor)
	w.Expect(w.lift(f).Did).To(HaveLen(1))
	w.clock.Step(networkacl.SettleFor)
	w.Expect(w.lift(f)).To(Equal(sweep.Result{Done: true}))

	w.add(ownACL, deny(80))
	w.Expect(w.lift(f).Did).To(Equal([]string{"deleted rule 80 (52.119.0.80/32) of network ACL " + ownACL}))

	// Once the object is gone, too.
	w.clock.Step(time.Minute)
	w.add(ownACL, deny(80))
	w.Expect(w.undo(w.confirm(f)).Did).To(HaveLen(2), "the entry and the tags")
}

// Nothing was read where the look failed.
func TestALookThatOnlyOtherRegionsAnswered(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	f := w.confirm(w.one())
	w.undoer.Retain(nil, sweep.Place{AccountID: account, Region: "eu-west-1"})
	w.Expect(w.undo(f).Done).To(BeTrue())
}

// An entry that was lacking and shows while its claim isn't confirmed may be deleted by the next
// read, which alone doesn't tell whether it took effect.
func TestAnEntryThatShowsBeforeItsClaimIsConfirmed(t *testing.T) {
	w := newWorld(t)
	w.tag(ownACL, ownershipOf(80).Tags())
	f := w.one()
	w.undo(f)
	w.clock.Step(time.Minute)
	w.add(ownACL, deny(80))
	w.undo(f)
	w.Expect(w.region().DeleteNetworkACLEntry(ownACL, 80, true)).To(Succeed())
	w.clock.Step(time.Minute)
	result := w.undo(f)
	w.Expect(result.Again).To(Equal(w.clock.Now().Add(networkacl.AmbiguousFor)))
}

func (w *world) tags() map[string]string {
	found, _ := w.region().NetworkACL(ownACL)
	return maps.Clone(found.Tags)
}
