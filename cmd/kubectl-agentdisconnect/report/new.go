// SPDX-License-Identifier: Apache-2.0

package report

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
)

// documentVersion is raised where a field is renamed or removed.
const documentVersion = 1

// New is the report of an object at the time now.
func New(obj *v1alpha1.AgentDisconnect, now time.Time) *Document {
	status := &obj.Status
	doc := &Document{
		Version: documentVersion, Time: *run.Stamp(now.UTC()),
		Namespace: obj.Namespace, Name: obj.Name, UID: string(obj.UID), RunID: status.RunID,
		Verdict: verdictOf(status), Checks: checksOf(status),
		Target: targetOf(obj), NetworkACL: networkACLOf(status.NetworkACL),
		Times: timesOf(status), Agents: agentsOf(status.Agents), Callers: callersOf(status), DriftRepairs: status.DriftRepairs,
	}

	if status.Probe != nil {
		for _, o := range status.Probe.Outcomes {
			doc.Probe = append(doc.Probe, Outcome{Reason: o.Reason, Count: o.Count, First: utc(o.FirstTime), Last: utc(o.LastTime), Message: o.Message})
		}
	}
	for _, e := range status.Endpoints {
		doc.Endpoints = append(doc.Endpoints, Endpoint{Hostname: e.Hostname, Session: string(e.Session), Addresses: e.Addresses})
	}
	for _, e := range status.Exemptions {
		doc.Exemptions = append(doc.Exemptions, Exemption{CIDR: e.CIDR, Reason: e.Reason, Message: e.Message})
	}
	for _, line := range status.Rules {
		doc.Rules = append(doc.Rules, Rule{
			NetworkACLID: line.NetworkACLID, RuleNumber: line.RuleNumber, CIDR: line.CIDR, Hostname: line.Hostname, State: string(line.State),
		})
	}
	for _, e := range status.Timeline {
		doc.Timeline = append(doc.Timeline, Entry{
			Time: utc(e.Time), Type: string(e.Type), Reason: e.Reason, Message: e.Message,
			Disconnected: e.Disconnected, Total: e.Total, Count: max(e.Count, 1),
		})
	}
	for _, c := range status.Conditions {
		doc.Conditions = append(doc.Conditions, Condition{Type: c.Type, Status: string(c.Status), Reason: c.Reason, Message: c.Message, Since: utc(c.LastTransitionTime)})
	}
	return doc
}

func verdictOf(status *v1alpha1.AgentDisconnectStatus) Verdict {
	verdict := Verdict{State: status.State, Succeeded: string(metav1.ConditionUnknown), Over: run.IsOver(status)}
	if succeeded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); succeeded != nil {
		verdict.State, verdict.Succeeded, verdict.Message = succeeded.Reason, string(succeeded.Status), succeeded.Message
	}
	return verdict
}

// targetOf is what the run is aimed at, as far as AWS was asked, else as the spec has it.
func targetOf(obj *v1alpha1.AgentDisconnect) Target {
	target := Target{Region: obj.Spec.Region, Cluster: lastPart(obj.Spec.Cluster), SubnetID: obj.Spec.SubnetID}
	if strings.Contains(obj.Spec.Cluster, "/") {
		target.ClusterARN = obj.Spec.Cluster
	}
	if found := obj.Status.Target; found != nil {
		target.AccountID, target.RoleARN, target.Region, target.VPCID = found.AccountID, found.RoleARN, found.Region, found.VPCID
		target.ClusterARN, target.Cluster = found.ClusterARN, lastPart(found.ClusterARN)
	}
	return target
}

// lastPart is what an ARN has after its last slash, and any other text as a whole.
func lastPart(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func networkACLOf(acl *v1alpha1.NetworkACL) *NetworkACL {
	if acl == nil {
		return nil
	}
	out := &NetworkACL{ID: acl.ID, Mode: string(acl.Mode), OriginalID: acl.OriginalID}
	if acl.DeadManSwitch != nil {
		out.DeadManSwitch = string(acl.DeadManSwitch.State)
	}
	return out
}

func timesOf(status *v1alpha1.AgentDisconnectStatus) Times {
	times := Times{
		Requested: utcOf(status.RequestTime), Started: utcOf(status.StartTime), Enforced: utcOf(status.EnforcedTime),
		Expires: utcOf(status.ExpirationTime), Restored: utcOf(status.RestoredTime), Completed: utcOf(status.CompletionTime),
	}
	if run.VerifiesCallers(status) {
		times.Verifying = utcOf(status.RecoveredTime)
	}
	if agents := status.Agents; agents != nil {
		times.Disconnected, times.Reconnected = utcOf(agents.DisconnectedTime), utcOf(agents.ReconnectedTime)
	}
	if status.Abort != nil {
		times.Aborted = utcOf(&status.Abort.Time)
	}
	return times
}

func agentsOf(agents *v1alpha1.Agents) *Agents {
	if agents == nil {
		return nil
	}

	omitted := int(agents.Omitted)
	out := &Agents{Total: omitted, Disconnected: omitted, Omitted: agents.Omitted, Uncounted: ptr.Deref(agents.Uncounted, 0)}
	for _, instance := range agents.ContainerInstances {
		agent := Agent{
			ARN: instance.ARN, ID: lastPart(instance.ARN), Disconnected: utcOf(instance.DisconnectedTime),
			Connected: instance.Connected, Gone: ptr.Deref(instance.Gone, false),
		}
		out.Tracked = append(out.Tracked, agent)
		if agent.Gone {
			continue
		}

		out.Total++
		if agent.Disconnected != nil {
			out.Disconnected++
		}
	}
	return out
}

func utc(t metav1.Time) metav1.Time { return metav1.Time{Time: t.UTC()} }

func utcOf(t *metav1.Time) *metav1.Time {
	if t == nil {
		return nil
	}
	return new(utc(*t))
}
