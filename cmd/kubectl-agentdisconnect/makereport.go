// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	reports "agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/report"
)

func (p *program) reportCommand() *cobra.Command {
	var format, file string
	var formats []string
	for _, each := range reports.Formats() {
		formats = append(formats, string(each))
	}

	cmd := &cobra.Command{
		Use: "report (NAME | -f FILE)", Short: "Print what a run did and when, as text, markdown, html, junit or json", DisableFlagsInUseLine: true,
		Long: `Print one run as a document: what was hit, what happened when, and which promises it kept. A run that is on is printed as it is now.

With -f the object comes from a file, as kubectl get -o yaml prints it: no Kubernetes cluster is asked.

Exit codes:
  0  the report was printed, whatever it says
  1  an error
  2  the command line or the file is wrong`,
		Example: `  kubectl agentdisconnect report demo
  kubectl agentdisconnect report demo -o html > demo.html
  kubectl get agd demo -o yaml | kubectl agentdisconnect report -f - -o junit`,
	}
	flags := addClusterFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&format, "output", "o", formats[0], "text, markdown, html, junit or json")
	f.StringVarP(&file, "filename", "f", "", "a file with the object, in YAML or JSON; -: standard input")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp)) // fails for flags that are not there
	cmd.ValidArgsFunction = p.completeNames(flags)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case !slices.Contains(formats, format):
			return usage("--output is %q: it must be text, markdown, html, junit or json", format)
		case file != "" && len(args) > 0:
			return usage("--filename and a name exclude each other")
		case file == "":
			if err := oneName(cmd, args); err != nil {
				return err
			}
		}
		obj, err := p.reported(cmd.Context(), flags, file, args)
		if err != nil {
			return err
		}
		if format == string(reports.Text) && p.screen().IsLive() {
			return p.printReport(obj)
		}
		return reports.Write(p.out, obj, reports.Format(format), p.clock.Now())
	}
	return cmd
}

// beforeText is what a line of a report has before its text: spaces, or a label and the gap behind it.
var beforeText = regexp.MustCompile(`^ *(\S+( \S+)*  +)?`)

// printReport fits a report to the terminal: a text that does not fit goes on in its column.
func (p *program) printReport(obj *v1alpha1.AgentDisconnect) error {
	var text strings.Builder
	if err := reports.Write(&text, obj, reports.Text, p.clock.Now()); err != nil {
		return err
	}
	screen := p.screen()
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSuffix(line, "\n")
		screen.Print(utf8.RuneCountInString(beforeText.FindString(line)), line)
	}
	return nil
}

// reported is the object that a report is about: of a file, or else of the cluster.
func (p *program) reported(ctx context.Context, flags *clusterFlags, file string, args []string) (*v1alpha1.AgentDisconnect, error) {
	if file != "" {
		u, err := p.readManifest(file)
		if err != nil {
			return nil, err
		}
		return decode(u)
	}

	c, err := p.connectKubernetes(flags)
	if err != nil {
		return nil, err
	}
	return c.get(ctx, c.namespace, args[0])
}
