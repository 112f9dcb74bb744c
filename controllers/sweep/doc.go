// SPDX-License-Identifier: Apache-2.0

// Package sweep finds in AWS what runs left behind, by its tags alone, and undoes it: for the day
// when the object, or the whole Kubernetes cluster, is lost.
//
// # What it touches
//
// Outbound entries whose number and whole content a claim on their network ACL has
// (ownership.Claim.Owns). Tags of the runs that it undoes. Clones whose tags name them as such, and
// whose contents those tags account for to the last entry: claimed denies, and beside them exactly
// what the hash in the tag agentdisconnect.dev/copies is of, or what stands in the original too.
// Associations from such a clone to its original. Schedules of the dead man's switch, by name,
// group and target. Tasks of probes, by their startedBy and task group. All else is left, and
// reported: a clone that a third party edited keeps serving, without the denies.
//
// # What makes it safe beside a living controller
//
// A run's object is persisted before the first tag is written, and is restored before the last tag
// goes. So a process that reads the cloud first and the objects second, and finds no living object
// for a tag, can be sure that none will turn up: UIDs aren't given twice. What was read is never
// what is acted on. Undoer.Undo reads the network ACL anew right before it writes, and goes on only
// with the claim that was found, of the same start and end: where the object began another run
// meanwhile or its end was moved, the claim differs, and nothing is done.
//
// One read proves no claim. Reads lag, and one that was made right after a run's end may show its
// tags, while an equal entry at the number is a third party's by then. So an entry is deleted only
// where all reads since one networkacl.SettleFor ago showed the same claim. That the run's end is
// long past does not help: its clean-up may have come late, a moment ago. So reads from before the
// object changed (Found.Object) confirm nothing, and where no object is known, reads from before
// the run's end. A clone whose original is there waits for no second read: a clean-up removes its
// tags together with it, and it has no number of an entry that is another's.
//
// A clean-up that is under way in another process does the same with the same entries. Deleting
// what is gone, or giving a subnet back that is back, is acknowledged as done or refused as stale,
// and neither changes anything. Where two runs claim the very same entry of one network ACL, it is
// the later one's.
//
// Tags go last: when each claimed entry was deleted with an acknowledgement, or reads have lacked
// it for networkacl.AmbiguousFor, or the run is past its end by Margin. So what a process that
// stood still sends after all when it wakes (see aws.Fence, and never after the run's end) meets a
// tag by which the next sweep finds it.
//
// # Repeating
//
// Everything may be stopped anywhere and run again. Undoer remembers what it saw gone, so that a
// second sweep of the same process knows more than the first one of another.
package sweep
