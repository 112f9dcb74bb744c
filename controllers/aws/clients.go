// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	"agentdisconnect.dev/agentdisconnect/controllers/aws/apihosts"
	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
)

const (
	// CallTimeout bounds one attempt of a call. AWS answers in well under a second; a connection
	// that says nothing for 10 s is lost, and the object's next pass should not wait longer for it.
	CallTimeout = 10 * time.Second
	// readAttempts and readMaxBackoff bound how long the SDK repeats a read inside one pass. A pass
	// that is still throttled ends and is repeated by the controller, which shows it in the
	// object's status.
	readAttempts   = 3
	readMaxBackoff = 2 * time.Second
	// mostClients is how many sets of clients are kept. Beyond that all are made anew when they are next
	// asked for, which costs no more than the answers that their runs shared.
	mostClients = 500
)

// EC2 is what the controller reads of Amazon EC2. The IAM policy grants these actions, those of
// FencedEC2, and no others.
type EC2 interface {
	DescribeSubnets(context.Context, *ec2.DescribeSubnetsInput, ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error)
	DescribeNetworkAcls(context.Context, *ec2.DescribeNetworkAclsInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkAclsOutput, error)
	DescribeVpcEndpoints(context.Context, *ec2.DescribeVpcEndpointsInput, ...func(*ec2.Options)) (*ec2.DescribeVpcEndpointsOutput, error)
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
}

// ECS is what the controller reads of Amazon ECS.
type ECS interface {
	DescribeClusters(context.Context, *ecs.DescribeClustersInput, ...func(*ecs.Options)) (*ecs.DescribeClustersOutput, error)
	ListClusters(context.Context, *ecs.ListClustersInput, ...func(*ecs.Options)) (*ecs.ListClustersOutput, error)
	DescribeCapacityProviders(context.Context, *ecs.DescribeCapacityProvidersInput, ...func(*ecs.Options)) (*ecs.DescribeCapacityProvidersOutput, error)
	ListContainerInstances(context.Context, *ecs.ListContainerInstancesInput, ...func(*ecs.Options)) (*ecs.ListContainerInstancesOutput, error)
	DescribeContainerInstances(context.Context, *ecs.DescribeContainerInstancesInput, ...func(*ecs.Options)) (*ecs.DescribeContainerInstancesOutput, error)
	DiscoverPollEndpoint(context.Context, *ecs.DiscoverPollEndpointInput, ...func(*ecs.Options)) (*ecs.DiscoverPollEndpointOutput, error)
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	ListTasks(context.Context, *ecs.ListTasksInput, ...func(*ecs.Options)) (*ecs.ListTasksOutput, error)
	DescribeTasks(context.Context, *ecs.DescribeTasksInput, ...func(*ecs.Options)) (*ecs.DescribeTasksOutput, error)
}

// Scheduler is what the controller reads of Amazon EventBridge Scheduler.
type Scheduler interface {
	GetSchedule(context.Context, *scheduler.GetScheduleInput, ...func(*scheduler.Options)) (*scheduler.GetScheduleOutput, error)
	ListSchedules(context.Context, *scheduler.ListSchedulesInput, ...func(*scheduler.Options)) (*scheduler.ListSchedulesOutput, error)
}

// ServiceQuotas is what the controller calls of Service Quotas.
type ServiceQuotas interface {
	GetServiceQuota(context.Context, *servicequotas.GetServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error)
}

// CloudTrail is what the controller calls of AWS CloudTrail.
type CloudTrail interface {
	LookupEvents(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error)
}

// CloudWatch is what the controller calls of Amazon CloudWatch.
type CloudWatch interface {
	DescribeAlarms(context.Context, *cloudwatch.DescribeAlarmsInput, ...func(*cloudwatch.Options)) (*cloudwatch.DescribeAlarmsOutput, error)
}

// FIS is what the controller calls of AWS FIS.
type FIS interface {
	GetSafetyLever(context.Context, *fis.GetSafetyLeverInput, ...func(*fis.Options)) (*fis.GetSafetyLeverOutput, error)
}

// STS is what the controller calls of AWS STS.
type STS interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// Clients reach AWS in one account and Region, with one role. They read, and share what they read:
// see Polled. What changes something goes through Fenced.
type Clients struct {
	EC2           EC2
	ECS           ECS
	Scheduler     Scheduler
	ServiceQuotas ServiceQuotas
	CloudTrail    CloudTrail
	CloudWatch    CloudWatch
	FIS           FIS
	// Region is the Region's name, such as ap-northeast-1.
	Region string
	// Role is the role that is assumed for the calls.
	Role Role
	// APIHosts are the hosts of the APIs that no run may cut off.
	APIHosts []apihosts.Host

	ec2         *ec2.Client
	ecs         *ecs.Client
	scheduler   *scheduler.Client
	sts         STS
	credentials awssdk.CredentialsProvider
	reads       *reads
	sessions    *Sessions

	asking   singleflight.Group
	mu       sync.Mutex
	account  string
	accountT time.Time
}

// Sessions gives out clients, one set a role and Region, made when first asked for.
type Sessions struct {
	// Clock tells how long ago a call began, Limits are those of each account and Region, and UsesFIS
	// says that the API of FIS is one that no run may cut off. All are set before the first call.
	Clock   clock.PassiveClock
	Limits  ratelimit.Limits
	UsesFIS bool

	base awssdk.Config

	mu sync.Mutex
	// clients are mostClients at most: a spec may name any Region. roles are those of the flags, each in
	// the manager's own Region. budgets are small, one for each Region that was named.
	clients map[roleIn]*Clients
	roles   map[roleIn]awssdk.CredentialsProvider
	budgets map[budgetIn]*budget
	// ownAccount is that of the manager's own credentials, as AWS last said; empty: it was not asked.
	ownAccount string
}

// Load gets configuration and credentials by the SDK's own chain.
func Load(ctx context.Context) (awssdk.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return awssdk.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	return cfg, nil
}

// NewSessions makes sessions of a configuration. name and version are what the product calls itself
// in the user agent of every call; apiOptions are added to every client (metrics).
func NewSessions(cfg awssdk.Config, name, version string, apiOptions ...func(*middleware.Stack) error) *Sessions {
	s := &Sessions{Clock: clock.RealClock{}, clients: map[roleIn]*Clients{}, roles: map[roleIn]awssdk.CredentialsProvider{}, budgets: map[budgetIn]*budget{}}
	if cfg.Credentials != nil {
		cfg.Credentials = credentialsChain{cfg.Credentials}
	}

	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), awsmiddleware.AddUserAgentKeyValue(name, version), s.boundAttempts, s.refuseLate)
	cfg.APIOptions = append(cfg.APIOptions, apiOptions...)
	cfg.Retryer = func() awssdk.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = readAttempts
			o.MaxBackoff = readMaxBackoff
		})
	}

	s.base = cfg
	return s
}

// GoBy has the clients go by a clock, that of the passes: by it the age of an answer is told.
func (s *Sessions) GoBy(clk clock.PassiveClock) { s.Clock = clk }

// DefaultRegion is the Region of the manager's own configuration, empty where it names none.
func (s *Sessions) DefaultRegion() string { return s.base.Region }

// In gives the clients of a Region with the manager's own credentials.
func (s *Sessions) In(region string) *Clients { return s.As(Role{}, region) }

// As gives the clients of a Region that assume a role.
func (s *Sessions) As(role Role, region string) *Clients {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.clients[roleIn{role, region}]; ok {
		return c
	}

	if len(s.clients) >= mostClients {
		clear(s.clients)
	}
	c := &Clients{Region: region, Role: role, sessions: s}
	cfg := s.base.Copy()
	if !role.IsOwn() {
		cfg.Credentials = s.credentialsOf(role, region)
	}

	cfg.Region = region
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), c.spend)
	trail, alarms, lever, identity := cloudtrail.NewFromConfig(cfg), cloudwatch.NewFromConfig(cfg), fis.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	c.ServiceQuotas, c.CloudTrail, c.CloudWatch, c.FIS = servicequotas.NewFromConfig(cfg), trail, alarms, lever
	c.ec2, c.ecs, c.scheduler, c.sts, c.credentials = ec2.NewFromConfig(cfg), ecs.NewFromConfig(cfg), scheduler.NewFromConfig(cfg), identity, cfg.Credentials
	c.reads = c.newReads()
	fresh := c.Polled(time.Time{})
	c.EC2, c.ECS, c.Scheduler = fresh.EC2, fresh.ECS, c.scheduler
	instead := baseEndpoints(c.ec2.Options().BaseEndpoint, c.ecs.Options().BaseEndpoint, c.scheduler.Options().BaseEndpoint,
		trail.Options().BaseEndpoint, alarms.Options().BaseEndpoint, lever.Options().BaseEndpoint, identity.Options().BaseEndpoint)
	c.APIHosts = apihosts.Of(region, s.base.Region, instead, s.UsesFIS)
	s.clients[roleIn{role, region}] = c
	return c
}

// Place tells the clients from those of other roles and Regions: what was answered to one says
// nothing of another.
func (c *Clients) Place() string {
	if c.Role.IsOwn() {
		return c.Region
	}
	return c.Region + " for namespace " + c.Role.Namespace
}

// What ECS is asked of each agent by itself (DiscoverPollEndpoint) has no page to share. In an account
// and Region it is asked again at most once a second: every five minutes with 300 agents, and less
// often with more.
const repeatsPerSecond, repeatsBurst = 1, 300

// AllowRepeats gives how many of n questions may be asked again now, though nothing changed.
func (c *Clients) AllowRepeats(now time.Time, n int) int {
	repeats := c.budget().repeats
	for allowed := range n {
		if !repeats.AllowN(now, 1) {
			return allowed
		}
	}
	return n
}

// baseEndpoints are the URLs that the configuration puts in the place of AWS's own
// (AWS_ENDPOINT_URL), of those that clients have; nil: AWS's own.
func baseEndpoints(of ...*string) []string {
	of = slices.DeleteFunc(of, func(url *string) bool { return url == nil })
	urls := awssdk.ToStringSlice(of)
	slices.Sort(urls)
	return slices.Compact(urls)
}

// accountTTL is how long the answer of GetCallerIdentity is believed. Credentials are refreshed far
// more often, but for the same role: only a manager that was given another role in place would be
// noticed this much later.
const accountTTL = time.Minute

// AccountID gives the 12 digits of the account that the credentials belong to, asked for again
// after a minute of now. A CredentialsError says that there are none. Callers at the same time
// share one call, and wait no longer than their context.
func (c *Clients) AccountID(ctx context.Context, now time.Time) (string, error) {
	c.mu.Lock()
	account, age := c.account, now.Sub(c.accountT)
	c.mu.Unlock()
	if account != "" && age >= 0 && age < accountTTL {
		return account, nil
	}

	answer := c.asking.DoChan("", func() (any, error) { return c.askAccount(now) })
	select {
	case <-ctx.Done():
		return "", &smithy.OperationError{ServiceID: sts.ServiceID, OperationName: "GetCallerIdentity", Err: ctx.Err()}
	case result := <-answer:
		if result.Err != nil {
			return "", result.Err
		}
		return result.Val.(string), nil
	}
}

// ForgetAccount has the account asked for afresh: something was not found, which says that it is
// gone only in the account in which it was.
func (c *Clients) ForgetAccount() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account = ""
}

func (c *Clients) askAccount(now time.Time) (string, error) {
	// Ends wait for the answer too, and it is one call a minute.
	ctx, cancel := context.WithTimeout(WithClass(context.Background(), ratelimit.Ending), readAttempts*CallTimeout)
	defer cancel()
	if _, err := c.credentials.Retrieve(ctx); err != nil {
		return "", err
	}

	out, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", err
	}

	if c.Role.IsOwn() {
		c.sessions.noteOwnAccount(awssdk.ToString(out.Account))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.account, c.accountT = awssdk.ToString(out.Account), now
	return c.account, nil
}
