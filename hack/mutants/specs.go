// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/hack/mutants/switches"
)

const (
	ginkgo = "github.com/onsi/ginkgo/v2"
	// suite is by convention the function that runs a package's specs.
	suite = "TestSpecs"
	// recorder is a file of the tests that notes each spec. Those of ordered containers do not run one by one.
	recorder = `package %s

import (
	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"

	"` + switchesPath + `"
)

var _ = ginkgo.ReportAfterEach(func(r ginkgo.SpecReport) {
	if r.IsInOrderedContainer || r.State.Is(types.SpecStateSkipped|types.SpecStatePending) {
		return
	}
	switches.Ended(switches.Spec{File: r.FileName(), Text: r.FullText(), Took: r.RunTime, Failed: r.Failed()})
})
`
)

// specsPackage is the package clause of the tests that have specs; empty: there are none.
func (p *pkg) specsPackage() string {
	switch {
	case slices.Contains(p.XTestImports, ginkgo):
		return p.Name + "_test"
	case slices.Contains(p.TestImports, ginkgo):
		return p.Name
	}
	return ""
}

// suiteArgs are arguments for some specs of the suite. A spec fails when it does so twice: the machine may be busy.
func suiteArgs(specs []*test) []string {
	args := []string{"-ginkgo.no-color", "-ginkgo.flake-attempts=2", "-ginkgo.timeout=24h"}
	for _, one := range specs {
		args = append(args, "-ginkgo.focus= "+regexp.QuoteMeta(one.name)+"$")
	}
	return args
}

// pick gives at most some specs of those that are sorted by time: half of them the quickest, the others drawn.
func pick(specs []*test, most int, random *rand.Rand) []*test {
	if most == 0 || len(specs) <= most {
		return specs
	}
	picked := slices.Clone(specs)
	rest := picked[most/2:]
	random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	return picked[:most]
}

// specs gives the specs and what they reach. Each runs once without a change. The record of that is kept beside the
// checkout, under the program's hash, so that the next trial of the same code begins at once.
func (t *trial) specs(ctx context.Context) ([]*test, error) {
	listed, err := t.listSpecs(ctx)
	if err != nil {
		return nil, err
	}
	compiled, err := os.ReadFile(filepath.Join(t.dir, program))
	if err != nil {
		return nil, err
	}
	record := filepath.Join(t.records, fmt.Sprintf("%x.json", sha256.Sum256(compiled)))
	known, err := readSpecs(record)
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(listed), func(s *test) bool {
		found, ok := known[s.name]
		return ok && !found.Failed
	})
	if err := t.recordSpecs(ctx, record, missing); err != nil {
		return nil, err
	}
	if known, err = readSpecs(record); err != nil {
		return nil, err
	}

	var specs []*test
	for _, one := range listed {
		found, ok := known[one.name]
		if !ok || found.Failed {
			fmt.Fprintf(os.Stderr, "left out, since it does not pass without a change: %s\n", one.name)
			continue
		}
		one.took = found.Took
		for _, id := range found.Reached {
			one.reaches[id] = true
		}
		specs = append(specs, one)
	}
	return specs, nil
}

// listSpecs gives the specs that may be tried.
func (t *trial) listSpecs(ctx context.Context) ([]*test, error) {
	list := filepath.Join(t.dir, "list.json")
	if out, err := t.run(ctx, t.dir, -1, switches.Specs+"="+list, append(suiteArgs(nil), "-test.run=^"+suite+"$", "-ginkgo.dry-run")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("listing the specs of %s: %w\n%s", t.tester.ImportPath, err, out)
	}
	all, err := readSpecs(list)
	if err != nil {
		return nil, err
	}
	var listed []*test
	for _, s := range all {
		if t.focus.MatchString(s.File + ": " + s.Text) {
			listed = append(listed, &test{name: s.Text, spec: true, reaches: map[int]bool{}})
		}
	}
	slices.SortFunc(listed, func(a, b *test) int { return strings.Compare(a.name, b.name) })
	return listed, nil
}

// recordSpecs runs specs, in a process for each processor, and adds them to the record.
func (t *trial) recordSpecs(ctx context.Context, record string, specs []*test) error {
	if err := os.MkdirAll(filepath.Dir(record), 0o700); err != nil {
		return err
	}
	group, grouped := errgroup.WithContext(ctx)
	for part := range runtime.NumCPU() {
		var own []*test
		for i := part; i < len(specs); i += runtime.NumCPU() {
			own = append(own, specs[i])
		}
		if len(own) == 0 {
			continue
		}
		group.Go(func() error {
			out, err := t.run(grouped, t.dir, -1, switches.Specs+"="+record, append(suiteArgs(own), "-test.run=^"+suite+"$")...).CombinedOutput()
			if err != nil && !bytes.Contains(out, []byte("--- FAIL: "+suite)) {
				return fmt.Errorf("the specs of %s without a change: %w\n%s", t.tester.ImportPath, err, out)
			}
			return grouped.Err()
		})
	}
	return group.Wait()
}

// readSpecs reads a file of specs, by their text. There may be none yet.
func readSpecs(path string) (map[string]switches.Spec, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	specs := map[string]switches.Spec{}
	for line := range bytes.Lines(text) {
		var s switches.Spec
		if err := json.Unmarshal(line, &s); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		specs[s.Text] = s
	}
	return specs, nil
}
