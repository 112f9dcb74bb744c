// SPDX-License-Identifier: Apache-2.0

package iam

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Policy is an identity-based policy. Use Parse.
type Policy struct{ statements []statement }

type statement struct {
	sid        string
	deny       bool
	actions    []string // in lower case
	resources  []string
	conditions []condition
}

// version is the only version of the policy language that has all that the documents here use.
const version = "2012-10-17"

// oneOrMore is a list that IAM lets one write without brackets.
type oneOrMore []string

// UnmarshalJSON implements json.Unmarshaler.
func (o *oneOrMore) UnmarshalJSON(data []byte) error {
	var one string
	if err := json.Unmarshal(data, &one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(o))
}

type document struct {
	Version   string
	ID        string `json:"Id"`
	Statement statements
}

// statements are a list that may be written without brackets too.
type statements []statementDocument

// UnmarshalJSON implements json.Unmarshaler.
func (s *statements) UnmarshalJSON(data []byte) error {
	return decodeStrictly(asList(data), (*[]statementDocument)(s))
}

// asList is a document that is a list, or one of the one item.
func asList(data []byte) []byte {
	if data = bytes.TrimSpace(data); len(data) == 0 || data[0] != '[' {
		return slices.Concat([]byte("["), data, []byte("]"))
	}
	return data
}

// decodeStrictly refuses members that the value doesn't have.
func decodeStrictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

type statementDocument struct {
	Sid, Effect      string
	Action, Resource oneOrMore
	Condition        map[string]map[string]oneOrMore
}

var (
	sidPattern    = regexp.MustCompile(`^[A-Za-z0-9]*$`)
	actionPattern = regexp.MustCompile(`^(\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$`)
)

// Parse reads a document. An element, an operator or a value that this package doesn't know is an error.
func Parse(text []byte) (*Policy, error) {
	var in document
	if err := decodeStrictly(text, &in); err != nil {
		return nil, fmt.Errorf("the policy can't be read: %w", err)
	}
	if in.Version != version {
		return nil, fmt.Errorf("the policy's Version is %q; write %s", in.Version, version)
	}
	if len(in.Statement) == 0 {
		return nil, errors.New("the policy has no statement")
	}
	p, seen := &Policy{}, map[string]bool{}
	for i, s := range in.Statement {
		parsed, err := s.parse()
		if err == nil && s.Sid != "" && seen[s.Sid] {
			err = errors.New("the Sid is that of another statement too")
		}
		if err != nil {
			return nil, fmt.Errorf("statement %d (%s): %w", i+1, s.Sid, err)
		}
		seen[s.Sid] = true
		p.statements = append(p.statements, parsed)
	}
	return p, nil
}

func (s statementDocument) parse() (statement, error) {
	out := statement{sid: s.Sid, deny: s.Effect == "Deny", resources: s.Resource}
	switch {
	case !sidPattern.MatchString(s.Sid):
		return out, errors.New("a Sid has letters and digits alone")
	case s.Effect != "Allow" && s.Effect != "Deny":
		return out, fmt.Errorf("the Effect is %q; write Allow or Deny", s.Effect)
	case len(s.Action) == 0 || len(s.Resource) == 0:
		return out, errors.New("it lacks an Action or a Resource")
	}
	for _, action := range s.Action {
		if !actionPattern.MatchString(action) {
			return out, fmt.Errorf("%q is no action", action)
		}
		out.actions = append(out.actions, strings.ToLower(action))
	}
	for _, resource := range s.Resource {
		if err := checkText(resource); err != nil {
			return out, err
		}
		if resource != "*" && len(strings.SplitN(resource, ":", arnParts)) != arnParts {
			return out, fmt.Errorf("%q is no ARN", resource)
		}
	}
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		for _, key := range slices.Sorted(maps.Keys(s.Condition[operator])) {
			c, err := newCondition(operator, key, s.Condition[operator][key])
			if err != nil {
				return out, err
			}
			out.conditions = append(out.conditions, c)
		}
	}
	return out, nil
}

// checkText refuses policy variables: this package has no values for them.
func checkText(text string) error {
	if strings.Contains(text, "${") {
		return fmt.Errorf("%q: policy variables are not known here", text)
	}
	return nil
}
