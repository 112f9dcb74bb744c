// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// startTries are for a port that another process has for a moment: it was free, and not held, while
// its server was down.
const startTries = 3

// StopAPIServer ends kube-apiserver, and its watches with it: its clients find no server there. It
// does nothing while it is stopped. Without etcd it takes long, so it goes first.
func (p *ControlPlane) StopAPIServer() error { return p.environment.ControlPlane.APIServer.Stop() }

// StartAPIServer starts kube-apiserver again, at the same address and with the same certificates,
// which Options.Dir has: Client, RESTConfig and Kubeconfig stay valid. It waits until it is
// healthy, for which etcd must run.
func (p *ControlPlane) StartAPIServer() error {
	return retry(p.environment.ControlPlane.APIServer.Start)
}

// StopEtcd ends etcd; what it stored stays in Options.Dir. kube-apiserver may run on meanwhile, and
// answers with errors.
func (p *ControlPlane) StopEtcd() error { return p.environment.ControlPlane.Etcd.Stop() }

// StartEtcd starts etcd again at the same address, with what it had stored, and waits until it is
// healthy.
func (p *ControlPlane) StartEtcd() error { return retry(p.environment.ControlPlane.Etcd.Start) }

// Restart starts both servers again, also where they ended by themselves: at the same address, with the same certificates and what
// was stored, for which Options.Dir is needed. After an error it may be called again, and Close still stops what runs.
func (p *ControlPlane) Restart() error {
	// A server that does not stop in time is killed, and can be started all the same.
	stopErr := p.StopEtcd()
	if err := p.StartEtcd(); err != nil {
		return errors.Join(stopErr, err)
	}
	// Without etcd kube-apiserver would take long to stop.
	stopErr = errors.Join(stopErr, p.StopAPIServer())
	if err := p.StartAPIServer(); err != nil {
		return errors.Join(stopErr, err)
	}
	return nil
}

func retry(start func() error) (err error) {
	for range startTries {
		if err = start(); err == nil {
			return nil
		}
	}
	return err
}

// InstallCRD installs the product's CRD, where it was deleted, and waits until objects of it can be
// made.
func (p *ControlPlane) InstallCRD() error {
	_, err := envtest.InstallCRDs(p.RESTConfig, p.environment.CRDInstallOptions)
	return err
}

// AddUser makes a user of this name, who may do nothing yet, and returns how to connect as that
// user.
func (p *ControlPlane) AddUser(name string) (*rest.Config, error) {
	user, err := p.environment.AddUser(envtest.User{Name: name}, nil)
	if err != nil {
		return nil, err
	}
	return user.Config(), nil
}

// Kubectl is the path of the kubectl beside the servers' binaries.
func (p *ControlPlane) Kubectl() string { return p.environment.ControlPlane.KubectlPath }
