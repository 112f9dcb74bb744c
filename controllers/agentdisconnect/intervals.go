// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import "time"

const (
	// readBackInterval is how soon a network ACL is read again that does not show what it should:
	// reads lag for seconds.
	readBackInterval = 2 * time.Second
	// retryInterval is how soon a pass that AWS kept from its work is repeated: throttling passes
	// in seconds.
	retryInterval = 2 * time.Second
	// longestRetry is how long such a wait grows for a run that has not begun.
	longestRetry = 10 * time.Second
	// refusedInterval is how soon a run that a person must help is tried again: soon enough for a
	// person who just fixed it.
	refusedInterval = 10 * time.Second
	// longestRefused is how long that wait grows, for a run that has not begun, while nothing
	// changes, and longestRefusedEarly where the first look refuses it: that takes three calls, so
	// that a tag which a person sets is seen within a minute.
	longestRefused      = 2 * time.Minute
	longestRefusedEarly = time.Minute
)
