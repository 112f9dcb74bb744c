// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"errors"
	"net/http"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// CredentialsError says that no AWS credentials could be had. The request that they were for was
// not sent.
type CredentialsError struct {
	Err error
	// Role is the one that could not be assumed; the zero Role: the manager has none of its own.
	Role Role
}

const noCredentials = "no AWS credentials: "

// Error implements error.
func (e *CredentialsError) Error() string { return noCredentials + e.Err.Error() }

// Unwrap gives the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// FromSTS reports whether AWS STS refused the role of the service account (IRSA).
func (e *CredentialsError) FromSTS() bool {
	operation, ok := errors.AsType[*smithy.OperationError](e.Err)
	return ok && operation.Service() == sts.ServiceID && apiCode(e.Err) != ""
}

// FromAgent reports whether the agent of EKS Pod Identity refused: the SDK has no operation for
// what it asks an agent.
func (e *CredentialsError) FromAgent() bool {
	_, ok := errors.AsType[*smithy.OperationError](e.Err)
	return !ok && status(e.Err) != 0
}

// Passes reports whether the source of credentials answered that it can't give any for now: it
// limits the rate, or fails.
func (e *CredentialsError) Passes() bool {
	code := apiCode(e.Err)
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	return throttled || unansweredCodes[code] || status(e.Err) == http.StatusTooManyRequests || status(e.Err) >= http.StatusInternalServerError
}

// credentialsChain marks the errors of a credentials provider: the chain makes calls of its own
// inside of other calls, and their codes say nothing of those.
type credentialsChain struct{ awssdk.CredentialsProvider }

// Retrieve implements the SDK's interface. It waits no longer for credentials than for the answer
// to a call.
func (c credentialsChain) Retrieve(ctx context.Context) (awssdk.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, CallTimeout)
	defer cancel()
	credentials, err := c.CredentialsProvider.Retrieve(ctx)
	if known, ok := errors.AsType[*CredentialsError](err); ok {
		return awssdk.Credentials{}, known
	}
	if err != nil {
		return awssdk.Credentials{}, &CredentialsError{Err: err}
	}
	return credentials, nil
}

// IsCredentialsProvider has the SDK see through to the provider.
func (c credentialsChain) IsCredentialsProvider(target awssdk.CredentialsProvider) bool {
	return awssdk.IsCredentialsProvider(c.CredentialsProvider, target)
}

// ProviderSources has the SDK name the sources of the chain in its user agent.
func (c credentialsChain) ProviderSources() []awssdk.CredentialSource {
	if sources, ok := c.CredentialsProvider.(awssdk.CredentialProviderSource); ok {
		return sources.ProviderSources()
	}
	return nil
}
