// SPDX-License-Identifier: Apache-2.0

// Package fis is the part of AWS FIS's API (REST with JSON) that reads and sets the safety lever. There are no experiments.
package fis

import (
	"net/http"
	"net/url"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// Service is AWS FIS.
func Service() operation.Service {
	return operation.Service{
		Name: "fis", Source: "fis.amazonaws.com",
		Operations: map[string]operation.Operation{
			"GetSafetyLever":         {ReadOnly: true, Prepare: getSafetyLever},
			"UpdateSafetyLeverState": {Prepare: updateSafetyLeverState},
		},
	}
}

// Route is the action that a request asks for, with the id from its path. ok is false for a path that
// is none of these.
func Route(r *http.Request) (action string, params url.Values, ok bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case len(parts) == 2 && parts[0] == "safetyLevers" && r.Method == http.MethodGet:
		action = "GetSafetyLever"
	case len(parts) == 3 && parts[0] == "safetyLevers" && parts[2] == "state" && r.Method == http.MethodPatch:
		action = "UpdateSafetyLeverState"
	default:
		return "", url.Values{}, false
	}
	return action, url.Values{"Id": {parts[1]}}, true
}

type leverState struct {
	Status string `json:"status"`
	Reason string `json:"reason"`
}

type lever struct {
	ARN   string     `json:"arn"`
	ID    string     `json:"id"`
	State leverState `json:"state"`
}

type answer struct {
	SafetyLever lever `json:"safetyLever"`
}

func describe(l region.SafetyLever) answer {
	return answer{lever{ARN: l.ARN, ID: region.SafetyLeverID, State: leverState{l.Status, l.Reason}}}
}

// effect is that of a call about the lever.
func effect(req *operation.Request) operation.Effect {
	return operation.Effect{
		Resource: req.Region.ARN("fis", "safety-lever/"+req.Form.Get("Id")), Trail: operation.TrailNames(req.Call.Params),
	}
}

func missing(id string) error {
	return region.Errorf("ResourceNotFoundException", "Safety lever %s does not exist.", id)
}

func getSafetyLever(req *operation.Request) (operation.Effect, error) {
	e := effect(req)
	e.Run = func() (any, error) {
		if id := req.Form.Get("Id"); id != region.SafetyLeverID {
			return nil, missing(id)
		}
		return describe(req.View().SafetyLever()), nil
	}
	return e, nil
}

func updateSafetyLeverState(req *operation.Request) (operation.Effect, error) {
	e := effect(req)
	var in struct {
		State leverState `json:"state"`
	}
	if err := operation.Decode(req.Body, &in); err != nil {
		return e, err
	}
	e.Run = func() (any, error) {
		if id := req.Form.Get("Id"); id != region.SafetyLeverID {
			return nil, missing(id)
		}
		if err := req.Region.SetSafetyLever(in.State.Status, in.State.Reason); err != nil {
			return nil, err
		}
		return describe(req.Region.View(req.At).SafetyLever()), nil
	}
	if in.State.Status != region.LeverEngaged && in.State.Status != region.LeverDisengaged || in.State.Reason == "" {
		return e, region.Errorf("ValidationException", "state.status must be engaged or disengaged, and state.reason is required.")
	}
	return e, nil
}
