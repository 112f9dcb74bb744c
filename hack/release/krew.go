// SPDX-License-Identifier: Apache-2.0

package main

import (
	_ "embed"
	"io"
	"text/template"
)

//go:embed krew.yaml.tmpl
var krewTemplate string

// writeManifest writes what krew installs the plugin by: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest
func (r *release) writeManifest(path string, archives []archive) error {
	parsed, err := template.New("krew").Parse(krewTemplate)
	if err != nil {
		return err
	}
	return create(path, func(out io.Writer) error {
		return parsed.Execute(out, struct {
			*release
			Archives []archive
		}{r, archives})
	})
}
