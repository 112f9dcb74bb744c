// SPDX-License-Identifier: Apache-2.0

package switches

import (
	"encoding/json"
	"os"
	"slices"
	"time"
)

// Spec is a spec that ran, and which changes it reached.
type Spec struct {
	File, Text string
	Took       time.Duration
	Failed     bool
	// Reached are the changes reached since the spec before it: also by what that one left running.
	Reached []int
}

// Ended adds a spec that just ended to the file of specs.
func Ended(s Spec) {
	if specs == "" {
		return
	}
	mu.Lock()
	defer mu.Unlock()
	for id := range noted {
		s.Reached = append(s.Reached, id)
	}
	slices.Sort(s.Reached)
	clear(noted)
	line, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	appendTo(specs, string(line))
}

// appendTo adds a line to a file, in one write: other processes add to it too.
func appendTo(path, line string) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.WriteString(line + "\n"); err != nil {
		panic(err)
	}
}
