// SPDX-License-Identifier: Apache-2.0

package scheduler

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
)

var (
	atPattern        = regexp.MustCompile(`^at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)$`)
	universalPattern = regexp.MustCompile(`^arn:(aws[a-z-]*):scheduler:::aws-sdk:([a-z0-9]+):([a-z][a-zA-Z0-9]*)$`)
	rolePattern      = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
)

const atLayout = "2006-01-02T15:04:05"

// parseAt reads an expression. A local time that daylight saving skips is refused: what AWS does with it isn't documented.
func parseAt(expression, timezone string) (time.Time, error) {
	if err := checkLength(expression, "scheduleExpression", 1, 256); err != nil {
		return time.Time{}, err
	}
	if strings.HasPrefix(expression, "rate(") || strings.HasPrefix(expression, "cron(") {
		return time.Time{}, invalid("Invalid Schedule Expression %s. This simulator runs one-time schedules alone: at(yyyy-mm-ddThh:mm:ss).", expression)
	}
	if err := checkLength(timezone, "scheduleExpressionTimezone", 1, 50); err != nil {
		return time.Time{}, err
	}
	zone, err := time.LoadLocation(timezone)
	if err != nil || timezone == "Local" {
		return time.Time{}, invalid("Invalid Schedule Expression Timezone %s.", timezone)
	}
	m := atPattern.FindStringSubmatch(expression)
	if m == nil {
		return time.Time{}, invalid("Invalid Schedule Expression %s.", expression)
	}
	at, err := time.ParseInLocation(atLayout, m[1], zone)
	if err != nil || at.Format(atLayout) != m[1] {
		return time.Time{}, invalid("Invalid Schedule Expression %s.", expression)
	}
	return at, nil
}

// readOnly are the beginnings of actions that AWS documents as unsupported targets.
var readOnly = []string{
	"get", "describe", "list", "poll", "receive", "search", "scan", "query", "select", "read", "lookup", "discover", "validate", "batchGet",
	"batchDescribe", "batchRead", "transactGet", "adminGet", "adminList", "testMigration", "retrieve", "testConnection",
	"translateDocument", "isAuthorized", "invokeModel",
}

// ParseTarget is the service and action, ec2 and DeleteNetworkAclEntry, of a universal target.
func ParseTarget(arn string) (service, action string, ok bool) {
	m := universalPattern.FindStringSubmatch(arn)
	if m == nil {
		return "", "", false
	}
	return m[2], strings.ToUpper(m[3][:1]) + m[3][1:], true
}

func checkTargetARN(arn, regionName string) error {
	if err := checkLength(arn, "target.arn", 1, 1600); err != nil {
		return err
	}
	m := universalPattern.FindStringSubmatch(arn)
	if m == nil {
		return invalid("Provided Arn %s is not in correct format. This simulator has universal targets alone: arn:%s:scheduler:::aws-sdk:service:apiAction.",
			arn, region.Partition(regionName))
	}
	if m[1] != region.Partition(regionName) {
		return invalid("Provided Arn %s is not in correct format. The partition here is %s.", arn, region.Partition(regionName))
	}
	if slices.ContainsFunc(readOnly, func(prefix string) bool { return strings.HasPrefix(m[3], prefix) }) {
		return invalid("Provided Arn %s is not supported: the action is read-only.", arn)
	}
	return nil
}

func checkRoleARN(arn string) error {
	if err := checkLength(arn, "target.roleArn", 1, 1600); err != nil {
		return err
	}
	if !rolePattern.MatchString(arn) {
		return constraint(arn, "target.roleArn", "satisfy regular expression pattern: "+rolePattern.String())
	}
	return nil
}

// checkInput takes an object: universal targets have their parameters in it.
func checkInput(input string) error {
	var object map[string]any
	if input != "" && json.Unmarshal([]byte(input), &object) != nil {
		return invalid("Input for target must be a well-formed JSON object.")
	}
	return nil
}
