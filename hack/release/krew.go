// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"os"
	"text/template"
)

//go:embed krew.yaml.tmpl
var manifest string

// writeManifest writes the manifest by which krew installs the plugin: krew.sigs.k8s.io/docs/developer-guide/plugin-manifest.
func (r *release) writeManifest(path string, archives []archive) error {
	parsed, err := template.New("krew").Option("missingkey=error").Parse(manifest)
	if err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return parsed.Execute(file, struct {
		*release
		Archives []archive
	}{r, archives})
}
