// SPDX-License-Identifier: Apache-2.0

// Command simulator runs a simulated AWS account on this machine: EC2, ECS, EventBridge Scheduler, CloudTrail, Service Quotas and
// STS over AWS's own protocols, a DNS server, and ECS agents that connect through the network ACLs of their subnets.
//
//	go run ./hack/simulator                                       # the default world, 60 times as fast
//	go run ./hack/simulator --world w.yaml --fault 'ec2:CreateNetworkAclEntry lost times=1'
//	go run ./hack/simulator --scenario agent --recover-after-calls 2   # RunTask fails with AGENT at first
//	go run ./hack/simulator world                                 # prints the default world, to start another from
//	go run ./hack/simulator fault add 'ec2:* throttle'            # on the simulator that AWS_ENDPOINT_URL names
//
// Standard output has the environment and commands to try; it ends with SIGINT or SIGTERM.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/stdr"
	"github.com/spf13/cobra"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var o sim.Options
	var file, certificate string
	var faultTexts []string
	var begin scenario
	cmd := &cobra.Command{
		Use:           "simulator",
		Short:         "A simulated AWS account on this machine: EC2, ECS, Scheduler, CloudTrail, Service Quotas, STS, DNS and ECS agents",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: false,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := begin.validate(cmd.Flags().Changed); err != nil {
				return err
			}
			switch {
			case certificate != "" && o.AgentListen == "":
				return fmt.Errorf("--%s is of the endpoint for agents: add --%s", agentCertificateFlag, agentListenFlag)
			case o.AgentListen != "" && o.NoAgents:
				return fmt.Errorf("--%s: without agents there are no sessions; leave out one of the two", noAgentsFlag)
			}
			var list []faults.Fault
			for _, text := range faultTexts {
				f, err := faults.Parse(text)
				if err != nil {
					return err
				}
				list = append(list, f)
			}
			if file != "" {
				w, err := world.Load(file)
				if err != nil {
					return fmt.Errorf("--world: %w", err)
				}
				o.World = w
			}
			return run(cmd, o, list, begin, certificate)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "address of the AWS APIs; port 0 takes any that is free")
	f.StringVar(&o.DNSListen, "dns-listen", "127.0.0.1:0", "address of the DNS server, UDP and TCP")
	f.StringVar(&o.AgentListen, agentListenFlag, "", "address of an endpoint with TLS for agents that run outside of the simulator; unset: none")
	f.StringVar(&certificate, agentCertificateFlag, "", "file to write that endpoint's certificate to, for agents to trust")
	f.BoolVar(&o.DNSHoldTTL, "dns-hold-ttl", false, "hold DNS answers for their TTL, as a caching resolver does")
	f.StringVar(&file, "world", "", "YAML file with the world to simulate (see the command world); unset: the default world")
	f.Float64Var(&o.Scale, "scale", 60, "how much faster than real time agents, ECS and CloudTrail are; schedules run at their real time")
	f.DurationVar(&o.Latency, "latency", 0, "how long every AWS call takes, e.g. 50ms")
	f.StringVar(&o.CallerVPC, "caller-vpc", "", "VPC that callers of the APIs are in; unset: outside of all")
	f.StringVar(&o.ResolverVPC, "resolver-vpc", "", "VPC whose resolver the DNS server is; unset: outside of all")
	f.StringVar(&begin.name, scenarioFlag, "", "state to begin in; agent: network ACLs cut off all agents, so that RunTask fails with AGENT")
	f.IntVar(&begin.calls, recoverCallsFlag, 0, "let the agents of --scenario agent back once this many calls of RunTask or StartTask were answered")
	f.DurationVar(&begin.after, recoverAfterFlag, 0, "let them back after this time, e.g. 30s; real time, counted from the line that begins with # Ready")
	f.BoolVar(&o.NoAgents, noAgentsFlag, false, "run no agents: all container instances are connected for good")
	f.StringArrayVar(&faultTexts, "fault", nil, "a fault to begin with, may be given again:\n"+faults.Syntax)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w (numbers are like 3, durations like 30s; --help lists the flags)", err)
	})
	cmd.AddCommand(faultCommand(), worldCommand())
	return cmd
}

func worldCommand() *cobra.Command {
	return &cobra.Command{
		Use: "world", Short: "Print the default world as YAML, to start another from", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(world.DefaultYAML())
			return err
		},
	}
}

// The flags for agents that run outside of the simulator.
const (
	agentListenFlag      = "agent-listen"
	agentCertificateFlag = "agent-certificate"
)

func run(cmd *cobra.Command, o sim.Options, list []faults.Fault, begin scenario, certificate string) error {
	if o.Scale <= 0 {
		return fmt.Errorf("--scale %v: write a number above 0; 1 is real time", o.Scale)
	}
	if o.World == nil {
		o.World = world.Default()
	}
	if begin.name != "" {
		if err := begin.cutOff(o.World); err != nil {
			return err
		}
	}
	o.Log = stdr.New(nil)
	ctx := cmd.Context()
	s, err := sim.Start(ctx, o)
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("%w; give another address with --listen, --dns-listen or --agent-listen, such as 127.0.0.1:8021", err)
	}
	if err != nil {
		return err
	}
	defer s.Close()
	if certificate != "" {
		if err := os.WriteFile(certificate, s.AgentCertificate(), 0o600); err != nil {
			return err
		}
	}
	for _, f := range list {
		s.Faults().Add(f)
	}
	printGuide(cmd.OutOrStdout(), s)
	switch {
	case begin.name != "":
		begin.play(ctx, cmd.OutOrStdout(), s)
	case !o.NoAgents:
		waiting, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := s.WaitForAgents(waiting)
		cancel()
		if err == nil {
			fmt.Fprintln(cmd.OutOrStdout(), "# All agents are connected.")
		} else if ctx.Err() == nil {
			fmt.Fprintf(cmd.OutOrStdout(), "# %v\n", err)
		}
	}
	<-ctx.Done()
	return nil
}
