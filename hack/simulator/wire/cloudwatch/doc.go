// SPDX-License-Identifier: Apache-2.0

// Package cloudwatch is the part of CloudWatch's API that reads alarms and sets their state, over Smithy's RPC v2 with CBOR, which
// is what current SDKs and the AWS CLI speak to it. Alarms come from the world file: nothing measures or evaluates them.
package cloudwatch
