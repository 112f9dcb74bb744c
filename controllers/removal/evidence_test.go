// SPDX-License-Identifier: Apache-2.0

package removal_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// Whatever reads show, in whatever order, and however often the clock is set back: an entry counts as gone only after AWS
// said so, or after reads in a row have lacked it for a time that really went by. Nothing but the claimed entry is deleted,
// or one that all reads in a row lack, so that AWS says so.
func TestNothingIsGoneOnOneRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		var e removal.Evidence
		of := line(rapid.SampledFrom([]v1alpha1.RuleState{creating, installed, deleting}).Draw(t, "state"))
		by := rapid.SampledFrom([]string{"ledger", "tags", "tags that stay"}).Draw(t, "by")
		claim := map[string]removal.Claim{"ledger": removal.OfLine(of), "tags": tag(time.Hour), "tags that stay": keptTag(time.Hour)}[by]
		acknowledged := by == "ledger" && of.State != creating
		least := func(at time.Time) time.Duration { // that reads must lack it
			switch {
			case acknowledged:
				return networkacl.ConfirmInterval
			case by == "ledger":
				return networkacl.LackingFor
			case at.Before(now.Add(time.Hour)):
				return networkacl.AmbiguousFor
			}
			return 0 // the run has long been over
		}

		passed, ahead := time.Duration(0), time.Duration(0)      // what went by, and how far the clock is ahead of that
		lacking, deleted := time.Duration(-1), time.Duration(-1) // since when, as what went by; below 0: not
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			passed += time.Duration(rapid.SampledFrom([]int{0, 1, 4, 29, 119, 120, 299}).Draw(t, "seconds")) * time.Second
			ahead -= time.Duration(rapid.SampledFrom([]int{0, 0, 0, 0, 3, 600}).Draw(t, "set back by")) * time.Second
			at := now.Add(passed + ahead)

			what := rapid.SampledFrom([]string{"owned", "owned", "other", "none", "none", "none", "deleted", "forgotten"}).Draw(t, "what")
			switch what {
			case "deleted":
				e.Acknowledge(claim, at)
				deleted = passed
			case "forgotten":
				e.Forget(claim)
				lacking, deleted = -1, -1
			case "owned":
				lacking = -1
				switch next := e.Next(claim, With(DenyOut(80, cidr)), at); next.Step {
				case removal.StepDelete:
					g.Expect(deleted < 0 || by == "tags that stay" && passed-deleted >= networkacl.SettleFor).To(BeTrue())
					deleted = -1
				case removal.StepGone:
					g.Expect(deleted >= 0 && passed-deleted >= networkacl.SettleFor).To(BeTrue(), "a read that shows it may lag")
				case removal.StepWait:
					g.Expect(deleted).To(BeNumerically(">=", 0), "what stands is deleted at once")
					g.Expect(next.Until).To(And(BeTemporally(">", at), BeTemporally("<=", at.Add(networkacl.SettleFor))))
				}
			case "other", "none":
				observed := AllowAll
				if what == "other" {
					observed = With(DenyOut(80, otherCIDR))
				}
				if lacking < 0 {
					lacking = passed
				}
				switch next := e.Next(claim, observed, at); {
				case deleted >= 0:
					g.Expect(next).To(Equal(isGone))
				case next.Step == removal.StepWait:
					g.Expect(next.Until).To(BeTemporally(">", at))
				default:
					g.Expect(passed-lacking).To(BeNumerically(">=", least(at)), "reads in a row")
					asked := acknowledged && what == "none" // what AWS acknowledged is AWS's to deny
					deletes := next.Step == removal.StepDelete
					g.Expect(deletes).To(Equal(asked))
				}
			}
			if e.IsGone(claim, at) {
				g.Expect(deleted >= 0 || lacking >= 0 && passed-lacking >= least(at)).To(BeTrue())
			}
		}
	})
}

// What was seen of an entry says nothing of one that AWS is asked for anew in its place, nor of another place.
func TestEvidenceIsOfOneEntry(t *testing.T) {
	g := NewWithT(t)
	var e removal.Evidence
	claim, shown := removal.OfLine(line(installed)), With(DenyOut(80, cidr))
	e.Acknowledge(claim, now)
	g.Expect(e.Next(claim, shown, now).Step).To(Equal(removal.StepWait))
	for name, other := range map[string]removal.Claim{
		"another number":      removal.OfLine(Rule(81, cidr, installed)),
		"another network ACL": removal.OfLine(v1alpha1.Rule{NetworkACLID: "acl-0fedcba9876543210", RuleNumber: 80, CIDR: cidr, State: installed}),
		"by tags":             tag(time.Hour),
	} {
		g.Expect(e.IsGone(other, now)).To(BeFalse(), name)
	}
	e.Forget(claim)
	g.Expect(e.Next(claim, shown, now)).To(Equal(deleteIt))

	e.Next(claim, AllowAll, now.Add(-time.Hour))
	e.Forget(claim)
	g.Expect(e.Next(claim, AllowAll, now).Step).To(Equal(removal.StepWait))
}

// After a suspension reads lack all entries, which the run may create again. What AWS deleted stays deleted.
func TestForgetLacking(t *testing.T) {
	g := NewWithT(t)
	var e removal.Evidence
	lacking, deleted := removal.OfLine(line(installed)), removal.OfLine(Rule(81, cidr, installed))
	e.Next(lacking, AllowAll, now.Add(-time.Hour))
	e.Acknowledge(deleted, now)
	e.ForgetLacking()
	g.Expect(e.Next(lacking, AllowAll, now)).To(Equal(waitFor(networkacl.ConfirmInterval)))
	g.Expect(e.Next(deleted, AllowAll, now)).To(Equal(isGone))
}

// Both are counted from when the clock was set back: no wait lasts for as long as it was set back.
func TestAClockThatWasSetBack(t *testing.T) {
	g := NewWithT(t)
	early := now.Add(-time.Hour)
	var e removal.Evidence
	lacking, deleted := removal.OfLine(line(installed)), removal.OfLine(Rule(81, cidr, installed))
	e.Next(lacking, AllowAll, now)
	e.Acknowledge(deleted, now)
	g.Expect(e.Next(lacking, AllowAll, early).Until).To(Equal(early.Add(networkacl.ConfirmInterval)))
	g.Expect(e.Next(lacking, AllowAll, early.Add(networkacl.ConfirmInterval))).To(Equal(deleteIt))
	g.Expect(e.Next(deleted, With(DenyOut(81, cidr)), early).Until).To(Equal(early.Add(networkacl.SettleFor)))
	g.Expect(e.Next(deleted, With(DenyOut(81, cidr)), early.Add(networkacl.SettleFor))).To(Equal(isGone))
}
