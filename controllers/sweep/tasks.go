// SPDX-License-Identifier: Apache-2.0

package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/probetasks"
)

// longestRun is the longest that a run may last: tasks say when theirs began, and not when it ends.
const longestRun = 12 * time.Hour

// listTasks gives the tasks of probes that ECS has not been told to stop, a finding for each run and
// cluster, in some clusters; nil: in all. The error says in which clusters they could not be looked
// for; then there are the others.
func listTasks(ctx context.Context, client aws.ECS, clusters []string) (found []Found, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	complete := true
	if clusters == nil {
		if clusters, complete, err = discovery.ListClusters(ctx, client); err != nil {
			return nil, err
		}
	}

	var denied []error
	for _, cluster := range clusters {
		tasks, err := probetasks.Find(ctx, client, cluster)
		switch {
		case aws.HasCode(err, aws.CodeClusterNotFound): // it was deleted meanwhile
		case aws.Classify(err) == aws.Denied:
			denied = append(denied, fmt.Errorf("tasks of cluster %s: %w", cluster, err))
		case err != nil:
			return found, fmt.Errorf("tasks of cluster %s: %w", cluster, err) // the others would fail as well
		}
		found = append(found, tasksOf(cluster, tasks)...)
	}
	if !complete {
		return found, fmt.Errorf("the Region has more than %d clusters, and no more than that were searched for tasks", discovery.MaxClusters)
	}
	return found, errors.Join(denied...)
}

// tasksOf are the tasks of one cluster, a finding for each run.
func tasksOf(clusterARN string, tasks []probetasks.Task) []Found {
	var found []Found
	for _, task := range tasks {
		identity, err := probetasks.ParseGroup(task.Group)
		if err != nil {
			continue // another tool's, with the same startedBy
		}
		f := Found{Kind: KindTasks, ECSClusterARN: clusterARN, UID: identity.UID, ClusterID: identity.ClusterID, Started: identity.Started}
		i := slices.IndexFunc(found, func(o Found) bool { return keyOf(o) == keyOf(f) })
		if i < 0 {
			found, i = append(found, f), len(found)
		}
		found[i].TaskARNs = append(found[i].TaskARNs, task.ARN)
	}
	return found
}

// stopTasks tells ECS to stop the tasks of a finding, as far as a new list has them. An agent has to
// be connected to stop one, which the manager and this sweep do not wait for.
func (a *undoRun) stopTasks(ctx context.Context) error {
	a.readAt = a.clock.Now()
	tasks, err := probetasks.Find(ctx, a.clients.ECS, a.f.ECSClusterARN)
	if aws.HasCode(err, aws.CodeClusterNotFound) {
		a.result.Done = true // its tasks went with it
		return nil
	}
	if err != nil {
		return err
	}

	for _, task := range tasks {
		identity, err := probetasks.ParseGroup(task.Group)
		if err != nil || identity.UID != a.f.UID || !identity.Started.Equal(a.f.Started) {
			continue
		}
		if err := probetasks.Stop(ctx, a.fencedOnRead().ECS, a.f.ECSClusterARN, task.ARN, "left behind by the probe of a run of agentdisconnect"); err != nil {
			return err
		}
		a.noteDone("told ECS to stop task %s", task.ARN)
	}
	a.result.Done = true
	return nil
}
