// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"cmp"
	"context"
	"errors"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
)

// Role is the role that the manager assumes for the runs of one namespace. The zero Role: the
// manager's own credentials.
type Role struct {
	// Namespace is whose runs it is for.
	Namespace string
	// Forbidden: the namespace has no role, and may not use the manager's own credentials.
	Forbidden bool
	// ARN is the role's, ExternalID what its trust policy asks for.
	ARN, ExternalID string
	// ClusterID tells this Kubernetes cluster from others.
	ClusterID string
}

// IsOwn reports whether it stands for the manager's own credentials.
func (r Role) IsOwn() bool { return r.ARN == "" && !r.Forbidden }

// AccountID is the account of the role, empty for the manager's own credentials.
func (r Role) AccountID() string {
	parsed, err := arn.Parse(r.ARN)
	if err != nil {
		return ""
	}
	return parsed.AccountID
}

// The session tags: with them, an account's trust policy can admit one namespace of one cluster. A
// session serves all runs of a namespace, so that it can't name one of them.
const (
	tagNamespace = "agentdisconnect.dev/namespace"
	tagCluster   = "agentdisconnect.dev/cluster"
)

const (
	// roleDuration is the longest that AWS allows for a role that a role assumes, and the shortest
	// maximum that a role can have.
	roleDuration = time.Hour
	// roleRenewal is how long before their end credentials are renewed: an end that is due while
	// STS does not answer still has some.
	roleRenewal = 15 * time.Minute
	// roleRetry is how soon a renewal that failed is tried again.
	roleRetry = 30 * time.Second
	// refusedFor is how long a failure to assume a role counts for all runs of its namespace: STS is
	// asked no more often, however many there are.
	refusedFor = 5 * time.Second
	// longestSessionName is what STS allows.
	longestSessionName = 64
)

var errForbidden = errors.New("the namespace has no role")

// sessionName is what CloudTrail shows of who called: as much of the namespace as has room.
func (r Role) sessionName() string {
	name := "agentdisconnect@" + r.Namespace
	return name[:min(len(name), longestSessionName)]
}

// credentialsOf gives the credentials of a role, which all Regions share. STS is asked in the
// manager's own Region, since a Region that only the other account has enabled refuses the
// manager's credentials.
func (s *Sessions) credentialsOf(role Role, region string) awssdk.CredentialsProvider {
	if role.Forbidden {
		return awssdk.CredentialsProviderFunc(func(context.Context) (awssdk.Credentials, error) {
			return awssdk.Credentials{}, &CredentialsError{Err: errForbidden, Role: role}
		})
	}

	cfg := s.base.Copy()
	cfg.Region = cmp.Or(cfg.Region, region)
	if known, ok := s.roles[roleIn{role, cfg.Region}]; ok {
		return known
	}

	assume := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName, o.ExternalID, o.Duration = role.sessionName(), awssdk.String(role.ExternalID), roleDuration
		o.Tags = []types.Tag{{Key: awssdk.String(tagNamespace), Value: awssdk.String(role.Namespace)}}
		if role.ClusterID != "" {
			o.Tags = append(o.Tags, types.Tag{Key: awssdk.String(tagCluster), Value: awssdk.String(role.ClusterID)})
		}
	})
	cached := awssdk.NewCredentialsCache(&roleCredentials{AssumeRoleProvider: assume, role: role, sessions: s}, func(o *awssdk.CredentialsCacheOptions) {
		o.ExpiryWindow = roleRenewal
	})
	s.roles[roleIn{role, cfg.Region}] = credentialsChain{cached}
	return s.roles[roleIn{role, cfg.Region}]
}

// roleIn is a role in a Region.
type roleIn struct {
	role   Role
	region string
}

// roleCredentials are those of a role. The SDK's cache calls one method at a time.
type roleCredentials struct {
	*stscreds.AssumeRoleProvider

	role     Role
	sessions *Sessions
	// ends is when the last credentials end.
	ends time.Time
	// failure is why the role could not be assumed at failedAt.
	failure  error
	failedAt time.Time
}

// Retrieve implements the SDK's interface. The error names the role, unless the manager's own
// credentials are missing, or AWS does not accept them.
func (r *roleCredentials) Retrieve(ctx context.Context) (awssdk.Credentials, error) {
	if r.failure != nil && Elapsed(r.failedAt, r.sessions.Clock.Now()) < refusedFor {
		return awssdk.Credentials{}, r.failure
	}

	given, err := r.AssumeRoleProvider.Retrieve(ctx)
	if err == nil {
		r.ends, r.failure = given.Expires, nil
		return given, nil
	}

	if _, missing := errors.AsType[*CredentialsError](err); !missing && !credentialCodes[apiCode(err)] {
		err = &CredentialsError{Err: err, Role: r.role}
	}
	r.failure, r.failedAt = err, r.sessions.Clock.Now()
	return awssdk.Credentials{}, err
}

// HandleFailToRefresh implements the SDK's interface: credentials that could not be renewed are used
// until they end.
func (r *roleCredentials) HandleFailToRefresh(_ context.Context, last awssdk.Credentials, err error) (awssdk.Credentials, error) {
	again := time.Now().Add(roleRetry)
	if !last.HasKeys() || !again.Before(r.ends) {
		return awssdk.Credentials{}, err
	}
	last.Expires = again.Add(roleRenewal) // the cache takes that off again
	return last, nil
}
