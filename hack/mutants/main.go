// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// equivalents is the list of changes that change nothing observable, each with why.
const equivalents = "hack/mutants/equivalent.txt"

func main() {
	var o options
	flag.IntVar(&o.sample, "sample", 0, "how many changes of each package to try; 0: all")
	flag.Uint64Var(&o.seed, "seed", 1, "which ones, where not all are tried")
	only := flag.String("only", "", "a regular expression: tries the changes whose file:line: text matches alone")
	flag.StringVar(&o.tests, "tests", "", "the package whose tests are to notice the changes, such as ./controllers/agentdisconnect; empty: the changed package's own")
	args := flag.String("args", "", "arguments for the tests, such as -ginkgo.focus-file=fence_test.go")
	flag.Parse()
	o.args = strings.Fields(*args)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		err = run(ctx, os.Stdout, o, flag.Args())
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options say which changes are tried, and how.
type options struct {
	sample int
	seed   uint64
	only   *regexp.Regexp
	tests  string
	args   []string
}

// tally counts what became of a package's changes.
type tally struct {
	path                            string
	tried, killed, equivalent, left int
}

func run(ctx context.Context, out io.Writer, o options, patterns []string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	at, err := os.MkdirTemp("", "mutants-module-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(at)
	if err := copyModule(ctx, strings.TrimSpace(string(root)), at); err != nil {
		return fmt.Errorf("copying the module: %w", err)
	}
	reasons, err := readEquivalents(filepath.Join(at, equivalents))
	if err != nil {
		return err
	}
	packages, err := load(ctx, at, patterns)
	if err != nil {
		return err
	}
	if o.tests != "" {
		with, err := load(ctx, at, []string{o.tests})
		if err != nil {
			return err
		}
		if len(with) != 1 {
			return fmt.Errorf("-tests %s names %d packages: name one", o.tests, len(with))
		}
		for _, p := range packages {
			p.tests = with[0]
		}
	}
	var tallies []tally
	for _, p := range packages {
		outcomes, err := try(ctx, at, p, o.choose(p.mutants()), o.args, func(done, all int) {
			if done%25 == 0 || done == all {
				fmt.Fprintf(os.Stderr, "\r%s: %d of %d", p.ImportPath, done, all)
			}
		})
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return err
		}
		one := tally{path: strings.TrimPrefix(p.ImportPath, "agentdisconnect.dev/agentdisconnect/"), tried: len(outcomes)}
		var left []string
		for m, f := range outcomes {
			switch {
			case f == killed:
				one.killed++
			case reasons[m.key()] != "":
				one.equivalent++
			default:
				one.left++
				note := ""
				if f == unreached {
					note = " (no test comes there)"
				}
				left = append(left, m.String()+note)
			}
		}
		slices.Sort(left)
		for _, line := range left {
			fmt.Fprintln(out, line)
		}
		tallies = append(tallies, one)
	}
	return report(out, tallies)
}

// copyModule copies what git knows of, or would: a test that fails may write beside its code.
func copyModule(ctx context.Context, from, to string) error {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = from
	names, err := cmd.Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			return err
		}
		at := filepath.Join(to, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o700), os.WriteFile(at, content, 0o700)); err != nil { // scripts among them
			return err
		}
	}
	return nil
}

// choose gives the changes that are to be tried.
func (o options) choose(mutants []*mutant) []*mutant {
	mutants = slices.DeleteFunc(mutants, func(m *mutant) bool { return !o.only.MatchString(m.String()) })
	if o.sample > 0 && o.sample < len(mutants) {
		rand.New(rand.NewPCG(o.seed, 0)).Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
		mutants = mutants[:o.sample]
	}
	return mutants
}

func report(out io.Writer, tallies []tally) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\npackage\ttried\tkilled\tequivalent\tsurvived\tkilled of what is not equivalent")
	for _, t := range tallies {
		share := 100.0
		if counted := t.tried - t.equivalent; counted > 0 {
			share = 100 * float64(t.killed) / float64(counted)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%.1f %%\n", t.path, t.tried, t.killed, t.equivalent, t.left, share)
	}
	return table.Flush()
}

// readEquivalents reads the list: a change as key gives it, and after # the reason.
func readEquivalents(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	reasons := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		change, reason, found := strings.Cut(lines.Text(), "  # ")
		if found && change != "" {
			reasons[change] = reason
		}
	}
	return reasons, nil
}
