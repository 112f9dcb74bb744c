// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"context"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

const (
	creating  = v1alpha1.RuleCreating
	installed = v1alpha1.RuleInstalled
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// holds is a fence that always does.
func holds(context.Context) (time.Time, error) { return time.Now(), nil }
