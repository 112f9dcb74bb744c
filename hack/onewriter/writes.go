// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// write is one place where a package writes to a struct of another.
type write struct{ where, what string }

// writesIn gives the writes of a package, in the order of its files.
func writesIn(fset *token.FileSet, files []*ast.File, in *types.Package, info *types.Info) []write {
	s := &search{fset: fset, info: info, in: in, fresh: map[types.Object]bool{}, shared: map[types.Object]bool{}}
	for _, file := range files {
		ast.Inspect(file, s.noteFresh)
	}
	for _, file := range files {
		ast.Inspect(file, s.visit)
	}
	return s.found
}

// search looks for the writes of one package.
type search struct {
	fset *token.FileSet
	info *types.Info
	in   *types.Package
	// fresh are the variables that hold a pointer, map or slice to what their function made, and
	// shared those that were given another one later.
	fresh, shared map[types.Object]bool
	found         []write
}

// noteFresh notes the variables whose declaration makes a new value.
func (s *search) noteFresh(n ast.Node) bool {
	note := func(names []*ast.Ident, values []ast.Expr) {
		for i, name := range names {
			if name != nil && (len(values) == 0 || len(values) == len(names) && s.makes(values[i])) {
				s.fresh[s.info.Defs[name]] = true
			}
		}
	}
	switch n := n.(type) {
	case *ast.ValueSpec:
		note(n.Names, n.Values)
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			names := make([]*ast.Ident, len(n.Lhs))
			for i, lhs := range n.Lhs {
				names[i], _ = lhs.(*ast.Ident)
			}
			note(names, n.Rhs)
			return true
		}
		for i, lhs := range n.Lhs {
			if name, ok := lhs.(*ast.Ident); ok && (len(n.Rhs) != len(n.Lhs) || !s.makes(n.Rhs[i])) {
				s.shared[s.info.Uses[name]] = true
			}
		}
	}
	return true
}

// makes reports whether an expression is a new value, which nothing else has.
func (s *search) makes(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.CompositeLit:
		return true
	case *ast.UnaryExpr:
		_, literal := ast.Unparen(e.X).(*ast.CompositeLit)
		return e.Op == token.AND && literal
	case *ast.CallExpr:
		name, ok := ast.Unparen(e.Fun).(*ast.Ident)
		if !ok {
			return false
		}
		builtin, ok := s.info.Uses[name].(*types.Builtin)
		switch {
		case !ok:
			return false
		case builtin.Name() == "append": // to what the function made
			return s.pointsToOwn(e.Args[0])
		}
		return builtin.Name() == "make" || builtin.Name() == "new"
	}
	return false
}

func (s *search) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			for _, lhs := range n.Lhs {
				s.written(lhs)
			}
		}
	case *ast.IncDecStmt:
		s.written(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			s.written(n.Key)
			s.written(n.Value)
		}
	case *ast.CallExpr:
		s.call(n)
	}
	return true
}

// call looks at the built-in functions that write to what they are given.
func (s *search) call(n *ast.CallExpr) {
	name, ok := ast.Unparen(n.Fun).(*ast.Ident)
	if !ok {
		return
	}
	if builtin, ok := s.info.Uses[name].(*types.Builtin); ok {
		switch builtin.Name() {
		case "clear", "copy", "delete":
			s.elements(n.Args[0])
		}
	}
}

// written reports a write to an expression, if it changes a struct of another package.
func (s *search) written(e ast.Expr) {
	switch e := ast.Unparen(e).(type) {
	case *ast.SelectorExpr:
		s.reportField(e, s.isOwn(e))
	case *ast.IndexExpr:
		s.elements(e.X)
	case *ast.StarExpr: // all fields at once
		if named, ok := s.info.TypeOf(e).(*types.Named); ok && s.isForeign(named.Obj().Pkg()) && !s.pointsToOwn(e.X) {
			s.report(e, typeName(named))
		}
	}
}

// elements reports a write to elements of an expression, which changes the field that has them.
func (s *search) elements(of ast.Expr) {
	if field, ok := ast.Unparen(of).(*ast.SelectorExpr); ok {
		_, array := s.info.TypeOf(field).Underlying().(*types.Array)
		// Others may have the same slice or map, unless all of it was made here.
		s.reportField(field, s.isOwn(field) && (array || s.isMade(field)))
	}
}

// isMade reports whether an expression is part of what the function made, and did not copy.
func (s *search) isMade(e ast.Expr) bool {
	if field, ok := ast.Unparen(e).(*ast.SelectorExpr); ok {
		return s.isMade(field.X)
	}
	return s.pointsToOwn(e)
}

func (s *search) reportField(e *ast.SelectorExpr, own bool) {
	if selection := s.info.Selections[e]; selection != nil && s.isForeign(selection.Obj().Pkg()) && !own {
		s.report(e, owner(selection)+"."+e.Sel.Name)
	}
}

// isForeign reports whether a package owns its structs, and is another one.
func (s *search) isForeign(p *types.Package) bool {
	return p != nil && p != s.in && strings.HasPrefix(p.Path(), tree)
}

// isOwn reports whether an expression is a variable of the function, or a part of what only the
// function has.
func (s *search) isOwn(e ast.Expr) bool {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, ok := s.info.Uses[e].(*types.Var)
		return ok && v.Parent() != s.in.Scope() && v.Pkg() == s.in
	case *ast.SelectorExpr:
		selection := s.info.Selections[e]
		return selection != nil && !throughEmbedded(selection) && s.containsOwn(e.X)
	case *ast.IndexExpr:
		return s.containsOwn(e.X)
	case *ast.StarExpr:
		return s.pointsToOwn(e.X)
	}
	return false
}

// containsOwn reports whether the fields or elements of an expression are the function's own.
func (s *search) containsOwn(e ast.Expr) bool {
	switch s.info.TypeOf(e).Underlying().(type) {
	case *types.Struct, *types.Array:
		return s.isOwn(e)
	}
	return s.pointsToOwn(e)
}

// pointsToOwn reports whether an expression is a pointer, map or slice of what the function made.
func (s *search) pointsToOwn(e ast.Expr) bool {
	name, ok := ast.Unparen(e).(*ast.Ident)
	return ok && s.fresh[s.info.Uses[name]] && !s.shared[s.info.Uses[name]]
}

// throughEmbedded reports whether a field is one of an embedded pointer.
func throughEmbedded(selection *types.Selection) bool {
	at := pointee(selection.Recv())
	for _, index := range selection.Index()[:len(selection.Index())-1] {
		at = at.Underlying().(*types.Struct).Field(index).Type()
		if pointee(at) != at {
			return true
		}
	}
	return false
}

// owner names the struct that declares a field.
func owner(selection *types.Selection) string {
	at := pointee(selection.Recv())
	for _, index := range selection.Index()[:len(selection.Index())-1] {
		at = pointee(at.Underlying().(*types.Struct).Field(index).Type())
	}
	if named, ok := at.(*types.Named); ok {
		return typeName(named)
	}
	return selection.Obj().Pkg().Name()
}

func typeName(named *types.Named) string {
	return named.Obj().Pkg().Name() + "." + named.Obj().Name()
}

// pointee is what a pointer points to, and any other type itself.
func pointee(t types.Type) types.Type {
	if p, ok := types.Unalias(t).Underlying().(*types.Pointer); ok {
		return types.Unalias(p.Elem())
	}
	return types.Unalias(t)
}

func (s *search) report(at ast.Expr, what string) {
	s.found = append(s.found, write{s.fset.Position(at.Pos()).String(), s.in.Name() + " writes " + what})
}
