// SPDX-License-Identifier: Apache-2.0

package run

import "agentdisconnect.dev/agentdisconnect/controllers/run/runtest"

var at, begun = runtest.At, runtest.Begun
