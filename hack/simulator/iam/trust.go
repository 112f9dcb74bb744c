// SPDX-License-Identifier: Apache-2.0

package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Trust is the trust policy of a role: who may assume it.
type Trust struct{ statements []trustStatement }

type trustStatement struct {
	statement

	principals []string
}

type trustDocument struct {
	Version   string
	ID        string `json:"Id"`
	Statement trustStatements
}

type trustStatements []trustStatementDocument

// UnmarshalJSON takes one statement or a list.
func (s *trustStatements) UnmarshalJSON(data []byte) error {
	return decodeStrictly(asList(data), (*[]trustStatementDocument)(s))
}

type trustStatementDocument struct {
	Sid, Effect string
	Principal   struct{ AWS, Service, Federated oneOrMore }
	Action      oneOrMore
	Condition   map[string]map[string]oneOrMore
}

// ParseTrust reads the trust policy of a role.
func ParseTrust(text []byte) (*Trust, error) {
	var in trustDocument
	if err := decodeStrictly(text, &in); err != nil {
		return nil, fmt.Errorf("the trust policy can't be read: %w", err)
	}
	if in.Version != version {
		return nil, fmt.Errorf("the trust policy's Version is %q; write %s", in.Version, version)
	}
	t := &Trust{}
	for i, s := range in.Statement {
		if len(s.Principal.AWS)+len(s.Principal.Service)+len(s.Principal.Federated) == 0 {
			return nil, fmt.Errorf("statement %d (%s): it has no Principal", i+1, s.Sid)
		}
		parsed, err := statementDocument{Sid: s.Sid, Effect: s.Effect, Action: s.Action, Resource: oneOrMore{"*"}, Condition: s.Condition}.parse()
		if err != nil {
			return nil, fmt.Errorf("statement %d (%s): %w", i+1, s.Sid, err)
		}
		t.statements = append(t.statements, trustStatement{parsed, s.Principal.AWS})
	}
	if len(t.statements) == 0 {
		return nil, errors.New("the trust policy has no statement")
	}
	return t, nil
}

// Decide decides about an action of a principal of IAM, who goes by all of the names: the ARNs of its
// account, its role and its session.
func (t *Trust) Decide(names []string, r Request) Decision {
	if t == nil {
		return ImplicitDeny
	}
	var policies []*Policy
	for _, s := range t.statements {
		if slices.ContainsFunc(s.principals, func(p string) bool { return p == "*" || slices.Contains(names, p) }) {
			policies = append(policies, &Policy{statements: []statement{s.statement}})
		}
	}
	return Decide(policies, r)
}

// PrincipalsOf are the names by which a trust policy can mean a caller: the account, by its number
// too, the role if it has one, and itself.
func PrincipalsOf(account, role, caller string) []string {
	partition := "aws"
	if parts := strings.Split(caller, ":"); len(parts) > 1 {
		partition = parts[1]
	}
	names := []string{account, "arn:" + partition + ":iam::" + account + ":root", caller}
	if role != "" {
		names = append(names, role)
	}
	return names
}
