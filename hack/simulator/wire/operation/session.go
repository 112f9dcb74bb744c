// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Assume is what a call of AssumeRole asks for.
type Assume struct {
	RoleARN, SessionName, ExternalID string
	Duration                         time.Duration
	// Tags are the session tags.
	Tags map[string]string
}

// Actions are those that a role's trust policy has to allow.
func (a Assume) Actions() []string {
	if len(a.Tags) > 0 {
		return []string{"AssumeRole", "TagSession"}
	}
	return []string{"AssumeRole"}
}

// Keys are the keys of conditions on an action. AWS documents the external id for AssumeRole alone.
func (a Assume) Keys(action string) iam.Keys {
	keys := iam.Keys{}.With("sts:RoleSessionName", a.SessionName)
	if a.ExternalID != "" && action == "AssumeRole" {
		keys = keys.With("sts:ExternalId", a.ExternalID)
	}
	var names []string
	for name, value := range a.Tags {
		names = append(names, name)
		keys = keys.With("aws:RequestTag/"+name, value)
	}
	if slices.Sort(names); len(names) > 0 {
		keys = keys.With("aws:TagKeys", names...)
	}
	return keys
}

// Session is one of a role, with its credentials.
type Session struct {
	Identity                 Identity
	AccessKey, Secret, Token string
	Expires                  time.Time
}

// SessionOf is who acts in a session of a role.
func SessionOf(role region.Role, account, name string) Identity {
	partition := strings.Split(role.ARN, ":")[1]
	return Identity{
		ARN:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, account, role.Name(), name),
		Account: account, Role: role.ARN, Allow: role.Allow, Policies: role.Policies,
	}
}

// UniqueID is an id that follows from a text, as IAM writes ids.
func UniqueID(text string) string { return uniqueID("", text) }
