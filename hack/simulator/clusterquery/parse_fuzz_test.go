// SPDX-License-Identifier: Apache-2.0

package clusterquery

import (
	"strings"
	"testing"
)

// An expression is refused or judges any instance, and brackets, spaces and two negations don't change its judgement.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"attribute:ecs.subnet-id == subnet-0aaa and agentConnected == true", "not(task:group == service:web)", "!(attribute:stack == test)",
		"attribute:stack in [test, prod]", "attribute:stack not_in ['a', \"b\"]", "attribute:ecs.instance-type =~ (t2|m5).*", "attribute:a =~ )(",
		"agentVersion < 1.14.5", "agentVersion >= 99999999999999999999.1", "attribute:a == b or attribute:c exists && agentVersion > 1",
		"attribute:a =~ a{1000}{1000}", "((((((((", "!!!!!!!!agentConnected exists", "attribute:a == (x", "", "attribute: == x", "attribute:a in [",
	} {
		f.Add(seed, "prod", "1.105.1")
	}
	f.Fuzz(func(t *testing.T, text, attribute, version string) {
		if len(text) > 1000 {
			return
		}
		judge, err := Parse(text)
		if err != nil {
			if judge != nil {
				t.Fatalf("%q was refused, and judges: %v", text, err)
			}
			return
		}
		for _, instance := range []Instance{
			{}, {Attributes: map[string]string{"stack": attribute, "a": attribute}, Fields: map[string]string{"agentVersion": version, "agentConnected": "true"}, TaskGroups: []string{attribute, "service:web"}},
		} {
			got := judge(instance)
			if strings.Count(text, "(") != strings.Count(text, ")") || strings.ContainsAny(text, `'"[`) {
				continue // a value may hold brackets of its own
			}
			for _, same := range []string{"(" + text + ")", " " + text + "\n", "!!(" + text + ")", "(" + text + ") and (" + text + ")", "(" + text + ") or (" + text + ")"} {
				again, err := Parse(same)
				if err != nil {
					t.Fatalf("%q is one, and %q is none: %v", text, same, err)
				}
				if again(instance) != got {
					t.Fatalf("%q: %v, and %q: %v", text, got, same, !got)
				}
			}
		}
	})
}

// The order of versions and numbers is one: it turns round with its sides.
func FuzzOrder(f *testing.F) {
	f.Add("1.9", "1.14.5", "1.14")
	f.Add("10", "9", "a")
	f.Add("", ".", "..")
	f.Add("1.x", "1.2", "1.10")
	f.Fuzz(func(t *testing.T, a, b, _ string) {
		if order(a, a) != 0 {
			t.Fatalf("%q differs from itself", a)
		}
		if order(a, b) != -order(b, a) {
			t.Fatalf("%q to %q: %d, and back: %d", a, b, order(a, b), order(b, a))
		}
	})
}
