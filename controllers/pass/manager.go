// SPDX-License-Identifier: Apache-2.0

package pass

import (
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/evidence/trail"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/objects"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
)

// Manager is what the passes of one manager share. It is safe for concurrent use.
type Manager struct {
	Clock   clock.Clock
	Options options.Options
	// Reader reads past the cache: a pass that may write must not act on what was true a while ago.
	Reader client.Reader
	// Objects has what passes need of other objects than their own.
	Objects      *objects.Reader
	Store        *ledger.Store
	Sessions     *aws.Sessions
	Resolver     *discovery.Resolver
	Reservations *reservation.Table
	Searches     *answers.Searches
	Quotas       *answers.Quotas
	Trail        *trail.Readers
	Guards       *answers.Guards
	Outages      *answers.Outages
	Halts        *brakes.Halts
	Brakes       *brakes.Readers
}

// NewManager makes what the passes of a manager share. reader reads past the cache of c.
func NewManager(c client.Client, reader client.Reader, sessions *aws.Sessions, clk clock.Clock, opts options.Options) *Manager {
	sessions.GoBy(clk)
	resolver, others := discovery.NewResolver(opts.DNSServer), objects.NewReader(reader)
	return &Manager{
		Clock: clk, Options: opts, Reader: reader, Objects: others, Store: ledger.NewStore(c, reader, clk),
		Sessions: sessions, Resolver: resolver,
		Reservations: reservation.NewTable(others, opts.MaxActiveRuns),
		Searches:     answers.NewSearches(), Quotas: &answers.Quotas{}, Trail: trail.NewReaders(clk), Outages: &answers.Outages{Clock: clk},
		Halts: brakes.NewHalts(reader, clk), Brakes: brakes.NewReaders(clk),
		Guards: &answers.Guards{Resolver: resolver, Interval: opts.LookupInterval, APIServer: opts.APIServer},
	}
}
