// SPDX-License-Identifier: Apache-2.0

package clusterquery

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	instance := Instance{
		Attributes: map[string]string{
			"ecs.subnet-id": "subnet-0aaa", "ecs.instance-type": "m5.large", "ecs.os-type": "linux", "stack": "prod",
			"ecs.availability-zone": "ap-northeast-1a",
		},
		Fields: map[string]string{
			"agentConnected": "true", "agentVersion": "1.105.1", "ec2InstanceId": "i-0123", "registeredAt": "2026-01-02T03:04:05Z",
			"runningTasksCount": "2",
		},
		TaskGroups: []string{"family:demo", "service:web"},
	}
	for expr, want := range map[string]bool{
		"attribute:ecs.subnet-id == subnet-0aaa":                                      true,
		"attribute:ecs.subnet-id==subnet-0aaa":                                        true,
		"attribute:ecs.subnet-id equals subnet-0aaa":                                  true,
		"attribute:ecs.subnet-id == subnet-0bbb":                                      false,
		"attribute:ecs.subnet-id == 'subnet-0aaa'":                                    true,
		"attribute:ecs.subnet-id != subnet-0bbb":                                      true,
		"attribute:nothing != subnet-0bbb":                                            false, // it lacks the attribute
		"not(attribute:nothing == x)":                                                 true,
		"attribute:nothing exists":                                                    false,
		"attribute:nothing !exists":                                                   true,
		"attribute:nothing not_exists":                                                true,
		"attribute:stack exists":                                                      true,
		"attribute:stack in [test, prod]":                                             true,
		"attribute:stack in [test]":                                                   false,
		"attribute:stack !in [test]":                                                  true,
		"attribute:stack not_in [test, prod]":                                         false,
		"attribute:ecs.instance-type =~ m5.*":                                         true,
		"attribute:ecs.instance-type =~ m5":                                           false, // the whole value counts
		"attribute:ecs.instance-type !~ t2.*":                                         true,
		"attribute:ecs.instance-type =~ (t2|m5).*":                                    true,
		"agentConnected == true":                                                      true,
		"agentConnected == false":                                                     false,
		"agentVersion < 1.14.5":                                                       false,
		"agentVersion > 1.14.5":                                                       true,
		"agentVersion >= 1.105.1":                                                     true,
		"registeredAt < 2026-02-13":                                                   true,
		"registeredAt < 2026-01-02":                                                   false, // which is midnight
		"registeredAt == 2026-01-02T03:04:05":                                         true,
		"registeredAt == 2026-01-02T03:04:05.000Z":                                    true,
		"registeredAt == 2026-01-02T12:04:05+09:00":                                   true,
		"registeredAt >= 2026-01-02T04:04:05+02:00":                                   true,
		"registeredAt < 2026-01-02T03:05":                                             true,
		"runningTasksCount == 2":                                                      true,
		"runningTasksCount greater_than 10":                                           false,
		"ec2InstanceId in ['i-0123', 'i-0456']":                                       true,
		"task:group == service:web":                                                   true,
		"task:group == service:other":                                                 false,
		"not(task:group == service:web)":                                              false,
		"attribute:stack == prod and attribute:ecs.os-type == linux":                  true,
		"attribute:stack == test && attribute:ecs.os-type == linux":                   false,
		"attribute:stack == test || attribute:ecs.os-type == linux":                   true,
		"attribute:stack == test or attribute:stack == x and agentConnected == true":  false,
		"(attribute:stack == test or attribute:stack==prod) and agentConnected==true": true,
		"!(attribute:stack == test)":                                                  true,
		"attribute:ecs.subnet-id == subnet-0aaa and agentConnected == true":           true,
	} {
		e, err := Parse(expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got := e(instance); got != want {
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"":                                   "is no subject",
		"subnet == x":                        "is no subject",
		"attribute: == x":                    "is no subject",
		"attribute:a":                        "an operator is missing",
		"attribute:a = b":                    "an operator is missing",
		"attribute:a ==":                     "a value is missing",
		"attribute:a in b":                   "in needs a list",
		"attribute:a in [b":                  "a comma or a closing bracket",
		"(attribute:a == b":                  "a closing parenthesis",
		"attribute:a == b c":                 "unexpected",
		"attribute:a == 'b":                  "a closing quote",
		"attribute:a =~ [":                   "missing closing ]",
		"attribute:a == b and":               "is no subject",
		"registeredAt < yesterday":           "is no time",
		"attribute:a == b andattribute:c==d": "unexpected",
	} {
		if _, err := Parse(expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", expr, err, want)
		}
	}
}
