// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"fmt"
	"strings"
	"time"
)

// Subjects makes several names the subject of a sentence: "cluster a has", "clusters a, b have".
func Subjects(names []string, noun, has, have string) string {
	if len(names) == 1 {
		return fmt.Sprintf("%s %s %s", noun, names[0], has)
	}
	return fmt.Sprintf("%ss %s %s", noun, List(names), have)
}

// Plural counts things: "1 rule", "2 rules".
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Choose chooses a word by how many things it is about.
func Choose(ids []string, one, many string) string {
	if len(ids) == 1 {
		return one
	}
	return many
}

// FormatTime is a time as messages have it: RFC 3339, in UTC.
func FormatTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Minutes is a duration in words, in whole minutes.
func Minutes(d time.Duration) string { return fmt.Sprintf("%d minutes", int(d/time.Minute)) }

// List names the first few of several things.
func List(names []string) string {
	const most = 3
	if len(names) == 0 {
		return "unknown"
	}
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Subnets names subnets: "subnet a", "subnets a, b".
func Subnets(ids []string) string { return Choose(ids, "subnet ", "subnets ") + List(ids) }

// Undecided says what is suspected, and after when a further read decides it. It stays the same
// until then.
func Undecided(what string, after time.Time) string {
	return fmt.Sprintf("%s (a read after %s confirms or clears this)", what, FormatTime(after.Add(time.Second-time.Nanosecond)))
}
