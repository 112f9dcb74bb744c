// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// defaultWait is a little longer than reads have to lack an entry before it counts as gone.
const defaultWait = networkacl.AmbiguousFor + time.Minute

const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
)

// options are the flags of sweep.
type options struct {
	region, clusterID, uid string
	allClusters, expired   bool
	apply, yes             bool
	wait                   time.Duration
	output                 string
}

const sweepHelp = `List what AgentDisconnect runs left in one AWS account and Region, and undo it with --apply.

It needs only AWS credentials, from where the AWS CLI takes them (AWS_PROFILE, AWS_ACCESS_KEY_ID, SSO, an instance's role), and
no Kubernetes cluster. It finds runs by tags agentdisconnect.dev/… on network ACLs, which hold for each entry of a run
its number and a hash of the whole entry, by the names of schedules, and by startedBy and group of ECS tasks. It does not touch
what doesn't match them.

In trouble, step by step:
  1. List:  kubectl agentdisconnect sweep --region ap-northeast-1
     Check the account and the Region in the first line. A run leaves things in its subnet's Region: look into each.
  2. Is the run's Kubernetes cluster alive, with the manager in it? Then delete the object there: kubectl delete agd NAME.
     A manager that works restores what is undone here, until the run's time is over (EXPIRES).
  3. Undo:  kubectl agentdisconnect sweep --region ap-northeast-1 --cluster-id ID --apply
     It prints what it will do, and asks. Entries and tags go after two minutes, when a second read confirms them.
     You can repeat it at any time, also after an interruption.
  4. List again: nothing is left.

` + exitCodes

func (p *program) sweepCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "sweep", Short: "List what runs left in an AWS account and Region; --apply undoes it", Long: sweepHelp, Args: noArguments,
		Example: `  kubectl agentdisconnect sweep
  kubectl agentdisconnect sweep --region eu-west-1 -o wide
  kubectl agentdisconnect sweep --expired --apply
  kubectl agentdisconnect sweep --cluster-id 6f1d2c3b-4a59-4687-9b1c-0d2e3f4a5b6c --apply --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			return p.sweep(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.region, "region", "", "the AWS Region to search; unset: that of the AWS configuration (AWS_REGION)")
	f.StringVar(&o.clusterID, "cluster-id", "", "only findings of this Kubernetes cluster: the UID of its namespace kube-system, or a prefix of it")
	f.BoolVar(&o.allClusters, "all-clusters", false, "let --apply undo findings of several Kubernetes clusters")
	f.StringVar(&o.uid, "uid", "", "only findings of the object with this UID (-o wide shows it)")
	f.BoolVar(&o.expired, "expired", false, "only findings of runs whose time is over")
	f.BoolVar(&o.apply, "apply", false, "undo what is listed, after a question")
	f.BoolVarP(&o.yes, "yes", "y", false, "ask no question")
	f.DurationVar(&o.wait, "wait", defaultWait, "how long --apply may wait and retry after its first try; 0: not at all. Below 2m it deletes clones whose original exists, and schedules, and leaves all else")
	f.StringVarP(&o.output, "output", "o", outputTable, "table, wide or json")
	return cmd
}

func (o options) validate() error {
	switch {
	case !slices.Contains([]string{outputTable, outputWide, outputJSON}, o.output):
		return usage("--output is %q: it must be table, wide or json", o.output)
	case o.yes && !o.apply:
		return usage("--yes is an answer to the question of --apply: give both, or neither")
	case o.wait < 0:
		return usage("--wait is %s: it must be 0, for not at all, or more", o.wait)
	case o.allClusters && o.clusterID != "":
		return usage("--all-clusters and --cluster-id exclude each other")
	}
	return nil
}

// chosen are the findings that the flags are about.
func (o options) chosen(found []sweep.Found, now time.Time) []sweep.Found {
	return slices.DeleteFunc(slices.Clone(found), func(f sweep.Found) bool {
		return !strings.HasPrefix(f.ClusterID, o.clusterID) || o.uid != "" && f.UID != o.uid ||
			o.expired && !f.PastEnd(now) && (f.Expires.IsZero() || f.Expires.After(now))
	})
}

func (p *program) sweep(ctx context.Context, o options) error {
	where, err := p.connect(ctx, o.region)
	if err != nil {
		return err
	}

	survey, err := sweep.Look(ctx, where.clients, nil)
	if err != nil {
		return explain(fmt.Sprintf("looking for what runs left in account %s, %s", where.id, where.region), err)
	}

	found := o.chosen(survey.Found, p.clock.Now())
	r := &report{program: p, options: o, account: where, hidden: len(survey.Found) - len(found), unseen: survey.SchedulesUnseen, tasksUnseen: survey.TasksUnseen}
	if err := r.list(found); err != nil || !o.apply {
		return err
	}
	return r.undo(ctx, found)
}
