// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"syscall"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// errUnreachable is what a client gets from an API server that is gone.
var errUnreachable = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// client puts the tap between the manager and Kubernetes, and hides the objects of other worlds.
func (m *manager) client(api client.WithWatch) client.Client {
	return interceptor.NewClient(api, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			return m.read(func() error { return c.Get(ctx, key, obj, opts...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			return m.read(func() error { return m.world.list(ctx, c, list, opts) })
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return m.write("create", obj, func(obj client.Object) error { return c.Create(ctx, obj, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			return m.write("update", obj, func(obj client.Object) error { return c.Update(ctx, obj, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return m.write("delete", obj, func(obj client.Object) error { return c.Delete(ctx, obj, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return m.write("patch", obj, func(obj client.Object) error { return c.Patch(ctx, obj, patch, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return m.write("patch "+sub, obj, func(obj client.Object) error { return c.SubResource(sub).Patch(ctx, obj, patch, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, obj client.Object, opts ...client.SubResourceUpdateOption) error {
			return m.write("update "+sub, obj, func(obj client.Object) error { return c.SubResource(sub).Update(ctx, obj, opts...) })
		},
	})
}

func (m *manager) read(do func() error) error {
	if err := m.enter(); err != nil {
		return err
	}
	err := m.reach(do)
	return errors.Join(m.leave(), err)
}

// reach asks the API server, unless it is gone.
func (m *manager) reach(do func() error) error {
	if m.world.unreachable() {
		return errUnreachable
	}
	return do()
}

// write makes a step of a write. The object is as it was where its answer doesn't arrive.
func (m *manager) write(verb string, obj client.Object, do func(client.Object) error) error {
	if err := m.enter(); err != nil {
		return err
	}
	name := fmt.Sprintf("kube:%s %s %s", verb, reflect.TypeOf(obj).Elem().Name(), obj.GetName())
	step := &Step{Name: m.world.count(name), Action: "kube:" + verb, Kube: true, Life: m.life, Time: m.world.Clock.Now(), Object: obj.GetName()}
	record := m.world.begin(step)
	err := m.suffer(m.askTap(step, false, nil, nil))
	if err == nil {
		written := obj.DeepCopyObject().(client.Object)
		if err = m.reach(func() error { return do(written) }); err == nil {
			m.world.of(written.GetNamespace()).noteWritten(written)
		}
		if instead := m.suffer(m.askTap(step, true, err, nil)); instead != nil {
			err = instead
		}
		if err == nil {
			reflect.ValueOf(obj).Elem().Set(reflect.ValueOf(written).Elem())
		}
	}
	if ended := m.leave(); ended != nil {
		err = ended
	}
	m.world.end(record, err)
	return err
}
