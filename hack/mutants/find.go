// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strconv"
	"strings"
)

// finder finds the changes of one file.
type finder struct {
	*pkg
	file     *source
	function string
	names    map[string]bool
	results  *ast.FieldList
	found    []*mutant
	// skip are expressions that have to stay as they are.
	skip map[ast.Node]bool
}

// mutants are all changes of a package, in the order of its files.
func (p *pkg) mutants() []*mutant {
	var all []*mutant
	for _, file := range p.files {
		f := &finder{pkg: p, file: file, skip: map[ast.Node]bool{}}
		for _, decl := range file.tree.Decls {
			f.decl(decl)
		}
		all = append(all, f.found...)
	}
	for id, m := range all {
		m.id = id
	}
	return all
}

func (f *finder) decl(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Body == nil {
			return
		}
		f.function, f.names, f.results = d.Name.Name, identifiers(d.Body), d.Type.Results
		f.walk(d.Body)
	case *ast.GenDecl:
		f.function, f.results = "", nil
		if d.Tok == token.CONST {
			f.constants(d)
		}
	}
}

func identifiers(n ast.Node) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(n, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok {
			names[name.Name] = true
		}
		return true
	})
	return names
}

// constants changes each number of constants that are declared.
func (f *finder) constants(d *ast.GenDecl) {
	declared := map[string]bool{}
	ast.Inspect(d, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			declared = map[string]bool{}
			for _, name := range spec.Names {
				declared[name.Name] = true
			}
		}
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.INT {
			if value, err := strconv.ParseInt(lit.Value, 0, 64); err == nil {
				m := f.add(lit, "change constant "+f.text(d)+", "+lit.Value+" to "+strconv.FormatInt(value+1, 10))
				m.alone, m.names = true, declared
				m.edits = []edit{{from: f.at(lit.Pos()), to: f.at(lit.End()), text: strconv.FormatInt(value+1, 10)}}
			}
		}
		return true
	})
}

// walk finds the changes in a function's body; those of function literals have results of their own.
func (f *finder) walk(n ast.Node) {
	ast.Inspect(n, func(n ast.Node) bool {
		if literal, ok := n.(*ast.FuncLit); ok {
			results := f.results
			f.results = literal.Type.Results
			f.walk(literal.Body)
			f.results = results
			return false
		}
		if n == nil || f.skip[n] {
			return false
		}
		f.visit(n)
		return true
	})
}

func (f *finder) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.negate(n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil {
			f.negate(n.Cond)
		}
	case *ast.BinaryExpr:
		if n.Op == token.LAND || n.Op == token.LOR {
			f.negate(n.X)
			f.negate(n.Y)
		}
	case *ast.SwitchStmt:
		if n.Tag == nil {
			for _, clause := range n.Body.List {
				for _, condition := range clause.(*ast.CaseClause).List {
					f.negate(condition)
				}
			}
		}
	case *ast.ReturnStmt:
		f.returned(n)
	case *ast.GenDecl:
		if n.Tok == token.CONST {
			f.skip[n] = true
			f.constants(n)
		}
	case *ast.ArrayType:
		if n.Len != nil {
			f.skip[n.Len] = true
		}
	case *ast.KeyValueExpr:
		f.skip[n.Key] = true
	case *ast.BasicLit:
		f.number(n)
	case *ast.BlockStmt:
		f.statements(n.List)
	case *ast.CaseClause:
		f.statements(n.Body)
	case *ast.CommClause:
		f.statements(n.Body)
	}
}

// negate negates a condition, once.
func (f *finder) negate(e ast.Expr) {
	if t, ok := f.info.Types[e]; !ok || t.Value != nil || t.Type.String() != "bool" && t.Type.String() != "untyped bool" {
		return
	}
	f.wrap(e, "negate "+f.text(e), "Not")
}

// returned swallows errors and negates what is said.
func (f *finder) returned(n *ast.ReturnStmt) {
	var kinds []string
	if f.results != nil {
		for _, field := range f.results.List {
			for range max(1, len(field.Names)) {
				kinds = append(kinds, f.text(field.Type))
			}
		}
	}
	if len(kinds) != len(n.Results) {
		return // what another function gives
	}
	last := len(n.Results) - 1
	failed := last >= 0 && kinds[last] == "error" && f.text(n.Results[last]) != "nil"
	for i, result := range n.Results {
		if failed && i < last && f.literal(result) {
			f.skip[result] = true // what stands beside an error says nothing
			continue
		}
		switch kinds[i] {
		case "error":
			if f.text(result) != "nil" {
				f.wrap(result, "return nil for "+f.text(result), "Err")
			}
		case "bool":
			f.wrap(result, "negate "+f.text(result), "Not")
		}
	}
}

// literal reports whether an expression is a number, true or false as it stands.
func (f *finder) literal(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return e.Name == "true" || e.Name == "false"
	}
	return false
}

// number changes a number that doesn't have to be constant.
func (f *finder) number(n *ast.BasicLit) {
	if n.Kind != token.INT && n.Kind != token.FLOAT {
		return
	}
	basic, ok := f.info.Types[n].Type.(*types.Basic)
	if !ok {
		if named, is := f.info.Types[n].Type.(*types.Named); !is || named.String() != "time.Duration" {
			return
		}
		f.wrapAs(n, "change "+n.Value, "Add[time.Duration]")
		return
	}
	kind := basic.Name()
	if basic.Info()&types.IsUntyped != 0 {
		return
	}
	f.wrapAs(n, "change "+n.Value, "Add["+kind+"]")
}

// statements drops each statement that can be missing.
func (f *finder) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && f.text(call.Fun) == "panic" {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
		case *ast.BranchStmt:
			if s.Tok != token.BREAK && s.Tok != token.CONTINUE {
				continue
			}
		case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
		default:
			continue
		}
		m := f.add(s, "drop "+f.text(s))
		m.edits = []edit{
			{from: f.at(s.Pos()), to: f.at(s.Pos()), text: fmt.Sprintf("if !switches.On(%s) { ", placeholder)},
			{from: f.at(s.End()), to: f.at(s.End()), text: " }", closing: true},
		}
	}
}

func (f *finder) wrap(e ast.Expr, what, function string) { f.wrapAs(e, what, function) }

func (f *finder) wrapAs(e ast.Expr, what, function string) {
	from, to := f.at(e.Pos()), f.at(e.End())
	for _, m := range f.found { // a condition that is returned is one, not two
		if m.file == f.file && len(m.edits) == 2 && m.edits[0].from == from && m.edits[1].to == to && strings.HasPrefix(m.edits[0].text, "switches."+function) {
			return
		}
	}
	m := f.add(e, what)
	m.edits = []edit{
		{from: from, to: from, text: fmt.Sprintf("switches.%s(%s, ", function, placeholder)},
		{from: to, to: to, text: ")", closing: true},
	}
}

// placeholder stands for the change's number in its text.
const placeholder = "\x00"

func (f *finder) add(n ast.Node, what string) *mutant {
	m := &mutant{pkg: f.pkg, file: f.file, line: f.fset.Position(n.Pos()).Line, function: f.function, what: what, names: f.names}
	f.found = append(f.found, m)
	return m
}

func (f *finder) at(p token.Pos) int { return f.fset.Position(p).Offset }

// text is a part of the file on one line, cut off where it is long.
func (f *finder) text(n ast.Node) string {
	const most = 90
	text := strings.Join(strings.Fields(string(f.file.text[f.at(n.Pos()):f.at(n.End())])), " ")
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
