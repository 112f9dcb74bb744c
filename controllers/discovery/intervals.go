// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"time"
)

// HostsInterval is how often ECS is asked again which hosts an agent connects to: it may name
// others at any time, and agents themselves ask every 12 hours.
const HostsInterval = 5 * time.Minute

// HostsLately is how old an answer may be for the hosts to count as known: a second try is in it.
const HostsLately = 2 * HostsInterval

// SettledAfter is for how long lookups must give no new address before the set counts as settled:
// several times the minute for which a resolver may hold one answer.
const SettledAfter = 5 * time.Minute
