// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/packages"
)

// tree has the packages of which each owns its structs.
const tree = "agentdisconnect.dev/agentdisconnect/controllers/"

func main() {
	found, err := check(os.Args[1:])
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

// check gives the writes in the packages that match the patterns.
func check(patterns []string) ([]write, error) {
	const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo
	loaded, err := packages.Load(&packages.Config{Mode: mode}, patterns...)
	if err != nil {
		return nil, err
	}
	here, err := os.Getwd()
	if err != nil {
		return nil, err
	}

	var found []write
	for _, p := range loaded {
		for _, each := range p.Errors {
			err = errors.Join(err, each)
		}
		for _, each := range writesIn(p.Fset, p.Syntax, p.Types, p.TypesInfo) {
			each.where = strings.TrimPrefix(each.where, here+string(filepath.Separator))
			found = append(found, each)
		}
	}
	return found, err
}
