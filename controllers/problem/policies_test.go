// SPDX-License-Identifier: Apache-2.0

package problem

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// grants are the actions that a document of config/iam grants.
func grants(g *WithT, name string) []string {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "iam", name))
	g.Expect(err).NotTo(HaveOccurred())
	var document struct {
		Statement []struct{ Action any } // one, or a list
	}
	g.Expect(json.Unmarshal(text, &document)).To(Succeed())
	var all []string
	for _, statement := range document.Statement {
		switch actions := statement.Action.(type) {
		case string:
			all = append(all, actions)
		case []any:
			for _, action := range actions {
				all = append(all, action.(string))
			}
		}
	}
	return all
}

func TestAMessageNamesThePolicyThatGrantsTheCall(t *testing.T) {
	for _, name := range []string{"policy.json", "policy-probe.json", "policy-callers.json", "policy-brakes.json", "policy-deadman.json"} {
		g := NewWithT(t)
		called := 0
		for _, action := range grants(g, name) {
			if strings.HasPrefix(action, "iam:") {
				continue // no call takes it alone
			}
			called++
			g.Expect(Explain(denied(action)).Message).To(ContainSubstring(action+": grant the actions of the product's IAM policy (config/iam/"+name+")."), name)
		}
		g.Expect(called).To(BeNumerically(">", 0), name)
	}

	g := NewWithT(t)
	for call, name := range map[string]string{"ecs:RunTask": "policy-probe.json", "scheduler:CreateSchedule": "policy-deadman.json"} {
		passing := failedWith(call, "AccessDeniedException", "not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/x", http.StatusForbidden)
		g.Expect(Explain(passing).Message).To(ContainSubstring("iam:PassRole: grant the actions of the product's IAM policy (config/iam/" + name + ")."))
	}
}
