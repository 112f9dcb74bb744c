// SPDX-License-Identifier: Apache-2.0

package parallel

import (
	"errors"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
)

func TestCallsAreMadeSideBySide(t *testing.T) {
	g := NewWithT(t)
	met := make(chan struct{})
	g.Expect(Do(
		func() error { met <- struct{}{}; return nil },
		func() error { <-met; return nil }, // in turns neither would end
	)).To(Succeed())
	g.Expect(Do()).To(Succeed())
}

func TestErrorsAreJoinedInTheOrderOfTheCallsWhenAllAreOver(t *testing.T) {
	g := NewWithT(t)
	last := make(chan struct{})
	var over atomic.Int32
	err := Do(
		func() error { <-last; over.Add(1); return errors.New("first") },
		func() error { over.Add(1); return nil },
		func() error { close(last); over.Add(1); return errors.New("third") },
	)
	g.Expect(err).To(MatchError("first\nthird"))
	g.Expect(over.Load()).To(BeEquivalentTo(3), "one that fails stops none")
}

func TestForEachCallsForEachItem(t *testing.T) {
	g := NewWithT(t)
	items := []string{"a", "b", "c"}
	var seen [3]string
	err := ForEach([]int{2, 0, 1}, func(i int) error {
		seen[i] = items[i]
		if i == 1 {
			return nil
		}
		return errors.New(items[i])
	})
	g.Expect(err).To(MatchError("c\na"))
	g.Expect(seen[:]).To(Equal(items))
	g.Expect(ForEach(nil, func(int) error { return errors.New("never") })).To(Succeed())
}
