{{/* The name of what the chart makes. */}}
{{- define "devwiz-gw.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "devwiz-gw.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "devwiz-gw.labels" -}}
{{ include "devwiz-gw.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "devwiz-gw.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "devwiz-gw.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "devwiz-gw.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* A string as TOML writes it: a JSON string is one, too. */}}
{{- define "devwiz-gw.toml" -}}
{{- . | toString | toRawJson -}}
{{- end -}}

{{/* Changes when the configuration does, so that pods are made anew. */}}
{{- define "devwiz-gw.podAnnotations" -}}
checksum/devwiz-gw: {{ include "devwiz-gw.configuration" . | sha256sum }}
{{- end -}}

{{/* The pod's: files of its volumes belong to the gateway's group. */}}
{{- define "devwiz-gw.podSecurityContext" -}}
fsGroup: 10001
{{- end -}}
