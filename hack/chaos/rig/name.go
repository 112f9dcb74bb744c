// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// unnamed are parameters that say nothing of what a call is about, or that differ from run to run.
var unnamed = map[string]bool{
	"ClientToken": true, "MaxResults": true, "NextToken": true, "DryRun": true, "Include": true, "ScheduleExpression": true,
	"Description": true, "Target": true, "FlexibleTimeWindow": true, "ActionAfterCompletion": true, "State": true,
	// A number is enough for an entry.
	"CidrBlock": true, "Ipv6CidrBlock": true, "Protocol": true, "RuleAction": true, "PortRange": true, "IcmpTypeCode": true,
}

var uuids = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// about names what a call to AWS is about: its distinguishing parameters, in the order of their declaration. known are the
// ids that are the same in each run; others are named by their kind.
func about(params any, known func(id string) bool) string {
	var words []string
	add := func(word string) {
		word = uuids.ReplaceAllString(word, "UID")
		if i := strings.LastIndexByte(word, '/'); strings.HasPrefix(word, "arn:") && i >= 0 {
			word = word[i+1:]
		}
		for _, kind := range []string{"acl-", "aclassoc-"} {
			if strings.HasPrefix(word, kind) && !known(word) {
				word = kind + "new"
			}
		}
		if word != "" {
			words = append(words, word)
		}
	}
	describe(reflect.ValueOf(params), add)
	return strings.Join(words, " ")
}

// describe gives the scalars within a value, as far as they name something.
func describe(v reflect.Value, add func(string)) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			describe(v.Elem(), add)
		}
	case reflect.Struct:
		describeStruct(v, add)
	case reflect.Slice:
		var all []string
		for i := range v.Len() {
			describe(v.Index(i), func(word string) { all = append(all, word) })
		}
		slices.Sort(all) // maps have no order
		for _, word := range all {
			add(word)
		}
	case reflect.String:
		add(v.String())
	case reflect.Int32, reflect.Int64, reflect.Int:
		add(fmt.Sprint(v.Int()))
	default: // what is left says yes or no, or is no parameter
	}
}

func describeStruct(v reflect.Value, add func(string)) {
	t := v.Type()
	if key := v.FieldByName("Key"); key.IsValid() && v.FieldByName("Value").IsValid() {
		describe(key, add) // a tag: its value has times
		return
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() || unnamed[field.Name] {
			continue
		}
		if egress, ok := reflect.TypeAssert[*bool](v.Field(i)); ok && field.Name == "Egress" && egress != nil {
			add(map[bool]string{true: "egress", false: "ingress"}[*egress])
			continue
		}
		describe(v.Field(i), add)
	}
}

// dryRun reports whether a call to EC2 only asks whether it would be permitted.
func dryRun(params any) bool {
	v := reflect.ValueOf(params)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return false
	}
	field := v.Elem().FieldByName("DryRun")
	if !field.IsValid() {
		return false
	}
	dry, ok := reflect.TypeAssert[*bool](field)
	return ok && dry != nil && *dry
}
