// SPDX-License-Identifier: Apache-2.0

package iam

import (
	"maps"
	"slices"
	"strings"
)

// Keys are the condition keys of a request with their values, by the name as AWS documents it. Use With.
type Keys map[string][]string

// With gives the keys and a further one. A key without a value is as one that isn't there.
func (k Keys) With(name string, values ...string) Keys {
	all := make(Keys, len(k)+1)
	maps.Copy(all, k)
	if name = strings.ToLower(name); len(values) > 0 {
		all[name] = values
	} else {
		delete(all, name)
	}
	return all
}

// Request is what IAM is asked: may the action be done to the resource. A call of AWS's API can take several.
type Request struct {
	// Action is service:Action, Resource an ARN, or * for an action that takes none.
	Action, Resource string
	Keys             Keys
	// Absent is true for a resource that doesn't exist: it has no keys that come from its state.
	Absent bool
}

// Decision is IAM's answer.
type Decision int

const (
	// ImplicitDeny is what no statement allows.
	ImplicitDeny Decision = iota
	// ExplicitDeny is what a statement denies, whatever others allow.
	ExplicitDeny
	// Allow is what a statement allows and none denies.
	Allow
)

// Decide judges a request by all policies of an identity together.
func Decide(policies []*Policy, r Request) Decision {
	decision := ImplicitDeny
	for _, p := range policies {
		for _, s := range p.statements {
			switch {
			case !s.applies(r):
			case s.deny:
				return ExplicitDeny
			default:
				decision = Allow
			}
		}
	}
	return decision
}

func (s statement) applies(r Request) bool {
	action := strings.ToLower(r.Action)
	return slices.ContainsFunc(s.actions, func(pattern string) bool { return like(pattern, action) }) &&
		slices.ContainsFunc(s.resources, func(pattern string) bool { return like(pattern, r.Resource) }) &&
		!slices.ContainsFunc(s.conditions, func(c condition) bool { return !c.holds(r.Keys[c.key]) })
}
