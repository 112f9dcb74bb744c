// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
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

// outcome is what became of a mutant.
type outcome int

const (
	// survived: no test that reaches it failed.
	survived outcome = iota
	killed
	// unreached: no test comes there.
	unreached
)

// test is a test of a package, and what it costs and reaches without a change.
type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

// trial tries the mutants of one package.
type trial struct {
	*pkg
	root, dir, binary string
	// args are the tests'.
	args []string
}

// try gives the outcome of each mutant that compiles.
func try(ctx context.Context, root string, p *pkg, mutants []*mutant, args []string, progress func(done, all int)) (map[*mutant]outcome, error) {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	t := &trial{pkg: p, root: root, dir: dir, binary: filepath.Join(dir, "package.test"), args: args}
	together := slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return m.alone })
	together, err = p.build(ctx, root, dir, t.binary, together)
	if err != nil {
		return nil, err
	}
	tests, err := t.tests(ctx)
	if err != nil {
		return nil, err
	}

	outcomes := map[*mutant]outcome{}
	done := 0
	all := len(together)
	for _, m := range mutants {
		if m.alone {
			all++
		}
	}
	note := func(m *mutant, f outcome) {
		outcomes[m] = f
		done++
		progress(done, all)
	}
	var mu sync.Mutex
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, m := range together {
		group.Go(func() error {
			f, err := t.outcome(grouped, t.binary, m.id, reaching(tests, m.id))
			mu.Lock()
			defer mu.Unlock()
			note(m, f)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, m := range mutants {
		if !m.alone {
			continue
		}
		binary := filepath.Join(dir, "alone.test")
		if _, err := p.compile(ctx, root, dir, binary, []*mutant{m}); err != nil {
			continue // not a change that is possible
		}
		f, err := t.outcome(ctx, binary, m.id, tests)
		if err != nil {
			return nil, err
		}
		note(m, f)
	}
	return outcomes, ctx.Err()
}

// tests runs each test without a change.
func (t *trial) tests(ctx context.Context) ([]*test, error) {
	out, err := t.run(ctx, t.binary, -1, "", "-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the tests of %s: %w", t.tester().ImportPath, err)
	}
	var tests []*test
	for name := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz") {
			tests = append(tests, &test{name: name, reaches: map[int]bool{}})
		}
	}
	group, grouped := errgroup.WithContext(ctx)
	group.SetLimit(runtime.NumCPU())
	for _, one := range tests {
		group.Go(func() error {
			reached, began := filepath.Join(t.dir, one.name), time.Now()
			if out, err := t.run(grouped, t.binary, -1, reached, "-test.run=^"+one.name+"$").CombinedOutput(); err != nil {
				return fmt.Errorf("%s of %s fails without a change: %w\n%s", one.name, t.tester().ImportPath, err, out)
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
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(tests, func(a, b *test) int { return int(a.took - b.took) })
	return tests, nil
}

func reaching(tests []*test, id int) []*test {
	return slices.DeleteFunc(slices.Clone(tests), func(t *test) bool { return !t.reaches[id] })
}

// outcome runs tests, the quick ones first, until one fails. A change that makes one hang is noticed as well.
func (t *trial) outcome(ctx context.Context, binary string, id int, tests []*test) (outcome, error) {
	if len(tests) == 0 {
		return unreached, nil
	}
	var names []string
	took := time.Duration(0)
	for _, one := range tests {
		names = append(names, one.name)
		took += one.took
	}
	limit := 20*time.Second + min(10*took, 2*took+3*time.Minute) // what hangs costs all of it
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := t.run(bounded, binary, id, "", "-test.run=^("+strings.Join(names, "|")+")$", "-test.failfast").Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return survived, nil
	case ctx.Err() != nil:
		return survived, ctx.Err()
	case errors.As(err, &exit), bounded.Err() != nil:
		return killed, nil
	}
	return survived, err
}

// run is a run of the tests with one change turned on.
func (t *trial) run(ctx context.Context, binary string, id int, reached string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, append(args, t.args...)...)
	cmd.Dir = t.tester().Dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", switches.Active, id), switches.Reached+"="+reached)
	// A suite that is interrupted stops its control plane.
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(os.Interrupt) }, time.Minute
	return cmd
}
