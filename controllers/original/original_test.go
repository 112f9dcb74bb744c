// SPDX-License-Identifier: Apache-2.0

package original

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// acl is a network ACL with outbound entries.
func acl(id string, entries ...networkacl.Entry) *networkacl.ACL {
	return &networkacl.ACL{ID: id, Entries: entries}
}

// after is a time some seconds after the start.
func after(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

var (
	open   = acl("acl-1", AllowOut(100, Everywhere))
	closed = acl("acl-1", DenyOut(90, "10.0.0.0/8"), AllowOut(100, Everywhere))
)

func TestANetworkACLIsCopiedWhenReadsAgree(t *testing.T) {
	type read struct {
		at  int
		acl *networkacl.ACL
	}
	for name, tc := range map[string]struct {
		reads []read
		says  string
	}{
		"one read":                           {[]read{{0, open}}, "two reads of it must agree"},
		"two reads too soon":                 {[]read{{0, open}, {4, open}}, "two reads of it must agree"},
		"two reads":                          {[]read{{0, open}, {5, open}}, ""},
		"a read that found none":             {[]read{{0, open}, {5, open}, {6, nil}}, ""},
		"another network ACL":                {[]read{{0, open}, {5, open}, {6, acl("acl-2")}}, "acl-2: two reads"},
		"a clock that went back":             {[]read{{5, open}, {10, open}, {0, open}}, "two reads of it must agree"},
		"entries in another order":           {[]read{{0, closed}, {5, acl("acl-1", closed.Entries[1], closed.Entries[0])}}, ""},
		"a change that opens":                {[]read{{0, closed}, {5, closed}, {6, open}}, "two reads of it must agree"},
		"a change that opened":               {[]read{{0, closed}, {5, closed}, {6, open}, {11, open}}, ""},
		"a change that closes":               {[]read{{0, open}, {5, open}, {6, closed}, {50, closed}}, "at 2026-03-04T05:06:13Z it was changed to allow less"},
		"a change that closed":               {[]read{{0, open}, {5, open}, {6, closed}, {51, closed}}, ""},
		"what a change closed, opened again": {[]read{{0, open}, {5, open}, {6, closed}, {7, open}, {12, open}}, "at 2026-03-04T05:06:13Z"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var reads Reads
			for _, each := range tc.reads {
				reads.Observe(each.acl, after(each.at))
			}
			unsettled := reads.CheckSettled()
			if tc.says == "" {
				g.Expect(unsettled.AsError()).NotTo(HaveOccurred())
				return
			}
			g.Expect(unsettled.Reason).To(Equal(v1alpha1.ReasonNetworkACLUnsettled))
			g.Expect(unsettled.Stalled).To(BeFalse(), "it passes")
			g.Expect(unsettled.Message).To(ContainSubstring(tc.says))
		})
	}
}

// Whatever reads show and when: what the last ones closed is not followed before they agreed on it
// for as long as that takes.
func TestWhatClosesIsFollowedOnlyAfterItStood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var reads Reads
		at, since := start, start
		var last *networkacl.ACL
		for range rapid.IntRange(1, 20).Draw(t, "reads") {
			at = at.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds")) * time.Second)
			shown := rapid.SampledFrom([]*networkacl.ACL{open, closed}).Draw(t, "shown")
			if shown != last {
				since = at
			}
			last = shown
			reads.Observe(shown, at)
		}
		NewWithT(t).Expect(reads.HasStood()).To(Equal(at.Sub(since) >= closeAfter))
	})
}

func TestAChangeHasTheOriginalWatched(t *testing.T) {
	g := NewWithT(t)
	var reads Reads
	reads.Observe(open, after(0))
	g.Expect(reads.ID()).To(Equal("acl-1"))
	g.Expect(reads.IsWatched()).To(BeFalse())
	reads.Observe(closed, after(10))
	g.Expect(reads.IsWatched()).To(BeTrue())
	reads.Observe(closed, after(69))
	g.Expect(reads.IsWatched()).To(BeTrue())
	reads.Observe(closed, after(70))
	g.Expect(reads.IsWatched()).To(BeFalse())

	g.Expect(reads.Pending()).To(BeEmpty())
	reads.SetPending(true)
	g.Expect(reads.Pending()).To(And(ContainSubstring("acl-1"), ContainSubstring("2026-03-04T05:07:02Z")))
}

func TestNoCopyCutsConnectedAgentsOff(t *testing.T) {
	g := NewWithT(t)
	agents := Hosts(v1alpha1.EndpointACS, 0, 2)
	g.Expect(CheckAgents(open, agents, true)).To(Succeed())
	err := CheckAgents(closed, agents, true)
	g.Expect(err).To(MatchError(And(ContainSubstring("acl-1"), ContainSubstring("Correct its outbound rules"))))
	g.Expect(CheckAgents(closed, agents[:1], true)).To(MatchError(ContainSubstring("acl-1")), "one host is denied, and it is the only one")
	g.Expect(CheckAgents(closed, agents, false)).To(Succeed(), "no agent is connected")
	g.Expect(CheckAgents(closed, nil, true)).To(Succeed(), "no host is known")
	g.Expect(CheckAgents(acl("acl-1", DenyOut(90, "10.0.0.1/32"), AllowOut(100, Everywhere)), agents, true)).To(Succeed(), "one host is let out to")
}
