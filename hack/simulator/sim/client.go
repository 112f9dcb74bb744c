// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// client is the SDK's HTTP client for a server that is faster than a network. The SDK closes a request's body as soon as
// an answer begins; net/http may still be looking whether the body has an end, by io.WriterTo, which then says EOF, which
// net/http takes for a failed write: it closes the connection, and the answer is cut off. A plain reader has no such trap.
type client struct{ next *awshttp.BuildableClient }

// Do implements aws.HTTPClient.
func (c client) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.next.Do(r)
}
