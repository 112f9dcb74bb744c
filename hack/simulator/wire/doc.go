// SPDX-License-Identifier: Apache-2.0

// Package wire serves a simulated account over HTTP as AWS does, so that the AWS CLI and every AWS SDK work on it through
// AWS_ENDPOINT_URL. It tells services apart by the credential scope of the signature, the X-Amz-Target header, the
// Version parameter and the path, and puts each call through the same steps: credentials, throttling, parameters, permission, dry
// run, effect, answer, CloudTrail. Faults act between them.
//
// A dry run ends once the permission is judged. Whether AWS looks for the resources before that is not documented; here
// it doesn't.
//
// It makes up no success. An action that it doesn't have, of a service that it has or not, gets that service's own error
// for an action that doesn't exist.
//
// Signatures aren't verified: the access key id in them says who calls.
//
// Schedules are carried out here as well: their calls go through the same steps, under their role and at their time.
package wire
