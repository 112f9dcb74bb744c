// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/cmd/kubectl-agentdisconnect/view"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const endPoll = 500 * time.Millisecond

// endRuns deletes every run that is not over, and waits until the manager has restored each. The second signal meanwhile says what
// would be left, the third gives up.
func (l *local) endRuns() error {
	l.screen.Print(screen.Bold, "\nEnding every run. This waits until AWS is as it was before them.")
	begun := time.Now()
	l.screen.Wait("looking at the objects", "")
	defer l.screen.Done()
	var left []v1alpha1.AgentDisconnect
	saved, signals := map[types.UID]string{}, 1
	for {
		now, err := l.endOnce()
		if err == nil && len(now) == 0 {
			now, err = l.endWithoutManager()
		}
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
			l.saveAll(left, saved)
		}
		if l.waitForSignal(endPoll) {
			if signals++; signals > 2 {
				return errors.New("stopped before every run was restored. " + l.howToContinue())
			}
			l.warn(left, err)
		}
		l.keepServers()
	}
}

// endWithoutManager stops the manager and looks once more: the API server still takes new objects, and a manager would begin their
// runs. If a run is left, the manager is started again for it.
func (l *local) endWithoutManager() ([]v1alpha1.AgentDisconnect, error) {
	l.screen.Wait("stopping the manager", "")
	if err := l.manager.Stop(); err != nil {
		l.screen.Print(screen.Bad, "%v", err)
	}
	left, err := l.endOnce()
	if err == nil && len(left) == 0 {
		return nil, nil
	}
	l.screen.Print(screen.Marked, "  The manager is started again: a run was created meanwhile, or the API server did not answer.")
	if startErr := l.startManager(); startErr != nil {
		return left, startErr
	}
	return left, err
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
	return fmt.Sprintf("%d left: %s", len(left), strings.Join(parts, "; "))
}

// describe says what a run still has in AWS, and why it waits.
func describe(obj *v1alpha1.AgentDisconnect) string {
	text := "(nothing in AWS)"
	if run.TouchedAWS(&obj.Status) {
		acl := ""
		if obj.Status.NetworkACL != nil {
			acl = " on " + obj.Status.NetworkACL.ID
		}
		text = fmt.Sprintf("(%d rules%s)", len(obj.Status.Rules), acl)
	}
	if message := messageOf(obj); message != "" {
		text += ": " + message
	}
	return text
}

// messageOf is what a person must act on, else how far the run is.
func messageOf(obj *v1alpha1.AgentDisconnect) string {
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionStalled); c != nil && c.Status == metav1.ConditionTrue {
		return c.Message
	}
	if c := meta.FindStatusCondition(obj.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		return c.Message
	}
	return ""
}

// saveAll keeps the objects of runs that are deleted, and adds the command for the report of each.
func (l *local) saveAll(left []v1alpha1.AgentDisconnect, commands map[types.UID]string) {
	for _, obj := range left {
		if obj.Status.StartTime == nil {
			continue
		}
		path, err := l.save(&obj)
		if err != nil {
			l.tell(fmt.Sprintf("The object of %s/%s is not kept, and there will be no report of it: %v", obj.Namespace, obj.Name, err))
			continue
		}
		commands[obj.UID] = fmt.Sprintf("The report of %s/%s: kubectl agentdisconnect report -f %s", obj.Namespace, obj.Name, quote(path))
	}
}

// save writes an object to a file of its own and gives the path.
func (l *local) save(obj *v1alpha1.AgentDisconnect) (string, error) {
	obj.APIVersion, obj.Kind = v1alpha1.GroupVersion.String(), "AgentDisconnect"
	text, err := yaml.Marshal(obj)
	if err != nil {
		return "", err
	}
	folder := l.place.file(filepath.Join("ended", obj.Namespace))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(folder, fmt.Sprintf("%s-%s.yaml", obj.Name, obj.UID)) // another run may have the name later
	return path, os.WriteFile(path, text, 0o600)
}

// warn says what another signal would leave behind. An error says why that is not known as of now.
func (l *local) warn(left []v1alpha1.AgentDisconnect, unknown error) {
	if unknown != nil {
		l.screen.Print(screen.Bad, "\nNot yet: which runs are not restored is not known, since the API server does not answer as it should: %v", unknown)
	} else {
		l.screen.Print(screen.Bad, "\nNot yet: these runs are not restored.")
	}
	for _, obj := range left {
		armed := ""
		if run.IsArmed(&obj.Status) {
			armed = ", its dead man's switch is armed"
		}
		l.screen.Print(screen.Plain, "  %s/%s in subnet %s%s %s", obj.Namespace, obj.Name, obj.Spec.SubnetID, armed, describe(&obj))
	}
	l.screen.Print(screen.Bad, "Another Ctrl-C stops the manager all the same, and leaves that in AWS. %s", l.howToContinue())
}

// howToContinue says how what is left gets removed.
func (l *local) howToContinue() string {
	return fmt.Sprintf("What is left in AWS stays until you start make local again with credentials of account %s (AWS_REGION=%s; its objects are in %s), or run kubectl agentdisconnect sweep --region %s --apply (docs/sweep.md). Only rules of clones with a dead man's switch end by themselves.",
		l.account.id, l.account.region, l.place.dir, l.account.region)
}
