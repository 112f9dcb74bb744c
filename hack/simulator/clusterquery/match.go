// SPDX-License-Identifier: Apache-2.0

package clusterquery

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

func compare(subject, op, arg string) Expr {
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
