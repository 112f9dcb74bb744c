// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/mutants/switches"
)

// outcome is what became of a mutant.
type outcome int

const (
	// survived: no test that reaches it failed, of those that were tried.
	survived outcome = iota
	killed
	// hung: the tests did not end in time, not even by themselves.
	hung
	// unreached: no test comes there.
	unreached
	// undecided: the tests failed, but no single test did. Their control plane may not have started.
	undecided
	// impossible: it does not compile.
	impossible
)

// verdict is an outcome, and what it rests on.
type verdict struct {
	outcome
	// by is the test that failed, or the end of what the tests printed where it is undecided.
	by string
	// specs of those that reach it were tried.
	specs, reaching int
}

func (v verdict) String() string {
	tried := fmt.Sprintf("%d of the %d specs that reach it were tried", v.specs, v.reaching)
	if v.specs == v.reaching {
		tried = fmt.Sprintf("all %d specs that reach it were tried", v.reaching)
	}
	switch v.outcome {
	case killed:
		return "killed by " + v.by
	case hung:
		return "the tests took too long"
	case unreached:
		return "no test comes there"
	case undecided:
		return "undecided: " + v.by
	case impossible:
		return "does not compile"
	}
	if v.reaching == 0 {
		return "survived"
	}
	return "survived: " + tried
}

// verdict runs tests that reach a mutant, until one fails.
func (t *trial) verdict(ctx context.Context, m *mutant, tests []*test) (verdict, error) {
	if len(tests) == 0 {
		return verdict{outcome: unreached}, nil
	}
	dir := t.dir
	if m.alone {
		dir = filepath.Join(t.dir, "alone"+strconv.Itoa(m.id))
		defer os.RemoveAll(dir)
		if _, err := t.compile(ctx, dir, []*mutant{m}); err != nil {
			return verdict{outcome: impossible}, ctx.Err()
		}
	}
	plain := slices.DeleteFunc(slices.Clone(tests), func(one *test) bool { return one.spec })
	specs := slices.DeleteFunc(slices.Clone(tests), func(one *test) bool { return !one.spec })
	v := verdict{reaching: len(specs)}
	specs = pick(specs, t.specsEach, rand.New(rand.NewPCG(t.seed, uint64(m.id))))
	v.specs = len(specs)

	args, limit := choice(plain, specs)
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ended := filepath.Join(t.dir, fmt.Sprintf("ended%d.json", m.id))
	defer os.Remove(ended)
	out, err := t.run(bounded, dir, m.id, switches.Specs+"="+ended, args...).CombinedOutput()
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	if bounded.Err() != nil {
		v.outcome = hung
		return v, nil
	}
	ran, readErr := readSpecs(ended)
	if readErr != nil {
		return v, readErr
	}
	return v.of(err, out, ran)
}

// choice gives the arguments that run tests and specs, and how long that may take. What hangs costs all of it.
func choice(tests, specs []*test) (args []string, limit time.Duration) {
	took, names := time.Duration(0), []string{}
	for _, one := range tests {
		names, took = append(names, one.name), took+one.took
	}
	for _, one := range specs {
		took += one.took
	}
	args, limit = []string{"-test.failfast"}, 20*time.Second+min(10*took, 2*took+3*time.Minute)
	if len(specs) > 0 {
		names, args = append(names, suite), append(append(args, "-ginkgo.fail-fast"), suiteArgs(specs)...)
		limit += 6 * time.Minute // a spec waits minutes for what does not come, and then it fails
	}
	return append(args, "-test.run=^("+strings.Join(names, "|")+")$"), limit
}

// of completes the verdict with how the tests ended, what they printed and which specs ran.
func (v verdict) of(err error, out []byte, ran map[string]switches.Spec) (verdict, error) {
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil && len(ran) < v.specs:
		v.outcome, v.by = undecided, fmt.Sprintf("%d of %d specs ran", len(ran), v.specs)
	case err == nil:
		v.outcome = survived
	case exited:
		v.outcome = killed
		if v.by = culprit(exit.ExitCode(), out, ran); v.by == "" {
			v.outcome, v.by = undecided, string(out[max(0, len(out)-1000):])
		}
	default:
		return v, err
	}
	return v, nil
}

var failed = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// culprit names the test that failed, empty where none did by itself.
func culprit(exitCode int, out []byte, ran map[string]switches.Spec) string {
	for _, s := range ran {
		if s.Failed {
			return s.Text
		}
	}
	for _, match := range failed.FindAllSubmatch(out, -1) {
		if name := string(match[1]); name != suite {
			return name
		}
	}
	if exitCode == 2 {
		return "a panic"
	}
	return ""
}
