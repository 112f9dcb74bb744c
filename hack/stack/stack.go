// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"agentdisconnect.dev/agentdisconnect/hack/controlplane"
	"agentdisconnect.dev/agentdisconnect/hack/process"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

// Options say what to run. The zero value is the default world in real time, and a manager with its own defaults.
type Options struct {
	// Simulator is the Region.
	Simulator sim.Options
	// ManagerArgs are further flags of the manager; they win over the ones that the stack gives.
	ManagerArgs []string
	// Programs are further packages of the module whose programs are built into Dir, such as ./cmd/kubectl-agentdisconnect.
	Programs []string
	// NoManager starts none, for those who start them by StartManager or AddManager.
	NoManager bool
	// Progress, when set, is told of each part that is up, one call at a time.
	Progress func(part, detail string)
}

// Stack is what runs. Use Start.
type Stack struct {
	// Dir has the files of the run. Close removes it, see KeepFiles.
	Dir string
	// Kubeconfig is the path of a kubeconfig file for the control plane's administrator.
	Kubeconfig string
	// Kubectl is the path of the kubectl beside the control plane's binaries; empty: there is none.
	Kubectl string
	// ControlPlane is what the manager and Client reach. Client is its administrator's, and knows the product's types.
	ControlPlane *controlplane.ControlPlane
	Client       client.WithWatch
	// Sim is the Region.
	Sim *sim.Simulator
	// ManagerLog is the path of the manager's log, which its restarts append to.
	ManagerLog string

	o         Options
	binary    string
	manager   *Manager // the one that StartManager started
	keepFiles bool

	mu       sync.Mutex
	managers []*Manager // all that were started, the ended ones too
}

// discardLogs gives controller-runtime a logger: without one it complains on standard error. What matters comes back as an error.
// It is set once, since stacks may start side by side.
var discardLogs = sync.OnceFunc(func() { log.SetLogger(logr.Discard()) })

// Start starts everything and returns when the manager, if one is asked for, is ready. The agents of the Region may still be connecting, see
// sim.Simulator.WaitForAgents. What was started lives until Close, also when ctx ends. KUBEBUILDER_ASSETS names the folder
// with etcd and kube-apiserver.
func Start(ctx context.Context, o Options) (*Stack, error) {
	discardLogs()
	assets := os.Getenv("KUBEBUILDER_ASSETS")
	if assets == "" {
		return nil, errors.New("KUBEBUILDER_ASSETS names no directory with etcd and kube-apiserver: start this with make, or set it to the output of make envtest")
	}
	dir, err := os.MkdirTemp("", "agentdisconnect-")
	if err != nil {
		return nil, err
	}
	s := &Stack{
		Dir: dir, Kubeconfig: filepath.Join(dir, "kubeconfig"), ManagerLog: filepath.Join(dir, "manager.log"),
		o: o, binary: filepath.Join(dir, "manager"),
	}
	if kubectl := filepath.Join(assets, "kubectl"); executable(kubectl) {
		s.Kubectl = kubectl
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	var mu sync.Mutex
	report := func(part, format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if s.o.Progress != nil {
			s.o.Progress(part, fmt.Sprintf(format, args...))
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		// Its end is Close: the manager must not lose the Region first.
		s.Sim, err = sim.Start(context.WithoutCancel(ctx), s.o.Simulator)
		if err == nil {
			report("Region", "%s: %s; DNS on %s", s.Sim.World().Region, s.Sim.URL(), s.Sim.DNSAddr())
		}
		return err
	})
	group.Go(func() error {
		err := s.startControlPlane()
		if err == nil {
			report("Control plane", "%s, with the CRD installed", s.ControlPlane.RESTConfig.Host)
		}
		return err
	})
	group.Go(func() error {
		return process.Build(groupCtx, s.Dir, slices.Concat([]string{"./cmd/manager"}, s.o.Programs)...)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if s.o.NoManager {
		return nil
	}
	if err := s.StartManager(ctx); err != nil {
		return err
	}
	report("Manager", "process %d, log in %s", s.ManagerPID(), s.ManagerLog)
	return nil
}

// startControlPlane keeps the servers' files in Dir, so that they can be stopped and started again.
func (s *Stack) startControlPlane() (err error) {
	if s.ControlPlane, err = controlplane.Start(controlplane.Options{Dir: s.Dir}); err != nil {
		return err
	}
	s.Client = s.ControlPlane.Client
	return os.WriteFile(s.Kubeconfig, s.ControlPlane.Kubeconfig, 0o600)
}

// KeepFiles makes Close leave Dir, so that a person can read the manager's log.
func (s *Stack) KeepFiles() { s.keepFiles = true }

// Close stops everything: the managers, then the Region, then the control plane.
func (s *Stack) Close() error {
	err := s.stopManagers()
	if s.Sim != nil {
		s.Sim.Close()
	}
	if s.ControlPlane != nil {
		err = errors.Join(err, s.ControlPlane.Close())
	}
	if s.keepFiles {
		for _, program := range append(s.o.Programs, s.binary) { // they are large, and say nothing
			err = errors.Join(err, os.RemoveAll(filepath.Join(s.Dir, filepath.Base(program))))
		}
		return err
	}
	return errors.Join(err, os.RemoveAll(s.Dir))
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
