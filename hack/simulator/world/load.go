// SPDX-License-Identifier: Apache-2.0

package world

import (
	_ "embed"
	"errors"
	"fmt"
	"os"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

//go:embed default.yaml
var defaultYAML []byte

// The credentials of a world that defines none.
const (
	DefaultAccessKey = "AKIASIMULATOR0000001"
	DefaultSecret    = "simulated-secret-access-key"
)

// Default is the world of default.yaml. Callers may change what they get.
func Default() *World {
	w, err := Parse(defaultYAML)
	if err != nil {
		panic(fmt.Sprintf("the embedded world: %v", err))
	}
	return w
}

// DefaultYAML is the text of the default world, to start another from.
func DefaultYAML() []byte { return defaultYAML }

// Load reads a world from a file.
func Load(path string) (*World, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// Parse reads a world and validates it.
func Parse(text []byte) (*World, error) {
	asJSON, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return nil, err
	}
	var w World
	strict, err := kjson.UnmarshalStrict(asJSON, &w)
	if err != nil {
		return nil, err
	}
	if len(strict) > 0 {
		return nil, fmt.Errorf("%w\n(the fields are those of hack/simulator/world/types.go)", errors.Join(strict...))
	}
	return &w, w.Validate()
}

// Keys are the access keys of the world, at least one, with what is unset filled in.
func (w *World) Keys() []AccessKey {
	keys := w.AccessKeys
	if len(keys) == 0 {
		keys = []AccessKey{{ID: DefaultAccessKey, Secret: DefaultSecret, ARN: "arn:aws:iam::" + w.Account + ":user/operator"}}
	}
	out := make([]AccessKey, len(keys))
	for i, k := range keys {
		if k.Account == "" {
			k.Account = w.Account
		}
		if len(k.Allow) == 0 {
			k.Allow = []string{"*"}
		}
		out[i] = k.withPrincipal()
	}
	return out
}
