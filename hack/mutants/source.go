// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// pkg is a package whose code is changed.
type pkg struct {
	ImportPath, Dir, Name, Export      string
	GoFiles, TestImports, XTestImports []string

	fset  *token.FileSet
	files []*source
	info  *types.Info
}

// source is one of its files.
type source struct {
	path string // relative to the module's root
	text []byte
	tree *ast.File
}

// load gives the packages that match the patterns, with their types.
func load(ctx context.Context, root string, patterns []string) ([]*pkg, error) {
	matched, err := list(ctx, root, append([]string{"-f", "{{.ImportPath}}"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for line := range bytes.Lines(matched) {
		wanted[string(bytes.TrimSpace(line))] = true
	}
	out, err := list(ctx, root, append([]string{"-export", "-deps", "-json=ImportPath,Dir,Name,Export,GoFiles,TestImports,XTestImports"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	var found []*pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		p := &pkg{}
		if err := decoder.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if wanted[p.ImportPath] && len(p.GoFiles) > 0 {
			found = append(found, p)
		}
	}
	for _, p := range found {
		if err := p.parse(root, exports); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func list(ctx context.Context, root string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list"}, args...)...)
	cmd.Dir, cmd.Stderr, cmd.Env = root, os.Stderr, append(os.Environ(), "GOFLAGS=-trimpath")
	return cmd.Output()
}

// parse reads the package's files, without those that are generated, and works out the types.
func (p *pkg) parse(root string, exports map[string]string) error {
	p.fset = token.NewFileSet()
	var trees []*ast.File
	for _, name := range p.GoFiles {
		path := filepath.Join(p.Dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(p.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		trees = append(trees, tree)
		if ast.IsGenerated(tree) {
			continue
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		p.files = append(p.files, &source{path: relative, text: text, tree: tree})
	}
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	conf := types.Config{Importer: importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(exports[path])
	})}
	_, err := conf.Check(p.ImportPath, p.fset, trees, p.info)
	return err
}
