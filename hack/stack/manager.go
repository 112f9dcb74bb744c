// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// grace is a little more than the manager itself gives passes that are under way.
	grace = 25 * time.Second
	// readyTimeout is for a manager that has to find a control plane that is up already.
	readyTimeout = time.Minute
	readyPoll    = 50 * time.Millisecond
)

// process is a manager that was started.
type process struct {
	cmd   *exec.Cmd
	stop  context.CancelFunc
	ended chan struct{} // closed when the process is gone
	err   error         // how it ended, once ended is closed
}

// StartManager starts the manager and waits until it says that it is ready. It does nothing while one is running.
func (s *Stack) StartManager(ctx context.Context) error {
	if s.manager != nil && s.ManagerErr() == nil {
		return nil
	}
	probes, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	logFile, err := os.OpenFile(s.ManagerLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = logFile.Close() }() // the process has its own
	// The process ends with StopManager and not with ctx, or an interrupt would take it down in no order.
	lifetime, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &process{stop: stop, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(lifetime, s.binary, slices.Concat([]string{
		"--metrics-bind-address=0", "--health-probe-bind-address=" + probes, "--dns-server=" + s.Sim.DNSAddr(),
		"--zap-encoder=console", "--zap-time-encoding=rfc3339nano",
	}, s.o.ManagerArgs)...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = s.Dir, logFile, logFile
	if p.cmd.Env, err = s.managerEnvironment(ctx); err != nil {
		stop()
		return err
	}
	// A group of its own: the terminal's Ctrl-C is for us, and we stop it when it is its turn.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = grace
	if err := p.cmd.Start(); err != nil {
		stop()
		return fmt.Errorf("starting the manager: %w", err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.cmd.Wait()
	}()
	s.manager = p
	return s.waitUntilReady(ctx, "http://"+probes+"/readyz")
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

func (s *Stack) waitUntilReady(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if ready(ctx, url) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.manager.ended:
			return s.ManagerErr()
		case <-ctx.Done():
			return fmt.Errorf("the manager is not ready: %w; the end of its log:\n%s", ctx.Err(), strings.Join(s.ManagerLogTail(5), "\n"))
		}
	}
}

func ready(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// StopManager asks the manager to end and waits until it has; one that doesn't is killed. It does nothing where none runs.
func (s *Stack) StopManager() error {
	p := s.manager
	if p == nil {
		return nil
	}
	s.manager = nil
	p.stop()
	<-p.ended
	// That it was asked to end is no error, whatever its exit says.
	if p.err == nil || errors.Is(p.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("the manager did not end well: %w", p.err)
}

// RestartManager stops the manager and starts another.
func (s *Stack) RestartManager(ctx context.Context) error {
	return errors.Join(s.StopManager(), s.StartManager(ctx))
}

// ManagerPID is the id of the manager's process, 0 where none was started.
func (s *Stack) ManagerPID() int {
	if s.manager == nil {
		return 0
	}
	return s.manager.cmd.Process.Pid
}

// ManagerErr says how a manager ended that nobody stopped. Nil: it runs, or was stopped.
func (s *Stack) ManagerErr() error {
	if s.manager == nil {
		return nil
	}
	select {
	case <-s.manager.ended:
		return fmt.Errorf("the manager ended by itself (%v); the end of its log:\n%s", s.manager.cmd.ProcessState, strings.Join(s.ManagerLogTail(5), "\n"))
	default:
		return nil
	}
}

// ManagerLogTail is the last lines of the manager's log, most of them at most.
func (s *Stack) ManagerLogTail(most int) []string {
	text, err := os.ReadFile(s.ManagerLog)
	if err != nil {
		return []string{err.Error()}
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-most):]
}

// freeAddress is an address on loopback that was free a moment ago.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
