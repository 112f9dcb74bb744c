// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The words that Argo CD has for health.
const (
	healthy, progressing, degraded, paused = "Healthy", "Progressing", "Degraded", "Suspended"
)

// health is what a health script of Argo CD returns.
type health struct{ Status, Message string }

// argoActions are the actions of a kind, as Argo CD's ConfigMap has them.
type argoActions struct {
	Discovery   string `json:"discovery.lua"`
	Definitions []struct {
		Name   string `json:"name"`
		Action string `json:"action.lua"`
	} `json:"definitions"`
}

// impacted is what an action asks Argo CD to do.
type impacted struct {
	Operation string                    `json:"operation"`
	Resource  unstructured.Unstructured `json:"resource"`
}

func argoFile(name string) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "argocd", name))
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// argoRun runs a script on an object, which must not fail.
func argoRun(script string, u *unstructured.Unstructured) []byte {
	GinkgoHelper()
	result, err := argoTry(script, u)
	Expect(err).NotTo(HaveOccurred(), script)
	return result
}

// argoTry runs a script on an object within the limits of Argo CD's engine: few libraries, one second, and the object as the
// global obj. The tests of hack/gitops run the scripts in that engine itself.
func argoTry(script string, u *unstructured.Unstructured) ([]byte, error) {
	GinkgoHelper()
	engine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer engine.Close()
	within, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	engine.SetContext(within)
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}, {lua.OsLibName, lua.OpenOs}} {
		Expect(engine.CallByParam(lua.P{Fn: engine.NewFunction(library.open), Protect: true}, lua.LString(library.name))).To(Succeed())
	}
	// Of os there are two functions, and for those who require it alone.
	Expect(engine.DoString(`for name in pairs(os) do if name ~= "date" and name ~= "time" then os[name] = nil end end os = nil`)).To(Succeed())

	text, err := u.MarshalJSON() // the decoder has no whole numbers
	Expect(err).NotTo(HaveOccurred())
	object, err := luajson.Decode(engine, text)
	Expect(err).NotTo(HaveOccurred())
	engine.SetGlobal("obj", object)
	if err := engine.DoString(argoFile(script)); err != nil {
		return nil, err
	}
	return luajson.Encode(engine.Get(-1))
}

// argoHealth is the health of an AgentDisconnect.
func argoHealth(u *unstructured.Unstructured) health {
	GinkgoHelper()
	return argoHealthBy("health.lua", u)
}

func argoHealthBy(script string, u *unstructured.Unstructured) (found health) {
	GinkgoHelper()
	Expect(json.Unmarshal(argoRun(script, u), &found)).To(Succeed())
	return found
}

// argoEnabled are the actions in a folder that a person can choose for an object, in the order of their names. All others must
// refuse the object themselves: Argo CD's server runs them for a caller of its API.
func argoEnabled(folder string, u *unstructured.Unstructured) string {
	GinkgoHelper()
	var actions map[string]struct{ Disabled bool }
	Expect(json.Unmarshal(argoRun(filepath.Join(folder, "discovery.lua"), u), &actions)).To(Succeed())
	var enabled []string
	for name, action := range actions {
		if !action.Disabled {
			enabled = append(enabled, name)
			continue
		}
		_, err := argoTry(filepath.Join(folder, name+".lua"), u)
		Expect(err).To(MatchError(ContainSubstring("Not ")), name)
	}
	slices.Sort(enabled)
	return strings.Join(enabled, " ")
}

// argoAct has an action take place as Argo CD's server does: it patches the object, or creates another, which is returned.
func argoAct(ctx context.Context, folder, action string, u *unstructured.Unstructured, dryRun ...string) *unstructured.Unstructured {
	GinkgoHelper()
	answer := argoRun(filepath.Join(folder, action+".lua"), u)
	var all []impacted
	if strings.HasPrefix(string(answer), "[") {
		Expect(json.Unmarshal(answer, &all)).To(Succeed())
	} else {
		all = []impacted{{Operation: "patch"}}
		Expect(json.Unmarshal(answer, &all[0].Resource)).To(Succeed())
	}
	Expect(all).To(HaveLen(1))
	made := &all[0].Resource
	if all[0].Operation == "create" {
		Expect(kube.Create(ctx, made, &client.CreateOptions{DryRun: dryRun})).To(Succeed())
		return made
	}
	restoreMaps(made.Object, u.Object)
	Expect(kube.Patch(ctx, made, client.MergeFrom(u), &client.PatchOptions{DryRun: dryRun})).To(Succeed())
	return made
}

// restoreMaps sets right what are lists by mistake, since Lua can't tell an empty list from an empty map, as Argo CD does.
func restoreMaps(made, was map[string]any) {
	for key, value := range was {
		before, isMap := value.(map[string]any)
		if !isMap {
			continue
		}
		switch after := made[key].(type) {
		case []any:
			made[key] = map[string]any{}
		case map[string]any:
			restoreMaps(after, before)
		}
	}
}
