// SPDX-License-Identifier: Apache-2.0

package networkacl

import (
	"cmp"
	"strconv"
)

// Place is where an entry stands: a network ACL has one entry at most there.
type Place struct {
	Egress bool
	Number int32
}

// Place is where the entry stands.
func (e Entry) Place() Place { return Place{e.Egress, e.Number} }

// Compare orders places: outbound first, then by number.
func (p Place) Compare(o Place) int {
	if p.Egress != o.Egress {
		if p.Egress {
			return -1
		}
		return 1
	}
	return cmp.Compare(p.Number, o.Number)
}

// IsInRange reports whether a number is from one to another, both included.
func IsInRange(n, from, to int32) bool { return from <= n && n <= to }

// noInteger stands for what is not a number: it is in none of the ranges, and String never writes
// it.
const noInteger = -1 << 31

// ParseInteger gives the number in a text. For a text without one it gives a number that is in no
// range of IsInRange's callers.
func ParseInteger(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return noInteger
	}
	return int32(n)
}
