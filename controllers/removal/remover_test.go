// SPDX-License-Identifier: Apache-2.0

package removal_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/removal"
)

// answering is a remover whose calls all have one outcome, on what a read showed; nil: nothing.
func answering(outcome networkacl.Outcome, err error, read *networkacl.ACL) removal.Remover {
	return removal.Remover{Read: read, Send: func(context.Context, removal.Call) (networkacl.Outcome, error) { return outcome, err }}
}

// That AWS does not know what a read shows proves nothing. What no read shows is gone by AWS's word.
func TestWhatAWSDoesNotKnow(t *testing.T) {
	shown := &networkacl.ACL{ID: ACLID, Entries: With(DenyOut(80, cidr))}
	without := &networkacl.ACL{ID: ACLID, Entries: AllowAll}
	taken := &networkacl.ACL{ID: ACLID, Entries: With(DenyOut(80, otherCIDR))}
	for name, tc := range map[string]struct {
		read        *networkacl.ACL
		entry, rest networkacl.Outcome
	}{
		"the read shows it":         {shown, networkacl.Missing, networkacl.Missing},
		"the read lacks the entry":  {without, networkacl.Done, networkacl.Missing},
		"the read shows another":    {taken, networkacl.Done, networkacl.Missing},
		"no read, or none shows it": {nil, networkacl.Done, networkacl.Done},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var e removal.Evidence
			remover := answering(networkacl.Missing, nil, tc.read)
			claims := []removal.Claim{removal.OfLine(line(installed)), tag(0)}
			outcomes, err := remover.DeleteEntries(t.Context(), claims, &e, clocktesting.NewFakePassiveClock(now))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(outcomes).To(HaveEach(tc.entry))
			for _, claim := range claims {
				g.Expect(e.IsGone(claim, now)).To(BeFalse(), "AWS acknowledged nothing")
			}
			g.Expect(remover.DeleteClone(t.Context(), ACLID)).To(Equal(tc.rest))
			g.Expect(remover.RemoveTags(t.Context(), ACLID, nil)).To(Equal(tc.rest))
		})
	}
}

// Only what AWS acknowledged is evidence; every other outcome is the caller's to tell.
func TestWhatAWSAnswers(t *testing.T) {
	failed := errors.New("failed")
	for _, outcome := range []networkacl.Outcome{networkacl.Done, networkacl.Refused, networkacl.Unknown, networkacl.Stale, networkacl.InUse} {
		g := NewWithT(t)
		var e removal.Evidence
		remover := answering(outcome, failed, &networkacl.ACL{ID: ACLID, Entries: With(DenyOut(80, cidr))})
		claim := removal.OfLine(line(installed))
		outcomes, err := remover.DeleteEntries(t.Context(), []removal.Claim{claim}, &e, clocktesting.NewFakePassiveClock(now))
		g.Expect(err).To(MatchError(failed))
		g.Expect(outcomes).To(Equal([]networkacl.Outcome{outcome}))
		g.Expect(e.IsGone(claim, now)).To(Equal(outcome == networkacl.Done))
		for _, call := range []func() (networkacl.Outcome, error){
			func() (networkacl.Outcome, error) { return remover.DeleteClone(t.Context(), ACLID) },
			func() (networkacl.Outcome, error) { return remover.ReturnSubnet(t.Context(), "subnet-1", "acl-1") },
			func() (networkacl.Outcome, error) { return remover.RemoveTags(t.Context(), ACLID, nil) },
		} {
			got, err := call()
			g.Expect(err).To(MatchError(failed))
			g.Expect(got).To(Equal(outcome))
		}
	}
}
