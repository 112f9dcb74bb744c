// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
	deleting  = v1alpha1.RuleDeleting
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
