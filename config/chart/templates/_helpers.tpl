{{/* Names are fixed: trust policies in AWS, alerts and the docs go by them, and a cluster has one manager. */}}
{{- define "agentdisconnect.name" -}}
agentdisconnect-controller-manager
{{- end }}

{{/* Labels of every object, as config/ has them, and what Helm adds. */}}
{{- define "agentdisconnect.helmLabels" -}}
app.kubernetes.io/part-of: agentdisconnect
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "agentdisconnect.labels" -}}
app.kubernetes.io/name: agentdisconnect
{{ include "agentdisconnect.helmLabels" . }}
{{- end }}

{{- define "agentdisconnect.selector" -}}
app.kubernetes.io/name: agentdisconnect
app.kubernetes.io/component: controller-manager
{{- end }}

{{- define "agentdisconnect.managerLabels" -}}
{{ include "agentdisconnect.selector" . }}
{{ include "agentdisconnect.helmLabels" . }}
{{- end }}

{{- define "agentdisconnect.image" -}}
{{- with .Values.image -}}
{{- if not .repository }}
{{- fail "image.repository is not set, and nothing is published yet: build and push the image, and name it: --set image.repository=registry.example.com/agentdisconnect --set image.tag=v0.1.0" }}
{{- end -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The port of metrics; empty where they are turned off. */}}
{{- define "agentdisconnect.metricsPort" -}}
{{- $address := get .Values.flags "metrics-bind-address" | toString | default ":8443" }}
{{- if ne $address "0" }}{{ regexFind "[0-9]+$" $address }}{{ end }}
{{- end }}

{{- define "agentdisconnect.probesPort" -}}
{{ get .Values.flags "health-probe-bind-address" | default ":8081" | regexFind "[0-9]+$" }}
{{- end }}

{{/* The flags as arguments: a list is joined by commas, and a number never gets an exponent. */}}
{{- define "agentdisconnect.args" -}}
{{- range $flag, $value := .Values.flags }}
{{- if kindIs "slice" $value }}
- {{ printf "--%s=%s" $flag (join "," $value) | quote }}
{{- else if kindIs "float64" $value }}
- {{ printf "--%s=%d" $flag (int64 $value) | quote }}
{{- else if and (kindIs "bool" $value) $value }}
- {{ printf "--%s" $flag | quote }}
{{- else if not (kindIs "invalid" $value) }}
- {{ printf "--%s=%v" $flag $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "agentdisconnect.env" -}}
{{- with .Values.aws.region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .Values.aws.endpointURL }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.aws.credentials }}
{{- if .secretName }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .secretName | quote }}, key: {{ .accessKeyIDKey | quote }}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .secretName | quote }}, key: {{ .secretAccessKeyKey | quote }}}
{{- if .sessionTokenKey }}
- name: AWS_SESSION_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ .secretName | quote }}, key: {{ .sessionTokenKey | quote }}}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
