// SPDX-License-Identifier: Apache-2.0

package history

import "slices"

// Shrink looks for the shortest and plainest history that still fails. It asks fails about candidates, one after the other,
// and ends early when fails says that there is no more time: its second answer is false. What it returns failed, provided
// that h does.
func Shrink(h History, fails func(History) (failed, more bool)) History {
	s := &shrinker{best: h, fails: fails, more: true}
	for again := true; again && s.more; {
		again = s.fewer()
		again = s.plainer() || again
	}
	return s.best
}

type shrinker struct {
	best  History
	fails func(History) (failed, more bool)
	more  bool
}

// try makes a candidate the best one if it fails.
func (s *shrinker) try(candidate History) bool {
	if !s.more {
		return false
	}
	failed, more := s.fails(candidate)
	s.more = more
	if failed {
		s.best = candidate
	}
	return failed
}

// fewer is delta debugging: it takes runs of operations out, long ones first, until each single one is needed.
func (s *shrinker) fewer() (found bool) {
	for size := (len(s.best.Ops) + 1) / 2; size > 0 && s.more; {
		removed := false
		for at := 0; at < len(s.best.Ops) && s.more; {
			end := min(at+size, len(s.best.Ops))
			candidate := s.best
			candidate.Ops = slices.Delete(slices.Clone(s.best.Ops), at, end)
			if s.try(candidate) {
				removed, found = true, true // what follows is at the same place now
			} else {
				at = end
			}
		}
		if size == 1 && !removed {
			break
		}
		if size > 1 {
			size /= 2
		}
	}
	return found
}

// plainer makes each operation as plain as it can be, and has the objects deleted at the end if that fails too: that is over
// sooner. It does without a dead man's switch, without limits of calls, and in one account, where that is not what it is about.
func (s *shrinker) plainer() (found bool) {
	if candidate := s.best; !candidate.Deleted {
		candidate.Deleted = true
		found = s.try(candidate)
	}
	if candidate := s.best; candidate.Armed {
		candidate.Armed = false
		found = s.try(candidate) || found
	}
	if candidate := s.best; candidate.Spoke {
		candidate.Spoke = false
		found = s.try(candidate) || found
	}
	if candidate := s.best; candidate.Reads != 0 || candidate.Changes != 0 {
		candidate.Reads, candidate.Changes = 0, 0
		found = s.try(candidate) || found
	}
	for i := range s.best.Ops {
		for again := true; again && s.more; {
			again = false
			for _, op := range Simpler(s.best.Ops[i]) {
				candidate := s.best
				candidate.Ops = slices.Clone(s.best.Ops)
				candidate.Ops[i] = op
				if again = s.try(candidate); again {
					found = true
					break
				}
			}
		}
	}
	return found
}
