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
	focus := flag.String("focus", "", "a regular expression: uses the tests alone whose name matches, or the specs whose file: text matches")
	flag.IntVar(&o.specsEach, "specs", 40, "how many specs to try on a change, of those that reach it: half of them the quickest; 0: all")
	flag.BoolVar(&o.verbose, "v", false, "prints what became of each change")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	var err error
	if o.only, err = regexp.Compile(*only); err == nil {
		if o.focus, err = regexp.Compile(*focus); err == nil {
			err = run(ctx, os.Stdout, o, flag.Args())
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// options say which changes are tried, and how.
type options struct {
	sample, specsEach int
	seed              uint64
	only, focus       *regexp.Regexp
	tests             string
	verbose           bool
}

// tally counts what became of a package's changes. Those that hung are among the killed.
type tally struct {
	path                                  string
	tried, killed, hung, equivalent, left int
}

func run(ctx context.Context, out io.Writer, o options, patterns []string) error {
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("finding the module: %w", err)
	}
	checkout := strings.TrimSpace(string(module))
	root, err := os.MkdirTemp("", "mutants-module-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := copyModule(ctx, checkout, root); err != nil {
		return fmt.Errorf("copying the module: %w", err)
	}
	reasons, err := readEquivalents(filepath.Join(root, equivalents))
	if err != nil {
		return err
	}
	packages, err := load(ctx, root, patterns)
	if err != nil {
		return err
	}
	var trials []*trial
	for _, p := range packages {
		trials = append(trials, &trial{packages: []*pkg{p}, tester: p})
	}
	if o.tests != "" {
		with, err := load(ctx, root, []string{o.tests})
		if err != nil {
			return err
		}
		if len(with) != 1 {
			return fmt.Errorf("-tests %s names %d packages: name one", o.tests, len(with))
		}
		trials = []*trial{{packages: packages, tester: with[0]}}
	}

	var tallies []tally
	for _, t := range trials {
		t.options, t.root, t.records = o, root, filepath.Join(checkout, "bin", "mutants")
		var all, chosen []*mutant
		for _, p := range t.packages {
			own := p.mutants()
			for _, m := range own {
				m.id += len(all)
			}
			all, chosen = append(all, own...), append(chosen, o.choose(slices.Clone(own))...)
		}
		verdicts, err := t.try(ctx, all, chosen)
		fmt.Fprintln(os.Stderr)
		if err != nil {
			return err
		}
		for _, p := range t.packages {
			tallies = append(tallies, count(out, p, verdicts, reasons))
		}
	}
	return report(out, tallies)
}

// count counts a package's verdicts, and lists the changes that survived.
func count(out io.Writer, p *pkg, verdicts map[*mutant]verdict, reasons map[string]string) tally {
	one := tally{path: strings.TrimPrefix(p.ImportPath, "agentdisconnect.dev/agentdisconnect/")}
	var left []string
	for m, v := range verdicts {
		if m.pkg != p {
			continue
		}
		one.tried++
		switch {
		case v.outcome == killed:
			one.killed++
		case v.outcome == hung:
			one.killed++
			one.hung++
		case reasons[m.key()] != "":
			one.equivalent++
		default:
			one.left++
			left = append(left, fmt.Sprintf("%s (%s)", m, v))
		}
	}
	slices.Sort(left)
	for _, line := range left {
		fmt.Fprintln(out, line)
	}
	return one
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
	fmt.Fprintln(table, "\npackage\ttried\tkilled\tof these, hung\tequivalent\tsurvived\tkilled of what is not equivalent")
	for _, t := range tallies {
		share := 100.0
		if counted := t.tried - t.equivalent; counted > 0 {
			share = 100 * float64(t.killed) / float64(counted)
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%.1f %%\n", t.path, t.tried, t.killed, t.hung, t.equivalent, t.left, share)
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
