// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
)

// Plane is a control plane with the CRD installed, which many worlds share. Use Start.
type Plane struct {
	// Client reaches it as its administrator, and knows the product's types. All worlds share it, with its connections.
	Client client.WithWatch

	control *controlplane.ControlPlane

	mu   sync.Mutex
	free []string // namespaces that no world has
}

// Start starts the control plane. It lives until Close. KUBEBUILDER_ASSETS names the folder with its binaries.
func Start() (*Plane, error) {
	log.SetLogger(logr.Discard()) // the passes of a manager that is broken on purpose log nothing but errors
	control, err := controlplane.Start(controlplane.Options{SpareCPU: true})
	if err != nil {
		return nil, err
	}
	return &Plane{Client: control.Client, control: control}, nil
}

// Close stops the control plane.
func (p *Plane) Close() error { return p.control.Close() }

// namespace gives an empty one. They are used again: without a controller for them, none would ever go.
func (p *Plane) namespace(ctx context.Context) (string, error) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		defer p.mu.Unlock()
		name := p.free[n-1]
		p.free = p.free[:n-1]
		return name, nil
	}
	p.mu.Unlock()
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chaos-"}}
	err := p.Client.Create(ctx, made)
	return made.Name, err
}

func (p *Plane) returnNamespace(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, namespace)
}
