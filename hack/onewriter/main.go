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
	"strings"
)

// tree has the packages of which each owns its structs.
const tree = "agentdisconnect.dev/agentdisconnect/controllers/"

func main() {
	found, err := check(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "onewriter:", err)
		os.Exit(1)
	}
	for _, each := range found {
		fmt.Println(each.where + ": " + each.what)
	}
	if len(found) > 0 {
		fmt.Println("Only the package that declares a struct may write to its fields: add a method there, or return the value to it (docs/architecture.md, Who writes which state).")
		os.Exit(1)
	}
}

// pkg is a package, as go list describes it.
type pkg struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// check gives the writes in the packages that match the patterns.
func check(ctx context.Context, patterns []string) ([]write, error) {
	packages, err := list(ctx, patterns)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, p := range packages {
		exports[p.ImportPath] = p.Export
	}
	fset := token.NewFileSet()
	compiled := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })

	var found []write
	for _, p := range packages {
		if p.DepOnly {
			continue
		}
		writes, err := p.writes(fset, compiled)
		if err != nil {
			return nil, err
		}
		found = append(found, writes...)
	}
	return found, nil
}

// list describes the packages that match, and all that they import, with their export data.
func list(ctx context.Context, patterns []string) ([]pkg, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var packages []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// writes are those of one package to the structs of others.
func (p *pkg) writes(fset *token.FileSet, imports types.Importer) ([]write, error) {
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	found, err := writesOf(p.ImportPath, fset, files, imports)
	here, _ := os.Getwd()
	for i := range found {
		found[i].where = strings.TrimPrefix(found[i].where, here+string(filepath.Separator))
	}
	return found, err
}
