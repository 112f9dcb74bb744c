// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

func (w *World) checkTrail(c *checker) {
	if d, err := duration(w.Trail.Delay); err != nil || w.Trail.Delay != "" && d <= 0 {
		c.add("trail.delay", "%q is no duration above zero; write one like 5m", w.Trail.Delay)
	}
	if d, err := duration(w.Trail.Jitter); err != nil || d < 0 {
		c.add("trail.jitter", "%q is no duration; write one like 10m", w.Trail.Jitter)
	}
	if _, err := percentage(w.Trail.Duplicates); err != nil {
		c.add("trail.duplicates", "%q is no percentage; write 0%% to 100%%, like 5%%", w.Trail.Duplicates)
	}
}

// Parsed is the setting of a world that is valid.
func (t Trail) Parsed() region.Trail {
	out := region.Trail{Seed: t.Seed, Throttled: t.Throttled}
	var err error
	if out.Delay, err = duration(t.Delay); err != nil {
		panic(fmt.Sprintf("validated delay: %v", err))
	}
	if out.Jitter, err = duration(t.Jitter); err != nil {
		panic(fmt.Sprintf("validated jitter: %v", err))
	}
	if out.Duplicates, err = percentage(t.Duplicates); err != nil {
		panic(fmt.Sprintf("validated duplicates: %v", err))
	}
	return out
}

func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	return time.ParseDuration(text)
}

// percentage is a part from 0 to 1.
func percentage(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	number, ok := strings.CutSuffix(text, "%")
	if !ok {
		return 0, fmt.Errorf("%q lacks its %%", text)
	}
	n, err := strconv.ParseFloat(number, 64)
	if err == nil && !(n >= 0 && n <= 100) {
		err = fmt.Errorf("%q is not from 0%% to 100%%", text)
	}
	return n / 100, err
}
