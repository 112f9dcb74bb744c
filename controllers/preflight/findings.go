// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/answers"
	"agentdisconnect.dev/agentdisconnect/controllers/brakes"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/original"
	"agentdisconnect.dev/agentdisconnect/controllers/reservation"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/target"
)

// Findings are all that the checks go by: values alone, which no check changes. gather fills them,
// and SettlePlacement reads the network ACL and the clones of others anew.
type Findings struct {
	given
	firstLook
	learned

	// acl is the network ACL that the subnet has; aclRead says that AWS was asked, and answered.
	acl     *networkacl.ACL
	aclRead bool
	// mode is how the run uses that network ACL, and modeReason why; nil: none was read.
	mode       mode
	modeReason v1alpha1.NetworkACLModeReason
	// subnetOnClone says that another run has a subnet of that network ACL on a clone of it.
	subnetOnClone bool
	// foreign are the clones of it that runs of other Kubernetes clusters have.
	foreign []foreignClone
	// instances are the ARNs of the cluster's container instances in the subnet; nil: they could
	// not be listed.
	instances []string
	// shared are the other subnets that a run in place would hit, by id; unshared is why they are
	// not known.
	shared   map[string]target.Subnet
	unshared error
	// others are the other clusters with container instances in the subnets that a run would hit.
	others answers.OtherClusters
	// tenants are the other accounts with network interfaces in the subnet.
	tenants []string
	// unprotected is the error of the lookup of protected addresses: if it is set, not all of them
	// are known.
	unprotected error
	// endpoints are the VPC's interface endpoints of ECS and the other protected APIs.
	endpoints []discovery.VPCEndpoint
	// cloneRoom is how many more network ACLs the VPC has room for, if cloneRoomKnown: only where
	// one is to be made.
	cloneRoom      int
	cloneRoomKnown bool
	// managed are the capacity providers of the target whose instances ECS manages.
	managed []string
	// region is where the run would work, stopping what stops it there, and brakes what AWS said of that.
	region   string
	stopping brakes.Wanted
	brakes   brakes.Reading
	// definition is the task definition of the probe; nil: there is no probe, or it is not known.
	definition *discovery.TaskDefinition
}

// given is what is known without asking anybody.
type given struct {
	// object is the one whose run is to begin, and self what tags would say of the run.
	object *v1alpha1.AgentDisconnect
	self   ownership.Ownership
	// now is the time of the pass.
	now time.Time
	// consent is what the tags of a subnet have to say, maxDuration the longest that a run may
	// last, trailDelay by how much CloudTrail may be late, and allowAdditional says that a spec may
	// name further destinations.
	consent         target.Consent
	maxDuration     time.Duration
	trailDelay      time.Duration
	allowAdditional bool
}

// firstLook is what takes one call of each service to find out.
type firstLook struct {
	accountID, region string

	cluster discovery.Cluster
	subnet  target.Subnet
}

// learned is what this pass and earlier ones came to know of the target.
type learned struct {
	polls    discovery.Polls
	original original.Reads
	quota    answers.EntryQuota
	// exempt are why what the run would deny must not or can't be denied.
	exempt []error
	// noTelemetry are the container instances for which ECS names no TCS endpoint, and mismatch is
	// how the manager's own network path may have shaped what ECS named.
	noTelemetry []string
	mismatch    string
}

// newFindings are those of a pass that has made no call yet.
func (p *Preflight) newFindings() *Findings {
	return &Findings{given: given{
		object: p.Object, self: p.Ownership(nil), now: p.Now,
		consent: p.Consent(), maxDuration: p.Options.MaxDuration, trailDelay: p.Options.CloudTrailDelay, allowAdditional: p.Options.AllowAdditionalEndpoints,
	}}
}

// learn takes what the passes learned into the findings, when all was asked.
func (p *Preflight) learn(f *Findings) {
	f.learned = learned{
		polls: p.History.Polls, original: p.Original, quota: p.Quota,
		noTelemetry: p.WithoutTelemetry(f.instances), mismatch: p.Mismatch(),
	}
	if p.Clients != nil {
		f.exempt = p.ProtectedRefusals()
	}
}

func (f *Findings) spec() *v1alpha1.AgentDisconnectSpec { return &f.object.Spec }

// denied are the destinations that the run would deny.
func (f *Findings) denied() []networkacl.Destination { return run.Desired(f.object) }

// Reservation is what the run would need for itself.
func (f *Findings) Reservation() reservation.Reservation {
	return reservation.Reservation{
		AccountID: f.accountID, Region: f.region, NetworkACLID: f.acl.ID, SubnetID: f.spec().SubnetID, Mode: f.mode.name(),
	}
}

// hit are the subnets that the denies of the run would act on.
func (f *Findings) hit() []string {
	acl := f.acl
	if acl != nil && f.mode.name() == v1alpha1.NetworkACLModeClone {
		acl = nil // the denies will be on a clone of it
	}
	return networkacl.SubnetsHit(acl, f.spec().SubnetID)
}

// mayHitOthers reports whether the denies of the run may act on other subnets than its own: only if
// the spec asks for them in place, since else a network ACL with several subnets is cloned.
func (f *Findings) mayHitOthers() bool {
	return f.spec().NetworkACLMode == v1alpha1.NetworkACLModeInPlace
}
