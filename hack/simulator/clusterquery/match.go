// SPDX-License-Identifier: Apache-2.0

package clusterquery

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Instance is what an expression looks at.
type Instance struct {
	// Attributes are the custom and the built-in ones (ecs.subnet-id, ecs.instance-type …).
	Attributes map[string]string
	// Fields are agentConnected, agentVersion, ec2InstanceId, registeredAt and runningTasksCount, as text.
	Fields map[string]string
	// TaskGroups are the groups of the tasks on the instance.
	TaskGroups []string
}

// values are what the subject has on an instance: none, one, or many for task:group.
func (i Instance) values(subject string) []string {
	if subject == "task:group" {
		return i.TaskGroups
	}
	from, name := i.Fields, subject
	if attribute, ok := strings.CutPrefix(subject, "attribute:"); ok {
		from, name = i.Attributes, attribute
	}
	if v, ok := from[name]; ok {
		return []string{v}
	}
	return nil
}

// holds applies a test to the subject's values: any of them for a positive one, none of them for its negation, which an
// instance without the subject fails too. The groups of an instance without tasks are known to be none.
func holds(subject string, positive bool, test func(string) bool) Expr {
	return func(i Instance) bool {
		values := i.values(subject)
		if len(values) == 0 {
			return !positive && subject == "task:group"
		}
		return slices.ContainsFunc(values, test) == positive
	}
}

func exists(subject string, want bool) Expr {
	return func(i Instance) bool { return len(i.values(subject)) > 0 == want }
}

func in(subject string, list []string, want bool) Expr {
	return holds(subject, want, func(v string) bool { return slices.Contains(list, v) })
}

func matches(subject string, re *regexp.Regexp, want bool) Expr {
	return holds(subject, want, re.MatchString)
}

// registeredAt is the subject that is a time.
const registeredAt = "registeredAt"

func compare(subject, op, arg string) Expr {
	order := order
	if subject == registeredAt {
		order = orderTimes
	}
	switch op {
	case "==":
		return holds(subject, true, func(v string) bool { return order(v, arg) == 0 })
	case "!=":
		return holds(subject, false, func(v string) bool { return order(v, arg) == 0 })
	case "<":
		return holds(subject, true, func(v string) bool { return order(v, arg) < 0 })
	case "<=":
		return holds(subject, true, func(v string) bool { return order(v, arg) <= 0 })
	case ">":
		return holds(subject, true, func(v string) bool { return order(v, arg) > 0 })
	default:
		return holds(subject, true, func(v string) bool { return order(v, arg) >= 0 })
	}
}

// timeLayouts are how a time may be written. Without a zone it is UTC.
var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly, "2006-01-02T15:04:05-0700"}

func parseTime(text string) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write one like 2026-01-02 or 2026-01-02T03:04:05Z", text)
}

// orderTimes compares times. What is no time comes before all that are.
func orderTimes(a, b string) int {
	ta, _ := parseTime(a)
	tb, _ := parseTime(b)
	return ta.Compare(tb)
}

// order compares versions and numbers part by part (1.9 < 1.14.5), everything else as text.
func order(a, b string) int {
	pa, pb := strings.Split(a, "."), strings.Split(b, ".")
	for n := range max(len(pa), len(pb)) {
		if n >= len(pa) || n >= len(pb) {
			return cmp.Compare(len(pa), len(pb))
		}
		na, errA := strconv.Atoi(pa[n])
		nb, errB := strconv.Atoi(pb[n])
		if errA != nil || errB != nil {
			return cmp.Compare(a, b)
		}
		if na != nb {
			return cmp.Compare(na, nb)
		}
	}
	return 0
}
