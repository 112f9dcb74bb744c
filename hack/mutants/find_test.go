// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const code = `package p

const limit = 3

type broken struct{}

func (broken) Error() string { return "" }

func f(n int, ok bool) (bool, error) {
	for i := 0; i < n && ok; i++ {
		n -= limit
		continue
	}
	switch {
	case n > limit:
		return !ok, broken{}
	case n < 2:
		return true, broken{}
	}
	var fixed [4]int
	fixed[1]++
	return ok, nil
}
`

// parsed is a package of one file.
func parsed(t *testing.T, text string) *pkg {
	t.Helper()
	p := &pkg{fset: token.NewFileSet(), info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}}
	tree, err := parser.ParseFile(p.fset, "p.go", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(types.Config).Check("p", p.fset, []*ast.File{tree}, p.info); err != nil {
		t.Fatal(err)
	}
	p.files = []*source{{path: "p.go", text: []byte(text), tree: tree}}
	return p
}

func TestChangesOfEachKindAreFound(t *testing.T) {
	var found []string
	for _, m := range parsed(t, code).mutants() {
		found = append(found, m.String())
	}
	NewWithT(t).Expect(found).To(ConsistOf(
		"p.go:3: change constant const limit = 3, 3 to 4",
		"p.go:10: change 0", "p.go:10: negate i < n && ok", "p.go:10: negate i < n", "p.go:10: negate ok",
		"p.go:11: drop n -= limit", "p.go:12: drop continue",
		"p.go:15: negate n > limit", "p.go:16: negate !ok", "p.go:16: return nil for broken{}",
		"p.go:17: negate n < 2", "p.go:17: change 2", "p.go:18: return nil for broken{}",
		"p.go:21: change 1", "p.go:21: drop fixed[1]++", "p.go:22: negate ok",
	))
}

// All changes that fit into one program stand in it side by side, each in the place where it was found.
func TestChangesAreSwitchedOnInOneProgram(t *testing.T) {
	g := NewWithT(t)
	p := parsed(t, code)
	together := slices.DeleteFunc(p.mutants(), func(m *mutant) bool { return m.alone })
	text := string(apply(p.files[0], together))
	_, err := parser.ParseFile(token.NewFileSet(), "p.go", text, 0)
	g.Expect(err).NotTo(HaveOccurred(), text)
	g.Expect(strings.Split(text, "\n")).To(HaveLen(len(strings.Split(code, "\n"))), "lines keep their numbers")
	g.Expect(text).To(MatchRegexp(`for i := switches\.Add\[int\]\(\d+, 0\); switches\.Not\(\d+, switches\.Not\(\d+, i < n\) && switches\.Not\(\d+, ok\)\); i\+\+`))
	g.Expect(text).To(MatchRegexp(`if !switches\.On\(\d+\) \{ continue \}`))
	g.Expect(text).To(MatchRegexp(`return switches\.Not\(\d+, !ok\), switches\.Err\(\d+, broken\{\}\)`))
	g.Expect(text).To(ContainSubstring("var fixed [4]int"))
	g.Expect(text).To(ContainSubstring(`import "` + switchesPath + `"`))
}

func TestAConstantIsChangedInAProgramOfItsOwn(t *testing.T) {
	p := parsed(t, code)
	for _, m := range p.mutants() {
		if m.alone {
			NewWithT(t).Expect(string(apply(p.files[0], []*mutant{m}))).To(Equal(strings.Replace(code, "limit = 3", "limit = 4", 1)))
		}
	}
}
