// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	// timeout bounds what would never come, for each of etcd and kube-apiserver. It does not bound
	// what a busy machine takes.
	timeout = 5 * time.Minute
	// stopTimeout is how long a server may take to stop, before Close ends it and reports an error: a
	// person may be waiting for the end of a demo.
	stopTimeout = time.Minute
)

// Options are what control planes differ in. The zero value is one of which nothing is left on the
// disk.
type Options struct {
	// Dir keeps what the servers store, so that one that was stopped finds it again, and a later
	// control plane too. Empty: folders that go with each server.
	Dir string
	// Durable has etcd wait until the disk has what it stores, so that Dir outlasts the machine's power too.
	Durable bool
	// SpareCPU has the servers collect garbage less often. In tests a quarter of their processor
	// time goes into that, and little is freed.
	SpareCPU bool
}

// ControlPlane is what runs. Use Start.
type ControlPlane struct {
	// RESTConfig and Client reach it as its administrator, without a limit of their own. Client
	// knows the product's types.
	RESTConfig *rest.Config
	Client     client.WithWatch
	// Kubeconfig is a kubeconfig file for its administrator.
	Kubeconfig []byte

	environment *envtest.Environment
}

// Start starts etcd and kube-apiserver, and returns when objects of the CRD can be made. They live
// until Close. KUBEBUILDER_ASSETS names the folder with their binaries.
func Start(o Options) (*ControlPlane, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: start this with make, or set it to the output of make envtest")
	}
	crds, err := crdFolder()
	if err != nil {
		return nil, err
	}

	p := &ControlPlane{environment: &envtest.Environment{
		// Never the user's cluster, which USE_EXISTING_CLUSTER in the environment would mean.
		UseExistingCluster: new(false),
		CRDDirectoryPaths:  []string{crds}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: timeout, ControlPlaneStopTimeout: stopTimeout,
	}}
	// Watches keep kube-apiserver from ending for a minute otherwise.
	p.environment.ControlPlane.GetAPIServer().Configure().Set("shutdown-send-retry-after", "true")
	if o.Dir != "" {
		if err := p.keepFilesIn(o.Dir); err != nil {
			return nil, err
		}
	}
	if o.Durable {
		p.environment.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "false")
	}

	if err := p.start(o.SpareCPU); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// crdFolder is the folder of the product's CRDs, from anywhere in its repository.
func crdFolder() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		crds := filepath.Join(dir, "config", "crd", "bases")
		if info, err := os.Stat(crds); err == nil && info.IsDir() {
			return crds, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no folder config/crd/bases here or above: start this in the repository")
		}
		dir = parent
	}
}

// keepFilesIn gives the servers folders of the caller's: envtest deletes its own whenever a server
// stops. It makes no client for certificates that an earlier control plane left.
func (p *ControlPlane) keepFilesIn(dir string) error {
	data, certificates := filepath.Join(dir, "etcd"), filepath.Join(dir, "kube-apiserver")
	p.environment.ControlPlane.Etcd = &envtest.Etcd{DataDir: data}
	p.environment.ControlPlane.GetAPIServer().CertDir = certificates
	return errors.Join(os.RemoveAll(certificates), os.MkdirAll(data, 0o700), os.MkdirAll(certificates, 0o700))
}

func (p *ControlPlane) start(spareCPU bool) (err error) {
	if spareCPU {
		defer setEnv("GOGC", "400")()
	}
	if p.RESTConfig, err = p.environment.Start(); err != nil {
		return fmt.Errorf("starting the control plane: %w", err)
	}
	p.RESTConfig.QPS, p.Kubeconfig = -1, p.environment.KubeConfig

	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	p.Client, err = client.NewWithWatch(p.RESTConfig, client.Options{Scheme: scheme})
	return err
}

// setEnv changes the environment of processes that are started from now on, until restore is
// called.
func setEnv(key, value string) (restore func()) {
	was, set := os.LookupEnv(key)
	_ = os.Setenv(key, value)
	return func() {
		if set {
			_ = os.Setenv(key, was)
		} else {
			_ = os.Unsetenv(key)
		}
	}
}

// Close stops both servers.
func (p *ControlPlane) Close() error { return p.environment.Stop() }
