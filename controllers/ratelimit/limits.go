// SPDX-License-Identifier: Apache-2.0

package ratelimit

// Limits are how many calls the manager makes in one account and Region. AWS counts those of all
// callers there together.
type Limits struct {
	// Reads and Changes are of calls that read, and of calls that change something or ask whether
	// they may.
	Reads, Changes Limit
	// Clock is what they go by; unset: the real time.
	Clock Clock
}

// LimitsOf are the limits for some reads and changes a second, and bursts in proportion to those
// that EC2 gives an account: 100 reads and then 20 a second, 50 changes and then 5 a second. Zero is
// no limit.
func LimitsOf(reads, changes float64) Limits {
	return Limits{
		Reads:   Limit{PerSecond: reads, Burst: max(1, int(reads*5))},
		Changes: Limit{PerSecond: changes, Burst: max(1, int(changes*10))},
	}
}
