// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

const (
	own      = "subnet-0a1b2c3d4e5f60718"
	other    = "subnet-0aaaaaaaaaaaaaaaa"
	account  = "111122223333"
	foreigns = "444455556666"
	arnA     = "arn:aws:ecs:ap-northeast-1:111122223333:container-instance/prod/a"
	arnB     = "arn:aws:ecs:ap-northeast-1:111122223333:container-instance/prod/b"
	uid      = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	otherUID = "0c4d1f8e-1111-4222-8333-944445555666"
	consent  = "agentdisconnect.dev/allow"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// change is what the findings have otherwise than those that nothing stands against.
type change func(*Findings)

// findings are those of a target that nothing stands against, with changes.
func findings(changes ...change) *Findings {
	obj := &v1alpha1.AgentDisconnect{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "cut", UID: uid}}
	obj.Spec = v1alpha1.AgentDisconnectSpec{Cluster: "prod", SubnetID: own, Duration: metav1.Duration{Duration: 10 * time.Minute}}
	obj.Status.Endpoints = []v1alpha1.Endpoint{{Hostname: "ecs-a-1.example", Session: v1alpha1.EndpointACS, Addresses: []string{"192.0.2.1", "192.0.2.2"}}}
	f := &Findings{
		given: given{
			object: obj, now: now, self: ownership.Ownership{UID: uid, Owner: "team/cut", ClusterID: "kube-1"},
			consent: target.Consent{TagKey: consent, Namespace: obj.Namespace}, maxDuration: time.Hour, allowAdditional: true,
		},
		firstLook: firstLook{
			accountID: account, cluster: discovery.Cluster{ARN: "arn:aws:ecs:ap-northeast-1:111122223333:cluster/prod"},
			subnet: target.Subnet{VPCID: "vpc-1", OwnerID: account, Tags: map[string]string{consent: "true"}},
		},
		learned: learned{quota: answers.EntryQuota{Value: 20}},
		acl: &networkacl.ACL{
			ID: "acl-1", VPCID: "vpc-1", Entries: slices.Clone(acltest.AllowAll), SubnetIDs: []string{own}, Tags: map[string]string{},
		},
		aclRead: true, instances: []string{arnA, arnB}, cloneRoom: 3, cloneRoomKnown: true,
	}
	polled(map[string]discovery.Agent{arnA: {Connected: true}, arnB: {Connected: true}})(f)
	f.original.Observe(f.acl, now.Add(-time.Minute))
	f.original.Observe(f.acl, now)
	for _, alter := range changes {
		alter(f)
	}
	f.chooseMode()
	return f
}

// polled has ECS say the same of agents twice.
func polled(agents map[string]discovery.Agent) change {
	return func(f *Findings) {
		f.polls = discovery.Polls{}
		f.polls.Add(discovery.NewPoll(now.Add(-15*time.Second), agents))
		f.polls.Add(discovery.NewPoll(now, agents))
	}
}

// in has the spec ask for a mode by name.
func in(name v1alpha1.NetworkACLMode) change {
	return func(f *Findings) { f.spec().NetworkACLMode = name }
}

// sharedACL has another subnet on the network ACL, with tags.
func sharedACL(tags map[string]string) change {
	return func(f *Findings) {
		f.acl.SubnetIDs = []string{other, own}
		f.shared = map[string]target.Subnet{other: {VPCID: "vpc-1", Tags: tags}}
	}
}

// claimed has the tags of a run on the network ACL.
func claimed(of, clusterID string, expires time.Time) change {
	return func(f *Findings) {
		o := ownership.Ownership{UID: of, Owner: "else/where", ClusterID: clusterID, Started: expires.Add(-time.Hour), Expires: expires}
		maps.Copy(f.acl.Tags, o.Tags())
	}
}

// clonedFor has a run of another Kubernetes cluster have a clone of the network ACL for a subnet.
func clonedFor(subnetID string) change {
	return func(f *Findings) {
		f.foreign = append(f.foreign, foreignClone{"acl-9", subnetID, ownership.Claim{Owner: "else/where", ClusterID: "kube-2", Expires: now.Add(time.Hour)}})
	}
}

// withInterfaceAt gives the VPC an endpoint for a service, with an interface in a subnet.
func withInterfaceAt(subnetID, service string) change {
	return func(f *Findings) {
		f.endpoints = append(f.endpoints, discovery.VPCEndpoint{ID: "vpce-1", Service: service, Interfaces: []discovery.Interface{{ID: "eni-1", SubnetID: subnetID}}})
	}
}

// denyingAll has entries of third parties deny the agents' hosts.
func denyingAll(f *Findings) {
	f.acl.Entries = append([]networkacl.Entry{acltest.DenyOut(10, "192.0.2.0/24")}, f.acl.Entries...)
}
