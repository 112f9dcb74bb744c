// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
	"agentdisconnect.dev/agentdisconnect/controllers/sweep"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const (
	adoptedID    = "acl-0ad0ad0ad0ad0ad0a"
	unreadableID = "acl-0bad0bad0bad0bad0"
)

// adopted and unreadable are network ACLs that only a person undoes.
func (w *world) adopted() {
	w.Helper()
	w.Expect(w.sim.Region().AddNetworkACL(region.ACL{ID: adoptedID, VPCID: vpcID, Tags: map[string]string{ownership.TagAdopted: "2026-11-20T15:30:00Z"}})).To(Succeed())
	w.Expect(w.sim.Region().MoveSubnet(plainSubnet, adoptedID)).To(Succeed())
}

func (w *world) unreadable() {
	w.Helper()
	w.Expect(w.sim.Region().AddNetworkACL(region.ACL{ID: unreadableID, VPCID: vpcID, Tags: map[string]string{
		ownership.TagDomain + "c4b3a291-0f1e-4d2c-8b3a-495867768594": "v1 a person wrote this",
	}})).To(Succeed())
}

const everyKind = `Account 123456789012, Region ap-northeast-1

KIND         NETWORK ACL             SUBNETS                    OWNER           CLUSTER    AGE      EXPIRES   RULES    NOTE
adopted      acl-0ad0ad0ad0ad0ad0a   subnet-0f9b7d5c3e1a86420   <none>          <none>     2d       <none>    <none>   stays: its original was deleted
rules        acl-0b3d6f9a1c5e72840   subnet-0c2e4a6b8d1f35790   staging/demo    6f1d2c3b   3h30m    3h ago    3/3      left behind
unreadable   acl-0bad0bad0bad0bad0   <none>                     <none>          <none>     <none>   <none>    <none>   needs a person's decision: see below
schedules    acl-0feedfeedfeedfeed   <none>                     team-b/armed    6f1d2c3b   <none>   in 20m    <none>   its run is on
clone        acl-0c10c10c10c10c10c   subnet-0e8d6c4b2a9f71350   team-a/cloned   6f1d2c3b   18m      in 12m    3/3      its run is on

Unreadable tags of acl-0bad0bad0bad0bad0: The tag agentdisconnect.dev/c4b3a291-0f1e-4d2c-8b3a-495867768594 can't be read: ` +
	`compare the rules of acl-0bad0bad0bad0bad0 with the page "Undoing a run by hand", and remove what is left of the run.
`

func TestTheListSaysWhereItIsAndWhatIsThere(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	w.adopted()
	w.unreadable()
	w.schedules(leftArmed, "acl-0feedfeedfeedfeed")
	before, writes := w.acls(), w.writes()
	w.Expect(w.run("sweep")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(Equal(everyKind))
	w.Expect(w.acls()).To(Equal(before))
	w.Expect(w.writes()).To(Equal(writes), "a list writes nothing")
}

func TestWideTellsClustersAndRunsApartForCertain(t *testing.T) {
	w := newWorld(t)
	w.clone(leftClone)
	w.Expect(w.run("sweep", "-o", "wide")).To(Equal(exitDone), w.said())
	for _, want := range []string{"UID", "ORIGINAL", thisOne, uidOfClone, sharedACL} {
		w.Expect(w.out.String()).To(ContainSubstring(want))
	}
}

func TestNothingIsSaidInASentence(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"sweep"}, {"sweep", "--apply", "--yes"}} {
		w.Expect(w.run(args...)).To(Equal(exitDone), w.said())
		w.Expect(w.out.String()).To(HavePrefix("Account 123456789012, Region ap-northeast-1\n"))
		w.Expect(w.out.String()).To(ContainSubstring("Runs left nothing here"))
		w.Expect(w.out.String()).NotTo(ContainSubstring("KIND"))
	}
	w.Expect(w.writes()).To(BeEmpty())
}

func TestAnotherRegionHasNothingOfThisOne(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	before := w.acls()
	w.program.load = func(context.Context) (awssdk.Config, error) { return w.sim.ConfigFor(managersKey), nil } // policies are for one Region
	w.Expect(w.run("sweep", "--region", "eu-west-1", "--apply", "--yes")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(HavePrefix("Account 123456789012, Region eu-west-1\n"))
	w.Expect(w.out.String()).To(ContainSubstring("Runs left nothing here"))
	w.Expect(w.acls()).To(Equal(before))
}

func TestJSONHasAllThatIsKnown(t *testing.T) {
	w := newWorld(t)
	w.inPlace(leftInPlace)
	w.clone(leftClone)
	w.Expect(w.run("sweep", "-o", "json")).To(Equal(exitDone), w.said())
	doc := w.document()
	w.Expect(doc.AccountID).To(Equal("123456789012"))
	w.Expect(doc.Region).To(Equal("ap-northeast-1"))
	w.Expect(doc.Found).To(HaveLen(2))
	rules, clone := doc.Found[0], doc.Found[1]
	w.Expect(rules.Kind).To(Equal(sweep.KindRules))
	w.Expect(rules.NetworkACLID).To(Equal(aclID))
	w.Expect(rules.UID).To(Equal(uidOfRules))
	w.Expect(rules.Expires.Time).To(BeTemporally("==", now.Add(-3*time.Hour)))
	w.Expect(rules.Started.Time).To(BeTemporally("==", now.Add(-3*time.Hour-30*time.Minute)))
	w.Expect(rules.Present).To(Equal([]string{
		"egress 80 deny -1 52.119.223.69/32", "egress 81 deny -1 52.119.219.115/32", "egress 90 deny -1 52.119.221.107/32",
	}))
	w.Expect(rules.Rules).To(HaveLen(3))
	w.Expect(rules.Result).To(BeNil())
	w.Expect(clone.Kind).To(Equal(sweep.KindClone))
	w.Expect(clone.OriginalID).To(Equal(sharedACL))
	w.Expect(clone.SubnetIDs).To(Equal([]string{sharedSubnet}))
	w.Expect(clone.Owner).To(Equal("team-a/cloned"))
	w.Expect(clone.ClusterID).To(Equal(thisOne))
}

func TestJSONOfNothingIsAnEmptyList(t *testing.T) {
	w := newWorld(t)
	w.Expect(w.run("sweep", "-o", "json")).To(Equal(exitDone), w.said())
	w.Expect(w.out.String()).To(ContainSubstring(`"found": []`))
}

// document is what was printed, with no text beside it.
func (w *world) document() document {
	w.Helper()
	var doc document
	decoder := json.NewDecoder(strings.NewReader(w.out.String()))
	decoder.DisallowUnknownFields()
	w.Expect(decoder.Decode(&doc)).To(Succeed(), w.out.String())
	w.Expect(decoder.More()).To(BeFalse())
	return doc
}

func TestFlagsChoose(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"all":                         {nil, []string{uidOfRules, uidOfClone}},
		"those that are over":         {[]string{"--expired"}, []string{uidOfRules}},
		"those of an object":          {[]string{"--uid", uidOfClone}, []string{uidOfClone}},
		"of no object":                {[]string{"--uid", uidOfClone[:8]}, nil},
		"those of a cluster":          {[]string{"--cluster-id", another}, []string{uidOfClone}},
		"by its short id":             {[]string{"--cluster-id", thisOne[:8]}, []string{uidOfRules}},
		"of a cluster with none":      {[]string{"--cluster-id", "00000000"}, nil},
		"over, and of another object": {[]string{"--expired", "--uid", uidOfClone}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			theirs := leftClone
			theirs.cluster = another
			w.inPlace(leftInPlace)
			w.clone(theirs)
			w.Expect(w.run(append([]string{"sweep", "-o", "json"}, tc.args...)...)).To(Equal(exitDone), w.said())
			var uids []string
			for _, f := range w.document().Found {
				uids = append(uids, f.UID)
			}
			w.Expect(uids).To(Equal(tc.want))
			w.Expect(w.run(append([]string{"sweep"}, tc.args...)...)).To(Equal(exitDone), w.said())
			if len(tc.want) < 2 {
				w.Expect(w.out.String()).To(MatchRegexp(`leave out [12] other finding`), "what isn't shown is counted")
			}
		})
	}
}

func TestTimesAreAsKubectlHasThem(t *testing.T) {
	g := NewWithT(t)
	for want, at := range map[string]time.Time{
		"in 12m": now.Add(12 * time.Minute), "3h ago": now.Add(-3 * time.Hour), "45s ago": now.Add(-45 * time.Second),
		"2d ago": now.Add(-48 * time.Hour), "0s ago": now, "<none>": {},
	} {
		g.Expect(expiry(at, now)).To(Equal(want))
	}
	g.Expect(age(now.Add(-90*time.Minute), now)).To(Equal("90m"))
	g.Expect(age(time.Time{}, now)).To(Equal("<none>"))
}
