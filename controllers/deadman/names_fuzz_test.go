// SPDX-License-Identifier: Apache-2.0

package deadman_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/deadman"
)

const fuzzedUID = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"

// A schedule is ours only by a name that is written exactly as we write it, for an entry that there can be.
func FuzzParseName(f *testing.F) {
	for _, seed := range []string{
		deadman.Name(fuzzedUID, 80), deadman.Name(fuzzedUID, 32766), deadman.Name(fuzzedUID, 32767), "agd." + fuzzedUID + ".99999", "agd." + fuzzedUID + ".080",
		"agd." + fuzzedUID + ".0", "agd." + fuzzedUID + ".-1", "agd." + fuzzedUID + ".80\n", "AGD." + fuzzedUID + ".80", "agd." + fuzzedUID, "agd..80", "",
		"xagd." + fuzzedUID + ".80", "agd.7B0FD6A2-6c36-4d0f-9a55-0d0b6b8f7c11.80",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		g := NewWithT(t)
		uid, number, ok := deadman.ParseName(name)
		if !ok {
			g.Expect(uid).To(BeEmpty())
			g.Expect(number).To(BeZero())
			return
		}
		g.Expect(deadman.Name(uid, number)).To(Equal(name))
		g.Expect(number).To(And(BeNumerically(">=", 1), BeNumerically("<=", 32766)))
		g.Expect(name).To(MatchRegexp(`^[0-9a-zA-Z_.-]{1,64}$`), "as EventBridge Scheduler has names")
	})
}

// A description says whose a schedule is, or nothing.
func FuzzParseDescription(f *testing.F) {
	of := func(cluster, owner string) string { return deadman.Switch{ClusterID: cluster, Owner: owner}.Describe() }
	for _, seed := range []string{
		of("e5b8a1de-3f0c-4be2-8e0b-6a4d5a5b6c7d", "team-a/outage"), of("", ""), of("a b", "c"), "agentdisconnect v2 a b", "agentdisconnect v1 a  b",
		"agentdisconnect v1 a\tb c", "agentdisconnect v1 a \x1b[2J", "agentdisconnect v1 a b\n", "agentdisconnect v1 \xff b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		g := NewWithT(t)
		cluster, owner, ok := deadman.ParseDescription(text)
		if !ok {
			g.Expect(cluster + owner).To(BeEmpty())
			return
		}
		g.Expect(cluster+owner).To(MatchRegexp(`^[!-~]+$`), "it is printed")
		g.Expect(len(of(text, text))).To(BeNumerically("<=", 512), "which is as much as AWS takes")
		if len(text) <= 512 {
			g.Expect(of(cluster, owner)).To(Equal(text))
		}
	})
}

func TestNoScheduleIsForANumberThatNoEntryHas(t *testing.T) {
	for _, number := range []int32{0, -1, 32767, 99999} {
		_, _, ok := deadman.ParseName(deadman.Name(fuzzedUID, number))
		NewWithT(t).Expect(ok).To(BeFalse(), "%d", number)
	}
}
