// SPDX-License-Identifier: Apache-2.0

package run_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

func TestALookIsBelievedForFourIntervalsAndForAMinuteAtLeast(t *testing.T) {
	now := runtest.Start
	for name, tc := range map[string]struct {
		at       time.Time
		interval time.Duration
		want     bool
	}{
		"never looked":                        {time.Time{}, time.Hour, false},
		"just now":                            {now, 30 * time.Second, true},
		"a moment before four intervals":      {now.Add(-2*time.Minute + 1), 30 * time.Second, true},
		"four intervals ago":                  {now.Add(-2 * time.Minute), 30 * time.Second, false},
		"a moment less than a minute ago":     {now.Add(-time.Minute + 1), time.Second, true},
		"a minute ago, with short intervals":  {now.Add(-time.Minute), time.Second, false},
		"by a clock that was set back since":  {now.Add(time.Hour), time.Second, true},
		"a minute ago, four times 15 seconds": {now.Add(-time.Minute), 15 * time.Second, false},
	} {
		NewWithT(t).Expect(run.LookedAt(tc.at, tc.interval).Fresh(now)).To(Equal(tc.want), name)
	}
}

func TestAStatusHasTimesOfWholeSeconds(t *testing.T) {
	NewWithT(t).Expect(run.Stamp(runtest.Start.Add(1999 * time.Millisecond))).To(HaveValue(Equal(*runtest.At(1.0 / 60))))
}
