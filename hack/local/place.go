// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

const (
	// unfinishedName is a file that is there from a start to an end in order.
	unfinishedName = "unfinished"
	endingPoll     = 100 * time.Millisecond
	// leftoverGrace is how long a process of an earlier start may take to end, before it is killed.
	leftoverGrace = 30 * time.Second
)

// place is the folder of an account and a Region, with all that outlives this process.
type place struct {
	dir        string
	known      bool // an earlier start left objects
	unfinished bool // it did not end in order
	others     []string
	lock       *os.File
}

// openPlace makes the folder, and holds it until close: two managers of one folder would both write.
func openPlace(s *settings, a *account) (*place, error) {
	dir := s.state
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")), "agentdisconnect", a.id+"-"+a.region)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another make local of account %s and Region %s runs on this machine: use its terminal, or end it with Ctrl-C (its folder is %s)", a.id, a.region, dir)
	}
	p := &place{dir: dir, lock: lock, known: fileExists(filepath.Join(dir, "etcd", "member")), unfinished: fileExists(filepath.Join(dir, unfinishedName))}
	if s.state == "" {
		p.others, err = filepath.Glob(filepath.Join(filepath.Dir(dir), "*", unfinishedName))
		p.others = slices.DeleteFunc(p.others, func(path string) bool { return filepath.Dir(path) == dir })
	}
	return p, err
}

// print says what earlier starts left.
func (p *place) print(out *screen.Screen) {
	switch {
	case p.unfinished:
		out.Print(screen.Marked, "\nThe last start did not end in order. The manager continues the runs that are stored in %s, and ends those whose time is over. For that it writes to AWS at once.", p.dir)
	case p.known:
		out.Print(screen.Plain, "\nThe objects of earlier starts are kept in %s.", p.dir)
	}
	for _, other := range p.others {
		name := filepath.Base(filepath.Dir(other))
		out.Print(screen.Bad, "\nA start for %s (account and Region) did not end in order, or is still running. This one does not end its runs: start make local with credentials of that account and Region.", name)
	}
}

// begin ends what an earlier start left running, and marks the folder until finish.
func (p *place) begin() error {
	if err := p.endLeftovers(); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, unfinishedName), nil, 0o600)
}

// finish says that no run is left.
func (p *place) finish() error { return os.Remove(filepath.Join(p.dir, unfinishedName)) }

func (p *place) close() { _ = p.lock.Close() }

func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

// endLeftovers ends processes of an earlier start that was killed: the manager first, or it would lose the others. All of them
// have the folder in their command line, and no other process has the lock.
func (p *place) endLeftovers() error {
	for _, mark := range []string{p.file("manager"), "--cert-dir=" + p.file("kube-apiserver"), "--data-dir=" + p.file("etcd")} {
		all, err := process.Processes()
		if err != nil {
			return fmt.Errorf("looking for processes of an earlier start: %w", err)
		}
		for _, each := range all {
			// One that ended meanwhile has no command line.
			if words, err := each.CmdlineSlice(); err == nil && slices.Contains(words, mark) {
				if err := end(each); err != nil {
					return fmt.Errorf("ending process %d of an earlier start (%s): %w", each.Pid, strings.Join(words[:1], ""), err)
				}
			}
		}
	}
	return nil
}

// end ends a process and waits until it is gone.
func end(p *process.Process) error {
	if err := p.Terminate(); err != nil && !isGone(p) {
		return err
	}
	if waitUntilGone(p) {
		return nil
	}
	if err := p.Kill(); err != nil && !isGone(p) {
		return err
	}
	if !waitUntilGone(p) {
		return fmt.Errorf("it is still there %s after SIGKILL: wait until it is gone, or restart the machine, then repeat the command", leftoverGrace)
	}
	return nil
}

// waitUntilGone waits for leftoverGrace at most, and reports whether the process is gone.
func waitUntilGone(p *process.Process) bool {
	for deadline := time.Now().Add(leftoverGrace); !isGone(p); time.Sleep(endingPoll) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// isGone reports whether a process has ended. Until its parent waits for it, it is a zombie.
func isGone(p *process.Process) bool {
	running, err := p.IsRunning()
	if err != nil || !running {
		return true
	}
	states, err := p.Status()
	return err != nil || slices.Contains(states, process.Zombie)
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}
