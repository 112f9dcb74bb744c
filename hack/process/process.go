// SPDX-License-Identifier: Apache-2.0

package process

import (
	"cmp"
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
	// Grace is how long a manager may take to end: a little more than it gives passes that are under way.
	Grace = 25 * time.Second
	// readyTimeout is for a manager that has to find a control plane that is up already, and to read thousands of objects.
	readyTimeout = 5 * time.Minute
	readyPoll    = 50 * time.Millisecond
)

// Manager is the process of one manager. Its methods may be called from any goroutine.
type Manager struct {
	// Log is the path of its log.
	Log string

	cmd    *exec.Cmd
	stop   context.CancelFunc
	probes string        // the URL below which it answers /healthz and /readyz
	ended  chan struct{} // closed when the process is gone
	err    error         // how it ended, once ended is closed
}

// Command says how a manager is started. The flags for its probes are added to Args.
type Command struct {
	// Path is its program. Name is what the list of processes has as its first word; empty: Path.
	Path, Name string
	Args, Env  []string
	// Dir is the folder that it runs in. Log is the path of the file that its output is appended to.
	Dir, Log string
}

// Start starts a manager's process and waits for nothing. It ends with Stop and not with ctx, or an interrupt would take it down
// in no order.
func Start(ctx context.Context, c Command) (*Manager, error) {
	probes, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(c.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own
	lifetime, stop := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(lifetime, c.Path, slices.Concat([]string{"--health-probe-bind-address=" + probes}, c.Args)...)
	cmd.Args[0] = cmp.Or(c.Name, c.Path)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, c.Env, file, file
	m := &Manager{Log: c.Log, cmd: cmd, stop: stop, probes: "http://" + probes, ended: make(chan struct{})}
	// A group of its own: the terminal's Ctrl-C is for us, and we stop it when it is its turn.
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// One that is paused would never see the first.
	m.cmd.Cancel = func() error { return errors.Join(m.cmd.Process.Signal(syscall.SIGTERM), m.Resume()) }
	m.cmd.WaitDelay = Grace
	if err := m.cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("starting the manager: %w", err)
	}
	go func() {
		defer close(m.ended)
		m.err = m.cmd.Wait()
	}()
	return m, nil
}

// PID is the id of the process.
func (m *Manager) PID() int { return m.cmd.Process.Pid }

// Kill ends the process as a node that loses its power does (SIGKILL), and waits until it is gone.
func (m *Manager) Kill() error {
	err := m.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-m.ended
	return err
}

// Pause stops the process where it is (SIGSTOP), until Resume. What it has asked for by then is under way.
func (m *Manager) Pause() error { return m.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on (SIGCONT).
func (m *Manager) Resume() error { return m.cmd.Process.Signal(syscall.SIGCONT) }

// Stop asks the process to end (SIGTERM) and waits until it has; one that doesn't is killed.
func (m *Manager) Stop() error {
	running := m.Err() == nil // how it ended otherwise, Err says
	m.stop()
	<-m.ended
	// That it was asked to end is no error, whatever its exit says.
	if !running || m.err == nil || errors.Is(m.err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("the manager did not end well: %w", m.err)
}

// Ended is closed once the process is gone.
func (m *Manager) Ended() <-chan struct{} { return m.ended }

// Err says how the process ended. Nil: it has not.
func (m *Manager) Err() error {
	select {
	case <-m.ended:
		return fmt.Errorf("the manager ended by itself (%v); the end of its log:\n%s", m.cmd.ProcessState, strings.Join(m.LogTail(5), "\n"))
	default:
		return nil
	}
}

// LogTail is the last lines of the log, most of them at most.
func (m *Manager) LogTail(most int) []string { return Tail(m.Log, most) }

// Tail is the last lines of a file, most of them at most.
func Tail(path string, most int) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return lines[max(0, len(lines)-most):]
}

// WaitUntilReady waits until the process serves. One that is not the leader serves too.
func (m *Manager) WaitUntilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if m.Probe(ctx, "/readyz") == http.StatusOK {
			return nil
		}
		select {
		case <-tick.C:
		case <-m.ended:
			return m.Err()
		case <-ctx.Done():
			return fmt.Errorf("the manager is not ready: %w; the end of its log:\n%s", ctx.Err(), strings.Join(m.LogTail(5), "\n"))
		}
	}
}

// Probe gives the HTTP status with which the process answers a path as the kubelet asks for it; 0: it does not answer.
func (m *Manager) Probe(ctx context.Context, path string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, m.probes+path, nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// FreeAddress is an address on loopback that was free a moment ago.
func FreeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
