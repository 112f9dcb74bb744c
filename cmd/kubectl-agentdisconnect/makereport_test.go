// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
)

func TestReportOfAnObject(t *testing.T) {
	r := newRuns(t)
	r.write(r.create("done"), yes, v1alpha1.StateCompleted, "all is well", "")
	for format, want := range map[string]string{
		"text": "all is well", "markdown": "# ", "html": "<!DOCTYPE html>", "junit": "<testsuite", "json": `"state": "Completed"`,
	} {
		r.Expect(r.run("report", "done", "-o", format)).To(Equal(exitDone), r.said())
		r.Expect(r.out.String()).To(ContainSubstring(want), format)
	}
	r.Expect(r.run("report", "none")).To(Equal(exitError))
	r.Expect(r.errOut.String()).To(ContainSubstring("there is none of that name"))
}

func TestReportOfAFileAsksNoCluster(t *testing.T) {
	r := newRuns(t)
	file := filepath.Join("report", "testdata", "completed.yaml")
	r.Expect(r.run("report", "-f", file, "-o", "json", "--kubeconfig", filepath.Join(t.TempDir(), "none"))).To(Equal(exitDone), r.said())
	r.Expect(r.out.String()).To(ContainSubstring(`"name": "checkout-agents"`))
}

func TestAReportFitsTheTerminal(t *testing.T) {
	r := newRuns(t)
	printed := func(name string, size func() view.Size) string {
		before := len(r.out.String())
		r.program.size = size
		r.Expect(r.run("report", "-f", filepath.Join("report", "testdata", name+".yaml"), "--kubeconfig", filepath.Join(t.TempDir(), "none"))).To(Equal(exitDone), r.said())
		return r.out.String()[before:]
	}
	for _, name := range []string{"aborted", "callers", "completed", "refused", "verifying"} {
		whole, fitted := printed(name, nil), printed(name, func() view.Size { return view.Size{Width: 80, Height: 24} })
		r.Expect(strings.Fields(fitted)).To(Equal(strings.Fields(whole)), "no word is lost")
		for line := range strings.Lines(fitted) {
			if text := beforeText.ReplaceAllString(line, ""); len(strings.Fields(text)) > 1 { // one word stays whole, to be copied
				r.Expect(len([]rune(strings.TrimRight(line, "\n")))).To(BeNumerically("<", 80), line)
			}
		}
	}
}

func TestReportOfAWrongCommandLine(t *testing.T) {
	r := newRuns(t)
	for args, want := range map[string]string{
		"report":                          "needs the name of one",
		"report a b":                      "needs the name of one",
		"report a -f b":                   "exclude each other",
		"report a -o pdf":                 "must be text, markdown, html, junit or json",
		"report -f no/such/file":          "no/such/file",
		"report -f report/testdata/x.yml": "x.yml",
	} {
		r.Expect(r.run(strings.Fields(args)...)).To(Equal(exitUsage), args)
		r.Expect(r.errOut.String()).To(ContainSubstring(want), args)
	}
}
