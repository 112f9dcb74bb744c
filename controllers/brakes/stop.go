// SPDX-License-Identifier: Apache-2.0

package brakes

// Stop is why a run that is on ends: reason and message of status.abort.
type Stop struct{ Reason, Message string }
