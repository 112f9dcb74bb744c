// SPDX-License-Identifier: Apache-2.0

// Package schedule creates AgentDisconnects at the times of an AgentDisconnectSchedule: it promises
// that no time is run twice, whatever crashes, that nothing runs because a schedule was created or
// changed, and that after an absence of the manager at most the newest time is run.
//
// It calls nothing of AWS: what a run does is the AgentDisconnect's own controller's part. A run
// that it ends, it ends by deleting its object.
package schedule
