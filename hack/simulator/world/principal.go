// SPDX-License-Identifier: Apache-2.0

package world

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

var (
	userPattern        = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:(root|user/[\w+=,.@/-]+)$`)
	sessionPattern     = regexp.MustCompile(`^arn:aws[a-z-]*:sts::\d{12}:assumed-role/[\w+=,.@-]{1,64}/[\w+=,.@-]{2,64}$`)
	sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	invokerPattern     = regexp.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$`)
)

// checkPrincipal looks at who an access key belongs to: an IAM user, a role's session, or a service
// that acts in one.
func (w *World) checkPrincipal(c *checker, at string, k AccessKey) {
	account := cmp.Or(k.Account, w.Account)
	switch {
	case k.ARN != "" && k.Role != "" && k.withPrincipal().ARN != k.ARN: // Keys fills in the one from the other
		c.add(at, "it has arn and role; write role and session for a role's session, or arn alone")
	case k.ARN != "" && !userPattern.MatchString(k.ARN) && !sessionPattern.MatchString(k.ARN):
		c.add(at+".arn", "%q is no user and no role's session; write an ARN like arn:aws:iam::%s:user/name, or role and session", k.ARN, account)
	case k.ARN != "" && accountOf(k.ARN) != account:
		c.add(at+".arn", "%s is of account %s, the access key of %s; write that account under account", k.ARN, accountOf(k.ARN), account)
	case k.Role != "" && !rolePattern.MatchString(k.Role):
		c.add(at+".role", "%q is no ARN of a role; write one like arn:aws:iam::%s:role/name", k.Role, account)
	case k.Role != "" && accountOf(k.Role) != account:
		c.add(at+".role", "%s is of account %s, the access key of %s; write that account under account", k.Role, accountOf(k.Role), account)
	case k.Role != "" && !sessionNamePattern.MatchString(k.Session):
		c.add(at+".session", "%q is no name of a session; write 2 to 64 letters, digits and +=,.@_-", k.Session)
	case k.Role == "" && k.Session != "":
		c.add(at+".session", "only a role has sessions; write the role's ARN under role")
	}
	if k.InvokedBy == "" {
		return
	}
	if !invokerPattern.MatchString(k.InvokedBy) {
		c.add(at+".invokedBy", "%q is no service of AWS; write one like states.amazonaws.com", k.InvokedBy)
	}
	if k.Role == "" && !sessionPattern.MatchString(k.ARN) {
		c.add(at+".invokedBy", "a service acts under a role; write role and session")
	}
}

// accountOf is the account in an ARN of IAM or STS.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

// withPrincipal fills in what follows from the rest: the ARN of a session from its role, and the
// role from the ARN.
func (k AccessKey) withPrincipal() AccessKey {
	switch {
	case k.Role != "":
		partition, name := strings.Split(k.Role, ":")[1], k.Role[strings.LastIndexByte(k.Role, '/')+1:]
		k.ARN = fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, k.Account, name, k.Session)
	case sessionPattern.MatchString(k.ARN):
		path := strings.Split(k.ARN, "/")
		k.Role = fmt.Sprintf("arn:%s:iam::%s:role/%s", strings.Split(k.ARN, ":")[1], k.Account, path[1])
		k.Session = path[2]
	case k.ARN == "":
		k.ARN = fmt.Sprintf("arn:aws:iam::%s:user/%s", k.Account, k.ID)
	}
	return k
}
