// SPDX-License-Identifier: Apache-2.0

package region

import (
	"fmt"
	"net/http"
)

// Error is an answer of AWS that is not a success.
type Error struct {
	// Code is AWS's, without the prefix that CloudTrail adds and without the namespace of JSON protocols.
	Code string
	// Message is for people.
	Message string
	// HTTPStatus is 400 unless AWS has another for the code.
	HTTPStatus int
	// Details are further members of the body in JSON protocols, e.g. the resourceIds of a ConflictException.
	Details map[string]any
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errorf makes an error with the status that AWS sends with the code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), HTTPStatus: StatusOf(code)}
}

// StatusOf is the HTTP status of a code.
func StatusOf(code string) int {
	switch code {
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	case "UnauthorizedOperation", "OptInRequired", "MissingAuthenticationToken", "InvalidClientTokenId", "AccessDenied", "ExpiredToken":
		return http.StatusForbidden
	case "AuthFailure":
		return http.StatusUnauthorized
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable", "InsufficientInstanceCapacity":
		return http.StatusServiceUnavailable
	case "InternalError", "InternalFailure", "ServerException", "ServerInternal":
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}
