// SPDX-License-Identifier: Apache-2.0

package main

import "fmt"

// mutant is one change of a package.
type mutant struct {
	id   int
	pkg  *pkg
	file *source
	line int
	// function is the one that it is in, empty for declarations of the package.
	function string
	// what says what is changed: "negate len(x) > 0".
	what  string
	edits []edit
	// alone is for what needs a program of its own.
	alone bool
	// names are the identifiers of its function, or what it declares outside of functions.
	names map[string]bool
}

// edit puts text in place of a part of the file; mostly the part is empty.
type edit struct {
	from, to int
	text     string
	// closing edits come before those that open at the same place, inner ones first.
	closing bool
}

func (m *mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file.path, m.line, m.what) }

// key tells a change from others also when lines move.
func (m *mutant) key() string { return fmt.Sprintf("%s: %s: %s", m.file.path, m.function, m.what) }
