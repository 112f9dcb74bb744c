// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// title is a finding's name in a sentence.
func title(f sweep.Found) string {
	owner := cmp.Or(f.Owner, "an unknown object")
	switch f.Kind {
	case sweep.KindRules:
		return "Rules of " + owner + " on " + f.NetworkACLID
	case sweep.KindClone:
		return "Clone " + f.NetworkACLID + " of " + owner
	case sweep.KindSchedules:
		return "Schedules of " + owner
	case sweep.KindTasks:
		return "Tasks of the probe of object " + f.UID + " in cluster " + clusterName(f.ECSClusterARN)
	case sweep.KindAdopted:
		return "Adopted network ACL " + f.NetworkACLID
	default:
		return "Unreadable tags of " + f.NetworkACLID
	}
}

// intention says what undoing a finding means.
func intention(f sweep.Found) string {
	switch f.Kind {
	case sweep.KindRules:
		return entries(f.Present) + "remove the run's tags."
	case sweep.KindClone:
		if f.Problem != "" && !f.Twice { // its schedules stay as well
			return returning(f) + "."
		}
		return returning(f) + schedules(f.Schedules) + "."
	case sweep.KindSchedules:
		return "delete " + plural(len(f.Schedules), "schedule") + "."
	case sweep.KindTasks:
		return "tell ECS to stop " + plural(len(f.TaskARNs), "task") + "."
	case sweep.KindAdopted:
		return "nothing. It stays as the network ACL of " + strings.Join(f.SubnetIDs, ", ") + ", since the original was deleted."
	default:
		return "nothing. A person must look at it first (see above)."
	}
}

// entries says which are deleted, and goes on to what follows.
func entries(present []networkacl.Entry) string {
	if len(present) == 0 {
		return "its entries are already deleted; "
	}
	var numbers []string
	for _, e := range present {
		numbers = append(numbers, strconv.Itoa(int(e.Number)))
	}
	return "delete " + map[bool]string{true: "outbound entry ", false: "outbound entries "}[len(numbers) == 1] + strings.Join(numbers, ", ") + ", then "
}

// returning says what becomes of a clone.
func returning(f sweep.Found) string {
	switch {
	case f.Problem != "" && !f.Twice:
		return "nothing. A person must look at it first (see above)"
	case f.Problem != "":
		return "remove the entries and tags that certainly belong to the run (see above)"
	case len(f.SubnetIDs) == 0:
		return "delete it; it serves no subnet"
	default:
		return "associate " + strings.Join(f.SubnetIDs, ", ") + " with network ACL " + f.OriginalID + " again, then delete the clone"
	}
}

func schedules(list []sweep.Schedule) string {
	if len(list) == 0 {
		return ""
	}
	return ", and delete " + plural(len(list), "schedule")
}

// clusterName is the name of an ECS cluster in its ARN.
func clusterName(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

// plural counts things.
func plural(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// sentence makes one of a text that begins in small letters.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, ")") {
		text += "."
	}
	return text
}
