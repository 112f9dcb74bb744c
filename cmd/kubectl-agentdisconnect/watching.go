// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// readAgain is how long after a watch ended the object is read again: short enough for a person who
// looks on.
const readAgain = 2 * time.Second

// event is what is heard of an object. One of the fields is set.
type event struct {
	obj *v1alpha1.AgentDisconnect
	// gone says that the object was deleted. Another of its name may be there.
	gone bool
	// err says that the API server gave no answer. It is asked again.
	err error
}

// watchObject hands over an object, and again whenever it changed, until it is gone or the context
// ends. A watch that ends, or that the user may not make, is made up for by reading.
func (p *program) watchObject(ctx context.Context, c *cluster, obj *v1alpha1.AgentDisconnect) <-chan event {
	events := make(chan event)
	w := &watching{program: p, cluster: c, obj: obj, events: events}
	go func() {
		defer close(events)
		for w.look(ctx) && p.pause(ctx) {
		}
	}()
	return events
}

// pause waits until the object is to be read again; it is false where the context ended.
func (p *program) pause(ctx context.Context) bool {
	timer := p.clock.NewTimer(readAgain)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// watching is the watch of one object.
type watching struct {
	*program
	cluster *cluster
	obj     *v1alpha1.AgentDisconnect
	events  chan<- event
}

// look reads the object and follows it as long as the API server lets it. It is false once there is
// nothing more to hear.
func (w *watching) look(ctx context.Context) bool {
	in := w.cluster.in(w.obj.Namespace)
	u, err := in.Get(ctx, w.obj.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err) && !isMissingKind(err):
		return w.tell(ctx, event{gone: true})
	case err != nil:
		return w.tell(ctx, event{err: w.cluster.explain("get", w.obj.Namespace, w.obj.Name, err)})
	case !w.hear(ctx, u):
		return false
	}

	stream, err := in.Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", w.obj.Name).String(), ResourceVersion: u.GetResourceVersion(),
	})
	if err != nil {
		return true // reading shows the same, if a little later
	}
	defer stream.Stop()
	for change := range stream.ResultChan() {
		u, ok := change.Object.(*unstructured.Unstructured)
		switch {
		case change.Type == watch.Error || !ok:
			return true
		case change.Type == watch.Deleted:
			return w.tell(ctx, event{gone: true})
		case !w.hear(ctx, u):
			return false
		}
	}
	return true
}

// hear hands an object over; another of its name says that it is gone.
func (w *watching) hear(ctx context.Context, u *unstructured.Unstructured) bool {
	if u.GetUID() != w.obj.UID {
		return w.tell(ctx, event{gone: true})
	}
	obj, err := decode(u)
	return w.tell(ctx, event{obj: obj, err: err})
}

// tell hands an event over. It is false where that was the last one.
func (w *watching) tell(ctx context.Context, e event) bool {
	select {
	case w.events <- e:
		return !e.gone
	case <-ctx.Done():
		return false
	}
}
