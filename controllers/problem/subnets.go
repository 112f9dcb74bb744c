// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"fmt"
	"strings"
	"time"
)

// Subnets names subnets: "subnet a", "subnets a, b".
func Subnets(ids []string) string { return Choose(ids, "subnet ", "subnets ") + List(ids) }

// FirstFew lists the first few of several names.
func FirstFew(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + " and others"
}

// Undecided says what is suspected, and after when a further read decides it. It stays the same
// until then.
func Undecided(what string, after time.Time) string {
	return fmt.Sprintf("%s (a read after %s confirms or clears this)", what, FormatTime(after.Add(time.Second-time.Nanosecond)))
}
