// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

// In whatever order and however often events come, a sequence has each once, in the order of time,
// and what it gave out stays as it was.
func TestASequenceIsInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := NewWithT(rt)
		start := time.Unix(1_800_000_000, 0)
		s, want := newSequence(markOfMark), map[mark]bool{}
		var given, copies [][]mark
		for range rapid.IntRange(1, 8).Draw(rt, "reads") {
			for _, n := range rapid.SliceOfN(rapid.IntRange(0, 60), 0, 20).Draw(rt, "events") {
				event := mark{start.Add(time.Duration(n/2) * time.Second), fmt.Sprint(n)}
				s.add(event)
				want[event] = true
			}
			s.order()

			oldest := start.Add(time.Duration(rapid.IntRange(0, 10).Draw(rt, "oldest")) * time.Second)
			s.forget(oldest)
			for event := range want {
				if event.time.Before(oldest) {
					delete(want, event)
				}
			}

			from := start.Add(time.Duration(rapid.IntRange(-1, 31).Draw(rt, "from")) * time.Second)
			var expected []mark
			for event := range want {
				if !event.time.Before(from) {
					expected = append(expected, event)
				}
			}
			slices.SortFunc(expected, mark.compare)
			got := s.since(from)
			g.Expect(slices.Equal(got, expected)).To(BeTrue(), "%v, not %v", got, expected)
			g.Expect(s.known).To(HaveLen(len(want)))
			given, copies = append(given, got), append(copies, slices.Clone(got))
		}
		for i := range given {
			g.Expect(slices.Equal(given[i], copies[i])).To(BeTrue(), "the %d. answer was changed", i+1)
		}
	})
}
