// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
)

// Bucket is a token bucket: Burst calls at once, refilled at PerSecond. Each action has a bucket of
// its own in each Region of each account.
type Bucket struct {
	Burst     int     `json:"burst,omitempty"`
	PerSecond float64 `json:"perSecond,omitempty"`
}

// bucketKey is what has a bucket.
type bucketKey struct{ action, region, account string }

// accountOf is the account in an ARN of IAM or STS.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

type level struct {
	tokens float64
	at     time.Time
}

// awsBucket is what AWS documents for an account and Region: EC2 groups its actions into describing ones and changing
// ones, ECS has a rate for each action, CloudTrail allows two lookups a second. Scheduler's are those of the slower Regions.
func awsBucket(c call.Call) Bucket {
	switch {
	case c.Service == "ec2" && strings.HasPrefix(c.Action, "Describe"):
		return Bucket{Burst: 100, PerSecond: 20}
	case c.Service == "ec2":
		return Bucket{Burst: 50, PerSecond: 5}
	case c.Name() == "ecs:RunTask":
		return Bucket{Burst: 100, PerSecond: 40}
	case c.Service == "ecs":
		return Bucket{Burst: 100, PerSecond: 20}
	case c.Service == "scheduler" && strings.Contains(c.Action, "Group"):
		return Bucket{Burst: 10, PerSecond: 10}
	case c.Name() == "scheduler:ListSchedules":
		return Bucket{Burst: 50, PerSecond: 50}
	case c.Service == "scheduler":
		return Bucket{Burst: 250, PerSecond: 250}
	case c.Service == "cloudtrail":
		return Bucket{Burst: 2, PerSecond: 2}
	default:
		return Bucket{Burst: 600, PerSecond: 600}
	}
}

// timeOf is the time of a call: schedules are carried out later than they are due where the clock jumps.
func (s *Set) timeOf(c call.Call) time.Time {
	if c.Time.IsZero() {
		return s.now()
	}
	return c.Time
}

// empty takes a token from the call's bucket and reports whether there was none.
func (f *Fault) empty(c call.Call, now time.Time) bool {
	b := *f.Throttle
	if b == (Bucket{}) {
		b = awsBucket(c)
	}
	key := bucketKey{c.Name(), c.Region, accountOf(c.Identity)}
	l := f.buckets[key]
	if l == nil {
		l = &level{tokens: float64(b.Burst), at: now}
		f.buckets[key] = l
	}
	if now.After(l.at) {
		l.tokens = min(float64(b.Burst), l.tokens+now.Sub(l.at).Seconds()*b.PerSecond)
		l.at = now
	}
	if l.tokens < 1 {
		return true
	}
	l.tokens--
	return false
}
