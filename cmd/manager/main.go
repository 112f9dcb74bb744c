// SPDX-License-Identifier: Apache-2.0

// Command manager runs the agentdisconnect controller.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/agentdisconnect"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// version is stamped at build time.
var version = "dev"

// product is what the manager calls itself towards AWS.
const product = "agentdisconnect"

// settings are the flags.
type settings struct {
	metricsAddress, probeAddress string
	secureMetrics, leaderElect   bool
	printVersion                 bool
	gracePeriod                  time.Duration
	options                      agentdisconnect.Options
	log                          zap.Options
}

func main() {
	s, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case s.printVersion:
		fmt.Println(product, version)
		return
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&s.log)))
	if err := run(ctrl.SetupSignalHandler(), s); err != nil {
		ctrl.Log.Error(err, "Manager stopped")
		os.Exit(1)
	}
}

func parse(args []string) (*settings, error) {
	s := &settings{options: agentdisconnect.Defaults()}
	o := &s.options
	f := flag.NewFlagSet("manager", flag.ContinueOnError)
	f.StringVar(&s.metricsAddress, "metrics-bind-address", ":8443", "address of the metrics endpoint; 0 turns it off")
	f.BoolVar(&s.secureMetrics, "metrics-secure", true, "serve metrics over HTTPS, to those whom the API server authorizes")
	f.StringVar(&s.probeAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns them off")
	f.BoolVar(&s.leaderElect, "leader-elect", false, "work only while leader; needed with more than one replica")
	f.DurationVar(&s.gracePeriod, "graceful-shutdown-timeout", 20*time.Second, "how long passes that are under way may take to end after a stop is asked for")
	f.BoolVar(&s.printVersion, "version", false, "print the version and exit")

	f.StringVar(&o.ConsentTagKey, "consent-tag-key", o.ConsentTagKey, "key of the tag with which a subnet's owner consents; empty asks for no consent")
	f.StringVar(&o.DNSServer, "dns-server", o.DNSServer, "address (host:port) of the DNS server to look hosts up with: the one that the agents use, such as the VPC's resolver; empty uses the system's")
	f.DurationVar(&o.AgentPollInterval, "agent-poll-interval", o.AgentPollInterval, "how often ECS is asked whether agents are connected")
	f.DurationVar(&o.ACLPollInterval, "network-acl-poll-interval", o.ACLPollInterval, "how often the network ACL is read while rules are in place")
	f.DurationVar(&o.LookupInterval, "lookup-interval", o.LookupInterval, "how often hosts are looked up")
	f.IntVar(&o.EntryQuota, "network-acl-entry-quota", o.EntryQuota, "the account's quota of rules per network ACL and direction (L-2AEEBF1A), at most 40")
	f.IntVar(&o.MaxConcurrentReconciles, "max-concurrent-reconciles", o.MaxConcurrentReconciles, "how many objects are worked on at once")
	s.log.BindFlags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: everything is set with flags, see --help", f.Arg(0))
	}
	return s, o.Validate()
}

func run(ctx context.Context, s *settings) error {
	awsConfig, err := aws.Load(ctx)
	if err != nil {
		return err
	}
	sessions := aws.NewSessions(awsConfig, product, version, agentdisconnect.CountCalls)
	restConfig, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// Priority and fairness of the API server limit us; waiting on our side could hold up a run's end.
	restConfig.QPS = -1
	restConfig.UserAgent = product + "/" + version

	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	metrics := metricsserver.Options{BindAddress: s.metricsAddress, SecureServing: s.secureMetrics}
	if s.secureMetrics {
		metrics.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Metrics: metrics, HealthProbeBindAddress: s.probeAddress,
		LeaderElection: s.leaderElect, LeaderElectionID: "agentdisconnect.chaos.agentdisconnect.dev",
		// Passes end before the lease is let go, so another manager never works beside this one.
		LeaderElectionReleaseOnCancel: true,
		GracefulShutdownTimeout:       &s.gracePeriod,
	})
	if err != nil {
		return fmt.Errorf("setting up the manager: %w", err)
	}
	reconciler := agentdisconnect.New(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(product), sessions, clock.RealClock{}, s.options)
	if err := reconciler.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("setting up the controller: %w", err)
	}
	if err := errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("ping", healthz.Ping)); err != nil {
		return err
	}
	ctrl.Log.Info("Starting", "version", version, "region", sessions.DefaultRegion())
	return mgr.Start(ctx)
}
