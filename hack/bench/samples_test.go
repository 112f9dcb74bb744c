// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"time"
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
