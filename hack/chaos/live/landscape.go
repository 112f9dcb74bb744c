// SPDX-License-Identifier: Apache-2.0

package live

import (
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// landscape is all that a run may change in a Region, a line each. Ids of associations are not in it: a subnet that goes and
// comes back has a new one.
type landscape []string

func survey(r *region.Region) landscape {
	var lines landscape
	for _, acl := range r.View(time.Time{}).NetworkACLs() {
		lines = append(lines, "network ACL "+acl.ID)
		for _, e := range acl.Entries {
			lines = append(lines, fmt.Sprintf("%s: entry %s", acl.ID, region.DescribeEntry(e)))
		}
		for key, value := range acl.Tags {
			lines = append(lines, fmt.Sprintf("%s: tag %s=%s", acl.ID, key, value))
		}
		for _, a := range acl.Associations {
			lines = append(lines, fmt.Sprintf("%s: subnet %s", acl.ID, a.SubnetID))
		}
	}
	for _, s := range r.Schedules() {
		lines = append(lines, fmt.Sprintf("schedule %s at %s: %s", s.Name, s.At.UTC().Format(time.RFC3339), s.Target.Input))
	}
	slices.Sort(lines)
	return lines
}

// compare gives what is there now and was not before, which is left behind, and what was there before and is not now, which
// was a third party's.
func (l landscape) compare(now landscape) (left, lost []string) {
	return lacking(l, now), lacking(now, l)
}

// lacking are the lines of b that a is without.
func lacking(a, b landscape) (lines []string) {
	for _, line := range b {
		if _, found := slices.BinarySearch(a, line); !found {
			lines = append(lines, line)
		}
	}
	return lines
}
