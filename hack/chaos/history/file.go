// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Read reads a history from a file, as String writes it.
func Read(path string) (History, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return History{}, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var h History
	if err := decoder.Decode(&h); err != nil {
		return History{}, fmt.Errorf("%s is not a history: %w", path, err)
	}
	return h, nil
}

// String is the history as JSON, an operation a line.
func (h History) String() string {
	var b strings.Builder
	b.WriteString("{\n")
	if h.Seed != 0 {
		fmt.Fprintf(&b, "  \"seed\": %d,\n", h.Seed)
	}
	if h.Note != "" {
		fmt.Fprintf(&b, "  \"note\": %s,\n", line(h.Note))
	}
	if h.Armed {
		b.WriteString("  \"armed\": true,\n")
	}
	if h.Spoke {
		b.WriteString("  \"spoke\": true,\n")
	}
	for _, limit := range []struct {
		name string
		rate float64
	}{{"reads", h.Reads}, {"changes", h.Changes}} {
		if limit.rate != 0 {
			fmt.Fprintf(&b, "  %q: %s,\n", limit.name, line(limit.rate))
		}
	}
	b.WriteString("  \"ops\": [\n")
	for i, op := range h.Ops {
		comma := ","
		if i == len(h.Ops)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %s%s\n", line(op), comma)
	}
	fmt.Fprintf(&b, "  ],\n  \"deleted\": %t\n}\n", h.Deleted)
	return b.String()
}

// String is the operation as JSON.
func (o Op) String() string { return line(o) }

func line(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("operations are plain values: %v", err))
	}
	return string(text)
}
