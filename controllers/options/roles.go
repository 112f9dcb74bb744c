// SPDX-License-Identifier: Apache-2.0

package options

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// NamespaceRole is the role that the runs of one namespace work with, and what it takes in the
// role's account.
type NamespaceRole struct {
	Namespace string
	// ARN is the role's, and ExternalID what its trust policy asks for.
	ARN, ExternalID string
	// DeadManRoleARN and DeadManScheduleGroup are the dead man's switch of the role's account. Empty,
	// both of them: clones there have none.
	DeadManRoleARN, DeadManScheduleGroup string
}

// DefaultExternalID is the external id of a namespace that is given none.
func DefaultExternalID(namespace string) string { return "agentdisconnect/" + namespace }

// MostNamespaceRoles bounds how many namespaces may have a role: a sweep searches the account of
// each.
const MostNamespaceRoles = 100

// externalID is what STS allows, without the comma that separates the items of the flag, and no
// longer than a person would choose.
var externalID = regexp.MustCompile(`^[\w+=.@:/-]{2,256}$`)

// ParseNamespaceRoles reads the items of --namespace-role, such as
// payments=arn:aws:iam::222222222222:role/agentdisconnect;external-id=a-secret. The result is in the
// order of the namespaces.
func ParseNamespaceRoles(items []string) ([]NamespaceRole, error) {
	var all []NamespaceRole
	var errs []error
	for _, item := range items {
		if item = strings.TrimSpace(item); item == "" {
			continue // as a comma at the end leaves it
		}
		one, err := parseNamespaceRole(item)
		if err == nil && slices.ContainsFunc(all, func(o NamespaceRole) bool { return o.Namespace == one.Namespace }) {
			err = fmt.Errorf("namespace %s has two roles: leave one of them out", one.Namespace)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--namespace-role: %w", err))
			continue
		}
		all = append(all, one)
	}

	if len(all) > MostNamespaceRoles {
		errs = append(errs, fmt.Errorf("--namespace-role names %d namespaces: the manager takes %d at most", len(all), MostNamespaceRoles))
	}
	slices.SortFunc(all, func(a, b NamespaceRole) int { return strings.Compare(a.Namespace, b.Namespace) })
	return all, errors.Join(errs...)
}

func parseNamespaceRole(item string) (NamespaceRole, error) {
	parts := strings.Split(item, ";")
	namespace, arn, _ := strings.Cut(parts[0], "=")
	one := NamespaceRole{Namespace: namespace, ARN: arn, ExternalID: DefaultExternalID(namespace)}
	for _, part := range parts[1:] {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "external-id":
			one.ExternalID = value
		case "deadman-role-arn":
			one.DeadManRoleARN = value
		case "deadman-schedule-group":
			one.DeadManScheduleGroup = value
		default:
			return one, fmt.Errorf("%q of %s is not known: after the role come external-id=…, deadman-role-arn=…, deadman-schedule-group=…, each after a semicolon", part, namespace)
		}
	}
	return one, one.validate()
}

func (r NamespaceRole) validate() error {
	account := aws.Role{ARN: r.ARN}.AccountID()
	switch wrong := validation.IsDNS1123Label(r.Namespace); {
	case len(wrong) > 0:
		return fmt.Errorf("%q is not a valid name of a namespace: %s. Write payments=arn:aws:iam::222222222222:role/agentdisconnect", r.Namespace, wrong[0])
	case !isRoleARN(r.ARN):
		return fmt.Errorf("namespace %s has %q: write the ARN of a role, such as arn:aws:iam::222222222222:role/agentdisconnect", r.Namespace, r.ARN)
	case !externalID.MatchString(r.ExternalID):
		return fmt.Errorf("the external id of namespace %s is %q: write 2 to 256 letters, digits and + = . @ : / _ -", r.Namespace, r.ExternalID)
	case (r.DeadManRoleARN == "") != (r.DeadManScheduleGroup == ""):
		return fmt.Errorf("deadman-role-arn and deadman-schedule-group of namespace %s go together: set both, or neither", r.Namespace)
	case r.DeadManRoleARN == "":
		return nil
	case !isRoleARN(r.DeadManRoleARN):
		return fmt.Errorf("deadman-role-arn of namespace %s is %q: write the ARN of a role, such as arn:aws:iam::%s:role/agentdisconnect-deadman", r.Namespace, r.DeadManRoleARN, account)
	case aws.Role{ARN: r.DeadManRoleARN}.AccountID() != account:
		return fmt.Errorf("deadman-role-arn of namespace %s is %s: name a role of account %s, where the namespace's runs work", r.Namespace, r.DeadManRoleARN, account)
	case !scheduleGroup.MatchString(r.DeadManScheduleGroup):
		return fmt.Errorf("deadman-schedule-group of namespace %s is %q: write the name of a schedule group, of letters, digits, and - _ . alone", r.Namespace, r.DeadManScheduleGroup)
	}
	return nil
}

// longestRoleARN is a path and a name of the longest that IAM allows.
const longestRoleARN = 640

func isRoleARN(text string) bool { return len(text) <= longestRoleARN && roleARN.MatchString(text) }

// mapped is the mapping of a namespace, if it has one.
func (o Options) mapped(namespace string) (NamespaceRole, bool) {
	for _, one := range o.NamespaceRoles {
		if one.Namespace == namespace {
			return one, true
		}
	}
	return NamespaceRole{}, false
}

// RoleOf gives the role that the runs of a namespace work with; the zero Role: the manager's own
// credentials.
func (o Options) RoleOf(namespace string) aws.Role {
	switch one, mapped := o.mapped(namespace); {
	case mapped:
		return aws.Role{Namespace: namespace, ARN: one.ARN, ExternalID: one.ExternalID, ClusterID: o.ClusterID}
	case o.RequireNamespaceRole:
		return aws.Role{Namespace: namespace, Forbidden: true}
	}
	return aws.Role{}
}

// SwitchOf gives the dead man's switch of a namespace: the role and the schedule group of the
// account that its runs work in. Empty, both of them: there is none.
func (o Options) SwitchOf(namespace string) (roleARN, group string) {
	if one, mapped := o.mapped(namespace); mapped {
		return one.DeadManRoleARN, one.DeadManScheduleGroup
	}
	return o.DeadManRoleARN, o.DeadManScheduleGroup
}
