// SPDX-License-Identifier: Apache-2.0

package aws_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// calling is what a function refers to: actions of AWS, and functions as package.name. Methods count as functions of their
// package, so it names rather too much than too little.
type calling struct{ actions, functions []string }

// callings reads the functions of packages in folders under controllers. A package is named by the last part of its folder.
func callings(g *WithT, folders ...string) map[string]calling {
	of := map[string]string{}
	for service, client := range map[string]reflect.Type{
		"ec2": reflect.TypeFor[aws.FencedEC2](), "ecs": reflect.TypeFor[aws.FencedECS](), "scheduler": reflect.TypeFor[aws.FencedScheduler](),
	} {
		for method := range client.Methods() {
			of[method.Name] = service + ":" + method.Name
		}
	}
	var packages []string
	for _, folder := range folders {
		packages = append(packages, path.Base(folder))
	}
	all := map[string]calling{}
	for i, pkg := range packages {
		files, err := filepath.Glob(filepath.Join("..", folders[i], "*.go"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			g.Expect(err).NotTo(HaveOccurred())
			for _, decl := range file.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
					key := pkg + "." + fn.Name.Name
					all[key] = refers(fn.Body, pkg, packages, of, all[key])
				}
			}
		}
	}
	return all
}

// paginator is how the SDK names what makes a call for each page.
var paginator = regexp.MustCompile(`^New(\w+)Paginator$`)

func refers(body *ast.BlockStmt, pkg string, packages []string, of map[string]string, c calling) calling {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			name, from := n.Sel.Name, pkg
			if x, ok := n.X.(*ast.Ident); ok && slices.Contains(packages, x.Name) {
				from = x.Name
			}
			if paged := paginator.FindStringSubmatch(name); paged != nil {
				name = paged[1]
			}
			if action, ok := of[name]; ok {
				c.actions = append(c.actions, action)
			}
			c.functions = append(c.functions, from+"."+name)
		case *ast.Ident:
			c.functions = append(c.functions, pkg+"."+n.Name)
		}
		return true
	})
	return c
}

// The policy is for kubectl agentdisconnect sweep, which calls AWS through package sweep alone, and that through removal.
func TestPolicyForSweepingGrantsWhatASweepCalls(t *testing.T) {
	g := NewWithT(t)
	all := callings(g, "sweep", "removal", "networkacl", "networkacl/ec2acl", "deadman", "discovery", "evidence/probetasks")
	reached, called := map[string]bool{}, map[string]bool{}
	var follow func(string)
	follow = func(name string) {
		if reached[name] {
			return
		}
		reached[name] = true
		for _, action := range all[name].actions {
			called[action] = true
		}
		for _, next := range all[name].functions {
			follow(next)
		}
	}
	for name := range all {
		if strings.HasPrefix(name, "sweep.") || strings.HasPrefix(name, "removal.") {
			follow(name)
		}
	}
	g.Expect(reached).To(HaveKey("ec2acl.Delete"))
	g.Expect(granted(g, sweepPolicy)).To(ConsistOf(slices.Collect(maps.Keys(called))))
}
