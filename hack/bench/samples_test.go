// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestPercentile(t *testing.T) {
	hundred := make(samples, 100)
	for i := range hundred {
		hundred[i] = time.Duration(100 - i)
	}
	for _, c := range []struct {
		of   samples
		p    float64
		want time.Duration
	}{
		{samples{7}, 50, 7},
		{samples{7}, 99, 7},
		{samples{3, 1, 2}, 50, 2},
		{samples{4, 3, 1, 2}, 50, 2},
		{hundred, 50, 50},
		{hundred, 99, 99},
		{hundred, 100, 100},
	} {
		if got := c.of.percentile(c.p); got != c.want {
			t.Errorf("percentile %v of %d samples is %d, want %d", c.p, len(c.of), got, c.want)
		}
	}
}

func TestSamplesKeepTheirOrder(t *testing.T) {
	s := samples{3, 1, 2}
	s.median()
	if s[0] != 3 || s[1] != 1 || s[2] != 2 {
		t.Errorf("looking at samples changed their order: %v", s)
	}
}

func TestLongestPause(t *testing.T) {
	g := NewWithT(t)
	begin := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	calls := []timedCall{{begin: at(1), end: at(4)}, {begin: at(2), end: at(3)}, {begin: at(12), end: at(13)}}
	g.Expect(longestPause(begin, at(15), calls, nil)).To(Equal(8 * time.Second))
	g.Expect(longestPause(begin, at(15), calls, []version{{at: at(6)}})).To(Equal(6*time.Second), "a write ends a pause")
	g.Expect(longestPause(begin, at(30), calls, nil)).To(Equal(17*time.Second), "the end of what is measured does too")
	g.Expect(longestPause(begin, at(5), nil, nil)).To(Equal(5 * time.Second))
}
