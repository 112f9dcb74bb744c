// SPDX-License-Identifier: Apache-2.0

package region

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
)

// SchedulerPrincipal is EventBridge Scheduler in the trust policy of a role.
const SchedulerPrincipal = "scheduler.amazonaws.com"

// Role is an IAM role that services of AWS act under.
type Role struct {
	// ARN is arn:PARTITION:iam::ACCOUNT:role/PATH/NAME.
	ARN string
	// Trust are the services that may assume it, e.g. SchedulerPrincipal.
	Trust []string
	// TrustPolicy says which principals of IAM may assume it; nil: none.
	TrustPolicy *iam.Trust
	// Allow are patterns for service:Action; empty: the role may do nothing.
	Allow []string
	// Policies bound what Allow lets through: it needs what they allow too. None: no bound.
	Policies []*iam.Policy
}

// Name is the last part of the ARN.
func (r Role) Name() string { return r.ARN[strings.LastIndexByte(r.ARN, '/')+1:] }

// Trusts reports whether a service may assume the role.
func (r Role) Trusts(service string) bool { return slices.Contains(r.Trust, service) }

// Roles are the roles of all accounts; IAM knows no Regions. The zero value is empty.
type Roles struct {
	mu    sync.Mutex
	byARN map[string]Role
}

// Put adds a role or replaces the one with the same ARN. It holds from the next attempt of a schedule on.
func (r *Roles) Put(role Role) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byARN == nil {
		r.byARN = map[string]Role{}
	}
	r.byARN[role.ARN] = role
}

// Remove deletes a role and reports whether there was one.
func (r *Roles) Remove(arn string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.byARN[arn]
	delete(r.byARN, arn)
	return ok
}

// Get is one role.
func (r *Roles) Get(arn string) (Role, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	role, ok := r.byARN[arn]
	return role, ok
}

// List is all roles, by ARN.
func (r *Roles) List() []Role {
	r.mu.Lock()
	defer r.mu.Unlock()
	return sortedValues(maps.Clone(r.byARN))
}
