// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// longestText bounds what is kept of a text. The longest that AWS accepts is the ARN of a role
	// with a path, of about 650 bytes; calls that failed may hold anything.
	longestText = 1024
	// mostEntries bounds what is kept of a list. A call starts at most 10 tasks.
	mostEntries = 32
)

// ErrForeign says that an event is not a call of RunTask or StartTask of Amazon ECS.
var ErrForeign = errors.New("the event is not a call that starts tasks")

// Parse reads the text of one event, as LookupEvents has it in CloudTrailEvent. The error is
// ErrForeign, or says what of the text can't be understood.
func Parse(text string) (Call, error) {
	var e event
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return Call{}, fmt.Errorf("the event is not as CloudTrail writes events: %w", err)
	}

	if e.Source != "ecs.amazonaws.com" || e.Name != RunTask && e.Name != StartTask {
		return Call{}, ErrForeign
	}

	at, err := time.Parse(time.RFC3339, e.Time)
	if err != nil || e.ID == "" || len(e.ID) > longestText {
		return Call{}, errors.New("the event lacks an eventID or an eventTime")
	}

	call := Call{EventID: e.ID, Time: at.UTC().Truncate(time.Second), Principal: e.Identity.principal(), ErrorCode: clip(e.ErrorCode)}
	if call.Principal == (Principal{}) {
		return Call{}, errors.New("the event does not say who made the call")
	}

	if err := errors.Join(call.addRequest(e), call.addResponse(e.Response)); err != nil {
		return Call{}, err
	}
	return call, nil
}

// event has those members of a record of CloudTrail that are read.
type event struct {
	ID        string          `json:"eventID"`
	Time      string          `json:"eventTime"`
	Source    string          `json:"eventSource"`
	Name      string          `json:"eventName"`
	ErrorCode string          `json:"errorCode"`
	Identity  identity        `json:"userIdentity"`
	Request   json.RawMessage `json:"requestParameters"`
	Response  json.RawMessage `json:"responseElements"`
}

type identity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
	ARN         string `json:"arn"`
	AccountID   string `json:"accountId"`
	InvokedBy   string `json:"invokedBy"`
	Session     struct {
		Issuer struct {
			ARN string `json:"arn"`
		} `json:"sessionIssuer"`
	} `json:"sessionContext"`
}

// principal is whom an identity stands for: that of a session is what issued the session.
func (i identity) principal() Principal {
	p := Principal{ARN: cmp.Or(i.Session.Issuer.ARN, withoutSession(i.ARN)), Service: i.InvokedBy}
	if p.ARN == "" && p.Service == "" {
		id, _, _ := strings.Cut(i.PrincipalID, ":") // a session's name may follow
		p.ARN = strings.TrimSpace(i.Type + " " + cmp.Or(id, i.AccountID))
	}
	return Principal{ARN: clip(p.ARN), Service: clip(p.Service)}
}

// withoutSession removes the name of the session from the ARN of an assumed role.
func withoutSession(arn string) string {
	before, session, ok := strings.Cut(arn, ":assumed-role/")
	if !ok {
		return arn
	}
	role, _, _ := strings.Cut(session, "/")
	return before + ":assumed-role/" + role
}

// addRequest adds what the caller asked for.
func (c *Call) addRequest(e event) error {
	if isNull(e.Request) {
		c.Withheld = true
		return nil
	}

	var in struct {
		Omitted            bool     `json:"omitted"`
		Cluster            string   `json:"cluster"`
		TaskDefinition     string   `json:"taskDefinition"`
		Count              *int     `json:"count"`
		StartedBy          string   `json:"startedBy"`
		Group              string   `json:"group"`
		ClientToken        string   `json:"clientToken"`
		ContainerInstances []string `json:"containerInstances"`
	}
	if err := json.Unmarshal(e.Request, &in); err != nil {
		return fmt.Errorf("the parameters of the call: %w", err)
	}

	if in.Omitted {
		return errors.New("CloudTrail left the parameters of the call out")
	}

	c.Cluster, c.Family = clip(in.Cluster), clip(familyOf(in.TaskDefinition))
	c.StartedBy, c.Group, c.ClientToken = clip(in.StartedBy), clip(in.Group), clip(in.ClientToken)
	switch {
	case e.Name == StartTask:
		c.Count = len(in.ContainerInstances)
	case in.Count != nil:
		c.Count = *in.Count
	default:
		c.Count = 1
	}
	return nil
}

// addResponse adds what came of the call.
func (c *Call) addResponse(response json.RawMessage) error {
	if isNull(response) {
		if c.ErrorCode == "" {
			return errors.New("the event has neither an answer nor an error")
		}
		return nil
	}

	var out struct {
		Omitted bool `json:"omitted"`
		Tasks   []struct {
			ARN               string `json:"taskArn"`
			ContainerInstance string `json:"containerInstanceArn"`
			TaskDefinition    string `json:"taskDefinitionArn"`
		} `json:"tasks"`
		Failures []struct {
			ARN    string `json:"arn"`
			Reason string `json:"reason"`
		} `json:"failures"`
	}
	if err := json.Unmarshal(response, &out); err != nil {
		return fmt.Errorf("the answer to the call: %w", err)
	}

	if out.Omitted {
		return errors.New("CloudTrail left the answer to the call out")
	}

	for _, task := range out.Tasks[:min(len(out.Tasks), mostEntries)] {
		c.Tasks = append(c.Tasks, Task{ARN: clip(task.ARN), ContainerInstance: clip(task.ContainerInstance)})
		c.Family = cmp.Or(clip(familyOf(task.TaskDefinition)), c.Family)
	}

	for _, failure := range out.Failures[:min(len(out.Failures), mostEntries)] {
		c.Failures = append(c.Failures, Failure{ARN: clip(failure.ARN), Reason: clip(failure.Reason)})
	}
	return nil
}

// familyOf is the family of a task definition, which is given as a family, a family and revision,
// or an ARN.
func familyOf(definition string) string {
	if _, name, ok := strings.Cut(definition, ":task-definition/"); ok {
		definition = name
	}
	family, _, _ := strings.Cut(definition, ":")
	return family
}

func isNull(message json.RawMessage) bool {
	return len(message) == 0 || bytes.Equal(message, []byte("null"))
}

// clip bounds a text, and frees the rest of it.
func clip(text string) string {
	if len(text) <= longestText {
		return text
	}

	cut := longestText
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strings.Clone(text[:cut])
}
