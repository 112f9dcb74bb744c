// SPDX-License-Identifier: Apache-2.0

// Package switches is what mutated code calls: each function leaves its argument alone, unless its change is turned on.
package switches

import (
	"os"
	"strconv"
	"sync"
)

// The environment says which change is on, and names the files for those that are reached: by the whole program, and by
// each spec.
const (
	Active   = "MUTANTS_ACTIVE"
	Reached  = "MUTANTS_REACHED"
	Specs    = "MUTANTS_SPECS"
	inactive = -1
)

var (
	active  = number(os.Getenv(Active))
	reached = os.Getenv(Reached)
	specs   = os.Getenv(Specs)
	mu      sync.Mutex
	noted   = map[int]bool{}
)

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return inactive
	}
	return n
}

// On reports whether a change is turned on, and notes that it was reached.
func On(id int) bool {
	if reached != "" || specs != "" {
		note(id)
	}
	return id == active
}

func note(id int) {
	mu.Lock()
	defer mu.Unlock()
	if noted[id] {
		return
	}
	noted[id] = true
	if reached != "" {
		appendTo(reached, strconv.Itoa(id))
	}
}

// Not negates a condition.
func Not(id int, condition bool) bool { return On(id) != condition }

// Err swallows an error.
func Err(id int, err error) error {
	if On(id) {
		return nil
	}
	return err
}

// Add changes a number.
func Add[T ~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64](id int, n T) T {
	if On(id) {
		return n + 1
	}
	return n
}
