// SPDX-License-Identifier: Apache-2.0

package agentdisconnect

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestHostOfTheAPIServer(t *testing.T) {
	for address, want := range map[string]string{
		"https://10.100.0.1:443": "10.100.0.1", "https://ABC.gr7.ap-northeast-1.eks.amazonaws.com": "abc.gr7.ap-northeast-1.eks.amazonaws.com",
		"[2001:db8::1]:6443": "2001:db8::1", "localhost:8080": "localhost",
	} {
		NewWithT(t).Expect(hostname(address)).To(Equal(want))
	}
}
