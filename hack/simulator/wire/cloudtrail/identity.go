// SPDX-License-Identifier: Apache-2.0

package cloudtrail

import (
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

// sessionLength is how long the credentials of a role hold, as STS and most services ask for them.
const sessionLength = time.Hour

// identity is the userIdentity of a call.
func identity(id operation.Identity, at time.Time) map[string]any {
	out := map[string]any{
		"type": "IAMUser", "principalId": id.UserID(), "arn": id.ARN, "accountId": id.Account, "accessKeyId": id.KeyID(),
	}
	switch {
	case id.Role != "":
		out["type"], out["sessionContext"] = "AssumedRole", sessionContext(id, at)
	case strings.HasSuffix(id.ARN, ":root"):
		out["type"], out["principalId"] = "Root", id.Account
	default:
		out["userName"] = id.UserName()
	}
	if id.InvokedBy != "" {
		out["invokedBy"] = id.InvokedBy
	}
	return out
}

// sessionContext is where a session comes from. A service assumes the role for the call, every
// other caller each hour.
func sessionContext(id operation.Identity, at time.Time) map[string]any {
	created := at.UTC()
	if id.InvokedBy == "" {
		created = created.Truncate(sessionLength)
	}
	return map[string]any{
		"sessionIssuer": map[string]any{
			"type": "Role", "principalId": id.RoleID(), "arn": id.Role, "accountId": id.Account,
			"userName": id.Role[strings.LastIndexByte(id.Role, '/')+1:],
		},
		"attributes": map[string]any{"creationDate": created.Format(time.RFC3339), "mfaAuthenticated": "false"},
	}
}
