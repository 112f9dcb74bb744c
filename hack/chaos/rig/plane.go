// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	module = "agentdisconnect.dev/agentdisconnect"
	// startTimeout is for each of etcd and kube-apiserver: seconds as a rule, but not on a machine that is busy compiling.
	startTimeout = 2 * time.Minute
	stopTimeout  = 20 * time.Second
)

// Plane is a control plane with the CRD installed, which many worlds share. Use Start.
type Plane struct {
	// Client reaches it as its administrator, and knows the product's types.
	Client client.WithWatch

	environment *envtest.Environment

	mu   sync.Mutex
	free []string // namespaces that no world has
}

// Start starts etcd and kube-apiserver. They live until Close, also when ctx ends. KUBEBUILDER_ASSETS names the folder with
// their binaries.
func Start(ctx context.Context) (*Plane, error) {
	log.SetLogger(logr.Discard()) // the passes of a manager that is broken on purpose log nothing but errors
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: start this with make, or set it to the output of make envtest")
	}
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the CRD: start this in the repository: %w", err)
	}
	p := &Plane{environment: &envtest.Environment{
		// Never the user's cluster, which USE_EXISTING_CLUSTER in the environment would mean.
		UseExistingCluster: new(false),
		CRDDirectoryPaths:  []string{filepath.Join(strings.TrimSpace(string(root)), "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: stopTimeout,
	}}
	config, err := p.environment.Start()
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	if p.Client, err = newClient(config); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close stops the control plane.
func (p *Plane) Close() error { return p.environment.Stop() }

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

func (p *Plane) giveBack(namespace string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, namespace)
}

// newClient makes the one client that all worlds share: its connections and what it learned of the API are theirs too.
func newClient(config *rest.Config) (client.WithWatch, error) {
	config.QPS = -1
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, httpClient)
	if err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{Scheme: scheme, Mapper: mapper, HTTPClient: httpClient})
}
