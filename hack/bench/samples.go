// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// samples are several measurements of the same thing.
type samples []time.Duration

// percentile is the smallest sample that p percent of all are not above (nearest rank), so it is one that was seen.
func (s samples) percentile(p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func (s samples) median() time.Duration { return s.percentile(50) }

// roundTrips gives elapsed times in units of what one call takes.
type roundTrips struct{ latency time.Duration }

func (r roundTrips) of(d time.Duration) float64 { return float64(d) / float64(r.latency) }

func (r roundTrips) median(s samples) string { return fmt.Sprintf("%.1f", r.of(s.median())) }

func (r roundTrips) span(s samples) string {
	return fmt.Sprintf("%.1f to %.1f", r.of(slices.Min(s)), r.of(slices.Max(s)))
}

// seconds is a time as tables have it.
func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func ratio(value, baseline float64) string { return fmt.Sprintf("%.2f", value/baseline) }
