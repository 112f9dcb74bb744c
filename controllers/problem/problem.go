// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/controllers/discovery"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/clones"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
)

// Passes reports whether an error says no more than that AWS does not answer for now.
func Passes(err error) bool {
	if _, known := errors.AsType[*Problem](err); known {
		return false
	}
	class := aws.Classify(err)
	return class == aws.Unanswered || class == aws.Throttled
}

// AsError is the problem as an error; nil: none.
func (p *Problem) AsError() error {
	if p == nil {
		return nil
	}
	return p
}

// Problem is why a pass could not go on: the words for the status, and whether a person must act.
// It says the same for the same cause every time.
type Problem struct {
	Reason  string
	Message string
	// Stalled: nothing changes until a person does something.
	Stalled bool
	// NotBefore is when the next attempt is worth it at the earliest; zero: it goes by the kind of
	// problem.
	NotBefore time.Time
}

// Error implements error.
func (p *Problem) Error() string { return p.Reason + ": " + p.Message }

// Refuse is a problem that a person must solve.
func Refuse(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// Wait is a problem that passes.
func Wait(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Explain turns what went wrong in a pass into one problem: the worst of several errors that were
// joined.
func Explain(err error) *Problem {
	if err == nil {
		return nil
	}
	return slices.MinFunc(All(err), func(a, b *Problem) int { return severity(a) - severity(b) })
}

// All turns errors that were joined into what they mean, in their order. Missing permissions are
// one of them, which names all.
func All(err error) []*Problem {
	var all []*Problem
	var denied, documents []string
	first := -1
	for _, e := range dropFollowing(Flatten(err)) {
		one := explainOne(e)
		if action := aws.Action(e); action != "" && aws.Classify(e) == aws.Denied {
			denied, documents = append(denied, deniedAction(action, one.Message)), append(documents, "config/iam/"+policyOf(action))
			if first >= 0 {
				continue
			}
			first = len(all)
		}
		all = append(all, one)
	}

	if first >= 0 {
		slices.Sort(denied)
		slices.Sort(documents)
		all[first] = Refuse(v1alpha1.ReasonAccessDenied, "AWS denies the manager's role %s: grant the actions of the product's IAM policy (%s). %s",
			strings.Join(slices.Compact(denied), ", "), strings.Join(slices.Compact(documents), ", "), all[first].Message)
	}
	return all
}

// policyOf names the document of config/iam that grants what a call takes.
func policyOf(call string) string {
	service, _, _ := strings.Cut(call, ":")
	switch call {
	case "ecs:DescribeTaskDefinition", "ecs:RunTask", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:StopTask":
		return "policy-probe.json"
	}
	switch service {
	case "cloudwatch", "fis":
		return "policy-brakes.json"
	case "cloudtrail":
		return "policy-callers.json"
	case "scheduler":
		return "policy-deadman.json"
	}
	return "policy.json"
}

// namedAction is how AWS names the action that a caller lacks.
var namedAction = regexp.MustCompile(`not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)`)

// deniedAction is the action to grant: the one that AWS names. A call that tags what it makes takes
// ec2:CreateTags too.
func deniedAction(call, message string) string {
	if match := namedAction.FindStringSubmatch(message); match != nil {
		return match[1]
	}
	return call
}

// severity orders problems: the one that must be solved first comes first, and any that a person
// must solve comes before those that pass.
func severity(p *Problem) int {
	order := []string{
		v1alpha1.ReasonNoRegion, v1alpha1.ReasonNoRole, v1alpha1.ReasonNoCredentials, v1alpha1.ReasonWrongAccount, v1alpha1.ReasonLedgerInvalid,
		v1alpha1.ReasonNoConsent, v1alpha1.ReasonAccessDenied, v1alpha1.ReasonSubnetNotFound, v1alpha1.ReasonClusterNotFound, v1alpha1.ReasonSubnetNotSupported,
		v1alpha1.ReasonNoConnectedAgents, v1alpha1.ReasonNetworkACLTemporary, v1alpha1.ReasonNetworkACLManaged, v1alpha1.ReasonOtherClusters,
	}

	if i := slices.Index(order, p.Reason); i >= 0 {
		return i
	}

	if p.Stalled {
		return len(order)
	}
	return len(order) + 1
}

func explainOne(err error) *Problem {
	var known *Problem
	var cluster *discovery.ClusterNotFoundError
	var endpoint *discovery.InvalidEndpointError
	var room *networkacl.NoRoomError
	var renumber *clones.RenumberError
	var quota *networkacl.QuotaError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &cluster):
		return Refuse(v1alpha1.ReasonClusterNotFound, "%s in the manager's account and Region: check spec.cluster and spec.region", cluster)
	case errors.As(err, &endpoint):
		return Refuse(v1alpha1.ReasonInvalidEndpoint, "%s. ECS itself never names such an endpoint: check what answers the manager's calls (AWS_ENDPOINT_URL, a proxy)", endpoint)
	case errors.As(err, &renumber):
		return Refuse(v1alpha1.ReasonNoRoom, "%s", renumber)
	case errors.As(err, &room) && room.NetworkACLID == "":
		return Refuse(v1alpha1.ReasonNoRoom, "%s", room)
	case errors.As(err, &room):
		return Refuse(v1alpha1.ReasonNoRoom, "%s, or set spec.networkACLMode to Clone, which gives the copies larger numbers", room)
	case errors.As(err, &quota):
		return Refuse(v1alpha1.ReasonQuotaExceeded, "%s", quota)
	}
	return explainAWS(err)
}

func explainAWS(err error) *Problem {
	action := aws.Action(err)
	var dns *net.DNSError
	switch class := aws.Classify(err); {
	case class == aws.NoCredentials:
		return explainCredentials(err)
	case class == aws.Denied:
		return Refuse(v1alpha1.ReasonAccessDenied, "%s", aws.Message(err))
	case errors.Is(err, ratelimit.ErrBusy):
		return Wait(v1alpha1.ReasonThrottled, "%s has to wait: the manager makes as many calls to the account and Region as it may (--aws-read-rate, --aws-change-rate)", action)
	case class == aws.Throttled:
		return Wait(v1alpha1.ReasonThrottled, "AWS limits the rate of %s: the manager retries", action)
	case aws.HasCode(err, aws.CodeSubnetNotFound):
		return Refuse(v1alpha1.ReasonSubnetNotFound, "the subnet does not exist in the manager's account and Region: check spec.subnetID and spec.region")
	case aws.HasCode(err, aws.CodeClusterNotFound):
		return Refuse(v1alpha1.ReasonClusterNotFound, "the cluster does not exist in the manager's account and Region: check spec.cluster and spec.region")
	case aws.HasCode(err, aws.CodeEntryLimitExceeded):
		return Refuse(v1alpha1.ReasonQuotaExceeded, "%s: delete entries, or raise the quota of rules per network ACL (L-2AEEBF1A)", aws.Message(err))
	case aws.HasCode(err, aws.CodeACLLimitExceeded):
		return Refuse(v1alpha1.ReasonQuotaExceeded, "%s: delete a network ACL of the VPC that is not used, or raise the quota of network ACLs per VPC (L-B4A6D682)", aws.Message(err))
	case aws.HasCode(err, aws.CodeTagLimitExceeded):
		return Refuse(v1alpha1.ReasonTagsFull, "%s: delete tags of the network ACL (it can have 50)", aws.Message(err))
	case class == aws.Unanswered && errors.As(err, &dns) && dns.IsNotFound:
		return Refuse(v1alpha1.ReasonAWSUnavailable, "DNS has no AWS host for %s: check the Region (spec.region, the cluster's ARN), and the manager's DNS. %s", action, aws.Message(err))
	case class == aws.Unanswered && action == "":
		return Wait(v1alpha1.ReasonAWSUnavailable, "AWS gave no usable answer, and the manager retries: %s", aws.Message(err))
	case class == aws.Unanswered:
		return Wait(v1alpha1.ReasonAWSUnavailable, "%s got no usable answer, and the manager retries: %s", action, aws.Message(err))
	default:
		return Refuse(v1alpha1.ReasonAWSRejected, "%s: %s", action, aws.Message(err))
	}
}

// Flatten gives the errors that were joined, in order.
func Flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var flat []error
	for _, e := range joined.Unwrap() {
		flat = append(flat, Flatten(e)...)
	}
	return flat
}
