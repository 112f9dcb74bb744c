// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/ledger"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/options"
	"agentdisconnect.dev/agentdisconnect/controllers/problem"
	"agentdisconnect.dev/agentdisconnect/controllers/run"
	"agentdisconnect.dev/agentdisconnect/controllers/run/runtest"
)

// What a pass happens to know, a bit each.
const (
	isDeleted = 1 << iota
	hasRead
	hasDenies // in the network ACL as read
	onSubnet
	hasWait
	hasTrouble
	sawEndpoints
)

// fuzzed is a pass, and the network ACL that it read.
type fuzzed struct {
	*reconciliation

	acl *networkacl.ACL
}

// edited is a pass over an object whose status and spec are any JSON that decodes.
func edited(status, spec []byte, seconds int64, bits uint8) (s fuzzed, trouble *problem.Problem, err error) {
	obj := &v1alpha1.AgentDisconnect{}
	if err := errors.Join(json.Unmarshal(status, &obj.Status), json.Unmarshal(spec, &obj.Spec)); err != nil {
		return fuzzed{}, nil, err
	}
	obj.Name, obj.Namespace, obj.UID, obj.Generation = "outage", "team-a", types.UID("7b0fd6a2-6c36-4d0f-9a55-0d0b6b8f7c11"), 3
	obj.CreationTimestamp = *runtest.At(-60)
	if bits&isDeleted != 0 {
		obj.DeletionTimestamp = runtest.At(0)
	}
	now := runtest.Start.Add(time.Duration(seconds%1e6) * time.Second)
	r := New(nil, nil, nil, aws.NewSessions(awssdk.Config{}, "agentdisconnect", "test"), clocktesting.NewFakeClock(now), options.Options{ClusterID: "c"})
	s = fuzzed{reconciliation: r.open(obj, now)}
	if bits&hasRead != 0 {
		s.acl = &networkacl.ACL{ID: runtest.ACL, Entries: []networkacl.Entry{{Number: 100, Egress: true, Allow: true, Protocol: "-1", CIDR: netip.MustParsePrefix("0.0.0.0/0")}}}
		if bits&onSubnet != 0 {
			s.acl.SubnetIDs = []string{obj.Spec.SubnetID}
		}
		if bits&hasDenies != 0 {
			for i, destination := range run.Desired(obj) {
				s.acl.Entries = append(s.acl.Entries, networkacl.Deny(int32(1+i%99), destination.CIDR))
			}
		}
		s.seen.enforcement.Entries.NoteRead(s.acl, now)
	}
	switch {
	case bits&hasTrouble != 0:
		trouble = problem.Refuse(v1alpha1.ReasonAccessDenied, "grant it")
	case bits&hasWait != 0:
		trouble = problem.Wait(v1alpha1.ReasonThrottled, "AWS limits the rate")
	}
	if bits&sawEndpoints != 0 {
		_, _ = s.Cache.Endpoints.Get(s.Now, "", func() ([]discovery.VPCEndpoint, error) { return nil, nil })
	}
	return s, trouble, nil
}

// Whatever is written into a status, the rules that it names come before all else, and no condition claims what was
// not seen.
func FuzzEditedStatus(f *testing.F) {
	spec := []byte(`{"cluster":"demo","subnetID":"subnet-0a1b2c3d","duration":"10m"}`)
	files, err := filepath.Glob("testdata/statuses/*.json")
	NewWithT(f).Expect(err).NotTo(HaveOccurred())
	NewWithT(f).Expect(files).To(HaveLen(13))
	for _, file := range files {
		status, err := os.ReadFile(file)
		NewWithT(f).Expect(err).NotTo(HaveOccurred())
		for _, bits := range []uint8{0, hasRead | onSubnet, hasRead | hasDenies | onSubnet | sawEndpoints, hasTrouble, isDeleted | hasWait} {
			f.Add(status, spec, int64(300), bits)
		}
		f.Add(status, []byte(`{"mode":"Plan","runID":"two","duration":"1h","suspend":true,"startAfter":"2026-01-02T04:00:00Z"}`), int64(3600), uint8(0))
	}
	f.Add([]byte(`{"rules":[{"networkACLID":"acl-1","ruleNumber":32767,"cidr":"0.0.0.0/0","state":"Installed"}],"completionTime":"2026-01-02T03:04:05Z","restoredTime":"2026-01-02T03:04:05Z"}`), spec, int64(0), uint8(0))
	f.Add([]byte(`{"startTime":"2026-01-02T03:04:05Z","agents":{"total":3,"containerInstances":[{"arn":"","gone":true}]},"networkACL":{"mode":"Clone","state":"Serving","baseline":["x"]}}`), spec, int64(0), uint8(hasRead))
	f.Add([]byte(`{"startTime":"2026-01-02T03:04:05Z","expirationTime":"2999-12-31T23:59:59Z","agents":{"total":2147483647,"disconnected":2147483647,"uncounted":-1},"endpoints":[{"hostname":"a","session":"ACS","addresses":["x","::ffff:192.0.2.1","fe80::1%eth0"]}]}`), spec, int64(0), uint8(hasRead|hasDenies|onSubnet))
	f.Fuzz(func(t *testing.T, status, spec []byte, seconds int64, bits uint8) {
		s, trouble, err := edited(status, spec, seconds, bits)
		if err != nil || len(status) > 8192 || s.Status().Abort != nil && !oneWord.MatchString(s.Status().Abort.Reason) {
			return // the API server takes no such object
		}
		g := NewWithT(t)
		expectMode(g, s)
		expectLedger(g, s)
		before := s.Object.DeepCopy()
		s.setConditions(trouble)
		if s.Phase != run.Finished || before.Status.Plan != nil {
			expectConditions(g, s)
		}
		after := s.Object.DeepCopy()
		s.setConditions(trouble)
		g.Expect(equality.Semantic.DeepEqual(s.Object, after)).To(BeTrue(), "or every pass would write the status again")
		before.Status.Conditions, before.Status.ObservedGeneration = after.Status.Conditions, after.Status.ObservedGeneration
		before.Status.Plan, before.Status.State, before.Status.Reason = after.Status.Plan, after.Status.State, after.Status.Reason
		if before.Status.Agents != nil {
			before.Status.Agents.Reached = after.Status.Agents.Reached
		}
		g.Expect(equality.Semantic.DeepEqual(before, after)).To(BeTrue(), "conditions are all that is computed")
	})
}

var oneWord = regexp.MustCompile(`^[A-Z][A-Za-z]*$`)

func expectMode(g Gomega, s fuzzed) {
	status := s.Status()
	_, change := run.PhaseAt(s.Object, s.Now)
	begun := s.Phase == run.Active || s.Phase == run.Suspended && status.StartTime != nil
	if len(status.Rules) > 0 {
		g.Expect(run.IsRestored(status)).To(BeFalse())
		g.Expect(begun || slices.Contains([]run.Phase{run.Deleting, run.Aborted, run.Expired}, s.Phase)).To(BeTrue(), "%s, and there are rules", s.Phase)
	}
	if s.Phase == run.Finished {
		g.Expect(status.CompletionTime).NotTo(BeNil())
		g.Expect(run.IsRestored(status)).To(BeTrue())
	}
	if begun {
		g.Expect(s.Now).To(BeTemporally("<", run.Expiration(status)))
		g.Expect(change).To(BeTemporally("==", run.Expiration(status)), "the end is never slept through")
	}
}

// expectLedger: what is acted on is of our shape, and of the network ACL that the run is on.
func expectLedger(g Gomega, s fuzzed) {
	valid, err := ledger.Valid(s.Object)
	g.Expect(err == nil).To(Equal(len(valid) == len(s.Status().Rules)))
	if err != nil {
		found := problem.Explain(err)
		g.Expect(found.Reason).To(Equal(v1alpha1.ReasonLedgerInvalid))
		g.Expect(found.Stalled).To(BeTrue())
	}
	for _, line := range valid {
		e := networkacl.EntryOf(line)
		g.Expect(e.Egress && !e.Allow && e.Protocol == networkacl.AllProtocols && e.CIDR.IsValid()).To(BeTrue())
		g.Expect(e.Number).To(And(BeNumerically(">=", networkacl.FirstNumber), BeNumerically("<=", networkacl.LastNumber)))
		g.Expect(line.NetworkACLID).To(Equal(idOf(s.Status().NetworkACL)))
		g.Expect(e.CIDR.IsSingleIP() || len(run.DeniedRanges(s.Object)) > 0).To(BeTrue())
	}
	if s.Status().NetworkACL != nil {
		_, _ = clones.ParseCopies(s.Status().NetworkACL.Baseline)
		o := s.Ownership(valid)
		if len(valid) <= v1alpha1.MaxRules {
			g.Expect(ownership.Covered(o.Tags(), o)).To(BeTrue())
		}
	}
}

func idOf(acl *v1alpha1.NetworkACL) string {
	if acl == nil {
		return ""
	}
	return acl.ID
}

var reasonForm = regexp.MustCompile(`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`)

func expectConditions(g Gomega, s fuzzed) {
	status := s.Status()
	for _, conditionType := range []string{
		v1alpha1.ConditionSucceeded, v1alpha1.ConditionEndpointsDiscovered, v1alpha1.ConditionRulesInstalled, v1alpha1.ConditionAgentsDisconnected,
	} {
		c := meta.FindStatusCondition(status.Conditions, conditionType)
		g.Expect(c).NotTo(BeNil(), "a defined value in every state")
		g.Expect(reasonForm.MatchString(c.Reason)).To(BeTrue(), c.Reason)
		g.Expect(len(c.Message)).To(BeNumerically("<=", 32768))
	}
	if succeeded := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSucceeded); succeeded.Status != metav1.ConditionUnknown {
		g.Expect(run.IsRestored(status)).To(BeTrue(), "%s, and not all is gone", succeeded.Reason)
	}
	if meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionRulesInstalled) {
		g.Expect(s.acl).NotTo(BeNil(), "nothing was read")
		g.Expect(s.Phase).To(Equal(run.Active))
		g.Expect(s.acl.SubnetIDs).To(ContainElement(s.Object.Spec.SubnetID))
		for _, destination := range run.Desired(s.Object) {
			_, denied := networkacl.Denied(s.acl.Entries, destination)
			g.Expect(denied).To(BeTrue(), "%v", destination)
		}
	}
	if meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReconciling) {
		g.Expect(meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)).To(BeNil())
	}
}
