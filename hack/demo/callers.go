// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// callerProgram is the program that both callers are.
const callerProgram = "./hack/demo/caller"

// caller is a program that calls RunTask as a principal of its own.
type caller struct {
	key, family string        // of the world
	role        string        // the key's
	retry       time.Duration // between its calls; 0: it gives up when one fails

	ended chan struct{} // closed when it is gone
	mu    sync.Mutex
	lines []string // what it printed, a line each call
	err   error    // how it ended, once ended is closed
}

// newCallers are the callers of the walk-through: one that tries again, and one that gives up.
func (w *walk) newCallers() (retries, givesUp *caller) {
	retries = &caller{key: "ASIABATCH", family: "import", retry: 4 * time.Second}
	givesUp = &caller{key: "ASIANIGHTLY", family: "report"}
	for _, key := range w.stack.Sim.World().Keys() {
		for _, c := range []*caller{retries, givesUp} {
			if c.key == key.ID {
				c.role = key.Role
			}
		}
	}
	return retries, givesUp
}

// startCaller starts a caller, which ends with the walk-through where it does not before.
func (w *walk) startCaller(ctx context.Context, c *caller) error {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the step's own context ends with the step
	w.stops = append(w.stops, func() { cancel(); <-c.ended })
	c.ended = make(chan struct{})
	args := []string{"--cluster=" + w.cluster, "--subnet=" + w.subnet, "--family=" + c.family, "--retry=" + c.retry.String()}
	w.screen.Print(screen.Plain, "  %s calls RunTask for family %s, and %s", short(c.role), c.family, c.habit())
	cmd := exec.CommandContext(ctx, filepath.Join(w.stack.Dir, "caller"), args...)
	config := w.stack.Sim.ConfigFor(c.key)
	credentials, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		close(c.ended)
		return err
	}
	cmd.Env = []string{
		"HOME=" + w.stack.Dir, "AWS_ENDPOINT_URL=" + w.stack.Sim.URL(), "AWS_REGION=" + config.Region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ACCESS_KEY_ID=" + credentials.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + credentials.SecretAccessKey,
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		close(c.ended)
		return err
	}
	go func() {
		defer close(c.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			c.mu.Lock()
			c.lines = append(c.lines, lines.Text())
			c.mu.Unlock()
		}
		c.err = cmd.Wait()
	}()
	return nil
}

func (c *caller) habit() string {
	if c.retry == 0 {
		return "gives up when no task starts"
	}
	return fmt.Sprintf("tries again after %s when no task starts", c.retry)
}

// said is what the caller printed so far.
func (c *caller) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines)
}

// met counts its calls that were answered with AGENT, as it printed them.
func (c *caller) met() int {
	return len(slices.DeleteFunc(c.said(), func(line string) bool { return !strings.Contains(line, reasonAgent) }))
}

// isOver reports whether the program has ended, and whether it had its task.
func (c *caller) isOver() (over, hasTask bool) {
	select {
	case <-c.ended:
		return true, c.err == nil
	default:
		return false, false
	}
}

// callersMeetAgent starts both callers, and waits until each met AGENT.
func (w *walk) callersMeetAgent(ctx context.Context) (string, error) {
	w.retries, w.givesUp = w.newCallers()
	for _, c := range []*caller{w.givesUp, w.retries} {
		if err := w.startCaller(ctx, c); err != nil {
			return "", err
		}
	}
	err := w.until(ctx, func(context.Context) (bool, string, error) {
		over, _ := w.givesUp.isOver()
		return over && w.retries.met() > 0, fmt.Sprintf("callers that met AGENT: %d of 2", min(w.retries.met(), 1)+min(w.givesUp.met(), 1)), nil
	})
	if err != nil {
		return "", err
	}
	w.screen.Table(nil, append(w.givesUp.rows(0), w.retries.rows(0)...))
	over, _ := w.retries.isOver()
	_, hasTask := w.givesUp.isOver()
	if over || hasTask || w.givesUp.met() != 1 {
		return "", errors.New("a caller ended that should try again, or one goes on that should give up")
	}
	return "both met AGENT; one has given up, and the other goes on", nil
}

// rows are what the caller printed, from one line on.
func (c *caller) rows(from int) []screen.Row {
	var rows []screen.Row
	for _, line := range c.said()[from:] {
		row := screen.Row{Cells: []string{short(c.role), line}}
		if strings.Contains(line, reasonAgent) {
			row.Style = screen.Marked
		}
		rows = append(rows, row)
	}
	return rows
}

// callersEnd waits until the caller that tries again has its task. The other one has none.
func (w *walk) callersEnd(ctx context.Context) (string, error) {
	shown := max(0, len(w.retries.said())-1)
	err := w.until(ctx, func(context.Context) (bool, string, error) {
		over, _ := w.retries.isOver()
		return over, "the caller that tries again has no task yet", nil
	})
	if err != nil {
		return "", err
	}
	w.screen.Table(nil, w.retries.rows(shown))
	if _, hasTask := w.retries.isOver(); !hasTask {
		return "", fmt.Errorf("the caller ended without a task: %w", w.retries.err)
	}
	return fmt.Sprintf("%s has its task, after %d calls that met AGENT; %s has none", short(w.retries.role), w.retries.met(), short(w.givesUp.role)), nil
}
