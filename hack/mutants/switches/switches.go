// SPDX-License-Identifier: Apache-2.0

// Package switches is what mutated code calls: each function leaves its argument alone, unless its change is turned on.
package switches

import (
	"os"
	"strconv"
	"sync"
)

// The environment says which change is on, and names the file for those that are reached.
const (
	Active   = "MUTANTS_ACTIVE"
	Reached  = "MUTANTS_REACHED"
	inactive = -1
)

var (
	active  = number(os.Getenv(Active))
	reached = os.Getenv(Reached)
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
	if reached != "" {
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
	file, err := os.OpenFile(reached, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.WriteString(strconv.Itoa(id) + "\n"); err != nil {
		panic(err)
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
