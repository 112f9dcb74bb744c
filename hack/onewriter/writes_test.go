// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"testing"

	. "github.com/onsi/gomega"
)

// owned declares structs, in a package that owns them.
const owned = `package owned

type State struct {
	Count int
	List  []int
	Map   map[string]int
	Array [2]int
	Part  Part
	Next  *State
}

type Part struct{ Text string }

type Wrap struct{ *State }

func (s *State) Add() { s.Count++ }

func Make() *State { return &State{} }

var Shared = State{}
`

func TestWritesOf(t *testing.T) {
	for statement, want := range map[string][]string{
		// What another package has.
		"p.Count = 1":                                        {"State.Count"},
		"p.Count += 1":                                       {"State.Count"},
		"p.Count++":                                          {"State.Count"},
		"(p).Count = 1":                                      {"State.Count"},
		"p.Part.Text = ``":                                   {"Part.Text"},
		"p.List[0] = 1":                                      {"State.List"},
		"p.Map[``] = 1":                                      {"State.Map"},
		"p.Array[0] = 1":                                     {"State.Array"},
		"delete(p.Map, ``)":                                  {"State.Map"},
		"clear(p.List)":                                      {"State.List"},
		"copy(p.List, p.List)":                               {"State.List"},
		"*p = owned.State{}":                                 {"State"},
		"p.Next.Count, other = 1, 2":                         {"State.Count"},
		"for p.Count = range 3 { }":                          {"State.Count"},
		"q := p; q.Count = 1":                                {"State.Count"},
		"q := &p.Part; q.Text = ``":                          {"Part.Text"},
		"q := owned.Make(); q.Count = 1":                     {"State.Count"},
		"for i := range list { list[i].Count = 1 }":          {"State.Count"},
		"owned.Shared.Count = 1":                             {"State.Count"},
		"mine.State.Count = 1":                               {"State.Count"},
		"mine.pointer.Count = 1":                             {"State.Count"},
		"wrap.Count = 1":                                     {"State.Count"},
		"func() { p.Count = 1 }()":                           {"State.Count"},
		"var q *owned.State; q = p; q.Count = 1":             {"State.Count"},
		"q := &owned.State{}; q = p; q.Count = 1":            {"State.Count"},
		"q := *p; q.List[0] = 1":                             {"State.List"},
		"q := *p; q.Next.Count = 1":                          {"State.Count"},
		"q := owned.State{Next: p}; q.Next.Count = 1; _ = q": {"State.Count"},
		// What it has not.
		"p.Add()":                                     nil,
		"other = p.Count":                             nil,
		"mine.count = p.Count":                        nil,
		"mine.State = *p":                             nil,
		"mine.pointer = p":                            nil,
		"p = nil":                                     nil,
		"value.Count = 1":                             nil,
		"value.Part.Text = ``":                        nil,
		"value.Array[0] = 1":                          nil,
		"var q owned.State; q.Count = 1":              nil,
		"q := owned.State{}; q.Count = 1":             nil,
		"q := &owned.State{}; q.Count = 1":            nil,
		"q := new(owned.State); q.Part.Text=``":       nil,
		"q := &owned.State{}; q.Map[``] = 1":          nil,
		"q := *p; q.Count = 1":                        nil,
		"q := make([]owned.State, 1); q[0].Count = 1": nil,
		"var q []owned.State; q = append(q, *p); q[0].Count = 1": nil,
		"p.Next = nil; _ = 1": {"State.Next"},
	} {
		t.Run(statement, func(t *testing.T) {
			g := NewWithT(t)
			found, err := writesOf(`package other

import "` + tree + `owned"

type mineType struct {
	owned.State
	count   int
	pointer *owned.State
}

func writes(p *owned.State, value owned.State, list []owned.State, mine *mineType, wrap owned.Wrap) {
	other := 0
	_ = other
	` + statement + `
}
`)
			g.Expect(err).NotTo(HaveOccurred())
			var got []string
			for _, each := range found {
				got = append(got, each.what)
			}
			for i := range want {
				want[i] = "other writes owned." + want[i]
			}
			g.Expect(got).To(Equal(want))
		})
	}
}

// writesOf gives the writes of a file that may import owned.
func writesOf(text string) ([]write, error) {
	fset := token.NewFileSet()
	parse := func(text string) []*ast.File {
		file, err := parser.ParseFile(fset, "file.go", text, parser.SkipObjectResolution)
		if err != nil {
			panic(err)
		}
		return []*ast.File{file}
	}
	declares, err := (&types.Config{}).Check(tree+"owned", fset, parse(owned), nil)
	if err != nil {
		return nil, err
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
	}
	files := parse(text)
	in, err := (&types.Config{Importer: imported{declares}}).Check(tree+"other", fset, files, info)
	if err != nil {
		return nil, err
	}
	return writesIn(fset, files, in, info), nil
}

// imported has the one package that is imported.
type imported struct{ *types.Package }

func (i imported) Import(string) (*types.Package, error) { return i.Package, nil }
