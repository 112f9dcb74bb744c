// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
	"agentdisconnect.dev/agentdisconnect/hack/screen"
)

// account is whose credentials are used, and where.
type account struct {
	id, caller, region string
	profile, endpoint  string // of the environment; empty: unset
	clients            *aws.Clients
}

// whoAmI asks AWS whose credentials these are. Its errors name the fix.
func whoAmI(ctx context.Context) (*account, error) {
	a := &account{profile: os.Getenv("AWS_PROFILE"), endpoint: os.Getenv("AWS_ENDPOINT_URL")}
	cfg, err := aws.Load(ctx)
	if missing, ok := errors.AsType[config.SharedConfigProfileNotExistError](err); ok {
		return nil, fmt.Errorf("the AWS profile %q does not exist: set AWS_PROFILE to one that `aws configure list-profiles` prints", missing.Profile)
	}
	if err != nil {
		return nil, err
	}
	if a.region = cfg.Region; a.region == "" {
		return nil, errors.New("no AWS Region is set: set AWS_REGION to the Region of the subnet, such as AWS_REGION=ap-northeast-1, or give the profile one with `aws configure set region`")
	}

	sessions := aws.NewSessions(cfg, "agentdisconnect-local", "")
	a.clients = sessions.In(a.region)
	ctx, cancel := context.WithTimeout(ctx, aws.CallTimeout)
	defer cancel()
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, a.explain(err)
	}
	a.id, a.caller = awssdk.ToString(identity.Account), awssdk.ToString(identity.Arn)
	return a, nil
}

// explain says what to do about credentials that give no identity.
func (a *account) explain(err error) error {
	signIn := "aws sso login"
	if a.profile != "" {
		signIn += " --profile " + a.profile
	}
	text := strings.ToLower(err.Error())
	switch code := aws.Code(err); {
	case code == "ExpiredToken" || code == "ExpiredTokenException" || strings.Contains(text, "expired") || strings.Contains(text, "invalidgrantexception"):
		return fmt.Errorf("the session of the AWS credentials has expired: sign in again (%s, or new values for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN), then repeat the command. AWS: %s", signIn, aws.Message(err))
	case code == "InvalidClientTokenId" || code == "SignatureDoesNotMatch" || code == "UnrecognizedClientException":
		return fmt.Errorf("AWS does not accept the credentials (%s): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or unset them and set AWS_PROFILE", aws.Message(err))
	case strings.Contains(text, "failed to refresh cached credentials") || strings.Contains(text, "get credentials"):
		return fmt.Errorf("no AWS credentials were found: set AWS_PROFILE, or sign in (%s), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` must work. The SDK: %s", signIn, aws.Message(err))
	}
	if aws.Code(err) != "" {
		return fmt.Errorf("asking AWS STS in %s who the credentials belong to: %s", a.region, aws.Message(err))
	}
	if a.endpoint != "" {
		return fmt.Errorf("nothing answers at AWS_ENDPOINT_URL=%s: set it to the URL that the simulated Region printed, with http://, or unset it to use AWS. The SDK: %s", a.endpoint, aws.Message(err))
	}
	return fmt.Errorf("AWS STS does not answer in Region %s: check AWS_REGION (such as ap-northeast-1), and that this machine reaches AWS. The SDK: %s", a.region, aws.Message(err))
}

// print shows whose credentials are used.
func (a *account) print(out *screen.Screen) {
	rows := []screen.Row{{Cells: []string{"Account", a.id}}, {Cells: []string{"Caller", a.caller}}, {Cells: []string{"Region", a.region}}}
	if a.profile != "" {
		rows = append(rows, screen.Row{Cells: []string{"Profile", a.profile}})
	}
	if a.endpoint != "" {
		rows = append(rows, screen.Row{Cells: []string{"Endpoint", a.endpoint + " (AWS_ENDPOINT_URL): this is not AWS itself"}, Style: screen.Marked})
	}
	out.Table(nil, rows)
}
