// SPDX-License-Identifier: Apache-2.0

package answers

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
)

// What a failed look left unknown stays unknown until a look at everything succeeds.
func TestAFailedLookAtProtectedAddressesIsRepeatedAndNotForgotten(t *testing.T) {
	g := NewWithT(t)
	failure := errors.New("no answer")
	guard := (&Guards{}).of("eu-central-1")
	const interval = 5 * time.Second
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

	guard.add([]discovery.Protected{{Address: netip.MustParseAddr("192.0.2.1"), Name: "ecs.example"}}, failure, now, true)
	now = now.Add(interval)
	some, all := guard.due(now, interval)
	g.Expect(some).To(BeTrue())
	g.Expect(all).To(BeTrue(), "a look that failed is no look at everything")

	guard.add(nil, nil, now, false)
	known, unknown := guard.known()
	g.Expect(known).To(HaveLen(1))
	g.Expect(unknown).To(MatchError(failure), "a look at some hosts tells nothing of the others")

	now = now.Add(interval)
	guard.add(nil, nil, now, true)
	_, unknown = guard.known()
	g.Expect(unknown).NotTo(HaveOccurred())
	_, all = guard.due(now.Add(allHostsInterval-time.Second), interval)
	g.Expect(all).To(BeFalse())
	_, all = guard.due(now.Add(allHostsInterval), interval)
	g.Expect(all).To(BeTrue())

	guard.add(nil, failure, now.Add(interval), false)
	_, unknown = guard.known()
	g.Expect(unknown).To(MatchError(failure))
}
