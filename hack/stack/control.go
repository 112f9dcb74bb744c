// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"errors"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// startTries are for a port that another process has for a moment: it was free, and not held, while its server was down.
const startTries = 3

func (s *Stack) startControlPlane() error {
	s.control = &envtest.Environment{
		// Never the user's cluster, which USE_EXISTING_CLUSTER in the environment would mean.
		UseExistingCluster: new(false),
		CRDDirectoryPaths:  []string{filepath.Join(s.root, "config", "crd", "bases")}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: startTimeout, ControlPlaneStopTimeout: stopTimeout,
	}
	// Folders of ours: envtest throws its own away whenever a server stops.
	data, certificates := filepath.Join(s.Dir, "etcd"), filepath.Join(s.Dir, "kube-apiserver")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Mkdir(certificates, 0o700)); err != nil {
		return err
	}
	s.control.ControlPlane.Etcd = &envtest.Etcd{DataDir: data}
	server := s.control.ControlPlane.GetAPIServer()
	server.CertDir = certificates
	// Watches keep it from ending for a minute otherwise.
	server.Configure().Set("shutdown-send-retry-after", "true")
	var err error
	if s.RESTConfig, err = s.control.Start(); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if s.Client, err = client.NewWithWatch(s.RESTConfig, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	return os.WriteFile(s.Kubeconfig, s.control.KubeConfig, 0o600)
}

// StopAPIServer ends kube-apiserver, and its watches with it: its clients find no server there. It does nothing while
// it is stopped. Without etcd it takes long, so it goes first.
func (s *Stack) StopAPIServer() error { return s.control.ControlPlane.APIServer.Stop() }

// StartAPIServer starts kube-apiserver again, at the same address and with the same certificates: Client, RESTConfig and
// Kubeconfig stay valid. It waits until it is healthy, for which etcd must run.
func (s *Stack) StartAPIServer() error { return start(s.control.ControlPlane.APIServer.Start) }

// StopEtcd ends etcd; what it stored stays. kube-apiserver may run on meanwhile, and answers with errors.
func (s *Stack) StopEtcd() error { return s.control.ControlPlane.Etcd.Stop() }

// StartEtcd starts etcd again at the same address, with what it had stored, and waits until it is healthy.
func (s *Stack) StartEtcd() error { return start(s.control.ControlPlane.Etcd.Start) }

func start(server func() error) (err error) {
	for range startTries {
		if err = server(); err == nil {
			return nil
		}
	}
	return err
}

// InstallCRD installs the product's CRD, where it was deleted, and waits until objects of it can be made.
func (s *Stack) InstallCRD() error {
	_, err := envtest.InstallCRDs(s.RESTConfig, s.control.CRDInstallOptions)
	return err
}
