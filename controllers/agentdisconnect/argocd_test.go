// SPDX-License-Identifier: Apache-2.0

package agentdisconnect_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The words that Argo CD has for health.
const (
	healthy, progressing, degraded, paused = "Healthy", "Progressing", "Degraded", "Suspended"
)

// health is what a health script of Argo CD returns.
type health struct{ Status, Message string }

func argoFile(name string) string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "argocd", name))
	Expect(err).NotTo(HaveOccurred())
	return string(text)
}

// argoHealth runs the health script on an object as Argo CD does: in an engine with the same few libraries, and with the
// object as the global obj.
func argoHealth(u *unstructured.Unstructured) health {
	GinkgoHelper()
	return argoHealthBy("health.lua", u)
}

func argoHealthBy(script string, u *unstructured.Unstructured) health {
	GinkgoHelper()
	engine := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer engine.Close()
	for name, open := range map[string]lua.LGFunction{lua.LoadLibName: lua.OpenPackage, lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable} {
		Expect(engine.CallByParam(lua.P{Fn: engine.NewFunction(open), Protect: true}, lua.LString(name))).To(Succeed())
	}
	engine.SetGlobal("obj", inLua(engine, u.Object))
	Expect(engine.DoString(argoFile(script))).To(Succeed())
	result, ok := engine.Get(-1).(*lua.LTable)
	Expect(ok).To(BeTrue(), "the script returns no table")
	return health{lua.LVAsString(result.RawGetString("status")), lua.LVAsString(result.RawGetString("message"))}
}

// inLua is a value of JSON in Lua.
func inLua(engine *lua.LState, value any) lua.LValue {
	switch v := value.(type) {
	case string:
		return lua.LString(v)
	case bool:
		return lua.LBool(v)
	case int64:
		return lua.LNumber(v)
	case float64:
		return lua.LNumber(v)
	case []any:
		table := engine.NewTable()
		for _, each := range v {
			table.Append(inLua(engine, each))
		}
		return table
	case map[string]any:
		table := engine.NewTable()
		for key, each := range v {
			table.RawSetString(key, inLua(engine, each))
		}
		return table
	default:
		return lua.LNil
	}
}

var _ = Describe("The health script for Argo CD", func() {
	It("is the one in the patch of Argo CD's ConfigMap", func() {
		var patch corev1.ConfigMap
		Expect(yaml.UnmarshalStrict([]byte(argoFile("argocd-cm.yaml")), &patch)).To(Succeed())
		Expect(patch.Name).To(Equal("argocd-cm"))
		Expect(patch.Data).To(Equal(map[string]string{
			"resource.customizations.health.chaos.agentdisconnect.dev_AgentDisconnect":         argoFile("health.lua"),
			"resource.customizations.health.chaos.agentdisconnect.dev_AgentDisconnectSchedule": argoFile("health-schedule.lua"),
		}))
	})

	It("says progressing of an object that the controller has not seen", func(ctx context.Context) {
		w := newWorld(ctx)
		seen := w.raw(ctx, w.create(ctx))
		Expect(argoHealth(seen)).To(Equal(health{progressing, "The controller has not processed the object yet"}))
		for _, status := range []map[string]any{nil, {}, {"observedGeneration": seen.GetGeneration()}, {"observedGeneration": seen.GetGeneration(), "conditions": []any{}}} {
			seen.Object["status"] = status
			if status == nil {
				delete(seen.Object, "status")
			}
			Expect(argoHealth(seen)).To(HaveField("Status", progressing), "%v", status)
		}
	})

	It("gives the state and its message, and for what failed the reason", func(ctx context.Context) {
		w := newWorld(ctx)
		obj := w.blocking(ctx)
		Expect(argoHealth(w.raw(ctx, obj)).Message).To(Equal("Blocking: " + condition(w.get(ctx, obj), "Succeeded").Message))
		w.discard(ctx, obj)
		w.tagSubnet("agentdisconnect.dev/allow")
		refused := w.create(ctx)
		w.run(ctx, 0, refused)
		stalled := condition(w.get(ctx, refused), "Stalled")
		Expect(argoHealth(w.raw(ctx, refused))).To(Equal(health{degraded, stalled.Reason + ": " + stalled.Message}))
	})
})
