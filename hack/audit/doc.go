// SPDX-License-Identifier: Apache-2.0

// Package audit watches what a manager asks of a simulated Region, at the moment when AWS does it,
// and reports every promise that is not kept.
//
// It believes nothing that the manager says: which entries, tags and network ACLs a manager made
// follows from its calls and from the Region's own state, before and after each of them. Third
// parties edit the Region itself, so every call is a manager's. A status is read for one purpose
// only: a call is held against it, where the product promises to store something before it asks
// AWS.
//
// It watches calls. What must be so between calls, and when a run is over, is for those who use it.
package audit
