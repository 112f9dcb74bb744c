// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// endings are the times from the moment at which runs were to end, by what came of it.
type endings struct {
	// asked: until AWS was asked for the first change. lifted: until the last rule was gone, or the subnet back on its
	// original network ACL, so that traffic flows. cleared: until the ownership tags were gone, or the clone, so that
	// nothing of the run is left. gone: until the object was.
	asked, lifted, cleared, gone samples
}

// ending is when AWS did what ends one run.
type ending struct{ asked, lifted, cleared time.Time }

// endingOf finds the calls that ended a run among the changes to its network ACLs.
func endingOf(p place, clone string, byACL map[string][]timedCall) (ending, error) {
	lifts, clears, on, of := "DeleteNetworkAclEntry", "DeleteTags", p.acl, len(theRules)
	if p.mode == v1alpha1.NetworkACLModeClone {
		lifts, clears, on, of = "ReplaceNetworkAclAssociation", "DeleteNetworkAcl", clone, 1
	}
	lifting, clearing := only(byACL[p.acl], lifts), only(byACL[on], clears)
	if len(lifting) != of || len(clearing) != 1 {
		return ending{}, fmt.Errorf("subnet %s: %d calls of %s and %d of %s, not %d and 1", p.subnet, len(lifting), lifts, len(clearing), clears, of)
	}
	return ending{lifting[0].begin, lastEnd(lifting), lastEnd(clearing)}, nil
}

// add puts one run's ending among the others.
func (e *endings) add(from time.Time, one ending) {
	e.asked = append(e.asked, one.asked.Sub(from))
	e.lifted = append(e.lifted, one.lifted.Sub(from))
	e.cleared = append(e.cleared, one.cleared.Sub(from))
}

func only(all []timedCall, action string) []timedCall {
	return slices.DeleteFunc(slices.Clone(all), func(c timedCall) bool { return c.Action != action })
}

func lastEnd(all []timedCall) time.Time {
	var last time.Time
	for _, c := range all {
		if c.end.After(last) {
			last = c.end
		}
	}
	return last
}
