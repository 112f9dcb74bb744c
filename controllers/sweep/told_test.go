// SPDX-License-Identifier: Apache-2.0

package sweep_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// orphan has a clone with a run's rules that serves, and whose original is gone.
func (w *world) orphan(numbers ...int32) string {
	made, err := w.region().CreateNetworkACL(vpc, "", "", nil)
	w.Expect(err).NotTo(HaveOccurred())
	w.Expect(w.region().SetEntries(made.ID, region.AllowAll(100, true), region.AllowAll(100, false))).To(Succeed())
	id := w.clone(0, numbers...)
	w.tag(id, map[string]string{ownership.TagOriginal: made.ID})
	w.serve(id)
	w.Expect(w.region().DeleteNetworkACL(made.ID)).To(Succeed())
	return id
}

// worlds are what a sweep may meet: prepare is what it finds, and then what happens before it
// undoes that.
var worlds = map[string]struct {
	prepare func(*world) string
	then    func(*world, string)
}{
	"rules in place":                {prepare: func(w *world) string { w.inPlace(80); return "" }},
	"a clone that serves":           {prepare: func(w *world) string { id := w.serve(w.clone(0, 80)); w.arm(id, 80); return id }},
	"a clone that serves no subnet": {prepare: func(w *world) string { id := w.clone(0, 80); w.arm(id, 80); return id }},
	"a clone that was edited": {prepare: func(w *world) string {
		id := w.serve(w.clone(0, 80))
		w.arm(id, 80)
		w.add(id, foreign(150, true))
		return id
	}},
	"a clone without its original": {prepare: func(w *world) string { id := w.orphan(80); w.arm(id, 80); return id }},
	"schedules alone":              {prepare: func(w *world) string { w.arm("acl-0123456789abcdef0", 80); return "" }},
	"a clone that is deleted meanwhile": {
		prepare: func(w *world) string { id := w.clone(0, 80); w.arm(id, 80); return id },
		then:    func(w *world, id string) { w.Expect(w.region().DeleteNetworkACL(id)).To(Succeed()) },
	},
}

// Whatever call is refused: the caller gets to know, and nothing is told as undone.
func TestEveryRefusalOfAnUndoingIsTold(t *testing.T) {
	for name, tc := range worlds {
		t.Run(name, func(t *testing.T) {
			refusals := 0
			for n := 0; ; n++ {
				w := newWorld(t)
				id := tc.prepare(w)
				f := w.one()
				if tc.then != nil {
					tc.then(w, id)
				}
				w.clock.SetTime(ends.Add(5 * time.Minute))
				if f.Kind == sweep.KindRules || f.Problem != "" {
					w.confirm(f)
				}
				calls := len(w.sim.Calls())
				w.sim.Faults().Add(faults.Fault{Action: "*", Error: "AccessDeniedException", Skip: n, Times: 1})
				result, err := w.undoer.Undo(w.ctx, w.clients, f)
				made := w.sim.Calls()[calls:]
				if len(made) <= n {
					break
				}
				refusals++
				refused := made[n].Name()
				if reads := strings.HasPrefix(refused, "scheduler:") && made[n].ReadOnly; reads && f.Kind != sweep.KindSchedules {
					w.Expect(err).NotTo(HaveOccurred(), "%s is not needed", refused)
					continue
				}
				w.Expect(aws.Classify(err)).To(Equal(aws.Denied), "call %d, %s: %v", n, refused, err)
				w.Expect(result.Done).To(BeFalse(), "call %d, %s", n, refused)
			}
			NewWithT(t).Expect(refusals).To(BeNumerically(">=", 3))
		})
	}
}

// A search that can't look is no search that finds nothing.
func TestEveryRefusalOfASearchIsTold(t *testing.T) {
	for n := 0; ; n++ {
		w := newWorld(t)
		w.arm(w.serve(w.clone(0, 80)), 80)
		calls := len(w.sim.Calls())
		w.sim.Faults().Add(faults.Fault{Action: "*", Error: "AccessDeniedException", Skip: n, Times: 1})
		survey, err := sweep.Look(w.ctx, w.clients, nil)
		made := w.sim.Calls()[calls:]
		if len(made) <= n {
			w.Expect(n).To(BeNumerically(">=", 6), "account, schedules, clones, originals, account")
			break
		}
		if strings.HasPrefix(made[n].Name(), "scheduler:") {
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(aws.Classify(survey.SchedulesUnseen)).To(Equal(aws.Denied), made[n].Name())
			w.Expect(survey.Found).NotTo(BeEmpty())
			continue
		}
		if strings.HasPrefix(made[n].Name(), "ecs:") {
			w.Expect(err).NotTo(HaveOccurred())
			w.Expect(aws.Classify(survey.TasksUnseen)).To(Equal(aws.Denied), made[n].Name())
			w.Expect(survey.Found).NotTo(BeEmpty())
			continue
		}
		w.Expect(aws.Classify(err)).To(Equal(aws.Denied), made[n].Name())
		w.Expect(survey).To(Equal(sweep.Survey{}), made[n].Name())
	}
	w := newWorld(t)
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DescribeNetworkAcls", Denied: true})
	_, err := sweep.Find(w.ctx, w.clients)
	w.Expect(aws.Classify(err)).To(Equal(aws.Denied))
}

// Between the two reads of an undoing, a process that stood still makes an entry: the tags stay as
// long as it does.
func TestAnEntryThatShowsAtTheSecondReadAndCannotBeDeleted(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*world) string
		second  int32
	}{
		"in place": {func(w *world) string { w.tag(ownACL, ownershipOf(80).Tags()); return ownACL }, 2},
		"a clone without original": {func(w *world) string {
			id := w.orphan(80)
			w.Expect(w.region().DeleteNetworkACLEntry(id, 80, true)).To(Succeed())
			return id
		}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := tc.prepare(w)
			f := w.one()
			w.clock.SetTime(ends.Add(5 * time.Minute))
			w.confirm(f)
			w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", Denied: true})
			var reads atomic.Int32
			w.sim.Faults().Before("ec2:DescribeNetworkAcls", func(call.Call) {
				if reads.Add(1) == tc.second {
					w.add(id, deny(80))
				}
			})
			w.refused(f)
			now, _ := w.region().NetworkACL(id)
			w.Expect(now.Tags).To(HaveKey(ownership.TagDomain + uid))
		})
	}
}

func TestACloneThatASubnetComesOntoBeforeItsDeletion(t *testing.T) {
	w := newWorld(t)
	id := w.clone(0, 80)
	f := w.one()
	w.sim.Faults().Before("ec2:DeleteNetworkAcl", func(call.Call) { w.Expect(w.region().MoveSubnet(neighbour, id)).To(Succeed()) })
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("AWS does not delete clone " + id + " yet, since a subnet is on it"))
	w.Expect(result.Again).To(Equal(w.clock.Now().Add(5 * time.Second)))
	w.Expect(w.aclOf(neighbour)).To(Equal(id))
}

// All that stays is told, each of several things.
func TestACloneThatStaysAndReadsThatMayLag(t *testing.T) {
	w := newWorld(t)
	id := w.orphan(80, 81)
	w.Expect(w.region().DeleteNetworkACLEntry(id, 81, true)).To(Succeed())
	w.clock.SetTime(began.Add(networkacl.AmbiguousFor - networkacl.SettleFor))
	result := w.undo(w.confirm(w.one()))
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(And(ContainSubstring("reads may not show all changes of its rules yet"), ContainSubstring("; "), ContainSubstring("was deleted: the clone stays")))
	now, _ := w.region().NetworkACL(id)
	w.Expect(now.Tags).To(HaveKey(ownership.TagDomain + uid))
}

func TestLiftOfEachKind(t *testing.T) {
	lift := func(w *world) sweep.Result {
		f := w.one()
		w.lift(f)
		w.clock.Step(networkacl.SettleFor)
		return w.lift(f)
	}
	t.Run("rules in place", func(t *testing.T) {
		w := newWorld(t)
		w.inPlace(80)
		w.Expect(lift(w).Done).To(BeTrue())
	})
	t.Run("rules in place that a read lacks", func(t *testing.T) {
		w := newWorld(t)
		w.tag(ownACL, ownershipOf(80).Tags())
		w.Expect(lift(w).Done).To(BeFalse(), "it may yet show")
	})
	t.Run("a clone", func(t *testing.T) {
		w := newWorld(t)
		id := w.serve(w.clone(0, 80))
		w.arm(id, 80)
		w.Expect(w.lift(w.one()).Done).To(BeTrue())
		w.Expect(w.acls()).NotTo(ContainElement(id))
		w.Expect(w.region().Schedules()).To(HaveLen(1), "they are the object's")
	})
	t.Run("a clone without its original", func(t *testing.T) {
		w := newWorld(t)
		id := w.orphan(80)
		w.clock.SetTime(ends.Add(5 * time.Minute))
		result := lift(w)
		w.Expect(result.Done).To(BeFalse())
		w.Expect(result.Left).To(ContainSubstring("the clone stays"))
		now, _ := w.region().NetworkACL(id)
		w.Expect(describe(now.Entries)).NotTo(ContainElement(region.DescribeEntry(deny(80))))
		w.Expect(now.Tags).To(HaveKey(ownership.TagClone))
	})
	t.Run("schedules of a clone that is gone", func(t *testing.T) {
		w := newWorld(t)
		w.arm("acl-0123456789abcdef0", 80)
		w.Expect(lift(w).Done).To(BeTrue(), "nothing acts on traffic")
		w.Expect(w.region().Schedules()).To(HaveLen(1))
	})
}

func (w *world) acls() []string {
	var ids []string
	for _, found := range w.region().View(time.Time{}).NetworkACLs() {
		ids = append(ids, found.ID)
	}
	return ids
}

func TestANetworkACLThatIsDeletedMeanwhile(t *testing.T) {
	w := newWorld(t)
	made, err := w.region().CreateNetworkACL(vpc, "", "", ownershipOf(80).Tags())
	w.Expect(err).NotTo(HaveOccurred())
	f := w.one()
	w.Expect(w.region().DeleteNetworkACL(made.ID)).To(Succeed())
	w.Expect(w.undo(f)).To(Equal(sweep.Result{Done: true}), "its rules are gone with it")

	id := w.clone(0, 80)
	w.arm(id, 80)
	f = w.one()
	w.Expect(w.region().DeleteNetworkACL(id)).To(Succeed())
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse(), "reads may lack it")
	w.clock.SetTime(result.Again)
	w.Expect(w.undo(f).Done).To(BeTrue())
	w.Expect(w.region().Schedules()).To(BeEmpty())
}

// A run that was undone may still make an entry, where its process stood still: nothing that was
// seen of the first counts then.
func TestWhatComesBackAfterItWasUndoneIsUndoneAgain(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	for range 2 {
		w.inPlace(80)
		w.Expect(w.undo(w.confirm(w.one())).Done).To(BeTrue())
		w.Expect(w.snapshot()).To(Equal(before))
	}
}

func TestADeletionThatTookEffectThoughAWSSaysThatThereWasNothing(t *testing.T) {
	w := newWorld(t)
	w.tag(ownACL, ownershipOf(80).Tags())
	f := w.one()
	w.Expect(w.undo(f).Done).To(BeFalse(), "one read doesn't show that there is no rule 80")
	w.clock.Step(networkacl.SettleFor)
	w.add(ownACL, deny(80))
	w.sim.Faults().Add(faults.Fault{Action: "ec2:DeleteNetworkAclEntry", ErrorAfter: "InvalidNetworkAclEntry.NotFound", Times: 1})
	w.undo(f)
	w.clock.Step(networkacl.AmbiguousFor - networkacl.SettleFor)
	w.Expect(w.undo(f).Done).To(BeFalse(), "reads lacked it before it showed, which counts no more")
}

// Of two runs that began at once and claim one entry, it is one's alone.
func TestTwoClaimsOfTheSameTime(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	other := ownershipOf(80)
	other.UID = otherUID // which comes first
	w.tag(ownACL, other.Tags())
	found := w.find()
	w.Expect(found[0].UID).To(Equal(otherUID))
	w.Expect(w.undo(w.confirm(found[0])).Done).To(BeTrue())
	now, _ := w.region().NetworkACL(ownACL)
	w.Expect(describe(now.Entries)).To(ContainElement(region.DescribeEntry(deny(80))))
	w.Expect(w.undo(w.confirm(w.one())).Done).To(BeTrue())
}

// A number that a run used twice has one entry at most, and that is deleted once.
func TestAClaimWithTwoRulesOfOneNumber(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	o := ownershipOf(80, 80)
	o.Rules[0].CIDR = deny(81).CIDR.String()
	w.tag(ownACL, o.Tags())
	w.add(ownACL, deny(80))
	w.clock.SetTime(ends.Add(5 * time.Minute))
	w.Expect(w.undo(w.confirm(w.one()))).To(HaveField("Done", true))
	w.Expect(w.snapshot()).To(Equal(before))
	w.Expect(slices.Index(w.writes(), "ec2:DeleteNetworkAclEntry")).To(BeNumerically(">=", 0))
}

func TestAClaimOfAnotherRunOnACloneThatLostItsTag(t *testing.T) {
	w := newWorld(t)
	id := w.clone(0, 80)
	w.tag(id, map[string]string{ownership.TagClone: otherUID})
	w.Expect(w.find()).To(ContainElement(And(HaveField("UID", uid), HaveField("Kind", sweep.KindRules),
		HaveField("Problem", ContainSubstring("--tags Key="+ownership.TagClone+",Value="+uid)))))
}

// The rules of a clone that stays may be gone for certain or not: the schedules of the former go,
// and the others stay.
func TestSchedulesOfACloneThatStays(t *testing.T) {
	edited := func(t *testing.T) (*world, string, sweep.Found) {
		t.Helper()
		w := newWorld(t)
		id := w.serve(w.clone(0, 80, 81))
		w.arm(id, 80, 81)
		w.add(id, foreign(150, true))
		w.Expect(w.region().DeleteNetworkACLEntry(id, 81, true)).To(Succeed())
		return w, id, w.one()
	}
	t.Run("as long as reads may lack a rule", func(t *testing.T) {
		w, _, f := edited(t)
		w.undo(w.confirm(f))
		w.Expect(w.region().Schedules()).To(HaveExactElements(HaveField("Name", deadman.Name(uid, 81))))
	})
	t.Run("where the caller may not look at them", func(t *testing.T) {
		for _, action := range []string{"scheduler:GetSchedule", "scheduler:ListSchedules"} {
			w, _, f := edited(t)
			w.sim.Faults().Add(faults.Fault{Action: action, Denied: true})
			w.Expect(w.undo(f).Left).To(And(ContainSubstring("were not read"), ContainSubstring("a third party edited")), action)
			w.Expect(w.region().Schedules()).To(HaveLen(2))
		}
	})
	t.Run("where AWS does not answer", func(t *testing.T) {
		w, _, f := edited(t)
		w.sim.Faults().Add(faults.Fault{Action: "scheduler:ListSchedules", Lost: true})
		_, err := w.undoer.Undo(w.ctx, w.clients, f)
		w.Expect(aws.Classify(err)).To(Equal(aws.Unanswered), "%v", err)
	})
}

func TestAScheduleThatIsNotAsItWasFound(t *testing.T) {
	w := newWorld(t)
	id := w.clone(0, 80)
	w.arm(id, 80)
	w.Expect(w.region().SetTags(id, nil)).To(Succeed())
	w.Expect(w.region().DeleteNetworkACLEntry(id, 80, true)).To(Succeed())
	f := w.one()
	w.armUntil(id, ends.Add(time.Hour), 80)
	result := w.undo(f)
	w.Expect(result.Done).To(BeFalse())
	w.Expect(result.Left).To(ContainSubstring("schedule " + deadman.Name(uid, 80) + " changed after it was found: search again"))
	w.Expect(w.region().Schedules()).To(HaveLen(1))

	w.tag(id, cloneTags(ownershipOf(80), nil))
	w.Expect(w.undo(f).Left).To(ContainSubstring("clone " + id + " is there: search again"))
	w.Expect(w.region().Schedules()).To(HaveLen(1))
}

func TestASearchForSchedules(t *testing.T) {
	t.Run("leaves out what is not the switch's", func(t *testing.T) {
		w := newWorld(t)
		w.arm("acl-0123456789abcdef0", 80)
		theirs := w.region().Schedules()[0]
		theirs.Name = deadman.Prefix + "notes"
		w.Expect(w.region().CreateSchedule("", "", theirs)).To(Succeed())
		w.Expect(w.one().Schedules).To(HaveLen(1))
	})
	t.Run("leaves out what fires meanwhile", func(t *testing.T) {
		w := newWorld(t)
		w.arm("acl-0123456789abcdef0", 80)
		w.sim.Faults().Before("scheduler:GetSchedule", func(call.Call) {
			w.Expect(w.region().DeleteSchedule("", group, deadman.Name(uid, 80))).To(Succeed())
		})
		survey, err := sweep.Look(w.ctx, w.clients, nil)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(survey).To(Equal(sweep.Survey{Place: sweep.Place{AccountID: account, Region: regionName}}))
	})
	t.Run("says where one got no answer", func(t *testing.T) {
		w := newWorld(t)
		w.arm("acl-0123456789abcdef0", 80)
		w.sim.Faults().Add(faults.Fault{Action: "scheduler:GetSchedule", Lost: true})
		survey, err := sweep.Look(w.ctx, w.clients, nil)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(survey.SchedulesUnseen).To(HaveOccurred())
	})
	t.Run("orders them, beside what else was found", func(t *testing.T) {
		w := newWorld(t)
		w.tag(ownACL, func() map[string]string { o := ownershipOf(); o.UID = otherUID; return o.Tags() }())
		w.arm("acl-0123456789abcdef0", 81)
		first := w.region().Schedules()[0]
		first.Group, first.Name = "later", deadman.Name(uid, 80)
		w.Expect(w.region().CreateScheduleGroup("", "", "later", nil)).To(Succeed())
		w.Expect(w.region().CreateSchedule("", "", first)).To(Succeed())
		found, err := sweep.Find(w.ctx, aws.NewSessions(w.sim.ConfigFor(managersKey), "agentdisconnect", "test").In(regionName)) // who may read all groups
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(found).To(HaveLen(2))
		w.Expect(found[0]).To(And(HaveField("Kind", sweep.KindRules), HaveField("Schedules", BeEmpty())))
		w.Expect(found[1].Schedules).To(Equal([]sweep.Schedule{{Group: "later", Name: deadman.Name(uid, 80)}, {Group: group, Name: deadman.Name(uid, 81)}}))
	})
	t.Run("names each group that may not be read, once", func(t *testing.T) {
		w := newWorld(t)
		w.arm("acl-0123456789abcdef0", 80, 81)
		theirs := w.region().Schedules()[0]
		theirs.Group = "theirs"
		w.Expect(w.region().CreateScheduleGroup("", "", "theirs", nil)).To(Succeed())
		w.Expect(w.region().CreateSchedule("", "", theirs)).To(Succeed())
		w.sim.Faults().Add(faults.Fault{Action: "scheduler:GetSchedule", Denied: true})
		survey, err := sweep.Look(w.ctx, w.clients, nil)
		w.Expect(err).NotTo(HaveOccurred())
		w.Expect(survey.Unseen(group)).To(MatchError(HavePrefix("schedules of group default, theirs can't be read")))
		w.Expect(survey.Unseen("theirs")).To(HaveOccurred())
	})
}

// What was read in another account says nothing of this one.
func TestCredentialsThatChangeMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.inPlace(80)
	made := w.snapshot()
	f := w.one()
	cfg := w.sim.Config()
	var key atomic.Value
	key.Store(managersKey)
	cfg.Credentials = awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
		return awssdk.Credentials{AccessKeyID: key.Load().(string), SecretAccessKey: "x"}, nil
	})
	clients := aws.NewSessions(cfg, "agentdisconnect", "test").In(regionName)
	w.sim.Faults().After("ec2:DescribeNetworkAcls", func(call.Call) { key.Store(othersKey) })
	survey, err := sweep.Look(w.ctx, clients, nil)
	w.Expect(err).To(MatchError(ContainSubstring("the credentials changed from account " + account + " to account " + othersAccount)))
	w.Expect(survey).To(Equal(sweep.Survey{}))
	_, err = w.undoer.Undo(w.ctx, clients, f)
	w.Expect(err).To(MatchError(ContainSubstring("the credentials are of account " + othersAccount)))
	w.Expect(w.snapshot()).To(Equal(made))
}
