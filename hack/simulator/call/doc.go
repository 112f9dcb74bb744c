// SPDX-License-Identifier: Apache-2.0

// Package call describes one call to the simulated AWS: who made it, what it asked for and how it ended. The log keeps
// the calls in the order in which they arrived; faults and hooks decide on them.
package call
