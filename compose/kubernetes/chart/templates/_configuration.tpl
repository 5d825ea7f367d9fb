{{/* devwiz-gw.toml, and what it names. */}}
{{- define "devwiz-gw.configuration" -}}
{{- $identity := .Values.identity -}}
{{- $total := add .Values.lingerSeconds .Values.drainSeconds -}}
{{- if ge (int $total) (int .Values.app.terminationGracePeriodSeconds) -}}
{{- fail "lingerSeconds and drainSeconds together must be less than app.terminationGracePeriodSeconds" -}}
{{- end -}}
devwiz-gw.toml: |
  project = {{ include "devwiz-gw.toml" (required "project is required" .Values.project) }}

  [identity]
  source = {{ include "devwiz-gw.toml" (ternary "files" $identity.source (eq $identity.source "cert-manager")) }}
  {{- if $identity.spiffeId }}
  spiffe_id = {{ include "devwiz-gw.toml" $identity.spiffeId }}
  {{- end }}
{{ include (printf "devwiz-gw.identity.%s" $identity.source) . | indent 2 }}

  [limits]
  workers = {{ int .Values.workers }}
  linger_timeout_s = {{ int .Values.lingerSeconds }}
  drain_timeout_s = {{ int .Values.drainSeconds }}

  [log]
  format = "json"

  [admin]
  socket = "unix:/run/devwiz-gw/gateway/admin.sock"

  [secrets]
  {{- if .Values.secretName }}
  store = "folder"
  folder = "/run/secrets/devwiz-gw"
  {{- else }}
  store = "memory"
  {{- end }}

{{ .Values.config | trim | indent 2 }}
{{- if eq $identity.source "google-wif" }}
wif.json: |
{{ include "devwiz-gw.wif" $identity.googleWif | indent 2 }}
{{- end }}
{{- end -}}

{{- define "devwiz-gw.identity.spiffe" }}
[identity.spiffe]
socket = {{ include "devwiz-gw.toml" (printf "unix:///run/spiffe/%s" .Values.identity.spiffe.socket) }}
{{- end -}}

{{- define "devwiz-gw.identity.google-wif" }}
{{- $_ := required "identity.spiffeId is required for google-wif" .Values.identity.spiffeId }}
[identity.google-wif]
credential_file = "/etc/devwiz-gw/wif.json"
ca_pool = {{ include "devwiz-gw.toml" (required "identity.googleWif.caPool is required" .Values.identity.googleWif.caPool) }}
{{- end -}}

{{- define "devwiz-gw.identity.cert-manager" }}
{{- $_ := required "identity.spiffeId is required for cert-manager" .Values.identity.spiffeId }}
[identity.files]
certificate = "/run/identity/tls.crt"
private_key = "/run/identity/tls.key"
trust_bundle = "/run/identity/ca.crt"
{{- end -}}

{{- define "devwiz-gw.identity.issuer" }}
{{- $issuer := .Values.identity.issuer }}
[identity.issuer]
url = {{ include "devwiz-gw.toml" (required "identity.issuer.url is required" $issuer.url) }}
ca_pin = {{ include "devwiz-gw.toml" (required "identity.issuer.caPin is required" $issuer.caPin) }}
token_rule = {{ include "devwiz-gw.toml" (required "identity.issuer.rule is required" $issuer.rule) }}
id_token_file = "/run/tokens/token"
{{- end -}}

{{/* As `gcloud iam workload-identity-pools create-cred-config` writes it. */}}
{{- define "devwiz-gw.wif" -}}
{{- $provider := required "identity.googleWif.provider is required" .provider -}}
{{- $config := dict
      "type" "external_account"
      "audience" (printf "//iam.googleapis.com/%s" $provider)
      "subject_token_type" "urn:ietf:params:oauth:token-type:jwt"
      "token_url" "https://sts.googleapis.com/v1/token"
      "credential_source" (dict "file" "/run/tokens/token") -}}
{{- if .serviceAccount -}}
{{- $_ := set $config "service_account_impersonation_url" (printf "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/%s:generateAccessToken" .serviceAccount) -}}
{{- end -}}
{{- toPrettyJson $config -}}
{{- end -}}
