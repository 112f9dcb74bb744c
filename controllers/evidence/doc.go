// SPDX-License-Identifier: Apache-2.0

// Package evidence holds what shows that a run did what it is for: package record understands the
// records of calls, package trail reads them, and package callers judges who met AGENT and
// recovered. None of them changes anything in AWS.
package evidence
