// SPDX-License-Identifier: Apache-2.0

package audit_test

import (
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/hack/audit"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/world"
)

const (
	uid      = "7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"
	denied   = "52.119.223.69/32"
	consent  = "agentdisconnect.dev/allow"
	ourACL   = world.DedicatedACL
	notOurs  = 100 // the number of an entry that the default world has
	ourRule  = 80
	newEntry = 300
)

// manager is one that does what a test has it do, to a Region that is watched.
type manager struct {
	*WithT
	t      *testing.T
	sim    *sim.Simulator
	ec2    *ec2.Client
	clock  *clocktesting.FakeClock
	audit  *audit.Audit
	object *v1alpha1.AgentDisconnect // nil: no run has begun

	mu     sync.Mutex
	broken []audit.Promise
}

func newManager(t *testing.T) *manager {
	m := &manager{WithT: NewWithT(t), t: t, clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Second))}
	var err error
	m.sim, err = sim.Start(t.Context(), sim.Options{NoAgents: true, Clock: m.clock})
	m.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(m.sim.Close)
	m.ec2 = ec2.NewFromConfig(m.sim.Config())
	m.audit = audit.New(audit.Options{
		Simulator: m.sim, Now: m.clock.Now,
		Begun: func() []*v1alpha1.AgentDisconnect {
			if m.object == nil {
				return nil
			}
			return []*v1alpha1.AgentDisconnect{m.object}
		},
		Consent: func() (string, string) { return consent, "default" },
		Notice:  audit.Notice{Consent: time.Minute, Cluster: time.Minute, Believed: time.Minute},
		Violated: func(p audit.Promise, _ string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.broken = append(m.broken, p)
		},
	})
	m.begin()
	return m
}

// begin makes the object of a run in place, with one line that is attempted.
func (m *manager) begin() {
	now := metav1.NewTime(m.clock.Now())
	m.object = &v1alpha1.AgentDisconnect{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "run", UID: uid, Finalizers: []string{v1alpha1.Finalizer}},
		Spec:       v1alpha1.AgentDisconnectSpec{Cluster: world.DefaultCluster, SubnetID: world.DedicatedSubnet, Duration: metav1.Duration{Duration: 10 * time.Minute}},
		Status: v1alpha1.AgentDisconnectStatus{
			StartTime: &now, ExpirationTime: &metav1.Time{Time: now.Add(10 * time.Minute)},
			Target:     &v1alpha1.Target{ClusterARN: world.DefaultClusterARN},
			NetworkACL: &v1alpha1.NetworkACL{ID: ourACL, Mode: v1alpha1.NetworkACLModeInPlace},
			Rules:      []v1alpha1.Rule{{NetworkACLID: ourACL, RuleNumber: ourRule, CIDR: denied, State: v1alpha1.RuleCreating, LastAttemptTime: &now}},
		},
	}
}

// clone has the manager make a clone of the shared network ACL, as a status has it.
func (m *manager) clone() (id string) {
	now := metav1.NewTime(m.clock.Now())
	m.object.Spec.SubnetID = world.SharedSubnet
	m.object.Status.NetworkACL = &v1alpha1.NetworkACL{
		OriginalID: world.SharedACL, Mode: v1alpha1.NetworkACLModeClone, State: v1alpha1.CloneCreating, LastAttemptTime: &now,
	}
	made, err := m.ec2.CreateNetworkAcl(m.t.Context(), &ec2.CreateNetworkAclInput{
		VpcId: new(world.DefaultVPC), ClientToken: new("token"),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeNetworkAcl, Tags: []types.Tag{
			{Key: new(ownership.TagClone), Value: new(uid)}, {Key: new(ownership.TagOriginal), Value: new(world.SharedACL)},
			{Key: new(ownership.TagSubnet), Value: new(world.SharedSubnet)},
		}}},
	})
	m.Expect(err).NotTo(HaveOccurred())
	m.object.Status.NetworkACL.ID = *made.NetworkAcl.NetworkAclId
	return *made.NetworkAcl.NetworkAclId
}

func (m *manager) move(subnet, to string) {
	home, _ := m.sim.Region().SubnetACL(subnet)
	for _, association := range home.Associations {
		if association.SubnetID == subnet {
			_, err := m.ec2.ReplaceNetworkAclAssociation(m.t.Context(), &ec2.ReplaceNetworkAclAssociationInput{AssociationId: &association.ID, NetworkAclId: &to})
			m.Expect(err).NotTo(HaveOccurred())
		}
	}
}

func (m *manager) tag(id string, tags map[string]string) {
	in := &ec2.CreateTagsInput{Resources: []string{id}}
	for key, value := range tags {
		in.Tags = append(in.Tags, types.Tag{Key: &key, Value: &value})
	}
	_, err := m.ec2.CreateTags(m.t.Context(), in)
	m.Expect(err).NotTo(HaveOccurred())
}

// claim writes the tags of the run.
func (m *manager) claim(rules ...v1alpha1.Rule) {
	m.tag(ourACL, ownership.Ownership{
		UID: uid, Owner: "default/run", ClusterID: "cluster", Started: m.object.Status.StartTime.Time,
		Expires: m.object.Status.ExpirationTime.Time, Rules: rules,
	}.Tags())
}

func (m *manager) untag(id string, keys ...string) {
	in := &ec2.DeleteTagsInput{Resources: []string{id}}
	for _, key := range keys {
		in.Tags = append(in.Tags, types.Tag{Key: &key})
	}
	_, err := m.ec2.DeleteTags(m.t.Context(), in)
	m.Expect(err).NotTo(HaveOccurred())
}

func (m *manager) create(id string, number int32, cidr string) {
	_, err := m.ec2.CreateNetworkAclEntry(m.t.Context(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: &id, RuleNumber: &number, Egress: new(true), RuleAction: types.RuleActionDeny, Protocol: new("-1"), CidrBlock: &cidr,
	})
	m.Expect(err).NotTo(HaveOccurred())
}

func (m *manager) delete(id string, number int32) {
	_, err := m.ec2.DeleteNetworkAclEntry(m.t.Context(), &ec2.DeleteNetworkAclEntryInput{NetworkAclId: &id, RuleNumber: &number, Egress: new(true)})
	m.Expect(err).NotTo(HaveOccurred())
}

// read has the manager read network ACLs, which is when the audit looks at what stands.
func (m *manager) read() {
	_, err := m.ec2.DescribeNetworkAcls(m.t.Context(), &ec2.DescribeNetworkAclsInput{})
	m.Expect(err).NotTo(HaveOccurred())
}

// block has the manager put its rule in place as it should.
func (m *manager) block() {
	m.claim(m.object.Status.Rules...)
	m.create(ourACL, ourRule, denied)
	m.Expect(m.broken).To(BeEmpty())
}

func (m *manager) withdrawConsent() {
	m.Expect(m.sim.Region().DeleteTags([]string{world.DedicatedSubnet}, []region.Deletion{{Key: consent}})).To(Succeed())
	m.audit.Observe()
}

func TestEachPromiseIsLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		do     func(*manager)
		broken []audit.Promise
	}{
		"a run as it should be": {do: func(m *manager) {
			m.block()
			m.read()
			m.delete(ourACL, ourRule)
			m.untag(ourACL, ownership.TagKeys(uid)...)
			m.object.Status.Rules = nil
		}},
		"a clone as it should be": {do: func(m *manager) {
			id := m.clone()
			m.object.Status.NetworkACL.State = v1alpha1.CloneAssociating
			m.move(world.SharedSubnet, id)
			m.move(world.SharedSubnet, world.SharedACL)
			_, err := m.ec2.DeleteNetworkAcl(m.t.Context(), &ec2.DeleteNetworkAclInput{NetworkAclId: &id})
			m.Expect(err).NotTo(HaveOccurred())
			_, isClone := m.audit.Clone(id)
			m.Expect(isClone).To(BeTrue())
		}},
		"deletes a third party's entry": {func(m *manager) { m.delete(ourACL, notOurs) }, []audit.Promise{audit.Foreign}},
		"deletes what a third party put in the place of its own": {func(m *manager) {
			m.block()
			m.Expect(m.sim.Region().ReplaceNetworkACLEntry(ourACL, region.AllowAll(ourRule, true))).To(Succeed())
			m.delete(ourACL, ourRule)
		}, []audit.Promise{audit.Foreign}},
		"deletes what it gave up": {func(m *manager) {
			m.block()
			m.object.Status.Rules[0].State = v1alpha1.RuleReleased
			m.delete(ourACL, ourRule)
		}, []audit.Promise{audit.Recorded}},
		"deletes a third party's entry on a clone that serves no subnet": {func(m *manager) {
			id := m.clone()
			m.Expect(m.sim.Region().CreateNetworkACLEntry(id, region.AllowAll(newEntry, true))).To(Succeed())
			m.delete(id, newEntry)
		}, []audit.Promise{audit.IdleClone}},
		"replaces a third party's entry": {func(m *manager) {
			_, err := m.ec2.ReplaceNetworkAclEntry(m.t.Context(), &ec2.ReplaceNetworkAclEntryInput{
				NetworkAclId: new(ourACL), RuleNumber: new(int32(notOurs)), Egress: new(true), RuleAction: types.RuleActionDeny, Protocol: new("-1"), CidrBlock: new(denied),
			})
			m.Expect(err).NotTo(HaveOccurred())
		}, []audit.Promise{audit.Foreign, audit.Recorded, audit.Unclaimed}},
		"deletes a network ACL of a third party": {func(m *manager) {
			home, _ := m.sim.Region().SubnetACL(world.DedicatedSubnet)
			m.Expect(m.sim.Region().AddNetworkACL(region.ACL{ID: "acl-05a4e10000000000a", VPCID: home.VPCID})).To(Succeed())
			_, err := m.ec2.DeleteNetworkAcl(m.t.Context(), &ec2.DeleteNetworkAclInput{NetworkAclId: new("acl-05a4e10000000000a")})
			m.Expect(err).NotTo(HaveOccurred())
		}, []audit.Promise{audit.Foreign}},
		"moves a subnet to a network ACL that is no clone": {func(m *manager) { m.move(world.DedicatedSubnet, world.SharedACL) }, []audit.Promise{audit.Foreign}},
		"moves a subnet before the status says so":         {func(m *manager) { m.move(world.SharedSubnet, m.clone()) }, []audit.Promise{audit.Recorded}},
		"moves a subnet to a clone that no status names": {func(m *manager) {
			id := m.clone()
			m.object.Status.NetworkACL.ID = ""
			m.move(world.SharedSubnet, id)
		}, []audit.Promise{audit.Recorded}},
		"moves a subnet back from a clone that no status names": {func(m *manager) {
			id := m.clone()
			m.object.Status.NetworkACL.State = v1alpha1.CloneAssociating
			m.move(world.SharedSubnet, id)
			m.object = nil
			m.move(world.SharedSubnet, world.SharedACL)
		}, []audit.Promise{audit.Restored}},
		"makes a clone that no status names": {func(m *manager) {
			_, err := m.ec2.CreateNetworkAcl(m.t.Context(), &ec2.CreateNetworkAclInput{VpcId: new(world.DefaultVPC)})
			m.Expect(err).NotTo(HaveOccurred())
		}, []audit.Promise{audit.Recorded}},
		"makes a rule without a line in the ledger": {func(m *manager) {
			m.claim(m.object.Status.Rules...)
			m.object.Status.Rules[0].State = v1alpha1.RuleInstalled
			m.create(ourACL, ourRule, denied)
		}, []audit.Promise{audit.Recorded}},
		"makes a rule before its tags": {func(m *manager) { m.create(ourACL, ourRule, denied) }, []audit.Promise{audit.Recorded, audit.Unclaimed}},
		"makes a rule after the run's end": {func(m *manager) {
			m.claim(m.object.Status.Rules...)
			m.clock.Step(10 * time.Minute)
			m.create(ourACL, ourRule, denied)
		}, []audit.Promise{audit.InTime}},
		"makes the first rule where there is no consent": {func(m *manager) {
			m.claim(m.object.Status.Rules...)
			m.withdrawConsent()
			m.create(ourACL, ourRule, denied)
		}, []audit.Promise{audit.Permitted}},
		"makes the first rule where another cluster has agents": {func(m *manager) {
			m.claim(m.object.Status.Rules...)
			_, err := m.sim.Region().AddContainerInstance(world.OtherCluster, "", region.ContainerInstance{SubnetID: world.DedicatedSubnet})
			m.Expect(err).NotTo(HaveOccurred())
			m.audit.Observe()
			m.create(ourACL, ourRule, denied)
		}, []audit.Promise{audit.Permitted}},
		"keeps a rule where there is no consent any more": {func(m *manager) {
			m.block()
			m.withdrawConsent()
			for range 5 {
				m.clock.Step(20 * time.Second)
				m.read()
			}
		}, []audit.Promise{audit.Permitted}},
		"puts a subnet that never consented on its clone": {func(m *manager) {
			m.Expect(m.sim.Region().DeleteTags([]string{world.SharedSubnet}, []region.Deletion{{Key: consent}})).To(Succeed())
			m.audit.Observe()
			id := m.clone()
			m.object.Status.NetworkACL.State = v1alpha1.CloneAssociating
			m.move(world.SharedSubnet, id)
		}, []audit.Promise{audit.Permitted}},
		"denies an address of an API": {func(m *manager) {
			for address := range m.sim.APIAddresses() {
				if address.Is4() {
					m.object.Status.Rules[0].CIDR = address.String() + "/32"
				}
			}
			m.claim(m.object.Status.Rules...)
			m.create(ourACL, ourRule, m.object.Status.Rules[0].CIDR)
		}, []audit.Promise{audit.Permitted}},
		"writes a tag that is not the product's": {func(m *manager) { m.tag(ourACL, map[string]string{"Name": "x"}) }, []audit.Promise{audit.Foreign, audit.Recorded}},
		"writes tags on another network ACL": {func(m *manager) {
			m.tag(world.SharedACL, map[string]string{ownership.TagDomain + uid: "x"})
		}, []audit.Promise{audit.Recorded}},
		"removes all tags": {func(m *manager) { m.untag(ourACL) }, []audit.Promise{audit.Foreign}},
		"removes its tags before its rule": {func(m *manager) {
			m.block()
			m.untag(ourACL, ownership.TagKeys(uid)...)
		}, []audit.Promise{audit.TagsLast}},
		"deletes a schedule that is not the product's": {func(m *manager) {
			_, err := scheduler.NewFromConfig(m.sim.Config()).DeleteSchedule(m.t.Context(), &scheduler.DeleteScheduleInput{Name: new("nightly-report")})
			m.Expect(err).To(MatchError(ContainSubstring("ResourceNotFoundException")))
		}, []audit.Promise{audit.Schedules}},
		"claims an entry that the ledger lacks": {func(m *manager) {
			m.claim(m.object.Status.Rules...)
			m.object.Status.Rules = nil
			m.untag(ourACL, ownership.TagDomain+"x")
		}, []audit.Promise{audit.Overclaimed}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t)
			tc.do(m)
			seen := map[audit.Promise]bool{}
			for _, p := range m.broken {
				seen[p] = true
			}
			var broken []audit.Promise
			for p := range seen {
				broken = append(broken, p)
			}
			m.Expect(broken).To(ConsistOf(tc.broken))
		})
	}
}

func TestWhatAManagerMadeIsKnown(t *testing.T) {
	m := newManager(t)
	m.block()
	found, _ := m.sim.Region().NetworkACL(ourACL)
	left := m.audit.Left(found)
	m.Expect(left).To(HaveLen(1))
	m.Expect(left[0].UID).To(Equal(uid))
	m.Expect(networkacl.Deny(int32(left[0].RuleNumber), left[0].CIDR).CIDR.String()).To(Equal(denied))
	m.Expect(m.audit.Rules()).To(HaveLen(1))

	m.audit.Lost(ourACL, left[0].Entry)
	m.Expect(m.audit.Left(found)).To(BeEmpty())
}
