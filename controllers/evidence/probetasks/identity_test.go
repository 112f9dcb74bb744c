// SPDX-License-Identifier: Apache-2.0

package probetasks

import (
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

var known = Identity{
	ClusterID: "6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c", UID: "0a1b2c3d-4e5f-4061-8293-a4b5c6d7e8f9",
	Started: time.Unix(1767322800, 0).UTC(), Attempt: 7,
}

func TestTheTaskGroupIsReadBack(t *testing.T) {
	g := NewWithT(t)
	back, err := ParseGroup(known.Group())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(back).To(Equal(known))
	g.Expect(len(known.Group())).To(BeNumerically("<=", 255))
	g.Expect(known.token()).To(MatchRegexp("^[0-9a-f]{64}$"))
	g.Expect(StartedBy).To(MatchRegexp(`^[A-Za-z0-9_/-]{1,128}$`))
}

func TestAttemptsDifferInTheirTokens(t *testing.T) {
	g := NewWithT(t)
	tokens := map[string]bool{known.token(): true}
	for _, change := range []func(*Identity){
		func(i *Identity) { i.Attempt++ }, func(i *Identity) { i.Started = i.Started.Add(time.Second) },
		func(i *Identity) { i.UID = "another" }, func(i *Identity) { i.ClusterID = "another" },
	} {
		other := known
		change(&other)
		tokens[other.token()] = true
	}
	g.Expect(tokens).To(HaveLen(5))
	g.Expect(known.IsOfObject(Identity{ClusterID: known.ClusterID, UID: known.UID})).To(BeTrue())
	g.Expect(known.IsOfObject(Identity{ClusterID: "another", UID: known.UID})).To(BeFalse())
}

func TestOtherTaskGroupsAreNotThoseOfAProbe(t *testing.T) {
	for _, group := range []string{"", "family:web", "service:web", "agentdisconnect", "agentdisconnect:a:b:c:1", "agentdisconnect:a:b:1:0", "agentdisconnect:a:b:1:x",
		"agentdisconnect::b:1:1", "agentdisconnect:a::1:1", "agentdisconnect:a:b:1:99999999999", "other:a:b:1:1", "agentdisconnect:a:b:1:1:1"} {
		_, err := ParseGroup(group)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("task group")), group)
	}
}

func FuzzParseGroup(f *testing.F) {
	f.Add(known.Group())
	f.Add("agentdisconnect:a:b:-1:1")
	valid := regexp.MustCompile(`^agentdisconnect:[^:]+:[^:]+:[-+]?[0-9]+:[+]?[0-9]+$`)
	f.Fuzz(func(t *testing.T, group string) {
		if _, err := ParseGroup(group); err == nil && !valid.MatchString(group) {
			t.Errorf("%q was taken for the group of a probe", group)
		}
	})
}
