// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/stack"
)

const (
	namespace = metav1.NamespaceDefault
	// managerCheck is how often a wait makes sure that there is still a manager to wait for.
	managerCheck = time.Second
)

// version is an object as one of its writes left it.
type version struct {
	at      time.Time
	object  *v1alpha1.AgentDisconnect
	deleted bool
}

// objects sees every write of every object as it happens.
type objects struct {
	stack *stack.Stack
	watch watch.Interface

	mu       sync.Mutex
	versions map[string][]version // by name
	err      error
	changed  chan struct{} // closed and replaced at each change
}

// follow begins to watch. Close it.
func follow(ctx context.Context, s *stack.Stack) (*objects, error) {
	var all v1alpha1.AgentDisconnectList
	if err := s.Client.List(ctx, &all, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	// The API server ends the watch of a client that falls behind on a busy machine; it goes on where it ended.
	w, err := toolswatch.NewRetryWatcherWithContext(ctx, all.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return s.Client.Watch(ctx, &v1alpha1.AgentDisconnectList{}, client.InNamespace(namespace), &client.ListOptions{Raw: &options})
		},
	})
	if err != nil {
		return nil, err
	}
	o := &objects{stack: s, watch: w, versions: map[string][]version{}, changed: make(chan struct{})}
	go o.loop()
	return o, nil
}

// Close ends the watch.
func (o *objects) Close() { o.watch.Stop() }

func (o *objects) loop() {
	for event := range o.watch.ResultChan() {
		at := time.Now()
		o.mu.Lock()
		switch obj := event.Object.(type) {
		case *v1alpha1.AgentDisconnect:
			v := version{at: at, object: obj, deleted: event.Type == watch.Deleted}
			o.versions[obj.Name] = append(o.versions[obj.Name], v)
		default:
			o.err = apierrors.FromObject(obj)
		}
		o.wake()
		o.mu.Unlock()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = errors.Join(o.err, errors.New("the watch of the objects ended"))
	o.wake()
}

func (o *objects) wake() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// until waits for the first version of an object that is as it should be.
func (o *objects) until(ctx context.Context, name string, is func(version) bool) (version, error) {
	check := time.NewTicker(managerCheck)
	defer check.Stop()
	for {
		o.mu.Lock()
		versions, err, changed := o.versions[name], o.err, o.changed
		o.mu.Unlock()
		for _, v := range versions {
			if is(v) {
				return v, nil
			}
		}
		if err = errors.Join(err, o.stack.ManagerErr()); err != nil {
			return version{}, err
		}
		select {
		case <-changed:
		case <-check.C:
		case <-ctx.Done():
			return version{}, fmt.Errorf("%s: %w", describe(name, versions), ctx.Err())
		}
	}
}

// of are all versions of an object so far.
func (o *objects) of(name string) []version {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.versions[name]
}

// create makes an object and says when that was asked for.
func (o *objects) create(ctx context.Context, name string, p place, duration time.Duration) (asked time.Time, err error) {
	obj := newObject(name, p, duration)
	asked = time.Now()
	return asked, o.stack.Client.Create(ctx, obj)
}

// delete deletes an object and says when that was asked for.
func (o *objects) delete(ctx context.Context, name string) (asked time.Time, err error) {
	asked = time.Now()
	return asked, o.stack.Client.Delete(ctx, &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
}

// objectName tells objects apart by what they are for, their mode and their number.
func objectName(what string, mode v1alpha1.NetworkACLMode, i int) string {
	return fmt.Sprintf("%s-%s-%d", what, strings.ToLower(string(mode)), i)
}

// newObject leaves the mode to the controller, which chooses that of the place.
func newObject(name string, p place, duration time.Duration) *v1alpha1.AgentDisconnect {
	return &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.AgentDisconnectSpec{Cluster: p.cluster, SubnetID: p.subnet, Duration: metav1.Duration{Duration: duration}},
	}
}

func installed(v version) bool {
	return meta.IsStatusConditionTrue(v.object.Status.Conditions, v1alpha1.ConditionRulesInstalled)
}

func restored(v version) bool { return v.object.Status.RestoredTime != nil }

func gone(v version) bool { return v.deleted }

// describe says where an object is, for errors.
func describe(name string, versions []version) string {
	if len(versions) == 0 {
		return name + " was never seen"
	}
	last := versions[len(versions)-1].object
	if c := meta.FindStatusCondition(last.Status.Conditions, v1alpha1.ConditionSucceeded); c != nil {
		return fmt.Sprintf("%s is %s (%s)", name, c.Reason, c.Message)
	}
	return name + " has no status yet"
}
