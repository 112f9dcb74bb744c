// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// worldLabel tells the halts of worlds apart: they are of the whole cluster, which worlds share. Managers see those of their
// own world alone.
const worldLabel = "chaos.example.com/world"

// Halt creates a halt, as kubectl agentdisconnect halt does. Managers are told of it by a watch.
func (w *World) Halt(ctx context.Context) (name string, err error) {
	halt := &v1alpha1.AgentDisconnectHalt{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "halt-", Labels: map[string]string{worldLabel: w.Namespace}},
		Spec:       &v1alpha1.AgentDisconnectHaltSpec{Reason: "checkout is down", RequestedBy: "kim@example.com"},
	}
	if err := w.plane.Client.Create(ctx, halt); err != nil {
		return "", fmt.Errorf("creating a halt: %w", err)
	}
	w.At(0, w.touchAll)
	return halt.Name, nil
}

// Resume deletes a halt, as kubectl agentdisconnect resume does.
func (w *World) Resume(ctx context.Context, name string) error {
	err := w.plane.Client.Delete(ctx, &v1alpha1.AgentDisconnectHalt{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting halt %s: %w", name, err)
	}
	w.At(0, w.touchAll)
	return nil
}

// resumeAll deletes the halts of the world.
func (w *World) resumeAll(ctx context.Context) error {
	return w.plane.Client.DeleteAllOf(ctx, &v1alpha1.AgentDisconnectHalt{}, client.MatchingLabels{worldLabel: w.Namespace})
}

// list lists what there is of the world.
func (w *World) list(ctx context.Context, reader client.Reader, list client.ObjectList, opts []client.ListOption) error {
	if _, halts := list.(*v1alpha1.AgentDisconnectHaltList); halts {
		return reader.List(ctx, list, append(opts, client.MatchingLabels{worldLabel: w.Namespace})...)
	}

	var all []runtime.Object
	for _, account := range w.accounts() {
		if err := reader.List(ctx, list, append(slices.Clone(opts), client.InNamespace(account.Namespace))...); err != nil {
			return err
		}
		items, err := meta.ExtractList(list.DeepCopyObject())
		if err != nil {
			return err
		}
		all = append(all, items...)
	}
	return meta.SetList(list, all)
}
