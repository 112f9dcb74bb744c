// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"

	"agentdisconnect.dev/agentdisconnect/hack/process"
)

// Manager is the process of one manager.
type Manager = process.Manager

// StartManager starts the stack's manager and waits until it says that it is ready. It does nothing while that one is
// running.
func (s *Stack) StartManager(ctx context.Context) error {
	if s.manager != nil && s.ManagerErr() == nil {
		return nil
	}
	m, err := s.newManager(ctx, s.ManagerLog, nil)
	if err != nil {
		return err
	}
	s.manager = m
	return m.WaitUntilReady(ctx)
}

// AddManager starts a manager beside those that are running, with a log of its own, and waits until it says that it is
// ready. args are further flags for it; two at once need --leader-elect. Where it started and then did not get ready, it
// is given beside the error.
func (s *Stack) AddManager(ctx context.Context, args ...string) (*Manager, error) {
	m, err := s.LaunchManager(ctx, args...)
	if err != nil {
		return nil, err
	}
	return m, m.WaitUntilReady(ctx)
}

// LaunchManager starts a manager as AddManager does, and waits for nothing.
func (s *Stack) LaunchManager(ctx context.Context, args ...string) (*Manager, error) {
	s.mu.Lock()
	log := filepath.Join(s.Dir, fmt.Sprintf("manager-%d.log", len(s.managers)+1))
	s.mu.Unlock()
	return s.newManager(ctx, log, args)
}

func (s *Stack) newManager(ctx context.Context, log string, args []string) (*Manager, error) {
	environment, err := s.managerEnvironment(ctx)
	if err != nil {
		return nil, err
	}
	m, err := process.Start(ctx, process.Command{
		Path: s.binary, Dir: s.Dir, Log: log, Env: environment,
		Args: slices.Concat([]string{
			"--metrics-bind-address=0", "--dns-server=" + s.Sim.DNSAddr(),
			"--max-duration=12h", "--max-active-runs=0", // what is measured and tried is more than a first use
			"--zap-encoder=console", "--zap-time-encoding=rfc3339nano",
		}, s.o.ManagerArgs, args),
	})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.managers = append(s.managers, m)
	return m, nil
}

// managerEnvironment has nothing of the user's own: no profile, credentials or proxy.
func (s *Stack) managerEnvironment(ctx context.Context) ([]string, error) {
	config := s.Sim.Config()
	credentials, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	return []string{
		"HOME=" + s.Dir, "KUBECONFIG=" + s.Kubeconfig,
		"AWS_ENDPOINT_URL=" + s.Sim.URL(), "AWS_REGION=" + config.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + credentials.SecretAccessKey,
	}, nil
}

// StopManager stops the stack's manager, and says so where it had ended by itself. It does nothing where none was started.
func (s *Stack) StopManager() error {
	m, err := s.manager, s.ManagerErr()
	if m == nil {
		return nil
	}
	s.manager = nil
	return errors.Join(err, m.Stop())
}

// RestartManager stops the stack's manager and starts another.
func (s *Stack) RestartManager(ctx context.Context) error {
	return errors.Join(s.StopManager(), s.StartManager(ctx))
}

// stopManagers stops all that were started, at once: each may take its time.
func (s *Stack) stopManagers() error {
	s.mu.Lock()
	managers := slices.Clone(s.managers)
	s.mu.Unlock()
	errs := make([]error, len(managers))
	var group sync.WaitGroup
	for i, m := range managers {
		group.Go(func() { errs[i] = m.Stop() })
	}
	group.Wait()
	s.manager = nil
	return errors.Join(errs...)
}

// ManagerPID is the id of the process of the stack's manager, 0 where none was started.
func (s *Stack) ManagerPID() int {
	if s.manager == nil {
		return 0
	}
	return s.manager.PID()
}

// ManagerErr says how the stack's manager ended where it was not stopped. Nil: it runs, or was stopped.
func (s *Stack) ManagerErr() error {
	if s.manager == nil {
		return nil
	}
	return s.manager.Err()
}

// ManagerLogTail is the last lines of the log of the stack's manager, most of them at most.
func (s *Stack) ManagerLogTail(most int) []string { return process.Tail(s.ManagerLog, most) }
