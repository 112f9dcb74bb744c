// SPDX-License-Identifier: Apache-2.0

package operation

import (
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/call"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/iam"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

// Service is one of AWS's services.
type Service struct {
	// Name is the prefix of its actions in IAM, Source its name in CloudTrail.
	Name, Source string
	Operations   map[string]Operation
	// Asks are what IAM is asked for a call that is about to have its effect, by the state as it then is; nil: the action on
	// the effect's Resource, and what the effect needs beside it.
	Asks func(*Request, Effect) []iam.Request
}

// Operation is one action.
type Operation struct {
	// ReadOnly operations change nothing and answer from an earlier state when a fault asks for that.
	ReadOnly bool
	// Open operations need no permission.
	Open bool
	// Admit reports whether the service takes the call now, or throttles it; nil: it takes all.
	Admit func(*Request) bool
	// Prepare checks the parameters without looking at the state.
	Prepare func(*Request) (Effect, error)
}

// Effect is what an operation will do.
type Effect struct {
	// Resource is the ARN that the permission is about; empty: *.
	Resource string
	// Subjects are the ids of the EC2 resources that the permission is about and whose tags it may depend on.
	Subjects []string
	// Also are further actions that the caller needs permission for, on Creates: who tags what it creates has to be
	// allowed CreateTags too. AWS judges that by ec2:CreateAction, as what is yet to be made has no tags. An action of
	// another service is written with it: iam:PassRole.
	Also    []string
	Creates string
	// PassedTo is the service that a role in Creates is handed to by iam:PassRole.
	PassedTo string
	// Trail are the requestParameters in CloudTrail.
	Trail any
	// Resources are the resources that CloudTrail lists with the event.
	Resources []region.EventResource
	// Run acts and returns the answer. A nil answer is an empty one.
	Run func() (any, error)
}

// Request is a call on its way.
type Request struct {
	Call     call.Call
	Identity Identity
	Region   *region.Region
	// ReadAt is the time whose state reads see; zero: now.
	ReadAt time.Time
	// Frozen is the moment whose state reads see, in place of ReadAt; nil: none.
	Frozen *uint64
	// At is when the effect takes place, for calls that AWS makes by itself; zero: now.
	At time.Time
	// Form are the parameters of a query protocol, or those in the path and query of a REST one, Body the document of a JSON one.
	Form url.Values
	Body []byte
	// AgentURL is the endpoint for agents that run outside of the simulator, for calls that came by it.
	AgentURL string
	// AssumeRole makes a session of a role for the caller.
	AssumeRole func(caller Identity, ask Assume) (Session, *region.Error)
}

// View is the state that reads see.
func (r *Request) View() region.View {
	if r.Frozen != nil {
		return r.Region.ViewOf(*r.Frozen)
	}
	return r.Region.View(r.ReadAt)
}

// Identity is who calls.
type Identity struct {
	AccessKey, ARN, Account string
	Allow, Deny             []string
	// Policies bound what Allow and Deny let through: it needs what they allow too. None: no bound.
	Policies []*iam.Policy
	// Role is the ARN of the role whose session this is, InvokedBy the service of AWS that acts in it; empty for users.
	Role, InvokedBy string
}

// UserName is the last part of the ARN.
func (i Identity) UserName() string { return i.ARN[strings.LastIndexAny(i.ARN, "/:")+1:] }

// UserID is the unique id that IAM gives to it.
func (i Identity) UserID() string {
	if i.Role != "" {
		return i.RoleID() + ":" + i.UserName()
	}
	return uniqueID("AIDA", i.ARN)
}

// RoleID is the unique id of the role, which all of its sessions share.
func (i Identity) RoleID() string { return uniqueID("AROA", i.Role) }

// KeyID is the access key that a call is signed with. Those that services of AWS make up for
// themselves have one too.
func (i Identity) KeyID() string {
	if i.AccessKey != "" || i.Role == "" {
		return i.AccessKey
	}
	return uniqueID("ASIA", i.ARN)[:20]
}

func uniqueID(prefix, arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// List is the parameters Name.1, Name.2 … in their order.
func List(form url.Values, name string) []string {
	var out []string
	for n := 1; ; n++ {
		v, ok := form[name+"."+strconv.Itoa(n)]
		if !ok {
			return out
		}
		out = append(out, v[0])
	}
}

// Has reports whether the form has a structure at a prefix: Name itself or Name.anything.
func Has(form url.Values, name string) bool {
	for k := range form {
		if k == name || strings.HasPrefix(k, name+".") {
			return true
		}
	}
	return false
}
