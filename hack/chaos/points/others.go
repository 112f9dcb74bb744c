// SPDX-License-Identifier: Apache-2.0

package points

import (
	"context"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/hack/chaos/rig"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/faults"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

const (
	// writtenFor, staleCredentialsFor and elsewhereFor are how long what begins at a point lasts.
	writtenFor, staleCredentialsFor, elsewhereFor = 4 * time.Minute, 2 * time.Minute, 4 * time.Minute
	// rewriteGap is how long a rule is missing that a tool replaces by removing it and adding it again.
	rewriteGap = 15 * time.Second
	// elsewhere is a Region that does not answer, and objectsElsewhere how many objects want something there.
	elsewhere, objectsElsewhere = "eu-west-3", 3
)

// kindsOfOthers are the kinds of fault in which other actors and other objects are in the manager's way.
func kindsOfOthers() []Kind {
	return []Kind{
		{Name: "writers", What: "for four minutes, a third party writes annotations on the object at full speed", on: onObject, strike: write},
		{Name: "wrong-notfound", What: "AWS answers NotFound once to a deletion of something that exists", on: isDeletion, strike: answerNotFound},
		{Name: "credentials-gone", What: "the source of the manager's credentials fails for two minutes", on: awsCall, strike: func(w *rig.World, _ *rig.Step) rig.Verdict {
			w.CredentialsDown(staleCredentialsFor)
			return rig.Verdict{}
		}},
		{Name: "credentials-expired", What: "AWS answers for two minutes that the credentials are expired", on: awsCall, strike: expire},
		{Name: "slow-region", What: "the manager also processes three objects of another Region, which does not answer", on: changes, strike: delayElsewhere},
		{Name: "rewrite", What: "a tool replaces the rule of the original network ACLs that allows all: it removes it and adds it again 15 seconds later", on: changes, strike: rewrite},
	}
}

// notFound are the codes with which AWS says that what is to be deleted is not there.
var notFound = map[string]string{
	"ec2:DeleteNetworkAclEntry": "InvalidNetworkAclEntry.NotFound",
	"ec2:DeleteNetworkAcl":      "InvalidNetworkAclID.NotFound",
}

func isDeletion(s rig.Step) bool { return awsWrite(s) && notFound[s.Action] != "" }

func answerNotFound(_ *rig.World, step *rig.Step) rig.Verdict {
	return rig.Verdict{Fault: &faults.Fault{Error: notFound[step.Action]}}
}

// write has a third party write the object before each call to AWS and every other write of the manager: faster than that
// no client could write and the manager still get a word in.
func write(w *rig.World, step *rig.Step) rig.Verdict {
	w.Crowd(step.Object, writtenFor)
	return rig.Verdict{}
}

// expire has AWS refuse what is signed with the manager's credentials.
func expire(w *rig.World, _ *rig.Step) rig.Verdict {
	for service := range codes {
		code := "ExpiredTokenException"
		if service == "ec2" || service == "sts" {
			code = map[string]string{"ec2": "RequestExpired", "sts": "ExpiredToken"}[service]
		}
		lasting(w, staleCredentialsFor, faults.Fault{Action: service + ":*", Error: code, DryRuns: true})
	}
	return rig.Verdict{}
}

// delayElsewhere makes objects in a Region that does not answer, and deletes them after a while.
func delayElsewhere(w *rig.World, _ *rig.Step) rig.Verdict {
	ctx := context.Background()
	spec := v1alpha1.AgentDisconnectSpec{
		Cluster: cluster, SubnetID: aloneSubnet, Region: elsewhere, Duration: metav1.Duration{Duration: short},
	}
	var errs []error
	for i := range objectsElsewhere {
		name := fmt.Sprintf("elsewhere-%d", i)
		errs = append(errs, w.Create(ctx, name, spec))
		w.At(elsewhereFor, func() {
			if err := w.Delete(ctx, name); err != nil {
				w.Complain("object %s was not deleted: %v", name, err)
			}
		})
	}
	return rig.Verdict{Err: errors.Join(errs...)}
}

// rewrite replaces a rule as Terraform does. From then on no clone may deny the subnet's other traffic while its original
// allows it.
func rewrite(w *rig.World, _ *rig.Step) rig.Verdict {
	w.WatchTraffic()
	each := func(edit func(r *region.Region, id string) error) error {
		return w.EditAsThirdParty(func(r *region.Region) error {
			var errs []error
			for _, id := range []string{aloneACL, sharedACL} {
				errs = append(errs, missing(edit(r, id))) // a scenario may have deleted it
			}
			return errors.Join(errs...)
		})
	}
	rule := region.AllowAll(100, true)
	err := each(func(r *region.Region, id string) error {
		return r.DeleteNetworkACLEntry(id, rule.RuleNumber, rule.Egress)
	})
	w.At(rewriteGap, func() {
		if err := each(func(r *region.Region, id string) error { return r.CreateNetworkACLEntry(id, rule) }); err != nil {
			w.Complain("the rule was not added again: %v", err)
		}
	})
	return rig.Verdict{Err: err}
}
