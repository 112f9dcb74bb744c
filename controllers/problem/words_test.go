// SPDX-License-Identifier: Apache-2.0

package problem_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/problem"
)

func TestNamesAreCountedAndTheFirstThreeOfThemListed(t *testing.T) {
	for _, tc := range []struct {
		names                            []string
		list, plural, subjects, of, word string
	}{
		{nil, "unknown", "0 rules", "clusters unknown have", "subnets unknown", "many"},
		{[]string{"a"}, "a", "1 rule", "cluster a has", "subnet a", "one"},
		{[]string{"a", "b"}, "a, b", "2 rules", "clusters a, b have", "subnets a, b", "many"},
		{[]string{"a", "b", "c"}, "a, b, c", "3 rules", "clusters a, b, c have", "subnets a, b, c", "many"},
		{[]string{"a", "b", "c", "d"}, "a, b, c and 1 more", "4 rules", "clusters a, b, c and 1 more have", "subnets a, b, c and 1 more", "many"},
		{[]string{"a", "b", "c", "d", "e"}, "a, b, c and 2 more", "5 rules", "clusters a, b, c and 2 more have", "subnets a, b, c and 2 more", "many"},
	} {
		t.Run(tc.plural, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(problem.List(tc.names)).To(Equal(tc.list))
			g.Expect(problem.Plural(len(tc.names), "rule", "rules")).To(Equal(tc.plural))
			g.Expect(problem.Subjects(tc.names, "cluster", "has", "have")).To(Equal(tc.subjects))
			g.Expect(problem.Subnets(tc.names)).To(Equal(tc.of))
			g.Expect(problem.Choose(tc.names, "one", "many")).To(Equal(tc.word))
		})
	}
}

func TestTimesAreInUTCAndWhole(t *testing.T) {
	g := NewWithT(t)
	at := time.Date(2026, 1, 2, 4, 4, 5, 999, time.FixedZone("", 3600))
	g.Expect(problem.FormatTime(at)).To(Equal("2026-01-02T03:04:05Z"))
	g.Expect(problem.Undecided("rule 80 was removed", at)).To(Equal("rule 80 was removed (a read after 2026-01-02T03:04:06Z confirms or clears this)"), "not before")
	g.Expect(problem.Undecided("rule 80 was removed", at.Truncate(time.Second))).To(Equal("rule 80 was removed (a read after 2026-01-02T03:04:05Z confirms or clears this)"))
	g.Expect(problem.Minutes(10*time.Minute + 59*time.Second)).To(Equal("10 minutes"))
}
