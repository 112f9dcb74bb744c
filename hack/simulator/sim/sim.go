// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/agents"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/dns"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/fabric"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// Call is one call to the simulated AWS.
type Call = call.Call

// Options say what to simulate. The zero value is the default world in real time.
type Options struct {
	// World is what there is at the start; nil: world.Default().
	World *world.World
	// Scale divides all times of agents, of their network and of ECS and CloudTrail; 0: 1. It leaves alone when schedules
	// run: at(…) is a time of Clock.
	Scale float64
	// Latency is how long every AWS call takes.
	Latency time.Duration
	// DenyAbsent has policies judge calls for network ACLs that don't exist, which are in no VPC and have no tags: a policy with
	// conditions on those denies them. Else such a call is answered as not found. Which of the two AWS does isn't documented.
	DenyAbsent bool
	// Listen and DNSListen are addresses on this machine; empty: 127.0.0.1 and any free port.
	Listen, DNSListen string
	// AgentListen is the address of an endpoint with TLS for agents that run outside of the simulator, see AgentURL; empty: none.
	AgentListen string
	// DNSHoldTTL makes DNS hold answers for their TTL, as a caching resolver does.
	DNSHoldTTL bool
	// CallerVPC is the VPC that callers of the APIs are in, empty outside of all; see Region().SetCallerVPC. Agents are in
	// the VPC of their instance anyway.
	CallerVPC string
	// ResolverVPC makes the DNS server at DNSAddr answer as the resolver of a VPC; see SetResolverVPC.
	ResolverVPC string
	// Clock is AWS's: the time of the Region, of stale reads, of throttling and of schedules; nil: real time. It may stand
	// still while calls are made, and should not go back. Latency, DNS and agents stay in real time.
	Clock clock.PassiveClock
	// SessionClock says when sessions of roles end, which SDKs compare with the time of their machine; nil: Clock.
	SessionClock clock.PassiveClock
	// NoAgents starts no agents: agentConnected is true for all instances at the start and changes
	// by Region().SetAgentConnected alone. What is connected takes the tasks that it is given,
	// unless SetSessionCut says no.
	NoAgents bool
	// Log is told about mistakes within the simulator; the zero value drops them.
	Log logr.Logger
}

// Simulator is a simulated AWS that runs. Use Start.
type Simulator struct {
	o      Options
	world  *world.World
	region *region.Region
	faults *faults.Set
	calls  *call.Log
	zone   *zone
	dns    *dns.Server
	http   *http.Server
	api    *wire.Server
	url    string

	agentURL    string
	certificate certificate

	ctx     context.Context // the life of what the simulator runs
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	fabric  *fabric.Fabric
	control *agents.ControlPlane

	mu          sync.Mutex
	agents      map[string]*agents.Agent // by ARN of the container instance
	tasks       map[string]*agents.Tasks // what is on a container instance, whether its agent runs or not; by its ARN
	off         map[string]bool          // ARNs whose agents are to be stopped
	closed      bool
	served      map[netip.Addr]agents.Kind // addresses of VPC endpoints that are registered in the fabric
	resolverVPC string                     // whose resolver DNSAddr is
	resolvers   map[string]string          // addresses of further resolvers, by VPC
}

// Start starts a simulator. It is ready to be called when Start returns; agents may still be connecting, see
// WaitForAgents.
func Start(ctx context.Context, o Options) (*Simulator, error) {
	s := &Simulator{
		o: o, world: o.World, calls: &call.Log{}, agents: map[string]*agents.Agent{}, tasks: map[string]*agents.Tasks{}, off: map[string]bool{},
		served: map[netip.Addr]agents.Kind{}, resolvers: map[string]string{},
	}
	if s.world == nil {
		s.world = world.Default()
	}
	if s.o.Scale == 0 {
		s.o.Scale = 1
	}
	if s.o.Clock == nil {
		s.o.Clock = clock.RealClock{}
	}
	if s.o.SessionClock == nil {
		s.o.SessionClock = s.o.Clock
	}
	if o.NoAgents && o.AgentListen != "" {
		return nil, errors.New("without agents there are no sessions: NoAgents and AgentListen exclude each other")
	}
	s.faults = faults.New(s.o.Clock.Now, region.Moment)
	var err error
	if s.region, err = s.world.Build(region.Options{Scale: s.o.Scale, Clock: s.o.Clock, Agents: !o.NoAgents}, o.NoAgents); err != nil {
		return nil, fmt.Errorf("invalid world: %w", err)
	}
	if err := errors.Join(s.region.SetCallerVPC(o.CallerVPC), s.SetResolverVPC(o.ResolverVPC)); err != nil {
		return nil, err
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := errors.Join(s.startDNS(s.ctx), s.startAPI(s.ctx)); err != nil {
		s.Close()
		return nil, err
	}
	if !o.NoAgents {
		if err := s.startAgents(s.ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	if o.AgentListen != "" {
		if err := s.startAgentEndpoint(s.ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *Simulator) startDNS(ctx context.Context) (err error) {
	s.zone = newZone(s.world, apiHosts(s.region))
	var ttl time.Duration
	if s.world.DNSTTL != "" {
		if ttl, err = time.ParseDuration(s.world.DNSTTL); err != nil {
			return err
		}
	}
	s.dns, err = dns.Start(ctx, dns.Options{Zone: resolverZone{s, s.ResolverVPC}, Addr: s.o.DNSListen, TTL: ttl, HoldTTL: s.o.DNSHoldTTL})
	return err
}

func (s *Simulator) startAPI(ctx context.Context) error {
	address := s.o.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	var identities []operation.Identity
	for _, k := range s.world.Keys() {
		identities = append(identities, operation.Identity{
			AccessKey: k.ID, ARN: k.ARN, Account: k.Account, Allow: k.Allow, Deny: k.Deny, Policies: k.ParsedPolicies(),
			Role: k.Role, InvokedBy: k.InvokedBy,
		})
	}
	s.api = wire.NewServer(wire.Options{
		Context: ctx, Region: s.region, Identities: identities, Faults: s.faults, Log: s.calls, DenyAbsent: s.o.DenyAbsent, Latency: s.o.Latency, Logger: s.o.Log, SessionClock: s.o.SessionClock,
		NewRegion: func(account, name string) *region.Region {
			return region.New(region.Options{Account: account, Name: name, Scale: s.o.Scale, Clock: s.o.Clock, Roles: s.region.Roles(), Trail: s.world.Trail.Parsed()})
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/", s.api)
	mux.Handle(wire.AdminPath, s.api.Admin())
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	s.url = "http://" + listener.Addr().String()
	s.wg.Go(func() { _ = s.http.Serve(listener) })
	if _, inRealTime := s.o.Clock.(clock.RealClock); inRealTime {
		s.wg.Go(s.api.WatchSchedules)
	}
	context.AfterFunc(ctx, func() { _ = s.http.Close() })
	return nil
}

// Join has two simulators be two accounts of one AWS: each answers for both at its URL, by whose access key a call is
// signed with, and the roles of either can be assumed from the other. It comes before the first call.
func (s *Simulator) Join(other *Simulator) { s.api.Join(other.api) }

// URL is what AWS_ENDPOINT_URL is to be.
func (s *Simulator) URL() string { return s.url }

// DNSAddr is the DNS server, as host:port, for UDP and TCP.
func (s *Simulator) DNSAddr() string { return s.dns.Addr() }

// Config is an SDK configuration with the world's first access key.
func (s *Simulator) Config() aws.Config { return s.ConfigFor(s.world.Keys()[0].ID) }

// ConfigFor is an SDK configuration with one of the world's access keys, or with one that doesn't exist.
func (s *Simulator) ConfigFor(accessKey string) aws.Config {
	secret := world.DefaultSecret
	for _, k := range s.world.Keys() {
		if k.ID == accessKey && k.Secret != "" {
			secret = k.Secret
		}
	}
	return aws.Config{
		Region: s.world.Region, BaseEndpoint: aws.String(s.url), HTTPClient: client{awshttp.NewBuildableClient()},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
	}
}

// World is what there was at the start.
func (s *Simulator) World() *world.World { return s.world }

// RunSchedules carries out the schedules that are due by now, each as of its own time. API calls and the methods Region,
// Roles, Faults and Calls begin with it, so that no caller sees a time whose schedules have not run; with an injected Clock
// nothing else does. Who keeps what these methods return across a step of the clock calls it.
func (s *Simulator) RunSchedules() { s.api.RunSchedules() }

// Region is the state, for assertions and for edits behind the back of what is tested, after RunSchedules.
func (s *Simulator) Region() *region.Region {
	s.RunSchedules()
	return s.region
}

// Roles are the IAM roles that schedules run under, after RunSchedules: what is changed holds for what is still to come.
func (s *Simulator) Roles() *region.Roles { return s.Region().Roles() }

// Faults are the faults in force, after RunSchedules: those to come meet what is added.
func (s *Simulator) Faults() *faults.Set {
	s.RunSchedules()
	return s.faults
}

// Calls are the calls so far, in the order of their arrival, after RunSchedules.
func (s *Simulator) Calls() []Call {
	s.RunSchedules()
	return s.calls.All()
}

// DNS is the DNS server, to make hosts fail.
func (s *Simulator) DNS() *dns.Server { return s.dns }

// Close ends everything and waits until it has ended.
func (s *Simulator) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	s.stopAgents()
	if s.http != nil {
		_ = s.http.Close()
	}
	if s.dns != nil {
		_ = s.dns.Close()
	}
}
