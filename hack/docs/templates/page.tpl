{{- /* The page: every field under its path, in the order of the types. */ -}}

{{- define "gvList" -}}
{{- $kind := (index . 0).TypeForKind "AgentDisconnect" -}}
<!-- Written by `make docs` from the comments and markers in api/v1alpha1: change those. -->

# API

`{{ $kind.GVK.Kind }}` in `{{ $kind.GVK.Group }}/{{ $kind.GVK.Version }}`, in short `agd`, lives in a namespace.
{{ $kind.Doc }}

`kubectl explain agentdisconnect.spec` says the same from the cluster. States and conditions are in [states.md](states.md).

In the tables:

- What a field means that is left out is under "unset". The API server writes no defaults into objects. Where nothing is said of a
  field of the status, it is left out until there is something to say.
- What is quoted under "validation" is the message with which the API server refuses a value.
- A *time* is text in UTC and to the second, in the years 2000 to 2999, such as `2026-01-02T15:04:05Z`.
{{- $seen := dict }}
{{- range $kind.Fields }}
{{- if has .Name (list "spec" "status") }}
{{- template "object" (dict "path" .Name "doc" .Doc "type" .Type "seen" $seen) }}
{{- if eq .Name "spec" }}{{ template "kind-rules" $kind }}{{ end }}
{{- end }}
{{- end }}
{{- $schedule := (index . 0).TypeForKind "AgentDisconnectSchedule" }}

## {{ $schedule.GVK.Kind }}

In short `agds`. {{ regexReplaceAll "\\s+" $schedule.Doc " " }} How it works is in [schedules.md](schedules.md).
{{- template "kind-rules" $schedule }}
{{- range $schedule.Fields }}
{{- if has .Name (list "spec" "status") }}
{{- template "object" (dict "path" (print "schedule." .Name) "doc" .Doc "type" .Type "seen" $seen) }}
{{- end }}
{{- end }}
{{- $halt := (index . 0).TypeForKind "AgentDisconnectHalt" }}

## {{ $halt.GVK.Kind }}

In short `agdh`. {{ regexReplaceAll "\\s+" $halt.Doc " " }} How it works is in [brakes.md](brakes.md).
{{- template "kind-rules" $halt }}
{{- range $halt.Fields }}
{{- if has .Name (list "spec" "status") }}
{{- template "object" (dict "path" (print "halt." .Name) "doc" .Doc "type" .Type "seen" $seen) }}
{{- end }}
{{- end }}
{{ end -}}

{{- /* Rules about an object as a whole. */ -}}
{{- define "kind-rules" }}
{{- with index .Markers "kubebuilder:validation:XValidation" }}

Refused of the object as a whole:
{{ range . }}
- {{ with .FieldPath }}`{{ trimPrefix "." . }}`: {{ end }}“{{ .Message }}”
{{- end }}
{{- end }}
{{- end -}}

{{- /* An object's fields as a table, then what their words mean, then the objects in it. Kind 4 is a pointer, 5 a list. */ -}}
{{- define "object" }}
{{- $path := .path }}
{{- $seen := .seen }}

{{ ternary "###" "##" (contains "." $path) }} {{ $path }}

{{ regexReplaceAll "\\s+" .doc " " }}
{{- $known := get $seen .type.Name }}
{{- if $known }}

Its fields are those of [{{ $known }}](#{{ regexReplaceAll "[^a-z0-9]" (lower $known) "" }}).
{{- else }}
{{- $_ := set $seen .type.Name $path }}
{{- template "object-rules" .type }}

| field | type | meaning | unset | validation |
|---|---|---|---|---|
{{- range .type.Members }}
{{ template "row" (dict "path" $path "field" .) }}
{{- end }}
{{- range .type.Members }}
{{- template "words" (dict "field" . "seen" $seen) }}
{{- end }}
{{- range .type.Members }}
{{- $many := eq .Type.Kind 5 }}
{{- $of := .Type }}
{{- if or $many (eq .Type.Kind 4) }}{{ $of = .Type.UnderlyingType }}{{ end }}
{{- if and $of.Fields (not (has $of.Name (list "Time" "Duration" "Condition"))) }}
{{- template "object" (dict "path" (print $path "." .Name (ternary "[]" "" $many)) "doc" .Doc "type" $of "seen" $seen) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Rules about several fields of an object. */ -}}
{{- define "object-rules" }}
{{- if index .Markers "kubebuilder:validation:MinProperties" }}

One of its fields at least must be there.
{{- end }}
{{- with index .Markers "kubebuilder:validation:XValidation" }}

Refused, beside what the table says:
{{ range . }}
- `{{ trimPrefix "." .FieldPath }}`: “{{ .Message }}”
{{- end }}
{{- end }}
{{- end -}}

{{- /* What each word of a field that takes one of some means, where it is met first. */ -}}
{{- define "words" }}
{{- $of := .field.Type }}
{{- if or (eq $of.Kind 5) (eq $of.Kind 4) }}{{ $of = $of.UnderlyingType }}{{ end }}
{{- if and $of.EnumValues (not (hasKey .seen $of.Name)) }}
{{- $_ := set .seen $of.Name .field.Name }}

`{{ .field.Name }}`:
{{ range $of.EnumValues }}
- `{{ .Name }}`{{ regexReplaceAll "^[A-Za-z]+" (regexReplaceAll "\\s+" .Doc " " | trim) "" }}
{{- end }}
{{- end }}
{{- end -}}
