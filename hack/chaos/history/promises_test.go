// SPDX-License-Identifier: Apache-2.0

package history

import (
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// A play in which the manager does what it should not, or is away without an announcement, shows that each promise is
// looked at.
func newTestPlay(t *testing.T, armed bool) (*play, *ec2.Client) {
	g := NewWithT(t)
	p, err := newPlay(t.Context(), plane, History{Armed: armed})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.close)
	return p, ec2.NewFromConfig(p.sim.Config())
}

func (p *play) broke(promise string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, v := range p.violations {
		if v.Promise == promise {
			return true
		}
	}
	return false
}

// blocking takes a run of the first object to where its rules act.
func (p *play) blocking(g *WithT, mode string) {
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(10 * time.Minute), Mode: mode})
	p.pass(2 * time.Minute)
	g.Expect(p.violations).To(BeEmpty())
	g.Expect(p.acting()).NotTo(BeEmpty())
}

// vanish ends the manager, and does not note that something stands in its way.
func (p *play) vanish() {
	p.world.Kill()
	p.world.Boot(24 * time.Hour)
}

func TestTheAuditSeesADeletionOfAForeignEntry(t *testing.T) {
	g := NewWithT(t)
	p, client := newTestPlay(t, false)
	_, err := client.DeleteNetworkAclEntry(t.Context(), &ec2.DeleteNetworkAclEntryInput{
		NetworkAclId: awssdk.String(ACLs[dedicated]), RuleNumber: awssdk.Int32(100), Egress: awssdk.Bool(true),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.broke("foreign")).To(BeTrue())
}

func TestTheAuditSeesAnEntryThatNoTagClaims(t *testing.T) {
	g := NewWithT(t)
	p, client := newTestPlay(t, false)
	_, err := client.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{
		NetworkAclId: awssdk.String(ACLs[dedicated]), RuleNumber: awssdk.Int32(80), Egress: awssdk.Bool(true),
		RuleAction: ec2types.RuleActionDeny, Protocol: awssdk.String("-1"), CidrBlock: awssdk.String("52.119.223.69/32"),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.broke("unclaimed")).To(BeTrue())
	p.checkEnd()
	g.Expect(p.broke("leak")).To(BeTrue())
}

func TestTheAuditSeesASubnetThatIsMoved(t *testing.T) {
	g := NewWithT(t)
	p, client := newTestPlay(t, false)
	home, _ := p.region.SubnetACL(Subnets[dedicated])
	_, err := client.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{
		AssociationId: awssdk.String(home.Associations[0].ID), NetworkAclId: awssdk.String(ACLs[shared]),
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.broke("foreign")).To(BeTrue())
}

func TestRulesThatOutlastTheirRunAreSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.blocking(g, "")
	p.vanish()
	p.pass(15 * time.Minute)
	g.Expect(p.broke("in time")).To(BeTrue())
}

func TestABrakeEndsRunsAndIsSeenWhereItDoesNot(t *testing.T) {
	for _, how := range Brakes {
		t.Run(how, func(t *testing.T) {
			g := NewWithT(t)
			p, _ := newTestPlay(t, false)
			p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(30 * time.Minute), Stop: true})
			p.pass(2 * time.Minute)
			g.Expect(p.acting()).NotTo(BeEmpty())
			p.do(Op{Do: Brake, How: how, For: Span(10 * time.Minute)})
			p.pass(30 * time.Second)
			g.Expect(p.acting()).To(BeEmpty())
			g.Expect(p.violations).To(BeEmpty())

			p, _ = newTestPlay(t, false)
			p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(30 * time.Minute), Stop: true})
			p.pass(2 * time.Minute)
			p.vanish()
			p.do(Op{Do: Brake, How: how, For: Span(10 * time.Minute)})
			p.pass(endsWithin + time.Minute)
			g.Expect(p.broke("in time")).To(BeTrue())
		})
	}
}

// While a brake is engaged no run begins, and once it is released they do.
func TestRunsBeginOnceABrakeIsReleased(t *testing.T) {
	for _, how := range Brakes {
		t.Run(how, func(t *testing.T) {
			g := NewWithT(t)
			p, _ := newTestPlay(t, false)
			p.do(Op{Do: Brake, How: how, For: Span(5 * time.Minute)})
			p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(30 * time.Minute), Stop: true})
			p.pass(4 * time.Minute)
			obj, _ := p.object("anna")
			g.Expect(obj.Status.StartTime).To(BeNil())
			g.Expect(p.isRefusedByBrake(obj)).To(BeTrue())
			p.pass(4 * time.Minute)
			g.Expect(p.acting()).NotTo(BeEmpty())
			g.Expect(p.violations).To(BeEmpty())
		})
	}
}

func TestARunThatABrakeDoesNotStopIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.blocking(g, "")
	p.do(Op{Do: Suspend, Object: "anna"})
	p.pass(time.Minute)
	g.Expect(p.acting()).To(BeEmpty())
	p.vanish()
	p.do(Op{Do: Brake, How: haltBrake, For: Span(5 * time.Minute)})
	p.pass(endsWithin + time.Minute)
	g.Expect(p.broke("brakes")).To(BeTrue())
}

func TestARunThatBeginsWhileABrakeIsEngagedIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.do(Op{Do: Brake, How: leverBrake, For: Span(5 * time.Minute)})
	g.Expect(p.region.SetSafetyLever(region.LeverDisengaged, "by somebody else")).To(Succeed())
	p.pass(startsWithin + 10*time.Second)
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(30 * time.Minute)})
	p.pass(time.Minute)
	g.Expect(p.broke("brakes")).To(BeTrue())
}

func TestARunThatABrakeKeepsForTooLongIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.do(Op{Do: Brake, How: haltBrake, For: Span(time.Minute)})
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(30 * time.Minute)})
	p.pass(30 * time.Second)
	p.vanish()
	p.pass(resumesWithin + 2*time.Minute)
	g.Expect(p.broke("resumes")).To(BeTrue())
}

func TestAStatusThatIsNotTrueAnyMoreIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.blocking(g, "")
	p.vanish()
	p.do(Op{Do: RemoveRule, ACL: dedicated})
	p.pass(noticedWithin + time.Minute)
	g.Expect(p.broke("honest")).To(BeTrue())
}

func TestASwitchThatDoesNotFireIsSeen(t *testing.T) {
	for _, works := range []bool{true, false} {
		g := NewWithT(t)
		p, _ := newTestPlay(t, true)
		p.blocking(g, "Clone")
		if !works {
			role, _ := p.region.Roles().Get(p.options.DeadManRoleARN)
			role.Allow = nil
			p.region.Roles().Put(role)
		}
		p.do(Op{Do: Off, For: Span(24 * time.Hour)})
		p.pass(time.Hour)
		g.Expect(p.broke("switch")).To(Equal(!works))
		g.Expect(p.broke("in time")).To(BeFalse(), "something stands in the manager's way")
	}
}

// verifying takes a run of the first object, which a caller met AGENT in, to where it only looks at its
// callers.
func (p *play) verifying(g *WithT) {
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(2 * time.Minute), Recover: Span(time.Minute)})
	p.pass(time.Minute)
	p.do(Op{Do: Call, Subnet: dedicated, Nth: 1})
	p.pass(3 * time.Minute)
	obj, _ := p.object("anna")
	g.Expect(run.IsVerifying(&obj.Status)).To(BeTrue())
	g.Expect(p.violations).To(BeEmpty())
}

func TestARunThatLooksAtItsCallersForTooLongIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.verifying(g)
	p.vanish()
	p.pass(40 * time.Minute)
	g.Expect(p.broke("verifying")).To(BeTrue())
}

func TestADeletionThatWaitsForCallersIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.verifying(g)
	p.vanish()
	p.do(Op{Do: Delete, Object: "anna"})
	p.pass(3 * time.Minute)
	g.Expect(p.broke("deletion")).To(BeTrue())
}

func TestRunsThatLookAtTheirCallersBreakNoPromise(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.verifying(g)
	p.pass(30 * time.Minute)
	obj, _ := p.object("anna")
	g.Expect(obj.Status.CompletionTime).NotTo(BeNil())
	g.Expect(obj.Status.Callers.NotRecovered).To(BeEquivalentTo(1))
	p.checkEnd()
	g.Expect(p.violations).To(BeEmpty())
}

func TestRulesThatActOnAnotherSubnetAreSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.blocking(g, "")
	p.vanish()
	p.do(Op{Do: MoveSubnet, Subnet: plain, ACL: dedicated})
	p.pass(noticedWithin + time.Minute)
	g.Expect(p.broke("target")).To(BeTrue())
}

func TestAnObjectThatIsNotOverIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.blocking(g, "")
	p.checkEnd()
	g.Expect(p.broke("unfinished")).To(BeTrue())
	g.Expect(p.broke("leak")).To(BeTrue())
}

func TestWhatIsNotUsedIsNoViolation(t *testing.T) {
	g := NewWithT(t)
	p, _ := newTestPlay(t, false)
	p.do(Op{Do: AddEntry, ACL: dedicated, Entry: &Entry{Number: 50, CIDR: region.AllowAll(1, true).CIDR}})
	p.do(Op{Do: Pass, For: Span(time.Minute)})
	p.checkEnd()
	g.Expect(p.violations).To(BeEmpty())
}

// Runs work in both accounts at a time, on resources that have the same ids.
func TestRunsOfTwoAccountsWorkInTheirOwn(t *testing.T) {
	g := NewWithT(t)
	p, err := newPlay(t.Context(), plane, History{Spoke: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.close)
	g.Expect(p.accounts).To(HaveLen(2))
	for _, op := range []Op{
		{Do: Create, Object: "anna", Subnet: dedicated, For: Span(10 * time.Minute)},
		{Do: Create, Object: "anna", Subnet: dedicated, For: Span(10 * time.Minute), There: true},
		{Do: AddEntry, ACL: dedicated, Entry: &Entry{Number: 50, CIDR: region.AllowAll(1, true).CIDR, Port: 22}, There: true},
	} {
		p.do(op)
	}
	p.pass(2 * time.Minute)
	for _, account := range p.accounts {
		g.Expect(account.acting()).NotTo(BeEmpty(), account.account)
		obj, _ := account.object("anna")
		g.Expect(obj.Status.Target.AccountID).To(Equal(account.account))
	}

	// The sweeper works in each.
	p.do(Op{Do: Force, Object: "anna", Gone: true, There: true})
	p.pass(20 * time.Minute)
	g.Expect(p.accounts[1].acting()).To(BeEmpty())
	p.finish(true)
	g.Expect(p.violations).To(BeEmpty())
}

func TestARunThatWorksInAnotherAccountIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, err := newPlay(t.Context(), plane, History{Spoke: true})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.close)
	p.world.Options.NamespaceRoles = nil // the managers' own credentials are of the other account
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(10 * time.Minute)})
	p.pass(2 * time.Minute)
	g.Expect(p.broke("account")).To(BeTrue())
}

// While the manager waits for the turns of its calls, an end may be later, by what the limit explains and no more.
func TestAnEndThatIsLaterThanTheLimitExplainsIsSeen(t *testing.T) {
	g := NewWithT(t)
	p, err := newPlay(t.Context(), plane, History{Reads: 1, Changes: 0.5})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(p.close)
	p.do(Op{Do: Create, Object: "anna", Subnet: dedicated, For: Span(10 * time.Minute)})
	p.pass(5 * time.Minute)
	g.Expect(p.acting()).NotTo(BeEmpty())
	g.Expect(p.world.Waited()).To(BeNumerically(">", 10*time.Second))
	p.vanish()
	p.pass(10 * time.Minute)
	g.Expect(p.broke("in time")).To(BeTrue(), "nobody waited for a turn")
}
