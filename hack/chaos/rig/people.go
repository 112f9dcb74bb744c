// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// What people do to objects.

// Create makes an object, as a user does.
func (w *World) Create(ctx context.Context, name string, spec v1alpha1.AgentDisconnectSpec) error {
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: name}, Spec: spec}
	if err := w.plane.Client.Create(ctx, obj); err != nil {
		return err
	}
	w.noteObject(obj)
	w.Touch(name)
	return nil
}

// Get reads an object; nil: there is none of that name.
func (w *World) Get(ctx context.Context, name string) (*v1alpha1.AgentDisconnect, error) {
	obj := &v1alpha1.AgentDisconnect{}
	err := w.plane.Client.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // the absence is the answer
	}
	return obj, err
}

// Edit changes an object's metadata and spec, as a user does, whatever the manager wrote meanwhile.
func (w *World) Edit(ctx context.Context, name string, change func(*v1alpha1.AgentDisconnect)) error {
	return w.edit(ctx, name, change, func(obj *v1alpha1.AgentDisconnect, patch client.Patch) error {
		return w.plane.Client.Patch(ctx, obj, patch)
	})
}

// EditStatus changes an object's status, as a person does who should not.
func (w *World) EditStatus(ctx context.Context, name string, change func(*v1alpha1.AgentDisconnect)) error {
	return w.edit(ctx, name, change, func(obj *v1alpha1.AgentDisconnect, patch client.Patch) error {
		return w.plane.Client.Status().Patch(ctx, obj, patch)
	})
}

func (w *World) edit(ctx context.Context, name string, change func(*v1alpha1.AgentDisconnect), write func(*v1alpha1.AgentDisconnect, client.Patch) error) error {
	obj, err := w.Get(ctx, name)
	if err != nil {
		return err
	}
	if obj == nil {
		return fmt.Errorf("there is no object %s to edit", name)
	}
	before := obj.DeepCopy()
	change(obj)
	if err := write(obj, client.MergeFrom(before)); err != nil {
		return err
	}
	w.noteObject(obj)
	w.Touch(name)
	return nil
}

// Delete deletes an object, as a user does. One that is gone is no error.
func (w *World) Delete(ctx context.Context, name string) error {
	obj, err := w.Get(ctx, name)
	if err != nil || obj == nil {
		return err
	}
	w.noteDeletion(obj)
	w.Touch(name)
	return client.IgnoreNotFound(w.plane.Client.Delete(ctx, obj))
}
