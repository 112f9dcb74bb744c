// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
)

func TestApplyGivesAllBackAndTouchesNothingElse(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	w.schedules(leftClone, cloneID)
	w.schedules(leftArmed, "acl-0feedfeedfeedfeed")
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
	w.Expect(w.sim.Region().Schedules()).To(BeEmpty())
	for _, want := range []string{
		"Rules of staging/demo on " + aclID + ": delete outbound entries 80, 81, 90, then remove the run's tags.",
		"Clone " + cloneID + " of team-a/cloned: associate " + sharedSubnet + " with network ACL " + sharedACL + " again, then delete the clone, and delete 3 schedules.",
		"Schedules of team-b/armed: delete 3 schedules.",
		"\nIt reads the tags twice, 2m apart, before it deletes entries of network ACLs that stay, tags, and clones whose original is gone: one read of AWS may lag.\n",
		"\nTrying again in 2m. Ctrl-C ends it",
		"Warning: the run of team-a/cloned is on for another 12m.", "kubectl --namespace team-a delete agentdisconnect cloned",
		"  Deleted rule 80 (52.119.223.69/32) of network ACL " + aclID + ".\n",
		"  Associated subnet " + sharedSubnet + " with network ACL " + sharedACL + " again.\n",
		"  Nothing of it is left.\n", "\nDone: everything was undone.\n",
	} {
		w.Expect(w.out.String()).To(ContainSubstring(want))
	}
	w.Expect(w.out.String()).NotTo(ContainSubstring("the run of staging/demo is on"))

	writes := w.writes()
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), "again")
	w.Expect(w.out.String()).To(ContainSubstring("Runs left nothing here"))
	w.Expect(w.writes()).To(Equal(writes), "a second run has nothing to do")
}

func TestTheAnswerDecides(t *testing.T) {
	for answer, yes := range map[string]bool{
		"y\n": true, "Y\n": true, "yes\n": true, "YES \n": true, "y": true,
		"n\n": false, "\n": false, "": false, "yep\n": false, "no\ny\n": false,
	} {
		t.Run(strings.ReplaceAll(answer, "\n", "↵"), func(t *testing.T) {
			w := newWorld(t)
			w.inPlace(leftInPlace)
			before := w.acls()
			w.answer(answer)
			code := w.run("sweep", "--apply")
			w.Expect(w.out.String()).To(ContainSubstring("Undo 1 finding in account 123456789012, ap-northeast-1? [y/N] "))
			if yes {
				w.Expect(code).To(Equal(exitDone), w.said())
				w.expectOnlyOursGone()
				return
			}
			w.Expect(code).To(Equal(exitLeft), w.said())
			w.Expect(w.out.String()).To(HaveSuffix("Nothing was changed.\n"))
			w.Expect(w.acls()).To(Equal(before))
			w.Expect(w.writes()).To(BeEmpty())
		})
	}
}

func TestCtrlCAtTheQuestionIsANo(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	before := w.acls()
	ctx, interrupt := context.WithCancel(t.Context())
	silent, person := io.Pipe() // at the terminal, who only presses Ctrl-C
	t.Cleanup(func() { _ = person.Close() })
	w.program.in, w.program.terminal = readerFunc(func(p []byte) (int, error) {
		interrupt()
		return silent.Read(p)
	}), true
	w.Expect(w.program.run(ctx, []string{"sweep", "--apply"})).To(Equal(exitLeft), w.said())
	w.Expect(w.out.String()).To(HaveSuffix("Nothing was changed.\n"))
	w.Expect(w.acls()).To(Equal(before))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWithoutATerminalAPersonHasToSayYes(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	before := w.acls()
	w.program.in = strings.NewReader("y\n")
	w.Expect(w.run("sweep", "--apply")).To(Equal(exitUsage))
	w.Expect(w.errOut.String()).To(ContainSubstring("with --yes"))
	w.Expect(w.acls()).To(Equal(before))
	w.Expect(w.writes()).To(BeEmpty())
}

func TestOfSeveralClustersOneHasToBeChosen(t *testing.T) {
	w := newWorld(t)
	theirs := leftClone
	theirs.cluster = another
	w.inPlace(leftInPlace)
	withTheirs := func() map[string][]string { // what is there without ours
		w.clone(theirs)
		return w.acls()
	}
	both := withTheirs()
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitUsage))
	w.Expect(w.errOut.String()).To(SatisfyAll(ContainSubstring("--cluster-id"), ContainSubstring("--all-clusters"), ContainSubstring(thisOne), ContainSubstring(another)))
	w.Expect(w.acls()).To(Equal(both))
	w.Expect(w.writes()).To(BeEmpty())

	w.Expect(w.run("sweep", "--apply", "--yes", "--cluster-id", thisOne)).To(Equal(exitDone), w.said())
	w.Expect(w.acls()[aclID]).To(Equal(w.before[aclID]))
	w.Expect(w.acls()[cloneID]).To(Equal(both[cloneID]), "the other cluster's")
	w.Expect(w.acls()[sharedACL]).To(Equal(both[sharedACL]), "the other cluster's")

	w.inPlace(leftInPlace)
	w.Expect(w.run("sweep", "--apply", "--yes", "--all-clusters")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
}

func TestOnlyWhatIsOver(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	clone := w.acls()[cloneID]
	w.Expect(w.run("sweep", "--apply", "--yes", "--expired")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).NotTo(ContainSubstring("Warning"))
	w.Expect(w.acls()[aclID]).To(Equal(w.before[aclID]))
	w.Expect(w.acls()[cloneID]).To(Equal(clone), "its run is on")
}

func TestWhatAPersonMustLookAtIsLeft(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.adopted()
	w.unreadable()
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitLeft), w.said())
	w.Expect(w.acls()[aclID]).To(Equal(w.before[aclID]))
	w.Expect(w.acls()).To(SatisfyAll(HaveKey(adoptedID), HaveKey(unreadableID)))
	w.Expect(w.out.String()).To(ContainSubstring("\nLeft: 1 of 3."))
	w.Expect(w.out.String()).To(HaveSuffix("  Unreadable tags of " + unreadableID + ": The tag agentdisconnect.dev/c4b3a291-0f1e-4d2c-8b3a-495867768594 can't be read: compare the rules of " +
		unreadableID + " with the page \"Undoing a run by hand\", and remove what is left of the run.\n"))
}

func TestAnAdoptedNetworkACLAloneIsNothingToUndo(t *testing.T) {
	w := newWorld(t)
	w.adopted()
	w.Expect(w.run("sweep", "--apply")).To(Equal(exitDone), "no question, since there is nothing to ask about: %s", w.said())
	w.Expect(w.acls()).To(HaveKey(adoptedID))
	w.Expect(w.writes()).To(BeEmpty())
}

func TestApplyInJSONPrintsOneDocumentWithTheResults(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.unreadable()
	w.answer("y\n")
	w.Expect(w.run("sweep", "--apply", "-o", "json")).To(Equal(exitLeft), w.said())
	doc := w.document()
	w.Expect(doc.Found).To(HaveLen(2))
	w.Expect(doc.Found[0].Kind).To(Equal(sweep.KindRules))
	w.Expect(doc.Found[0].Result.Done).To(BeTrue())
	w.Expect(doc.Found[0].Result.Did).To(ContainElement("deleted rule 80 (52.119.223.69/32) of network ACL " + aclID))
	w.Expect(doc.Found[1].Kind).To(Equal(sweep.KindUnreadable))
	w.Expect(doc.Found[1].Result.Done).To(BeFalse())
	w.Expect(doc.Found[1].Result.Left).To(ContainSubstring("can't be read"))
	w.Expect(w.errOut.String()).To(ContainSubstring("Undo 1 finding in account"), "what a person is asked is on standard error")
}

func TestADeniedPermissionIsNamedAndTheRestGoesOn(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	allow := w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitLeft), w.said())
	w.Expect(w.out.String()).To(MatchRegexp(`Left: AWS denies ec2:DeleteNetworkAclEntry: .*config/iam/policy-sweep\.json`))
	w.Expect(w.acls()).NotTo(HaveKey(cloneID), "what needs another permission is undone")
	allow()
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
}

func TestAnInterruptedSweepEndsItsCallAndGoesOnNextTime(t *testing.T) {
	for _, action := range []string{"ec2:DeleteNetworkAclEntry", "ec2:ReplaceNetworkAclAssociation", "ec2:DeleteNetworkAcl", "ec2:DeleteTags", "scheduler:DeleteSchedule"} {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			w.inPlace(leftInPlace)
			w.clone(leftClone)
			w.schedules(leftClone, cloneID)
			ctx, interrupt := context.WithCancel(t.Context())
			remove := w.sim.Faults().Before(action, func(call.Call) { interrupt() })
			code := w.program.run(ctx, []string{"sweep", "--apply", "--yes"})
			remove()
			w.Expect(code).To(BeElementOf(exitDone, exitLeft), w.said())
			writes := w.writes()
			w.Expect(action).To(HaveSuffix(":"+writes[len(writes)-1]), "the call under way was answered, and none was begun after it")
			w.Expect(w.out.String()).To(ContainSubstring(map[string]string{
				"ec2:DeleteNetworkAclEntry": "Deleted rule 80 ", "ec2:ReplaceNetworkAclAssociation": "Associated subnet ",
				"ec2:DeleteNetworkAcl": "Deleted clone ", "ec2:DeleteTags": "Removed the tags ",
				"scheduler:DeleteSchedule": "Deleted schedule ",
			}[action]), "what was done is said")
			if code == exitLeft {
				w.Expect(w.out.String()).To(ContainSubstring("Interrupted"))
			}
			w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
			w.expectOnlyOursGone()
			w.Expect(w.sim.Region().Schedules()).To(BeEmpty())
		})
	}
}

func TestWhereOnlyTimeIsLackingItWaitsAndTriesAgain(t *testing.T) {
	w := newWorld(t)
	on := leftInPlace
	on.over = -time.Hour // so that an entry that reads lack may yet show up
	w.addTags(aclID, on.tags())
	w.Expect(w.run("sweep", "--apply", "--yes", "--wait", "0")).To(Equal(exitLeft), w.said())
	w.Expect(w.acls()[aclID]).NotTo(Equal(w.before[aclID]), "the tags stay for now")

	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(And(ContainSubstring("Trying again in 2m."), ContainSubstring("Trying again in 3m")))
	w.expectOnlyOursGone()
}

func TestNoEntryIsDeletedWithoutTheWaitThatConfirmsIt(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	made := w.acls()[aclID]
	w.Expect(w.run("sweep", "--apply", "--yes", "--wait", "1m59s")).To(Equal(exitLeft), w.said())
	w.Expect(w.out.String()).To(And(
		ContainSubstring("\nIt leaves entries of network ACLs that stay, tags, and clones whose original is gone: for those it must read the tags twice, 2m apart, and --wait is 1m59s. Give --wait 3m or more.\n"),
		HaveSuffix("; a new call of the command begins with the first read: give it --wait 3m or more.\n"),
		ContainSubstring("\nLeft: 1 of 2."), ContainSubstring("one read may show tags that were removed since"),
	))
	w.Expect(w.acls()[aclID]).To(Equal(made))
	w.Expect(w.acls()).NotTo(HaveKey(cloneID), "it is the run's as a whole")

	w.Expect(w.run("sweep", "--apply", "--yes", "--wait", "2m")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
}

// The two minutes count from the first read, which is later than the start.
func TestAWaitOfTwoMinutesIsEnough(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.sim.Faults().Before("sts:GetCallerIdentity", func(call.Call) { w.clock.Step(time.Second) })
	w.Expect(w.run("sweep", "--apply", "--yes", "--wait", "2m")).To(Equal(exitDone), w.said())
	w.expectOnlyOursGone()
}

func TestAnErrorThatPassesIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Error: "RequestLimitExceeded", When: func(call.Call) bool {
		passed := w.clock.Since(now)
		return passed >= networkacl.SettleFor && passed < networkacl.SettleFor+5*time.Second
	}})
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(ContainSubstring("\nTrying again in 10s."))
	w.expectOnlyOursGone()
}

func TestAnInterruptedWaitSaysThatANewCallBeginsAnew(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	ctx, interrupt := context.WithCancel(t.Context())
	interrupted := w.program.out
	w.program.out = writerFunc(func(p []byte) (int, error) {
		if strings.Contains(string(p), "Trying again") {
			interrupt()
		}
		return interrupted.Write(p)
	})
	w.Expect(w.program.run(ctx, []string{"sweep", "--apply", "--yes"})).To(Equal(exitLeft), w.said())
	w.Expect(w.out.String()).To(HaveSuffix("give it --wait 3m or more.\n"))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// What is left anyway needs no second read, and a clone without its original does.
func TestWhatIsPredictedOfClones(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(w *world)
		want   string
		twice  bool
	}{
		"that serves no subnet and whose original is gone": {func(w *world) {
			w.Expect(w.sim.Region().MoveSubnet(sharedSubnet, sharedACL)).To(Succeed())
			w.addTags(cloneID, map[string]string{ownership.TagOriginal: "acl-0feedfeedfeedfeed"})
		}, "delete it; it serves no subnet", true},
		"that a person must look at": {func(w *world) {
			w.addTags(cloneID, map[string]string{ownership.TagSubnet: ""})
		}, "nothing. A person must look at it first (see above).", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.clone(leftClone)
			tc.change(w)
			w.run("sweep", "--apply", "--yes", "--wait", "0")
			w.Expect(w.out.String()).To(ContainSubstring(tc.want))
			w.Expect(strings.Contains(w.out.String(), "2m apart")).To(Equal(tc.twice), w.said())
		})
	}
}

func TestOfACloneThatIsUndoneAsAWholeNoWaitIsSaid(t *testing.T) {
	w := newWorld(t)
	w.clone(leftClone)
	w.Expect(w.run("sweep", "--apply", "--yes", "--wait", "0")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).NotTo(ContainSubstring("apart"))
	w.expectOnlyOursGone()
}

// Reads show the run's tags a moment longer than they are there. By then its entries are a third
// party's that equal them.
func TestTagsThatOnlyAReadThatLagsShows(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clock.Step(time.Minute)
	for _, e := range denies {
		w.Expect(w.sim.Region().DeleteNetworkACLEntry(aclID, e.RuleNumber, true)).To(Succeed())
	}
	w.Expect(w.sim.Region().SetTags(aclID, map[string]string{"Name": "ours", "team": "network"})).To(Succeed())
	w.expectOnlyOursGone()
	for _, e := range denies {
		w.Expect(w.sim.Region().CreateNetworkACLEntry(aclID, e)).To(Succeed())
	}
	theirs, calls := w.acls(), w.writes()
	w.clock.Step(time.Second)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:Describe*", Stale: faults.Duration(time.Minute)})
	w.Expect(w.run("sweep", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(ContainSubstring("Rules of staging/demo on "+aclID), "reads show them at first")
	w.Expect(w.acls()).To(Equal(theirs))
	w.Expect(w.writes()).To(Equal(calls))
}
