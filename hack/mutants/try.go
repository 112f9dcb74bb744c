// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"agentdisconnect.dev/agentdisconnect/hack/mutants/switches"
)

// test is a test or a spec, and what it costs and reaches without a change.
type test struct {
	name    string
	spec    bool
	took    time.Duration
	reaches map[int]bool
}

// trial tries the changes of packages by the tests of one.
type trial struct {
	options
	packages []*pkg
	tester   *pkg
	// root is the copy of the module, dir is for what is compiled, and records keeps what specs reach.
	root, dir, records string
}

// try gives the verdict about each of the chosen mutants that compiles, of all that the packages have.
func (t *trial) try(ctx context.Context, all, chosen []*mutant) (map[*mutant]verdict, error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t.dir = dir
	together, err := t.build(ctx, slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return m.alone }))
	if err != nil {
		return nil, err
	}
	chosen = slices.DeleteFunc(slices.Clone(chosen), func(m *mutant) bool { return !m.alone && !slices.Contains(together, m) })
	tests, err := t.tests(ctx)
	if err != nil {
		return nil, err
	}

	verdicts := map[*mutant]verdict{}
	var mu sync.Mutex
	tryEach := func(mutants []*mutant, atOnce int) error {
		group, grouped := errgroup.WithContext(ctx)
		group.SetLimit(atOnce)
		for _, m := range mutants {
			group.Go(func() error {
				v, err := t.verdict(grouped, m, reaching(tests, m, together))
				mu.Lock()
				defer mu.Unlock()
				verdicts[m] = v
				t.progress(len(verdicts), len(chosen), m, v)
				return err
			})
		}
		return group.Wait()
	}
	if err := tryEach(chosen, runtime.NumCPU()); err != nil {
		return nil, err
	}
	// What took too long or broke may have done so because of what ran beside it.
	again := slices.DeleteFunc(slices.Clone(chosen), func(m *mutant) bool {
		return verdicts[m].outcome != hung && verdicts[m].outcome != undecided
	})
	if err := tryEach(again, 1); err != nil {
		return nil, err
	}
	maps.DeleteFunc(verdicts, func(_ *mutant, v verdict) bool { return v.outcome == impossible })
	return verdicts, ctx.Err()
}

// progress prints each verdict, or how many there are.
func (t *trial) progress(done, all int, m *mutant, v verdict) {
	switch {
	case t.verbose:
		fmt.Fprintf(os.Stderr, "%d of %d: %s: %s\n", done, all, m, v)
	case done%25 == 0 || done == all:
		fmt.Fprintf(os.Stderr, "\r%s: %d of %d", t.tester.ImportPath, done, all)
	}
}

// tests runs each test and spec without a change. The quick ones come first.
func (t *trial) tests(ctx context.Context) ([]*test, error) {
	out, err := t.run(ctx, t.dir, -1, "", "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w", t.tester.ImportPath, err)
	}
	var tests, specs []*test
	for name := range strings.FieldsSeq(string(out)) {
		if name == suite && t.tester.specsPackage() != "" {
			if specs, err = t.specs(ctx); err != nil {
				return nil, err
			}
		} else if (strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")) && t.focus.MatchString(name) {
			tests = append(tests, &test{name: name, reaches: map[int]bool{}})
		}
	}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, one := range tests {
		group.Go(func() error { return t.record(grouped, one) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	tests = append(tests, specs...)
	slices.SortFunc(tests, func(a, b *test) int { return int(a.took - b.took) })
	return tests, nil
}

// record runs a test that is no spec without a change.
func (t *trial) record(ctx context.Context, one *test) error {
	reached, began := filepath.Join(t.dir, one.name), time.Now()
	if out, err := t.run(ctx, t.dir, -1, switches.Reached+"="+reached, "-test.run=^"+one.name+"$").CombinedOutput(); err != nil {
		return fmt.Errorf("%s of %s fails without a change: %w\n%s", one.name, t.tester.ImportPath, err, out)
	}
	one.took = time.Since(began)
	text, err := os.ReadFile(reached)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for line := range strings.FieldsSeq(string(text)) {
		id, err := strconv.Atoi(line)
		if err != nil {
			return err
		}
		one.reaches[id] = true
	}
	return nil
}

// reaching gives the tests that reach a mutant. A constant is reached with the changes of functions that name it. All
// tests may depend on it where none does, and all that are no specs: those are cheap.
func reaching(tests []*test, m *mutant, others []*mutant) []*test {
	ids := []int{m.id}
	if m.alone {
		ids = nil
		for _, other := range others {
			for name := range m.names {
				if other.names[name] {
					ids = append(ids, other.id)
				}
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(tests), func(t *test) bool {
		return !(m.alone && (len(ids) == 0 || !t.spec)) && !slices.ContainsFunc(ids, func(id int) bool { return t.reaches[id] })
	})
}

// run is a run of the tests in a folder with one change turned on.
func (t *trial) run(ctx context.Context, dir string, id int, note string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(dir, program), args...)
	cmd.Dir = t.tester.Dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", switches.Active, id), note)
	// A suite that is interrupted stops its control plane.
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Minute
	return cmd
}
