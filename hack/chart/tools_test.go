// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	root     = "../.."
	folder   = root + "/config/chart"
	release  = "agentdisconnect"
	system   = "agentdisconnect-system"
	manager  = "agentdisconnect-controller-manager"
	repoFlag = "--set=image.repository=registry.example.com/agentdisconnect"
)

// tool is the path of a tool that the Makefile builds.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(root, "bin", "tools", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%s is not built: run this through make test, or make bin/tools/%s first", name, name)
	}
	return path
}

// command runs a program in the repository's folder with variables beside the environment's, and returns what it prints.
func command(t *testing.T, env []string, name string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = root, &out, &errs
	// Where make runs the tests, its own flags are not for a make that a test starts.
	cmd.Env = slices.Concat(os.Environ(), []string{"MAKEFLAGS=", "MAKELEVEL=", "KUBECONFIG=/nonexistent"}, env)
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// helm runs the real helm with files of its own.
func helm(t *testing.T, kubeconfig string, args ...string) (stdout string, err error) {
	t.Helper()
	home := t.TempDir()
	return command(t, []string{"HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home, "KUBECONFIG=" + kubeconfig}, tool(t, "helm"), args...)
}

func template(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	return helm(t, "/nonexistent", slices.Concat([]string{"template", release, "config/chart", "--namespace=" + system}, args)...)
}

// objects are those of a YAML stream, by kind and name.
type objects map[string]*unstructured.Unstructured

func parse(g Gomega, stream string) objects {
	all := objects{}
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(stream), 4096); ; {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(u)
		if errors.Is(err, io.EOF) {
			return all
		}
		g.Expect(err).NotTo(HaveOccurred())
		if len(u.Object) == 0 {
			continue // nothing but a comment
		}
		key := u.GetKind() + " " + u.GetName()
		g.Expect(all).NotTo(HaveKey(key), "rendered twice")
		all[key] = u
	}
}

// rendered is what the chart renders with these arguments of helm template.
func rendered(t *testing.T, args ...string) objects {
	t.Helper()
	g := NewWithT(t)
	stream, err := template(t, args...)
	g.Expect(err).NotTo(HaveOccurred())
	return parse(g, stream)
}

func (o objects) deployment(g Gomega) *appsv1.Deployment {
	d := &appsv1.Deployment{}
	g.Expect(o).To(HaveKey("Deployment " + manager))
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o["Deployment "+manager].Object, d, true)).To(Succeed())
	return d
}

func (o objects) args(g Gomega) []string {
	return o.deployment(g).Spec.Template.Spec.Containers[0].Args
}
