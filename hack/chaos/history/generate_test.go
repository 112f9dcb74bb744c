// SPDX-License-Identifier: Apache-2.0

package history

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestTheSameSeedGivesTheSameHistory(t *testing.T) {
	g := NewWithT(t)
	for seed := range uint64(50) {
		g.Expect(Generate(seed, 30)).To(Equal(Generate(seed, 30)))
	}
	g.Expect(Generate(1, 30).Ops).NotTo(Equal(Generate(2, 30).Ops))
}

func TestEveryKindOfOperationIsDrawn(t *testing.T) {
	g := NewWithT(t)
	drawn := map[Kind]int{}
	hows := map[string]bool{}
	for seed := range uint64(200) {
		for _, op := range Generate(seed, 30).Ops {
			drawn[op.Do]++
			hows[op.How] = true
			if op.Do == Create {
				g.Expect(op.For.d()).To(And(BeNumerically(">=", time.Minute), BeNumerically("<=", 30*time.Minute)))
			}
		}
	}
	for _, kind := range []Kind{
		Create, Apply, Lengthen, Suspend, Resume, Renew, Delete, Force, DropCondition, DamageLedger, Brake, AddEntry, ReplaceEntry, DeleteEntry,
		AddTag, RemoveTag, StripTags, RemoveRule, ReplaceRule, OverrideRule, Consent, Withdraw, MoveSubnet, AddACL, DeleteACL, AgentsDown,
		AgentsUp, Call, Trail, AddInstance, RemoveInstance, Rotate, Crash, Off, Freeze, AWSFault, KubeFault, Skew, Pass,
	} {
		g.Expect(drawn).To(HaveKey(kind))
		g.Expect(perform).To(HaveKey(kind), "nothing does it")
	}
	for _, how := range slices.Concat(AWSFaults, KubeFaults, Brakes) {
		g.Expect(hows).To(HaveKey(how))
	}
}

func TestAHistoryIsWhatItsTextSays(t *testing.T) {
	g := NewWithT(t)
	for seed := range uint64(20) {
		h := Generate(seed, 40)
		h.Note = "a \"note\""
		path := filepath.Join(t.TempDir(), "history.json")
		g.Expect(os.WriteFile(path, []byte(h.String()), 0o600)).To(Succeed())
		g.Expect(Read(path)).To(Equal(h))
	}
}

func TestAFileWithUnknownWordsIsRefused(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "history.json")
	g.Expect(os.WriteFile(path, []byte(`{"ops":[{"do":"pass","fro":"1s"}]}`), 0o600)).To(Succeed())
	_, err := Read(path)
	g.Expect(err).To(MatchError(ContainSubstring("fro")))
}
