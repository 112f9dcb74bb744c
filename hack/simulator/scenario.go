// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// The flags of a scenario.
const (
	scenarioFlag     = "scenario"
	recoverCallsFlag = "recover-after-calls"
	recoverAfterFlag = "recover-after"
	noAgentsFlag     = "no-agents"
)

// scenario is a state that the Region begins in, and what ends it. There is one, agent: every network
// ACL denies all addresses of ACS and TCS, so that no agent connects until these entries are gone.
type scenario struct {
	name  string
	calls int           // of RunTask and StartTask; 0: they end nothing
	after time.Duration // 0: time ends nothing
	rules int           // the denies are outbound 1 to rules
}

// validate refuses flags that do not fit together. given reports whether a flag is on the command
// line.
func (c *scenario) validate(given func(flag string) bool) error {
	switch {
	case !given(scenarioFlag) && (given(recoverCallsFlag) || given(recoverAfterFlag)):
		return fmt.Errorf("--%s and --%s end a scenario: add --%s agent", recoverCallsFlag, recoverAfterFlag, scenarioFlag)
	case !given(scenarioFlag):
		return nil
	case c.name != "agent":
		return fmt.Errorf("--%s %q: there is no such scenario; write agent", scenarioFlag, c.name)
	case given(noAgentsFlag):
		return fmt.Errorf("--%s: --%s agent cuts off agents that run; leave out one of the two", noAgentsFlag, scenarioFlag)
	case given(recoverCallsFlag) && c.calls < 1:
		return fmt.Errorf("--%s %d: write 1 or more, or leave it out", recoverCallsFlag, c.calls)
	case given(recoverAfterFlag) && c.after <= 0:
		return fmt.Errorf("--%s %s: write a duration above 0 such as 30s, or leave it out", recoverAfterFlag, c.after)
	}
	return nil
}

// cutOff puts the denies into a world that has not started.
func (c *scenario) cutOff(w *world.World) error {
	if slices.ContainsFunc(w.VPCEndpoints, func(e world.VPCEndpoint) bool { return e.Service == "ecs-agent" }) {
		return errors.New("--scenario agent: agents may stay connected through the world's VPC endpoint for ecs-agent; remove it from the file of --world")
	}
	var denies []world.Entry
	for _, h := range w.Hosts {
		for _, text := range h.Addresses {
			address, err := netip.ParseAddr(text)
			if err != nil {
				return err
			}
			denies = append(denies, world.Entry{
				Rule: len(denies) + 1, Direction: "egress", Action: "deny", CIDR: netip.PrefixFrom(address, address.BitLen()).String(),
			})
		}
	}
	c.rules = len(denies)
	for i, a := range w.NetworkACLs {
		if slices.ContainsFunc(a.Entries, func(e world.Entry) bool { return e.Direction == "egress" && e.Rule <= c.rules }) {
			return fmt.Errorf("--scenario agent: it needs the outbound rules 1 to %d of network ACL %s; give that one's own rules larger numbers in the file of --world",
				c.rules, a.ID)
		}
		w.NetworkACLs[i].Entries = slices.Concat(denies, a.Entries)
	}
	return nil
}

// play removes the denies when the scenario is over, and waits until the agents are back. It returns
// early when ctx ends.
func (c *scenario) play(ctx context.Context, out io.Writer, s *sim.Simulator) {
	answered := make(chan struct{})
	var count atomic.Int64
	for _, action := range []string{"ecs:RunTask", "ecs:StartTask"} {
		s.Faults().After(action, func(made call.Call) {
			if made.Error == "" && count.Add(1) == int64(c.calls) {
				close(answered)
			}
		})
	}
	var passed <-chan time.Time
	if c.after > 0 {
		passed = time.After(c.after)
	}
	fmt.Fprintln(out, "# Ready: all agents are cut off, and RunTask fails with AGENT.")
	select {
	case <-answered:
	case <-passed:
	case <-ctx.Done():
		return
	}
	for _, a := range s.World().NetworkACLs {
		for rule := range c.rules {
			_ = s.Region().DeleteNetworkACLEntry(a.ID, rule+1, true) // the user may have deleted it before
		}
	}
	fmt.Fprintln(out, "# The deny entries are removed.")
	if s.WaitForAgents(ctx) == nil {
		fmt.Fprintln(out, "# All agents are connected.")
	}
}
