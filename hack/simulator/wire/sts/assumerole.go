// SPDX-License-Identifier: Apache-2.0

package sts

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"agentdisconnect.dev/agentdisconnect/hack/simulator/region"
	"agentdisconnect.dev/agentdisconnect/hack/simulator/wire/operation"
)

const (
	defaultDuration  = time.Hour
	shortestDuration = 15 * time.Minute
	// longestDuration is the longest for a role whose maximum was not raised.
	longestDuration = time.Hour
	// longestExternalID is in characters.
	longestExternalID = 1224
)

var (
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]{2,}$`)
	// known are the parameters that the simulator acts on.
	known = regexp.MustCompile(`^(Action|Version|RoleArn|RoleSessionName|ExternalId|DurationSeconds|Tags\.member\.\d+\.(Key|Value))$`)
)

func assumeRole(req *operation.Request) (operation.Effect, error) {
	ask, err := readAssume(req.Form)
	if err != nil {
		return operation.Effect{}, err
	}
	effect := operation.Effect{Resource: ask.RoleARN, Creates: ask.RoleARN, Run: func() (any, error) {
		session, refusal := req.AssumeRole(req.Identity, ask)
		if refusal != nil {
			return nil, refusal
		}
		return answer(session), nil
	}}
	if len(ask.Tags) > 0 {
		effect.Also = []string{"TagSession"}
	}
	return effect, nil
}

func readAssume(form url.Values) (operation.Assume, error) {
	ask := operation.Assume{
		RoleARN: form.Get("RoleArn"), SessionName: form.Get("RoleSessionName"), ExternalID: form.Get("ExternalId"), Duration: defaultDuration,
	}
	for name := range form {
		if !known.MatchString(name) && !strings.HasPrefix(name, "X-Amz-") {
			return ask, invalid("The simulator does not know the parameter %s of AssumeRole", name)
		}
	}
	if text := form.Get("DurationSeconds"); text != "" {
		seconds, err := strconv.Atoi(text)
		if err != nil {
			return ask, invalid("%q is no number of seconds", text)
		}
		ask.Duration = time.Duration(seconds) * time.Second
	}
	switch {
	case !roleARN.MatchString(ask.RoleARN):
		return ask, invalid("%s is invalid", ask.RoleARN)
	case !sessionName.MatchString(ask.SessionName):
		return ask, invalid("Value %q at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", ask.SessionName)
	case ask.ExternalID != "" && (len(ask.ExternalID) > longestExternalID || !externalID.MatchString(ask.ExternalID)):
		return ask, invalid("Value %q at 'externalId' failed to satisfy constraint", ask.ExternalID)
	case ask.Duration < shortestDuration:
		return ask, invalid("Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", int(ask.Duration.Seconds()))
	case ask.Duration > longestDuration:
		return ask, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	for n := 1; form.Has(fmt.Sprintf("Tags.member.%d.Key", n)); n++ {
		if ask.Tags == nil {
			ask.Tags = map[string]string{}
		}
		ask.Tags[form.Get(fmt.Sprintf("Tags.member.%d.Key", n))] = form.Get(fmt.Sprintf("Tags.member.%d.Value", n))
	}
	return ask, nil
}

func invalid(format string, args ...any) *region.Error {
	return region.Errorf("ValidationError", format, args...)
}

type credentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string
	SessionToken    string
	Expiration      string
}

type assumed struct {
	Credentials     credentials
	AssumedRoleUser struct {
		ARN string `xml:"Arn"`
		ID  string `xml:"AssumedRoleId"`
	}
}

func answer(s operation.Session) assumed {
	out := assumed{Credentials: credentials{s.AccessKey, s.Secret, s.Token, s.Expires.UTC().Format(time.RFC3339)}}
	out.AssumedRoleUser.ARN, out.AssumedRoleUser.ID = s.Identity.ARN, s.Identity.UserID()
	return out
}
