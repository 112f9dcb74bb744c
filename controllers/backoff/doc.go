// SPDX-License-Identifier: Apache-2.0

// Package backoff says how long to wait before something is tried again: it promises that waits
// grow to a bound, and that objects which were refused together do not come again together.
package backoff
