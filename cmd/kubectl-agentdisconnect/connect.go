// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/smithy-go/middleware"

	"agentdisconnect.dev/agentdisconnect/controllers/aws"
)

// product is what the command calls itself towards AWS, so that CloudTrail tells it from the manager.
const product = "kubectl-agentdisconnect"

// account is where a sweep goes on.
type account struct {
	id, region string
	clients    *aws.Clients
}

// connect determines the account of the credentials. An empty region is the configuration's.
func (p *program) connect(ctx context.Context, region string) (account, error) {
	cfg, err := p.load(ctx)
	if err != nil {
		return account{}, err
	}

	region = cmp.Or(region, cfg.Region)
	if region == "" {
		return account{}, errors.New("no Region: name one with --region, or set AWS_REGION. Runs leave things in the Region of their subnet; sweep each")
	}

	sessions := aws.NewSessions(cfg, product, version, finishCalls)
	sessions.Clock = p.clock
	clients := sessions.In(region)
	id, err := clients.AccountID(ctx, p.clock.Now())
	doing := fmt.Sprintf("asking AWS STS in Region %s which identity the credentials belong to", region)
	switch {
	case err == nil:
		return account{id: id, region: region, clients: clients}, nil
	case aws.Code(err) == "" && aws.Classify(err) != aws.NoCredentials && ctx.Err() == nil:
		return account{}, fmt.Errorf("%s: %s. Check the name of the Region (--region, AWS_REGION), AWS_ENDPOINT_URL if it is set, and that this machine reaches AWS", doing, aws.Message(err))
	}
	return account{}, explain(doing, err)
}

// finishCalls begins no call once the context was cancelled, and lets the one that is under way end: only its answer tells
// whether it took effect. Deadlines stay.
func finishCalls(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("FinishCalls",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if err := ctx.Err(); err != nil {
				return middleware.InitializeOutput{}, middleware.Metadata{}, err
			}
			going := context.WithoutCancel(ctx)
			if deadline, bounded := ctx.Deadline(); bounded {
				var cancel context.CancelFunc
				going, cancel = context.WithDeadline(going, deadline)
				defer cancel()
			}
			return next.HandleInitialize(going, in)
		}), middleware.Before)
}

// explain says what failed and what helps against it.
func explain(doing string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: interrupted", doing)
	}
	return fmt.Errorf("%s: %s", doing, advise(err))
}

// advise gives an error of AWS in words, with the fix.
func advise(err error) string {
	switch aws.Classify(err) {
	case aws.NoCredentials:
		return aws.Message(err) + ". Give credentials of the account to be swept as for the AWS CLI: AWS_PROFILE, aws sso login, or AWS_ACCESS_KEY_ID and " +
			"AWS_SECRET_ACCESS_KEY; `aws sts get-caller-identity` shows the identity"
	case aws.Denied:
		return fmt.Sprintf("AWS denies %s: %s. The identity needs that action, as in config/iam/policy-sweep.json, which has all actions that a sweep needs", aws.Action(err), aws.Message(err))
	default:
		return aws.Message(err)
	}
}
