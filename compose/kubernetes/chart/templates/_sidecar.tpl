{{/* The gateway's container: for initContainers, or for containers where nativeSidecar is false. */}}
{{- define "devwiz-gw.sidecar" -}}
name: devwiz-gw
image: {{ include "devwiz-gw.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if .Values.nativeSidecar }}
# Starts before the application, ends after it, and doesn't keep a Job from being complete.
restartPolicy: Always
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
# By exec: the gateway listens on the pod's loopback only, which the kubelet can't reach.
startupProbe: # the application starts once there is a certificate
  exec:
    command: [devwiz-gw, healthcheck, --startup, --config, /etc/devwiz-gw/devwiz-gw.toml]
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 60
readinessProbe:
  exec:
    command: [devwiz-gw, healthcheck, --config, /etc/devwiz-gw/devwiz-gw.toml]
  periodSeconds: 10
  timeoutSeconds: 5
livenessProbe:
  exec:
    command: [devwiz-gw, healthcheck, --live, --config, /etc/devwiz-gw/devwiz-gw.toml]
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 3
resources:
{{ toYaml .Values.resources | indent 2 }}
volumeMounts:
  - name: devwiz-gw-config
    mountPath: /etc/devwiz-gw
    readOnly: true
  - name: devwiz-gw-run
    mountPath: /run/devwiz-gw
  - name: devwiz-gw-state
    mountPath: /var/lib/devwiz-gw
  {{- if .Values.secretName }}
  - name: devwiz-gw-secrets
    mountPath: /run/secrets/devwiz-gw
    readOnly: true
  {{- end }}
  - name: devwiz-gw-identity
    mountPath: {{ include "devwiz-gw.identityPath" . }}
    readOnly: true
{{- end -}}

{{- define "devwiz-gw.identityPath" -}}
{{- if eq .Values.identity.source "spiffe" -}} /run/spiffe
{{- else if eq .Values.identity.source "cert-manager" -}} /run/identity
{{- else -}} /run/tokens
{{- end -}}
{{- end -}}

{{/* The volumes that the container mounts. */}}
{{- define "devwiz-gw.volumes" -}}
- name: devwiz-gw-config
  configMap:
    name: {{ include "devwiz-gw.fullname" . }}
- name: devwiz-gw-run
  emptyDir:
    medium: Memory
    sizeLimit: 16Mi
# The audit journal; it ends with the pod unless it is forwarded.
- name: devwiz-gw-state
  emptyDir: {}
{{- if .Values.secretName }}
- name: devwiz-gw-secrets
  secret:
    secretName: {{ .Values.secretName | quote }}
    defaultMode: 0440
{{- end }}
- name: devwiz-gw-identity
{{ include (printf "devwiz-gw.volume.%s" .Values.identity.source) .Values.identity | indent 2 }}
{{- end -}}

{{- define "devwiz-gw.volume.spiffe" -}}
csi:
  driver: {{ .spiffe.driver | quote }}
  readOnly: true
{{- end -}}

{{- define "devwiz-gw.volume.cert-manager" -}}
{{- $issuer := .certManager.issuer -}}
csi:
  driver: csi.cert-manager.io
  readOnly: true
  volumeAttributes:
    csi.cert-manager.io/issuer-name: {{ required "identity.certManager.issuer.name is required" $issuer.name | quote }}
    csi.cert-manager.io/issuer-kind: {{ $issuer.kind | quote }}
    csi.cert-manager.io/issuer-group: {{ $issuer.group | quote }}
    csi.cert-manager.io/uri-sans: {{ .spiffeId | quote }}
    csi.cert-manager.io/key-usages: "digital signature,client auth,server auth"
    csi.cert-manager.io/key-algorithm: ECDSA
    csi.cert-manager.io/key-size: "256"
    csi.cert-manager.io/key-encoding: PKCS8
    csi.cert-manager.io/reuse-private-key: "false"
    csi.cert-manager.io/duration: {{ .certManager.duration | quote }}
    csi.cert-manager.io/renew-before: {{ .certManager.renewBefore | quote }}
    csi.cert-manager.io/fs-group: "10001"
{{- end -}}

{{- define "devwiz-gw.volume.google-wif" -}}
{{ include "devwiz-gw.volume.token" (printf "https://iam.googleapis.com/%s" .googleWif.provider) }}
{{- end -}}

{{- define "devwiz-gw.volume.issuer" -}}
{{ include "devwiz-gw.volume.token" .issuer.audience }}
{{- end -}}

{{- define "devwiz-gw.volume.token" -}}
projected:
  defaultMode: 0440
  sources:
    - serviceAccountToken:
        audience: {{ . | quote }}
        expirationSeconds: 3600
        path: token
{{- end -}}
