// SPDX-License-Identifier: Apache-2.0

package rig

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
	"agentdisconnect.dev/agentdisconnect/hack/policies"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	simworld "agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	hubAccount = "111111111111"
	spokeName  = "agentdisconnect"
)

// joinHub gives the managers credentials of another account, and the world's namespace a role in the Region's.
func (w *World) joinHub(ctx context.Context) error {
	there := simworld.Default()
	there.Account = hubAccount
	own, err := sim.Start(context.WithoutCancel(ctx), sim.Options{NoAgents: true, World: there, Clock: w.Clock, SessionClock: clock.RealClock{}})
	if err != nil {
		return err
	}

	own.Join(w.Sim)
	w.hub, w.config = own, own.Config()
	mapped := options.NamespaceRole{
		Namespace: w.Namespace, ARN: "arn:aws:iam::" + w.Sim.World().Account + ":role/" + spokeName, ExternalID: options.DefaultExternalID(w.Namespace),
		DeadManRoleARN: w.Options.DeadManRoleARN, DeadManScheduleGroup: w.Options.DeadManScheduleGroup,
	}
	role, err := policies.Spoke(w.Sim.World(), policies.Values{
		HubRole: own.World().Keys()[0].ARN, SpokeRole: mapped.ARN, ExternalID: mapped.ExternalID, Namespace: w.Namespace, KubeSystemUID: ClusterID,
	})
	w.region.Roles().Put(role)
	w.Options.NamespaceRoles = []options.NamespaceRole{mapped}
	w.Options.DeadManRoleARN, w.Options.DeadManScheduleGroup = "", ""
	return err
}

// workInHub has the managers work in their own account too.
func (w *World) workInHub(ctx context.Context, violated func(audit.Promise, string)) (err error) {
	h := &World{
		Sim: w.hub, Clock: w.Clock, Options: w.Options, host: w, plane: w.plane,
		region: w.hub.Region(), faults: w.hub.Faults(), counts: map[string]int{}, stopped: map[string]bool{},
	}
	if h.untouched, err = h.Sim.World().Build(region.Options{Clock: h.Clock}, true); err != nil {
		return err
	}
	h.watch(violated)
	h.followWrites()
	h.Namespace, err = w.plane.namespace(ctx)
	w.Hub = h
	return err
}

// accounts are those in which the managers work, each with a namespace of its own.
func (w *World) accounts() []*World {
	if w.Hub == nil {
		return []*World{w}
	}
	return []*World{w, w.Hub}
}

// of is the account whose namespace it is.
func (w *World) of(namespace string) *World {
	if w.Hub != nil && w.Hub.Namespace == namespace {
		return w.Hub
	}
	return w
}

// driver is the world that has the managers.
func (w *World) driver() *World {
	if w.host != nil {
		return w.host
	}
	return w
}

// RefuseRole has the trust policy of the namespace's role admit nobody for a time. A session that a manager has goes on.
func (w *World) RefuseRole(d time.Duration) {
	role, _ := w.region.Roles().Get(w.Options.NamespaceRoles[0].ARN)
	refused := role
	refused.TrustPolicy = nil
	w.region.Roles().Put(refused)
	w.At(d, func() { w.region.Roles().Put(role) })
	w.Hamper(d)
}

// IsManagers reports whether a call in the Region is a manager's.
func (w *World) IsManagers(c call.Call) bool {
	if w.hub != nil {
		return strings.Contains(c.Identity, ":assumed-role/"+spokeName+"/")
	}
	return c.AccessKey == w.ManagersKey()
}

// wrongInHub are the changes in the managers' own account, in which no run works.
func (w *World) wrongInHub() []string {
	if w.hub == nil || w.Hub != nil {
		return nil
	}
	var wrong []string
	for _, c := range w.hub.Calls() {
		if !c.ReadOnly {
			wrong = append(wrong, fmt.Sprintf("%s in the managers' own account, in which no run works", c.Name()))
		}
	}
	return wrong
}
