// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// none is what kubectl prints where there is nothing to print.
const none = "<none>"

// printTable prints findings as kubectl would, wide with what is needed to tell runs and clusters apart for certain.
func printTable(out io.Writer, found []sweep.Found, now time.Time, wide bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	header := "KIND\tNETWORK ACL\tSUBNETS\tOWNER\tCLUSTER\tAGE\tEXPIRES\tRULES\t"
	if wide {
		header += "UID\tORIGINAL\t"
	}

	fmt.Fprintln(w, header+"NOTE")
	for _, f := range found {
		cells := []string{
			string(f.Kind), cmp.Or(f.NetworkACLID, none), cmp.Or(strings.Join(f.SubnetIDs, ","), none), cmp.Or(f.Owner, none),
			clusterOf(f, wide), age(f.Started, now), expiry(f.Expires, now), rules(f),
		}
		if wide {
			cells = append(cells, cmp.Or(f.UID, none), cmp.Or(f.OriginalID, none))
		}
		fmt.Fprintln(w, strings.Join(append(cells, note(f, now)), "\t"))
	}
	return w.Flush()
}

// shortID is how many characters of a cluster's id, a UUID, tell clusters apart well enough for a table.
const shortID = 8

func clusterOf(f sweep.Found, wide bool) string {
	if wide || len(f.ClusterID) <= shortID {
		return cmp.Or(f.ClusterID, none)
	}
	return f.ClusterID[:shortID]
}

func age(started, now time.Time) string {
	if started.IsZero() {
		return none
	}
	return duration.HumanDuration(now.Sub(started))
}

func expiry(expires, now time.Time) string {
	switch {
	case expires.IsZero():
		return none
	case expires.After(now):
		return "in " + duration.HumanDuration(expires.Sub(now))
	default:
		return duration.HumanDuration(now.Sub(expires)) + " ago"
	}
}

// rules says how many of the claimed entries stand.
func rules(f sweep.Found) string {
	if f.Kind != sweep.KindRules && f.Kind != sweep.KindClone {
		return none
	}
	return fmt.Sprintf("%d/%d", len(f.Present), len(f.Rules))
}

// note is the one thing to know about a finding before anything is done with it.
func note(f sweep.Found, now time.Time) string {
	switch {
	case f.Problem != "":
		return "needs a person's decision: see below"
	case f.Kind == sweep.KindAdopted:
		return "stays: its original was deleted"
	case f.Kind == sweep.KindTasks && !f.PastEnd(now):
		return plural(len(f.TaskARNs), "task") + " in ECS cluster " + clusterName(f.ECSClusterARN) + "; its run may be on"
	case f.Expires.After(now):
		return "its run is on"
	case !f.PastEnd(now):
		return "just over: its manager may be removing it"
	default:
		return "left behind"
	}
}
