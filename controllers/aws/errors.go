// SPDX-License-Identifier: Apache-2.0

package aws

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"agentdisconnect.dev/agentdisconnect/controllers/ratelimit"
)

// Class is what an error of AWS means to a caller.
type Class int

const (
	// NoError: there is no error, so the call took effect.
	NoError Class = iota
	// Unanswered: no answer, or one that doesn't say whether the call took effect. The call may be
	// repeated, and a write must be taken as possibly done.
	Unanswered
	// Throttled: AWS refused the call for its rate, or the manager's own limit kept it from being
	// sent; it had no effect.
	Throttled
	// Denied: the identity lacks a permission; no effect.
	Denied
	// NoCredentials: AWS doesn't accept the credentials, or none could be had; no effect.
	NoCredentials
	// NotFound: what the call names doesn't exist; no effect.
	NotFound
	// Rejected: AWS refused the call for another reason; no effect.
	Rejected
)

// Codes of EC2, ECS and EventBridge Scheduler that the controller tells apart.
const (
	CodeEntryAlreadyExists = "NetworkAclEntryAlreadyExists"
	CodeEntryLimitExceeded = "NetworkAclEntryLimitExceeded"
	CodeEntryNotFound      = "InvalidNetworkAclEntry.NotFound"
	CodeACLNotFound        = "InvalidNetworkAclID.NotFound"
	CodeACLLimitExceeded   = "NetworkAclLimitExceeded"
	CodeTagLimitExceeded   = "TagLimitExceeded"
	CodeAssociationUnknown = "InvalidAssociationID.NotFound"
	CodeDependency         = "DependencyViolation"
	// CodeTaggedNotFound is what CreateTags and DeleteTags may say of a resource in place of its
	// kind's own code.
	CodeTaggedNotFound  = "InvalidID"
	CodeSubnetNotFound  = "InvalidSubnetID.NotFound"
	CodeClusterNotFound = "ClusterNotFoundException"
	// CodeClient is ECS's code for what a request names and isn't there, among other faults of it.
	CodeClient      = "ClientException"
	CodeDryRun      = "DryRunOperation"
	CodeTokenReused = "IdempotentParameterMismatch"
	// CodeScheduleExists and CodeScheduleNotFound are EventBridge Scheduler's; the latter is of a
	// schedule or of its group.
	CodeScheduleExists   = "ConflictException"
	CodeScheduleNotFound = "ResourceNotFoundException"
)

var (
	deniedCodes = set("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "OptInRequired")
	// credentialCodes are those of EC2, ECS and STS for a request that isn't accepted as signed by
	// anyone.
	credentialCodes = set("AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken",
		"ExpiredTokenException", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException",
		"IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
		"InvalidAccessKeyId", "InvalidSecurityToken", "Blocked", "PendingVerification")
	notFoundCodes = set(CodeEntryNotFound, CodeACLNotFound, CodeAssociationUnknown, CodeTaggedNotFound,
		CodeSubnetNotFound, CodeClusterNotFound, CodeScheduleNotFound, "InvalidVpcID.NotFound", "InvalidNetworkInterfaceID.NotFound", "NoSuchResourceException")
	// unansweredCodes are faults of the service: they don't say whether the call took effect.
	// UnknownError is the SDK's own, for an error without a code, as whatever stands between the
	// manager and AWS answers.
	unansweredCodes = set("UnknownError", "InternalError", "InternalFailure", "InternalServerError", "InternalServerException", "ServerException",
		"ServiceUnavailable", "Unavailable", "RequestTimeout", "RequestTimeoutException")
)

func set(codes ...string) map[string]bool {
	m := make(map[string]bool, len(codes))
	for _, c := range codes {
		m[c] = true
	}
	return m
}

// Classify tells which class the error of a call falls into.
func Classify(err error) Class {
	if err == nil {
		return NoError
	}

	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return NoCredentials
	}

	if errors.Is(err, ratelimit.ErrBusy) {
		return Throttled
	}

	code := Code(err)
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case code == "" || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return Unanswered
	case throttled || status(err) == http.StatusTooManyRequests:
		return Throttled
	case unansweredCodes[code]:
		return Unanswered
	case deniedCodes[code]:
		return Denied
	case credentialCodes[code]:
		return NoCredentials
	case notFoundCodes[code]:
		return NotFound
	case status(err) >= http.StatusInternalServerError || status(err) == 0:
		return Unanswered
	default:
		return Rejected
	}
}

// HasCode reports whether err is AWS's answer with that code.
func HasCode(err error, code string) bool { return err != nil && Code(err) == code }

// Code gives the code of AWS's answer to a call, empty where err isn't one. The answer to a call
// that was to fetch credentials first is none.
func Code(err error) string {
	if _, ok := errors.AsType[*CredentialsError](err); ok {
		return ""
	}
	return apiCode(err)
}

func apiCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}

func status(err error) int {
	var answer interface{ HTTPStatusCode() int } // of a service, or of the agent that gives credentials
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// Action gives the IAM action of the call that failed, such as ec2:DescribeSubnets; empty where err
// isn't of a call.
func Action(err error) string {
	var operation *smithy.OperationError
	if !errors.As(err, &operation) {
		return ""
	}
	service := strings.ReplaceAll(strings.ToLower(operation.Service()), " ", "") // Service Quotas is servicequotas to IAM
	return service + ":" + operation.Operation()
}

// What differs from one answer to the next, though they say the same.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`(?i)[ .,;]*encoded authorization failure message:.*`), "."},
	{regexp.MustCompile(`(?i)[ ,;(]*\b(x-amzn-)?request[ -]?id:? *[0-9a-fA-F-]{8,}\)?`), ""},
	{regexp.MustCompile(`(?i)\[[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\]:? *`), ""},
	{regexp.MustCompile(`\b[0-9]{8}T[0-9]{6}Z\b`), "(time)"},
	{regexp.MustCompile(`(:assumed-role/[^/\s]+)/[^\s]+`), "$1"},
	{regexp.MustCompile(`\b(read|write|dial) (tcp|udp) \S+: `), "$1 $2: "},
	{regexp.MustCompile(`\s+`), " "},
}

// maxMessage bounds a message in bytes: enough for a sentence of AWS and its ARNs.
const maxMessage = 400

// Message says what went wrong, the same for the same cause every time: what names the single
// request is left out, or every repeat would change the object's status.
func Message(err error) string {
	if chain, ok := errors.AsType[*CredentialsError](err); ok {
		return Truncate(noCredentials+Message(chain.Err), maxMessage) // the same for whichever call they were fetched
	}

	text := err.Error()
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		text = api.ErrorCode()
		if m := strings.TrimSpace(api.ErrorMessage()); m != "" {
			text += ": " + m
		}
	} else if errors.Is(err, ratelimit.ErrBusy) {
		text = ratelimit.ErrBusy.Error()
	} else if errors.Is(err, context.DeadlineExceeded) {
		text = "no answer in time"
	}

	text = strings.Map(printable, strings.ToValidUTF8(text, "\uFFFD"))
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}

	if id := requestID(err); id != "" { // in words that no pattern knows
		text = strings.ReplaceAll(text, id, "(request id)")
	}
	return Truncate(strings.TrimSpace(text), maxMessage)
}

// requestID is that of the answer, empty where there was none.
func requestID(err error) string {
	if answer, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return strings.TrimSpace(answer.ServiceRequestID())
	}
	return ""
}

// printable gives a space for what a terminal would act on, and for what the API server stores in
// another form.
func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// Truncate cuts a text to at most n bytes, between characters, and marks the cut where there is
// room for the mark.
func Truncate(text string, n int) string {
	const mark = "…"
	if len(text) <= n {
		return text
	}

	cut := n - len(mark)
	if cut < 0 {
		return ""
	}

	for cut > 0 && !isRuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + mark
}

func isRuneStart(b byte) bool { return b&0xC0 != 0x80 }
