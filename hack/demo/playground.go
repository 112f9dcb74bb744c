// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/screen"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
)

// followInterval is how soon a line of an agent's log is in its file.
const followInterval = time.Second

// playground starts everything, says what can be done with it, and waits for Ctrl-C.
func (w *walk) playground(ctx context.Context) error {
	w.screen.Print(screen.Plain, "")
	begun := time.Now()
	saw, err := w.start(ctx)
	w.screen.Done()
	if err != nil {
		return err
	}
	w.screen.Result(screen.Good, "✓", saw, time.Since(begun))
	environment, err := w.environment(ctx)
	if err != nil {
		return err
	}
	file := filepath.Join(w.stack.Dir, "env")
	if err := os.WriteFile(file, []byte(environment), 0o600); err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if needed := needed(); needed != "" {
		w.screen.Print(screen.Marked, "\n%s", needed)
	}
	for _, part := range w.guide(file, root) {
		w.screen.Print(screen.Bold, "\n# %s", part.title)
		w.screen.Block(screen.Plain, part.text)
	}
	w.screen.Print(screen.Good, "\n# Everything runs until you press Ctrl-C here.")
	return w.followAgents(ctx)
}

// followAgents writes each agent's log to a file until ctx ends, as an instance has it in /var/log/ecs.
func (w *walk) followAgents(ctx context.Context) error {
	last := map[string]agents.Line{} // by instance
	tick := time.NewTicker(followInterval)
	defer tick.Stop()
	for {
		for _, i := range w.stack.Sim.Region().ContainerInstances() {
			agent := w.stack.Sim.Agent(i.ARN)
			if agent == nil {
				continue
			}
			lines := agent.Log()
			lines = lines[slices.Index(lines, last[i.EC2InstanceID])+1:]
			if len(lines) == 0 {
				continue
			}
			last[i.EC2InstanceID] = lines[len(lines)-1]
			if err := appendLines(w.agentLog(i.EC2InstanceID), lines); err != nil {
				return err
			}
		}
		if err := w.stack.ManagerErr(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// agentLog is the path of an instance's file, or a pattern for those of all.
func (w *walk) agentLog(instance string) string {
	return filepath.Join(w.stack.Dir, "ecs-agent-"+instance+".log")
}

func appendLines(path string, lines []agents.Line) error {
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintln(&text, line)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text.String())
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
