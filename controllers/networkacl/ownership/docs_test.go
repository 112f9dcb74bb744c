// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"

	. "agentdisconnect.dev/agentdisconnect/controllers/networkacl/acltest"
	"agentdisconnect.dev/agentdisconnect/controllers/networkacl/ownership"
)

// A person who undoes a run by hand has nothing but the documentation to go by.
func TestTheDocumentedClaimIsOne(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../../docs/how-it-works.md")
	g.Expect(err).NotTo(HaveOccurred())
	value := regexp.MustCompile(`(?m)^v1 .*$`).Find(page)
	claims, malformed := ownership.ParseClaims(map[string]string{baseKey: string(value)})
	g.Expect(malformed).To(BeEmpty())
	g.Expect(claims).To(HaveLen(1))
	g.Expect(claims[0].Rules).To(HaveLen(6))

	hashed := regexp.MustCompile(`printf 'egress (\d+) deny -1 ([\d./]+)'.*\n([\w-]{6})\n`).FindSubmatch(page)
	g.Expect(hashed).NotTo(BeNil())
	number, err := strconv.ParseInt(string(hashed[1]), 10, 32)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(claims[0].Owns(DenyOut(int32(number), string(hashed[2])))).To(BeTrue())
	g.Expect(claims[0].Rules).To(ContainElement(ownership.ClaimedRule{Number: int32(number), Hash: string(hashed[3])}))
}
