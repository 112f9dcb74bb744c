// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const switchesPath = "agentdisconnect.dev/agentdisconnect/hack/mutants/switches"

// program is what compile makes.
const program = "package.test"

// apply gives a file's text with the edits of mutants. Lines keep their numbers.
func apply(file *source, mutants []*mutant) []byte {
	type placed struct {
		edit
		id, width int
	}
	var all []placed
	for _, m := range mutants {
		width := m.edits[len(m.edits)-1].to - m.edits[0].from
		for _, e := range m.edits {
			e.text = strings.ReplaceAll(e.text, placeholder, strconv.Itoa(m.id))
			all = append(all, placed{e, m.id, width})
		}
	}
	// What encloses more opens earlier and closes later. Of two around the same part, the later one is within.
	slices.SortStableFunc(all, func(a, b placed) int {
		switch {
		case a.from != b.from:
			return a.from - b.from
		case a.closing != b.closing && a.closing:
			return -1
		case a.closing != b.closing:
			return 1
		case a.closing:
			return cmpOr(a.width-b.width, b.id-a.id)
		}
		return cmpOr(b.width-a.width, a.id-b.id)
	})
	var out bytes.Buffer
	at := 0
	for _, e := range all {
		out.Write(file.text[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(file.text[at:])
	text := out.Bytes()
	if bytes.Contains(text, []byte("switches.")) {
		clause := regexp.MustCompile(`(?m)^package \w+`).FindIndex(text)
		text = slices.Concat(text[:clause[1]], []byte(`; import "`+switchesPath+`"`), text[clause[1]:])
	}
	return text
}

func cmpOr(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// where is a place that the compiler complains about.
var where = regexp.MustCompile(`(?m)^(?:vet: )?(?:\./)?([^\s:]+\.go):(\d+):\d+: `)

// build compiles the tests with mutants, all of them in one program, and returns those that fit into it.
func (t *trial) build(ctx context.Context, mutants []*mutant) ([]*mutant, error) {
	for {
		said, err := t.compile(ctx, t.dir, mutants)
		if err == nil {
			return mutants, nil
		}
		bad := map[string]bool{}
		for _, match := range where.FindAllStringSubmatch(said, -1) {
			bad[filepath.Base(match[1])+":"+match[2]] = true
		}
		kept := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool {
			return bad[fmt.Sprintf("%s:%d", filepath.Base(m.file.path), m.line)]
		})
		if len(kept) == len(mutants) {
			return nil, fmt.Errorf("%s does not compile: %s", t.tester.ImportPath, said)
		}
		mutants = kept
	}
}

// compile compiles the tests with mutants, by way of an overlay, into a folder.
func (t *trial) compile(ctx context.Context, dir string, mutants []*mutant) (said string, err error) {
	contents := map[string][]byte{}
	for _, p := range t.packages {
		for _, file := range p.files {
			own := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return m.file != file })
			contents[filepath.Join(t.root, file.path)] = apply(file, own)
		}
	}
	if name := t.tester.specsPackage(); name != "" {
		contents[filepath.Join(t.tester.Dir, "mutants_test.go")] = fmt.Appendf(nil, recorder, name)
	}
	replace := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(contents)) {
		// In a folder of its own it keeps its name, by which build finds what does not compile.
		at := filepath.Join(dir, strconv.Itoa(len(replace)), filepath.Base(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, contents[path], 0o600)); err != nil {
			return "", err
		}
		replace[path] = at
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-gcflags=-e", "-ldflags=-s -w", "-overlay", list, "-o", filepath.Join(dir, program), t.tester.ImportPath)
	// Without paths in it, what is compiled is found in the cache, wherever the copy is.
	cmd.Dir, cmd.Env = t.root, append(os.Environ(), "GOFLAGS=-trimpath")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
