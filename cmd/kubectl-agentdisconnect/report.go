// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
)

// report is what one sweep prints.
type report struct {
	*program
	options
	account account
	// hidden is how many findings the flags leave out.
	hidden int
	// unseen says why schedules were not looked at, and tasksUnseen where tasks of probes were not; nil:
	// they were.
	unseen, tasksUnseen error
}

// screen is where sentences go: standard output, unless that is for a program to read.
func (r *report) screen() io.Writer {
	if r.output == outputJSON {
		return r.errOut
	}
	return r.out
}

func (r *report) say(format string, args ...any) { fmt.Fprintf(r.screen(), format+"\n", args...) }

// list prints what was found. In JSON it is for --apply to print, with what came of it.
func (r *report) list(found []sweep.Found) error {
	if r.output == outputJSON && !r.apply {
		return r.printJSON(found, nil)
	}

	r.say("Account %s, Region %s", r.account.id, r.account.region)
	if r.unseen != nil {
		r.say("Warning: schedules of the dead man's switch were not read: %s.", advise(r.unseen))
	}

	if r.tasksUnseen != nil {
		r.say("Note: tasks of probes were not searched for in every ECS cluster: %s.", advise(r.tasksUnseen))
	}

	switch {
	case len(found) == 0 && r.hidden > 0:
		r.say("Runs left nothing here that the flags select. The flags leave out %s.", plural(r.hidden, "other finding"))
		return nil
	case len(found) == 0:
		r.say("Runs left nothing here: no network ACL has a tag %s…%s.", ownership.TagDomain, map[bool]string{true: ", and there is no schedule of a run"}[r.unseen == nil])
		return nil
	}

	r.say("")
	if err := printTable(r.screen(), found, r.clock.Now(), r.output == outputWide); err != nil {
		return err
	}

	if r.hidden > 0 {
		r.say("\nThe flags leave out %s.", plural(r.hidden, "other finding"))
	}

	for _, f := range found {
		if f.Problem != "" {
			r.say("\n%s: %s", title(f), sentence(f.Problem))
		}
	}
	return nil
}

// document is what -o json prints. Fields are added to it, and none is renamed or removed.
type document struct {
	AccountID string    `json:"accountID"`
	Region    string    `json:"region"`
	Found     []finding `json:"found"`
	// SchedulesUnseen says why schedules were not looked at, and TasksUnseen the same of tasks.
	SchedulesUnseen string `json:"schedulesUnseen,omitempty"`
	TasksUnseen     string `json:"tasksUnseen,omitempty"`
}

// finding is one thing that a run left. What isn't known is left out.
type finding struct {
	Kind         sweep.Kind   `json:"kind"`
	NetworkACLID string       `json:"networkACLID,omitempty"`
	OriginalID   string       `json:"originalID,omitempty"`
	SubnetIDs    []string     `json:"subnetIDs,omitempty"`
	UID          string       `json:"uid,omitempty"`
	Owner        string       `json:"owner,omitempty"`
	ClusterID    string       `json:"clusterID,omitempty"`
	Started      *metav1.Time `json:"started,omitempty"`
	Expires      *metav1.Time `json:"expires,omitempty"`
	// Rules are those that the tags claim, Present how many of them the network ACL has.
	Rules     []string `json:"rules,omitempty"`
	Present   []string `json:"present,omitempty"`
	Schedules []string `json:"schedules,omitempty"`
	// ECSCluster and Tasks are ARNs.
	ECSCluster string   `json:"ecsCluster,omitempty"`
	Tasks      []string `json:"tasks,omitempty"`
	Problem    string   `json:"problem,omitempty"`
	// Result is there after --apply.
	Result *result `json:"result,omitempty"`
}

// result is what --apply made of a finding.
type result struct {
	Done bool     `json:"done"`
	Did  []string `json:"did,omitempty"`
	// Left says what is left, and why.
	Left string `json:"left,omitempty"`
	// again is when another try may get further; zero: time alone does not help.
	again time.Time
	// unconfirmed says that a second read is lacking, which a new process can't add.
	unconfirmed bool
}

// printJSON prints findings with their results, as far as there are any.
func (r *report) printJSON(found []sweep.Found, results []result) error {
	doc := document{AccountID: r.account.id, Region: r.account.region, Found: []finding{}}
	if r.unseen != nil {
		doc.SchedulesUnseen = advise(r.unseen)
	}
	if r.tasksUnseen != nil {
		doc.TasksUnseen = advise(r.tasksUnseen)
	}

	for i, f := range found {
		entry := finding{
			Kind: f.Kind, NetworkACLID: f.NetworkACLID, OriginalID: f.OriginalID, SubnetIDs: f.SubnetIDs, UID: f.UID, Owner: f.Owner,
			ClusterID: f.ClusterID, Started: timestamp(f.Started), Expires: timestamp(f.Expires), Problem: f.Problem,
			ECSCluster: f.ECSClusterARN, Tasks: f.TaskARNs,
		}
		for _, rule := range f.Rules {
			entry.Rules = append(entry.Rules, rule.String())
		}
		for _, e := range f.Present {
			entry.Present = append(entry.Present, clones.Copy{Entry: e, Number: e.Number}.String())
		}
		for _, s := range f.Schedules {
			entry.Schedules = append(entry.Schedules, s.Group+"/"+s.Name)
		}
		if i < len(results) && f.Kind != sweep.KindAdopted {
			entry.Result = &results[i]
		}
		doc.Found = append(doc.Found, entry)
	}

	out := json.NewEncoder(r.out)
	out.SetIndent("", "  ")
	return out.Encode(doc)
}

func timestamp(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return new(metav1.NewTime(t))
}
