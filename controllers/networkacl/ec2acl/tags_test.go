// SPDX-License-Identifier: Apache-2.0

package ec2acl_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ec2acl"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/sim"
)

func tagsOf(s *sim.Simulator) map[string]string {
	found, _ := s.Region().NetworkACL(simACL)
	return found.Tags
}

func TestWriteAndRemoveTags(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	g.Expect(s.Region().SetTags(simACL, map[string]string{"Name": "dedicated", "aws:autoscaling:x": "1"})).To(Succeed())
	foreign := tagsOf(s)

	done(g)(ec2acl.WriteTags(t.Context(), client, simACL, map[string]string{"agentdisconnect.dev/uid": "1", "agentdisconnect.dev/uid.2": "a=b"}))
	done(g)(ec2acl.WriteTags(t.Context(), client, simACL, map[string]string{"agentdisconnect.dev/uid": "2"}))
	g.Expect(tagsOf(s)).To(Equal(map[string]string{
		"Name": "dedicated", "aws:autoscaling:x": "1", "agentdisconnect.dev/uid": "2", "agentdisconnect.dev/uid.2": "a=b",
	}))
	found, err := ec2acl.Read(t.Context(), client, simACL)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Tags).To(Equal(tagsOf(s)))

	for range 2 { // there, and no longer there
		done(g)(ec2acl.RemoveTags(t.Context(), client, simACL, []string{"agentdisconnect.dev/uid", "agentdisconnect.dev/uid.2"}))
		g.Expect(tagsOf(s)).To(Equal(foreign))
	}
}

// To AWS, no tag named means all of them.
func TestNoTagsAreNoCall(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	g.Expect(s.Region().SetTags(simACL, map[string]string{"Name": "dedicated"})).To(Succeed())
	done(g)(ec2acl.RemoveTags(t.Context(), client, simACL, nil))
	done(g)(ec2acl.WriteTags(t.Context(), client, simACL, nil))
	g.Expect(tagsOf(s)).To(HaveKeyWithValue("Name", "dedicated"))
	g.Expect(s.Calls()).To(BeEmpty())
}

func TestTagsOfAnACLThatIsNotThere(t *testing.T) {
	g := NewWithT(t)
	_, client := simulate(t)
	missing(g)(ec2acl.RemoveTags(t.Context(), client, missingACL, []string{cloneKey}))
	outcome, err := ec2acl.WriteTags(t.Context(), client, missingACL, map[string]string{cloneKey: ""})
	g.Expect(aws.Classify(err)).To(Equal(aws.NotFound), "%v", err)
	g.Expect(outcome).To(Equal(networkacl.Refused))

	for _, code := range []string{aws.CodeACLNotFound, aws.CodeTaggedNotFound} {
		s, client := simulate(t)
		s.Faults().Add(faults.Fault{Action: "ec2:*Tags", Error: code})
		missing(g)(ec2acl.RemoveTags(t.Context(), client, simACL, []string{cloneKey}))
		outcome, err = ec2acl.WriteTags(t.Context(), client, simACL, map[string]string{cloneKey: ""})
		g.Expect(aws.Classify(err)).To(Equal(aws.NotFound), "%v", err)
		g.Expect(outcome).To(Equal(networkacl.Refused))
	}
}

func TestWriteTagsOverTheLimit(t *testing.T) {
	g := NewWithT(t)
	s, client := simulate(t)
	full := map[string]string{}
	for n := range 50 {
		full[fmt.Sprintf("k%d", n)] = ""
	}
	g.Expect(s.Region().SetTags(simACL, full)).To(Succeed())
	outcome, err := ec2acl.WriteTags(t.Context(), client, simACL, map[string]string{"agentdisconnect.dev/uid": ""})
	g.Expect(aws.Code(err)).To(Equal(aws.CodeTagLimitExceeded))
	g.Expect(outcome).To(Equal(networkacl.Refused))
	g.Expect(tagsOf(s)).To(Equal(full))
	done(g)(ec2acl.WriteTags(t.Context(), client, simACL, map[string]string{"k7": "x"}))
}
