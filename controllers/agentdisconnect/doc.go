// SPDX-License-Identifier: Apache-2.0

// Package agentdisconnect is the reconciler of AgentDisconnect objects: it takes a run from its
// manifest to the rules on the network ACL, and back.
//
// One pass goes from left to right, each arrow a value:
//
//	spec → target → endpoints → desired rules → plan → ledger → AWS → observed → status
//
// It promises that a run ends, whatever breaks in between; that the ledger in the status names an
// entry before AWS is asked for it; and that a condition says only what was seen. What a pass keeps
// in memory is a saving of calls: losing it loses nothing else.
package agentdisconnect
