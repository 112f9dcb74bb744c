// SPDX-License-Identifier: Apache-2.0

// Package policies gives the IAM policies of config/iam to simulated worlds, so that what runs there has the permissions
// that the documents grant, and no others.
package policies

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

// The documents of config/iam.
const (
	Manager     = "policy.json"
	ManagerOnly = "policy-clone.json" // for clones alone
	Deadman     = "policy-deadman.json"
	Probe       = "policy-probe.json"
	Callers     = "policy-callers.json"
	Brakes      = "policy-brakes.json"
	Sweep       = "policy-sweep.json"
	DeadmanRole = "role-deadman.json"
	Hub         = "policy-hub.json"
	SpokeTrust  = "trust-spoke.json"
)

// Values are what the placeholders of the documents stand for, beside the account and the Region of the world.
type Values struct {
	// Region is unset: the world's. VPC and Cluster are unset: the world's first ones.
	Region, VPC, Cluster string
	// ScheduleGroup and DeadmanRole are of the dead man's switch.
	ScheduleGroup, DeadmanRole string
	// TaskFamily, TaskRole and ExecutionRole are of the probe's task definition.
	TaskFamily, TaskRole, ExecutionRole string
	// HubRole and SpokeRole are the ARNs of the manager's role and of a namespace's, in another account.
	HubRole, SpokeRole string
	// ExternalID, Namespace and KubeSystemUID are what the trust policy of a namespace's role asks for.
	ExternalID, Namespace, KubeSystemUID string
}

// For gives documents with their placeholders filled in for a world.
func For(w *world.World, v Values, names ...string) ([]json.RawMessage, error) {
	if v.VPC == "" && len(w.VPCs) > 0 {
		v.VPC = w.VPCs[0].ID
	}
	if v.Cluster == "" && len(w.Clusters) > 0 {
		v.Cluster = w.Clusters[0].Name
	}
	folder, err := folder()
	if err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("REGION", cmp.Or(v.Region, w.Region), "ACCOUNT_ID", w.Account, "VPC_ID", v.VPC, "ECS_CLUSTER", v.Cluster,
		"SCHEDULE_GROUP", v.ScheduleGroup, "DEADMAN_ROLE", v.DeadmanRole,
		"HUB_ROLE_ARN", v.HubRole, "SPOKE_ROLE_ARN", v.SpokeRole, "EXTERNAL_ID", v.ExternalID, "NAMESPACE", v.Namespace, "KUBE_SYSTEM_UID", v.KubeSystemUID,
		"TASK_FAMILY", v.TaskFamily, "TASK_ROLE", v.TaskRole, "TASK_EXECUTION_ROLE", v.ExecutionRole)
	var all []json.RawMessage
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return nil, err
		}
		all = append(all, json.RawMessage(fill.Replace(string(text))))
	}
	return all, nil
}

// Bind gives documents to those access keys of a world that have no policy and are of the world's account.
func Bind(w *world.World, v Values, names ...string) error {
	documents, err := For(w, v, names...)
	if err != nil {
		return err
	}
	w.AccessKeys = w.Keys()
	for i := range w.AccessKeys {
		if k := &w.AccessKeys[i]; len(k.Policies) == 0 && k.Account == w.Account {
			k.Policies = documents
		}
	}
	return nil
}

// SwitchRole is the role of the dead man's switch, with what role-deadman.json grants it.
func SwitchRole(w *world.World, v Values) (region.Role, error) {
	documents, err := For(w, v, DeadmanRole)
	if err != nil {
		return region.Role{}, err
	}
	policy, err := iam.Parse(documents[0])
	return region.Role{
		ARN: "arn:aws:iam::" + w.Account + ":role/" + v.DeadmanRole, Trust: []string{region.SchedulerPrincipal},
		Allow: []string{"*"}, Policies: []*iam.Policy{policy},
	}, err
}

// Spoke is the role of a namespace in the account of a world: what its trust policy and the documents grant.
func Spoke(w *world.World, v Values, names ...string) (region.Role, error) {
	role := region.Role{ARN: v.SpokeRole, Allow: []string{"*"}}
	documents, err := For(w, v, append([]string{SpokeTrust}, names...)...)
	if err != nil {
		return role, err
	}
	if role.TrustPolicy, err = iam.ParseTrust(documents[0]); err != nil {
		return role, err
	}
	for _, document := range documents[1:] {
		policy, err := iam.Parse(document)
		if err != nil {
			return role, err
		}
		role.Policies = append(role.Policies, policy)
	}
	return role, nil
}

// folder is config/iam, found from the folder that the program runs in.
func folder() (string, error) {
	at, err := os.Getwd()
	for err == nil {
		found := filepath.Join(at, "config", "iam")
		if _, missing := os.Stat(filepath.Join(found, Manager)); missing == nil {
			return found, nil
		}
		above := filepath.Dir(at)
		if above == at {
			return "", errors.New("there is no folder config/iam above the one that this runs in: run it in the project's")
		}
		at = above
	}
	return "", err
}
