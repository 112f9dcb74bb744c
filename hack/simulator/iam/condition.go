// SPDX-License-Identifier: Apache-2.0

package iam

import (
	"fmt"
	"slices"
	"strings"
)

// condition is one key of one operator: it has to hold for its statement to apply.
type condition struct {
	set      set
	match    func(pattern, value string) bool // of one value; nil for Null
	negated  bool
	ifExists bool
	key      string // in lower case: names of keys are not case-sensitive
	values   []string
}

// set is how an operator deals with a key of several values.
type set int

const (
	single set = iota
	forAllValues
	forAnyValue
)

// matchers are the operators without what can stand before and after them.
var matchers = map[string]func(pattern, value string) bool{
	"StringEquals":           func(pattern, value string) bool { return pattern == value },
	"StringEqualsIgnoreCase": strings.EqualFold,
	"StringLike":             like,
	"ArnEquals":              likeARN, // AWS: the same as ArnLike
	"ArnLike":                likeARN,
	"Bool":                   strings.EqualFold,
}

// negations are the operators that hold where another does not.
var negations = map[string]string{
	"StringNotEquals": "StringEquals", "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase", "StringNotLike": "StringLike",
	"ArnNotEquals": "ArnEquals", "ArnNotLike": "ArnLike",
}

// null asks whether a key is missing.
const null = "Null"

func newCondition(operator, key string, values []string) (condition, error) {
	c := condition{key: strings.ToLower(key), values: values}
	name, found := strings.CutPrefix(operator, "ForAllValues:")
	if found {
		c.set = forAllValues
	} else if name, found = strings.CutPrefix(operator, "ForAnyValue:"); found {
		c.set = forAnyValue
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	if positive, ok := negations[name]; ok {
		name, c.negated = positive, true
	}
	c.match = matchers[name]
	switch {
	case operator == null:
		if len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return c, fmt.Errorf("%s of %s takes true or false", operator, key)
		}
		return c, nil
	case c.match == nil:
		return c, fmt.Errorf("the operator %s is not known here", operator)
	case len(values) == 0:
		return c, fmt.Errorf("%s of %s has no value", operator, key)
	}
	for _, value := range values {
		if err := checkText(value); err != nil {
			return c, err
		}
	}
	return c, nil
}

// holds judges the condition by the values that a request has for its key; none: the request doesn't have the key.
func (c condition) holds(have []string) bool {
	present := len(have) > 0
	switch {
	case c.match == nil: // Null
		return present != (c.values[0] == "true")
	case c.set == forAllValues:
		return !slices.ContainsFunc(have, func(value string) bool { return !c.fits(value) })
	case c.set == forAnyValue:
		return slices.ContainsFunc(have, c.fits)
	case !present:
		return c.ifExists || c.negated
	default:
		// AWS warns against a key of several values without a set operator. The stricter reading is taken.
		return !slices.ContainsFunc(have, func(value string) bool { return !c.fits(value) })
	}
}

// fits judges one value: it is one of those that the condition has, or, negated, none of them.
func (c condition) fits(value string) bool {
	return c.negated != slices.ContainsFunc(c.values, func(pattern string) bool { return c.match(pattern, value) })
}

// like matches texts: * stands for any characters, ? for any one.
func like(pattern, text string) bool {
	star, retry := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			retry++
			p, t = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// arnParts is how many parts an ARN has: arn:partition:service:region:account:resource.
const arnParts = 6

// likeARN matches ARNs part by part, so that * doesn't reach over a colon but in the last part.
func likeARN(pattern, arn string) bool {
	patterns, parts := strings.SplitN(pattern, ":", arnParts), strings.SplitN(arn, ":", arnParts)
	if len(patterns) != arnParts || len(parts) != arnParts {
		return false
	}
	for i := range parts {
		if !like(patterns[i], parts[i]) {
			return false
		}
	}
	return true
}
