// SPDX-License-Identifier: Apache-2.0

package callers

import (
	"slices"

	"agentdisconnect.dev/agentdisconnect/controllers/evidence/record"
)

// piece tells the pieces of work of a caller apart: calls with the same startedBy and group are
// taken to be for the same piece.
type piece struct{ startedBy, group string }

// sharedStartedBy are values with which a service marks the tasks of all its pieces of work, so
// that they tell none apart.
var sharedStartedBy = []string{"AWS Step Functions"}

// extraTasks counts the tasks that a caller started beyond what it had asked for. It counts only
// what can't be read otherwise:
//
//   - A call met AGENT and all the same started some or all of the tasks that it asked for.
//   - The caller's next call with the same startedBy and group, within RecoverWithin, asked for more
//     tasks than the first had left over, and started so many that both together have more tasks
//     than the first asked for. Tasks that both calls name count once: a client token was used.
//
// Where two calls of one piece of work fall in one second, their order is not known, and they don't
// count.
func (j *judgement) extraTasks(calls []record.Call) (extra int) {
	byPiece := map[piece][]record.Call{}
	for _, call := range calls {
		key := piece{call.StartedBy, call.Group}
		if key == (piece{}) || key.group == "" && slices.Contains(sharedStartedBy, key.startedBy) {
			continue
		}
		byPiece[key] = append(byPiece[key], call)
	}

	for _, of := range byPiece {
		for i, call := range of {
			if next, ok := nextCall(of, i); ok && j.met(call) && j.repeats(call, next) {
				extra += excess(call, next)
			}
		}
	}
	return extra
}

// nextCall gives the call after the i-th; false: there is none, or the order is not known.
func nextCall(calls []record.Call, i int) (record.Call, bool) {
	sameSecond := func(a, b int) bool {
		return a >= 0 && b < len(calls) && calls[a].Time.Equal(calls[b].Time)
	}
	if i+1 >= len(calls) || sameSecond(i-1, i) || sameSecond(i, i+1) || sameSecond(i+1, i+2) {
		return record.Call{}, false
	}
	return calls[i+1], true
}

// repeats reports whether a call asks again for tasks that an earlier one started. What lies
// between them must be known.
func (j *judgement) repeats(earlier, later record.Call) bool {
	left := max(earlier.Count-len(earlier.Tasks), 0)
	inTime := later.Time.Sub(earlier.Time) <= j.facts.RecoverWithin
	known := j.facts.knowsBetween(earlier.Time, later.Time)
	return len(earlier.Tasks) > 0 && later.Count > left && inTime && known
}

// excess counts the tasks of two calls beyond what the earlier asked for.
func excess(earlier, later record.Call) int {
	before := map[string]bool{}
	for _, task := range earlier.Tasks {
		before[task.ARN] = true
	}

	after := map[string]bool{}
	for _, task := range later.Tasks {
		if !before[task.ARN] {
			after[task.ARN] = true
		}
	}
	return min(len(after), max(len(before)+len(after)-earlier.Count, 0))
}
