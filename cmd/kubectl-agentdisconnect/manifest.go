// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"agentdisconnect.dev/agentdisconnect/api/v1alpha1"
)

// readManifest reads the one AgentDisconnect that a file has, in YAML or JSON; - is standard input.
// Fields are left as they are written: the API server says which it does not know.
func (p *program) readManifest(file string) (*unstructured.Unstructured, error) {
	in := p.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, usage("--filename: %v", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}

	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(in, 4096); ; {
		u := &unstructured.Unstructured{}
		err := decoder.Decode(&u.Object)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, usage("%s is neither YAML nor JSON: %v", file, err)
		}
		if len(u.Object) > 0 { // a document may be empty
			objects = append(objects, u)
		}
	}
	return onlyRun(file, objects)
}

// onlyRun is the one object that a file must have.
func onlyRun(file string, objects []*unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if len(objects) != 1 {
		return nil, usage("%s has %d objects: give a file with one %s", file, len(objects), kind)
	}

	u, want := objects[0], v1alpha1.GroupVersion.WithKind(kind)
	if got := u.GroupVersionKind(); got != want {
		return nil, usage("%s has apiVersion %q and kind %q: they must be %s and %s", file, u.GetAPIVersion(), u.GetKind(), v1alpha1.GroupVersion, kind)
	}
	if u.GetName() == "" && u.GetGenerateName() == "" {
		u.SetGenerateName(generateName)
	}
	return u, nil
}

// namespaceOf is where an object is to be created. As for kubectl, a flag may not contradict the
// manifest.
func namespaceOf(u *unstructured.Unstructured, c *cluster) (string, error) {
	switch own := u.GetNamespace(); {
	case own == "":
		return c.namespace, nil
	case c.explicit && own != c.namespace:
		return "", usage("the manifest has namespace %q, and --namespace is %q: give one of them, or the same", own, c.namespace)
	default:
		return own, nil
	}
}

// describeObject names an object that may not have its name yet.
func describeObject(u *unstructured.Unstructured) string {
	if u.GetName() == "" {
		return fmt.Sprintf("%s…", u.GetGenerateName())
	}
	return u.GetName()
}
