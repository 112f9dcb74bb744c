// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import "agentdisconnect.dev/agentdisconnect/hack/policies"

const switchRoleName = "agentdisconnect-deadman"

// shippedFor is what the placeholders in config/iam stand for in this suite.
var shippedFor = policies.Values{ScheduleGroup: switchGroup, DeadmanRole: switchRoleName}
