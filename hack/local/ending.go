// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	endPoll = 500 * time.Millisecond
	// apiTimeout bounds one look at the objects, so that a signal is heard in between.
	apiTimeout = 5 * time.Second
)

// endRuns deletes every run that is not over, and waits until the manager has restored each. The second signal meanwhile says what
// would be left, the third gives up.
func (l *local) endRuns() error {
	l.screen.Print(screen.Bold, "\nEnding every run. This waits until AWS is as it was before them.")
	begun := time.Now()
	l.screen.Wait("looking at the objects", "")
	defer l.screen.Done()
	tick := time.NewTicker(endPoll)
	defer tick.Stop()
	var left []v1alpha1.AgentDisconnect
	saved, signals := map[string]string{}, 1
	for {
		now, err := l.endOnce()
		switch {
		case err != nil: // what was left before may still be
			l.screen.Wait("the API server does not answer as it should", err.Error())
		case len(now) == 0:
			l.screen.Done()
			for _, text := range saved {
				l.screen.Print(screen.Plain, "  %s", text)
			}
			l.screen.Result(screen.Good, "✓", "every run is over and restored", time.Since(begun))
			return nil
		default:
			left = now
			l.screen.Wait(progress(left), "")
			for _, obj := range left {
				if text, err := l.save(&obj); err == nil && text != "" {
					saved[string(obj.UID)] = text
				}
			}
		}
		select {
		case <-tick.C:
		case <-l.manager.Ended():
			l.restartManager()
		case <-l.signals:
			if signals++; signals > 2 {
				return errors.New("stopped before every run was restored. " + l.howToContinue())
			}
			l.warn(left)
		}
	}
}

// endOnce suspends schedules, which would begin other runs, deletes runs that are not over, and gives those that are left.
func (l *local) endOnce() ([]v1alpha1.AgentDisconnect, error) {
	ctx, cancel := context.WithTimeout(context.Background(), apiTimeout)
	defer cancel()
	var schedules v1alpha1.AgentDisconnectScheduleList
	if err := l.plane.Client.List(ctx, &schedules); err != nil {
		return nil, err
	}
	for _, each := range schedules.Items {
		if ptr.Deref(each.Spec.Suspend, false) {
			continue
		}
		before := each.DeepCopy()
		each.Spec.Suspend = new(true)
		if err := l.plane.Client.Patch(ctx, &each, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		l.screen.Print(screen.Marked, "  Schedule %s/%s is suspended: it begins no run until you set spec.suspend to false.", each.Namespace, each.Name)
	}

	var objects v1alpha1.AgentDisconnectList
	if err := l.plane.Client.List(ctx, &objects); err != nil {
		return nil, err
	}
	var left []v1alpha1.AgentDisconnect
	for _, obj := range objects.Items {
		if view.IsOver(&obj) && obj.DeletionTimestamp.IsZero() {
			continue
		}
		left = append(left, obj)
		if obj.DeletionTimestamp.IsZero() {
			if err := l.plane.Client.Delete(ctx, &obj); client.IgnoreNotFound(err) != nil {
				return nil, err
			}
		}
	}
	return left, nil
}

// progress says in a line what is waited for.
func progress(left []v1alpha1.AgentDisconnect) string {
	var parts []string
	for _, obj := range left {
		parts = append(parts, fmt.Sprintf("%s/%s %s", obj.Namespace, obj.Name, describe(&obj)))
	}
	return fmt.Sprintf("%d left: %s", len(left), strings.Join(parts, ", "))
}

// describe says what a run still has in AWS.
func describe(obj *v1alpha1.AgentDisconnect) string {
	if !run.TouchedAWS(&obj.Status) {
		return "(nothing in AWS)"
	}
	acl := ""
	if obj.Status.NetworkACL != nil {
		acl = " on " + obj.Status.NetworkACL.ID
	}
	return fmt.Sprintf("(%d rules%s)", len(obj.Status.Rules), acl)
}

// save keeps the object of a run that is deleted, since its report is made of it.
func (l *local) save(obj *v1alpha1.AgentDisconnect) (string, error) {
	if obj.Status.StartTime == nil {
		return "", nil
	}
	obj.APIVersion, obj.Kind = v1alpha1.GroupVersion.String(), "AgentDisconnect"
	text, err := yaml.Marshal(obj)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(l.place.file("ended"), 0o700); err != nil {
		return "", err
	}
	path := l.place.file("ended/" + obj.Namespace + "-" + obj.Name + ".yaml")
	return fmt.Sprintf("The report of %s/%s: kubectl agentdisconnect report -f %s", obj.Namespace, obj.Name, path), os.WriteFile(path, text, 0o600)
}

// warn says what another signal would leave behind.
func (l *local) warn(left []v1alpha1.AgentDisconnect) {
	l.screen.Print(screen.Bad, "\nNot yet: these runs are not restored.")
	for _, obj := range left {
		text := fmt.Sprintf("  %s/%s %s, subnet %s", obj.Namespace, obj.Name, describe(&obj), obj.Spec.SubnetID)
		if run.IsArmed(&obj.Status) {
			text += "; its dead man's switch is armed"
		}
		l.screen.Print(screen.Plain, "%s", text)
	}
	l.screen.Print(screen.Bad, "Another Ctrl-C stops the manager all the same, and leaves that in AWS. %s", l.howToContinue())
}

// howToContinue says how what is left gets removed.
func (l *local) howToContinue() string {
	return fmt.Sprintf("What is left in AWS stays until you start make local again with credentials of account %s (AWS_REGION=%s; its objects are in %s), or run kubectl agentdisconnect sweep --region %s --apply (docs/sweep.md). Only rules of clones with a dead man's switch end by themselves.",
		l.account.id, l.account.region, l.place.dir, l.account.region)
}
